//! Followers against a log in memory and receivers that fail, hang and come back.

mod config;
pub(crate) mod files;
mod follow;
pub(crate) mod memory;
mod post;

use super::board::Board;
use super::config::{Export, RawExport};
use super::follow::{Deliver, Follower};
use memory::MemoryLog;
use std::sync::Arc;

/// An export as a configuration says it.
fn export(yaml: &str) -> Export {
    let raw: RawExport = serde_yaml_ng::from_str(yaml).unwrap();
    Export::check(raw, &|name| Some(format!("value-of-{name}-0123456789"))).unwrap()
}

fn follower<L: crate::storage::Log + Send + Sync + ?Sized>(
    log: &Arc<L>,
    board: &Board,
    export: &Export,
    sink: Box<dyn Deliver>,
) -> Follower<L> {
    let export = Arc::new(export.clone());
    let standing = board.add(Arc::clone(&export));
    Follower::new(Arc::clone(log), export, sink, standing).hasty()
}
