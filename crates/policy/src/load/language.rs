//! What is shared by everything that a bundle writes conditions in: rules, limits, routes.

use super::operations::Vocabulary;
use crate::limits::MAX_REGEX_PROGRAM;
use crate::source::read::{Located, Reader};
use crate::text::Patterns;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;

/// Caches and collections over all files of a bundle.
#[derive(Default)]
pub(crate) struct Language {
    /// Compiled once per distinct pattern, and whether case is ignored.
    regexes: HashMap<(String, bool), Regex>,
    zones: HashMap<String, TimeZone>,
    /// What is looked for in the request's text.
    pub(crate) patterns: Patterns,
    pub(crate) vocabulary: Vocabulary,
    /// Literal principals of selectors, by file, to be compared with the directory.
    pub(crate) principals: Vec<(String, Located)>,
    /// Models that routes and rules that allow write out, to be compared with the prices.
    pub(crate) models: Vec<(String, Located)>,
    /// Routes of selectors, by file, to be compared with those of the bundle.
    pub(crate) routes: Vec<(String, Located)>,
}

impl Language {
    /// Compiles a regular expression, or says why not.
    pub(crate) fn regex(&mut self, reader: &mut Reader<'_>, pattern: &Located, folds: bool) -> Option<Regex> {
        let key = (pattern.text.clone(), folds);
        if let Some(known) = self.regexes.get(&key) {
            return Some(known.clone());
        }
        let mut builder = RegexBuilder::new(&pattern.text);
        match builder.size_limit(MAX_REGEX_PROGRAM).case_insensitive(folds).build() {
            Ok(regex) => {
                self.regexes.insert(key, regex.clone());
                Some(regex)
            }
            Err(error) => {
                let reason = match error {
                    regex::Error::CompiledTooBig(limit) => {
                        format!("it compiles to more than {limit} bytes; make its repetitions smaller")
                    }
                    // The library's message draws the pattern with a caret over several lines; the last says what is wrong.
                    other => other
                        .to_string()
                        .lines()
                        .last()
                        .unwrap_or_default()
                        .trim_start_matches("error: ")
                        .to_owned(),
                };
                reader.error(pattern.at, format!("bad regular expression: {reason}"));
                None
            }
        }
    }

    /// A time zone by its IANA name, from the database that is built in.
    pub(crate) fn zone(&mut self, reader: &mut Reader<'_>, name: &Located) -> Option<TimeZone> {
        if let Some(zone) = self.zones.get(&name.text) {
            return Some(zone.clone());
        }
        match TimeZoneDatabase::bundled().get(&name.text) {
            Ok(zone) => {
                self.zones.insert(name.text.clone(), zone.clone());
                Some(zone)
            }
            Err(_) => {
                let message =
                    format!("unknown timezone `{}`; write an IANA name such as `Europe/Berlin`", name.text);
                reader.error(name.at, message);
                None
            }
        }
    }
}
