//! The names in an archive: clean, each once, on every file system.

use crate::bundle::load::is_dropping;
use portcullis_policy::SourceFile;
use std::collections::HashMap;

/// Longest path taken, in bytes.
const MAX_PATH: usize = 1_024;

/// The names seen so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By what a file system that ignores case makes of them: as written, and whether it is a directory.
    seen: HashMap<String, (String, bool)>,
}

impl Names {
    /// Takes an entry's name; `None` for what is no file of the bundle: a directory, a hidden file.
    ///
    /// # Errors
    /// The name, fit to be shown, and what is wrong with it.
    pub(super) fn add(
        &mut self,
        written: &[u8],
        directory: bool,
    ) -> Result<Option<String>, (String, String)> {
        let clean = clean(written).map_err(|why| (shown(written), why))?;
        if !directory && written.ends_with(b"/") {
            return Err((clean, "a file whose name ends in `/`".to_owned()));
        }
        if clean.is_empty() || clean.split('/').any(is_dropping) {
            return Ok(None);
        }
        let mut end = 0;
        for part in clean.split('/') {
            end += part.len();
            let whole = end == clean.len();
            let prefix = clean.get(..end).unwrap_or(&clean);
            self.claim(prefix, directory || !whole, whole).map_err(|why| (clean.clone(), why))?;
            end += 1;
        }
        Ok((!directory).then_some(clean))
    }

    fn claim(&mut self, path: &str, directory: bool, whole: bool) -> Result<(), String> {
        let key = path.to_lowercase();
        let Some((before, was_directory)) = self.seen.get(&key) else {
            self.seen.insert(key, (path.to_owned(), directory));
            return Ok(());
        };
        if before != path {
            return Err(format!("`{path}` and `{before}` are one name where case is ignored; rename one"));
        }
        match (directory, was_directory) {
            (true, true) => Ok(()),
            (false, false) if whole => Err("the archive has this file twice".to_owned()),
            _ => Err(format!("`{path}` is a file and a directory in this archive")),
        }
    }
}

/// A name that may be anything, fit for a line of text.
fn shown(written: &[u8]) -> String {
    let text = String::from_utf8_lossy(written);
    let plain = |c: char| if c.is_control() { c.escape_default().collect() } else { c.to_string() };
    text.chars().take(MAX_PATH).map(plain).collect()
}

/// A relative path without detours; the empty one is the top.
fn clean(written: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(written).map_err(|_| "the name is not UTF-8".to_owned())?;
    if text.len() > MAX_PATH {
        return Err(format!("the path has more than {MAX_PATH} bytes"));
    }
    if text.starts_with('/') {
        return Err("an absolute path; pack the bundle from within its directory".to_owned());
    }
    if text.contains('\\') || text.chars().any(char::is_control) {
        return Err("a backslash or a control character in the name".to_owned());
    }
    let text = text.strip_suffix('/').unwrap_or(text);
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "." => {}
            ".." => return Err("a path with `..`; pack the bundle from within its directory".to_owned()),
            "" if text.is_empty() => {}
            "" => return Err("a path with an empty part".to_owned()),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Takes the directory off that everything is in, when the bundle is in there.
pub(super) fn strip_top(files: &mut [SourceFile]) {
    let Some(top) =
        files.first().and_then(|file| file.path.split_once('/')).map(|(top, _)| format!("{top}/"))
    else {
        return;
    };
    let manifest = format!("{top}bundle.yaml");
    let inside = files.iter().all(|file| file.path.starts_with(&top));
    if inside && files.iter().any(|file| file.path == manifest) {
        for file in files {
            if let Some(path) = file.path.strip_prefix(&top) {
                file.path = path.to_owned();
            }
        }
    }
}
