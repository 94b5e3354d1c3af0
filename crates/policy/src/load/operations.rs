//! Checks that what `operations` says can match at all: a misspelt operation would be a rule that protects nothing.

use crate::UNKNOWN_OPERATION;
use crate::glob::Glob;
use crate::source::read::{Located, Reader, did_you_mean};
use portcullis_bedrock::OPERATIONS;
use std::collections::{HashMap, HashSet};

/// Comparing with every name is slow; a file with nothing but mistakes shows the point sooner.
const MAX_HINTS: usize = 50;

/// Every name that an operation goes by.
pub(crate) struct Vocabulary {
    /// Lower case.
    names: HashSet<String>,
    /// Globs that were checked before.
    checked: HashMap<String, bool>,
    hints: usize,
}

impl Default for Vocabulary {
    fn default() -> Self {
        let mut names = HashSet::from([UNKNOWN_OPERATION.to_ascii_lowercase()]);
        for operation in OPERATIONS {
            names.insert(operation.name.to_ascii_lowercase());
            names.insert(operation.iam_action.to_ascii_lowercase());
            names.insert(format!("{}:{}", operation.service, operation.name).to_ascii_lowercase());
        }
        Self { names, checked: HashMap::new(), hints: 0 }
    }
}

impl Vocabulary {
    /// Reports the globs that match no operation. `globs` are those of `texts`, in lower case.
    pub(crate) fn check(&mut self, reader: &mut Reader<'_>, texts: &[Located], globs: &[Glob]) {
        for (text, glob) in texts.iter().zip(globs) {
            let known = match glob.as_literal() {
                Some(name) => self.names.contains(name),
                None => *self
                    .checked
                    .entry(glob.source().to_owned())
                    .or_insert_with(|| self.names.iter().any(|name| glob.matches(name))),
            };
            if known {
                continue;
            }
            self.hints += 1;
            let hint = if self.hints > MAX_HINTS { String::new() } else { hint(&text.text) };
            let message = format!(
                "`{}` matches no operation, IAM action or service:operation that the gate knows{hint}",
                text.text
            );
            reader.error(text.at, message);
        }
    }
}

fn hint(word: &str) -> String {
    match word.split_once(':') {
        Some(_) => did_you_mean(word, OPERATIONS.iter().map(|operation| operation.iam_action)),
        None => did_you_mean(word, OPERATIONS.iter().map(|operation| operation.name)),
    }
}
