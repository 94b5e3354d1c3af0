use super::*;
use portcullis_protocol::OutcomeKind;

fn outcome(n: usize) -> Outcome {
    Outcome {
        call_id: format!("call-{n}"),
        decision_id: None,
        outcome: OutcomeKind::Completed,
        reason: None,
        status: Some(200),
        aws_request_id: None,
        error_type: None,
        forwarded: true,
        credential: None,
        response_bytes: 0,
        duration_ms: 0,
        decision_ms: 0,
        ended_at_ms: 0,
        usage: None,
        answer: None,
    }
}

fn batch(json: &[u8]) -> OutcomeBatch {
    serde_json::from_slice(json).unwrap()
}

fn ack(n: usize) -> Vec<u8> {
    format!(r#"{{"accepted": {n}}}"#).into_bytes()
}

#[test]
fn outcomes_stay_until_they_are_acknowledged() {
    let mut outbox = Outbox::default();
    assert!(outbox.next_batch(0, "g").is_none());
    for n in 0..3 {
        assert!(outbox.push(outcome(n)));
    }
    let first = batch(&outbox.next_batch(0, "g").unwrap());
    assert_eq!(first.outcomes.len(), 3);
    assert!(outbox.next_batch(0, "g").is_none(), "one batch is under way");
    outbox.push(outcome(3));

    for answer in [None, Some((500, ack(3))), Some((200, b"garbage".to_vec())), Some((200, ack(2)))] {
        let answer = answer.as_ref().map(|(status, body)| (*status, body.as_slice()));
        assert_eq!(outbox.answered(answer, 0), None, "{answer:?} is no acknowledgement");
        let again = batch(&outbox.next_batch(u64::MAX, "g").unwrap());
        assert_eq!(again.outcomes.first(), first.outcomes.first(), "the batch is repeated from its start");
        assert_eq!(again.outcomes.len(), 4);
    }
    assert_eq!(outbox.answered(Some((200, &ack(4))), 0), Some(4));
    assert!(outbox.is_empty());
}

#[test]
fn failures_are_waited_out_and_forgotten() {
    let mut outbox = Outbox::default();
    outbox.push(outcome(0));
    let mut now = 0;
    for wait in [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
        assert!(outbox.next_batch(now, "g").is_some());
        outbox.answered(None, now);
        now += wait * 1_000;
        assert!(outbox.next_batch(now - 1, "g").is_none());
    }
    assert!(outbox.next_batch(now, "g").is_some());
    outbox.answered(Some((200, &ack(1))), now);
    outbox.push(outcome(1));
    assert!(outbox.next_batch(now, "g").is_some(), "no wait after a success");
}

#[test]
fn a_full_queue_loses_and_says_so() {
    let mut outbox = Outbox::default();
    for n in 0..MAX_QUEUED {
        assert!(outbox.push(outcome(n)));
    }
    assert!(!outbox.push(outcome(0)));
    assert!(!outbox.push(outcome(0)));
    let sent = batch(&outbox.next_batch(0, "g").unwrap());
    assert_eq!((sent.outcomes.len(), sent.lost), (MAX_BATCH, 2));
    assert!(outbox.has_full_batch());
    outbox.push(outcome(0));
    outbox.answered(Some((200, &ack(MAX_BATCH))), 0);
    let sent = batch(&outbox.next_batch(0, "g").unwrap());
    assert_eq!(sent.lost, 1, "what was lost meanwhile is reported next");
}

#[test]
fn calls_let_out_unrecorded_are_reported_even_alone() {
    let mut outbox = Outbox::default();
    outbox.unaudited();
    outbox.unaudited();
    let sent = batch(&outbox.next_batch(0, "g").unwrap());
    assert_eq!((sent.outcomes.len(), sent.unaudited), (0, 2));
    outbox.unaudited();
    outbox.answered(Some((200, &ack(0))), 0);
    assert_eq!(batch(&outbox.next_batch(0, "g").unwrap()).unaudited, 1);
}

#[test]
fn an_answer_to_nothing_is_harmless() {
    let mut outbox = Outbox::default();
    outbox.push(outcome(0));
    assert_eq!(outbox.answered(Some((200, &ack(1))), 0), None);
    assert_eq!(outbox.len(), 1);
}
