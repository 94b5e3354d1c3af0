//! What is different between two bundles, rule by rule and key by key: order, files, spacing and short forms of words
//! make no difference.

mod items;
#[cfg(test)]
mod tests;

use crate::SourceFile;
use items::{Item, Items, short};
use std::collections::{BTreeMap, HashMap};

/// A key that is compared and never shown.
const MEANING: &str = "\u{0}meaning";

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// The keys of `bundle.yaml` itself: default, mode, name, version.
    Bundle,
    /// A principal of the directory.
    Principal,
    /// A route.
    Route,
    /// A limit.
    Limit,
    /// Currency and what becomes of calls without a price.
    Prices,
    /// A row of the price table.
    Price,
    /// How use is estimated.
    Estimate,
    /// The terms of approvals.
    Approvals,
    /// What a rule file says of all its rules.
    File,
    /// A rule.
    Rule,
    /// A rule on what tools answer.
    OutputRule,
    /// A Cedar policy.
    Cedar,
    /// The memberships that Cedar policies read.
    Entities,
}

impl Section {
    /// For people and programs: `rule`, `route` …
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Principal => "principal",
            Self::Route => "route",
            Self::Limit => "limit",
            Self::Prices => "prices",
            Self::Price => "price",
            Self::Estimate => "estimate",
            Self::Approvals => "approvals",
            Self::File => "rule_file",
            Self::Rule => "rule",
            Self::OutputRule => "output_rule",
            Self::Cedar => "cedar",
            Self::Entities => "cedar_entities",
        }
    }
}

/// Added, removed or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Only the new bundle has it.
    Added,
    /// Only the old bundle has it.
    Removed,
    /// Both have it, and it differs.
    Changed,
}

impl ChangeKind {
    /// `added`, `removed`, `changed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub section: Section,
    /// Its id or name.
    pub id: String,
    /// How it differs.
    pub kind: ChangeKind,
    /// File, relative to the bundle: of the new one, of the old one for what is removed.
    pub path: String,
    /// Line in that file, from 1.
    pub line: u32,
    /// The keys that differ; of what is added or removed, all.
    pub fields: Vec<FieldChange>,
}

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The key.
    pub field: String,
    /// In the old bundle; absent where it is not said.
    pub old: Option<String>,
    /// In the new bundle; absent where it is not said.
    pub new: Option<String>,
}

/// Compares two bundles that load.
#[must_use]
pub fn diff(old: &[SourceFile], new: &[SourceFile]) -> Vec<Change> {
    let (old, new) = (Items::of(old), Items::of(new));
    let before: HashMap<_, _> = old.of.iter().map(|(key, item)| (key, item)).collect();
    let after: HashMap<_, _> = new.of.iter().map(|(key, item)| (key, item)).collect();
    let mut changes = Vec::new();
    for (key, item) in &new.of {
        let change = match before.get(key) {
            // The order of what was alone or is new is told by what is added.
            None if key.1 == "(order)" => None,
            None => Some((ChangeKind::Added, fields(None, Some(item)))),
            Some(old) if old.fields == item.fields || same_meaning(old, item) => None,
            Some(old) => Some((ChangeKind::Changed, fields(Some(old), Some(item)))),
        };
        changes.extend(change.map(|(kind, fields)| of(key, kind, item, fields)));
    }
    for (key, item) in &old.of {
        if !after.contains_key(key) && key.1 != "(order)" {
            changes.push(of(key, ChangeKind::Removed, item, fields(Some(item), None)));
        }
    }
    changes.sort_by(|a, b| (a.section, &a.id).cmp(&(b.section, &b.id)));
    changes
}

fn of(key: &(Section, String), kind: ChangeKind, item: &Item, fields: Vec<FieldChange>) -> Change {
    Change { section: key.0, id: key.1.clone(), kind, path: item.path.clone(), line: item.line, fields }
}

/// A Cedar policy may be written anew and mean the same.
fn same_meaning(old: &Item, new: &Item) -> bool {
    let meaning = old.fields.get(MEANING);
    meaning.is_some() && meaning == new.fields.get(MEANING)
}

fn fields(old: Option<&Item>, new: Option<&Item>) -> Vec<FieldChange> {
    let none = BTreeMap::new();
    let (old, new) = (old.map_or(&none, |item| &item.fields), new.map_or(&none, |item| &item.fields));
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let differing = keys.into_iter().filter(|key| *key != MEANING && old.get(*key) != new.get(*key));
    differing
        .map(|key| FieldChange {
            field: key.clone(),
            old: old.get(key).map(short),
            new: new.get(key).map(short),
        })
        .collect()
}
