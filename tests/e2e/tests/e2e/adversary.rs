//! What somebody tries who wants a call out that nobody decided, or that was decided as something else.
//!
//! The tables here need no expectation for each trick but one: whatever reached Bedrock was allowed, as what Bedrock took
//! it for ([`nothing_got_past`]). What a trick must meet besides is said where it matters.

mod gateway;
mod http1;
mod http2;
mod models;
mod proxy;
mod record;
mod secrets;
mod storm;
mod tls;

use anyhow::{Context, Result, ensure};
use e2e::Stack;
use serde_json::Value;

/// A model that the tests' bundle forbids.
pub(crate) const FORBIDDEN: &str = "anthropic.claude-3-opus-20240229-v1:0";

/// Everything that reached the fake has a record that allows it, of the same body, path, operation and model as the fake
/// read; and nothing forbidden did.
pub(crate) fn nothing_got_past(stack: &Stack) -> Result<usize> {
    let arrived = stack.fake.calls()?;
    let allowed = stack.control_plane.decisions("verdict=allow")?;
    for call in &arrived {
        let same = |record: &&Value| {
            let path = call["path"].as_str().and_then(|path| path.split('?').next());
            record["request"]["sha256"].as_str() == call["body_sha256"].as_str()
                && record["request"]["path"].as_str() == path
                && record["request"]["method"] == call["method"]
                && record["operation"] == call["operation"]
                && record["model"]["id"].as_str() == call["model"].as_str()
        };
        allowed
            .iter()
            .find(same)
            .with_context(|| format!("reached Bedrock without a record that allows just that: {call}"))?;
        for header in call["headers"].as_array().into_iter().flatten().filter(|header| header[0] == "host") {
            ensure!(header[1] == call["host"], "two hosts arrived: {call}");
        }
        ensure!(!call.to_string().contains("opus"), "forbidden, and arrived: {call}");
    }
    Ok(arrived.len())
}
