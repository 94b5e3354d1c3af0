//! What the store does for retention.

use super::super::SqliteStore;
use super::prune;
use crate::storage::{Event, Holds, Keeping, LinkKey, Logged, Pending, Prune, Release, StoredHold};
use portcullis_audit::log::RecordKind;
use std::collections::BTreeSet;

impl Keeping for SqliteStore {
    fn holds(&self) -> Pending<'_, Holds> {
        self.read(prune::holds)
    }

    fn place_hold(&self, hold: StoredHold, event: Event) -> Pending<'_, bool> {
        self.write(move |tx| prune::place(tx, &hold, &event))
    }

    fn release_hold(&self, name: String, actor: String, why: String, event: Event) -> Pending<'_, Release> {
        self.write(move |tx| prune::release(tx, &name, &actor, &why, &event))
    }

    fn first_at(&self, time_ms: u64) -> Pending<'_, u64> {
        self.read(move |conn| prune::first_at(conn, time_ms))
    }

    fn prunable(
        &self,
        kinds: BTreeSet<RecordKind>,
        from: u64,
        end: u64,
        limit: u32,
        max_bytes: usize,
    ) -> Pending<'_, Vec<Logged>> {
        self.read(move |conn| prune::prunable(conn, &kinds, (from, end), limit, max_bytes))
    }

    fn prune(&self, records: Vec<Prune>, version: i64) -> Pending<'_, Option<u64>> {
        self.write(move |tx| prune::prune(tx, &records, version))
    }

    fn prune_links(&self, after: Option<LinkKey>, limit: u32) -> Pending<'_, Option<LinkKey>> {
        self.write(move |tx| prune::prune_links(tx, after.as_ref(), limit))
    }
}
