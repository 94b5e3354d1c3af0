//! The file `checkpoint` beside the database: the newest checkpoint, as of a second ago. It shows when the database was put
//! back to what it was before: the log is then shorter than what was signed, or another one.

use super::tree;
use crate::storage::{Head, OpenError};
use portcullis_audit::log::{Checkpoint, NoteError, SignedNote, VerifyingKey};
use rusqlite::Connection;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::watch;

/// How often the file is written, at most.
const EVERY: Duration = Duration::from_secs(1);

fn file(directory: &Path) -> PathBuf {
    directory.join("checkpoint")
}

/// The text of the file; `None` where there is none.
pub(super) fn read(directory: &Path) -> Result<Option<String>, OpenError> {
    let path = file(directory);
    match std::fs::read_to_string(&path) {
        Ok(note) => Ok(Some(note)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) if source.kind() == ErrorKind::InvalidData => {
            Err(damaged(directory, "the file `checkpoint` is not text".to_owned()))
        }
        Err(source) => Err(OpenError::Io { path, source }),
    }
}

/// Records that a checkpoint covers; `None` where it is none.
pub(super) fn size(text: &str) -> Option<u64> {
    let note = SignedNote::parse(text).ok()?;
    Checkpoint::parse(&note.text).ok().map(|checkpoint| checkpoint.size)
}

fn damaged(directory: &Path, why: String) -> OpenError {
    OpenError::LogDamaged { path: directory.to_owned(), why }
}

/// The log is no older than the file, and goes on from it.
pub(super) fn check(
    conn: &Connection,
    directory: &Path,
    head: &Head,
    keys: &[VerifyingKey],
) -> Result<(), OpenError> {
    let Some(text) = read(directory)? else {
        if head.size > 0 {
            tracing::warn!(
                directory = %directory.display(),
                "there is no file `checkpoint`: whether the database was put back to an earlier state cannot be told"
            );
        }
        return Ok(());
    };
    let bad = |error: NoteError| {
        damaged(directory, format!("the file `checkpoint` is not what was written: {error}"))
    };
    let note = SignedNote::parse(&text).map_err(bad)?;
    let seen = Checkpoint::parse(&note.text).map_err(bad)?;
    match note.verify(keys) {
        // A key that the database does not know yet: one of a later time, or of another log.
        Ok(_) | Err(NoteError::Unsigned) => {}
        Err(error) => return Err(bad(error)),
    }
    let origin = keys.last().map(VerifyingKey::name).unwrap_or_default();
    if seen.size > head.size && seen.origin == origin {
        let (path, found, signed) = (directory.to_owned(), head.size, seen.size);
        return Err(OpenError::RolledBack { path, found, signed });
    }
    let forked =
        || OpenError::Forked { path: directory.to_owned(), size: seen.size, origin: seen.origin.clone() };
    if seen.origin != origin || note.verify(keys).is_err() {
        return Err(forked());
    }
    let root = tree::frontier(conn, seen.size).map_err(|error| damaged(directory, error.to_string()))?.root();
    if root == seen.root { Ok(()) } else { Err(forked()) }
}

/// Writes the file, so that it is the old one or the new one, whenever the power fails.
pub(super) fn write(directory: &Path, note: &str) -> std::io::Result<()> {
    let (path, fresh) = (file(directory), directory.join("checkpoint.new"));
    let mut out = std::fs::File::create(&fresh)?;
    out.write_all(note.as_bytes())?;
    out.sync_all()?;
    std::fs::rename(&fresh, &path)?;
    super::keys::sync_directory(&path)
}

/// The thread that writes the file, about once a second while the log grows, and once more at the end.
#[derive(Debug)]
pub(in super::super) struct Guard {
    stop: Option<SyncSender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Guard {
    pub(in super::super) fn start(
        directory: PathBuf,
        head: watch::Receiver<Arc<Head>>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel::<()>(1);
        let thread = std::thread::Builder::new().name("store-head".to_owned()).spawn(move || {
            let (mut written, mut troubled) = (None, false);
            loop {
                let last =
                    matches!(stopped.recv_timeout(EVERY), Err(RecvTimeoutError::Disconnected) | Ok(()));
                let newest = Arc::clone(&head.borrow());
                if written.as_ref() != Some(&newest.size) {
                    match write(&directory, &newest.note) {
                        Ok(()) => (written, troubled) = (Some(newest.size), false),
                        Err(error) => {
                            if !troubled {
                                tracing::warn!(%error, "cannot write the file `checkpoint`; will try again");
                            }
                            troubled = true;
                        }
                    }
                }
                if last {
                    return;
                }
            }
        })?;
        Ok(Guard { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
