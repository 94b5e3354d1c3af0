//! Reading a request's body, within bounds of size and time.

use crate::config::Config;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The body as far as it came.
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sha256: String,
    pub(crate) length: u64,
    pub(crate) end: End,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    TooLarge,
    TimedOut,
    Gone,
}

impl Received {
    /// Nothing yet, or nothing at all.
    pub(crate) fn nothing() -> Self {
        Self { bytes: Vec::new(), sha256: String::new(), length: 0, end: End::Whole }
    }
}

/// Reads a body, hashing what comes.
pub(crate) async fn receive(mut body: Incoming, config: &Config) -> Received {
    let mut received = Received::nothing();
    let mut hash = Sha256::new();
    let deadline = tokio::time::sleep(Duration::from_millis(config.body_timeout_ms));
    tokio::pin!(deadline);
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = &mut deadline => { received.end = End::TimedOut; break }
        };
        let data = match frame {
            None => break,
            Some(Err(_)) => {
                received.end = End::Gone;
                break;
            }
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        received.length += data.len() as u64;
        if config.record || config.verify {
            hash.update(&data);
        }
        if received.length <= config.max_body_bytes as u64 {
            received.bytes.extend_from_slice(&data);
        } else {
            // What follows is read, so that the client sees the answer, and dropped; but not for ever.
            received.end = End::TooLarge;
            received.bytes = Vec::new();
            if received.length > 4 * config.max_body_bytes as u64 {
                break;
            }
        }
    }
    received.sha256 = hex::encode(hash.finalize());
    received
}
