//! One webhook's way out of the outbox.

use super::agent::{agent, unreachable};
use super::{DELIVERY_HEADER, SIGNATURE_HEADER, Webhook, payload, signature};
use crate::app::App;
use crate::clock;
use crate::storage::{Attempt, Delivery};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Deliveries under way to one webhook at once; of one approval never more than one.
const AT_ONCE: u32 = 4;
const CONNECT: Duration = Duration::from_secs(2);
const TOTAL: Duration = Duration::from_secs(5);
/// Longest time between two attempts, and longest time that attempts are made for.
const FIRST_WAIT_MS: u64 = 1_000;
const LONGEST_WAIT_MS: u64 = 3_600_000;
const GIVE_UP_MS: u64 = 24 * 3_600_000;

/// See the module's description.
#[derive(Debug)]
pub struct Dispatcher {
    app: Arc<App>,
    webhook: Arc<Webhook>,
    agent: ureq::Agent,
    first_wait_ms: u64,
}

impl Dispatcher {
    /// For that webhook.
    #[must_use]
    pub fn new(app: Arc<App>, webhook: Webhook) -> Self {
        let agent = agent(webhook.ca.as_deref(), CONNECT, TOTAL);
        Dispatcher { app, webhook: Arc::new(webhook), agent, first_wait_ms: FIRST_WAIT_MS }
    }

    /// The same, trying again sooner.
    #[cfg(test)]
    pub(super) fn hasty(self) -> Self {
        Dispatcher { first_wait_ms: 10, ..self }
    }

    /// Delivers whatever comes. Never ends.
    pub async fn run(self) {
        let mut outbox = self.app.store.live().outbox();
        let mut unmarked = Vec::new();
        loop {
            outbox.borrow_and_update();
            let wait = match self.round(&mut unmarked).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(webhook = self.webhook.name, %error, "the outbox is not accessible; will try again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            if !wait.is_zero() {
                let _ = tokio::time::timeout(wait, outbox.changed()).await;
            }
        }
    }

    /// Delivers what is due, and says how long nothing else will be. `unmarked` is what was attempted and is not marked in
    /// the store yet: it is not sent again while the store does not take the mark.
    async fn round(
        &self,
        unmarked: &mut Vec<(String, Attempt)>,
    ) -> Result<Duration, crate::storage::StoreError> {
        while let Some((id, attempt)) = unmarked.last() {
            self.app.store.attempted(id.clone(), attempt.clone()).await?;
            unmarked.pop();
        }
        let now_ms = clock::unix_ms();
        let (due, next) = self.app.store.deliveries(self.webhook.name.clone(), now_ms, AT_ONCE).await?;
        if due.is_empty() {
            let wait = next.map_or(60_000, |next| next.saturating_sub(now_ms).clamp(10, 60_000));
            return Ok(Duration::from_millis(wait));
        }
        let mut attempts = JoinSet::new();
        for delivery in due {
            let (agent, webhook) = (self.agent.clone(), Arc::clone(&self.webhook));
            let id = delivery.event.pointer("/approval/id").and_then(|id| id.as_str());
            let link = id.and_then(|id| self.app.desk.link_of(id));
            attempts.spawn_blocking(move || {
                let result = post(&agent, &webhook, &delivery, link.as_deref());
                (delivery, result)
            });
        }
        while let Some(done) = attempts.join_next().await {
            if let Ok((delivery, result)) = done {
                unmarked.push((delivery.id.clone(), self.note(&delivery, result)));
            }
        }
        Ok(Duration::ZERO)
    }

    fn note(&self, delivery: &Delivery, result: Result<(), String>) -> Attempt {
        let name = self.webhook.name.as_str();
        let now_ms = clock::unix_ms();
        let (attempt, outcome) = match result {
            Ok(()) => (Attempt::Delivered, "delivered"),
            Err(error) if now_ms.saturating_sub(delivery.created_at_ms) >= GIVE_UP_MS => {
                tracing::error!(
                    webhook = name,
                    delivery = delivery.id,
                    error,
                    "a webhook was not told for a day: given up"
                );
                (Attempt::GaveUp { error }, "gave_up")
            }
            Err(error) => {
                tracing::warn!(
                    webhook = name,
                    delivery = delivery.id,
                    error,
                    "a webhook could not be told; will try again"
                );
                let at_ms =
                    now_ms.saturating_add(backoff_ms(self.first_wait_ms, delivery.attempts, jitter()));
                (Attempt::Again { at_ms, error }, "failed")
            }
        };
        self.app.telemetry.webhook(name, outcome);
        attempt
    }
}

/// Posts once. The error never has the URL in it, which may be a secret.
fn post(
    agent: &ureq::Agent,
    webhook: &Webhook,
    delivery: &Delivery,
    link: Option<&str>,
) -> Result<(), String> {
    let body = payload::body(webhook.format, delivery, link);
    let mut request = agent
        .post(&webhook.url)
        .header("content-type", "application/json")
        .header(DELIVERY_HEADER, &delivery.id);
    if let Some(secret) = &webhook.secret {
        request = request.header(SIGNATURE_HEADER, signature(secret, clock::unix_ms() / 1_000, &body));
    }
    match request.send(&body[..]) {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!("the answer was {}", response.status().as_u16())),
        Err(error) => Err(unreachable(&error, &webhook.url)),
    }
}

/// Doubles from the first to an hour, half of it at random: receivers that come back are not met by everything at once.
fn backoff_ms(first_ms: u64, attempts: u32, jitter: u32) -> u64 {
    let longest = first_ms.saturating_mul(1 << attempts.min(12)).min(LONGEST_WAIT_MS);
    let half = longest / 2;
    half + half * u64::from(jitter) / u64::from(u32::MAX)
}

fn jitter() -> u32 {
    let mut random = [0; 4];
    // Without randomness there is no jitter; that harms nobody.
    let _ = getrandom::fill(&mut random);
    u32::from_le_bytes(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_at_growing_distances() {
        let waits: Vec<_> = (0..20)
            .map(|n| (backoff_ms(FIRST_WAIT_MS, n, 0), backoff_ms(FIRST_WAIT_MS, n, u32::MAX)))
            .collect();
        assert_eq!(waits[0], (500, 1_000));
        assert_eq!(waits[1], (1_000, 2_000));
        assert_eq!(waits[19], (1_800_000, 3_600_000));
        assert!(waits.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }
}
