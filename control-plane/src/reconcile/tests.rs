use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use portcullis_audit::log::{Entry, RecordKind, canonical};
use portcullis_audit::{
    Credential, DecisionKind, DecisionRecord, Endpoint, EventRecord, Model, OutcomeRecord, OutcomeState,
    Usage, VerdictKind,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

const START_MS: u64 = 1_795_219_200_000;
const KEYS: [(&str, &str); 3] = [
    ("AKIAQAAAAAAAAAAAAAAA", "arn:aws:iam::123456789012:user/app-one"),
    ("ASIAQBBBBBBBBBBBBBBB", "arn:aws:sts::123456789012:assumed-role/Fraud/session-1"),
    ("ASIAQCCCCCCCCCCCCCCC", "arn:aws:sts::123456789012:assumed-role/Batch/job-7"),
];
const MODELS: [&str; 2] = ["anthropic.claude-3-5-sonnet-20241022-v2:0", "amazon.nova-pro-v1:0"];
const OPERATIONS: [&str; 4] = ["Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream"];

/// Pseudo-random, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn id(&mut self) -> String {
        let mut part = |digits: usize| format!("{:0digits$x}", self.below(1 << (4 * digits.min(7))));
        format!("{}{}-{}-4{}-a{}-{}{}", part(4), part(4), part(4), part(3), part(3), part(6), part(6))
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for place in (1..list.len()).rev() {
            let other = usize::try_from(self.below(place as u64 + 1)).unwrap();
            list.swap(place, other);
        }
    }
}

#[derive(Clone)]
struct Call {
    at_ms: u64,
    key: usize,
    model: usize,
    operation: usize,
    id: String,
}

impl Call {
    fn any(dice: &mut Dice) -> Self {
        let mut pick = |limit: usize| usize::try_from(dice.below(limit as u64)).unwrap();
        let (key, model, operation) = (pick(KEYS.len()), pick(MODELS.len()), pick(OPERATIONS.len()));
        Call { at_ms: START_MS + dice.below(6 * 3_600_000), key, model, operation, id: dice.id() }
    }

    fn event(&self, dice: &mut Dice) -> Value {
        let (key, arn) = KEYS[self.key];
        let time = jiff::Timestamp::from_second((self.at_ms / 1_000).cast_signed()).unwrap();
        json!({
            "eventVersion": "1.11", "eventTime": time.to_string(), "eventSource": "bedrock.amazonaws.com",
            "eventName": OPERATIONS[self.operation], "awsRegion": "eu-central-1", "sourceIPAddress": "10.0.0.7",
            "userAgent": "Boto3/1.44.5 md/Botocore#1.44.5", "requestParameters": {"modelId": MODELS[self.model]},
            "responseElements": null, "requestID": self.id, "eventID": dice.id(), "readOnly": true, "eventType": "AwsApiCall",
            "managementEvent": true, "recipientAccountId": "123456789012", "eventCategory": "Management",
            "userIdentity": {"type": "IAMUser", "arn": arn, "accountId": "123456789012", "accessKeyId": key},
        })
    }

    fn decision(&self, dice: &mut Dice) -> DecisionRecord {
        let mut record = DecisionRecord {
            schema: 1,
            decision_id: dice.id(),
            call_id: dice.id(),
            // The gate decides before AWS sees the call.
            decided_at_ms: self.at_ms - dice.below(900),
            entrance: "pass_through".to_owned(),
            operation: OPERATIONS[self.operation].to_owned(),
            action: "bedrock:InvokeModel".to_owned(),
            credential: Credential {
                kind: "sigv4".to_owned(),
                access_key_id: Some(KEYS[self.key].0.to_owned()),
                account_hint: Some("123456789012".to_owned()),
                ..Credential::default()
            },
            endpoint: Some(Endpoint {
                provider: "aws".to_owned(),
                service: "bedrock-runtime".to_owned(),
                region: "eu-central-1".to_owned(),
                partition: "aws".to_owned(),
                ..Endpoint::default()
            }),
            model: Some(Model {
                id: MODELS[self.model].to_owned(),
                kind: "foundation_model".to_owned(),
                ..Model::default()
            }),
            ..DecisionRecord::default()
        };
        record.principal.name = KEYS[self.key].1.to_owned();
        record.verdict.kind = VerdictKind::Allow;
        record
    }
}

fn outcome(decision: &DecisionRecord, state: OutcomeState, id: Option<&str>, took_ms: u64) -> OutcomeRecord {
    OutcomeRecord {
        schema: 1,
        call_id: decision.call_id.clone(),
        decision_id: Some(decision.decision_id.clone()),
        state,
        status: id.map(|_| 200),
        aws_request_id: id.map(str::to_owned),
        forwarded: matches!(state, OutcomeState::Completed | OutcomeState::Aborted),
        duration_ms: took_ms,
        ended_at_ms: decision.decided_at_ms + took_ms,
        usage: Some(Usage { input_tokens: 10, output_tokens: 20, ..Usage::default() }),
        ..OutcomeRecord::default()
    }
}

/// Records with the time at which they were written.
#[derive(Default)]
struct Log(Vec<(u64, RecordKind, String, Vec<u8>)>);

impl Log {
    fn decision(&mut self, record: &DecisionRecord) {
        let kind =
            if record.kind == DecisionKind::Call { RecordKind::Decision } else { RecordKind::ToolCall };
        self.0.push((
            record.decided_at_ms,
            kind,
            record.decision_id.clone(),
            canonical(record).unwrap().into(),
        ));
    }

    fn outcome(&mut self, at_ms: u64, record: &OutcomeRecord) {
        self.0.push((at_ms, RecordKind::Outcome, record.call_id.clone(), canonical(record).unwrap().into()));
    }

    /// As `audit export` writes them.
    fn write(mut self, path: &Path) -> usize {
        self.0.sort_by_key(|(time, ..)| *time);
        let mut file = Vec::new();
        for (index, (time_ms, kind, id, record)) in self.0.iter().enumerate() {
            let entry = Entry::new(id.as_str(), *kind, *time_ms, record).to_json();
            let record = String::from_utf8_lossy(record);
            writeln!(file, "{{\"entry\":{entry},\"index\":{index},\"record\":{record}}}").unwrap();
        }
        fs::write(path, file).unwrap();
        self.0.len()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Six hours: 10,000 events, 7 of them round the gate. Gives the events, and of each of the seven its event id and how it hides.
fn world(directory: &Path) -> (Vec<Value>, Vec<(String, &'static str)>) {
    let mut dice = Dice(20_261_121);
    let (mut log, mut events, mut hidden) = (Log::default(), Vec::new(), Vec::new());
    let mut hide =
        |event: &Value, how: &'static str| hidden.push((event["eventID"].as_str().unwrap().to_owned(), how));

    // 1: as a call that the gate let out, in the same second; and 9,000 more calls as they should be.
    for number in 0..9_001 {
        let call = Call::any(&mut dice);
        let decision = call.decision(&mut dice);
        let took = 1_000 + dice.below(20_000);
        log.decision(&decision);
        if number % 500 == 3 {
            // The gate was away when its answer came: `unknown` first, the report later.
            let unknown = OutcomeRecord {
                forwarded: false,
                ended_at_ms: 0,
                ..outcome(&decision, OutcomeState::Unknown, None, 0)
            };
            log.outcome(decision.decided_at_ms + 3_000, &unknown);
        }
        log.outcome(
            decision.decided_at_ms + took + 5_000,
            &outcome(&decision, OutcomeState::Completed, Some(&call.id), took),
        );
        events.push(call.event(&mut dice));
        if number == 4_000 {
            let event = Call { id: dice.id(), ..call.clone() }.event(&mut dice);
            hide(&event, "same principal, model, operation and second as a call that was let out");
            events.push(event);
        }
    }
    // 2: the client went away, and the outcome has no request id; another call of the same kind a little later went round.
    for number in 0..60 {
        let call = Call::any(&mut dice);
        let decision = call.decision(&mut dice);
        log.decision(&decision);
        log.outcome(
            decision.decided_at_ms + 40_000,
            &outcome(&decision, OutcomeState::Aborted, None, 30_000),
        );
        events.push(call.event(&mut dice));
        if number == 30 {
            let event = Call { at_ms: call.at_ms + 20_000, id: dice.id(), ..call }.event(&mut dice);
            hide(&event, "within the time of an aborted call whose outcome has no request id");
            events.push(event);
        }
    }
    // 3: three attempts of one call, the second of them past the gate, and throttled.
    let call = Call::any(&mut dice);
    for attempt in 0..3 {
        let call = Call { at_ms: call.at_ms + attempt * 1_000, id: dice.id(), ..call.clone() };
        let mut event = call.event(&mut dice);
        if attempt == 1 {
            event["errorCode"] = json!("ThrottlingException");
            hide(&event, "one attempt of a retried call, which AWS throttled");
        } else {
            let decision = call.decision(&mut dice);
            log.decision(&decision);
            log.outcome(
                decision.decided_at_ms + 9_000,
                &outcome(&decision, OutcomeState::Completed, Some(&call.id), 1_000),
            );
        }
        events.push(event);
    }
    // 4: a request id of ours, by another account.
    let (call, mut replayed) = (Call::any(&mut dice), Value::Null);
    for account in ["123456789012", "999988887777"] {
        replayed = call.event(&mut dice);
        replayed["userIdentity"]["accountId"] = json!(account);
        replayed["recipientAccountId"] = json!(account);
        events.push(replayed.clone());
    }
    hide(&replayed, "the request id of a call of ours, with another account");
    let decision = call.decision(&mut dice);
    log.decision(&decision);
    log.outcome(
        decision.decided_at_ms + 9_000,
        &outcome(&decision, OutcomeState::Completed, Some(&call.id), 1_000),
    );
    // 5: what the gate had refused, a second later.
    let call = Call::any(&mut dice);
    let mut decision = call.decision(&mut dice);
    decision.verdict.kind = VerdictKind::Deny;
    log.decision(&decision);
    log.outcome(decision.decided_at_ms + 100, &outcome(&decision, OutcomeState::Blocked, None, 3));
    let event = Call { at_ms: call.at_ms + 1_500, ..call }.event(&mut dice);
    hide(&event, "a call that the gate had refused, once more");
    events.push(event);
    // 6: another key, from elsewhere. 7: an allowed call of which nobody knows what became, and the same one in another region.
    let mut event = Call::any(&mut dice).event(&mut dice);
    event["userIdentity"]["accessKeyId"] = json!("ASIAQZZZZZZZZZZZZZZZ");
    event["sourceIPAddress"] = json!("203.0.113.77");
    hide(&event, "another key of the same role, from elsewhere");
    events.push(event);
    let call = Call::any(&mut dice);
    log.decision(&call.decision(&mut dice));
    events.push(call.event(&mut dice));
    let mut event = Call { id: dice.id(), ..call }.event(&mut dice);
    event["awsRegion"] = json!("us-east-1");
    hide(&event, "beside a call without an outcome, in another region");
    events.push(event);
    // What stands in the record besides: calls that never went out, tool calls, other providers.
    for number in 0..300 {
        let mut decision = Call::any(&mut dice).decision(&mut dice);
        match number % 3 {
            0 => decision.verdict.kind = VerdictKind::Deny,
            1 => {
                (decision.kind, decision.call_id) =
                    (DecisionKind::ToolCall, format!("{}#1", decision.call_id))
            }
            _ => decision.endpoint.as_mut().unwrap().provider = "anthropic".to_owned(),
        }
        log.decision(&decision);
    }
    let gap = EventRecord {
        schema: 1,
        event_id: dice.id(),
        kind: "gap".to_owned(),
        at_ms: START_MS,
        actor: "gate-1".to_owned(),
        detail: json!({"unaudited": 2, "lost": 0}),
    };
    log.0.push((START_MS, RecordKind::Gap, gap.event_id.clone(), canonical(&gap).unwrap().into()));
    // What stands in a trail besides: other services, AWS's own calls, looks at the console.
    while events.len() < 10_000 {
        let mut event = Call { id: dice.id(), ..Call::any(&mut dice) }.event(&mut dice);
        match dice.below(3) {
            0 => event["eventSource"] = json!("s3.amazonaws.com"),
            1 => event["userIdentity"]["invokedBy"] = json!("agents.bedrock.amazonaws.com"),
            _ => event["eventName"] = json!("ListFoundationModels"),
        }
        events.push(event);
    }
    dice.shuffle(&mut events);
    println!("{} records", log.write(&directory.join("records.jsonl")));
    (events, hidden)
}

fn found(directory: &Path, places: &[&Path]) -> Outcome {
    let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
    let mut records = Lines(vec![directory.join("records.jsonl")]);
    let settings = Settings { tolerance_ms: 120_000, ..Settings::default() };
    reconcile(settings, &places, &[], &mut records, &mut |_| ()).unwrap()
}

#[test]
fn of_ten_thousand_events_exactly_the_seven_that_bypassed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let (events, hidden) = world(root);
    assert_eq!((events.len(), hidden.len()), (10_000, 7));
    let one = root.join("trail.json.gz");
    fs::write(&one, gzip(json!({ "Records": events }).to_string().as_bytes())).unwrap();

    let outcome = found(root, &[&one]);
    let mut text = Vec::new();
    write_text(&mut text, &outcome).unwrap();
    println!("{}", String::from_utf8(text).unwrap());
    let ids = |outcome: &Outcome| -> BTreeSet<String> {
        outcome.report.bypassed.iter().map(|bypassed| bypassed.call.event_ids[0].clone()).collect()
    };
    let bypassed = ids(&outcome);
    for (event, how) in &hidden {
        println!("{event}  {}  {how}", if bypassed.contains(event) { "found" } else { "MISSED" });
    }
    assert_eq!(bypassed, hidden.iter().map(|(event, _)| event.clone()).collect());
    let report = &outcome.report;
    assert_eq!((report.matched_by_id, report.matched_by_time), (9_004, 61));
    assert_eq!((report.mismatched.len(), report.unknown_to_aws, report.undetermined), (0, 0, 0));
    assert_eq!(report.bypassed.iter().filter(|bypassed| bypassed.refused_before.is_some()).count(), 1);
    assert_eq!((outcome.records.gaps.len(), outcome.records.other_providers), (1, 100));
    assert_eq!(outcome.verdict(), Verdict::Bypassed);

    // The same in the files of a trail, packed and not, beside digests; and twice, as at-least-once delivery has it.
    let trail = root.join("AWSLogs/123456789012/CloudTrail/eu-central-1/2026/11/21");
    fs::create_dir_all(&trail).unwrap();
    fs::create_dir_all(root.join("AWSLogs/123456789012/CloudTrail-Digest")).unwrap();
    fs::write(root.join("AWSLogs/123456789012/CloudTrail-Digest/digest.json"), "{\"digestStartTime\":1}")
        .unwrap();
    for (number, part) in events.chunks(700).enumerate() {
        let document = json!({ "Records": part }).to_string();
        let path = trail.join(format!("123456789012_CloudTrail_eu-central-1_{number:02}.json"));
        if number % 2 == 0 {
            fs::write(path.with_extension("json.gz"), gzip(document.as_bytes()))
        } else {
            fs::write(path, document)
        }
        .unwrap();
    }
    let parts = found(root, &[&root.join("AWSLogs")]);
    assert_eq!(parts.report, outcome.report);
    assert_eq!((parts.inputs.files, parts.inputs.skipped), (15, 1));
    let both = found(root, &[&root.join("AWSLogs"), &one]);
    println!("both: {} events delivered more than once", both.report.aws_repeated);
    assert_eq!(both.report.bypassed, outcome.report.bypassed);
    assert_eq!(both.report.matched(), outcome.report.matched());
}

#[test]
fn a_file_that_is_cut_or_no_log_is_named_and_nothing_is_called_clean() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let (events, _) = world(root);
    let packed = gzip(json!({ "Records": &events[..200] }).to_string().as_bytes());
    fs::create_dir(root.join("logs")).unwrap();
    fs::write(root.join("logs/cut.json.gz"), &packed[..packed.len() / 2]).unwrap();
    fs::write(root.join("logs/error.json"), "<html>").unwrap();
    fs::write(root.join("logs/notes.txt"), "not mine").unwrap();
    let outcome = found(root, &[&root.join("logs")]);
    for unread in &outcome.inputs.unread {
        println!("{}, {}: {}", unread.file, unread.place, unread.what);
    }
    let named: Vec<bool> = ["cut.json.gz", "error.json"]
        .iter()
        .zip(&outcome.inputs.unread)
        .map(|(name, unread)| unread.file.ends_with(name))
        .collect();
    assert_eq!(named, [true, true]);
    assert!(outcome.report.aws_events > 10, "what stands before the cut was read");
    assert_eq!(outcome.inputs.skipped, 1);
    assert_ne!(outcome.verdict(), Verdict::Clean);

    let error = reconcile(
        Settings::default(),
        &[root.join("none").display().to_string()],
        &[],
        &mut Lines(Vec::new()),
        &mut |_| (),
    );
    println!("{:#}", error.unwrap_err());
    fs::create_dir(root.join("empty")).unwrap();
    let error = reconcile(
        Settings::default(),
        &[root.join("empty").display().to_string()],
        &[],
        &mut Lines(Vec::new()),
        &mut |_| (),
    );
    assert!(format!("{:#}", error.unwrap_err()).contains("no logs in"));
}

#[test]
fn records_are_read_in_every_form_and_order() {
    let mut dice = Dice(7);
    let call = Call::any(&mut dice);
    let decision = call.decision(&mut dice);
    let whole = outcome(&decision, OutcomeState::Completed, Some(&call.id), 1_200);
    let unknown = outcome(&decision, OutcomeState::Unknown, None, 0);
    let (decision, whole, unknown) = (json!(decision), json!(whole), json!(unknown));
    let mut shown = decision.clone();
    shown["state"] = json!("completed");
    shown["outcome"] = whole.clone();
    let wrapped = |record: &Value| json!({"entry": {"kind": "x"}, "index": 1, "record": record});
    let forms: [(&str, Vec<Value>); 6] = [
        ("records alone", vec![decision.clone(), whole.clone()]),
        ("the outcome first", vec![whole.clone(), decision.clone()]),
        ("unknown, then the report", vec![decision.clone(), unknown.clone(), whole.clone()]),
        ("the report, then unknown", vec![whole.clone(), unknown, decision.clone()]),
        ("with entries", vec![wrapped(&decision), wrapped(&whole)]),
        ("as the API shows them", vec![shown]),
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records.jsonl");
    for (form, lines) in &forms {
        fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let mut ours = Vec::new();
        let tally = Lines(vec![path.clone()])
            .each(&mut Names::default(), &mut |one| ours.push(one), &mut |_| ())
            .unwrap();
        println!("{form}: {ours:?}");
        assert_eq!(ours.len(), 1, "{form}");
        assert_eq!(ours[0].aws_request_id.as_deref(), Some(call.id.as_str()), "{form}");
        assert_eq!(
            (ours[0].forwarded, ours[0].status, ours[0].tokens),
            (true, Some(200), Some((10, 20))),
            "{form}"
        );
        assert_eq!(tally.broken, Vec::<String>::new(), "{form}");
    }
    fs::write(&path, format!("{decision}\n{{\"x\":\n{}\n[]\n", json!({"entry": {}, "index": 3}))).unwrap();
    let tally = Lines(vec![path]).each(&mut Names::default(), &mut |_| (), &mut |_| ()).unwrap();
    println!("{tally:?}");
    assert_eq!((tally.pruned, tally.broken.len()), (1, 2));
    assert!(tally.broken[0].contains("line 2"));
}
