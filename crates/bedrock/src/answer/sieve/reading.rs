//! One JSON document of an answer, read by its places while it comes.

mod sink;

use super::SieveLimits;
use super::compact::Compact;
use super::places::{self, Field, Leaf, Node, Part, Place};
use super::said::{Arguments, Draft, MAX_ID, MAX_KIND, MAX_NAME, Parameter, Said, add_parameter};
use super::written;
use crate::body::flaw::Flaw;
use crate::body::tokenizer::{Container, Tokenizer};
use crate::unbase64::Unbase64;

/// Longest member name that is compared; no place has a longer one.
const MAX_MEMBER: usize = 40;

/// A document as far as it has come. One is used again for all documents of an answer.
#[derive(Debug)]
pub(super) struct Reader {
    tokenizer: Tokenizer,
    reading: Reading,
    broken: Option<Flaw>,
    empty: bool,
}

#[derive(Debug)]
struct Reading {
    limits: SieveLimits,
    texts: Texts,
    open: Vec<Frame>,
    /// Where the next member stands.
    next: &'static Place,
    member: Short,
    leaf: Leaf,
    /// A short string or a number.
    value: Vec<u8>,
    value_cut: bool,
    /// A value that is kept as it is, or as JSON.
    kept: Compact,
    /// It is being written, since so many containers were open.
    keeping: Option<usize>,
    /// The current string is kept, unescaped.
    verbatim: bool,
    drafts: Vec<Draft>,
    choices: Vec<Choice>,
    parameter: Parameter,
    calls_id: Vec<u8>,
    calls_agent: Option<Vec<u8>>,
    base64: Unbase64,
    nested: Option<Box<Reader>>,
    /// This document has had one.
    nested_read: bool,
    said: Said,
}

/// What is known of texts that may be calls: a bit for each of those that a document may have.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Texts {
    /// They are no calls.
    pub(super) settled: u16,
    /// They have begun, and may be calls.
    pub(super) begun: u16,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    place: &'static Place,
    container: Container,
    /// Members that have stood here.
    seen: u64,
}

/// An answer to a question, one of several.
#[derive(Debug, Clone, Copy)]
struct Choice {
    index: u64,
    finished: bool,
    /// Its calls begin here.
    calls: usize,
}

/// A member's name; what is longer is none.
#[derive(Debug, Clone, Copy)]
struct Short {
    bytes: [u8; MAX_MEMBER],
    len: usize,
}

impl Short {
    const EMPTY: Self = Self { bytes: [0; MAX_MEMBER], len: 0 };

    fn push(&mut self, part: &[u8]) {
        let end = self.len.saturating_add(part.len());
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(part);
        }
        self.len = end;
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Reader {
    pub(super) fn new(limits: SieveLimits) -> Self {
        let reading = Reading {
            limits,
            texts: Texts::default(),
            open: Vec::with_capacity(8),
            next: &places::NOTHING,
            member: Short::EMPTY,
            leaf: Leaf::Nothing,
            value: Vec::new(),
            value_cut: false,
            kept: Compact::new(limits.max_arguments),
            keeping: None,
            verbatim: false,
            drafts: Vec::new(),
            choices: Vec::new(),
            parameter: Parameter::default(),
            calls_id: Vec::new(),
            calls_agent: None,
            base64: Unbase64::default(),
            nested: None,
            nested_read: false,
            said: Said::default(),
        };
        Self { tokenizer: Tokenizer::default(), reading, broken: None, empty: true }
    }

    /// Begins another document. `texts`: what is known of the texts that go on in it.
    pub(super) fn begin(&mut self, root: &'static Place, texts: Texts) {
        self.tokenizer = Tokenizer::default();
        self.broken = None;
        self.empty = true;
        let reading = &mut self.reading;
        reading.texts = texts;
        reading.open.clear();
        reading.next = root;
        reading.kept.clear();
        reading.keeping = None;
        reading.verbatim = false;
        reading.nested_read = false;
        reading.drafts.clear();
        reading.choices.clear();
        reading.calls_id.clear();
        reading.calls_agent = None;
        reading.said.clear();
    }

    /// Reads on. What is not JSON, or ambiguous, is not read any further.
    pub(super) fn push(&mut self, slice: &[u8]) {
        if self.broken.is_none() && !slice.is_empty() {
            self.empty = false;
            self.broken = self.tokenizer.push(slice, &mut self.reading).err().map(|fault| fault.flaw);
        }
    }

    /// The document ends: what it says. An empty one says nothing.
    pub(super) fn end(&mut self) -> Result<&mut Said, Flaw> {
        if let Some(flaw) = self.broken {
            return Err(flaw);
        }
        if !self.empty {
            self.tokenizer.finish(&mut self.reading).map_err(|fault| fault.flaw)?;
        }
        self.reading.settle()?;
        Ok(&mut self.reading.said)
    }

    /// Why nothing more can come of it.
    pub(super) const fn flaw(&self) -> Option<Flaw> {
        self.broken
    }
}

impl Reading {
    /// Where the value that begins stands.
    fn place(&self) -> &'static Place {
        match self.open.last() {
            Some(Frame { place, container: Container::Array, .. }) => place,
            _ => self.next,
        }
    }

    /// Whether a value at this place is kept whole, whatever it is.
    const fn keeps(leaf: Leaf) -> bool {
        matches!(
            leaf,
            Leaf::Fragment | Leaf::Done | Leaf::Call(Field::Arguments) | Leaf::Parameter(Part::Value)
        )
    }

    /// A value other than a string begins that is to be written as JSON.
    fn keep_json(&mut self, leaf: Leaf) {
        self.leaf = leaf;
        self.kept.clear();
        self.keeping = Some(self.open.len());
        self.verbatim = false;
    }

    /// A value that was written is complete.
    fn kept(&mut self, json: bool) -> Result<(), Flaw> {
        self.keeping = None;
        let over = self.kept.over;
        let bytes = if over { Vec::new() } else { std::mem::take(&mut self.kept.bytes) };
        // A value that is not there.
        if json && bytes == b"null" {
            return Ok(());
        }
        let arguments = Arguments { bytes, over };
        match self.leaf {
            Leaf::Delta => self.said.delta = Some(arguments),
            Leaf::Fragment if self.said.fragment.is_some() => return Err(Flaw::Contradiction),
            Leaf::Fragment => self.said.fragment = Some(arguments),
            Leaf::Done => self.said.done = Some(arguments),
            Leaf::Call(Field::Arguments) => {
                if let Some(draft) = self.drafts.last_mut() {
                    draft.give(arguments)?;
                }
            }
            Leaf::Parameter(Part::Value) => {
                self.parameter.value = Some(arguments);
                self.parameter.json = json;
            }
            _ => {}
        }
        Ok(())
    }

    /// A scalar that was written as JSON is complete, if it was the whole value.
    fn kept_scalar(&mut self) -> Result<(), Flaw> {
        if self.keeping == Some(self.open.len()) { self.kept(true) } else { Ok(()) }
    }

    /// What a string at this place is: text that nobody wants is nothing.
    fn string_leaf(&mut self) -> Leaf {
        match self.place().leaf {
            Leaf::Text | Leaf::Text64 if !self.limits.text => Leaf::Nothing,
            Leaf::Delta => match (self.said.kind.as_slice(), self.limits.text) {
                (b"", _) => Leaf::Delta,
                (kind, _) if is_call_delta(kind) => Leaf::Fragment,
                (_, true) => Leaf::Text,
                (_, false) => Leaf::Nothing,
            },
            leaf => leaf,
        }
    }

    /// A text that may be a call: they are counted.
    fn begin_written(&mut self) -> Result<(), Flaw> {
        let number = self.said.written.len();
        if number >= written::MAX_TEXTS {
            return Err(Flaw::TooManyNames);
        }
        self.said.written.push(Vec::new());
        if self.texts.settled >> number & 1 == 1 {
            self.leaf = if self.limits.text { Leaf::Text } else { Leaf::Nothing };
        }
        Ok(())
    }

    fn short(&mut self) -> Result<(), Flaw> {
        let Self { value, said, .. } = self;
        match self.leaf {
            Leaf::Kind if !said.kind.is_empty() => return Err(Flaw::Contradiction),
            Leaf::Kind => said.kind.extend_from_slice(value.get(..MAX_KIND).unwrap_or(value)),
            Leaf::Finish => {
                if let Some(choice) = self.choices.last_mut() {
                    choice.finished |= !value.is_empty();
                }
            }
            Leaf::CallsId => self.calls_id.extend_from_slice(cut(value, MAX_ID)),
            Leaf::CallsAgent => {
                let agent = cut(value, MAX_NAME);
                match &mut self.calls_agent {
                    None => self.calls_agent = Some(agent.to_vec()),
                    // Traces of several agents in one document: nobody knows whose call is whose.
                    Some(known) if known != agent => known.clear(),
                    Some(_) => {}
                }
            }
            Leaf::Call(field) => {
                let Some(draft) = self.drafts.last_mut() else { return Ok(()) };
                let (place, limit) = match field {
                    Field::Id => (&mut draft.id, MAX_ID),
                    Field::Name => {
                        if !draft.name.is_empty() && !value.is_empty() {
                            return Err(Flaw::Contradiction);
                        }
                        draft.name_too_long |= self.value_cut;
                        (&mut draft.name, MAX_NAME)
                    }
                    Field::Group => (&mut draft.group, MAX_NAME),
                    Field::Method => (&mut draft.method, MAX_NAME),
                    Field::Agent => (&mut draft.agent, MAX_NAME),
                    Field::Type => (&mut draft.kind, MAX_KIND),
                    Field::Execution => {
                        draft.returns = value == b"RETURN_CONTROL";
                        return Ok(());
                    }
                    Field::Arguments | Field::Index => return Ok(()),
                };
                place.extend_from_slice(cut(value, limit));
            }
            Leaf::Parameter(Part::Name) => {
                self.parameter.name.extend_from_slice(value);
                if self.value_cut {
                    return Err(Flaw::KeyTooLong);
                }
            }
            Leaf::Parameter(Part::Type) => self.parameter.kind.extend_from_slice(value),
            _ => {}
        }
        Ok(())
    }

    fn index(&mut self) -> Result<(), Flaw> {
        let field = matches!(self.leaf, Leaf::Index | Leaf::Call(Field::Index));
        if !field {
            return Ok(());
        }
        let number = std::str::from_utf8(&self.value).ok().and_then(|digits| digits.parse().ok());
        // `1.0`, `-1`: what it is the index of depends on who reads it.
        let number: u64 = number.ok_or(Flaw::Contradiction)?;
        match (self.leaf, self.choices.last_mut(), self.drafts.last_mut()) {
            (Leaf::Call(_), _, Some(draft)) => draft.index = Some(number),
            (Leaf::Index, Some(choice), _) => choice.index = number,
            (Leaf::Index, None, _) if self.said.index.is_some() => return Err(Flaw::Contradiction),
            (Leaf::Index, None, _) => self.said.index = Some(number),
            _ => {}
        }
        Ok(())
    }

    /// An object that means something is complete.
    fn closed(&mut self, node: Node) -> Result<(), Flaw> {
        match node {
            Node::Plain => {}
            Node::Stop => self.said.stop = true,
            Node::Call(_) | Node::Arguments(_) => {
                if let Some(draft) = self.drafts.pop() {
                    self.said.add(draft, &self.limits)?;
                }
            }
            Node::Parameter => {
                let parameter = std::mem::take(&mut self.parameter);
                if let Some(draft) = self.drafts.last_mut() {
                    add_parameter(draft, &parameter, self.limits.max_arguments);
                }
            }
            Node::Choice => {
                let Some(choice) = self.choices.pop() else { return Ok(()) };
                for draft in self.said.calls.get_mut(choice.calls..).unwrap_or_default() {
                    draft.choice = choice.index;
                }
                if choice.finished {
                    self.said.finished.push(choice.index);
                }
            }
        }
        Ok(())
    }

    /// What can be told only when all was read.
    fn settle(&mut self) -> Result<(), Flaw> {
        let Self { said, calls_id, calls_agent, limits, .. } = self;
        for draft in &mut said.calls {
            if draft.id.is_empty() {
                draft.id.clone_from(calls_id);
            }
            if let Some(agent) = calls_agent.as_ref().filter(|_| draft.agent.is_empty()) {
                draft.agent.clone_from(agent);
            }
        }
        // The type came after the delta.
        match said.delta.take() {
            Some(delta) if is_call_delta(&said.kind) => said.fragment = Some(delta),
            Some(delta) if limits.text && delta.over => return Err(Flaw::IdentifierTooLong),
            Some(delta) if limits.text => {
                said.begin_text();
                said.text.extend_from_slice(&delta.bytes);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether the `delta` of such an event is a part of arguments.
fn is_call_delta(kind: &[u8]) -> bool {
    kind.starts_with(b"response.") && kind.windows(5).any(|word| word == b"_call")
}

fn cut(value: &[u8], limit: usize) -> &[u8] {
    let Some(short) = value.get(..limit) else { return value };
    // At the edge of a character.
    match std::str::from_utf8(short) {
        Ok(_) => short,
        Err(error) => value.get(..error.valid_up_to()).unwrap_or_default(),
    }
}
