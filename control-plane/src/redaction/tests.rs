//! Redaction of single records.

use super::*;
use portcullis_audit::{Agent, Charge, DecisionRecord, Principal, Source};

fn redactor(fields: &[(&str, &str)]) -> Redactor {
    under(1, fields)
}

fn under(key_id: u32, fields: &[(&str, &str)]) -> Redactor {
    let fields = fields.iter().map(|(name, mode)| ((*name).to_owned(), (*mode).to_owned())).collect();
    let config = RedactionConfig::check(RawRedaction { key_id: Some(key_id), fields }).unwrap();
    Redactor::new(
        Some(config),
        &MasterKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "test").unwrap(),
    )
}

fn record() -> DecisionRecord {
    let mut record: DecisionRecord = DecisionRecord {
        call_id: "c".to_owned(),
        principal: Principal {
            name: "aws:111122223333:AKIAIOSFODNN7EXAMPLE".to_owned(),
            ..Principal::default()
        },
        agent: Some(Agent { session: Some("s 1/ü".to_owned()), ..Agent::default() }),
        correlation_id: Some("s 1/ü".to_owned()),
        source: Source { address: Some("10.1.2.3:4711".to_owned()), server_name: None },
        charges: vec![Charge {
            limit: "l".to_owned(),
            key: "principal.name=aws:111122223333:AKIAIOSFODNN7EXAMPLE,session_attributes.user=a\\,b"
                .to_owned(),
            ..Charge::default()
        }],
        delegation: vec!["agent A".to_owned(), "user 4711".to_owned()],
        ..DecisionRecord::default()
    };
    record.credential.access_key_id = Some("AKIAIOSFODNN7EXAMPLE".to_owned());
    record.credential.account_hint = Some("111122223333".to_owned());
    record.sdk.user_agent = Some("boto3".to_owned());
    record.request.path = "/agents/A/agentAliases/B/sessions/s%201%2F%C3%BC/text".to_owned();
    record.labels.insert("sessionId".to_owned(), "s 1/ü".to_owned());
    record.request.session_attributes.insert("user".to_owned(), "a,b".to_owned());
    record.request.session_attributes.insert("tier".to_owned(), "gold".to_owned());
    record.request.metadata.insert("user".to_owned(), "a,b".to_owned());
    record.verdict.message = "not for 10.1.2.3 of s 1/ü".to_owned();
    record
}

#[test]
fn nothing_of_a_redacted_value_is_left_anywhere() {
    let redactor = redactor(&[
        ("agent.session", "hmac"),
        ("/source/address", "hmac"),
        ("credential.access_key_id", "hmac"),
        ("request.session_attributes.user", "hmac"),
        ("request.metadata", "drop"),
        ("sdk.user_agent", "drop"),
        ("delegation", "hmac"),
    ]);
    let mut redacted = record();
    let clear = redactor.decision(&mut redacted).unwrap().expect("something is redacted");
    assert_eq!(*clear, record());
    let json = serde_json::to_string_pretty(&redacted).unwrap();
    println!("{json}");
    for secret in
        ["10.1.2.3", "AKIAIOSFODNN7EXAMPLE", "s 1/", "s%201", "a,b", "a\\\\,b", "boto3", "user 4711"]
    {
        assert!(!json.contains(secret), "{secret} in {json}");
    }
    let session = redacted.agent.as_ref().unwrap().session.clone().unwrap();
    assert_eq!(session.len(), "hmac:1:".len() + 26);
    assert_eq!(redacted.correlation_id.as_deref(), Some(session.as_str()));
    assert_eq!(redacted.labels["sessionId"], session);
    assert!(
        redacted.request.path.contains(&format!("/sessions/{session}/text")),
        "{}",
        redacted.request.path
    );
    assert_eq!(redacted.request.session_attributes["tier"], "gold");
    assert!(redacted.principal.name.starts_with("aws:111122223333:hmac:1:"), "{}", redacted.principal.name);
    assert!(redacted.charges[0].key.contains(&redacted.principal.name), "{}", redacted.charges[0].key);
    let fields = redacted.redaction.as_ref().unwrap().fields.join(" ");
    assert_eq!(
        fields,
        "agent.session credential.access_key_id delegation request.metadata request.session_attributes.user \
         sdk.user_agent source.address"
    );
}

#[test]
fn equal_values_stay_equal_and_questions_that_differ_in_what_is_dropped_differ() {
    let redactor = redactor(&[("source.address", "drop"), ("agent.session", "hmac")]);
    let redacted = |change: &dyn Fn(&mut DecisionRecord)| {
        let mut record = record();
        change(&mut record);
        redactor.decision(&mut record).unwrap();
        record
    };
    let first = redacted(&|_| {});
    assert!(first.same_question(&redacted(&|record| record.verdict.message.clear())));
    assert!(!first.same_question(&redacted(&|record| record.source.address = Some("10.9.9.9:1".to_owned()))));
    let other_port = redacted(&|record| record.source.address = Some("10.1.2.3:1".to_owned()));
    assert!(!first.same_question(&other_port), "as it is without redaction");
    assert_eq!(first.agent, other_port.agent);
    // What was not there needs no redaction, and says so.
    let bare = redactor.decision(&mut DecisionRecord::default()).unwrap();
    assert!(bare.is_none());
}

#[test]
fn what_is_looked_up_is_looked_for_in_every_form() {
    let (old, new) = (under(1, &[("agent.session", "hmac")]), under(2, &[("agent.session", "hmac")]));
    let (before, now) = (old.session("s"), new.session("s"));
    assert_eq!(new.sessions("s"), [now.as_str(), "s", before.as_str()]);
    assert_eq!(new.session(&before), before, "copied from a record");
    assert_eq!(Redactor::default().sessions("s"), ["s"]);
    let names = redactor(&[("principal.name", "hmac")]);
    assert_eq!(names.principals("p"), [names.principal("p"), "p".to_owned()]);
    let roles = redactor(&[("principal.session_name", "hmac")]);
    let role = "arn:aws:sts::111122223333:assumed-role/Admin/alice@example.com";
    let blind = roles.principal(role);
    println!("{blind}");
    assert!(blind.starts_with("arn:aws:sts::111122223333:assumed-role/Admin/hmac:1:"), "{blind}");
}

#[test]
fn a_configuration_that_would_not_do_what_it_says_is_refused() {
    let cases = [
        ("source.adress", "hmac", "no field `source.adress`"),
        ("source.address", "hash", "`hash` is none of keep, hmac, drop"),
        ("agent.session", "drop", "cannot be dropped: sessions, sequences and correlation"),
        ("agent.session.x", "hmac", "no field"),
        ("request.metadata.", "hmac", "no field"),
        ("verdict", "drop", "source.address, source.server_name"),
    ];
    for (name, mode, expected) in cases {
        let fields = [(name.to_owned(), mode.to_owned())].into();
        let error = RedactionConfig::check(RawRedaction { key_id: None, fields }).unwrap_err().to_string();
        println!("{name}: {mode}: {error}");
        assert!(error.contains(expected), "{error}");
    }
    let error =
        RedactionConfig::check(RawRedaction { key_id: Some(0), ..RawRedaction::default() }).unwrap_err();
    assert!(error.to_string().contains("counts from 1"));
}

#[test]
fn blinded_values_are_those_of_rfc_5869_and_rfc_2104() {
    // Reckoned by Python: HKDF of the key above with salt `portcullis`, then HMAC, 128 bits of it in base32.
    let redactor = redactor(&[("agent.session", "hmac")]);
    assert_eq!(redactor.session("s"), "hmac:1:v2vwivp6lrctqoonxjw6qtz2di");
}
