//! The table of cases, each in several orders.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use portcullis_reconcile::{
    Document, Exceptions, Ignore, Intake, Names, Ours, Report, Settings, Severity, State,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Case {
    name: String,
    tolerance_s: Option<u64>,
    since: Option<String>,
    until: Option<String>,
    regions: Vec<String>,
    ignore: IgnoreCase,
    exceptions: Exceptions,
    aws: Vec<Aws>,
    ours: Vec<Our>,
    expect: Expect,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct IgnoreCase {
    console: bool,
    refused: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Aws {
    id: Option<String>,
    at: String,
    event: Option<String>,
    shared: Option<String>,
    log: bool,
    tokens: Option<(u64, u64)>,
    operation: Option<String>,
    model: Option<String>,
    region: Option<String>,
    account: Option<String>,
    recipient: Option<String>,
    key: Option<String>,
    arn: Option<String>,
    ip: Option<String>,
    agent: Option<String>,
    error: Option<String>,
    invoked_by: Option<String>,
    inference_region: Option<String>,
    read_only: bool,
    console: bool,
    bearer: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Our {
    decision: String,
    id: Option<String>,
    at: String,
    ended: Option<String>,
    state: Option<String>,
    allowed: Option<bool>,
    forwarded: Option<bool>,
    status: Option<u16>,
    tokens: Option<(u64, u64)>,
    operation: Option<String>,
    action: Option<String>,
    service: Option<String>,
    model: Option<String>,
    model_account: Option<String>,
    region: Option<String>,
    account: Option<String>,
    resign: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    aws_calls: Option<u64>,
    repeated: u64,
    matched_by_id: u64,
    matched_by_time: u64,
    missing_in_invocation_logs: u64,
    bypassed: Vec<String>,
    mismatched: Vec<String>,
    unknown: Vec<String>,
    not_covered: BTreeMap<String, u64>,
    undetermined: u64,
    refused_by_aws: u64,
    not_sent: u64,
    out_of_scope: u64,
    exceptions: BTreeMap<String, u64>,
    ignored: BTreeMap<String, u64>,
}

const MODEL: &str = "anthropic.claude-3-5-sonnet-20241022-v2:0";

impl Aws {
    fn json(&self, place: usize) -> Value {
        let text = |value: &Option<String>, or: &str| value.clone().unwrap_or_else(|| or.to_owned());
        let (account, time) = (text(&self.account, "123456789012"), format!("2026-11-21T{}Z", self.at));
        let arn = text(&self.arn, &format!("arn:aws:iam::{account}:user/app-one"));
        let (operation, model, region) =
            (text(&self.operation, "Converse"), text(&self.model, MODEL), text(&self.region, "eu-central-1"));
        if self.log {
            let (input, output) = self.tokens.unzip();
            return json!({
                "schemaType": "ModelInvocationLog", "timestamp": time, "accountId": account, "identity": {"arn": arn},
                "region": region, "requestId": self.id, "operation": operation, "modelId": model,
                "input": {"inputTokenCount": input}, "output": {"outputTokenCount": output},
            });
        }
        json!({
            "eventVersion": "1.09", "eventTime": time, "eventSource": "bedrock.amazonaws.com", "eventName": operation,
            "userIdentity": {"type": "IAMUser", "arn": arn, "accountId": account, "invokedBy": self.invoked_by,
                "accessKeyId": text(&self.key, "AKIAQAAAAAAAAAAAAAAA")},
            "awsRegion": region, "sourceIPAddress": text(&self.ip, "10.0.0.1"), "userAgent": text(&self.agent, "Boto3/1.44.5"),
            "requestParameters": {"modelId": model, "callWithBearerToken": self.bearer}, "requestID": self.id,
            "eventID": self.event.clone().unwrap_or_else(|| format!("event-{place}")), "sharedEventID": self.shared,
            "errorCode": self.error, "readOnly": self.read_only, "eventType": "AwsApiCall", "managementEvent": true,
            "eventCategory": "Management", "recipientAccountId": text(&self.recipient, &account),
            "additionalEventData": {"inferenceRegion": self.inference_region},
            "sessionCredentialFromConsole": if self.console { "true" } else { "false" },
        })
    }
}

fn ms(at: &str) -> u64 {
    let time: jiff::Timestamp = format!("2026-11-21T{at}Z").parse().unwrap();
    time.as_millisecond().cast_unsigned()
}

impl Our {
    fn ours(&self, names: &mut Names) -> Ours {
        let state = match self.state.as_deref() {
            None | Some("completed") => State::Completed,
            Some("broken") => State::Broken,
            Some("refused") => State::Refused,
            Some("unknown") => State::Unknown,
            Some(other) => panic!("state {other}"),
        };
        let at = ms(&self.at);
        let mut keep = |value: &Option<String>, or: &str| names.keep(value.as_deref().unwrap_or(or));
        Ours {
            decision_id: self.decision.as_str().into(),
            decided_at_ms: at,
            ended_at_ms: self.ended.as_deref().map(ms).or((state == State::Completed).then_some(at + 1_000)),
            allowed: self.allowed.unwrap_or(true),
            forwarded: self.forwarded.unwrap_or(self.allowed.unwrap_or(true) && state != State::Unknown),
            state,
            status: self.status.or((state == State::Completed).then_some(200)),
            aws_request_id: self.id.as_deref().map(Into::into),
            principal: "app-one".into(),
            account: (!self.resign).then(|| keep(&self.account, "123456789012")),
            access_key_id: (!self.resign).then(|| keep(&None, "AKIAQAAAAAAAAAAAAAAA")),
            service: keep(&self.service, "bedrock-runtime"),
            region: keep(&self.region, "eu-central-1"),
            operation: keep(&self.operation, "Converse"),
            action: keep(&self.action, "bedrock:InvokeModel"),
            models: vec![keep(&self.model, MODEL)],
            model_account: self.model_account.as_deref().map(Into::into),
            tokens: self.tokens,
        }
    }
}

fn settings(case: &Case) -> Settings {
    case.exceptions.exceptions.iter().for_each(|_| case.exceptions.check().unwrap());
    Settings {
        tolerance_ms: case.tolerance_s.unwrap_or(120) * 1_000,
        since_ms: case.since.as_deref().map(ms),
        until_ms: case.until.as_deref().map(ms),
        accounts: Vec::new(),
        regions: case.regions.clone(),
        ignore: Ignore { console: case.ignore.console, refused: case.ignore.refused, ..Ignore::default() },
        exceptions: case.exceptions.clone(),
    }
}

fn reconcile(settings: Settings, aws: &[Value], ours: &[Our]) -> Report {
    let (mut names, mut intake) = (Names::default(), Intake::new(settings));
    let text = aws.iter().map(|event| format!("{event}\n")).collect::<String>();
    let document = Document::read(text.as_bytes(), &mut names, &mut |seen| intake.push(seen)).unwrap();
    assert_eq!(document.broken, []);
    let mut matcher = intake.finish();
    ours.iter().for_each(|our| matcher.offer(our.ours(&mut names)));
    matcher.finish()
}

fn found(report: &Report) -> Expect {
    let bypassed = report.bypassed.iter().map(|bypassed| {
        let id = bypassed.call.request_id.as_deref().unwrap_or("-");
        bypassed.refused_before.as_ref().map_or(id.to_owned(), |refused| format!("{id} after {refused}"))
    });
    let mismatched = report.mismatched.iter().map(|mismatch| {
        let severity = if mismatch.severity == Severity::Severe { "severe" } else { "minor" };
        let fields: Vec<&str> =
            mismatch.differences.iter().map(|difference| difference.field.as_str()).collect();
        format!("{} {severity} {}", mismatch.decision_id, fields.join("+"))
    });
    let mut not_covered = BTreeMap::new();
    for missing in &report.not_covered {
        *not_covered.entry(missing.why.to_owned()).or_default() += missing.calls;
    }
    Expect {
        aws_calls: None,
        repeated: report.aws_repeated,
        matched_by_id: report.matched_by_id,
        matched_by_time: report.matched_by_time,
        missing_in_invocation_logs: report.missing_in_invocation_logs,
        bypassed: bypassed.collect(),
        mismatched: mismatched.collect(),
        unknown: report.unknown.iter().map(|unknown| unknown.decision_id.to_string()).collect(),
        not_covered,
        undetermined: report.undetermined,
        refused_by_aws: report.refused_by_aws,
        not_sent: report.not_sent,
        out_of_scope: report.out_of_scope,
        exceptions: report.exceptions.clone(),
        ignored: report.ignored.clone(),
    }
}

/// Another order, always the same one for the same number.
fn shuffle<T>(list: &mut [T], mut seed: u64) {
    for place in (1..list.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        list.swap(place, usize::try_from(seed >> 33).unwrap() % (place + 1));
    }
}

#[test]
fn the_table_of_cases() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audit/reconcile/cases.yaml");
    let cases: Vec<Case> = serde_yaml_ng::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut wrong = 0;
    for case in &cases {
        let aws: Vec<Value> = case.aws.iter().enumerate().map(|(place, aws)| aws.json(place)).collect();
        let report = reconcile(settings(case), &aws, &case.ours);
        let (mut expected, mut found) = (case.expect.clone(), found(&report));
        // Those of one second have no order that means anything.
        expected.bypassed.sort();
        found.bypassed.sort();
        found.aws_calls = expected.aws_calls.map(|_| report.aws_calls);
        if expected != found {
            println!("{}\n  expected {expected:?}\n  found    {found:?}", case.name);
            wrong += 1;
        }
        for seed in 0..24 {
            let (mut aws, mut ours) = (aws.clone(), case.ours.clone());
            shuffle(&mut aws, seed);
            shuffle(&mut ours, seed + 1_000);
            assert_eq!(reconcile(settings(case), &aws, &ours), report, "{} in order {seed}", case.name);
        }
        let grouped: u64 = report.groups.iter().map(|group| group.calls).sum();
        assert_eq!(grouped, report.bypassed.len() as u64, "{}", case.name);
    }
    println!("compared {} cases in 25 orders", cases.len());
    assert_eq!(wrong, 0);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    /// Few ids, keys and seconds, so that nearly everything collides; whatever comes out, the order does not matter, and every
    /// call of AWS's is matched, bypassed or ignored.
    #[test]
    fn the_order_of_what_comes_in_does_not_matter(
        aws in proptest::collection::vec((0_u8..6, 0_u8..4, 0_u8..3, proptest::bool::ANY), 0..14),
        ours in proptest::collection::vec((0_u8..6, 0_u8..4, 0_u8..3, 0_u8..4), 0..14),
        seed in proptest::num::u64::ANY,
    ) {
        let aws: Vec<Value> = aws.iter().enumerate().map(|(place, (id, second, model, log))| {
            let event = Aws {
                id: (*id > 0).then(|| format!("r{id}")),
                at: format!("10:00:{second:02}"),
                model: (*model > 0).then(|| format!("amazon.nova-{model}-v1:0")),
                log: *log,
                ..Aws::default()
            };
            event.json(place)
        }).collect();
        let ours: Vec<Our> = ours.iter().enumerate().map(|(place, (id, second, model, state))| Our {
            decision: format!("d{place}"),
            id: (*id > 0).then(|| format!("r{id}")),
            at: format!("10:00:{second:02}.{place:03}"),
            state: Some(["completed", "broken", "unknown", "refused"][usize::from(*state)].to_owned()),
            allowed: Some(*state != 3),
            model: (*model > 0).then(|| format!("amazon.nova-{model}-v1:0")),
            ..Our::default()
        }).collect();
        let settings = || Settings { tolerance_ms: 2_000, ..Settings::default() };
        let report = reconcile(settings(), &aws, &ours);
        let ignored: u64 = report.ignored.values().sum();
        proptest::prop_assert_eq!(report.matched() + report.bypassed.len() as u64 + ignored, report.aws_calls);
        let twice = report.mismatched.iter().filter(|mismatch| mismatch.differences[0].field.as_str() == "request id").count();
        let not_covered: u64 = report.not_covered.iter().map(|missing| missing.calls).sum();
        let ours_told = report.matched() + twice as u64 + not_covered + report.unknown_to_aws + report.undetermined
            + report.refused_by_aws + report.not_sent + report.out_of_scope;
        proptest::prop_assert_eq!(ours_told, report.decisions);
        let (mut other_aws, mut other_ours) = (aws, ours);
        shuffle(&mut other_aws, seed);
        shuffle(&mut other_ours, seed ^ 7);
        proptest::prop_assert_eq!(reconcile(settings(), &other_aws, &other_ours), report);
    }
}
