//! The facts gathered so far, each within its cap.

use super::flaw::Flaw;
use super::results::Pending;
use super::{Body, ToolResult};
use std::collections::{BTreeMap, VecDeque};

/// Tools kept.
const MAX_TOOLS: usize = 256;
/// S3 URIs, further models, knowledge bases, metadata entries and session attributes kept, each.
const MAX_ENTRIES: usize = 64;
/// Tool results kept, the newest.
const MAX_RESULTS: usize = 64;
/// Longest fact, in bytes.
pub(super) const MAX_FACT: usize = 2_048;

/// A body's facts under construction.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) body: Body,
    /// Whole UTF-8 characters.
    text: Text,
    /// The text of tool results, likewise.
    result_text: Text,
    /// Text that may turn out to be of a tool result.
    pub(super) pending: Pending,
    results: VecDeque<ToolResult>,
    invocation: Option<String>,
    /// Facts that are sums.
    sums: BTreeMap<&'static str, u64>,
    /// The model was named at the top level.
    model_on_top: bool,
    /// Answers asked for; 0 where the body does not say.
    answers: u64,
}

/// Text up to a cap.
#[derive(Debug, Clone)]
struct Text {
    bytes: Vec<u8>,
    max: usize,
    /// It was cut: what comes later stays out, however short.
    full: bool,
}

impl Text {
    fn new(max: usize) -> Self {
        Text { bytes: Vec::new(), max, full: false }
    }

    /// Takes a part of a piece; `first` begins the piece.
    fn push(&mut self, part: &[u8], first: bool) {
        if self.full {
            return;
        }
        let room = self.max.saturating_sub(self.bytes.len());
        let joint: &[u8] = if first && !self.bytes.is_empty() { b"\n" } else { b"" };
        if joint.len() + part.len() <= room {
            self.bytes.extend_from_slice(joint);
            self.bytes.extend_from_slice(part);
            return;
        }
        self.full = true;
        if let Some(room) = room.checked_sub(joint.len()) {
            self.bytes.extend_from_slice(joint);
            self.bytes.extend_from_slice(prefix(part, room));
        }
    }

    /// Lossless: only whole characters were taken.
    fn into_string(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Facts {
    pub(super) fn new(max_text: usize) -> Self {
        Facts {
            body: Body::default(),
            text: Text::new(max_text),
            result_text: Text::new(max_text),
            pending: Pending::new(max_text),
            results: VecDeque::new(),
            invocation: None,
            sums: BTreeMap::new(),
            model_on_top: false,
            answers: 0,
        }
    }

    pub(super) fn into_body(self) -> Body {
        // Each of several answers may be as long as one.
        let max_tokens = self.body.max_tokens.map(|tokens| tokens.saturating_mul(self.answers.max(1)));
        let mut results: Vec<ToolResult> = self.results.into();
        for result in results.iter_mut().filter(|result| result.id.is_none()) {
            result.id.clone_from(&self.invocation);
        }
        let mut facts = self.body.facts;
        facts.extend(self.sums.into_iter().map(|(name, sum)| (name, sum.to_string())));
        Body {
            max_tokens,
            results,
            facts,
            text_truncated: self.body.text_truncated || self.text.full,
            result_text_truncated: self.body.result_text_truncated || self.result_text.full,
            text: self.text.into_string(),
            result_text: self.result_text.into_string(),
            ..self.body
        }
    }

    /// Takes a part of a piece of text; `first` begins the piece.
    pub(super) fn text(&mut self, part: &[u8], first: bool) {
        self.pending.text(part, first);
        self.text.push(part, first);
    }

    /// Text passed by unread.
    pub(super) fn lost_text(&mut self) {
        self.body.text_truncated = true;
        self.pending.lost();
    }

    /// Takes a tool result.
    pub(super) fn tool_result(&mut self, result: ToolResult) {
        self.body.tool_results = self.body.tool_results.saturating_add(1);
        self.body.result_bytes = self.body.result_bytes.saturating_add(result.bytes);
        if self.results.len() >= MAX_RESULTS {
            self.results.pop_front();
        }
        self.results.push_back(result);
    }

    /// These stretches of the pending text are of tool results; the rest is not.
    pub(super) fn settle(&mut self, ranges: &[(usize, usize)]) {
        for &(start, end) in ranges {
            let text = self.pending.stretch(start, end);
            if !text.is_empty() {
                self.result_text.push(text, true);
            }
        }
        self.body.result_text_truncated |= !ranges.is_empty() && self.pending.is_cut();
        self.pending.end();
    }

    pub(super) fn invocation(&mut self, id: &[u8]) {
        self.invocation = Some(String::from_utf8_lossy(prefix(id, 256)).into_owned());
    }

    /// Adds a value to a fact.
    pub(super) fn note(&mut self, name: &'static str, value: &[u8]) {
        let value = String::from_utf8_lossy(value);
        let fact = self.body.facts.entry(name).or_default();
        if fact.split(',').any(|known| known == value) {
            return;
        }
        if !fact.is_empty() {
            fact.push(',');
        }
        fact.push_str(&value);
        if fact.len() > MAX_FACT {
            fact.truncate(fact.floor_char_boundary(MAX_FACT));
            self.body.truncated = true;
        }
    }

    /// Adds to a fact that is a sum.
    pub(super) fn add(&mut self, name: &'static str, more: u64) {
        let sum = self.sums.entry(name).or_default();
        *sum = sum.saturating_add(more);
    }

    pub(super) fn model(&mut self, id: String) -> Result<(), Flaw> {
        once(&mut self.body.model, id)
    }

    pub(super) fn any_model(&mut self, id: String, on_top: bool) -> Result<(), Flaw> {
        match &self.body.model {
            None => {
                self.body.model = Some(id);
                self.model_on_top = on_top;
            }
            Some(known) if *known == id => self.model_on_top |= on_top,
            Some(_) if on_top && !self.model_on_top => {
                self.model_on_top = true;
                if let Some(nested) = self.body.model.replace(id) {
                    return self.other_model(nested);
                }
            }
            Some(_) => return self.other_model(id),
        }
        Ok(())
    }

    pub(super) fn other_model(&mut self, id: String) -> Result<(), Flaw> {
        add_all(&mut self.body.other_models, id)
    }

    pub(super) fn knowledge_base(&mut self, id: String) -> Result<(), Flaw> {
        add_all(&mut self.body.knowledge_bases, id)
    }

    pub(super) fn s3_uri(&mut self, uri: String) {
        add_new(&mut self.body.s3_uris, uri, &mut self.body.truncated);
    }

    pub(super) fn tool(&mut self, name: String) -> Result<(), Flaw> {
        if self.body.tools.len() >= MAX_TOOLS {
            return Err(Flaw::TooManyNames);
        }
        self.body.tools.push(name);
        Ok(())
    }

    pub(super) fn max_tokens(&mut self, tokens: u64) {
        self.body.max_tokens = self.body.max_tokens.max(Some(tokens));
    }

    pub(super) fn answers(&mut self, answers: u64) {
        self.answers = self.answers.max(answers);
    }

    pub(super) fn guardrail(&mut self, id: String) -> Result<(), Flaw> {
        once(&mut self.body.guardrail, id)
    }

    pub(super) fn guardrail_version(&mut self, version: String) -> Result<(), Flaw> {
        once(&mut self.body.guardrail_version, version)
    }

    pub(super) fn metadata(&mut self, key: &[u8], value: String) {
        insert(&mut self.body.request_metadata, key, value, &mut self.body.truncated);
    }

    pub(super) fn attribute(&mut self, key: &[u8], value: String) {
        insert(&mut self.body.session_attributes, key, value, &mut self.body.truncated);
    }
}

/// A fact that a body may say in several places, if it says the same.
fn once(fact: &mut Option<String>, value: String) -> Result<(), Flaw> {
    match fact {
        Some(known) if *known != value => Err(Flaw::Contradiction),
        _ => {
            *fact = Some(value);
            Ok(())
        }
    }
}

/// Names that rules forbid: a list that is cut would hide the forbidden one behind the cap, so there is no cutting.
fn add_all(list: &mut Vec<String>, value: String) -> Result<(), Flaw> {
    let mut cut = false;
    add_new(list, value, &mut cut);
    if cut { Err(Flaw::TooManyNames) } else { Ok(()) }
}

fn add_new(list: &mut Vec<String>, value: String, truncated: &mut bool) {
    if list.contains(&value) {
        return;
    }
    if list.len() < MAX_ENTRIES {
        list.push(value);
    } else {
        *truncated = true;
    }
}

fn insert(map: &mut BTreeMap<String, String>, key: &[u8], value: String, truncated: &mut bool) {
    const MAX_NAME: usize = 256;
    let name = prefix(key, MAX_NAME);
    *truncated |= name.len() < key.len();
    if map.len() < MAX_ENTRIES {
        map.insert(String::from_utf8_lossy(name).into_owned(), value);
    } else {
        *truncated = true;
    }
}

/// The longest prefix of whole characters within `room` bytes.
pub(super) fn prefix(text: &[u8], room: usize) -> &[u8] {
    let starts_character = |at: usize| text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let mut end = room.min(text.len());
    while end > 0 && !starts_character(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
