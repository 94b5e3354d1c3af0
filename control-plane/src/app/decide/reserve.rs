//! A call that would go out: is there room for it under every limit?

use super::App;
use super::identify::Identified;
use crate::app::limits::{Hold, Over, Taken};
use crate::storage::Commit;
use portcullis_audit as audit;
use portcullis_limits::Exceeded;
use portcullis_policy::{Bundle, Decision, LIMIT_PREFIX, LimitSpec, MatchedRule};
use std::sync::Arc;

/// What the limits say of a call.
pub(super) enum Room {
    /// It fits, and its place is taken; what it is over and not stopped by is noted in the decision.
    Left(Reserved, Decision),
    /// It does not fit, nothing is taken, and this is what is decided now.
    Exceeded(Decision),
}

/// What a call holds of its limits. Given back when dropped.
#[derive(Default)]
pub(super) struct Reserved {
    charges: Vec<audit::Charge>,
    hold: Option<Hold>,
}

impl App {
    /// Takes what the call needs from all of its limits, or from none. Where it is `approved`, limits that ask for an
    /// approval count it and do not stop it.
    pub(super) fn reserve(
        &self,
        identified: &Identified,
        bundle: &Bundle,
        mut decision: Decision,
        approved: bool,
    ) -> Room {
        let Identified { call, rest, .. } = identified;
        let charges = bundle.charges(call, &decision);
        if charges.is_empty() {
            return Room::Left(Reserved::default(), decision);
        }
        let retry_of = retry_of(
            (&call.principal.name, &call.path),
            rest.sdk.invocation_id.as_deref(),
            rest.sha256.as_deref(),
        );
        let at = (call.time, rest.call_id.as_str());
        let over = |decision: Decision, limit: &LimitSpec, over: Option<&Exceeded>| {
            self.telemetry.limit_exceeded(limit);
            let room_ms = over.and_then(|over| over.retry_after_ms);
            bundle.exceeded(&decision, limit, room_ms.map(|ms| ms.div_ceil(1_000)), call)
        };
        match self.limits.reserve(bundle, at, &charges, retry_of.as_ref(), approved) {
            Ok(Taken { hold, noted }) => {
                for (limit, one) in &noted {
                    decision = if limit.is_enforced() {
                        self.telemetry.limit_exceeded(limit);
                        approved_over(decision, limit)
                    } else {
                        over(decision, limit, Some(one))
                    };
                }
                let currency = bundle.currency().unwrap_or_default();
                let charges = charges.into_iter().map(|charge| audit::Charge {
                    limit: charge.limit.id.clone(),
                    key: charge.key,
                    amount: charge.amount,
                    price: charge.price.map(|price| audit::Price {
                        currency: currency.to_owned(),
                        input: price.input,
                        output: price.output,
                        cache_read: price.cache_read,
                        cache_write: price.cache_write,
                    }),
                });
                Room::Left(Reserved { charges: charges.collect(), hold }, decision)
            }
            Err(Over { exceeded, noted }) => {
                for (limit, one) in &exceeded {
                    decision = over(decision, limit, one.as_ref());
                }
                for (limit, one) in noted.iter().filter(|(limit, _)| !limit.is_enforced()) {
                    decision = over(decision, limit, Some(one));
                }
                Room::Exceeded(decision)
            }
        }
    }
}

/// Somebody has let the call out over this limit: that is noted, and decides nothing.
fn approved_over(mut decision: Decision, limit: &LimitSpec) -> Decision {
    let id = format!("{LIMIT_PREFIX}{}", limit.id);
    decision.matched.push(MatchedRule { id, effect: limit.action, shadow: false });
    decision
}

impl Reserved {
    /// Kept when the call's record is durable, and only then.
    pub(super) fn go_with(self, commit: &mut Commit) {
        commit.record.charges = self.charges;
        if let Some(hold) = self.hold {
            commit.held.push(Box::new(hold));
        }
    }
}

/// The invocation that a call is an attempt of: the caller's word, so it is bound to the caller, the path (which names the
/// model) and the body. What has no body that is known is no retry of anything.
fn retry_of(
    (principal, path): (&str, &str),
    invocation_id: Option<&str>,
    sha256: Option<&str>,
) -> Option<Arc<str>> {
    let (invocation_id, sha256) = (invocation_id.filter(|id| !id.is_empty())?, sha256?);
    // Line feeds are in none but the last.
    Some(format!("{sha256}\n{invocation_id}\n{path}\n{principal}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_anything_is_no_retry() {
        let of = |principal, path, id, sha256| retry_of((principal, path), id, sha256);
        let first = of("alice", "/model/a/invoke", Some("1"), Some("ab"));
        assert!(first.is_some());
        assert_eq!(first, of("alice", "/model/a/invoke", Some("1"), Some("ab")));
        for other in [
            of("bob", "/model/a/invoke", Some("1"), Some("ab")),
            of("alice", "/model/b/invoke", Some("1"), Some("ab")),
            of("alice", "/model/a/invoke", Some("2"), Some("ab")),
            of("alice", "/model/a/invoke", Some("1"), Some("cd")),
            of("alice", "/model/a/invoke", Some("1"), None),
            of("alice", "/model/a/invoke", Some(""), Some("ab")),
            of("alice", "/model/a/invoke", None, Some("ab")),
        ] {
            assert_ne!(first, other);
        }
    }
}
