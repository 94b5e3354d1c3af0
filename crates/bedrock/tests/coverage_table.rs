//! `docs/coverage.md`: what is read of each operation's request and answer, and what of its answer can be stopped. The table is
//! made of the cases that the other tests run: a cell says what a case shows. `UPDATE_EXPECTED=1` writes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod answer_common;
mod body_common;
mod common;

use body_common::{Expect, kind};
use common::{Request, fill, host};
use portcullis_bedrock::operation::{ActionKind, Segment};
use portcullis_bedrock::{BodyPlan, Found, OPERATIONS, Operation, PayloadKind, Sieve, SieveLimits};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const BEGIN: &str = "<!-- operations: generated; UPDATE_EXPECTED=1 cargo test -p portcullis-bedrock --test coverage_table -->\n";
const END: &str = "<!-- end of operations -->";
const FACTS_BEGIN: &str = "<!-- facts: generated likewise -->\n";
const FACTS_END: &str = "<!-- end of facts -->";

/// Operations that run no model and have a row all the same: they submit work, or change what a guardrail sees.
const ROWS: [(&str, &[&str]); 7] = [
    (
        "bedrock",
        &[
            "StopModelInvocationJob",
            "CreateEvaluationJob",
            "CreateAdvancedPromptOptimizationJob",
            "CreateModelCustomizationJob",
            "CreateCustomModel",
            "CreateCustomModelDeployment",
            "CreateModelImportJob",
            "CreateModelCopyJob",
            "CreateProvisionedModelThroughput",
            "CreateMarketplaceModelEndpoint",
            "CreateInferenceProfile",
            "CreatePromptRouter",
            "StartAutomatedReasoningPolicyBuildWorkflow",
            "StartAutomatedReasoningPolicyTestWorkflow",
            "CreateGuardrail",
            "UpdateGuardrail",
            "DeleteGuardrail",
            "PutEnforcedGuardrailConfiguration",
            "DeleteEnforcedGuardrailConfiguration",
            "PutModelInvocationLoggingConfiguration",
            "DeleteModelInvocationLoggingConfiguration",
        ],
    ),
    (
        "bedrock-agent",
        &[
            "StartIngestionJob",
            "IngestKnowledgeBaseDocuments",
            "PrepareAgent",
            "PrepareFlow",
            "CreateAgent",
            "UpdateAgent",
            "CreateFlow",
            "CreatePrompt",
            "CreateKnowledgeBase",
        ],
    ),
    (
        "bedrock-agent-runtime",
        &[
            "Retrieve",
            "StopFlowExecution",
            "GetFlowExecution",
            "ListFlowExecutionEvents",
            "PutInvocationStep",
        ],
    ),
    (
        "bedrock-runtime",
        &["ApplyGuardrail", "InvokeGuardrailChecks", "GetAsyncInvoke", "ListAsyncInvokes", "GetResponse"],
    ),
    (
        "bedrock-agentcore-control",
        &[
            "CreateAgentRuntime",
            "UpdateAgentRuntime",
            "CreateHarness",
            "UpdateHarness",
            "CreateGateway",
            "CreateGatewayTarget",
            "CreateEvaluator",
            "CreateOnlineEvaluationConfig",
            "StartPolicyGeneration",
            "CreateMemory",
        ],
    ),
    (
        "bedrock-agentcore",
        &[
            "InvokeCodeInterpreter",
            "InvokeBrowser",
            "InvokeWebSearch",
            "Evaluate",
            "StartBatchEvaluation",
            "StartRecommendation",
            "StartDatasetGeneration",
            "StartMemoryExtractionJob",
            "RetrieveMemoryRecords",
            "CreateEvent",
        ],
    ),
    (
        "bedrock-data-automation-runtime",
        &["InvokeDataAutomation", "InvokeDataAutomationAsync", "GetDataAutomationStatus"],
    ),
];

/// Why a cell is empty. One that is not, or that nobody asks about, is an error.
fn why(operation: &Operation, column: &str) -> Option<&'static str> {
    Some(match (operation.name, column) {
        ("InvokeAgentRuntime", "answer") => {
            "what an agent's own container answers is its own; its bytes and hash are recorded"
        }
        ("InvokeAgentRuntime", "gated") => "no: the answer has no form that is known",
        ("InvokeAgentRuntimeCommand" | "InvokeCodeInterpreter", "gated") => {
            "no: output of a program, not of a model"
        }
        ("InvokeAgentRuntimeCommand" | "InvokeCodeInterpreter", "answer") => {
            "an exception in its stream; output of a program says no more"
        }
        ("CreateModelInvocationJob" | "StartAsyncInvoke", "answer") => "a receipt; the answers go to S3",
        ("CreateModelInvocationJob" | "StartAsyncInvoke", "gated") => {
            "no: the answers go to S3, see `output_s3`"
        }
        ("CreateMessageBatch" | "CreateBatch", "answer" | "gated") => {
            "a receipt; the answers are fetched later, from a file"
        }
        ("CreateEmbedding", "gated") => "no: numbers",
        ("StartFlowExecution", "gated") => "no: a receipt; ListFlowExecutionEvents is gated",
        ("CountTokens" | "CountMessageTokens", "gated") => "no: a number",
        ("Rerank", "answer" | "gated") => "scores of the caller's own documents",
        ("GenerateQuery" | "OptimizePrompt", "answer") => {
            "AWS tells neither tokens nor reasons; an exception in a stream"
        }
        ("ListFlowExecutionEvents", "answer") => "a repetition: what it used was used before",
        ("GetResponse", "answer") => "a repetition: what it used was counted when it was made",
        ("ApplyGuardrail" | "InvokeGuardrailChecks", "gated") => "no: a judgement, not a model's answer",
        ("Retrieve", "gated") => "no: documents, not a model's answer",
        ("RetrieveMemoryRecords" | "InvokeWebSearch" | "InvokeBrowser", "answer" | "gated") => {
            "documents or a screen, not a model's answer"
        }
        (_, "request")
            if operation.body == BodyPlan::Opaque
                && operation.segments.iter().all(|s| matches!(s, Segment::Literal(_))) =>
        {
            "it has no parameters but its query"
        }
        (_, "answer" | "gated") if operation.kind == ActionKind::Other => {
            "a receipt or a description: no model speaks"
        }
        _ => return None,
    })
}

fn body_members(operation: &Operation) -> Vec<String> {
    let modelled = common::modelled();
    let known =
        modelled.iter().find(|row| row.service == operation.service && row.operation == operation.name);
    known.and_then(|row| row.input_members.get("body").cloned()).unwrap_or_default()
}

type Cells = BTreeMap<&'static str, BTreeSet<String>>;

/// Operations with a row: all that run a model or an agent, and [`ROWS`].
fn rows() -> Vec<&'static Operation> {
    let listed = |operation: &Operation| {
        ROWS.iter().any(|(service, names)| *service == operation.service && names.contains(&operation.name))
    };
    let mut rows: Vec<&Operation> = OPERATIONS
        .iter()
        .filter(|operation| operation.kind != ActionKind::Other || listed(operation))
        .collect();
    // Several paths of one operation are one row.
    rows.sort_by_key(|operation| (operation.service, operation.name));
    rows.dedup_by_key(|operation| (operation.service, operation.name));
    for (service, names) in ROWS {
        for name in names {
            assert!(
                rows.iter().any(|row| row.service == service && row.name == *name),
                "no {service} {name}"
            );
        }
    }
    rows
}

fn head_facts(operation: &Operation, cells: &mut BTreeSet<String>, facts: &mut BTreeSet<String>) {
    // Other providers have hosts of their own configuration, and none of these headers.
    if matches!(operation.service, "anthropic" | "openai") {
        return;
    }
    let path = fill(operation.uri, |_| "x".to_owned());
    let path = if operation.service == "bedrock-agentcore" {
        format!("{path}?accountId=1&qualifier=q&harnessArn=h")
    } else {
        path
    };
    let mut request = Request::new(operation.method, &host(operation.service), &path)
        .header("x-amzn-bedrock-guardrailidentifier", "g")
        .header("x-amzn-bedrock-request-metadata", "{}")
        .header("x-amzn-bedrock-service-tier", "flex")
        .header("x-amzn-bedrock-performanceconfig-latency", "optimized")
        .header("x-amz-source-arn", "a")
        .header("x-amzn-bedrock-agentcore-runtime-user-id", "u");
    for name in ["mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name"] {
        request = request.header(name, "m");
    }
    if operation.service == "bedrock-data-automation-runtime" {
        request = request
            .header("x-amz-target", &format!("AmazonBedrockKeystoneRuntimeService.{}", operation.name));
    }
    let call = request.recognise().unwrap_or_else(|refused| panic!("{path}: {:?}", refused.problem));
    assert_eq!(call.operation.map(|found| found.name), Some(operation.name), "{path}");
    if call.model.is_some() {
        cells.insert("model".to_owned());
        facts.insert("prompt_by_arn".to_owned());
    }
    if call.guardrail.is_some() {
        cells.insert("guardrail".to_owned());
        cells.insert("metadata".to_owned());
    }
    if call.agent.id.is_some() || call.agent.session.is_some() {
        cells.insert("agent".to_owned());
    }
    for (name, _) in &call.labels {
        if !matches!(*name, "modelId" | "agentId" | "agentAliasId" | "sessionId") {
            cells.insert(format!("label `{name}`"));
        }
    }
    facts.extend(call.facts.iter().map(|(name, _)| (*name).to_owned()));
}

/// Whether a case of a body is one of this operation.
fn is_of(case: &body_common::Case, operation: &Operation) -> bool {
    let (BodyPlan::Json(plan) | BodyPlan::RequiredJson(plan)) = operation.body else { return false };
    if kind(&case.kind) != plan {
        return false;
    }
    match plan {
        // Kinds that several operations share, each with members of its own.
        PayloadKind::Generic
        | PayloadKind::Knowledge
        | PayloadKind::Flow
        | PayloadKind::Guardrail
        | PayloadKind::AgentTool => case.name.split(':').next() == Some(operation.name),
        _ => true,
    }
}

fn body_facts(expect: &Expect, cells: &mut BTreeSet<String>, facts: &mut BTreeSet<String>) {
    for (name, is) in [
        ("model", expect.model.is_some() || !expect.other_models.is_empty()),
        ("knowledge bases", !expect.knowledge_bases.is_empty()),
        ("max tokens", expect.max_tokens.is_some()),
        ("stream", expect.stream),
        ("tools", !expect.tools.is_empty()),
        ("tool results", expect.tool_results > 0),
        ("guardrail", expect.guardrail.is_some()),
        ("metadata", !expect.request_metadata.is_empty()),
        ("session attributes", !expect.session_attributes.is_empty()),
        ("S3 URIs", !expect.s3_uris.is_empty()),
        ("text", !expect.text.is_empty()),
    ] {
        if is {
            cells.insert(name.to_owned());
        }
    }
    facts.extend(expect.facts.keys().cloned());
}

/// What AWS's models hold to be an identifier: the test `identifiers` shows that each is found.
fn identifier_facts(operation: &Operation, cells: &mut BTreeSet<String>, facts: &mut BTreeSet<String>) {
    for line in include_str!("../../../testdata/bodies/identifiers.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let [service, name, _, kind] = fields[..]
            && service == operation.service
            && name == operation.name
        {
            match kind {
                "s3" => cells.insert("S3 URIs".to_owned()),
                "bucket" => facts.insert("s3_buckets".to_owned()),
                "agent" => facts.insert("agents".to_owned()),
                "knowledge_base" => cells.insert("knowledge bases".to_owned()),
                kind => cells.insert(kind.to_owned()),
            };
        }
    }
}

fn answer_facts(operation: &Operation, cells: &mut BTreeSet<String>) {
    for case in answer_common::cases().iter().filter(|case| case.operation == operation.name) {
        let read = case.read(&case.body(), &[]);
        for (name, is) in [
            ("tokens", read.usage.is_some()),
            ("cached tokens", read.usage.is_some_and(|usage| usage.cache_read + usage.cache_write > 0)),
            ("counted tokens", read.counted_tokens.is_some()),
            ("stop reason", read.stop_reason.is_some()),
            ("guardrail", read.guardrail.is_some()),
            ("models", !read.models.is_empty()),
            ("tool calls", !read.calls.is_empty()),
            ("session", read.session.is_some()),
            ("exception", read.exception.is_some()),
        ] {
            if is {
                cells.insert(name.to_owned());
            }
        }
    }
}

/// What the sieve finds in the cases of both tables.
fn gated(operation: &Operation, cells: &mut BTreeSet<String>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/answers/sieve");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in cases.iter().filter(|case| case["operation"] == operation.name) {
            for found in case["found"].as_array().unwrap() {
                if found.get("call").is_some() {
                    cells.insert("tool calls".to_owned());
                }
                if found.get("text").is_some() {
                    cells.insert("text".to_owned());
                }
            }
        }
    }
    for case in answer_common::cases().iter().filter(|case| case.operation == operation.name) {
        let limits = SieveLimits { max_arguments: 1 << 20, max_piece: 1 << 20, text: true };
        let Ok(Some(mut sieve)) = Sieve::new(Some(operation), &case.head(), limits) else { continue };
        let mut found = Vec::new();
        sieve.push(&case.body(), &mut found);
        sieve.finish(&mut found);
        for found in found {
            match found {
                Found::Call { .. } => cells.insert("tool calls".to_owned()),
                Found::Text(_) => cells.insert("text".to_owned()),
                _ => false,
            };
        }
    }
}

#[test]
fn the_table_is_what_the_cases_show() {
    let bodies = body_common::cases();
    let mut table = String::from("| operation | request | answer | gated |\n|---|---|---|---|\n");
    let mut names: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let rows = rows();
    let mut service = "";
    for operation in &rows {
        let mut cells = Cells::new();
        let mut facts = BTreeSet::new();
        let request = cells.entry("request").or_default();
        head_facts(operation, request, &mut facts);
        identifier_facts(operation, request, &mut facts);
        for case in bodies.iter().filter(|case| is_of(case, operation)) {
            body_facts(&case.expect, request, &mut facts);
        }
        match operation.body {
            BodyPlan::Json(_) | BodyPlan::RequiredJson(_) => {
                request.insert("text".to_owned());
            }
            BodyPlan::AtHeaders => {
                request.insert("decided at its headers".to_owned());
            }
            BodyPlan::Opaque if operation.method == "POST" => {
                request.insert("bytes and hash of the body".to_owned());
            }
            BodyPlan::Opaque => {}
        }
        for fact in &facts {
            names.entry(fact.clone()).or_default().insert(operation.name);
        }
        if body_members(operation).iter().any(|member| member.trim_end_matches('*') == "roleArn") {
            facts.insert("role_arn".to_owned());
            names.entry("role_arn".to_owned()).or_default().insert(operation.name);
        }
        cells.insert("facts", facts.iter().map(|name| format!("`{name}`")).collect());
        answer_facts(operation, cells.entry("answer").or_default());
        gated(operation, cells.entry("gated").or_default());
        if service != operation.service {
            service = operation.service;
            let _ = writeln!(table, "| **{service}** | | | |");
        }
        let _ = write!(table, "| {} ", operation.name);
        for column in ["request", "answer", "gated"] {
            let mut said: Vec<&str> = cells[column].iter().map(String::as_str).collect();
            if column == "request" {
                said.extend(cells["facts"].iter().map(String::as_str));
            }
            let text = match (said.is_empty(), why(operation, column)) {
                (true, Some(reason)) => format!("– {reason}"),
                (true, None) => {
                    unexplained.push(format!("{service} {} {column}", operation.name));
                    String::new()
                }
                (false, _) => said.join(", "),
            };
            let _ = write!(table, "| {text} ");
        }
        table.push_str("|\n");
    }
    assert!(unexplained.is_empty(), "empty and not explained:\n{}", unexplained.join("\n"));

    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for operation in OPERATIONS {
        if !rows.iter().any(|row| row.service == operation.service && row.name == operation.name) {
            *others.entry(operation.service).or_default() += 1;
        }
    }
    table.push_str("\nThe other operations, which read, list, name and delete things:\n\n| service | operations |\n|---|---|\n");
    for (service, count) in &others {
        let _ = writeln!(table, "| {service} | {count} |");
    }
    let mut list = String::from("| fact | operations |\n|---|---|\n");
    for (name, operations) in &names {
        let operations: Vec<&str> = operations.iter().copied().collect();
        // One that is read by its name anywhere is said so once.
        let operations = if operations.len() > 8 {
            format!("{} operations", operations.len())
        } else {
            operations.join(", ")
        };
        let _ = writeln!(list, "| `{name}` | {operations} |");
    }
    generated(BEGIN, END, &table);
    generated(FACTS_BEGIN, FACTS_END, &list);
    println!("{} rows, {} facts", rows.len(), names.len());
}

/// Every fact that any case shows is in the list.
#[test]
fn no_fact_is_left_out() {
    let text = std::fs::read_to_string(page()).unwrap();
    for case in body_common::cases() {
        for name in case.expect.facts.keys() {
            assert!(
                text.contains(&format!("| `{name}` |")),
                "{}: `{name}` is not in docs/coverage.md",
                case.name
            );
        }
    }
}

fn page() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/coverage.md")
}

fn generated(begin: &str, end: &str, expected: &str) {
    let text = std::fs::read_to_string(page()).unwrap();
    let (head, rest) =
        text.split_once(begin).expect("docs/coverage.md lacks the marker of a generated table");
    let (table, tail) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(page(), format!("{head}{begin}{expected}{end}{tail}")).unwrap();
    } else {
        assert_eq!(table, expected, "docs/coverage.md; UPDATE_EXPECTED=1 writes it");
    }
}
