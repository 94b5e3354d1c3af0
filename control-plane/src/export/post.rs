//! Posting a chunk over HTTP, in halves where the receiver finds it too large.

use super::follow::Refusal;
use crate::storage::Logged;
use crate::webhooks;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(60);
/// What is read of an answer.
const ANSWER: u64 = 64 * 1024;

/// What was answered with success.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
}

/// Posts to one address.
#[derive(Clone)]
pub(super) struct Poster {
    agent: ureq::Agent,
    url: String,
}

/// The URL may be a secret.
impl std::fmt::Debug for Poster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Poster")
    }
}

/// Why a part of a chunk is not taken.
pub(super) enum Failed {
    /// It is too large.
    TooLarge,
    /// Anything else.
    Refused(Refusal),
}

impl Poster {
    pub(super) fn new(url: &str, ca: Option<&[u8]>) -> Self {
        Poster { agent: webhooks::agent(ca, CONNECT, TOTAL), url: url.to_owned() }
    }

    /// Posts JSON once. No error has the URL in it.
    pub(super) fn post(&self, headers: &[(String, String)], body: &[u8]) -> Result<Answer, Failed> {
        let mut request = self.agent.post(&self.url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let refused = |message: String| Failed::Refused(message.into());
        let mut response =
            request.send(body).map_err(|error| refused(webhooks::unreachable(&error, &self.url)))?;
        let status = response.status().as_u16();
        if status == 413 {
            return Err(Failed::TooLarge);
        }
        if !response.status().is_success() {
            let after = response.headers().get("retry-after").and_then(|after| after.to_str().ok());
            let after = after.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
            return Err(Failed::Refused(Refusal { message: format!("the answer was {status}"), after }));
        }
        let body = response.body_mut().with_config().limit(ANSWER).read_to_vec();
        body.map(|body| Answer { body })
            .map_err(|error| refused(format!("the answer cannot be read: {error}")))
    }
}

/// Bytes that went out, and records that were refused for good.
pub(super) type Sums = (u64, u64);

/// Sends some records.
pub(super) type Send<'a> = &'a mut dyn FnMut(&[&Logged]) -> Result<Sums, Failed>;

/// Sends records with `send`, in halves where they are too large, in order. Gives the sum of what `send` gives.
pub(super) fn in_parts(records: &[&Logged], send: Send<'_>) -> Result<Sums, Refusal> {
    match send(records) {
        Ok(sums) => Ok(sums),
        Err(Failed::Refused(refusal)) => Err(refusal),
        Err(Failed::TooLarge) if records.len() > 1 => {
            let (left, right) = records.split_at(records.len() / 2);
            let (left, right) = (in_parts(left, send)?, in_parts(right, send)?);
            Ok((left.0 + right.0, left.1 + right.1))
        }
        Err(Failed::TooLarge) => {
            let index = records.first().map_or(0, |record| record.index);
            Err(Refusal::from(format!(
                "record {index} alone is too large for the receiver (413): raise its limit for bodies"
            )))
        }
    }
}
