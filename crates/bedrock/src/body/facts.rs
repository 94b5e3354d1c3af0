//! The facts gathered so far, each within its cap.

use super::Body;
use super::flaw::Flaw;
use std::collections::BTreeMap;

/// Tools kept.
const MAX_TOOLS: usize = 256;
/// S3 URIs, further models, knowledge bases, metadata entries and session attributes kept, each.
const MAX_ENTRIES: usize = 64;

/// A body's facts under construction.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) body: Body,
    /// Whole UTF-8 characters.
    text: Vec<u8>,
    max_text: usize,
    /// Text was cut at its cap: what comes later stays out, however short.
    text_full: bool,
    /// The model was named at the top level.
    model_on_top: bool,
    /// Answers asked for; 0 where the body does not say.
    answers: u64,
}

impl Facts {
    pub(super) fn new(max_text: usize) -> Self {
        Facts {
            body: Body::default(),
            text: Vec::new(),
            max_text,
            text_full: false,
            model_on_top: false,
            answers: 0,
        }
    }

    pub(super) fn into_body(self) -> Body {
        // Each of several answers may be as long as one.
        let max_tokens = self.body.max_tokens.map(|tokens| tokens.saturating_mul(self.answers.max(1)));
        // Lossless: only whole characters were taken.
        Body { max_tokens, text: String::from_utf8_lossy(&self.text).into_owned(), ..self.body }
    }

    /// Takes a part of a piece of text; `first` begins the piece.
    pub(super) fn text(&mut self, part: &[u8], first: bool) {
        if self.text_full {
            return;
        }
        let room = self.max_text.saturating_sub(self.text.len());
        let joint: &[u8] = if first && !self.text.is_empty() { b"\n" } else { b"" };
        if joint.len() + part.len() <= room {
            self.text.extend_from_slice(joint);
            self.text.extend_from_slice(part);
            return;
        }
        self.text_full = true;
        self.body.text_truncated = true;
        if let Some(room) = room.checked_sub(joint.len()) {
            self.text.extend_from_slice(joint);
            self.text.extend_from_slice(prefix(part, room));
        }
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

    pub(super) fn tool_result(&mut self) {
        self.body.tool_results = self.body.tool_results.saturating_add(1);
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
