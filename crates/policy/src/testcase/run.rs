//! Runs cases against a bundle, and notes which rules they reach.

use super::expect::Mismatch;
use super::read::Case;
use crate::load::files::MANIFEST;
use crate::{Bundle, Call, Decision};
use std::collections::BTreeMap;

/// What came of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseResult<'c> {
    /// The case.
    pub case: &'c Case,
    /// Its call, completed.
    pub call: Call,
    /// What the bundle says.
    pub decision: Decision,
    /// Ids of the limits that the call is charged to.
    pub limits: Vec<String>,
    /// What is not as expected; empty when the case passes.
    pub mismatches: Vec<Mismatch>,
}

impl CaseResult<'_> {
    /// Everything is as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

/// One thing of a bundle that cases can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// `rule`, `route` or `limit`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// File, relative to the bundle; empty where not known.
    pub path: String,
    /// Line in that file, from 1.
    pub line: u32,
    /// Cases in which it held.
    pub cases: usize,
}

/// What came of all cases.
#[derive(Debug, Clone, PartialEq)]
pub struct TestReport<'c> {
    /// In the order of the cases.
    pub results: Vec<CaseResult<'c>>,
    /// Every rule, route and limit, in load order.
    pub coverage: Vec<Coverage>,
}

impl TestReport<'_> {
    /// Number of cases that pass.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.results.iter().filter(|result| result.passed()).count()
    }

    /// Number of cases that do not.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.results.len() - self.passed()
    }

    /// How many of `coverage` some case reached.
    #[must_use]
    pub fn covered(&self) -> usize {
        self.coverage.iter().filter(|one| one.cases > 0).count()
    }
}

/// Runs cases.
#[must_use]
pub fn run<'c>(bundle: &Bundle, cases: impl IntoIterator<Item = &'c Case>) -> TestReport<'c> {
    let results: Vec<CaseResult<'c>> = cases.into_iter().map(|case| run_one(bundle, case)).collect();
    let coverage = coverage(bundle, &results);
    TestReport { results, coverage }
}

fn run_one<'c>(bundle: &Bundle, case: &'c Case) -> CaseResult<'c> {
    let call = case.call.complete(bundle);
    let decision = bundle.decide(&call);
    let limits: Vec<String> =
        bundle.charges(&call, &decision).into_iter().map(|charge| charge.limit.id.clone()).collect();
    let mismatches = case.expect.compare(&call, &decision, &limits);
    CaseResult { case, call, decision, limits, mismatches }
}

fn coverage(bundle: &Bundle, results: &[CaseResult<'_>]) -> Vec<Coverage> {
    let mut reached: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for result in results {
        let rules = result.decision.matched.iter().map(|rule| ("rule", rule.id.as_str()));
        let route = result.decision.route.iter().map(|route| ("route", route.as_str()));
        let limits = result.limits.iter().map(|limit| ("limit", limit.as_str()));
        for one in rules.chain(route).chain(limits) {
            *reached.entry(one).or_default() += 1;
        }
    }
    let one = |kind: &'static str, id: &str, path: &str, line: u32| Coverage {
        kind,
        id: id.to_owned(),
        path: path.to_owned(),
        line,
        cases: reached.get(&(kind, id)).copied().unwrap_or(0),
    };
    let rules = bundle.rules().map(|rule| one("rule", rule.id, rule.path, rule.line));
    let routes = bundle.routes.iter().map(|route| one("route", &route.id, MANIFEST, route.at.line));
    let limits = bundle.limits().iter().map(|limit| one("limit", &limit.id, "", 0));
    rules.chain(routes).chain(limits).collect()
}
