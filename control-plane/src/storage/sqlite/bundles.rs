//! Versions of the bundle: rows and files.

use super::log::Tx;
use super::statements::{put_event, signed};
use super::writer::Failed;
use crate::storage::{BundleAct, BundleChange, BundleVersion, PinChange, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Gives `true` when the version was not there.
pub(super) fn change(tx: &Tx<'_>, change: &BundleChange) -> Result<bool, Failed> {
    let mut new = false;
    if let Some((version, archive)) = &change.version {
        new = put_version(tx, version, archive)?;
    }
    if let Some(event) = change.if_new.as_ref().filter(|_| new) {
        put_event(tx, event)?;
    }
    if let Some(act) = &change.activation {
        put_activation(tx, act)?;
    }
    match &change.pin {
        PinChange::Keep => {}
        PinChange::Set(act) => put_pin(tx, act)?,
        PinChange::Clear => {
            tx.prepare_cached("DELETE FROM bundle_pin")?.execute([])?;
        }
    }
    for event in &change.events {
        put_event(tx, event)?;
    }
    Ok(new)
}

fn put_version(conn: &Connection, version: &BundleVersion, archive: &[u8]) -> Result<bool, Failed> {
    let known: Option<Option<String>> = conn
        .prepare_cached("SELECT signed_by FROM bundle_versions WHERE digest = ?1")?
        .query_row([&version.digest], |row| row.get(0))
        .optional()?;
    match known {
        // The signature is not in the digest: it may have come later.
        Some(signer) if version.signed_by.is_some() && version.signed_by != signer => {
            conn.prepare_cached("UPDATE bundle_versions SET signed_by = ?2, archive = ?3 WHERE digest = ?1")?
                .execute(params![version.digest, version.signed_by, archive])?;
            Ok(false)
        }
        Some(_) => Ok(false),
        None => {
            conn.prepare_cached(
                "INSERT INTO bundle_versions
                     (digest, name, version, rules, source, signed_by, stored_at, actor, why, archive)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                version.digest,
                version.name,
                version.version,
                signed(version.rules),
                version.source,
                version.signed_by,
                signed(version.stored_at_ms),
                version.actor,
                version.why,
                archive
            ])?;
            Ok(true)
        }
    }
}

/// A version that was the last one to become active does not become it again: after a restart, say.
fn put_activation(conn: &Connection, act: &BundleAct) -> Result<(), Failed> {
    conn.prepare_cached(
        "INSERT INTO bundle_activations (digest, at, actor, why)
         SELECT ?1, ?2, ?3, ?4
         WHERE (SELECT digest FROM bundle_activations ORDER BY seq DESC LIMIT 1) IS NOT ?1",
    )?
    .execute(params![act.digest, signed(act.at_ms), act.actor, act.why])?;
    Ok(())
}

fn put_pin(conn: &Connection, act: &BundleAct) -> Result<(), Failed> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO bundle_pin (one, digest, at, actor, why) VALUES (1, ?1, ?2, ?3, ?4)",
    )?
    .execute(params![act.digest, signed(act.at_ms), act.actor, act.why])?;
    Ok(())
}

const VERSION: &str =
    "SELECT v.digest, v.name, v.version, v.rules, v.source, v.signed_by, v.stored_at, v.actor, v.why,
        a.at, a.actor, a.why
    FROM bundle_versions v LEFT JOIN bundle_activations a
        ON a.seq = (SELECT max(seq) FROM bundle_activations WHERE digest = v.digest)";

fn version(row: &Row<'_>) -> Result<BundleVersion, rusqlite::Error> {
    let digest: String = row.get(0)?;
    let activated = row.get::<_, Option<i64>>(9)?.map(|at| -> Result<BundleAct, rusqlite::Error> {
        Ok(BundleAct {
            digest: digest.clone(),
            at_ms: at.try_into().unwrap_or(0),
            actor: row.get(10)?,
            why: row.get(11)?,
        })
    });
    Ok(BundleVersion {
        name: row.get(1)?,
        version: row.get(2)?,
        rules: row.get::<_, i64>(3)?.try_into().unwrap_or(0),
        source: row.get(4)?,
        signed_by: row.get(5)?,
        stored_at_ms: row.get::<_, i64>(6)?.try_into().unwrap_or(0),
        actor: row.get(7)?,
        why: row.get(8)?,
        activated: activated.transpose()?,
        digest,
    })
}

/// Newest first. `prefix` is hexadecimal.
pub(super) fn versions(
    conn: &Connection,
    prefix: &str,
    limit: u32,
) -> Result<Vec<BundleVersion>, StoreError> {
    let sql = format!("{VERSION} WHERE substr(v.digest, 1, length(?1)) = ?1 ORDER BY v.seq DESC LIMIT ?2");
    let mut statement = conn.prepare_cached(&sql)?;
    let found = statement.query_map(params![prefix, limit], version)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn with_files(
    conn: &Connection,
    digest: &str,
) -> Result<Option<(BundleVersion, Vec<u8>)>, StoreError> {
    let found = conn
        .prepare_cached(&format!("{VERSION} WHERE v.digest = ?1"))?
        .query_row([digest], version)
        .optional()?;
    let Some(found) = found else { return Ok(None) };
    let archive = conn
        .prepare_cached("SELECT archive FROM bundle_versions WHERE digest = ?1")?
        .query_row([digest], |row| row.get(0))?;
    Ok(Some((found, archive)))
}

pub(super) fn pin(conn: &Connection) -> Result<Option<BundleAct>, StoreError> {
    act(conn, "SELECT digest, at, actor, why FROM bundle_pin", "")
}

/// The newest activation of another version.
pub(super) fn active_before(conn: &Connection, digest: &str) -> Result<Option<BundleAct>, StoreError> {
    let sql =
        "SELECT digest, at, actor, why FROM bundle_activations WHERE digest <> ?1 ORDER BY seq DESC LIMIT 1";
    act(conn, sql, digest)
}

fn act(conn: &Connection, sql: &str, digest: &str) -> Result<Option<BundleAct>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let read = |row: &Row<'_>| -> Result<BundleAct, rusqlite::Error> {
        Ok(BundleAct {
            digest: row.get(0)?,
            at_ms: row.get::<_, i64>(1)?.try_into().unwrap_or(0),
            actor: row.get(2)?,
            why: row.get(3)?,
        })
    };
    let found = if statement.parameter_count() == 0 {
        statement.query_row([], read).optional()?
    } else {
        statement.query_row([digest], read).optional()?
    };
    Ok(found)
}
