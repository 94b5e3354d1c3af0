//! Typed reading of nodes: every mistake becomes a finding with its place, none stops the reading.

use super::node::{Entry, Node, Value};
use super::report::{Pos, Report};
use crate::limits::{MAX_NAME_CHARS, MAX_PROSE_CHARS};
use crate::number::Number;
use std::rc::Rc;

/// A string and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) text: String,
    pub(crate) at: Pos,
}

/// Reads one file's nodes and reports.
pub(crate) struct Reader<'r> {
    pub(crate) path: &'r str,
    pub(crate) report: &'r mut Report,
}

/// A mapping whose keys are known to be allowed.
#[derive(Clone, Copy)]
pub(crate) struct Map<'n> {
    pub(crate) at: Pos,
    entries: &'n [Entry],
}

impl<'n> Map<'n> {
    /// Where a key stands.
    pub(crate) fn key_at(&self, key: &str) -> Option<Pos> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.at)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'n Rc<Node>> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }
}

impl Reader<'_> {
    pub(crate) fn error(&mut self, at: Pos, message: impl Into<String>) {
        self.report.error(self.path, at, message);
    }

    pub(crate) fn warning(&mut self, at: Pos, message: impl Into<String>) {
        self.report.warning(self.path, at, message);
    }

    /// A mapping with no other keys than these; `what` names it in messages.
    pub(crate) fn map<'n>(&mut self, node: &'n Node, what: &str, keys: &[&str]) -> Option<Map<'n>> {
        let Value::Map(entries) = &node.value else {
            self.error(node.at, format!("{what} must be a mapping, but this is {}", describe(node)));
            return None;
        };
        for entry in entries {
            if !keys.contains(&entry.key.as_str()) {
                let hint = did_you_mean(&entry.key, keys.iter().copied());
                self.error(entry.at, format!("unknown key `{}` in {what}{hint}", entry.key));
            }
        }
        Some(Map { at: node.at, entries })
    }

    pub(crate) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Rc<Node>]> {
        match &node.value {
            Value::List(items) => Some(items),
            Value::Scalar { .. } | Value::Map(_) => {
                self.error(node.at, format!("{what} must be a list, but this is {}", describe(node)));
                None
            }
        }
    }

    /// A string; a number that stands for itself (an account id) is taken as written.
    pub(crate) fn text(&mut self, node: &Node, what: &str, max_chars: usize) -> Option<Located> {
        let Value::Scalar { text, plain } = &node.value else {
            self.error(node.at, format!("{what} must be text, but this is {}", describe(node)));
            return None;
        };
        if *plain && (is_null(text) || as_bool(text).is_some()) {
            let got = describe(node);
            self.error(
                node.at,
                format!("{what} must be text, but this is {got}; put it in quotes if it is meant"),
            );
            return None;
        }
        let text = text.trim_end_matches('\n');
        let problem = if text.is_empty() {
            Some("is empty".to_owned())
        } else if text.chars().count() > max_chars {
            Some(format!("is longer than {max_chars} characters"))
        } else if text.chars().any(char::is_control) {
            Some("contains a control character".to_owned())
        } else {
            None
        };
        if let Some(problem) = problem {
            self.error(node.at, format!("{what} {problem}"));
            return None;
        }
        Some(Located { text: text.to_owned(), at: node.at })
    }

    /// One string, or a list of them; never empty.
    pub(crate) fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<Located>> {
        let Value::List(items) = &node.value else {
            return self.text(node, what, MAX_NAME_CHARS).map(|one| vec![one]);
        };
        if items.is_empty() {
            self.error(node.at, format!("{what} is an empty list; leave the key out"));
            return None;
        }
        let read: Vec<_> = items.iter().filter_map(|item| self.text(item, what, MAX_NAME_CHARS)).collect();
        (read.len() == items.len()).then_some(read)
    }

    pub(crate) fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Value::Scalar { text, plain: true } = &node.value
            && let Some(value) = as_bool(text)
        {
            return Some(value);
        }
        let got = describe(node);
        self.error(node.at, format!("{what} must be `true` or `false`, but this is {got}"));
        None
    }

    pub(crate) fn integer(&mut self, node: &Node, what: &str) -> Option<i64> {
        if let Value::Scalar { text, plain: true } = &node.value
            && let Ok(value) = text.parse()
        {
            return Some(value);
        }
        let got = describe(node);
        self.error(node.at, format!("{what} must be a whole number, but this is {got}"));
        None
    }

    /// A number, whole or decimal, without quotes.
    pub(crate) fn number(&mut self, node: &Node, what: &str) -> Option<Number> {
        if let Value::Scalar { text, plain: true } = &node.value
            && let Some(value) = Number::parse(text)
        {
            return Some(value);
        }
        let got = describe(node);
        self.error(node.at, format!("{what} must be a number, but this is {got}"));
        None
    }

    /// A text for people; it may have several lines.
    pub(crate) fn prose(&mut self, node: &Node, what: &str) {
        if let Value::Scalar { text, .. } = &node.value {
            if text.chars().count() > MAX_PROSE_CHARS {
                self.error(node.at, format!("{what} is longer than {MAX_PROSE_CHARS} characters"));
            }
        } else {
            self.error(node.at, format!("{what} must be text, but this is {}", describe(node)));
        }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&mut self, node: &Node, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let word = self.text(node, what, MAX_NAME_CHARS)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word.text) {
            return Some(*value);
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let hint = match did_you_mean(&word.text, names.iter().copied()) {
            none if none.is_empty() => format!("; it is one of `{}`", names.join("`, `")),
            hint => hint,
        };
        self.error(word.at, format!("unknown {what} `{}`{hint}", word.text));
        None
    }

    /// The value of a key that must be there.
    pub(crate) fn required<'n>(&mut self, map: Map<'n>, key: &str, what: &str) -> Option<&'n Rc<Node>> {
        let found = map.get(key);
        if found.is_none() {
            self.error(map.at, format!("{what} has no `{key}`"));
        }
        found
    }
}

/// `, did you mean …?`, or nothing when no candidate is close.
pub(crate) fn did_you_mean<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> String {
    closest(word, candidates).map_or_else(String::new, |best| format!(", did you mean `{best}`?"))
}

/// Words that people bring from elsewhere, and ours.
const SYNONYMS: &[(&str, &str)] =
    &[("deny", "block"), ("block", "deny"), ("op", "operator"), ("msg", "message")];

/// The candidate that a typo of `word` most likely meant.
pub(crate) fn closest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    if word.len() > 100 {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let distance = |candidate: &str| {
        if SYNONYMS.contains(&(word, candidate)) {
            return 0;
        }
        strsim::osa_distance(&lower, &candidate.to_ascii_lowercase())
    };
    candidates
        .map(|candidate| (distance(candidate), !candidate.starts_with(word), candidate))
        // Short words are all close to each other.
        .filter(|(distance, _, candidate)| {
            let chars = candidate.chars().count();
            *distance == 0 || (chars > 3 && *distance <= 1 + chars / 5)
        })
        .min_by_key(|(distance, stranger, _)| (*distance, *stranger))
        .map(|(_, _, candidate)| candidate)
}

pub(crate) fn describe(node: &Node) -> String {
    match &node.value {
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
        Value::Scalar { text, plain: true } if is_null(text) => "nothing".to_owned(),
        Value::Scalar { text, plain } => {
            let short: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
            match (plain, as_bool(text)) {
                (true, Some(_)) => format!("the boolean `{short}`"),
                (true, None) if text.parse::<f64>().is_ok() => format!("the number `{short}`"),
                _ => format!("the text `{short}`"),
            }
        }
    }
}

/// YAML 1.2's core schema: `yes`, `no`, `on` and `off` are text.
pub(crate) fn as_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}
