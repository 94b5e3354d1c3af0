//! One JSON document of an answer: read by its places, kept as numbers.

use super::calls::Candidate;
use super::counts::{Course, Found};
use super::places::{self, Means, Place};
use super::said::Policy;
use crate::body::flaw::Flaw;
use crate::body::interpreter::tokens;
use crate::body::tokenizer::{Container, Literal, Sink, Tokenizer};
use crate::unbase64::Unbase64;

/// Longest member name that is compared; no place has a longer one.
const MAX_NAME: usize = 32;
/// Longest number or word that is kept.
const MAX_VALUE: usize = 256;
/// Deepest nesting that is read: a model's own JSON is as deep as it likes.
const MAX_DEPTH: usize = 65_536;

/// A document as far as it has come. One is used again for all documents of an answer.
#[derive(Debug, Clone)]
pub(super) struct Document {
    tokenizer: Tokenizer,
    reading: Reading,
    broken: bool,
}

#[derive(Debug, Clone)]
struct Reading {
    /// The open containers where something matters.
    open: Vec<Frame>,
    /// How many are open below them, where nothing does.
    barren: usize,
    /// Where the next value stands.
    next: &'static Place,
    name: Short<MAX_NAME>,
    value: Short<MAX_VALUE>,
    /// What the current string or number means.
    means: Means,
    nested: Option<Box<Nested>>,
    /// The calls that are open.
    calls: Vec<Candidate>,
    finding: Option<Finding>,
    found: Found,
}

/// What a guardrail's policy looked at.
#[derive(Debug, Clone, Copy)]
struct Finding {
    policy: Policy,
    /// How many containers are open, it included.
    depth: usize,
    detected: Option<bool>,
    acted: bool,
}

impl Finding {
    /// Where an answer lists all that was looked at, it says which of it was found. A grounding filter is listed in any
    /// case, so older answers tell by what was done.
    fn is_hit(&self) -> bool {
        self.detected.unwrap_or(self.acted || self.policy != Policy::ContextualGrounding)
    }
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    place: &'static Place,
    container: Container,
}

/// A document in base64.
#[derive(Debug, Clone)]
struct Nested {
    base64: Unbase64,
    document: Document,
}

/// A few bytes; what is longer is none.
#[derive(Debug, Clone, Copy)]
struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Short<N> {
    const EMPTY: Self = Self { bytes: [0; N], len: 0 };

    fn push(&mut self, part: &[u8]) {
        let kept = part.get(..N.saturating_sub(self.len)).unwrap_or(part);
        let end = self.len.saturating_add(kept.len());
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(kept);
        }
        self.len = self.len.saturating_add(part.len());
    }

    /// As much of it as there is room for, in whole characters, without those that control something.
    fn text(&self) -> String {
        self.cut().chars().filter(|character| !character.is_control()).collect()
    }

    fn cut(&self) -> &str {
        let bytes = self.bytes.get(..self.len.min(N)).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => bytes
                .get(..error.valid_up_to())
                .and_then(|sound| std::str::from_utf8(sound).ok())
                .unwrap_or_default(),
        }
    }

    /// All of it; nothing when it was too long.
    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Document {
    pub(super) fn new(root: &'static Place) -> Self {
        let reading = Reading {
            open: Vec::with_capacity(8),
            barren: 0,
            next: root,
            name: Short::EMPTY,
            value: Short::EMPTY,
            means: Means::Nothing,
            nested: None,
            calls: Vec::new(),
            finding: None,
            found: Found::default(),
        };
        Self { tokenizer: Tokenizer::deep(MAX_DEPTH), reading, broken: false }
    }

    /// Begins another document.
    pub(super) fn begin(&mut self, root: &'static Place) {
        self.tokenizer = Tokenizer::deep(MAX_DEPTH);
        self.broken = false;
        self.reading.open.clear();
        self.reading.barren = 0;
        self.reading.calls.clear();
        self.reading.finding = None;
        self.reading.next = root;
        self.reading.found = Found::default();
    }

    /// Reads on. What is not JSON is not read any further.
    pub(super) fn push(&mut self, slice: &[u8]) {
        if !self.broken {
            self.broken = self.tokenizer.push(slice, &mut self.reading).is_err();
        }
    }

    /// The document ends. Says whether it was JSON, and whole.
    pub(super) fn end(&mut self) -> bool {
        !self.broken && self.tokenizer.finish(&mut self.reading).is_ok()
    }

    /// Nothing more can come of it.
    pub(super) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// What it has said so far.
    pub(super) const fn found(&self) -> &Found {
        &self.reading.found
    }
}

impl Reading {
    /// Where the value that begins stands.
    fn value(&self) -> &'static Place {
        match self.open.last() {
            _ if self.barren > 0 => &places::NOTHING,
            Some(Frame { place, container: Container::Array }) => place,
            _ => self.next,
        }
    }

    fn begin(&mut self, means: Means) {
        self.means = means;
        self.value = Short::EMPTY;
    }

    fn number(&mut self) {
        let number = self.value.get();
        match self.means {
            Means::Tokens(source, field) => {
                if let Some(tokens) = tokens(number) {
                    self.found.of(source).says(field, tokens);
                }
            }
            Means::Counted => self.found.said.counted = self.found.said.counted.max(tokens(number)),
            Means::Score(policy) if number.iter().any(|digit| matches!(digit, b'1'..=b'9')) => {
                self.found.said.found(policy);
            }
            _ => {}
        }
    }

    fn word(&mut self) {
        let Self { means, value, found, calls, finding, .. } = self;
        let word = value.get();
        let said = &mut found.said;
        let text = || Some(value.text()).filter(|text| !text.is_empty());
        match means {
            Means::CallPart(part) => {
                if let Some(call) = calls.last_mut() {
                    call.part(*part, &value.text());
                }
            }
            Means::Invocation => said.invocation = text(),
            Means::Stop => said.stop = text(),
            Means::Finish => {
                said.stop = text();
                if said.stop.is_some() {
                    found.course = Some(Course::Ends);
                }
            }
            Means::Status => said.status = text().filter(|status| status != "in_progress"),
            Means::Model => said.model(&value.text()),
            Means::Session => said.session = text(),
            Means::Guardrail => said.guardrail(word),
            Means::FindingAction => {
                if let Some(finding) = finding {
                    finding.acted = word != b"NONE";
                }
            }
            Means::Error if value.len > 0 => {
                let name = word.iter().filter(|byte| byte.is_ascii_graphic()).map(|&byte| char::from(byte));
                found.error.get_or_insert(name.collect());
            }
            Means::EventType => {
                found.item_done = word == b"response.output_item.done";
                found.course = match word {
                    b"message_start" | b"response.created" => Some(Course::Begins),
                    b"message_stop" | b"response.completed" | b"response.incomplete" | b"response.failed" => {
                        Some(Course::Ends)
                    }
                    _ => found.course,
                };
            }
            _ => {}
        }
    }
}

impl Sink for Reading {
    fn open(&mut self, container: Container) -> Result<(), Flaw> {
        let place = self.value();
        // Nothing is kept of what does not matter, however deep it is; no API has a list of lists that does.
        let nested_list = container == Container::Array
            && matches!(self.open.last(), Some(Frame { container: Container::Array, .. }));
        if self.barren > 0 || nested_list || (place.is_barren() && place.means == Means::Nothing) {
            self.barren = self.barren.saturating_add(1);
            return Ok(());
        }
        self.open.push(Frame { place, container });
        if container == Container::Object {
            let depth = self.open.len();
            match place.means {
                Means::Call(proof) => self.calls.push(Candidate::new(depth, proof)),
                Means::Finding(policy) => {
                    self.finding = Some(Finding { policy, depth, detected: None, acted: false });
                }
                Means::Hit(policy) => self.found.said.found(policy),
                Means::Course(course) => self.found.course = self.found.course.or(Some(course)),
                _ => {}
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Flaw> {
        if let Some(barren) = self.barren.checked_sub(1) {
            self.barren = barren;
            return Ok(());
        }
        let depth = self.open.len();
        if let Some(call) = self.calls.pop_if(|call| call.depth() == depth) {
            call.end(&mut self.found);
        }
        if let Some(finding) = self.finding.take_if(|finding| finding.depth == depth)
            && finding.is_hit()
        {
            self.found.said.found(finding.policy);
        }
        self.open.pop();
        Ok(())
    }

    fn key_open(&mut self) -> Result<(), Flaw> {
        self.name = Short::EMPTY;
        Ok(())
    }

    fn key_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.name.push(part);
        Ok(())
    }

    fn key_close(&mut self) -> Result<(), Flaw> {
        self.next = match self.open.last() {
            _ if self.barren > 0 => &places::NOTHING,
            Some(frame) if !frame.place.is_barren() => frame.place.member(self.name.get()),
            _ => &places::NOTHING,
        };
        Ok(())
    }

    fn string_open(&mut self) -> Result<(), Flaw> {
        self.begin(self.value().means);
        if self.means == Means::Nested {
            match &mut self.nested {
                Some(nested) => {
                    nested.base64 = Unbase64::default();
                    nested.document.begin(&places::ANSWER);
                }
                None => {
                    let document = Document::new(&places::ANSWER);
                    self.nested = Some(Box::new(Nested { base64: Unbase64::default(), document }));
                }
            }
        }
        Ok(())
    }

    fn string_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        match self.means {
            Means::Nothing | Means::Call(_) => {}
            Means::Nested => {
                if let Some(nested) = &mut self.nested {
                    let Nested { base64, document } = &mut **nested;
                    let read = |bytes: &[u8]| {
                        document.push(bytes);
                        Ok::<(), Flaw>(())
                    };
                    base64.push(part, read).map_err(|_| Flaw::BadBase64)?;
                }
            }
            _ => self.value.push(part),
        }
        Ok(())
    }

    fn string_close(&mut self) -> Result<(), Flaw> {
        match self.means {
            // Jackson writes numbers as strings where it is told to.
            Means::Tokens(..) | Means::Counted if self.value.get().iter().all(u8::is_ascii_digit) => {
                self.number()
            }
            Means::Nested => {
                if let Some(nested) = &mut self.nested {
                    nested.document.end();
                    self.found = nested.document.found().clone();
                }
            }
            _ => self.word(),
        }
        Ok(())
    }

    fn number_open(&mut self) -> Result<(), Flaw> {
        self.begin(self.value().means);
        Ok(())
    }

    fn number_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        if let Means::Tokens(..) | Means::Counted | Means::Score(_) = self.means {
            self.value.push(part);
        }
        Ok(())
    }

    fn number_close(&mut self) -> Result<(), Flaw> {
        self.number();
        Ok(())
    }

    fn literal(&mut self, literal: Literal) -> Result<(), Flaw> {
        if self.value().means == Means::Detected
            && let Some(finding) = &mut self.finding
        {
            finding.detected = Some(literal == Literal::True);
        }
        Ok(())
    }
}
