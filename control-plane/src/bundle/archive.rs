//! A `.tar` or `.tar.gz` to a bundle's files, and back.
//!
//! Nothing is ever written to a disk, so a path in an archive can lead nowhere; it can only make two readers of the same
//! archive see different policies. What could do that (a file twice, names that differ in case alone, a link, an archive
//! that is cut, bytes behind its end) is refused.

mod names;
#[cfg(test)]
mod tests;

use super::load::refused;
use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use names::Names;
use portcullis_policy::{LoadError, MAX_BUNDLE_BYTES, MAX_FILE_BYTES, MAX_FILES, SourceFile, too_large};
use std::io::{self, Cursor, Read, Write};
use tar::{Archive, Entry, EntryType};

/// Largest archive taken, in bytes: a bundle of the largest size with a header and padding for each file.
pub const MAX_ARCHIVE_BYTES: u64 = MAX_BUNDLE_BYTES + 8 * 1024 * 1024;
/// Entries looked at, directories and what is left out included.
const MAX_ENTRIES: usize = 4 * MAX_FILES;
/// Unpacked bytes per packed byte. Rules that a program wrote reach 60; deflate's own limit is about 1,000.
const MAX_RATIO: u64 = 200;
/// Below this many unpacked bytes the ratio does not matter.
const HARMLESS_BYTES: u64 = 1024 * 1024;
const BLOCK: usize = 512;

/// Reads the files of an archive, in the order of their paths. A single directory around everything is taken off;
/// hidden files and what editors drop are left out, as when a directory is loaded. `name` stands for the archive in
/// errors.
///
/// # Errors
/// What is wrong with the archive or a file in it, see the module's description. Never more than
/// [`MAX_ARCHIVE_BYTES`] are unpacked.
pub fn unpack(archive: &[u8], name: &str) -> Result<Vec<SourceFile>, LoadError> {
    let bad = |message: String| refused(name, message);
    let unpacked;
    let tar = match archive {
        [] => return Err(bad("the archive is empty".to_owned())),
        [0x1f, 0x8b, ..] => {
            unpacked = gunzip(archive).map_err(bad)?;
            &unpacked
        }
        [b'P', b'K', ..] => return Err(bad("a zip archive; pack the bundle with tar instead".to_owned())),
        _ => archive,
    };
    if tar.len() as u64 > MAX_ARCHIVE_BYTES {
        return Err(bad(format!("the archive has more than {MAX_ARCHIVE_BYTES} bytes")));
    }
    read_tar(tar, name)
}

/// Unpacks at most as much as so many packed bytes may become.
fn gunzip(archive: &[u8]) -> Result<Vec<u8>, String> {
    let ratio = (archive.len() as u64).saturating_mul(MAX_RATIO).max(HARMLESS_BYTES);
    let most = ratio.min(MAX_ARCHIVE_BYTES);
    let mut rest = archive;
    let mut unpacked = Vec::new();
    let mut decoder = GzDecoder::new(&mut rest).take(most + 1);
    decoder.read_to_end(&mut unpacked).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "the gzip data ends before its end; was the archive cut?".to_owned(),
        _ => format!("the gzip data is broken: {error}"),
    })?;
    if unpacked.len() as u64 > most {
        return Err(if most < MAX_ARCHIVE_BYTES {
            format!("the archive unpacks to more than {MAX_RATIO} times its size; a bundle does not")
        } else {
            format!("the archive unpacks to more than {MAX_ARCHIVE_BYTES} bytes")
        });
    }
    if rest.is_empty() {
        Ok(unpacked)
    } else {
        Err(format!("{} bytes follow the end of the gzip data", rest.len()))
    }
}

fn read_tar(tar: &[u8], name: &str) -> Result<Vec<SourceFile>, LoadError> {
    let broken = |error: io::Error| refused(name, format!("not a whole tar archive: {error}"));
    let mut archive = Archive::new(Cursor::new(tar));
    let mut names = Names::default();
    let mut files = Vec::new();
    let mut total = 0_u64;
    for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
        if count >= MAX_ENTRIES {
            return Err(refused(name, format!("the archive has more than {MAX_ENTRIES} entries")));
        }
        let mut entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            global_header(&mut entry, name)?;
            continue;
        }
        let written = entry.path_bytes().into_owned();
        if let Some(why) = ambiguous(&mut entry) {
            return Err(refused(&String::from_utf8_lossy(&written).escape_debug().to_string(), why));
        }
        let Some(path) = names.add(&written, kind.is_dir()).map_err(|(path, why)| refused(&path, why))?
        else {
            continue;
        };
        let is_file = matches!(kind, EntryType::Regular | EntryType::Continuous);
        if !is_file {
            return Err(refused(&path, format!("{}; archives may hold files only", what(kind))));
        }
        if entry.size() > MAX_FILE_BYTES {
            return Err(refused(&path, too_large(entry.size())));
        }
        total = total.saturating_add(entry.size());
        if total > MAX_BUNDLE_BYTES {
            let message = format!("with this file the bundle has more than {MAX_BUNDLE_BYTES} bytes");
            return Err(refused(&path, message));
        }
        if files.len() >= MAX_FILES {
            return Err(refused(&path, format!("the bundle has more than {MAX_FILES} files")));
        }
        let mut bytes = Vec::new();
        let read = entry.read_to_end(&mut bytes).map_err(broken)?;
        if read as u64 != entry.size() {
            return Err(refused(&path, "the archive ends within this file; was it cut?"));
        }
        files.push(SourceFile { path, bytes });
    }
    let end = usize::try_from(archive.into_inner().position()).unwrap_or(usize::MAX);
    check_end(tar, end).map_err(|message| refused(name, message))?;
    names::strip_top(&mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// An archive ends with two blocks of zeros, of which the reader has taken the first, and then with nothing but zeros.
/// One that was cut between two files would otherwise be a bundle that lacks some rules.
fn check_end(tar: &[u8], end: usize) -> Result<(), String> {
    let marker = end.checked_sub(BLOCK).and_then(|start| tar.get(start..end));
    let rest = tar.get(end..).unwrap_or_default();
    if marker.is_none_or(|marker| marker.iter().any(|byte| *byte != 0)) || rest.len() < BLOCK {
        return Err("the tar archive has no end mark; was it cut?".to_owned());
    }
    match rest.iter().position(|byte| *byte != 0) {
        Some(_) => Err("something follows the end mark of the tar archive".to_owned()),
        None => Ok(()),
    }
}

/// Why readers take this entry for different things.
fn ambiguous(entry: &mut Entry<'_, Cursor<&[u8]>>) -> Option<&'static str> {
    // Some skip the bytes of a directory, others go on reading headers there.
    if entry.header().entry_type().is_dir() && entry.size() > 0 {
        return Some("a directory with content; pack the bundle with another tar");
    }
    let Ok(extensions) = entry.pax_extensions() else {
        return Some("an extended header that cannot be read");
    };
    for extension in extensions.into_iter().flatten() {
        match extension {
            Ok(extension) if extension.key_bytes().starts_with(b"GNU.sparse.") => {
                return Some("a sparse file (pack without `-S`)");
            }
            Ok(_) => {}
            Err(_) => return Some("an extended header that cannot be read"),
        }
    }
    None
}

/// `git archive` writes a comment for the whole archive. Anything else would change files in some readers' eyes only.
fn global_header(entry: &mut Entry<'_, Cursor<&[u8]>>, name: &str) -> Result<(), LoadError> {
    let bad = |message: &str| refused(name, message);
    let unreadable = "the archive has a global header that cannot be read";
    let extensions = entry.pax_extensions().map_err(|_| bad(unreadable))?;
    for extension in extensions.into_iter().flatten() {
        let extension = extension.map_err(|_| bad(unreadable))?;
        if extension.key_bytes() != b"comment" {
            return Err(bad(
                "the archive has a global header with more than a comment; pack it with another tar",
            ));
        }
    }
    Ok(())
}

fn what(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "a symbolic link (`tar -h` packs the file instead)",
        EntryType::Link => "a hard link (`tar --hard-dereference` packs the file instead)",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a named pipe",
        EntryType::GNUSparse => "a sparse file (pack without `-S`)",
        _ => "an entry of an unknown type",
    }
}

/// Packs files as `.tar.gz`. The same files give the same bytes.
///
/// # Errors
/// A path that does not fit a tar header in any way.
pub fn pack(files: &[SourceFile]) -> io::Result<Vec<u8>> {
    let mut sorted: Vec<&SourceFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut builder = tar::Builder::new(GzBuilder::new().mtime(0).write(Vec::new(), Compression::default()));
    for file in sorted {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, &file.path, file.bytes.as_slice())?;
    }
    let mut encoder = builder.into_inner()?;
    encoder.flush()?;
    encoder.finish()
}
