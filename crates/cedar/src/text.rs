//! Policies as values that can be compared: what is written differently and means the same is equal.

use crate::load::Source;
use cedar_policy::PolicySet;
use std::str::FromStr;

/// One policy, for comparing with another version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `@id`; empty where there is none.
    pub id: String,
    /// Its syntax tree as Cedar's JSON form has it, without comments, spacing and order of keys.
    pub meaning: String,
    /// As it is written.
    pub text: String,
}

/// The policies of a file; none when it does not parse.
#[must_use]
pub fn written(source: Source<'_>) -> Vec<Written> {
    let Ok(set) = PolicySet::from_str(source.text) else { return Vec::new() };
    let one = |policy: &cedar_policy::Policy| {
        let text = policy.to_string();
        // What has no JSON form is compared as text.
        let meaning = policy.to_json().map_or_else(|_| text.clone(), |json| json.to_string());
        Written { id: policy.annotation("id").unwrap_or_default().to_owned(), meaning, text }
    };
    set.policies().map(one).collect()
}
