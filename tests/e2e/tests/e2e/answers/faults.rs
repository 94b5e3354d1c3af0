//! Answers that are broken, hostile or huge, and parts that fail while a tool call is held: what is not understood does not
//! pass, what is understood does, and there is a record of either.

mod crowd;
mod limits;
mod parts;
mod wire;

use super::{SECRET, decision, ended, messages, path, post};
use crate::raw::MODEL;
use anyhow::{Context, Result, ensure};
use e2e::Stack;
use e2e::client::{Answer, frames};
use serde_json::Value;

/// A Converse stream with these orders, to its end, and its record.
pub(super) fn stream(stack: &Stack, orders: &str) -> Result<(Answer, Value)> {
    let (_, answer) = post(stack, &path(MODEL, "converse-stream"), &messages(orders))?;
    let record = ended(stack, &decision(&answer)?)?;
    let (got, read) = frames(&answer.body);
    println!(
        "{:60.60} {} bytes, {} frames, {}; {} {} {}",
        orders,
        answer.body.len(),
        got.len(),
        got.last().map(|last| format!("the last {} {}", last.kind, last.payload)).unwrap_or_default(),
        record["state"],
        record["outcome"]["reason"],
        record["outcome"]["answer"]["flaw"]
    );
    ensure!(answer.status == 200 && answer.complete, "{orders}: {} {}", answer.status, answer.text());
    ensure!(record["outcome"]["response_bytes"] == answer.body.len(), "{orders}: {}", record["outcome"]);
    ensure!(read <= answer.body.len(), "{read}");
    Ok((answer, record))
}

/// The stream was ended by the gate: whole frames, the last an exception of this kind, and nothing of a secret.
pub(super) fn ends_in(answer: &Answer, kind: &str) -> Result<()> {
    let (got, read) = frames(&answer.body);
    let last = got.last().context("no frames")?;
    ensure!(read == answer.body.len(), "{} bytes after the last whole frame", answer.body.len() - read);
    ensure!(last.message_type == "exception" && last.kind == kind, "{last:?}");
    ensure!(!answer.text().contains(SECRET), "the arguments arrived");
    Ok(())
}
