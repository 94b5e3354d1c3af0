//! What the writer executes. Each function runs inside the transaction of its group.

use super::approvals::Ledger;
use super::attempts::Attempts;
use super::captured;
use super::links::{self, Links};
use super::log::{Packed, Tx};
use super::writer::Failed;
use crate::redaction::SealedText;
use crate::storage::id::{self, Seq};
use crate::storage::{
    ApprovalChange, Committed, Event, EventKind, Reaped, StoreError, StoredAwsKey, StoredToken,
};
use portcullis_audit::log::RecordKind;
use portcullis_audit::{
    DecisionKind, DecisionRecord, EventRecord, OutcomeRecord, OutcomeState, SCHEMA, VerdictKind,
};
use rusqlite::{Connection, OptionalExtension, params};

/// Bytes of a test write: a decision changes two to six pages of 4 KiB.
const PROBE_BYTES: i64 = 24 * 1024;

pub(super) const NEWEST: &str = "SELECT coalesce(max(seq), 0) FROM decisions";

/// A decision, ready to be inserted.
pub(super) struct Row {
    seq: Seq,
    packed: Packed,
    call_id: String,
    principal: String,
    operation: String,
    model: Option<String>,
    model_base: Option<String>,
    verdict: VerdictKind,
    session: Option<String>,
    kind: DecisionKind,
    tool: Option<String>,
    /// Shadow mode has changed the verdict.
    shadowed: bool,
    /// Texts, encrypted.
    captured: Vec<SealedText>,
    /// It was durable elsewhere before.
    spilled: bool,
    committed: Committed,
    links: Links,
    /// The correlation, as far as it is known before the ids that the record quotes are looked up.
    correlation: String,
    /// The record, where looking them up may change it.
    draft: Option<Box<DecisionRecord>>,
}

impl Row {
    pub(super) fn new(
        seq: Seq,
        mut record: DecisionRecord,
        captured: Vec<SealedText>,
        attempts: &Attempts,
    ) -> Result<Self, StoreError> {
        let links = Links::take(&mut record, attempts);
        let packed = pack(&record)?;
        let draft = links.undecided().then(|| Box::new(record.clone()));
        let (model, model_base) = match record.model {
            Some(model) => (Some(model.id), model.base),
            None => (None, None),
        };
        Ok(Row {
            seq,
            packed,
            call_id: record.call_id,
            principal: record.principal.name,
            operation: record.operation,
            // A model that names no base is found by its id.
            model_base: model_base.or_else(|| model.clone()),
            model,
            verdict: record.verdict.kind,
            session: record.agent.and_then(|agent| agent.session).filter(|session| !session.is_empty()),
            kind: record.kind,
            tool: record.tool.and_then(|tool| tool.names.into_iter().next()),
            captured,
            spilled: record.spilled,
            shadowed: record.policy.shadow.is_some(),
            committed: Committed {
                decision_id: record.decision_id,
                verdict: record.verdict,
                seq,
                leaf: 0,
                repeated: false,
            },
            links,
            correlation: record.correlation_id.unwrap_or_default(),
            draft,
        })
    }

    pub(super) fn call_id(&self) -> &str {
        &self.call_id
    }

    /// It is recorded, and was not before.
    pub(super) fn stands(&self) {
        let found = self.draft.as_ref().and_then(|draft| draft.correlation_id.as_deref());
        self.links.recorded(found.unwrap_or(&self.correlation));
    }

    pub(super) fn insert(&mut self, tx: &Tx<'_>) -> Result<Committed, Failed> {
        if self.spilled {
            // Those that were looked at before are looked at again: this one was not among them.
            tx.prepare_cached("UPDATE meta SET value = min(value, ?1) WHERE key = 'reaped_to'")?
                .execute([self.seq.saturating_sub(1)])?;
        } else {
            tx.in_time(id::time_of(self.seq))?;
        }
        if let Some(draft) = &mut self.draft {
            let found = self.links.correlation(tx, &self.principal, self.seq)?;
            draft.correlation_id = Some(found.unwrap_or_else(|| self.correlation.clone()));
            self.packed = pack(draft)?;
        }
        let found = self.draft.as_ref().and_then(|draft| draft.correlation_id.as_deref());
        let correlation = found.unwrap_or(&self.correlation);
        let inserted = tx
            .prepare_cached(
                "INSERT INTO decisions (seq, call_id, principal, operation, model, model_base, verdict, session, kind,
                     tool, correlation, shadowed, idx)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (call_id) DO NOTHING",
            )?
            .execute(params![
                self.seq,
                self.call_id,
                self.principal,
                self.operation,
                self.model,
                self.model_base,
                self.verdict.as_str(),
                self.session,
                self.kind.as_str(),
                self.tool,
                (correlation != self.committed.decision_id).then_some(correlation),
                self.shadowed,
                tx.next(),
            ])?;
        if inserted == 0 {
            return self.recorded(tx);
        }
        let leaf = unsigned(tx.append(&self.packed)?);
        self.links.write(tx, &self.principal, self.seq)?;
        captured::put(tx, self.seq, &self.captured)?;
        Ok(Committed { leaf, ..self.committed.clone() })
    }

    /// The same, together with a change of an approval. The same question asked again changes nothing; what the store does
    /// not allow any more leaves nothing behind.
    pub(super) fn insert_with(
        &mut self,
        change: &ApprovalChange,
        ledger: &mut Ledger<'_>,
    ) -> Result<Result<Committed, StoreError>, Failed> {
        let tx = ledger.tx;
        let asked_before =
            tx.prepare_cached("SELECT 1 FROM decisions WHERE call_id = ?1")?.exists([&self.call_id])?;
        if asked_before {
            return self.recorded(tx).map(Ok);
        }
        if !ledger.change(change, &self.call_id)? {
            return Ok(Err(StoreError::ApprovalChanged));
        }
        self.insert(tx).map(Ok)
    }

    /// What is recorded for this call already. Another question under the same name gets no answer: it could take an
    /// `allow` that was meant for something else.
    fn recorded(&self, conn: &Connection) -> Result<Committed, Failed> {
        let (leaf, json): (i64, Option<String>) = conn
            .prepare_cached(
                "SELECT d.idx, unpack(r.dict, r.record) FROM decisions d LEFT JOIN records r ON r.idx = d.idx
                 WHERE d.call_id = ?1",
            )?
            .query_row([&self.call_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        // Of a pruned record nobody can say what was asked.
        let Some(json) = json else { return Err(StoreError::CallIdReused(self.call_id.clone()).into()) };
        let (old, new): (DecisionRecord, DecisionRecord) =
            (from_json(&json)?, from_json(self.packed.json())?);
        if !old.same_question(&new) {
            return Err(StoreError::CallIdReused(self.call_id.clone()).into());
        }
        let seq = id::seq_of(&old.decision_id).unwrap_or(self.seq);
        let leaf = unsigned(leaf);
        Ok(Committed { decision_id: old.decision_id, verdict: old.verdict, seq, leaf, repeated: true })
    }
}

/// Packs a decision.
fn pack(record: &DecisionRecord) -> Result<Packed, StoreError> {
    let kind = match record.kind {
        DecisionKind::Call => RecordKind::Decision,
        DecisionKind::ToolCall => RecordKind::ToolCall,
        DecisionKind::AnswerText => RecordKind::AnswerText,
    };
    Packed::new(kind, &record.decision_id, record)
}

/// An outcome, ready to be written.
pub(super) struct Told {
    pub(super) outcome: OutcomeRecord,
    packed: Packed,
}

impl Told {
    pub(super) fn new(outcome: OutcomeRecord) -> Result<Self, StoreError> {
        let packed = Packed::new(RecordKind::Outcome, &outcome.call_id, &outcome)?;
        Ok(Told { outcome, packed })
    }
}

/// Gives 1 when it was news, 0 when a final outcome stands. Same rule as [`OutcomeState::then`].
pub(super) fn put_outcome(tx: &Tx<'_>, told: &Told) -> Result<u64, Failed> {
    let Told { outcome, packed } = told;
    tx.in_time(outcome.recorded_at_ms)?;
    let changed = tx
        .prepare_cached(
            "INSERT INTO outcomes (call_id, state, recorded_at, idx) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (call_id) DO UPDATE SET state = excluded.state, recorded_at = excluded.recorded_at,
                 idx = excluded.idx, replaced = outcomes.idx WHERE outcomes.state = 'unknown' AND excluded.state <> 'unknown'",
        )?
        .execute(params![
            outcome.call_id,
            outcome.state.as_str(),
            signed(outcome.recorded_at_ms),
            tx.next(),
        ])?;
    if changed > 0 {
        tx.append(packed)?;
        links::write_outcome(tx, outcome)?;
    }
    Ok(u64::try_from(changed).unwrap_or(0))
}

/// The outcome of a call, if it came before its decision.
pub(super) fn outcome(conn: &Connection, call_id: &str) -> Result<Option<OutcomeRecord>, Failed> {
    let json: Option<Option<String>> = conn
        .prepare_cached(
            "SELECT unpack(r.dict, r.record) FROM outcomes o JOIN records r ON r.idx = o.idx WHERE o.call_id = ?1",
        )?
        .query_row([call_id], |row| row.get(0))
        .optional()?;
    Ok(json.flatten().map(|json| from_json(&json)).transpose()?)
}

/// An id for an event of that time.
pub(super) fn event_id(at_ms: u64) -> Result<String, StoreError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)
        .map_err(|error| StoreError::Unavailable(format!("no randomness for an event id: {error}")))?;
    Ok(uuid::Builder::from_unix_timestamp_millis(at_ms, &random).into_uuid().to_string())
}

/// Writes an event, and gives its place in the log.
pub(super) fn put_event(tx: &Tx<'_>, event: &Event) -> Result<(), Failed> {
    let (kind, name) = match event.kind {
        EventKind::Admin => (RecordKind::Admin, EventKind::Admin.as_str()),
        EventKind::Bundle => (RecordKind::Bundle, EventKind::Bundle.as_str()),
        EventKind::Gap => (RecordKind::Gap, EventKind::Gap.as_str()),
        EventKind::Approval => (RecordKind::Approval, EventKind::Approval.as_str()),
    };
    let record = EventRecord {
        schema: SCHEMA,
        event_id: event_id(tx.at())?,
        kind: name.to_owned(),
        at_ms: tx.at(),
        actor: event.actor.clone(),
        detail: event.detail.clone(),
    };
    let idx = tx.append(&Packed::new(kind, &record.event_id, &record)?)?;
    tx.prepare_cached("INSERT INTO events (at, kind, actor, id, idx) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![signed(record.at_ms), record.kind, record.actor, record.event_id, idx])?;
    Ok(())
}

pub(super) fn probe(conn: &Connection, now_ms: u64) -> Result<(), Failed> {
    conn.prepare_cached("INSERT OR REPLACE INTO probe (one, at, filler) VALUES (1, ?1, randomblob(?2))")?
        .execute(params![signed(now_ms), PROBE_BYTES])?;
    Ok(())
}

/// The reaper; what was found in answers has no outcome of its own. Everything up to `reaped_to` was looked at before, so each decision is looked at once.
pub(super) fn reap(
    tx: &Tx<'_>,
    before_ms: u64,
    limit: u32,
    mut marks: impl FnMut(&OutcomeRecord),
) -> Result<Reaped, Failed> {
    let from: Seq = tx
        .prepare_cached("SELECT value FROM meta WHERE key = 'reaped_to'")?
        .query_row([], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let mut due = tx.prepare_cached(
        "SELECT d.seq, d.call_id, d.kind = 'call' AND d.verdict = 'allow' AND o.call_id IS NULL FROM decisions d
         LEFT JOIN outcomes o ON o.call_id = d.call_id
         WHERE d.seq > ?1 AND d.seq < ?2 ORDER BY d.seq LIMIT ?3",
    )?;
    let due = due
        .query_map(params![from, id::first_of(before_ms), limit], |row| {
            Ok((row.get::<_, Seq>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let more = due.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let Some(to) = due.last().map(|(seq, ..)| *seq) else {
        return Ok(Reaped::default());
    };
    let mut marked = 0;
    for (seq, call_id, orphan) in due {
        if orphan {
            let outcome = OutcomeRecord {
                schema: SCHEMA,
                call_id,
                state: OutcomeState::Unknown,
                reason: Some("no_outcome_in_time".to_owned()),
                ended_at_ms: id::time_of(seq),
                recorded_at_ms: tx.at(),
                ..OutcomeRecord::default()
            };
            let told = Told::new(outcome)?;
            marked += put_outcome(tx, &told)?;
            marks(&told.outcome);
        }
    }
    put_meta(tx, "reaped_to", to)?;
    Ok(Reaped { marked, more })
}

pub(super) fn add_token(conn: &Connection, token: &StoredToken) -> Result<(), Failed> {
    let agent = token.agent.as_ref();
    conn.prepare_cached(
        "INSERT INTO tokens (id, kind, name, sha256, principal, created_at, expires_at, agent, tenant, tools)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        token.id,
        token.kind,
        token.name,
        token.sha256,
        token.principal,
        signed(token.created_at_ms),
        token.expires_at_ms.map(signed),
        agent.map(|agent| &agent.id),
        agent.and_then(|agent| agent.tenant.as_ref()),
        agent.map(|agent| to_json(&agent.tools)).transpose()?,
    ])?;
    Ok(())
}

pub(super) fn add_aws_key(conn: &Connection, key: &StoredAwsKey) -> Result<(), Failed> {
    conn.prepare_cached(
        "INSERT INTO aws_keys (access_key_id, sealed_secret, name, principal, tenant, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        key.access_key_id,
        key.sealed_secret,
        key.name,
        key.principal,
        key.tenant,
        signed(key.created_at_ms)
    ])?;
    Ok(())
}

pub(super) fn revoke(conn: &Connection, id: &str, now_ms: u64) -> Result<bool, Failed> {
    let mut changed = 0;
    for sql in [
        "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
        "UPDATE aws_keys SET revoked_at = ?2 WHERE access_key_id = ?1 AND revoked_at IS NULL",
    ] {
        changed += conn.prepare_cached(sql)?.execute(params![id, signed(now_ms)])?;
    }
    Ok(changed > 0)
}

fn put_meta(conn: &Connection, key: &str, value: i64) -> Result<(), Failed> {
    conn.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )?
    .execute(params![key, value])?;
    Ok(())
}

pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Inconsistent(format!("cannot write a record: {error}")))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json)
        .map_err(|error| StoreError::Inconsistent(format!("cannot read a record: {error}")))
}

/// SQLite's integers are signed; times fit.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
