//! `extends` between rule files: which file stands on which.

use crate::source::node::{Node, Value};
use crate::source::read::{Located, Reader, did_you_mean};
use crate::source::report::{Pos, Report};

/// What a rule file says of itself.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) path: String,
    name: Option<String>,
    extends: Option<Located>,
    /// The file that it extends, by number.
    base: Option<usize>,
}

impl Header {
    /// Looks at a file's top level; what is wrong there is found when the file is read.
    pub(crate) fn of(path: &str, root: &Node) -> Self {
        let text = |key: &str| match &root.entry(key)?.value {
            Value::Scalar { text, .. } => Some(Located { text: text.clone(), at: root.entry(key)?.at }),
            Value::List(_) | Value::Map(_) => None,
        };
        Self {
            path: path.to_owned(),
            name: text("name").map(|name| name.text),
            extends: text("extends"),
            base: None,
        }
    }

    fn is_named(&self, name: &str) -> bool {
        let path = self.path.strip_prefix("rules/").unwrap_or(&self.path);
        self.name.as_deref() == Some(name) || self.path == name || path == name
    }
}

/// Finds the file that each extends. Unknown ones and cycles are errors.
pub(crate) fn resolve(headers: &mut [Header], report: &mut Report) {
    let mut circles = false;
    for number in 0..headers.len() {
        let Some((path, extends)) =
            headers.get(number).and_then(|header| Some((header.path.clone(), header.extends.clone()?)))
        else {
            continue;
        };
        let base = headers.iter().position(|header| header.is_named(&extends.text));
        if base.is_none() {
            let names = headers.iter().filter_map(|header| header.name.as_deref());
            let paths = headers.iter().map(|header| header.path.as_str());
            let hint = did_you_mean(&extends.text, names.chain(paths));
            let hint = if hint.is_empty() {
                format!(
                    "; packs are not built in: put its file into `rules/` and give it `name: \"{}\"`",
                    extends.text
                )
            } else {
                hint
            };
            let message = format!("no rule file of this bundle is named `{}`{hint}", extends.text);
            Reader { path: &path, report }.error(extends.at, message);
        }
        if let Some(header) = headers.get_mut(number) {
            header.base = base;
        }
    }
    for number in 0..headers.len() {
        if let Some(chain) = cycle(headers, number) {
            let shown: Vec<_> = chain.iter().map(|path| format!("`{path}`")).collect();
            let (path, at) = headers.get(number).map_or((String::new(), Pos::START), |header| {
                (header.path.clone(), header.extends.as_ref().map_or(Pos::START, |extends| extends.at))
            });
            let message = format!("`extends` goes round in a circle: {}", shown.join(" extends "));
            report.error(&path, at, message);
            circles = true;
        }
    }
    if circles {
        // What stands on what is not to be followed round a circle.
        headers.iter_mut().for_each(|header| header.base = None);
    }
}

/// The paths from a file back to itself; only for the first file of the circle.
fn cycle(headers: &[Header], start: usize) -> Option<Vec<String>> {
    let path = |number: usize| headers.get(number).map(|header| header.path.clone());
    let mut chain = vec![path(start)?];
    let mut at = start;
    loop {
        at = headers.get(at)?.base?;
        chain.push(path(at)?);
        if at == start {
            return Some(chain);
        }
        // A smaller number tells of this circle, or the circle does not go through `start`.
        if at < start || chain.len() > headers.len() {
            return None;
        }
    }
}

/// The file stands on the other, at any distance.
pub(crate) fn stands_on(headers: &[Header], file: usize, other: usize) -> bool {
    let mut at = file;
    while let Some(base) = headers.get(at).and_then(|header| header.base) {
        if base == other {
            return true;
        }
        at = base;
    }
    false
}
