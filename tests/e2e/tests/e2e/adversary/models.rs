//! A forbidden model by every other name.

use super::{FORBIDDEN, nothing_got_past};
use crate::raw::{HOST, MODEL, tunnel};
use anyhow::{Result, ensure};
use e2e::Builder;
use e2e::client::{Request, Signer};
use e2e::fake::APP_ONE;

const AGENTS: &str = "bedrock-agent-runtime.us-east-1.amazonaws.com";
const CONTROL: &str = "bedrock.us-east-1.amazonaws.com";

/// `(what, host, method, path, body)`; O is the forbidden model, A an allowed one.
const CASES: &[(&str, &str, &str, &str, &str)] = &[
    ("plain", HOST, "POST", "/model/O/converse", r#"{"messages":[]}"#),
    ("escaped colon", HOST, "POST", "/model/OE/converse", r#"{"messages":[]}"#),
    ("lower-case escapes", HOST, "POST", "/model/OL/invoke", r#"{"messages":[]}"#),
    ("geography", HOST, "POST", "/model/us.O/converse-stream", r#"{"messages":[]}"#),
    (
        "foundation model ARN",
        HOST,
        "POST",
        "/model/arn:aws:bedrock:us-east-1::foundation-model%2FO/invoke",
        r#"{"messages":[]}"#,
    ),
    (
        "profile ARN",
        HOST,
        "POST",
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.O/converse",
        r#"{"messages":[]}"#,
    ),
    ("the body says another", HOST, "POST", "/model/OE/invoke", r#"{"model":"A","messages":[]}"#),
    ("the query says another", HOST, "POST", "/model/OE/invoke?modelId=A", r#"{"messages":[]}"#),
    ("trailing slash", HOST, "POST", "/model/OE/converse/", r#"{"messages":[]}"#),
    ("count tokens", HOST, "POST", "/model/OE/count-tokens", r#"{"input":{"converse":{"messages":[]}}}"#),
    ("bidirectional", HOST, "POST", "/model/OE/invoke-with-bidirectional-stream", ""),
    ("async", HOST, "POST", "/async-invoke", r#"{"modelId":"O","modelInput":{},"outputDataConfig":{}}"#),
    (
        "async, escaped key",
        HOST,
        "POST",
        "/async-invoke",
        r#"{"\u006dodelId":"O","modelInput":{},"outputDataConfig":{}}"#,
    ),
    (
        "async, escaped value",
        HOST,
        "POST",
        "/async-invoke",
        r#"{"modelId":"anthropic.claude-3-\u006fpus-20240229-v1:0","modelInput":{},"outputDataConfig":{}}"#,
    ),
    (
        "async, said twice",
        HOST,
        "POST",
        "/async-invoke",
        r#"{"modelId":"A","modelId":"O","modelInput":{},"outputDataConfig":{}}"#,
    ),
    (
        "async, said twice, escaped",
        HOST,
        "POST",
        "/async-invoke",
        r#"{"modelId":"A","modelI\u0064":"O","modelInput":{},"outputDataConfig":{}}"#,
    ),
    ("chat", HOST, "POST", "/openai/v1/chat/completions", r#"{"model":"O","messages":[]}"#),
    ("chat, short path", HOST, "POST", "/v1/chat/completions", r#"{"messages":[],"model":"O"}"#),
    ("responses", HOST, "POST", "/openai/v1/responses", r#"{"model":"O","input":"x"}"#),
    ("messages", HOST, "POST", "/anthropic/v1/messages", r#"{"model":"us.O","messages":[]}"#),
    ("inline agent", AGENTS, "POST", "/agents/session-1", r#"{"foundationModel":"O","instruction":"x"}"#),
    (
        "knowledge base",
        AGENTS,
        "POST",
        "/retrieveAndGenerate",
        r#"{"input":{"text":"x"},"retrieveAndGenerateConfiguration":{"type":"KNOWLEDGE_BASE","knowledgeBaseConfiguration":{"knowledgeBaseId":"KB","modelArn":"arn:aws:bedrock:us-east-1::foundation-model/O"}}}"#,
    ),
    (
        "external sources",
        AGENTS,
        "POST",
        "/retrieveAndGenerateStream",
        r#"{"input":{"text":"x"},"retrieveAndGenerateConfiguration":{"type":"EXTERNAL_SOURCES","externalSourcesConfiguration":{"modelArn":"O","sources":[]}}}"#,
    ),
    (
        "two configurations",
        AGENTS,
        "POST",
        "/retrieveAndGenerate",
        r#"{"input":{"text":"x"},"retrieveAndGenerateConfiguration":{"type":"EXTERNAL_SOURCES","knowledgeBaseConfiguration":{"knowledgeBaseId":"KB","modelArn":"A"},"externalSourcesConfiguration":{"modelArn":"O","sources":[]}}}"#,
    ),
    (
        "rerank",
        AGENTS,
        "POST",
        "/rerank",
        r#"{"queries":[],"sources":[],"rerankingConfiguration":{"type":"BEDROCK_RERANKING_MODEL","bedrockRerankingConfiguration":{"modelConfiguration":{"modelArn":"O"}}}}"#,
    ),
    (
        "batch job",
        CONTROL,
        "POST",
        "/model-invocation-job",
        r#"{"jobName":"x","roleArn":"x","modelId":"O","inputDataConfig":{},"outputDataConfig":{}}"#,
    ),
    (
        "copied model",
        CONTROL,
        "POST",
        "/inference-profiles",
        r#"{"inferenceProfileName":"x","modelSource":{"copyFrom":"arn:aws:bedrock:us-east-1::foundation-model/O"}}"#,
    ),
];

#[test]
fn a_forbidden_model_stays_forbidden_by_every_name() -> Result<()> {
    let stack = Builder::default().start()?;
    let mut passed = Vec::new();
    for (what, host, method, path, body) in CASES {
        let escaped = FORBIDDEN.replace(':', "%3A");
        let fill = |text: &str| {
            let text = text.replace("OL", &FORBIDDEN.replace(':', "%3a")).replace("OE", &escaped);
            let text = text
                .replace("\"O\"", &format!("\"{FORBIDDEN}\""))
                .replace("/O\"", &format!("/{FORBIDDEN}\""));
            let text =
                text.replace("us.O", &format!("us.{FORBIDDEN}")).replace("/O/", &format!("/{FORBIDDEN}/"));
            text.replace("%2FO/", &format!("%2F{FORBIDDEN}/"))
                .replace("\"A\"", &format!("\"{MODEL}\""))
                .replace("=A", &format!("={MODEL}"))
        };
        let mut request = Request::new(method, host, &fill(path), fill(body));
        request = Signer::new(APP_ONE).sign(request.header("content-type", "application/json"))?;
        let mut connection = tunnel(&stack, host, host)?;
        connection.send(&request.to_http1())?;
        let answer = connection.answer()?;
        println!("{what:28} {} {}", answer.status, answer.text());
        if !matches!(answer.status, 400 | 403) || answer.header("x-portcullis-decision-id").is_none() {
            passed.push(*what);
        }
    }
    nothing_got_past(&stack)?;
    ensure!(passed.is_empty(), "{passed:?}");
    ensure!(stack.fake.calls()?.is_empty(), "{:?}", stack.fake.calls()?);
    Ok(())
}
