//! Records such as a store gets: varied as those of some applications are, the same for the same numbers.

use portcullis_audit::{
    Agent, Answer, AnswerText, Approval, Charge, Credential, DecisionKind, DecisionRecord, Endpoint,
    EventRecord, Matched, Model, OutcomeRecord, OutcomeState, PolicyTrace, Price, Principal, Request, SCHEMA,
    Sdk, SeenCall, Source, ToolCall, ToolResult, Usage, Verdict, VerdictKind,
};
use sha2::{Digest, Sha256};

/// Numbers that look like chance: SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    pub(crate) fn hex(&mut self, bytes: usize) -> String {
        (0..bytes).map(|_| format!("{:02x}", self.next() as u8)).collect()
    }

    pub(crate) fn uuid(&mut self) -> String {
        uuid::Uuid::from_u64_pair(self.next(), self.next()).to_string()
    }

    fn sha256(&mut self) -> String {
        hex::encode(Sha256::digest(self.next().to_le_bytes()))
    }
}

const REGIONS: [&str; 5] = ["eu-central-1", "us-east-1", "eu-west-1", "us-west-2", "ap-southeast-2"];
const PRINCIPALS: [&str; 6] = [
    "payments",
    "research-assistant",
    "support-bot",
    "arn:aws:iam::581039954779:role/claims",
    "fraud-scoring",
    "hr/portal",
];
const TOOLS: [&str; 6] =
    ["get_weather", "transfer_funds", "search_orders", "send_email", "lookup_customer", "create_ticket"];
const MODELS: [(&str, &str, &str, &str); 5] = [
    ("eu.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", "amazon", "v1:0"),
    (
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
        "anthropic",
        "v2:0",
    ),
    (
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        "anthropic.claude-sonnet-4-20250514-v1:0",
        "anthropic",
        "v1:0",
    ),
    ("meta.llama3-1-70b-instruct-v1:0", "meta.llama3-1-70b-instruct-v1:0", "meta", "v1:0"),
    ("amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v2:0", "amazon", "v2:0"),
];
const AGENTS: [&str; 4] = [
    "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.11.2 md/pyimpl#CPython cfg/retry-mode#standard",
    "aws-sdk-js/3.699.0 ua/2.1 os/linux#5.15.0 lang/js md/nodejs#20.11.0 api/bedrock-runtime#3.699.0 m/E,n",
    "aws-sdk-java/2.29.1 md/io#async md/http#NettyNio ua/2.1 os/Linux#6.1 lang/java#17.0.9 api/Bedrock_Runtime#2.29.x",
    "aws-cli/2.22.4 md/awscrt#0.22.0 ua/2.0 os/linux#6.1 md/arch#aarch64 lang/python#3.12.6 md/command#bedrock-runtime.converse",
];

/// The ids and the time of a decision are those that the store would give.
pub(crate) fn decision(dice: &mut Dice, at: u64) -> DecisionRecord {
    let decided_at_ms = 1_790_000_000_000 + at * 137 + dice.below(90);
    let random = dice.next().to_le_bytes();
    let decision_id =
        crate::storage::id::decision_id(crate::storage::id::first_of(decided_at_ms), random).to_string();
    let region = dice.pick(&REGIONS);
    let (id, base, provider, version) = MODELS[dice.below(5) as usize];
    let streamed = dice.below(3) == 0;
    let (operation, end) =
        if streamed { ("ConverseStream", "converse-stream") } else { ("Converse", "converse") };
    let (operation, end) = match dice.below(4) {
        0 => ("InvokeModel", "invoke"),
        _ => (operation, end),
    };
    let host = format!("bedrock-runtime.{region}.amazonaws.com");
    let kind = match dice.below(12) {
        0 => DecisionKind::ToolCall,
        1 => DecisionKind::AnswerText,
        _ => DecisionKind::Call,
    };
    let verdict = match dice.below(16) {
        0 => Verdict {
            kind: VerdictKind::Deny,
            message: "transfers over 5000 are not allowed here".to_owned(),
            ..Verdict::default()
        },
        1 => Verdict {
            kind: VerdictKind::Throttle,
            message: "limit `requests-per-minute` is used up".to_owned(),
            retry_after_seconds: Some(dice.below(60) as u32),
            ..Verdict::default()
        },
        2 => Verdict {
            kind: VerdictKind::PendingApproval,
            message: "a person has to approve this call".to_owned(),
            approval_id: Some(format!("apr_{}", dice.hex(12))),
            ..Verdict::default()
        },
        _ => Verdict { kind: VerdictKind::Allow, ..Verdict::default() },
    };
    let matched = (0..dice.below(3)).map(|_| Matched {
        rule: dice
            .pick(&["approve-large-transfers", "block-pii", "log-everything", "models-of-finance"])
            .to_owned(),
        effect: dice.pick(&["log", "warn", "block", "allow", "require_approval"]).to_owned(),
        shadow: dice.below(5) == 0,
    });
    let matched: Vec<_> = matched.collect();
    let name = dice.pick(&PRINCIPALS).to_owned();
    let tools = (0..dice.below(4)).map(|_| dice.pick(&TOOLS).to_owned()).collect();
    let call = format!(
        "{:016x}-{:08x}-{}",
        0x18a1_b2c3_d4e5_f607_u64 ^ (dice.below(4) << 40),
        at,
        1 + dice.below(9)
    );
    let found = !kind.is_call();
    DecisionRecord {
        schema: SCHEMA,
        call_id: if found { format!("{call}#{}", 1 + dice.below(4)) } else { call },
        parent: found.then(|| dice.uuid()),
        correlation_id: Some(if dice.below(3) == 0 { dice.uuid() } else { decision_id.clone() }),
        decision_id,
        kind,
        decided_at_ms,
        gate: dice.pick(&["gate-1", "egress-7f9c6d5b8-x2x4k", "sidecar-payments-0"]).to_owned(),
        entrance: dice.pick(&["pass_through", "pass_through", "resign"]).to_owned(),
        principal: Principal {
            tenant: (dice.below(2) == 0).then(|| dice.pick(&["acme", "retail", "emea"]).to_owned()),
            roles: if dice.below(3) == 0 { vec!["analyst".to_owned()] } else { Vec::new() },
            known: dice.below(2) == 0,
            name,
            ..Principal::default()
        },
        credential: Credential {
            kind: "sigv4".to_owned(),
            access_key_id: Some(format!("ASIA{}", dice.hex(8).to_uppercase())),
            account_hint: Some("581039954779".to_owned()),
            region: Some(region.to_owned()),
            service: Some("bedrock".to_owned()),
            session_token: dice.below(2) == 0,
            ..Credential::default()
        },
        endpoint: Some(Endpoint {
            provider: "aws".to_owned(),
            service: "bedrock-runtime".to_owned(),
            region: region.to_owned(),
            partition: "aws".to_owned(),
            ..Endpoint::default()
        }),
        operation: operation.to_owned(),
        action: if streamed { "bedrock:InvokeModelWithResponseStream" } else { "bedrock:InvokeModel" }
            .to_owned(),
        action_type: "model_invoked".to_owned(),
        model: Some(Model {
            id: id.to_owned(),
            kind: if id == base { "foundation_model" } else { "inference_profile" }.to_owned(),
            base: Some(base.to_owned()),
            provider: Some(provider.to_owned()),
            version: Some(version.to_owned()),
            geography: id
                .split_once('.')
                .filter(|(geography, _)| geography.len() == 2)
                .map(|(g, _)| g.to_owned()),
            ..Model::default()
        }),
        agent: (dice.below(8) == 0).then(|| Agent {
            id: Some(dice.hex(5).to_uppercase()),
            alias: Some("TSTALIASID".to_owned()),
            session: Some(dice.uuid()),
        }),
        labels: [("modelId".to_owned(), id.to_owned())].into(),
        request: Request {
            method: "POST".to_owned(),
            path: format!("/model/{}/{end}", id.replace(':', "%3A")),
            host: host.clone(),
            bytes: 200 + dice.below(20_000),
            sha256: Some(dice.sha256()),
            max_tokens: Some(128 << dice.below(6)),
            stream: streamed,
            results: (0..dice.below(6).saturating_sub(4))
                .map(|_| ToolResult {
                    id: Some(format!("tooluse_{}", dice.hex(11))),
                    bytes: dice.below(4_000),
                    ..ToolResult::default()
                })
                .collect(),
            tools,
            ..Request::default()
        },
        tool: (kind == DecisionKind::ToolCall).then(|| ToolCall {
            id: Some(format!("tooluse_{}", dice.hex(11))),
            names: vec![dice.pick(&TOOLS).to_owned()],
            origin: "model".to_owned(),
            arguments_sha256: dice.sha256(),
            arguments_bytes: dice.below(900),
            ..ToolCall::default()
        }),
        text: (kind == DecisionKind::AnswerText).then(|| AnswerText {
            sha256: dice.sha256(),
            bytes: 400 + dice.below(1_000),
            fresh: dice.below(400),
            before: dice.below(9_000),
            released_bytes: dice.below(20_000),
        }),
        source: Source {
            address: Some(format!(
                "10.{}.{}.{}:{}",
                dice.below(4),
                dice.below(256),
                dice.below(256),
                32_768 + dice.below(28_000)
            )),
            server_name: Some(host),
        },
        sdk: Sdk {
            user_agent: Some(dice.pick(&AGENTS).to_owned()),
            invocation_id: Some(dice.uuid()),
            attempt: Some(format!("attempt={}; max=5", 1 + dice.below(20) / 19)),
        },
        route: (dice.below(4) == 0).then(|| "finance".to_owned()),
        charges: (0..dice.below(4))
            .map(|at| Charge {
                limit: dice.pick(&["requests-per-minute", "tokens-per-day", "budget-of-month"]).to_owned(),
                key: "principal.name=payments".to_owned(),
                amount: 1 + dice.below(9_000) * at,
                price: (at == 2).then(|| Price {
                    currency: "USD".to_owned(),
                    input: 3_000,
                    output: 15_000,
                    ..Price::default()
                }),
            })
            .collect(),
        approval: (dice.below(20) == 0).then(|| Approval {
            id: format!("apr_{}", dice.hex(12)),
            by: "alice@example.com".to_owned(),
            rule: "approve-large-transfers".to_owned(),
        }),
        policy: PolicyTrace {
            bundle: "finance-production".to_owned(),
            version: "1.4.2".to_owned(),
            digest: "5b1f0c7e2a7d4f7b8f1e5a0c9d3b6e84f2a1c7d905b3e86f4a2d1c0b9e8f7a65".to_owned(),
            rule: matched.first().map(|matched| matched.rule.clone()),
            matched,
            ..PolicyTrace::default()
        },
        verdict,
        ..DecisionRecord::default()
    }
}

pub(crate) fn outcome(dice: &mut Dice, decision: &DecisionRecord) -> OutcomeRecord {
    let state = match dice.below(12) {
        0 => OutcomeState::Failed,
        1 => OutcomeState::Aborted,
        _ => OutcomeState::Completed,
    };
    let duration_ms = 200 + dice.below(9_000);
    OutcomeRecord {
        schema: SCHEMA,
        call_id: decision.call_id.clone(),
        decision_id: Some(decision.decision_id.clone()),
        gate: decision.gate.clone(),
        state,
        reason: (state == OutcomeState::Failed).then(|| "upstream_reset".to_owned()),
        status: Some(if dice.below(15) == 0 { 429 } else { 200 }),
        aws_request_id: Some(dice.uuid()),
        forwarded: true,
        response_bytes: dice.below(30_000),
        duration_ms,
        decision_ms: dice.below(4),
        ended_at_ms: decision.decided_at_ms + duration_ms,
        recorded_at_ms: decision.decided_at_ms + duration_ms + dice.below(300),
        assurance: Some(portcullis_audit::Assurance::Confirmed),
        usage: Some(Usage {
            input_tokens: dice.below(9_000),
            output_tokens: dice.below(2_000),
            cache_read_tokens: dice.below(2) * dice.below(900),
            ..Usage::default()
        }),
        answer: Some(Box::new(Answer {
            first_byte_ms: Some(dice.below(900)),
            sha256: Some(dice.sha256()),
            stop_reason: Some(dice.pick(&["end_turn", "tool_use", "max_tokens"]).to_owned()),
            tool_calls: (0..dice.below(5).saturating_sub(3))
                .map(|_| SeenCall {
                    id: Some(format!("tooluse_{}", dice.hex(11))),
                    name: dice.pick(&TOOLS).to_owned(),
                    origin: "model".to_owned(),
                })
                .collect(),
            ..Answer::default()
        })),
        ..OutcomeRecord::default()
    }
}

pub(crate) fn event(dice: &mut Dice, at: u64) -> EventRecord {
    let id = dice.uuid();
    let (kind, detail) = match dice.below(4) {
        0 => (
            "admin",
            serde_json::json!({"what": "token_created", "id": format!("tok_{}", dice.hex(6)), "kind": "data", "name": "gate-1"}),
        ),
        1 => (
            "bundle",
            serde_json::json!({"what": "bundle_activated", "digest": dice.sha256(), "name": "finance-production", "version": "1.4.2", "rules": dice.below(90), "why": ""}),
        ),
        2 => ("gap", serde_json::json!({"unaudited": dice.below(9), "lost": dice.below(3)})),
        _ => (
            "approval",
            serde_json::json!({
                "what": "approval_pending", "id": format!("apr_{}", dice.hex(12)), "rule": "approve-large-transfers",
                "principal": "payments", "digest": dice.sha256(), "operation": "Converse", "models": ["amazon.nova-lite-v1:0"],
                "from": null, "to": "pending", "at_ms": 1_790_000_000_000_u64 + at, "by": "gate-1", "why": "",
            }),
        ),
    };
    EventRecord {
        schema: SCHEMA,
        event_id: id,
        kind: kind.to_owned(),
        at_ms: 1_790_000_000_000 + at * 977,
        actor: dice.pick(&["portcullis", "cli", "alice", "gate-1"]).to_owned(),
        detail,
    }
}
