//! Approvals and grants in SQL. Each function of the writer runs inside the transaction of its group, writes the event that
//! tells of the change and fills the outbox; what it has changed, it says.

use super::log::Tx;
use super::statements::{from_json, put_event, signed, to_json};
use super::writer::Failed;
use crate::storage::approvals::{ApprovalChange, ApprovalQuery, StoredApproval, Subscription};
use crate::storage::live::Changes;
use crate::storage::{Event, EventKind, StoreError};
use portcullis_approvals::{Approval, ApprovalError, Approver, Grant, GrantStep, State, Step};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use serde_json::json;
use std::sync::Arc;

/// Where changes are written to.
pub(super) struct Ledger<'a> {
    pub(super) tx: &'a Tx<'a>,
    pub(super) subscriptions: &'a [Subscription],
    pub(super) changes: &'a mut Changes,
}

impl Ledger<'_> {
    /// Makes the change of a decision; `false` when the store does not allow it any more, and then nothing was written.
    pub(super) fn change(&mut self, change: &ApprovalChange, call_id: &str) -> Result<bool, Failed> {
        match change {
            ApprovalChange::Ask(approval) => Ok(self.ask(approval)?.is_none()),
            ApprovalChange::Consume { id, by, at_ms } => {
                let step = Step::Consume { by: by.clone(), call_id: call_id.to_owned() };
                let Some(before) = self.load(id)? else {
                    return Ok(false);
                };
                match before.step(&step, *at_ms) {
                    Ok(after) => self.replace(&before, after).map(|()| true),
                    Err(_) => Ok(false),
                }
            }
            ApprovalChange::UseGrant { id, by, at_ms } => {
                let Some(before) = self.load_grant(id)? else {
                    return Ok(false);
                };
                match before.step(GrantStep::Use, *at_ms) {
                    Ok(after) => {
                        self.put_grant(&before, after, "used", by, &format!("call {call_id}"), *at_ms)?;
                        Ok(true)
                    }
                    Err(_) => Ok(false),
                }
            }
        }
    }

    /// Inserts a pending approval; gives the one that is in its place, if there is one, and then nothing was written.
    pub(super) fn ask(&mut self, approval: &Approval) -> Result<Option<Approval>, Failed> {
        let json: Option<String> = self
            .tx
            .prepare_cached("SELECT record FROM approvals WHERE digest = ?1 AND rule = ?2 AND live = 1")?
            .query_row([&approval.digest, &approval.rule], |row| row.get(0))
            .optional()?;
        if let Some(json) = json {
            let old: Approval = from_json(&json)?;
            if !old.overdue(approval.created_at_ms) {
                return Ok(Some(old));
            }
            self.expire_one(&old, approval.created_at_ms)?;
        }
        self.tx
            .prepare_cached(
                "INSERT INTO approvals (id, digest, rule, principal, state, live, due, record)
                 VALUES (?1, ?2, ?3, ?4, 'pending', 1, ?5, ?6)",
            )?
            .execute(params![
                approval.id,
                approval.digest,
                approval.rule,
                approval.call.principal,
                signed(approval.expires_at_ms),
                to_json(approval)?
            ])?;
        self.tell(approval)?;
        self.changes.approvals.push(Arc::new(approval.clone()));
        Ok(None)
    }

    /// What a person does. An approval whose time is over expires instead.
    pub(super) fn step(
        &mut self,
        id: &str,
        step: &Step,
        at_ms: u64,
    ) -> Result<Result<Approval, ApprovalError>, Failed> {
        let Some(before) = self.load(id)? else {
            return Ok(Err(ApprovalError::Unknown(id.to_owned())));
        };
        match before.step(step, at_ms) {
            Ok(after) => {
                self.replace(&before, after.clone())?;
                Ok(Ok(after))
            }
            Err(error) => {
                if before.overdue(at_ms) && matches!(before.state, State::Pending | State::Approved) {
                    self.expire_one(&before, at_ms)?;
                }
                Ok(Err(error))
            }
        }
    }

    /// Marks what is overdue; `true` when there may be more.
    pub(super) fn expire(&mut self, at_ms: u64, limit: u32) -> Result<bool, Failed> {
        let due = self.column(
            "SELECT record FROM approvals WHERE live = 1 AND due <= ?1 ORDER BY due LIMIT ?2",
            at_ms,
            limit,
        )?;
        let mut found = due.len();
        for json in due {
            self.expire_one(&from_json(&json)?, at_ms)?;
        }
        let due = self.column(
            "SELECT record FROM grants WHERE live = 1 AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
            at_ms,
            limit,
        )?;
        found += due.len();
        for json in due {
            let grant: Grant = from_json(&json)?;
            self.tx.prepare_cached("UPDATE grants SET live = 0 WHERE id = ?1")?.execute([&grant.id])?;
            let why = format!("its time is over, {} of {} uses left", grant.left, grant.uses);
            self.tell_grant(&grant, "expired", "portcullis", &why, at_ms)?;
            self.changes.ended.push(Arc::new(grant));
        }
        Ok(found >= usize::try_from(limit).unwrap_or(usize::MAX))
    }

    fn column(&self, sql: &str, at_ms: u64, limit: u32) -> Result<Vec<String>, Failed> {
        let mut statement = self.tx.prepare_cached(sql)?;
        let rows = statement.query_map(params![signed(at_ms), limit], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn expire_one(&mut self, approval: &Approval, at_ms: u64) -> Result<(), Failed> {
        if let Ok(after) = approval.step(&Step::Expire, at_ms) {
            return self.replace(approval, after);
        }
        // A denial: it stays what it is, and denies nothing any more.
        self.tx.prepare_cached("UPDATE approvals SET live = 0 WHERE id = ?1")?.execute([&approval.id])?;
        self.changes.lapsed.push(approval.id.clone());
        Ok(())
    }

    fn replace(&mut self, before: &Approval, after: Approval) -> Result<(), Failed> {
        let live = !matches!(after.state, State::Expired | State::Consumed);
        // The state before is part of the condition: nobody changes what somebody else has changed.
        let changed = self
            .tx
            .prepare_cached(
                "UPDATE approvals SET state = ?3, live = ?4, due = ?5, record = ?6 WHERE id = ?1 AND state = ?2",
            )?
            .execute(params![
                before.id,
                before.state.as_str(),
                after.state.as_str(),
                live,
                after.due_ms().map(signed),
                to_json(&after)?
            ])?;
        if changed != 1 {
            let message = format!("approval `{}` is not what its record says", before.id);
            return Err(StoreError::Inconsistent(message).into());
        }
        self.tell(&after)?;
        self.changes.approvals.push(Arc::new(after));
        Ok(())
    }

    /// Puts the last change of an approval on record, and into the outbox.
    fn tell(&mut self, approval: &Approval) -> Result<(), Failed> {
        let Some(last) = approval.history.last() else {
            return Err(StoreError::Inconsistent("an approval without a history".to_owned()).into());
        };
        let detail = json!({
            "what": format!("approval_{}", last.to), "id": approval.id, "rule": approval.rule,
            "principal": approval.call.principal, "digest": approval.digest, "operation": approval.call.operation,
            "models": approval.call.models, "from": last.from, "to": last.to, "at_ms": last.at_ms, "by": last.by,
            "why": last.why,
        });
        self.event(&last.by, detail)?;
        let name = format!("approval.{}", last.to);
        let event = json!({
            "type": name, "at_ms": last.at_ms, "by": last.by, "why": last.why, "approval": approval,
        });
        self.post(&approval.id, &name, &event, last.at_ms)
    }

    fn tell_grant(
        &mut self,
        grant: &Grant,
        what: &str,
        by: &str,
        why: &str,
        at_ms: u64,
    ) -> Result<(), Failed> {
        let detail = json!({
            "what": format!("grant_{what}"), "id": grant.id, "rule": grant.rule, "principal": grant.principal,
            "uses": grant.uses, "left": grant.left, "expires_at_ms": grant.expires_at_ms, "at_ms": at_ms, "by": by,
            "why": why,
        });
        self.event(by, detail)?;
        let name = format!("grant.{what}");
        let event = json!({ "type": name, "at_ms": at_ms, "by": by, "why": why, "grant": grant });
        self.post(&grant.id, &name, &event, at_ms)
    }

    fn event(&self, actor: &str, detail: serde_json::Value) -> Result<(), Failed> {
        put_event(self.tx, &Event { kind: EventKind::Approval, actor: actor.to_owned(), detail })
    }

    fn post(
        &mut self,
        subject: &str,
        name: &str,
        event: &serde_json::Value,
        at_ms: u64,
    ) -> Result<(), Failed> {
        for subscription in self.subscriptions.iter().filter(|subscription| subscription.wants(name)) {
            self.tx
                .prepare_cached(
                    "INSERT INTO deliveries (id, webhook, subject, event, created_at, next_at)
                     VALUES ('dlv_' || lower(hex(randomblob(12))), ?1, ?2, ?3, ?4, ?4)",
                )?
                .execute(params![subscription.webhook, subject, to_json(event)?, signed(at_ms)])?;
            self.changes.outbox = true;
        }
        Ok(())
    }

    pub(super) fn add_grant(&mut self, grant: &Grant) -> Result<(), Failed> {
        self.tx
            .prepare_cached(
                "INSERT INTO grants (id, rule, principal, uses_left, live, expires_at, record)
                 VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6)",
            )?
            .execute(params![
                grant.id,
                grant.rule,
                grant.principal,
                signed(grant.left),
                signed(grant.expires_at_ms),
                to_json(grant)?
            ])?;
        self.tell_grant(grant, "created", &grant.by, &grant.why, grant.created_at_ms)?;
        self.changes.grants.push(Arc::new(grant.clone()));
        Ok(())
    }

    pub(super) fn revoke_grant(
        &mut self,
        id: &str,
        by: &Approver,
        at_ms: u64,
    ) -> Result<Result<Grant, ApprovalError>, Failed> {
        let Some(before) = self.load_grant(id)? else {
            return Ok(Err(ApprovalError::Unknown(id.to_owned())));
        };
        match before.step(GrantStep::Revoke, at_ms) {
            Ok(after) => {
                self.put_grant(&before, after.clone(), "revoked", &by.shown(), "", at_ms)?;
                Ok(Ok(after))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn put_grant(
        &mut self,
        before: &Grant,
        after: Grant,
        what: &str,
        by: &str,
        why: &str,
        at_ms: u64,
    ) -> Result<(), Failed> {
        let live = after.left > 0 && after.revoked_at_ms.is_none();
        let changed = self
            .tx
            .prepare_cached(
                "UPDATE grants SET uses_left = ?3, live = ?4, record = ?5 WHERE id = ?1 AND uses_left = ?2 AND live = 1",
            )?
            .execute(params![before.id, signed(before.left), signed(after.left), live, to_json(&after)?])?;
        if changed != 1 {
            let message = format!("grant `{}` is not what its record says", before.id);
            return Err(StoreError::Inconsistent(message).into());
        }
        self.tell_grant(&after, what, by, why, at_ms)?;
        self.changes.grants.push(Arc::new(after));
        Ok(())
    }

    fn load(&self, id: &str) -> Result<Option<Approval>, Failed> {
        Ok(approval(self.tx, id)?.map(|stored| stored.approval))
    }

    fn load_grant(&self, id: &str) -> Result<Option<Grant>, Failed> {
        let json: Option<String> = self
            .tx
            .prepare_cached("SELECT record FROM grants WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        Ok(json.map(|json| from_json(&json)).transpose()?)
    }
}

/// All that is live: what memory starts with.
pub(super) fn live(conn: &Connection) -> Result<Changes, StoreError> {
    let mut changes = Changes::default();
    let mut statement = conn.prepare("SELECT record FROM approvals WHERE live = 1 ORDER BY seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        changes.approvals.push(Arc::new(from_json(&row.get::<_, String>(0)?)?));
    }
    let mut statement = conn.prepare("SELECT record FROM grants WHERE live = 1 ORDER BY seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        changes.grants.push(Arc::new(from_json(&row.get::<_, String>(0)?)?));
    }
    Ok(changes)
}

pub(super) fn approval(conn: &Connection, id: &str) -> Result<Option<StoredApproval>, StoreError> {
    let found = conn
        .prepare_cached("SELECT seq, record FROM approvals WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    found.map(|(seq, json)| stored(seq, &json)).transpose()
}

pub(super) fn approvals(conn: &Connection, query: &ApprovalQuery) -> Result<Vec<StoredApproval>, StoreError> {
    let (mut sql, mut values) = ("SELECT seq, record FROM approvals WHERE 1".to_owned(), Vec::new());
    let mut and = |condition: &str, value: Value| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(state) = query.state {
        and("state = ?", state.as_str().to_owned().into());
    }
    if let Some(principal) = &query.principal {
        and("principal = ?", principal.clone().into());
    }
    if let Some(rule) = &query.rule {
        and("rule = ?", rule.clone().into());
    }
    if let Some(after) = query.after {
        and(if query.ascending { "seq > ?" } else { "seq < ?" }, Value::Integer(signed(after)));
    }
    values.push(Value::Integer(i64::from(query.limit)));
    let direction = if query.ascending { "ASC" } else { "DESC" };
    sql.push_str(&format!(" ORDER BY seq {direction} LIMIT ?"));
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(stored(row.get(0)?, &row.get::<_, String>(1)?)?);
    }
    Ok(found)
}

fn stored(seq: i64, json: &str) -> Result<StoredApproval, StoreError> {
    Ok(StoredApproval { seq: u64::try_from(seq).unwrap_or(0), approval: from_json(json)? })
}

pub(super) fn grants(conn: &Connection, limit: u32) -> Result<Vec<Grant>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT record FROM grants ORDER BY seq DESC LIMIT ?1")?;
    let mut rows = statement.query([limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_json(&row.get::<_, String>(0)?)?);
    }
    Ok(found)
}
