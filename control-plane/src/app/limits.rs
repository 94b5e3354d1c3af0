//! The use of limits: one ledger behind one lock, kept in step with the store.
//!
//! ```text
//! reserve ─▶ Hold ─ in the commit ─┬▶ the record stands: the hold ends, the reservation stays open
//!                                  └▶ there is none (refused, abandoned, failed, asked before): it is taken back
//! outcome is news ─ in its transaction ─▶ settled, released or kept
//! ```
//! The ledger changes first, and what changed goes with the next transaction ([`crate::storage::Backlog`]): that of the
//! decision, or of the outcome. What a crash leaves behind, a reservation without its record, is taken back at start.

mod note;
mod settlement;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use view::decimal;
pub use view::{LimitUse, LimitsFilter};

use crate::clock;
use crate::storage::{Backlog, Book, Committed, Held, Store, StoreError, StoredLimits};
use portcullis_audit::OutcomeRecord;
use portcullis_limits::{Change, Exceeded, Ledger, Refusal, Want};
use portcullis_policy::{Bundle, Charge, Effect, LimitSpec, Measure};
use settlement::Settlement;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module's description. One per process, shared.
#[derive(Debug, Default)]
pub struct Limits(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    backlog: Backlog,
    /// Calls whose record is on its way.
    flights: HashMap<Arc<str>, Flight>,
    /// Digest of the bundle whose limits the ledger is configured with.
    digest: String,
}

/// A call whose record is on its way; several times, when it is asked several times.
#[derive(Debug, Default)]
struct Flight {
    holds: u32,
    /// The reservation was made for this flight, and is taken back when nothing is recorded.
    fresh: bool,
    recorded: bool,
    /// Its record is the proof of what it used: no outcome comes.
    settles: bool,
}

/// What a call took.
#[derive(Debug)]
pub(super) struct Taken {
    /// What holds it; `None` when the call is charged nothing.
    pub(super) hold: Option<Hold>,
    /// Charges over limits that are not enforced.
    pub(super) noted: Vec<(Arc<LimitSpec>, Exceeded)>,
}

/// Charges for which there is no room.
#[derive(Debug)]
pub(super) struct Over {
    /// Enforced limits, at least one, each with what stands in the way; `None` when it counts too many keys.
    pub(super) exceeded: Vec<(Arc<LimitSpec>, Option<Exceeded>)>,
    /// Charges over limits that are not enforced.
    pub(super) noted: Vec<(Arc<LimitSpec>, Exceeded)>,
}

/// A reservation whose record is on its way.
#[derive(Debug)]
pub(super) struct Hold {
    limits: Arc<Limits>,
    call: Arc<str>,
    recorded: bool,
}

impl Limits {
    /// The ledger as it was when the last record became durable, and in step with the store from now on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(store: &dyn Store) -> Result<Arc<Self>, StoreError> {
        let StoredLimits { rows, stray } = store.limits().await?;
        let mut state = State { ledger: Ledger::restore(rows), ..State::default() };
        let now_ms = clock::unix_ms();
        for call in stray {
            let changes = state.ledger.release(now_ms, &call);
            state.backlog.add(changes);
        }
        let limits = Arc::new(Limits(Mutex::new(state)));
        store.keep(Arc::clone(&limits) as Arc<dyn Book>);
        Ok(limits)
    }

    /// What the bundle allows counts from now on.
    pub fn configure(&self, bundle: &Bundle) {
        self.lock().configure(bundle);
    }

    /// Reserves what a call is charged, all of it or nothing. Where it is `approved`, limits that ask for an approval count
    /// it and do not refuse it. `retry_of` names the invocation of which it is an attempt.
    pub(super) fn reserve(
        self: &Arc<Self>,
        bundle: &Bundle,
        (now_ms, call_id): (u64, &str),
        charges: &[Charge],
        retry_of: Option<&Arc<str>>,
        approved: bool,
    ) -> Result<Taken, Over> {
        if charges.is_empty() {
            return Ok(Taken { hold: None, noted: Vec::new() });
        }
        // Only tool calls take tool calls; those of a call are counted when its outcome tells them.
        let settles = charges.iter().any(|one| one.limit.measure == Measure::ToolCalls && one.amount > 0);
        let wants: Vec<Want> = charges.iter().map(|charge| want(charge, retry_of, approved)).collect();
        let spec =
            |id: &str| charges.iter().map(|charge| &charge.limit).find(|limit| limit.id == id).cloned();
        let named = |all: Vec<Exceeded>| -> Vec<_> {
            all.into_iter().filter_map(|one| Some((spec(&one.limit)?, one))).collect()
        };
        let mut state = self.lock();
        state.configure(bundle);
        let State { ledger, backlog, flights, .. } = &mut *state;
        match ledger.reserve(now_ms, call_id, &wants) {
            Ok(reservation) => {
                backlog.add(reservation.changes);
                let call: Arc<str> = call_id.into();
                let flight = flights.entry(Arc::clone(&call)).or_default();
                flight.holds += 1;
                flight.fresh |= reservation.fresh;
                flight.settles |= settles;
                let hold = Hold { limits: Arc::clone(self), call, recorded: false };
                Ok(Taken { hold: Some(hold), noted: named(reservation.noted) })
            }
            Err(Refusal::Exceeded { exceeded, noted }) => {
                let exceeded = named(exceeded).into_iter().map(|(spec, one)| (spec, Some(one))).collect();
                Err(Over { exceeded, noted: named(noted) })
            }
            Err(Refusal::Full { limit }) => {
                let exceeded = spec(&limit).into_iter().map(|spec| (spec, None)).collect();
                Err(Over { exceeded, noted: Vec::new() })
            }
        }
    }

    /// Forgets what matters no more. To be called now and then, and followed by [`Store::flush`]. `false`: nothing is
    /// waiting to be made durable.
    pub fn sweep(&self, now_ms: u64) -> bool {
        let mut state = self.lock();
        let changes = state.ledger.sweep(now_ms);
        state.backlog.add(changes);
        !state.backlog.is_empty()
    }

    fn landed(&self, call: &Arc<str>, recorded: bool) {
        let mut state = self.lock();
        let State { ledger, backlog, flights, .. } = &mut *state;
        let Some(flight) = flights.get_mut(call) else { return };
        flight.holds = flight.holds.saturating_sub(1);
        flight.recorded |= recorded;
        if flight.holds > 0 {
            return;
        }
        if flight.fresh && !flight.recorded {
            backlog.add(ledger.release(clock::unix_ms(), call));
        } else if flight.settles && flight.recorded {
            backlog.add(ledger.settle(clock::unix_ms(), call, |entry| entry.amount));
        }
        flights.remove(call);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot happen in between (see the lints); if it did, the ledger would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn configure(&mut self, bundle: &Bundle) {
        if self.digest != bundle.digest() {
            bundle.digest().clone_into(&mut self.digest);
            for limit in bundle.limits() {
                self.ledger.configure(&limit.id, limit.max, limit.window_ms);
            }
        }
    }
}

impl Book for Limits {
    fn told(&self, outcome: &OutcomeRecord) {
        let mut state = self.lock();
        let State { ledger, backlog, .. } = &mut *state;
        let call = outcome.call_id.as_str();
        if ledger.entries(call).is_none() {
            return;
        }
        let now_ms = clock::unix_ms();
        let changes: Vec<Change> = match settlement::of(outcome) {
            Settlement::Release => ledger.release(now_ms, call),
            Settlement::Silent => ledger.settle(now_ms, call, |entry| entry.amount),
            Settlement::Keep(late) => ledger.keep(now_ms, call, late),
            Settlement::Used(usage) => {
                ledger.settle(now_ms, call, |entry| note::amount(&entry.note, &usage).unwrap_or(entry.amount))
            }
            Settlement::AtLeast(usage) => ledger.settle(now_ms, call, |entry| {
                note::amount(&entry.note, &usage).unwrap_or_default().max(entry.amount)
            }),
        };
        backlog.add(changes);
    }

    fn take(&self) -> Backlog {
        std::mem::take(&mut self.lock().backlog)
    }

    fn give_back(&self, mut backlog: Backlog) {
        let mut state = self.lock();
        backlog.then(std::mem::take(&mut state.backlog));
        state.backlog = backlog;
    }
}

impl Held for Hold {
    /// What is reserved is durable with the record, in one transaction.
    fn again(&self) -> Option<Box<dyn Held>> {
        None
    }

    fn recorded(mut self: Box<Self>, committed: &Committed) {
        // What was recorded before has its own reservation, or had it.
        self.recorded = !committed.repeated;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.limits.landed(&self.call, self.recorded);
    }
}

fn want(charge: &Charge, retry_of: Option<&Arc<str>>, approved: bool) -> Want {
    let Charge { limit, key, amount, price } = charge;
    let refuses = match limit.action {
        Effect::Throttle | Effect::Deny => true,
        Effect::RequireApproval => !approved,
        Effect::Log | Effect::Warn | Effect::Allow | Effect::Redact => false,
    };
    Want {
        limit: limit.id.as_str().into(),
        key: key.as_str().into(),
        amount: *amount,
        max: limit.max,
        window_ms: limit.window_ms,
        enforced: refuses && !limit.shadow,
        retry_of: retry_of.filter(|_| limit.measure == Measure::Requests).cloned(),
        note: note::write(limit.measure, *price),
    }
}
