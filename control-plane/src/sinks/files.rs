//! The second sink's files: JSON Lines, appended and synced, a new one when one is large enough.
//!
//! `records-<index of the first line, 12 digits>.jsonl`, each line an export line of the log. A line that was cut by a crash is
//! no line: it is cut off before the next one is written, and comes again from the log.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const PREFIX: &str = "records-";
const SUFFIX: &str = ".jsonl";
/// How much of the end of a file is read to find its last line.
const TAIL: u64 = 4 * 1024 * 1024;

/// The newest file, open at its end.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    rotate_bytes: u64,
    /// The file, and its length.
    open: Option<(File, u64)>,
    /// The index of the line that comes next.
    next: u64,
    /// The last line.
    last: Option<String>,
}

impl Files {
    /// Opens the directory, makes it when absent, and finds out how far it has come.
    pub(super) fn open(directory: &Path, rotate_bytes: u64) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut files =
            Files { directory: directory.to_owned(), rotate_bytes, open: None, next: 0, last: None };
        let Some(first) = files.newest()? else { return Ok(files) };
        let path = files.path(first);
        let mut file = OpenOptions::new().read(true).append(true).open(&path)?;
        let length = file.metadata()?.len();
        let (whole, last) = whole_lines(&mut file, length)?;
        if whole < length {
            file.set_len(whole)?;
            file.sync_all()?;
        }
        files.next = match &last {
            Some(line) => index_of(line).ok_or_else(|| broken(&path, "its last line has no index"))? + 1,
            None => first,
        };
        files.open = Some((file, whole));
        files.last = last;
        Ok(files)
    }

    /// The index of the line that comes next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The last line, without its end.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Appends whole lines, the first of that index, and makes them durable.
    pub(super) fn append(&mut self, first: u64, lines: &str) -> io::Result<()> {
        if first != self.next {
            let what = format!("record {first} was to follow, and {} is next", self.next);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let full = self.open.as_ref().is_none_or(|(_, length)| *length >= self.rotate_bytes);
        if full {
            let path = self.path(first);
            let file = OpenOptions::new().append(true).create(true).open(&path)?;
            // The name must be there after a power cut as well.
            File::open(&self.directory)?.sync_all()?;
            let length = file.metadata()?.len();
            if length > 0 {
                return Err(broken(&path, "it was there already and is not empty"));
            }
            self.open = Some((file, 0));
        }
        let Some((file, length)) = &mut self.open else {
            return Err(broken(&self.directory, "no file is open"));
        };
        file.write_all(lines.as_bytes())?;
        file.sync_data()?;
        *length += lines.len() as u64;
        self.next += lines.matches('\n').count() as u64;
        self.last = lines.lines().next_back().map(str::to_owned);
        Ok(())
    }

    fn path(&self, first: u64) -> PathBuf {
        self.directory.join(format!("{PREFIX}{first:012}{SUFFIX}"))
    }

    /// The first index of the newest file.
    fn newest(&self) -> io::Result<Option<u64>> {
        let mut newest = None;
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
            newest = newest.max(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
        Ok(newest)
    }
}

fn broken(path: &Path, what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("`{}`: {what}; move it away to begin it anew", path.display()),
    )
}

/// How much of a file is whole lines, and the last of them.
fn whole_lines(file: &mut File, length: u64) -> io::Result<(u64, Option<String>)> {
    let from = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = BufReader::new(file.take(length - from));
    let (mut whole, mut last, mut line) = (0, None, Vec::new());
    let mut at = from;
    loop {
        line.clear();
        let read = tail.read_until(b'\n', &mut line)? as u64;
        at += read;
        if line.last() != Some(&b'\n') {
            break;
        }
        whole = at;
        line.pop();
        last = Some(String::from_utf8_lossy(&line).into_owned());
    }
    if last.is_none() && from > 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the end of the newest file has no line end"));
    }
    Ok((whole, last))
}

/// The index in an export line.
pub(super) fn index_of(line: &str) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Line {
        index: u64,
    }
    serde_json::from_str::<Line>(line).ok().map(|line| line.index)
}
