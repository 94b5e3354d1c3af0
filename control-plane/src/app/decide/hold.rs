//! Calls that wait for a person: the gate asks, is told to keep the call, asks again, and this second question is answered
//! when the person has answered, or when the time is up. Tool calls wait in the same way.

use super::{Answered, App, Asked, Fault, Turn};
use crate::clock;
use portcullis_protocol::Verdict;
use std::time::Duration;
use tokio::time::Instant;

/// Whether a call may go on waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// As long as its rule says.
    Waits,
    /// It has waited long enough, or nobody can wait for it.
    Over,
}

impl App {
    /// The first question. `can_wait`: whoever asks asks again when he is told to.
    pub(in crate::app) async fn decide_first(&self, asked: Asked, can_wait: bool) -> Result<Answered, Fault> {
        let call_id = asked.call_id().to_owned();
        let patience = if can_wait { Patience::Waits } else { Patience::Over };
        match self.decide_once(asked, patience).await? {
            Turn::Answer(answer) => Ok(answer),
            Turn::Wait { approval_id, hold, wants } => {
                let until = self.desk.holds.until(&call_id, hold);
                let verdict = Verdict::Hold { approval_id, seconds: seconds_until(until) };
                Ok(Answered { decision_id: String::new(), leaf: None, verdict, wants })
            }
        }
    }

    /// The second question: it waits. Each time that something has happened to the approval it is decided afresh, on the
    /// bundle of that moment; so it does not matter which approval the gate says it waits for.
    pub(in crate::app) async fn decide_held(
        &self,
        asked: Asked,
        wait_ms: Option<u64>,
    ) -> Result<Answered, Fault> {
        let latest = wait_ms.map(|wait_ms| Instant::now() + in_time(Duration::from_millis(wait_ms)));
        let mut until = None;
        loop {
            let over = until.is_some_and(|until| Instant::now() >= until);
            let patience = if over { Patience::Over } else { Patience::Waits };
            match self.decide_once(asked.again(), patience).await? {
                Turn::Answer(answer) => {
                    self.desk.holds.forget(asked.call_id());
                    return Ok(answer);
                }
                Turn::Wait { approval_id, hold, .. } => {
                    let until = *until.get_or_insert_with(|| {
                        let own = self.desk.holds.until(asked.call_id(), hold);
                        latest.map_or(own, |latest| own.min(latest))
                    });
                    self.wait(&approval_id, until).await;
                }
            }
        }
    }

    /// Waits until the approval is no longer pending, or something else has happened that may let the call out.
    async fn wait(&self, approval_id: &str, until: Instant) {
        if let Some(mut changes) = self.store.live().follow(approval_id) {
            // Its end is a change as well.
            let _ = tokio::time::timeout_at(until, changes.changed()).await;
        }
    }
}

impl Asked {
    fn call_id(&self) -> &str {
        match self {
            Asked::Call(question) => &question.call_id,
            Asked::Found(identified) => &identified.rest.call_id,
        }
    }

    /// The same question at this moment.
    fn again(&self) -> Self {
        let mut asked = self.clone();
        if let Asked::Found(identified) = &mut asked {
            identified.call.time = clock::unix_ms();
        }
        asked
    }
}

/// How long a call can wait whose gate waits for so long: what is decided then must be durable and arrive before the gate
/// gives up, or an approval would be used up for nothing.
fn in_time(gate: Duration) -> Duration {
    gate.saturating_sub((gate / 4).min(Duration::from_secs(1)))
}

/// Whole seconds, rounded up.
fn seconds_until(until: Instant) -> u32 {
    let left = until.saturating_duration_since(Instant::now());
    u32::try_from((left + Duration::from_millis(999)).as_secs()).unwrap_or(u32::MAX)
}
