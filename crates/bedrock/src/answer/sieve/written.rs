//! Tool calls that models write into their text, because their API has no other place for them.
//!
//! A text that begins as a call may begin is held until the answer ends, and read then; any other text is let go on at once, by its
//! first characters. Forms: `{"name": …, "parameters": {…}}` alone or in a list (Llama 3, and many others), behind
//! `<|python_tag|>` too; `<function=name>{…}</function>` (Llama 3.1); `[name(a=1)]` (Llama 3.2 and later);
//! `<|python_tag|>name.call(a=1)`, and code behind it (Llama 3.1's own tools); `[TOOL_CALLS] […]` (Mistral);
//! `<tool_call>{…}</tool_call>` (Qwen, Hermes). Source: Meta, "Llama model cards and prompt formats"; the models' templates.

use super::compact::{Compact, compact, value_length};
use super::places::{self, Shape};
use super::reading::{Reader, Texts};
use super::said::{Arguments, Draft, MAX_NAME};
use super::{CallProblem, SieveLimits};
use crate::answer::AnswerFlaw;
use crate::body::flaw::Flaw;

/// What a call in a text may have beside its arguments.
pub(super) const MAX_PREFIX: usize = 512;
/// Most texts that a document may have: answers to the same question.
pub(super) const MAX_TEXTS: usize = 16;
/// Most calls in one text: every piece of it waits for each of them.
const MAX_CALLS: usize = 64;
/// Most values, marks and calls in one text.
const MAX_STEPS: usize = 1_024;
/// A call has one of each.
const NAMES: [&str; 3] = ["\"name\"", "\"function\"", "\"tool_name\""];
const ARGUMENTS: [&str; 2] = ["\"parameters\"", "\"arguments\""];
const PYTHON: &str = "<|python_tag|>";
const FUNCTION: &str = "<function=";
const FUNCTION_END: &str = "</function>";
/// What may stand before and between calls.
const MARKS: [&str; 7] =
    [PYTHON, "[TOOL_CALLS]", "<tool_call>", "</tool_call>", FUNCTION_END, "<|eom_id|>", "<|eot_id|>"];

/// A call, and why it cannot be read.
pub(super) type Call = (Draft, Option<CallProblem>);

/// A text as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Written {
    text: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Nobody knows.
    #[default]
    Open,
    /// It begins as a call.
    Likely,
    /// It is no call.
    Text,
}

impl Written {
    /// The text goes on.
    pub(super) fn push(&mut self, part: &[u8], limits: &SieveLimits) -> Result<(), AnswerFlaw> {
        if self.state == State::Text {
            return Ok(());
        }
        add(&mut self.text, part);
        if self.state == State::Open {
            self.state = begins(&String::from_utf8_lossy(&self.text));
        }
        match self.state {
            State::Text => self.text = Vec::new(),
            _ if self.text.len() > limits.max_arguments.saturating_add(MAX_PREFIX) => {
                return Err(AnswerFlaw::TooLong);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether it has to be held.
    pub(super) fn holds(&self) -> bool {
        self.state != State::Text && !self.text.is_empty()
    }

    /// Whether it is known to be no call.
    pub(super) fn is_text(&self) -> bool {
        self.state == State::Text
    }

    /// The answer ends: the calls in it.
    pub(super) fn calls(&mut self, limits: &SieveLimits) -> Result<Vec<Call>, AnswerFlaw> {
        let text = String::from_utf8_lossy(&self.text).into_owned();
        self.text = Vec::new();
        self.state = State::Text;
        match calls(&text, limits) {
            Ok(calls) if calls.len() > MAX_CALLS => Err(AnswerFlaw::TooLong),
            Ok(calls) => Ok(calls),
            Err(Flaw::TooManyNames) => Err(AnswerFlaw::TooLong),
            Err(_) => Err(AnswerFlaw::Unreadable),
        }
    }
}

/// Adds a part to a text, but for the blanks that it begins with: programs strip them, and they are no part of a call.
pub(super) fn add(text: &mut Vec<u8>, part: &[u8]) {
    if !text.is_empty() || part.first().is_some_and(u8::is_ascii_graphic) {
        text.extend_from_slice(part);
    } else {
        text.extend_from_slice(String::from_utf8_lossy(part).trim_start_matches(is_blank).as_bytes());
    }
}

/// Whether a text that begins like this may be a call, by its first character.
pub(super) fn may_be_call(text: &[u8]) -> bool {
    matches!(text.first(), None | Some(b'{' | b'[' | b'<'))
}

/// What programs strip from the start of a text before they read it: Python's white space, and JavaScript's.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}' | '\u{feff}')
}

/// What a text is that begins like this.
fn begins(text: &str) -> State {
    if text.is_empty() {
        return State::Open;
    }
    for mark in MARKS.iter().chain(&[FUNCTION]) {
        if text.starts_with(mark) {
            return State::Likely;
        }
        if mark.starts_with(text) {
            return State::Open;
        }
    }
    let inner = text.strip_prefix('[').map_or(text, |inner| inner.trim_start_matches(is_blank));
    if inner.is_empty() {
        return State::Open;
    }
    // In what order its keys come is the model's choice.
    match inner.strip_prefix('{').map(|inner| inner.trim_start_matches(is_blank)) {
        Some("") => State::Open,
        Some(object) if object.starts_with('"') => State::Likely,
        Some(_) => State::Text,
        None if inner.len() == text.len() => State::Text,
        None => match inner.split_once('(') {
            Some((name, _)) if is_name(name) => State::Likely,
            None if is_name(inner) && inner.len() <= MAX_NAME => State::Open,
            _ => State::Text,
        },
    }
}

/// A function's name.
fn is_name(name: &str) -> bool {
    let name = name.trim_end();
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn calls(text: &str, limits: &SieveLimits) -> Result<Vec<Call>, Flaw> {
    let mut calls = Vec::new();
    let mut rest = text;
    // Only a call has such a mark.
    let mut marked = None;
    for _ in 0..MAX_STEPS {
        rest = rest.trim_start_matches(|c: char| is_blank(c) || matches!(c, ';' | ','));
        if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            marked = marked.or(Some(*mark));
            rest = rest.get(mark.len()..).unwrap_or_default();
            continue;
        }
        if let Some((name, arguments)) = rest.strip_prefix(FUNCTION).and_then(|rest| rest.split_once('>')) {
            let (arguments, after) = arguments.split_once(FUNCTION_END).unwrap_or((arguments, ""));
            calls.push((call(name.trim(), arguments.trim().as_bytes().to_vec()), None));
            rest = after;
            continue;
        }
        if let Some((found, after)) = json(rest, limits)? {
            calls.extend(found);
            rest = after;
            continue;
        }
        if let Some(listed) = listed(rest) {
            calls.extend(listed.into_iter().map(|draft| (draft, None)));
        }
        return match marked {
            _ if rest.is_empty() || !calls.is_empty() => Ok(calls),
            Some(PYTHON) => Ok(vec![(code(rest), None)]),
            Some(_) => Err(Flaw::Truncated),
            None => Ok(calls),
        };
    }
    Err(Flaw::TooManyNames)
}

fn call(name: &str, arguments: Vec<u8>) -> Draft {
    Draft {
        shape: Some(Shape::Whole),
        name_too_long: name.len() > MAX_NAME,
        name: name.as_bytes().get(..MAX_NAME).unwrap_or(name.as_bytes()).to_vec(),
        arguments: Some(Arguments { bytes: arguments, over: false }),
        ..Draft::default()
    }
}

/// The calls of the JSON value that the text begins with, and what follows it.
///
/// What is no JSON for us may be a call for others, who read deeper nesting, half characters or values that break off: where it
/// looks like a call it is one that cannot be read.
fn json<'a>(text: &'a str, limits: &SieveLimits) -> Result<Option<(Vec<Call>, &'a str)>, Flaw> {
    if !text.starts_with(['{', '[']) {
        return Ok(None);
    }
    let end = match value_length(text.as_bytes()) {
        Ok(end) => end,
        Err(flaw @ (Flaw::TooDeep | Flaw::NumberTooLong | Flaw::LoneSurrogate)) => return Err(flaw),
        Err(_) if !resembles_call(text) => return Ok(None),
        Err(Flaw::Truncated) => {
            let call = Draft { shape: Some(Shape::Whole), ..Draft::default() };
            return Ok(Some((vec![(call, Some(CallProblem::Unfinished))], "")));
        }
        Err(flaw) => return Err(flaw),
    };
    let (value, after) = text.split_at_checked(end).unwrap_or((text, ""));
    let mut reader = Reader::new(*limits);
    reader.begin(&places::WRITTEN_CALL, Texts::default());
    reader.push(value.as_bytes());
    let mut found = std::mem::take(&mut reader.end()?.calls);
    found.retain(|draft| !draft.name.is_empty() && draft.arguments.is_some());
    Ok(Some((found.into_iter().map(|draft| (draft, None)).collect(), after)))
}

fn resembles_call(text: &str) -> bool {
    let any = |keys: &[&str]| keys.iter().any(|key| text.contains(key));
    any(&NAMES) && any(&ARGUMENTS)
}

/// `[name(a=1), other()]`, and nothing else.
fn listed(text: &str) -> Option<Vec<Draft>> {
    let mut calls = Vec::new();
    let mut rest = text.strip_prefix('[')?;
    for _ in 0..=MAX_STEPS {
        rest = rest.trim_start_matches(|c: char| is_blank(c) || c == ',');
        if let Some(end) = rest.strip_prefix(']') {
            let end = MARKS.iter().fold(end.trim(), |end, mark| end.trim_start_matches(mark).trim());
            return end.is_empty().then_some(calls);
        }
        let (name, inner) = rest.split_once('(').filter(|(name, _)| is_name(name))?;
        let (arguments, after) = inner.split_at_checked(closing(inner)).unwrap_or((inner, ""));
        calls.push(call(name.trim_end(), keywords(arguments)));
        rest = after.strip_prefix(')')?;
    }
    // Too many, for whoever counts them.
    Some(calls)
}

/// Code, or the call of a tool of the model's own: `name.call(a=1)`.
fn code(text: &str) -> Draft {
    let own = text.split_once(".call(").filter(|(name, _)| is_name(name));
    if let Some((name, inner)) = own {
        let end = closing(inner);
        if inner.get(end..).is_some_and(|after| after.trim_end() == ")") {
            return call(name, keywords(inner.get(..end).unwrap_or_default()));
        }
    }
    call("code_interpreter", object(&[("code".to_owned(), quoted(text.trim_end()))]))
}

/// Where in Python's source text one stands.
#[derive(Debug, Default)]
struct Source {
    depth: usize,
    quote: Option<char>,
    escaped: bool,
}

impl Source {
    /// Reads a character; says whether it stands in no string and no bracket.
    fn read(&mut self, c: char) -> bool {
        let outside = self.quote.is_none() && self.depth == 0;
        match (self.quote, c) {
            _ if self.escaped => self.escaped = false,
            (Some(_), '\\') => self.escaped = true,
            (Some(mark), c) if mark == c => self.quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => self.quote = Some(c),
            (None, '(' | '[' | '{') => self.depth += 1,
            (None, ')' | ']' | '}') => self.depth = self.depth.saturating_sub(1),
            (None, _) => {}
        }
        outside
    }
}

/// Where the parenthesis that is open here closes.
fn closing(text: &str) -> usize {
    let mut source = Source::default();
    let end = text.char_indices().find(|(_, c)| source.read(*c) && *c == ')');
    end.map_or(text.len(), |(at, _)| at)
}

/// Python's keyword arguments as a JSON object. What is no plain value becomes a string of its source text.
fn keywords(text: &str) -> Vec<u8> {
    let mut source = Source::default();
    let arguments = text.split(|c| source.read(c) && c == ',').map(str::trim);
    let member = |one: &str| match one.split_once('=').filter(|(name, _)| is_name(name)) {
        Some((name, value)) => (name.trim().to_owned(), value_of(value.trim())),
        None => (String::new(), quoted(one)),
    };
    object(&arguments.filter(|one| !one.is_empty()).map(member).collect::<Vec<_>>())
}

fn value_of(value: &str) -> Vec<u8> {
    match value {
        "True" => b"true".to_vec(),
        "False" => b"false".to_vec(),
        "None" => b"null".to_vec(),
        _ => {
            let single = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
            match single.filter(|inner| !inner.contains(['\'', '\\'])) {
                Some(inner) => quoted(inner),
                None => compact(value.as_bytes(), value.len()).unwrap_or_else(|| quoted(value)),
            }
        }
    }
}

fn quoted(text: &str) -> Vec<u8> {
    let mut writer = Compact::new(usize::MAX);
    writer.quote();
    writer.text(text.as_bytes());
    writer.string_close();
    writer.bytes
}

fn object(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut json = vec![b'{'];
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        json.extend(quoted(name));
        json.push(b':');
        json.extend(value);
    }
    json.push(b'}');
    json
}
