//! Finding ours among AWS's calls.

use crate::calls::Call;
use crate::class::Class;
use crate::coverage::Coverage;
use crate::differences::{differences, weight};
use crate::id::Id;
use crate::intake::Settings;
use crate::ours::{Ours, State};
use crate::pairing::{self, ByTime, fits, window};
use crate::report::{Bypassed, Difference, Field, Mismatch, NotCovered, Report, Unknown};
use crate::seen::Source;
use crate::told::{groups, told};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

/// Calls unknown to AWS that are listed.
const MAX_UNKNOWN: usize = 10_000;
/// How long after a refusal a call that went round the gate is called one that followed it.
const AFTER_REFUSAL_MS: u64 = 5 * 60_000;

/// Matches calls of ours, one after the other, with AWS's.
#[derive(Debug)]
pub struct Matcher {
    settings: Settings,
    coverage: Coverage,
    calls: Vec<Call>,
    /// AWS's calls by request id, sorted by it.
    by_id: Vec<(Id, usize)>,
    by_time: ByTime,
    /// Calls of ours that claim a request id, once for each of AWS's calls that has it.
    claims: Vec<Claim>,
    /// Calls of ours without a request id that may be one of AWS's.
    without_id: Vec<Ours>,
    /// Refusals that a call of AWS's followed: by when, and which.
    refusals: Vec<Ours>,
    unknown: BinaryHeap<Unknown>,
    not_covered: BTreeMap<Uncovered, u64>,
    first_ms: Option<u64>,
    last_ms: Option<u64>,
    report: Report,
}

/// Region, account, class, and why.
type Uncovered = (Arc<str>, Option<Arc<str>>, Class, &'static str);

/// A call of ours whose request id is that of one of AWS's calls. As little as can be: there are as many as AWS's calls.
#[derive(Debug)]
struct Claim {
    /// AWS's call.
    index: usize,
    decision_id: Arc<str>,
    decided_at_ms: u64,
    principal: Arc<str>,
    /// Nearly always empty.
    differ: Vec<Difference>,
    /// The invocation logs should have it, and do not.
    unlogged: bool,
}

impl Matcher {
    pub(crate) fn new(
        settings: Settings,
        coverage: Coverage,
        calls: Vec<Call>,
        ignored: BTreeMap<String, u64>,
        events: u64,
        repeated: u64,
    ) -> Self {
        let ids = calls.iter().enumerate();
        let mut by_id: Vec<(Id, usize)> =
            ids.filter_map(|(index, call)| Some((call.head.request_id.clone()?, index))).collect();
        by_id.sort_unstable();
        let report = Report {
            format: "portcullis-reconcile/1".to_owned(),
            tolerance_ms: settings.tolerance_ms,
            aws_events: events,
            aws_repeated: repeated,
            aws_calls: calls.len() as u64,
            ignored,
            ..Report::default()
        };
        Matcher {
            by_time: ByTime::new(&calls),
            settings,
            coverage,
            calls,
            by_id,
            claims: Vec::new(),
            without_id: Vec::new(),
            refusals: Vec::new(),
            unknown: BinaryHeap::new(),
            not_covered: BTreeMap::new(),
            first_ms: None,
            last_ms: None,
            report,
        }
    }

    /// Takes a call of ours. In any order.
    pub fn offer(&mut self, ours: Ours) {
        self.report.decisions += 1;
        self.first_ms = Some(self.first_ms.map_or(ours.decided_at_ms, |first| first.min(ours.decided_at_ms)));
        // A record of its end was written then, and all that was decided before stands before it.
        let last = ours.ended_at_ms.unwrap_or(0).max(ours.decided_at_ms);
        self.last_ms = Some(self.last_ms.map_or(last, |known| known.max(last)));
        if self.claim(&ours) {
            return;
        }
        if !ours.may_have_left() {
            self.report.not_sent += 1;
            let until = ours.decided_at_ms.saturating_add(AFTER_REFUSAL_MS);
            let mut after = self.by_time.within(&ours, ours.decided_at_ms.saturating_sub(1_000), until);
            if !ours.allowed
                && after.any(|index| self.calls.get(index).is_some_and(|call| same_caller(&ours, call)))
            {
                drop(after);
                self.refusals.push(ours);
            }
            return;
        }
        if ours.aws_request_id.is_none() {
            let (from, to) = window(&ours, self.settings.tolerance_ms);
            let mut candidates = self.by_time.within(&ours, from, to);
            if candidates.any(|index| self.calls.get(index).is_some_and(|call| fits(&ours, call))) {
                drop(candidates);
                self.without_id.push(ours);
                return;
            }
        }
        self.missing(ours);
    }

    /// Some of AWS's calls has its request id.
    fn claim(&mut self, ours: &Ours) -> bool {
        let Some(id) = Id::some(ours.aws_request_id.as_deref()) else { return false };
        let before = self.claims.len();
        let theirs: Vec<usize> = self.with_id(&id).iter().map(|(_, index)| *index).collect();
        for index in theirs {
            let Some(call) = self.calls.get(index) else { continue };
            self.claims.push(Claim {
                index,
                decision_id: Arc::clone(&ours.decision_id),
                decided_at_ms: ours.decided_at_ms,
                principal: Arc::clone(&ours.principal),
                differ: differences(ours, call, self.settings.tolerance_ms),
                unlogged: unlogged(&self.coverage, ours, call),
            });
        }
        self.claims.len() > before
    }

    /// AWS's calls with that request id.
    fn with_id(&self, id: &Id) -> &[(Id, usize)] {
        let start = self.by_id.partition_point(|(known, _)| known < id);
        let end = self.by_id.partition_point(|(known, _)| known <= id);
        self.by_id.get(start..end).unwrap_or_default()
    }

    /// AWS's files do not have it.
    fn missing(&mut self, ours: Ours) {
        let out = |list: &[String], name: Option<&Arc<str>>| {
            !list.is_empty() && name.is_some_and(|name| !list.iter().any(|wanted| **wanted == **name))
        };
        let Settings { since_ms, until_ms, accounts, regions, .. } = &self.settings;
        if out(regions, Some(&ours.region))
            || out(accounts, ours.account.as_ref())
            || since_ms.is_some_and(|since| ours.decided_at_ms < since)
            || until_ms.is_some_and(|until| ours.decided_at_ms >= until)
        {
            self.report.out_of_scope += 1;
            return;
        }
        if !ours.must_be_known() {
            let refused = ours.state == State::Completed && ours.status.is_some_and(|status| status >= 400);
            let count = if refused { &mut self.report.refused_by_aws } else { &mut self.report.undetermined };
            *count += 1;
            return;
        }
        let class = class(&ours);
        if let Err(why) = self.coverage.covers(&ours, class) {
            *self.not_covered.entry((ours.region, ours.account, class, why)).or_default() += 1;
            return;
        }
        self.report.unknown_to_aws += 1;
        self.unknown.push(Unknown {
            decided_at_ms: ours.decided_at_ms,
            decision_id: ours.decision_id,
            principal: ours.principal,
            operation: ours.operation,
            region: ours.region,
            account: ours.account,
            model: ours.models.into_iter().next(),
            request_id: ours.aws_request_id,
        });
        if self.unknown.len() > MAX_UNKNOWN {
            self.unknown.pop();
        }
    }

    /// All of our side was offered.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let mut taken = vec![false; self.calls.len()];
        self.settle_claims(&mut taken);
        self.settle_by_time(&mut taken);
        self.leftovers(&taken);
        let mut report = self.report;
        report.from_ms = self.settings.since_ms.or(self.first_ms);
        report.to_ms = self.settings.until_ms.or(self.last_ms);
        report.unknown = self.unknown.into_sorted_vec();
        report.coverage = self.coverage.list();
        let not_covered = self.not_covered.into_iter();
        report.not_covered = not_covered
            .map(|((region, account, class, why), calls)| NotCovered {
                region,
                account,
                class,
                why,
                calls,
                turn_on: class.turned_on_by(),
            })
            .collect();
        report.mismatched.sort_by(|one, other| {
            (one.severity, one.decided_at_ms, &one.decision_id).cmp(&(
                other.severity,
                other.decided_at_ms,
                &other.decision_id,
            ))
        });
        report.groups = groups(&report.bypassed);
        report
    }

    /// Those with request ids: of one id, the pairs that differ least first, then the closest in time.
    fn settle_claims(&mut self, taken: &mut [bool]) {
        let calls = &self.calls;
        let id = |claim: &Claim| calls.get(claim.index).and_then(|call| call.head.request_id.as_ref());
        let apart = |claim: &Claim| {
            calls.get(claim.index).map_or(0, |call| call.head.time_ms.abs_diff(claim.decided_at_ms))
        };
        let mut claims = std::mem::take(&mut self.claims);
        claims.sort_by(|one, other| {
            (id(one), weight(&one.differ), apart(one), &one.decision_id, one.index).cmp(&(
                id(other),
                weight(&other.differ),
                apart(other),
                &other.decision_id,
                other.index,
            ))
        });
        for same_id in claims.chunk_by(|one, other| id(one) == id(other)) {
            let mut settled = BTreeSet::new();
            for claim in same_id {
                let Some(taken) = taken.get_mut(claim.index).filter(|taken| !**taken) else { continue };
                if settled.insert(&claim.decision_id) {
                    *taken = true;
                    self.report.matched_by_id += 1;
                    self.report.missing_in_invocation_logs += u64::from(claim.unlogged);
                    mismatch(&mut self.report, calls, claim, claim.differ.clone());
                }
            }
            // More records than calls: the id was recorded twice.
            for claim in same_id {
                if settled.insert(&claim.decision_id) {
                    let twice = Difference {
                        field: Field::RequestId,
                        ours: "in another record, too".to_owned(),
                        aws: "one call".to_owned(),
                    };
                    mismatch(&mut self.report, calls, claim, vec![twice]);
                }
            }
        }
    }

    /// Those without, by time.
    fn settle_by_time(&mut self, taken: &mut [bool]) {
        let without = std::mem::take(&mut self.without_id);
        let is_taken = |index: usize| taken.get(index).copied().unwrap_or(true);
        let pairs =
            pairing::pair(&without, &self.calls, &self.by_time, &is_taken, self.settings.tolerance_ms);
        let mut settled = vec![false; without.len()];
        for (place, index) in pairs {
            if let (Some(taken), Some(settled)) = (taken.get_mut(index), settled.get_mut(place)) {
                (*taken, *settled) = (true, true);
                self.report.matched_by_time += 1;
                if let (Some(our), Some(call)) = (without.get(place), self.calls.get(index)) {
                    self.report.missing_in_invocation_logs += u64::from(unlogged(&self.coverage, our, call));
                }
            }
        }
        for (ours, _) in without.into_iter().zip(settled).filter(|(_, settled)| !settled) {
            self.missing(ours);
        }
    }

    /// What nobody of ours claims.
    fn leftovers(&mut self, taken: &[bool]) {
        self.refusals.sort_by(|one, other| {
            (one.decided_at_ms, &one.decision_id).cmp(&(other.decided_at_ms, &other.decision_id))
        });
        let from = self.settings.since_ms.or(self.first_ms);
        let to = self.settings.until_ms.or(self.last_ms);
        for (call, _) in self.calls.iter().zip(taken).filter(|(_, taken)| !**taken) {
            let head = &call.head;
            let ignore = self.settings.ignore;
            let error = call.say(|seen| seen.error.as_ref());
            // CloudTrail cuts its times to seconds.
            let outside =
                from.is_some_and(|from| head.time_ms + 999 < from) || to.is_some_and(|to| head.time_ms > to);
            let reason = if outside {
                Some("outside of the time that our records cover")
            } else if ignore.reads && head.read_only && head.class == Class::Control {
                Some("reads of the control plane")
            } else if ignore.console && head.console {
                Some("from the console")
            } else if ignore.refused && error.is_some() {
                Some("refused by AWS")
            } else {
                None
            };
            if let Some(reason) = reason {
                *self.report.ignored.entry(reason.to_owned()).or_default() += 1;
            } else if let Some(exception) = self.settings.exceptions.of(head) {
                *self.report.exceptions.entry(exception.name.clone()).or_default() += 1;
            } else {
                let refused = self.refusals.iter().rev().find(|ours| {
                    let after =
                        ours.decided_at_ms.saturating_sub(1_000)..=ours.decided_at_ms + AFTER_REFUSAL_MS;
                    after.contains(&head.time_ms)
                        && ours.region == head.region
                        && ours.is_operation(&head.operation)
                        && same_caller(ours, call)
                        && fits(ours, call)
                });
                let refused_before = refused.map(|ours| Arc::clone(&ours.decision_id));
                self.report.bypassed.push(Bypassed { call: told(call), refused_before });
            }
        }
    }
}

fn class(ours: &Ours) -> Class {
    let action = ours.action.split_once(':').map_or(&*ours.operation, |(_, action)| action);
    match Class::of(&ours.service, &ours.operation, None) {
        // What has a name of its own in the API, and that of an old action in IAM and CloudTrail.
        Class::Control => Class::of(&ours.service, action, None),
        class => class,
    }
}

/// The same credential made both, as far as that can be seen.
fn same_caller(ours: &Ours, call: &Call) -> bool {
    match (&ours.access_key_id, &call.head.access_key_id) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => ours.account.is_some() && ours.account == call.head.account,
    }
}

/// The invocation logs should have it, and do not.
fn unlogged(coverage: &Coverage, ours: &Ours, call: &Call) -> bool {
    class(ours) == Class::Model
        && ours.must_be_known()
        && !call.all().any(|seen| seen.source == Source::InvocationLog)
        && coverage.covers_in(Source::InvocationLog, ours, Class::Model).is_ok()
}

fn mismatch(report: &mut Report, calls: &[Call], claim: &Claim, differences: Vec<Difference>) {
    let worst = differences.iter().map(|difference| difference.field.severity()).min();
    if let (Some(severity), Some(call)) = (worst, calls.get(claim.index)) {
        report.mismatched.push(Mismatch {
            severity,
            decision_id: Arc::clone(&claim.decision_id),
            decided_at_ms: claim.decided_at_ms,
            principal: Arc::clone(&claim.principal),
            differences,
            aws: told(call),
        });
    }
}
