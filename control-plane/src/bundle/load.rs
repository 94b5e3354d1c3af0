//! A directory, or an archive of one, to a bundle's files: all of them, as they were at one moment.

use super::archive::{MAX_ARCHIVE_BYTES, unpack};
use portcullis_policy::{
    Diagnostic, LoadError, MAX_BUNDLE_BYTES, MAX_FILE_BYTES, MAX_FILES, Severity, SourceFile, too_large,
};
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Directories within directories.
const MAX_DEPTH: usize = 16;
/// Readings of a directory that changes meanwhile.
const ATTEMPTS: usize = 5;
/// A file changed less than this ago may change again without its time showing it.
const RACY: Duration = Duration::from_secs(2);

/// Reads a bundle's files, in the order of their paths, from its directory or from a `.tar` or `.tar.gz` of it (see
/// [`crate::bundle::unpack`]). Left out: names that start with `.` (version control, and the
/// machinery of Kubernetes volumes), and what editors drop (`x~`, `#x#`, `4913`). Symbolic links are followed while
/// they stay inside the directory, as in Kubernetes' `rules -> ..data/rules`, `..data -> ..2026_11_21`.
///
/// # Errors
/// What cannot be read, leaves the directory, is no regular file, is too large, or changes all the time. A file over the
/// limit is not read.
pub fn load_directory(directory: &Path) -> Result<Vec<SourceFile>, LoadError> {
    load(directory).map(|(files, _)| files)
}

/// The same, with the state of the directory that the files were read in.
pub(super) fn load(directory: &Path) -> Result<(Vec<SourceFile>, Snapshot), LoadError> {
    let mut before = snapshot(directory)?;
    for _ in 0..ATTEMPTS {
        let read = if before.archive { read_archive(directory, &before) } else { read_files(&before) };
        let after = snapshot(directory)?;
        if after.files == before.files {
            return read.map(|files| (files, after));
        }
        before = after;
    }
    Err(refused(
        "bundle.yaml",
        "the directory changes all the time; replace files by renaming them into place",
    ))
}

/// What stands in a directory, without contents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot {
    /// There is one file, and it is an archive of the bundle.
    archive: bool,
    files: BTreeMap<String, Found>,
    root: Option<Identity>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// Where it is, links followed.
    real: PathBuf,
    bytes: u64,
    identity: Identity,
}

/// Changes whenever a file or directory is replaced or written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: (u64, u64),
    #[cfg(unix)]
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Self {
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: (metadata.dev(), metadata.ino()),
            #[cfg(unix)]
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Identity {
    /// Only which one it is, not what is in it: an archive's neighbours come and go.
    fn place(self) -> Self {
        Self {
            modified: None,
            #[cfg(unix)]
            changed: (0, 0),
            ..self
        }
    }
}

impl Snapshot {
    /// Some file is so young that a change of it might not show.
    pub(super) fn is_racy(&self, now: SystemTime) -> bool {
        let young = |found: &Found| {
            found.identity.modified.is_none_or(|time| now.duration_since(time).is_ok_and(|age| age < RACY))
        };
        self.files.values().any(young)
    }

    /// The directory itself is another one: whatever watched the old one must move.
    #[cfg(unix)]
    pub(super) fn other_root(&self, other: &Self) -> bool {
        self.root.as_ref().map(|root| root.inode) != other.root.as_ref().map(|root| root.inode)
    }

    #[cfg(not(unix))]
    pub(super) fn other_root(&self, other: &Self) -> bool {
        self.root != other.root
    }
}

/// Looks at every file of a directory without reading any.
pub(super) fn snapshot(directory: &Path) -> Result<Snapshot, LoadError> {
    let cannot =
        |error: io::Error| refused("bundle.yaml", format!("cannot read `{}`: {error}", directory.display()));
    let root = directory.canonicalize().map_err(cannot)?;
    let metadata = fs::metadata(&root).map_err(cannot)?;
    if metadata.is_file() {
        return Ok(archive_snapshot(directory, root, &metadata));
    }
    let mut walk = Walk { root: &root, files: BTreeMap::new(), total: 0 };
    walk.directory(&root, "", 0)?;
    Ok(Snapshot { archive: false, files: walk.files, root: Some(Identity::of(&metadata)) })
}

fn archive_snapshot(path: &Path, real: PathBuf, metadata: &Metadata) -> Snapshot {
    let identity = Identity::of(metadata);
    // What a notifier watches is the directory that the archive is in.
    let around =
        path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let root =
        around.and_then(|parent| fs::metadata(parent).ok()).map(|parent| Identity::of(&parent).place());
    let found = Found { real, bytes: metadata.len(), identity };
    Snapshot { archive: true, files: BTreeMap::from([(name_of(path), found)]), root }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

struct Walk<'r> {
    root: &'r Path,
    files: BTreeMap<String, Found>,
    total: u64,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, prefix: &str, depth: usize) -> Result<(), LoadError> {
        let here = if prefix.is_empty() { "bundle.yaml" } else { prefix };
        if depth > MAX_DEPTH {
            return Err(refused(
                here,
                format!("more than {MAX_DEPTH} directories deep, or a link to itself"),
            ));
        }
        for entry in fs::read_dir(directory).map_err(|error| cannot_read(here, &error))? {
            let entry = entry.map_err(|error| cannot_read(here, &error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(refused(here, format!("the file name {name:?} is not UTF-8")));
            };
            if !is_dropping(name) {
                let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
                self.entry(&entry.path(), path, depth)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, place: &Path, path: String, depth: usize) -> Result<(), LoadError> {
        let real = match place.canonicalize() {
            Ok(real) => real,
            // Deleted while we looked; a link that leads nowhere is no such thing.
            Err(error) if error.kind() == io::ErrorKind::NotFound && place.symlink_metadata().is_err() => {
                return Ok(());
            }
            Err(error) => return Err(cannot_read(&path, &error)),
        };
        if !real.starts_with(self.root) {
            return Err(refused(&path, "a symbolic link that leaves the bundle; copy the file instead"));
        }
        let metadata = match fs::metadata(&real) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(cannot_read(&path, &error)),
        };
        if metadata.is_dir() {
            return self.directory(&real, &path, depth + 1);
        }
        if !metadata.is_file() {
            return Err(refused(&path, "not a regular file"));
        }
        self.total = self.total.saturating_add(metadata.len());
        if metadata.len() > MAX_FILE_BYTES {
            return Err(refused(&path, too_large(metadata.len())));
        }
        if self.total > MAX_BUNDLE_BYTES {
            return Err(refused(
                &path,
                format!("with this file the bundle has more than {MAX_BUNDLE_BYTES} bytes"),
            ));
        }
        if self.files.len() >= MAX_FILES {
            return Err(refused(&path, format!("the bundle has more than {MAX_FILES} files")));
        }
        let found = Found { real, bytes: metadata.len(), identity: Identity::of(&metadata) };
        self.files.insert(path, found);
        Ok(())
    }
}

fn read_files(snapshot: &Snapshot) -> Result<Vec<SourceFile>, LoadError> {
    snapshot.files.iter().map(|(path, found)| read_file(path, found)).collect()
}

fn read_archive(path: &Path, snapshot: &Snapshot) -> Result<Vec<SourceFile>, LoadError> {
    let name = name_of(path);
    let mut bytes = Vec::new();
    for found in snapshot.files.values() {
        File::open(&found.real)
            .and_then(|file| file.take(MAX_ARCHIVE_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| cannot_read(&name, &error))?;
    }
    if bytes.len() as u64 > MAX_ARCHIVE_BYTES {
        return Err(refused(&name, format!("the archive has more than {MAX_ARCHIVE_BYTES} bytes")));
    }
    unpack(&bytes, &name)
}

/// Whoever grows the file after it was looked at gets no more than the limit read.
fn read_file(path: &str, found: &Found) -> Result<SourceFile, LoadError> {
    let mut bytes = Vec::with_capacity(usize::try_from(found.bytes).unwrap_or(0));
    File::open(&found.real)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| cannot_read(path, &error))?;
    Ok(SourceFile { path: path.to_owned(), bytes })
}

/// Hidden files, and what editors leave lying about: backups, locks, vim's test for a writable directory.
pub(super) fn is_dropping(name: &str) -> bool {
    name.starts_with('.')
        || name.ends_with('~')
        || (name.starts_with('#') && name.ends_with('#'))
        || name.ends_with(".swp")
        || name.ends_with(".tmp")
        || name == "4913"
}

fn cannot_read(path: &str, error: &io::Error) -> LoadError {
    refused(path, format!("cannot be read: {error}"))
}

pub(crate) fn refused(path: &str, message: impl Into<String>) -> LoadError {
    let diagnostic = Diagnostic {
        severity: Severity::Error,
        path: path.to_owned(),
        line: 1,
        column: 1,
        message: message.into(),
    };
    LoadError { diagnostics: vec![diagnostic] }
}
