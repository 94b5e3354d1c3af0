//! Writing what leads from one record to others of its loop, and finding the loop of a new one.
//!
//! ```text
//! outcome of call 1 ── proposes t1 ─┐            (the answer is reported after it has gone out: the row may come late,
//! tool call of call 1 ── is t1 ─────┤             its key is that of the decision on call 1 all the same)
//!                                   ▼
//! request of call 2 ── quotes t1 ── `links` ──▶ the correlation of call 1
//! ```
//! Calls that quote nothing and propose nothing write no row and read none.

use super::attempts::{Attempts, Key};
use super::writer::Failed;
use crate::storage::id::{self, Seq};
use portcullis_audit::{DecisionKind, DecisionRecord, OutcomeRecord};
use rusqlite::{Connection, OptionalExtension, params};

/// Quoted ids that are written, the newest first: conversations are sent whole, again and again.
pub(super) const QUOTED: usize = 16;
/// Longest id that is written, bytes. Gates cut theirs to that.
const LONGEST: usize = 256;

/// What of a decision leads to others.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Tool calls that it names, the newest first.
    quoted: Vec<String>,
    /// The tool call that it is about, and the decision in whose answer it was found.
    proposed: Option<(Seq, String)>,
    /// It is a retry: the SDK's name for the call.
    retry: Option<String>,
    /// How its own retries will know it.
    attempt: Option<(Attempts, Key)>,
    /// Its correlation is the one that a quoted id leads to, if one does.
    undecided: bool,
}

impl Links {
    /// Takes them from a record, and gives the record its correlation as far as it is known before anything is looked up.
    pub(super) fn take(record: &mut DecisionRecord, attempts: &Attempts) -> Self {
        let mut links = Links::default();
        let mut known = record.correlation_id.take().filter(|id| !id.is_empty());
        if known.is_none() {
            let session = record.agent.as_ref().and_then(|agent| agent.session.as_ref());
            known = session.filter(|session| !session.is_empty()).cloned();
        }
        match record.kind {
            DecisionKind::Call => {
                links.quoted = quoted(record.request.results.iter().rev().map(|result| result.id.as_deref()));
                let attempt = attempts.key(record).filter(|_| known.is_none());
                let before = attempt.and_then(|key| attempts.find(key));
                if before.is_some() || is_retry(record.sdk.attempt.as_deref()) {
                    links.retry = record.sdk.invocation_id.clone().filter(|id| fits(id));
                }
                links.attempt = attempt.map(|key| (attempts.clone(), key));
                links.undecided = known.is_none() && !links.quoted.is_empty();
                known = known.or(before);
            }
            DecisionKind::ToolCall => {
                let id = record.tool.as_ref().and_then(|tool| tool.id.clone()).filter(|id| fits(id));
                let parent = record.parent.as_deref().and_then(id::seq_of);
                match (parent, id) {
                    (Some(parent), Some(id)) => links.proposed = Some((parent, id)),
                    // Whoever is to run the tool names what an answer proposed before.
                    (None, Some(id)) => links.quoted = vec![id],
                    (_, None) => {}
                }
                links.undecided = known.is_none() && !links.quoted.is_empty();
            }
            DecisionKind::AnswerText => {}
        }
        record.correlation_id = Some(known.unwrap_or_else(|| record.decision_id.clone()));
        links
    }

    /// What it quotes has to be looked up before its record can be written.
    pub(super) fn undecided(&self) -> bool {
        self.undecided
    }

    /// The correlation that a quoted id leads to, for a decision of that key.
    pub(super) fn correlation(
        &self,
        conn: &Connection,
        principal: &str,
        seq: Seq,
    ) -> Result<Option<String>, Failed> {
        // Where it has no other, its correlation is its own id, which only the record holds whole.
        let mut statement = conn.prepare_cached(
            "SELECT coalesce(d.correlation, unpack(r.dict, r.record) ->> '$.decision_id', r.entry ->> '$.id')
             FROM links l JOIN decisions d ON d.seq = l.seq JOIN records r ON r.idx = d.idx
             WHERE l.kind = 'tool' AND l.id = ?1 AND l.principal = ?2 AND l.seq < ?3 ORDER BY l.seq DESC LIMIT 1",
        )?;
        for id in &self.quoted {
            let found: Option<Option<String>> =
                statement.query_row(params![id, principal, seq], |row| row.get(0)).optional()?;
            if let Some(Some(found)) = found {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Writes them, with the decision.
    pub(super) fn write(&self, conn: &Connection, principal: &str, seq: Seq) -> Result<(), Failed> {
        for id in &self.quoted {
            put(conn, "tool", id, principal, seq, true)?;
        }
        if let Some((parent, id)) = &self.proposed {
            put(conn, "tool", id, principal, *parent, false)?;
        }
        if let Some(id) = &self.retry {
            put(conn, "sdk", id, principal, seq, true)?;
        }
        Ok(())
    }

    /// The decision stands: its retries find it from now on.
    pub(super) fn recorded(&self, correlation: &str) {
        if let Some((attempts, key)) = &self.attempt {
            attempts.put(*key, correlation);
        }
    }
}

/// Writes what an answer tells of tool calls and sessions. Nothing, where its call is not on record: should the decision come
/// later, it finds the outcome.
pub(super) fn write_outcome(conn: &Connection, outcome: &OutcomeRecord) -> Result<(), Failed> {
    let Some(answer) = &outcome.answer else { return Ok(()) };
    let proposed = answer.tool_calls.iter().filter_map(|call| call.id.as_deref()).filter(|id| fits(id));
    let mut ids = proposed.map(|id| ("tool", id)).collect::<Vec<_>>();
    ids.extend(answer.session.as_deref().filter(|id| fits(id)).map(|id| ("session", id)));
    if ids.is_empty() {
        return Ok(());
    }
    let decision: Option<(Seq, String)> = conn
        .prepare_cached("SELECT seq, principal FROM decisions WHERE call_id = ?1")?
        .query_row([&outcome.call_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((seq, principal)) = decision else { return Ok(()) };
    for (kind, id) in ids {
        put(conn, kind, id, &principal, seq, false)?;
    }
    Ok(())
}

fn put(
    conn: &Connection,
    kind: &str,
    id: &str,
    principal: &str,
    seq: Seq,
    quoted: bool,
) -> Result<(), Failed> {
    conn.prepare_cached(
        "INSERT INTO links (kind, id, principal, seq, quoted) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    )?
    .execute(params![kind, id, principal, seq, quoted])?;
    Ok(())
}

/// The first of them, each once.
fn quoted<'a>(ids: impl Iterator<Item = Option<&'a str>>) -> Vec<String> {
    let mut quoted: Vec<String> = Vec::new();
    for id in ids.flatten().filter(|id| fits(id)) {
        if quoted.len() == QUOTED {
            break;
        }
        if !quoted.iter().any(|have| have == id) {
            quoted.push(id.to_owned());
        }
    }
    quoted
}

fn fits(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST
}

/// `amz-sdk-request: attempt=2; max=3`
fn is_retry(attempt: Option<&str>) -> bool {
    let number = attempt.and_then(|text| text.trim().strip_prefix("attempt="));
    let digits = number.and_then(|text| text.split(';').next()).map(str::trim);
    digits.and_then(|digits| digits.parse::<u32>().ok()).is_some_and(|number| number > 1)
}
