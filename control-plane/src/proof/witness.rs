//! Asks a witness to cosign checkpoints (<https://c2sp.org/tlog-witness>): it checks that the log has only grown since it
//! looked last, and says so with its signature. Whoever has that need not trust us not to have rewritten the log.

use super::Witness;
use crate::app::App;
use crate::storage::{Head, StoreError};
use crate::webhooks;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_audit::log::SignedNote;
use std::sync::Arc;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);
/// More bytes than the signature lines of a witness have.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// See the module's description.
#[derive(Debug)]
pub struct Cosigner {
    app: Arc<App>,
    witness: Witness,
    agent: ureq::Agent,
}

/// A round that did not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum WitnessError {
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    #[error("it does not answer: {0}")]
    Unreachable(String),
    #[error("it answered {status}: {text}")]
    Refused { status: u16, text: String },
    #[error("it has seen {0} records of this log, which has only {1}: the store was rolled back")]
    Ahead(u64, u64),
    #[error("its answer is not its signature of this checkpoint: {0}")]
    Signature(String),
}

/// What a witness says to a checkpoint.
enum Said {
    /// Signature lines.
    Cosigned(String),
    /// It has seen a tree of that size last, not of the size that was named.
    Seen(u64),
}

impl Cosigner {
    /// Asks that witness about the log of that application.
    #[must_use]
    pub fn new(app: Arc<App>, witness: Witness) -> Self {
        let agent = webhooks::agent(witness.ca.as_deref(), CONNECT, TIMEOUT);
        Cosigner { app, witness, agent }
    }

    /// Asks while the log grows. Never ends; failures are tried again, and logged once each.
    pub async fn run(self) {
        let mut heads = self.app.store.head();
        let mut trouble: Option<String> = None;
        loop {
            let head = Arc::clone(&heads.borrow_and_update());
            let name = self.witness.name.as_str();
            match self.round(&head).await {
                Ok(()) => {
                    if trouble.take().is_some() {
                        tracing::info!(witness = name, size = head.size, "the witness cosigns again");
                    }
                    self.app.telemetry.witnessed(name, head.size);
                }
                Err(error) => {
                    let text = error.to_string();
                    if trouble.as_ref() != Some(&text) {
                        tracing::error!(
                            witness = name,
                            error = text,
                            "a witness does not cosign; will try again"
                        );
                    }
                    trouble = Some(text);
                    self.app.telemetry.log_trouble("witness");
                }
            }
            tokio::time::sleep(self.witness.every).await;
            if trouble.is_none() {
                let _ = heads.changed().await;
            }
        }
    }

    /// Has a checkpoint cosigned, unless it is.
    pub(super) async fn round(&self, head: &Arc<Head>) -> Result<(), WitnessError> {
        let store = &self.app.store;
        let follower = format!("witness:{}", self.witness.name);
        let mut seen = store.cursor(follower.clone()).await?.unwrap_or(0);
        if head.size == 0 || seen == head.size {
            return Ok(());
        }
        // What we remember may be older than what the witness does; it says so once.
        for last_try in [false, true] {
            if seen > head.size {
                return Err(WitnessError::Ahead(seen, head.size));
            }
            let proof = store.consistency(seen, head.size).await?.unwrap_or_default();
            let lines: String = proof.iter().map(|hash| format!("{}\n", STANDARD.encode(hash))).collect();
            match self.ask(format!("old {seen}\n{lines}\n{}", head.note)).await? {
                Said::Cosigned(lines) => {
                    let line = self.own_line(head, &lines)?;
                    store.keep_cosignature(Arc::clone(head), line).await?;
                    store.move_cursor(follower, Some(head.size)).await?;
                    return Ok(());
                }
                Said::Seen(size) if last_try => {
                    return Err(WitnessError::Refused {
                        status: 409,
                        text: format!("it has seen {size} records"),
                    });
                }
                Said::Seen(size) => seen = size,
            }
        }
        Ok(())
    }

    async fn ask(&self, body: String) -> Result<Said, WitnessError> {
        let (agent, url) = (self.agent.clone(), format!("{}/add-checkpoint", self.witness.url));
        let asked = tokio::task::spawn_blocking(move || {
            let unreachable =
                |error: ureq::Error| WitnessError::Unreachable(webhooks::unreachable(&error, &url));
            let mut response = agent.post(&url).send(body.as_bytes()).map_err(unreachable)?;
            let status = response.status().as_u16();
            let read = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string();
            Ok((status, read.map_err(unreachable)?))
        });
        let (status, text) = asked
            .await
            .map_err(|error| WitnessError::Unreachable(error.to_string()))
            .and_then(|asked| asked)?;
        match status {
            200 => Ok(Said::Cosigned(text)),
            409 => text
                .trim()
                .parse()
                .map(Said::Seen)
                .map_err(|_| WitnessError::Refused { status, text: short(&text) }),
            _ => Err(WitnessError::Refused { status, text: short(&text) }),
        }
    }

    /// The line that the configured key has signed; checked, for others will rely on it.
    fn own_line(&self, head: &Head, lines: &str) -> Result<String, WitnessError> {
        let wrong = |reason: String| WitnessError::Signature(reason);
        let (text, _) =
            head.note.split_once("\n\n").ok_or_else(|| wrong("no checkpoint was sent".to_owned()))?;
        for line in lines.split_inclusive('\n') {
            let note =
                SignedNote::parse(&format!("{text}\n\n{line}")).map_err(|error| wrong(error.to_string()))?;
            if matches!(self.witness.key.cosigned(&note), Ok(Some(_))) {
                return Ok(line.to_owned());
            }
        }
        Err(wrong(format!("no line is signed by `{}`", self.witness.key.name())))
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
