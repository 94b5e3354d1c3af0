//! Walking from one record of a loop to all of them.

use super::links::QUOTED;
use super::{approvals, read};
use crate::storage::id::{self, Seq};
use crate::storage::query::StoredDecision;
use crate::storage::{StoreError, Trace, TraceQuery};
use portcullis_approvals::{Approval, State};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

/// Records that share one id and are looked at, at most.
const PER_ID: u32 = 1_000;
/// Decisions looked through for an SDK's invocation id, which no index holds: the newest.
const RECENT: u32 = 20_000;

/// The loop that an id names; `None` when nothing is known of the id.
pub(super) fn trace(conn: &Connection, query: &TraceQuery) -> Result<Option<Trace>, StoreError> {
    let conn = conn.unchecked_transaction()?;
    let named = named(&conn, &query.id)?;
    let wanted = |principal: &str| query.principal.as_deref().is_none_or(|wanted| wanted == principal);
    let Some((seq, principal)) = named.iter().filter(|(_, principal)| wanted(principal)).max().cloned()
    else {
        return Ok(None);
    };
    let others: BTreeSet<String> =
        named.into_iter().map(|(_, principal)| principal).filter(|other| *other != principal).collect();
    let limit = usize::try_from(query.limit.max(1)).unwrap_or(usize::MAX);
    let mut walk = Walk { conn: &conn, principal, limit, ..Walk::new(&conn) };
    walk.queue.push_back(seq);
    walk.run()?;
    let Walk { principal, found, approvals, truncated, .. } = walk;
    let mut approvals: Vec<Approval> = approvals.into_values().flatten().collect();
    approvals.sort_by_key(|approval| approval.created_at_ms);
    Ok(Some(Trace {
        principal,
        others: others.into_iter().collect(),
        decisions: found.into_values().collect(),
        approvals,
        truncated,
    }))
}

/// The newest decision of each principal that an id names, in any of its meanings.
fn named(conn: &Connection, name: &str) -> Result<Vec<(Seq, String)>, StoreError> {
    let mut named = Vec::new();
    if let Some(found) = read::decision(conn, name)? {
        named.push((found.seq, found.record.principal.name));
    }
    let mut of = |sql: &str| -> Result<(), StoreError> {
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![name, PER_ID])?;
        while let Some(row) = rows.next()? {
            named.push((row.get(0)?, row.get(1)?));
        }
        Ok(())
    };
    of("SELECT seq, principal FROM decisions WHERE call_id = ?1 LIMIT ?2")?;
    of("SELECT max(seq), principal FROM links WHERE kind IN ('tool', 'session', 'sdk') AND id = ?1
        GROUP BY principal LIMIT ?2")?;
    of("SELECT max(seq), principal FROM
        (SELECT seq, principal FROM decisions INDEXED BY decisions_session WHERE session = ?1 ORDER BY seq DESC LIMIT ?2)
        GROUP BY principal")?;
    if let Some(found) = approvals::approval(conn, name)? {
        named.extend(of_call(conn, &found.approval.context.call_id)?);
    }
    if named.is_empty() && uuid::Uuid::try_parse(name).is_ok() {
        let written = format!("\"invocation_id\":\"{name}\"");
        let mut statement = conn.prepare_cached(
            "SELECT d.seq, d.principal FROM (SELECT seq, principal, idx FROM decisions ORDER BY seq DESC LIMIT ?2) d
             JOIN records r ON r.idx = d.idx WHERE instr(unpack(r.dict, r.record), ?1) > 0",
        )?;
        let rows = statement.query_map(params![written, RECENT], |row| Ok((row.get(0)?, row.get(1)?)))?;
        named = rows.collect::<Result<_, _>>()?;
    }
    // An approval of nobody's call, or a row of `links` whose decision is no more.
    named.retain(|(seq, _): &(Seq, String)| *seq > 0);
    Ok(named)
}

fn of_call(conn: &Connection, call_id: &str) -> Result<Option<(Seq, String)>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq, principal FROM decisions WHERE call_id = ?1")?;
    Ok(statement.query_row([call_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// A walk over records that share ids, the nearest first.
struct Walk<'a> {
    conn: &'a Connection,
    principal: String,
    limit: usize,
    queue: VecDeque<Seq>,
    found: BTreeMap<Seq, StoredDecision>,
    approvals: BTreeMap<String, Option<Approval>>,
    /// Ids that were followed; of tools, with the key at which this meaning of the id begins.
    followed: HashSet<(&'static str, String, Seq)>,
    truncated: bool,
}

impl<'a> Walk<'a> {
    fn new(conn: &'a Connection) -> Self {
        Walk {
            conn,
            principal: String::new(),
            limit: 1,
            queue: VecDeque::new(),
            found: BTreeMap::new(),
            approvals: BTreeMap::new(),
            followed: HashSet::new(),
            truncated: false,
        }
    }

    fn run(&mut self) -> Result<(), StoreError> {
        while let Some(seq) = self.queue.pop_front() {
            if self.found.contains_key(&seq) {
                continue;
            }
            let Some(stored) = by_seq(self.conn, seq)?.filter(|s| s.record.principal.name == self.principal)
            else {
                continue;
            };
            if self.found.len() >= self.limit {
                self.truncated = true;
                return Ok(());
            }
            self.follow(&stored)?;
            self.found.insert(seq, stored);
        }
        Ok(())
    }

    /// Everything that shares an id with a record.
    fn follow(&mut self, stored: &StoredDecision) -> Result<(), StoreError> {
        let (seq, record) = (stored.seq, &stored.record);
        let answer = stored.outcome.as_ref().and_then(|outcome| outcome.answer.as_deref());
        self.queue.extend(record.parent.as_deref().and_then(id::seq_of));
        self.queue.extend(record.correlation_id.as_deref().and_then(id::seq_of));
        if record.kind.is_call() {
            self.children(&record.call_id)?;
        }
        for call in answer.map(|answer| answer.tool_calls.as_slice()).unwrap_or_default() {
            self.tool(call.id.as_deref(), seq, false)?;
        }
        if let Some(tool) = &record.tool {
            match record.parent.as_deref().and_then(id::seq_of) {
                Some(parent) => self.tool(tool.id.as_deref(), parent, false)?,
                None => self.tool(tool.id.as_deref(), seq, true)?,
            }
        }
        // What was found in an answer repeats its request.
        for result in record.request.results.iter().rev().take(QUOTED).filter(|_| record.kind.is_call()) {
            self.tool(result.id.as_deref(), seq, true)?;
        }
        let session = record.agent.as_ref().and_then(|agent| agent.session.as_deref());
        self.session(session, seq)?;
        self.session(answer.and_then(|answer| answer.session.as_deref()), seq)?;
        self.retries(record.sdk.invocation_id.as_deref())?;
        let rests_on = record.approval.as_ref().map(|approval| approval.id.as_str());
        for approval in record.verdict.approval_id.as_deref().into_iter().chain(rests_on) {
            self.approval(approval)?;
        }
        Ok(())
    }

    /// What was found in a call's answer: `CALL#1`, `CALL#2` …
    fn children(&mut self, call_id: &str) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT seq FROM decisions WHERE call_id > ?1 || '#' AND call_id < ?1 || '$' ORDER BY seq LIMIT ?2",
        )?;
        let rows = statement.query_map(params![call_id, PER_ID], |row| row.get(0))?;
        self.queue.extend(rows.collect::<Result<Vec<Seq>, _>>()?);
        Ok(())
    }

    /// Where a tool call was proposed and who quotes it. Some models number their calls from 0 in every answer, so an id
    /// means what was proposed last before it is quoted; a request that quotes one may get an answer that proposes it again.
    fn tool(&mut self, tool: Option<&str>, seq: Seq, quoted: bool) -> Result<(), StoreError> {
        let Some(tool) = tool.filter(|id| !id.is_empty()) else { return Ok(()) };
        let at = |sql: &str, seq: Seq| -> Result<Option<Seq>, StoreError> {
            let mut statement = self.conn.prepare_cached(sql)?;
            Ok(statement.query_row(params![tool, self.principal, seq], |row| row.get(0))?)
        };
        let begins = if quoted {
            at(
                "SELECT max(seq) FROM links WHERE kind = 'tool' AND id = ?1 AND principal = ?2 AND quoted = 0 AND seq < ?3",
                seq,
            )?
        } else {
            Some(seq)
        };
        let begins = begins.unwrap_or(0);
        if !self.followed.insert(("tool", tool.to_owned(), begins)) {
            return Ok(());
        }
        let ends = at(
            "SELECT min(seq) FROM links WHERE kind = 'tool' AND id = ?1 AND principal = ?2 AND quoted = 0 AND seq > ?3",
            if quoted { seq - 1 } else { begins },
        )?;
        let mut statement = self.conn.prepare_cached(
            "SELECT seq FROM links WHERE kind = 'tool' AND id = ?1 AND principal = ?2 AND seq >= ?3 AND seq <= ?4
             AND (seq > ?3 OR quoted = 0) AND (seq < ?4 OR quoted = 1) ORDER BY seq LIMIT ?5",
        )?;
        let bounds = params![tool, self.principal, begins, ends.unwrap_or(Seq::MAX), PER_ID];
        let rows = statement.query_map(bounds, |row| row.get(0))?;
        self.queue.extend(rows.collect::<Result<Vec<Seq>, _>>()?);
        Ok(())
    }

    /// What has the same session, on both sides of a decision.
    fn session(&mut self, session: Option<&str>, seq: Seq) -> Result<(), StoreError> {
        let Some(session) = session.filter(|id| !id.is_empty()) else { return Ok(()) };
        if !self.followed.insert(("session", session.to_owned(), 0)) {
            return Ok(());
        }
        let side = |sql: &str| -> Result<Vec<Seq>, StoreError> {
            let mut statement = self.conn.prepare_cached(sql)?;
            let rows =
                statement.query_map(params![session, self.principal, seq, PER_ID], |row| row.get(0))?;
            Ok(rows.collect::<Result<Vec<Seq>, _>>()?)
        };
        let named = side(
            "SELECT seq FROM links WHERE kind = 'session' AND id = ?1 AND principal = ?2 AND seq <> ?3 LIMIT ?4",
        )?;
        let before = side(
            "SELECT seq FROM decisions INDEXED BY decisions_session WHERE session = ?1 AND principal = ?2 AND seq < ?3
             ORDER BY seq DESC LIMIT ?4",
        )?;
        let after = side(
            "SELECT seq FROM decisions INDEXED BY decisions_session WHERE session = ?1 AND principal = ?2 AND seq > ?3
             ORDER BY seq LIMIT ?4",
        )?;
        self.queue.extend(named);
        // In turn, so that a cut leaves those around it.
        for at in 0..before.len().max(after.len()) {
            self.queue.extend(before.get(at).into_iter().chain(after.get(at)));
        }
        Ok(())
    }

    /// Other attempts at the same call.
    fn retries(&mut self, invocation: Option<&str>) -> Result<(), StoreError> {
        let Some(invocation) = invocation.filter(|id| !id.is_empty()) else { return Ok(()) };
        if !self.followed.insert(("sdk", invocation.to_owned(), 0)) {
            return Ok(());
        }
        let mut statement = self.conn.prepare_cached(
            "SELECT seq FROM links WHERE kind = 'sdk' AND id = ?1 AND principal = ?2 ORDER BY seq LIMIT ?3",
        )?;
        let rows = statement.query_map(params![invocation, self.principal, PER_ID], |row| row.get(0))?;
        self.queue.extend(rows.collect::<Result<Vec<Seq>, _>>()?);
        Ok(())
    }

    /// The call that asked for an approval, and the one that it let out.
    fn approval(&mut self, approval: &str) -> Result<(), StoreError> {
        if self.approvals.contains_key(approval) {
            return Ok(());
        }
        let found = approvals::approval(self.conn, approval)?.map(|stored| stored.approval);
        if let Some(approval) = &found {
            let used = approval.history.iter().filter(|step| step.to == State::Consumed);
            let used = used.filter_map(|step| step.why.strip_prefix("call "));
            for call_id in std::iter::once(approval.context.call_id.as_str()).chain(used) {
                self.queue.extend(of_call(self.conn, call_id)?.map(|(seq, _)| seq));
            }
        }
        self.approvals.insert(approval.to_owned(), found);
        Ok(())
    }
}

pub(super) fn by_seq(conn: &Connection, seq: Seq) -> Result<Option<StoredDecision>, StoreError> {
    let mut statement =
        conn.prepare_cached(&format!("{} WHERE r.record IS NOT NULL AND d.seq = ?1", read::STORED))?;
    let mut rows = statement.query([seq])?;
    rows.next()?.map(read::stored).transpose()
}
