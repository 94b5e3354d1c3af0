//! Loops: what shares ids is found together, whatever came first.

use super::*;
use crate::storage::{Trace, TraceQuery};
use portcullis_audit::{Agent, Answer, DecisionKind, Sdk, SeenCall, ToolCall, ToolResult};

/// A request that sends these tool results back.
fn quoting(principal: &str, call_id: &str, quoted: &[String]) -> DecisionRecord {
    let mut record = decision(call_id, VerdictKind::Allow);
    record.principal.name = principal.to_owned();
    record.request.results =
        quoted.iter().map(|id| ToolResult { id: Some(id.clone()), ..ToolResult::default() }).collect();
    record
}

/// The end of a call whose answer proposes these tool calls.
fn proposing(call_id: &str, proposed: &[&str]) -> OutcomeRecord {
    let tool_calls = proposed.iter().map(|id| SeenCall { id: Some((*id).to_owned()), ..SeenCall::default() });
    let answer = Answer { tool_calls: tool_calls.collect(), ..Answer::default() };
    OutcomeRecord { answer: Some(Box::new(answer)), ..outcome(call_id, OutcomeState::Completed) }
}

/// The record of a tool call in the answer to a call, or without one.
fn tool(principal: &str, call_id: &str, parent: Option<&str>, id: &str) -> DecisionRecord {
    let mut record = quoting(principal, call_id, &[]);
    record.kind = DecisionKind::ToolCall;
    record.parent = parent.map(str::to_owned);
    record.tool = Some(ToolCall { id: Some(id.to_owned()), ..ToolCall::default() });
    record
}

fn in_session(principal: &str, call_id: &str, session: &str) -> DecisionRecord {
    let agent = Agent { session: Some(session.to_owned()), ..Agent::default() };
    DecisionRecord { agent: Some(agent), ..quoting(principal, call_id, &[]) }
}

async fn trace(store: &SqliteStore, id: &str) -> Option<Trace> {
    store.trace(TraceQuery { id: id.to_owned(), principal: None, limit: 100 }).await.unwrap()
}

/// The calls of the loop that an id names, oldest first.
async fn calls(store: &SqliteStore, id: &str) -> Vec<String> {
    let trace = trace(store, id).await.unwrap_or_else(|| panic!("nothing is known of `{id}`"));
    trace.decisions.into_iter().map(|stored| stored.record.call_id).collect()
}

async fn correlation(store: &SqliteStore, decision_id: &str) -> String {
    store.decision(decision_id.to_owned()).await.unwrap().unwrap().record.correlation_id.unwrap()
}

/// Every order of five requests, each after the one before it, and their five outcomes, each after its own request.
fn orders() -> Vec<Vec<(char, usize)>> {
    let mut orders: Vec<Vec<(char, usize)>> = vec![vec![]];
    for round in (0..5).rev() {
        let mut longer = Vec::new();
        for order in orders {
            // The request goes first; its outcome anywhere after it.
            for at in 0..=order.len() {
                let mut next = order.clone();
                next.insert(at, ('o', round));
                next.insert(0, ('d', round));
                longer.push(next);
            }
        }
        orders = longer;
    }
    orders
}

#[tokio::test]
async fn five_rounds_are_one_loop_whenever_their_outcomes_come() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let orders = orders();
    assert_eq!(orders.len(), 945);
    let (mut compared, mut shared) = (0, 0);
    for (at, order) in orders.iter().enumerate() {
        let principal = format!("app-{at}");
        let call = |round: usize| format!("call-{at}-{round}");
        let id = |round: usize| format!("tool-{at}-{round}");
        let (mut ids, mut correlations) = (Vec::new(), Vec::new());
        for (what, round) in order {
            if *what == 'o' {
                // The last round proposes nothing.
                let proposed = if *round == 4 { vec![] } else { vec![id(*round)] };
                let proposed: Vec<&str> = proposed.iter().map(String::as_str).collect();
                store.commit_outcomes(vec![proposing(&call(*round), &proposed)], None).await.unwrap();
                continue;
            }
            // Half of the applications send the whole conversation, the others the last result alone.
            let first = if at % 2 == 0 { 0 } else { round.saturating_sub(1) };
            let quoted: Vec<String> = (first..*round).map(id).collect();
            let committed = store.commit_decision(quoting(&principal, &call(*round), &quoted)).await.unwrap();
            correlations.push(correlation(&store, &committed.decision_id).await);
            ids.push(committed.decision_id);
        }
        let expected: Vec<String> = (0..5).map(call).collect();
        let names = [ids[at % 5].clone(), call((at + 1) % 5), id(at % 4), correlations[(at + 2) % 5].clone()];
        for name in names {
            assert_eq!(calls(&store, &name).await, expected, "{order:?} by `{name}`");
            compared += 1;
        }
        if order.windows(2).all(|pair| pair[0].1 <= pair[1].1) {
            assert!(correlations.iter().all(|id| *id == ids[0]), "outcomes in time: {correlations:?}");
            shared += 1;
        }
    }
    println!("compared {compared} loops in {} orders; {shared} with one correlation id", orders.len());
}

#[tokio::test]
async fn tool_calls_are_part_of_their_loop_and_lead_to_it_before_the_outcome_does() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = store.commit_decision(quoting("a", "one", &[])).await.unwrap().decision_id;
    let mut asked = tool("a", "one#1", Some(&first), "t1");
    asked.correlation_id = Some(first.clone());
    store.commit_decision(asked).await.unwrap();
    // Whoever runs the tool asks as well.
    let guard = store.commit_decision(tool("a", "guard", None, "t1")).await.unwrap().decision_id;
    let second = store.commit_decision(quoting("a", "two", &["t1".to_owned()])).await.unwrap().decision_id;
    for id in [&guard, &second] {
        assert_eq!(correlation(&store, id).await, first);
    }
    for name in ["one", "one#1", "guard", "two", "t1", &first, &guard, &second] {
        assert_eq!(calls(&store, name).await, ["one", "one#1", "guard", "two"], "by {name}");
    }
    store.commit_outcomes(vec![proposing("one", &["t1", "t2"])], None).await.unwrap();
    assert_eq!(calls(&store, "t2").await, ["one", "one#1", "guard", "two"]);
}

#[tokio::test]
async fn ids_that_models_use_again_do_not_join_loops() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let zero = || vec!["call_0".to_owned()];
    for (name, quoted) in
        [("a1", vec![]), ("a2", zero()), ("a3", zero()), ("b1", vec![]), ("b2", zero()), ("b3", zero())]
    {
        store.commit_decision(quoting("p", name, &quoted)).await.unwrap();
        let proposed: &[&str] = if name.ends_with('3') { &[] } else { &["call_0"] };
        store.commit_outcomes(vec![proposing(name, proposed)], None).await.unwrap();
    }
    for (name, expected) in
        [("a1", ["a1", "a2", "a3"]), ("a3", ["a1", "a2", "a3"]), ("b2", ["b1", "b2", "b3"])]
    {
        assert_eq!(calls(&store, name).await, expected, "by {name}");
    }
}

#[tokio::test]
async fn nobody_gets_into_the_loop_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = store.commit_decision(quoting("a", "a1", &[])).await.unwrap().decision_id;
    store.commit_outcomes(vec![proposing("a1", &["t"])], None).await.unwrap();
    store.commit_decision(in_session("a", "a2", "s")).await.unwrap();
    // Another caller quotes the same id, uses the same session, and names the first one's decision as its session.
    let thief = store.commit_decision(quoting("b", "b1", &["t".to_owned()])).await.unwrap().decision_id;
    store.commit_decision(in_session("b", "b2", "s")).await.unwrap();
    store.commit_decision(in_session("b", "b3", &first)).await.unwrap();
    assert_eq!(correlation(&store, &thief).await, thief, "an own one");
    assert_eq!(calls(&store, &thief).await, ["b1"]);
    assert_eq!(calls(&store, "b3").await, ["b3"]);
    assert_eq!(calls(&store, "a1").await, ["a1"]);
    for (name, principal, expected) in
        [("s", "a", "a2"), ("s", "b", "b2"), ("t", "a", "a1"), ("t", "b", "b1")]
    {
        let query = TraceQuery { id: name.to_owned(), principal: Some(principal.to_owned()), limit: 10 };
        let found = store.trace(query).await.unwrap().unwrap();
        let names: Vec<_> = found.decisions.iter().map(|stored| stored.record.call_id.as_str()).collect();
        assert_eq!((names, found.others.len()), (vec![expected], 1), "{name} of {principal}");
    }
    assert_eq!(trace(&store, "s").await.unwrap().principal, "b", "who used it last");
}

#[tokio::test]
async fn sessions_and_what_answers_say_of_them_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    // RetrieveAndGenerate: the first request has no session, its answer names one.
    let first = store.commit_decision(quoting("a", "one", &[])).await.unwrap().decision_id;
    let answer = Answer { session: Some("s".to_owned()), ..Answer::default() };
    let told = OutcomeRecord { answer: Some(Box::new(answer)), ..outcome("one", OutcomeState::Completed) };
    let second = store.commit_decision(in_session("a", "two", "s")).await.unwrap().decision_id;
    store.commit_outcomes(vec![told], None).await.unwrap();
    assert_eq!(correlation(&store, &second).await, "s");
    for name in ["s", "one", "two", &first] {
        assert_eq!(calls(&store, name).await, ["one", "two"], "by {name}");
    }
}

#[tokio::test]
async fn retries_share_the_correlation_of_their_first_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let attempt = |call_id: &str, invocation: &str, number: u32| {
        let mut record = quoting("a", call_id, &[]);
        let attempt = Some(format!("attempt={number}; max=5"));
        record.sdk = Sdk { invocation_id: Some(invocation.to_owned()), attempt, ..Sdk::default() };
        record
    };
    let (i, j) = ("0b1d2c3e-0000-4000-8000-000000000001", "0b1d2c3e-0000-4000-8000-000000000002");
    let mut ids = Vec::new();
    for (name, invocation, number) in [("i1", i, 1), ("j1", j, 1), ("i2", i, 2), ("i3", i, 3)] {
        ids.push(store.commit_decision(attempt(name, invocation, number)).await.unwrap().decision_id);
    }
    for (at, expected) in [(0, 0), (1, 1), (2, 0), (3, 0)] {
        assert_eq!(correlation(&store, &ids[at]).await, ids[expected]);
    }
    for name in ["i1", "i2", "i3", i, ids[0].as_str()] {
        assert_eq!(calls(&store, name).await, ["i1", "i2", "i3"], "by {name}");
    }
    assert_eq!(calls(&store, j).await, ["j1"], "a name that no index holds");
    // The same question asked again is no retry.
    let again = store.commit_decision(attempt("j1", j, 1)).await.unwrap();
    assert!(again.repeated);
    // A retry after a restart is found from where it began.
    drop(store);
    let store = open(dir.path());
    store.commit_decision(attempt("j2", j, 2)).await.unwrap();
    assert_eq!(calls(&store, "j1").await, ["j1", "j2"]);
}

#[tokio::test]
async fn the_same_question_has_one_correlation_however_much_is_known_by_then() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_decision(quoting("a", "one", &[])).await.unwrap();
    let two = || quoting("a", "two", &["t".to_owned()]);
    let before = store.commit_decision(two()).await.unwrap();
    store.commit_outcomes(vec![proposing("one", &["t"])], None).await.unwrap();
    let after = store.commit_decision(two()).await.unwrap();
    assert_eq!((after.repeated, &after.decision_id), (true, &before.decision_id));
    assert_eq!(calls(&store, "two").await, ["one", "two"]);
}

#[tokio::test]
async fn an_outcome_before_its_decision_links_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_outcomes(vec![proposing("one", &["t"])], None).await.unwrap();
    let held: Vec<Box<dyn crate::storage::Held>> = vec![Box::new(Nothing)];
    let record = quoting("a", "one", &[]);
    store.commit(crate::storage::Commit { held, ..record.into() }).await.unwrap();
    store.commit_decision(quoting("a", "two", &["t".to_owned()])).await.unwrap();
    assert_eq!(calls(&store, "two").await, ["one", "two"]);
}

#[derive(Debug)]
struct Nothing;

impl crate::storage::Held for Nothing {
    fn again(&self) -> Option<Box<dyn crate::storage::Held>> {
        None
    }

    fn recorded(self: Box<Self>, _: &crate::storage::Committed) {}
}

#[tokio::test]
async fn a_long_loop_says_that_it_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for at in 0..30 {
        store.commit_decision(in_session("a", &format!("call-{at}"), "s")).await.unwrap();
    }
    let query = |limit| TraceQuery { id: "call-15".to_owned(), principal: None, limit };
    let cut = store.trace(query(7)).await.unwrap().unwrap();
    let names: Vec<_> = cut.decisions.iter().map(|stored| stored.record.call_id.clone()).collect();
    let expected: Vec<_> = (12..19).map(|at| format!("call-{at}")).collect();
    assert_eq!((names, cut.truncated), (expected, true), "those around it");
    let whole = store.trace(query(30)).await.unwrap().unwrap();
    assert_eq!((whole.decisions.len(), whole.truncated), (30, false));
    assert_eq!(trace(&store, "nobody knows").await, None);
}

/// Hostile ids: long ones, many, empty ones. They link nothing and break nothing.
#[tokio::test]
async fn odd_ids_are_recorded_and_link_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let long = "x".repeat(10_000);
    for (at, id) in [long.as_str(), "", "a\u{0}b", "'; DROP TABLE links; --", "模型"].iter().enumerate() {
        store.commit_decision(quoting("a", &format!("one-{at}"), &[])).await.unwrap();
        store.commit_outcomes(vec![proposing(&format!("one-{at}"), &[id])], None).await.unwrap();
        store.commit_decision(quoting("a", &format!("two-{at}"), &[(*id).to_owned()])).await.unwrap();
        let found = calls(&store, &format!("two-{at}")).await;
        println!("{:.30} -> {found:?}", format!("{id:?}"));
        assert_eq!(found.len(), if at < 2 { 1 } else { 2 });
    }
    let many: Vec<String> = (0..5_000).map(|at| format!("t{at}")).collect();
    store.commit_decision(quoting("a", "many", &many)).await.unwrap();
    let rows: i64 = store
        .on_writer(|conn| Ok(conn.query_row("SELECT count(*) FROM links", [], |row| row.get(0))?))
        .await
        .unwrap();
    assert_eq!(rows, 3 * 2 + 16, "the newest of many");
}
