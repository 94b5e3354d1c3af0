//! The index beside a plain filter over the same records.

mod following;
mod memory;

use super::file::File;
use super::index::{Index, Parsed};
use super::words::Caps;
use super::*;
use crate::storage::first_of;
use portcullis_audit::{
    Agent, Answer, Credential, DecisionKind, DecisionRecord, Endpoint, Model, OutcomeRecord, OutcomeState,
    PolicyTrace, Principal, SeenCall, ToolCall, Verdict, VerdictKind,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use tokio::runtime::Builder;

/// What happens to a log and to its index.
#[derive(Debug, Clone)]
enum Step {
    /// A decision after so many other records; what it says follows from the number.
    Decision { skip: u64, content: u32 },
    /// An outcome of an earlier decision; what it says follows from the number.
    Outcome { of: usize, content: u32 },
    /// An outcome of the decision that comes next.
    Early { content: u32 },
    /// A decision's record is pruned.
    Prune { of: usize },
    /// What is in memory is written.
    Flush,
    /// The process ends without writing, and starts again where the file ends.
    Restart,
    /// The index is lost.
    Rebuild,
}

fn step() -> impl Strategy<Value = Step> {
    let skip = prop_oneof![4 => Just(0u64), 2 => 1u64..5, 1 => 1_000u64..1_100, 1 => 65_000u64..66_000, 1 => Just(200_000u64)];
    prop_oneof![
        12 => (skip, any::<u32>()).prop_map(|(skip, content)| Step::Decision { skip, content }),
        8 => (any::<usize>(), any::<u32>()).prop_map(|(of, content)| Step::Outcome { of, content }),
        1 => any::<u32>().prop_map(|content| Step::Early { content }),
        1 => any::<usize>().prop_map(|of| Step::Prune { of }),
        2 => Just(Step::Flush),
        1 => Just(Step::Restart),
        1 => Just(Step::Rebuild),
    ]
}

/// One of the values, by digits of a number.
fn pick<'a>(content: &mut u32, values: &[&'a str]) -> &'a str {
    let count = u32::try_from(values.len()).unwrap();
    let at = *content % count;
    *content /= count;
    values[at as usize]
}

fn maybe(content: &mut u32, values: &[&str]) -> Option<String> {
    Some(pick(content, values).to_owned()).filter(|value| !value.is_empty())
}

pub(super) fn record(mut content: u32, seq: Seq, call_id: &str) -> DecisionRecord {
    let c = &mut content;
    let kind = [DecisionKind::Call, DecisionKind::Call, DecisionKind::ToolCall, DecisionKind::AnswerText]
        [(*c % 4) as usize];
    *c /= 4;
    let verdict = VerdictKind::ALL[(*c % 4) as usize];
    *c /= 4;
    let names = maybe(c, &["", "transfer", "search"]).map(|name| vec![format!("bank.{name}"), name]);
    DecisionRecord {
        decision_id: crate::storage::decision_id(seq, [7; 8]).to_string(),
        call_id: call_id.to_owned(),
        kind,
        principal: Principal {
            name: pick(c, &["payments", "research", "a*b", "billing"]).to_owned(),
            tenant: maybe(c, &["", "emea", "apac"]),
            ..Principal::default()
        },
        model: maybe(c, &["", "amazon.nova-lite", "eu.amazon.nova-lite", "anthropic.x[1]"]).map(|id| Model {
            base: id.strip_prefix("eu.").map(str::to_owned),
            id,
            ..Model::default()
        }),
        agent: maybe(c, &["", "s1", "s2"])
            .map(|session| Agent { session: Some(session), ..Agent::default() }),
        correlation_id: maybe(c, &["", "k1", "k2", "k3"]),
        tool: names.map(|names| ToolCall { names, ..ToolCall::default() }),
        endpoint: Some(Endpoint {
            region: pick(c, &["eu-west-1", "us-east-1"]).to_owned(),
            ..Endpoint::default()
        }),
        credential: Credential { account_hint: maybe(c, &["", "1", "2"]), ..Credential::default() },
        policy: PolicyTrace { rule: maybe(c, &["", "no-titan", "quota"]), ..PolicyTrace::default() },
        operation: pick(c, &["Converse", "InvokeModel"]).to_owned(),
        verdict: Verdict {
            kind: verdict,
            message: pick(c, &["", "Titan is retired", "Your Quota is used up"]).to_owned(),
            ..Verdict::default()
        },
        ..DecisionRecord::default()
    }
}

fn outcome(mut content: u32, of: &DecisionRecord) -> OutcomeRecord {
    let c = &mut content;
    let state = [OutcomeState::Completed, OutcomeState::Failed, OutcomeState::Unknown, OutcomeState::Blocked]
        [(*c % 4) as usize];
    *c /= 4;
    let tools = maybe(c, &["", "transfer", "weather"]);
    OutcomeRecord {
        call_id: of.call_id.clone(),
        decision_id: maybe(c, &["", "told"]).map(|_| of.decision_id.clone()),
        state,
        aws_request_id: maybe(c, &["", "r1", "r2"]),
        answer: Some(Box::new(Answer {
            session: maybe(c, &["", "s2", "s3"]),
            tool_calls: tools.map(|name| SeenCall { name, ..SeenCall::default() }).into_iter().collect(),
            ..Answer::default()
        })),
        ..OutcomeRecord::default()
    }
}

fn query() -> impl Strategy<Value = Query> {
    let values: &[(Facet, &[&str])] = &[
        (Facet::Kind, &["call", "tool_call", "answer_text"]),
        (Facet::Principal, &["payments", "research", "a*b", "nobody", "*"]),
        (Facet::Tenant, &["emea", "apac", "?mea"]),
        (Facet::Model, &["amazon.nova-lite", "*nova*", "anthropic.x[1]", "eu.*"]),
        (Facet::Tool, &["transfer", "bank.transfer", "*search", "weather"]),
        (Facet::Verdict, &["allow", "deny", "throttle"]),
        (Facet::Rule, &["no-titan", "quota"]),
        (Facet::Operation, &["Converse", "InvokeModel"]),
        (Facet::Region, &["eu-west-1", "us-*"]),
        (Facet::Account, &["1", "2"]),
        (Facet::Outcome, &["pending", "completed", "failed", "unknown", "blocked"]),
    ];
    let keys: &[(Key, &[&str])] = &[
        (Key::Session, &["s1", "s2", "s3", "s4"]),
        (Key::Correlation, &["k1", "k2"]),
        (Key::AwsRequest, &["r1", "r2"]),
        (Key::Call, &["c0", "c3"]),
    ];
    let value = prop::sample::select(values).prop_flat_map(|(facet, values)| {
        (Just(facet), prop::collection::vec(prop::sample::select(values), 1..3))
    });
    let key = prop::sample::select(keys).prop_flat_map(|(key, values)| {
        (Just(key), prop::collection::vec(prop::sample::select(values), 1..3))
    });
    let text = prop::option::weighted(
        0.2,
        prop::sample::select(&["titan", "QUOTA used", "\"is retired\"", "absent"][..]),
    );
    let time = || prop::option::weighted(0.3, 0u64..60);
    (
        prop::collection::vec(value, 0..4),
        prop::collection::vec(key, 0..2),
        text,
        (time(), time()),
        1u32..6,
        any::<bool>(),
    )
        .prop_map(|(values, keys, text, (since_ms, until_ms), limit, ascending)| {
            let own = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<_>>();
            Query {
                since_ms,
                until_ms,
                facets: values.into_iter().map(|(facet, values)| (facet, own(values))).collect(),
                keys: keys.into_iter().map(|(key, values)| (key, own(values))).collect(),
                text: text.map(|text| Text::parse(text).unwrap()),
                limit,
                after: None,
                order: if ascending { Order::Ascending } else { Order::Descending },
            }
        })
}

/// A log, and what a store would have of it.
#[derive(Default)]
struct World {
    log: Vec<(u64, Parsed)>,
    stored: BTreeMap<Seq, StoredDecision>,
    order: Vec<Seq>,
    early: HashMap<String, OutcomeRecord>,
    next: u64,
}

impl World {
    fn step(&mut self, step: &Step) {
        let some = |of: usize, all: &[Seq]| (!all.is_empty()).then(|| all[of % all.len()]);
        match step {
            Step::Decision { skip, content } => {
                self.next += skip;
                // Two or three in a millisecond.
                let at = self.order.len() as u64;
                let seq = first_of(at / 3 + 1) + i64::try_from(at % 3).unwrap();
                let record = record(*content, seq, &format!("c{at}"));
                self.log.push((self.next, Parsed::Decision(seq, Box::new(record.clone()))));
                self.stored
                    .insert(seq, StoredDecision { seq, outcome: self.early.remove(&record.call_id), record });
                self.order.push(seq);
                self.next += 1;
            }
            Step::Outcome { of, content } => {
                let Some(stored) = some(*of, &self.order).and_then(|seq| self.stored.get_mut(&seq)) else {
                    return;
                };
                let before = stored.outcome.as_ref().map(|outcome| outcome.state);
                // What is final stays; what adds nothing is not recorded.
                if before.is_some_and(|before| before != OutcomeState::Unknown) {
                    return;
                }
                let outcome = outcome(*content, &stored.record);
                // A report that replaces another one has what AWS said; the marker `unknown` has nothing.
                let outcome = if outcome.state == OutcomeState::Unknown {
                    OutcomeRecord { aws_request_id: None, answer: None, ..outcome }
                } else {
                    outcome
                };
                if before == Some(outcome.state) {
                    return;
                }
                self.log.push((self.next, Parsed::Outcome(Box::new(outcome.clone()))));
                stored.outcome = Some(outcome);
                self.next += 1;
            }
            Step::Early { content } => {
                let call_id = format!("c{}", self.order.len());
                let outcome = OutcomeRecord {
                    decision_id: None,
                    ..outcome(
                        *content,
                        &DecisionRecord { call_id: call_id.clone(), ..DecisionRecord::default() },
                    )
                };
                if outcome.state == OutcomeState::Unknown || self.early.contains_key(&call_id) {
                    return;
                }
                self.log.push((self.next, Parsed::Outcome(Box::new(outcome.clone()))));
                self.early.insert(call_id, outcome);
                self.next += 1;
            }
            Step::Prune { of } => {
                let Some(seq) = some(*of, &self.order) else { return };
                if self.stored.remove(&seq).is_some() {
                    for (_, parsed) in &mut self.log {
                        if matches!(parsed, Parsed::Decision(found, _) if *found == seq) {
                            *parsed = Parsed::Pruned;
                        }
                    }
                }
            }
            Step::Flush | Step::Restart | Step::Rebuild => {}
        }
    }

    /// What the naive filter finds, in the order asked for.
    fn naive(&self, query: &Query) -> Vec<Seq> {
        let mut found: Vec<Seq> =
            self.stored.values().filter(|found| query.matches(found)).map(|found| found.seq).collect();
        if query.order == Order::Descending {
            found.reverse();
        }
        found
    }
}

fn reopen(search: &Search, from: &World, lost: bool) {
    let directory = search.directory.clone().unwrap();
    let mut slot = search.index.write().unwrap();
    *slot = None;
    if lost {
        File::remove(&directory).unwrap();
    }
    let index = Index::open(&directory, search.caps).unwrap();
    *slot = Some(index);
    drop(slot);
    feed(search, from);
}

/// Gives the index what it has not yet.
fn feed(search: &Search, from: &World) {
    let mut slot = search.index.write().unwrap();
    let index = slot.as_mut().unwrap();
    let cursor = index.cursor();
    let begin = from.log.partition_point(|(at, _)| *at < cursor);
    index.apply(&from.log[begin..], None).unwrap();
}

fn flush(search: &Search) {
    search.index.read().unwrap().as_ref().unwrap().flush().unwrap();
    search.index.write().unwrap().as_mut().unwrap().flushed();
}

/// All pages of a query, one after the other.
async fn pages(search: &Arc<Search>, world: &World, query: &Query) -> Vec<Seq> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let load = |keys: Vec<Seq>| async move {
            Ok(keys.iter().filter_map(|seq| world.stored.get(seq).cloned()).collect())
        };
        let page = search.page(&Query { after, ..query.clone() }, load).await.unwrap();
        assert!(page.decisions.len() <= query.limit as usize);
        after = page.decisions.last().map(|found| found.seq);
        seen.extend(page.decisions.into_iter().map(|found| found.seq));
        if !page.more {
            return seen;
        }
        assert!(after.is_some(), "a page with nothing on it leads nowhere");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_index_finds_what_a_plain_filter_finds(
        steps in prop::collection::vec(step(), 1..120),
        queries in prop::collection::vec(query(), 8),
        crowded: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut search = Search::new(Some(dir.path().to_owned()));
        if crowded {
            search.caps = Caps { values: 2, longest: 12, ..Caps::default() };
        }
        // The states always fit.
        search.caps.values = search.caps.values.max(6);
        let search = Arc::new(search);
        let mut world = World::default();
        reopen(&search, &world, false);
        for step in &steps {
            world.step(step);
            match step {
                Step::Flush => flush(&search),
                Step::Restart => reopen(&search, &world, false),
                Step::Rebuild => reopen(&search, &world, true),
                _ => feed(&search, &world),
            }
        }
        let runtime = Builder::new_current_thread().build().unwrap();
        for query in &queries {
            let expected = world.naive(query);
            let found = runtime.block_on(pages(&search, &world, query));
            prop_assert_eq!(&found, &expected, "{:?}", query);
            let slot = search.index.read().unwrap();
            let index = slot.as_ref().unwrap();
            let count = index.count(query).unwrap();
            // All of it was read just now, so that the index knows what was pruned.
            if count.exact {
                prop_assert_eq!(count.decisions, expected.len() as u64, "{:?}", query);
            } else {
                prop_assert!(count.decisions >= expected.len() as u64, "{:?}", query);
            }
            if !index.words.crowded().is_empty() {
                continue;
            }
            for facet in Facet::ALL {
                let mut naive: HashMap<String, u64> = HashMap::new();
                for seq in &expected {
                    let mut values = Values(facet, Vec::new());
                    facet::of_stored(&world.stored[seq], &mut values);
                    values.1.sort_unstable();
                    values.1.dedup();
                    for value in values.1 {
                        *naive.entry(value).or_default() += 1;
                    }
                }
                let values = index.values(query, facet, usize::MAX).unwrap();
                prop_assert!(values.is_sorted_by(|one, other| one.decisions >= other.decisions));
                let values: HashMap<_, _> = values.into_iter().map(|value| (value.value.unwrap().to_string(), value.decisions)).collect();
                prop_assert_eq!(values, naive, "{:?} of {:?}", facet, query);
            }
        }
    }
}

/// The values of one facet.
struct Values(Facet, Vec<String>);

impl facet::Facts for Values {
    fn facet(&mut self, facet: Facet, value: &str) {
        if facet == self.0 && !value.is_empty() {
            self.1.push(value.to_owned());
        }
    }

    fn key(&mut self, _: Key, _: &str) {}
}

#[test]
fn a_query_is_narrowed_to_what_the_store_knows() {
    let text = |text: &str| vec![text.to_owned()];
    let cases = [
        ("nothing", Query::default(), true),
        ("one value", Query { facets: [(Facet::Principal, text("a"))].into(), ..Query::default() }, true),
        ("a glob", Query { facets: [(Facet::Principal, text("a*"))].into(), ..Query::default() }, false),
        ("a glob of models", Query { facets: [(Facet::Model, text("a*"))].into(), ..Query::default() }, true),
        (
            "two values",
            Query {
                facets: [(Facet::Principal, vec!["a".to_owned(), "b".to_owned()])].into(),
                ..Query::default()
            },
            false,
        ),
        ("a tenant", Query { facets: [(Facet::Tenant, text("a"))].into(), ..Query::default() }, false),
        ("a call", Query { keys: [(Key::Call, text("a"))].into(), ..Query::default() }, true),
        ("a session", Query { keys: [(Key::Session, text("a"))].into(), ..Query::default() }, false),
        ("a text", Query { text: Some(Text::parse("a").unwrap()), ..Query::default() }, false),
    ];
    for (name, query, expected) in cases {
        let (narrowed, all) = query.narrowed();
        assert_eq!(all, expected, "{name}: {narrowed:?}");
    }
}
