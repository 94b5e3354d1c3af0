//! Who signs the log: the key file, and the public keys of all time.

use super::super::statements::signed;
use super::super::writer::Failed;
use crate::storage::{OpenError, StoreError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_audit::log::{SigningKey, VerifyingKey};
use rusqlite::{Connection, params};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where the seed of the key is that signs the log.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum LogKey {
    /// `log.key` in the data directory, made with the store.
    #[default]
    Directory,
    /// That file; it must exist.
    File(PathBuf),
    /// These 32 bytes.
    Seed([u8; 32]),
}

impl LogKey {
    /// The key with that seed: 32 bytes in base64.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_base64(text: &str) -> Result<Self, String> {
        let seed = parse(text)
            .ok_or("it is not 32 bytes in base64; `head -c 32 /dev/urandom | base64` makes them")?;
        Ok(LogKey::Seed(seed))
    }

    /// The key that the environment names, as `portcullis serve` does: for commands that open a store themselves.
    ///
    /// # Errors
    /// When `PORTCULLIS_LOG_KEY` is none.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        match (variable("PORTCULLIS_LOG_KEY"), variable("PORTCULLIS_LOG_KEY_FILE")) {
            (Some(seed), _) => LogKey::from_base64(&seed),
            (None, Some(file)) => Ok(LogKey::File(file.into())),
            (None, None) => Ok(LogKey::Directory),
        }
    }

    /// Its file, if it is in one.
    pub(in super::super) fn file(&self, directory: &Path) -> Option<PathBuf> {
        match self {
            LogKey::Directory => Some(file(directory)),
            LogKey::File(path) => Some(path.clone()),
            LogKey::Seed(_) => None,
        }
    }
}

impl std::fmt::Debug for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LogKey::Directory => f.write_str("Directory"),
            LogKey::File(path) => f.debug_tuple("File").field(path).finish(),
            LogKey::Seed(_) => f.write_str("Seed(..)"),
        }
    }
}

/// The key file of a data directory.
pub(super) fn file(directory: &Path) -> PathBuf {
    directory.join("log.key")
}

/// The key that takes the place of a key file when the rotation to it is on record.
pub(super) fn next_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    name.into()
}

/// The seed, if there is one.
pub(super) fn seed(key: &LogKey, directory: &Path) -> Result<Option<[u8; 32]>, OpenError> {
    match key {
        LogKey::Seed(seed) => Ok(Some(*seed)),
        LogKey::Directory => read(&file(directory)),
        LogKey::File(path) => match read(path)? {
            Some(seed) => Ok(Some(seed)),
            None => Err(problem(
                path,
                "there is no such file; `head -c 32 /dev/urandom | base64` makes one".to_owned(),
            )),
        },
    }
}

/// Reads a key file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<[u8; 32]>, OpenError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenError::Io { path: path.to_owned(), source }),
    };
    parse(&text).map(Some).ok_or_else(|| problem(path, "it does not hold 32 bytes in base64".to_owned()))
}

fn parse(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

/// Writes a key file, for its owner only, durably.
pub(super) fn write(path: &Path, seed: &[u8; 32]) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let mut file = std::fs::File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(io)?;
    writeln!(file, "{}", STANDARD.encode(seed)).and_then(|()| file.sync_all()).map_err(io)?;
    sync_directory(path).map_err(io)
}

/// Puts a key file in the place of another, durably.
pub(super) fn replace(next: &Path, path: &Path) -> Result<(), OpenError> {
    std::fs::rename(next, path)
        .and_then(|()| sync_directory(path))
        .map_err(|source| OpenError::Io { path: next.to_owned(), source })
}

/// Makes a rename or a new file in the directory of `path` durable.
pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(directory) => std::fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// A new seed.
pub(super) fn random_seed() -> Result<[u8; 32], OpenError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| OpenError::LogKey {
        path: PathBuf::new(),
        why: format!("no randomness: {error}"),
    })?;
    Ok(seed)
}

/// The key of that name with that seed.
pub(super) fn signing(origin: &str, seed: &[u8; 32], path: &Path) -> Result<SigningKey, OpenError> {
    SigningKey::new(origin, seed)
        .map_err(|error| problem(path, format!("the log's name `{origin}` does not serve: {error}")))
}

pub(super) fn problem(path: &Path, why: String) -> OpenError {
    OpenError::LogKey { path: path.to_owned(), why }
}

/// The public keys, the newest last.
pub(super) fn known(conn: &Connection) -> Result<Vec<VerifyingKey>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT vkey FROM log_keys ORDER BY seq")?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let vkey: String = row.get(0)?;
        keys.push(vkey.parse().map_err(|error| {
            StoreError::Inconsistent(format!("the public key `{vkey}` of the log cannot be read: {error}"))
        })?);
    }
    Ok(keys)
}

/// Keeps a public key.
pub(super) fn add(conn: &Connection, key: &VerifyingKey, since: u64, at: u64) -> Result<(), Failed> {
    conn.prepare_cached("INSERT INTO log_keys (since, at, vkey) VALUES (?1, ?2, ?3)")?.execute(params![
        signed(since),
        signed(at),
        key.to_string()
    ])?;
    Ok(())
}
