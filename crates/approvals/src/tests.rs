//! Every order of steps.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn every_state_and_act() {
    // State, act: in time → overdue.
    let table = [
        "pending approve: approved / expired!",
        "pending deny: denied / expired!",
        "pending consume: not_approved! / expired!",
        "pending expire: not_due! / expired",
        "approved approve: decided! / expired!",
        "approved deny: decided! / expired!",
        "approved consume: consumed / expired!",
        "approved expire: not_due! / expired",
        "denied approve: decided! / decided!",
        "denied deny: decided! / decided!",
        "denied consume: not_approved! / not_approved!",
        "denied expire: not_due! / not_due!",
        "expired approve: expired! / expired!",
        "expired deny: expired! / expired!",
        "expired consume: expired! / expired!",
        "expired expire: expired! / expired!",
        "consumed approve: consumed! / consumed!",
        "consumed deny: consumed! / consumed!",
        "consumed consume: consumed! / consumed!",
        "consumed expire: consumed! / consumed!",
    ];
    let show = |result: Result<State, ApprovalError>| match result {
        Ok(state) => state.to_string(),
        Err(ApprovalError::Expired) => "expired!".to_owned(),
        Err(ApprovalError::Consumed) => "consumed!".to_owned(),
        Err(ApprovalError::Decided { .. }) => "decided!".to_owned(),
        Err(ApprovalError::NotApproved) => "not_approved!".to_owned(),
        Err(ApprovalError::NotDue) => "not_due!".to_owned(),
        Err(other) => panic!("{other}"),
    };
    let mut found = Vec::new();
    for state in State::ALL {
        for act in Act::ALL {
            let name = format!("{act:?}").to_lowercase();
            let [on_time, late] = [false, true].map(|overdue| show(next(state, act, overdue, "x")));
            found.push(format!("{state} {name}: {on_time} / {late}"));
        }
    }
    assert_eq!(found, table);
    println!("compared {} transitions", 2 * table.len());
}

fn alice() -> Approver {
    Approver { name: "alice".to_owned(), principal: None }
}

fn approval() -> Approval {
    Approval {
        id: "apr_1".to_owned(),
        call: Subject { principal: "app".to_owned(), ..Subject::default() },
        created_at_ms: 100,
        expires_at_ms: 200,
        valid_for_ms: 50,
        ..Approval::default()
    }
    .asked()
}

fn steps() -> impl Strategy<Value = Vec<(Step, u64)>> {
    let why = || String::from("because");
    let by = prop_oneof![Just("alice"), Just("bob"), Just("app")]
        .prop_map(|name| Approver { name: name.to_owned(), principal: None });
    let step = prop_oneof![
        by.clone().prop_map(move |by| Step::Approve { by, why: why() }),
        by.prop_map(move |by| Step::Deny { by, why: why() }),
        Just(Step::Consume { by: "gate".to_owned(), call_id: "c".to_owned() }),
        Just(Step::Expire),
    ];
    // Times may jump back: clocks do.
    proptest::collection::vec((step, 90u64..300), 0..12)
}

proptest! {
    /// Whatever is tried in whatever order: history tells of every change and joins up, at most one call is let out, only
    /// after somebody else than the caller said yes and while that is valid, and what is over stays over.
    #[test]
    fn no_order_of_steps_lets_out_more_than_one_call(steps in steps()) {
        let mut now = approval();
        let mut let_out = 0;
        for (step, at) in steps {
            match now.step(&step, at) {
                Ok(after) => {
                    let last = after.history.last().unwrap();
                    prop_assert_eq!(last.from, Some(now.state));
                    prop_assert_eq!((last.to, last.at_ms), (after.state, at));
                    prop_assert_eq!(after.history.len(), now.history.len() + 1);
                    match after.state {
                        State::Consumed => {
                            let_out += 1;
                            let yes = now.history.last().unwrap();
                            prop_assert_eq!(yes.to, State::Approved);
                            prop_assert!(yes.by != "app" && yes.at_ms < 200 && at < yes.at_ms + 50);
                        }
                        State::Approved | State::Denied => prop_assert!(last.by != "app" && at < 200),
                        State::Expired => prop_assert!(now.overdue(at)),
                        State::Pending => prop_assert!(false, "nothing becomes pending again"),
                    }
                    now = after;
                }
                Err(_) if matches!(now.state, State::Pending | State::Approved) => {}
                Err(error) => {
                    // A final state refuses everything, and says which it is.
                    let fits = match now.state {
                        State::Expired => error == ApprovalError::Expired,
                        State::Consumed => error == ApprovalError::Consumed,
                        _ => true,
                    };
                    prop_assert!(fits, "{:?}: {error}", now.state);
                }
            }
        }
        prop_assert!(let_out <= 1);
        let (first, rest) = now.history.split_first().unwrap();
        prop_assert_eq!((first.from, first.to), (None, State::Pending));
        prop_assert!(rest.iter().zip(&now.history).all(|(after, before)| after.from == Some(before.to)));
    }

    /// A grant lets out as many calls as it says, whatever happens in between.
    #[test]
    fn a_grant_lets_out_as_many_as_it_says(uses in 1u64..6, steps in proptest::collection::vec((any::<bool>(), 0u64..300), 0..30)) {
        let mut grant = Grant { uses, left: uses, created_at_ms: 0, expires_at_ms: 200, ..Grant::default() };
        let (mut used, mut over) = (0, false);
        for (revoke, at) in steps {
            let step = if revoke && at % 7 == 0 { GrantStep::Revoke } else { GrantStep::Use };
            match grant.step(step, at) {
                Ok(after) => {
                    prop_assert!(!over && at < 200);
                    used += u64::from(step == GrantStep::Use);
                    over |= step == GrantStep::Revoke;
                    grant = after;
                }
                Err(error) => prop_assert!(over || at >= 200 || error == ApprovalError::Consumed),
            }
        }
        prop_assert!(used <= uses);
        prop_assert_eq!(grant.left, uses - used);
    }

    /// Equal calls have equal digests, and a call that differs in one field has another.
    #[test]
    fn digests_tell_calls_apart(a in ".{0,12}", b in ".{0,12}", field in 0usize..SETTERS.len()) {
        let make = |text: &str| {
            let mut subject = Subject { principal: "p".to_owned(), ..Subject::default() };
            SETTERS[field](&mut subject, text);
            subject
        };
        prop_assert_eq!(make(&a).digest(), make(&a).digest());
        prop_assert_eq!(make(&a) == make(&b), make(&a).digest() == make(&b).digest());
    }
}

type Set = fn(&mut Subject, &str);
const SETTERS: [Set; 12] = [
    |s, t| s.principal = t.to_owned(),
    |s, t| s.operation = t.to_owned(),
    |s, t| s.region = t.to_owned(),
    |s, t| s.method = t.to_owned(),
    |s, t| s.path = t.to_owned(),
    |s, t| s.models = vec![t.to_owned()],
    |s, t| s.body_sha256 = Some(t.to_owned()),
    |s, t| s.max_tokens = Some(t.len() as u64),
    |s, t| s.labels = BTreeMap::from([("l".to_owned(), t.to_owned())]),
    |s, t| s.tools = vec!["x".to_owned(), t.to_owned()],
    |s, t| s.guardrail = Some(t.to_owned()),
    |s, t| s.tool = Some(Tool { name: t.to_owned(), arguments: serde_json::json!({ "t": t }) }),
];

#[test]
fn the_digest_is_stable() {
    let subject = Subject {
        principal: "billing".to_owned(),
        operation: "Converse".to_owned(),
        service: "bedrock-runtime".to_owned(),
        region: "eu-central-1".to_owned(),
        method: "POST".to_owned(),
        path: "/model/m/converse".to_owned(),
        models: vec!["m".to_owned()],
        body_sha256: Some("ab".repeat(32)),
        bytes: 7,
        ..Subject::default()
    };
    let text = canonical(&serde_json::to_value(&subject).unwrap());
    let body = "ab".repeat(32);
    assert_eq!(
        text,
        format!(
            "{{\"body_sha256\":\"{body}\",\"bytes\":7,\"method\":\"POST\",\"models\":[\"m\"],\"operation\":\"Converse\",\
             \"path\":\"/model/m/converse\",\"principal\":\"billing\",\"region\":\"eu-central-1\",\"service\":\
             \"bedrock-runtime\"}}"
        ),
        "approvals in a store are found again by this text: it must not change"
    );
    assert_eq!(subject.digest().len(), 64);
}

#[test]
fn answers_are_explained() {
    let asked = approval();
    let approve = |by: &str| Step::Approve {
        by: Approver { name: by.to_owned(), principal: None },
        why: String::new(),
    };
    let yes = asked.step(&approve("alice"), 150).unwrap();
    assert_eq!(yes.valid_until_ms, Some(200));
    let cases = [
        (yes.step(&approve("bob"), 160), "it is approved already, by alice"),
        (asked.step(&approve("app"), 150), "`app` is who makes the call"),
        (asked.step(&approve("bob"), 200), "its time is over"),
        (asked.step(&Step::Deny { by: alice(), why: "x".repeat(MAX_WHY + 1) }, 150), "longer than"),
    ];
    for (result, expected) in cases {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
