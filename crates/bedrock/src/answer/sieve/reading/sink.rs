//! What the tokens of a document mean.

use super::{Choice, Frame, MAX_NAME, Reader, Reading, Short};
use crate::answer::sieve::places::{self, Field, Leaf, Node};
use crate::answer::sieve::said::{Draft, Parameter};
use crate::answer::sieve::written;
use crate::body::flaw::Flaw;
use crate::body::tokenizer::{Container, Literal, Sink};
use crate::unbase64::{Fault, Unbase64};

impl Sink for Reading {
    fn open(&mut self, container: Container) -> Result<(), Flaw> {
        let mut place = self.place();
        if self.keeping.is_some() {
            self.kept.open(container);
            place = &places::NOTHING;
        } else if Self::keeps(place.leaf) {
            self.keep_json(place.leaf);
            self.kept.open(container);
            place = &places::NOTHING;
        } else if container == Container::Object {
            match place.node {
                Node::Call(_) => self.drafts.push(Draft::of(place.node)),
                Node::Arguments(_) => {
                    self.drafts.push(Draft::of(place.node));
                    self.keep_json(Leaf::Call(Field::Arguments));
                    self.kept.open(container);
                }
                Node::Choice => {
                    self.choices.push(Choice { index: 0, finished: false, calls: self.said.calls.len() })
                }
                Node::Parameter => self.parameter = Parameter::default(),
                Node::Plain | Node::Stop => {}
            }
        }
        self.open.push(Frame { place, container, seen: 0 });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Flaw> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        if self.keeping.is_some() {
            self.kept.close(frame.container);
            self.kept_scalar()?;
        }
        if frame.container == Container::Object { self.closed(frame.place.node) } else { Ok(()) }
    }

    fn key_open(&mut self) -> Result<(), Flaw> {
        if self.keeping.is_some() {
            self.kept.quote();
        } else {
            self.member = Short::EMPTY;
        }
        Ok(())
    }

    fn key_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        if self.keeping.is_some() {
            self.kept.text(part);
        } else {
            self.member.push(part);
        }
        Ok(())
    }

    fn key_close(&mut self) -> Result<(), Flaw> {
        if self.keeping.is_some() {
            self.kept.key_close();
            return Ok(());
        }
        self.next = match self.open.last_mut() {
            Some(frame) if !frame.place.is_barren() => {
                let (place, number) = frame.place.member(self.member.get());
                let bit = number.map_or(0, |number| 1_u64.wrapping_shl(number));
                if frame.seen & bit != 0 {
                    return Err(Flaw::DuplicateKey);
                }
                frame.seen |= bit;
                place
            }
            _ => &places::NOTHING,
        };
        Ok(())
    }

    fn string_open(&mut self) -> Result<(), Flaw> {
        if self.keeping.is_some() {
            self.kept.quote();
            return Ok(());
        }
        self.leaf = self.string_leaf();
        match self.leaf {
            Leaf::Nothing => {}
            leaf if leaf == Leaf::Delta || Self::keeps(leaf) => {
                self.kept.clear();
                self.verbatim = true;
            }
            Leaf::Text => self.said.begin_text(),
            Leaf::Written => {
                if self.limits.text {
                    self.said.begin_text();
                }
                self.begin_written()?;
            }
            Leaf::Text64 => self.base64 = Unbase64::default(),
            Leaf::Document64 => {
                self.base64 = Unbase64::default();
                if std::mem::replace(&mut self.nested_read, true) {
                    return Err(Flaw::Contradiction);
                }
                let Self { nested, limits, texts, .. } = self;
                nested.get_or_insert_with(|| Box::new(Reader::new(*limits))).begin(&places::ANSWER, *texts);
            }
            _ => {
                self.value.clear();
                self.value_cut = false;
            }
        }
        Ok(())
    }

    fn string_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        if self.keeping.is_some() {
            self.kept.text(part);
            return Ok(());
        }
        if self.verbatim {
            self.kept.raw(part);
            return Ok(());
        }
        let Self { base64, said, nested, .. } = self;
        match self.leaf {
            Leaf::Nothing => {}
            Leaf::Text => said.text.extend_from_slice(part),
            Leaf::Written => {
                if self.limits.text {
                    said.text.extend_from_slice(part);
                }
                let begun = self.texts.begun >> said.written.len().saturating_sub(1) & 1 == 1;
                if let Some(text) = said.written.last_mut() {
                    written::add(text, part);
                    // Most texts are known by their first character.
                    if !begun && !written::may_be_call(text) {
                        self.leaf = if self.limits.text { Leaf::Text } else { Leaf::Nothing };
                    } else if text.len() > self.limits.max_arguments.saturating_add(written::MAX_PREFIX) {
                        return Err(Flaw::TooManyNames);
                    }
                }
            }
            Leaf::Text64 => {
                let read = |bytes: &[u8]| {
                    said.text.extend_from_slice(bytes);
                    Ok::<(), Flaw>(())
                };
                base64.push(part, read).map_err(|_| Flaw::BadBase64)?;
            }
            Leaf::Document64 => {
                let Some(nested) = nested else { return Ok(()) };
                let read = |bytes: &[u8]| {
                    nested.push(bytes);
                    nested.flaw().map_or(Ok(()), Err)
                };
                base64.push(part, read).map_err(|fault| match fault {
                    Fault::NotBase64 => Flaw::BadBase64,
                    Fault::Reader(flaw) => flaw,
                })?;
            }
            _ => {
                let room = (MAX_NAME + 1).saturating_sub(self.value.len());
                self.value_cut |= part.len() >= room;
                self.value.extend_from_slice(part.get(..room).unwrap_or(part));
            }
        }
        Ok(())
    }

    fn string_close(&mut self) -> Result<(), Flaw> {
        if self.keeping.is_some() {
            self.kept.string_close();
            return self.kept_scalar();
        }
        if std::mem::take(&mut self.verbatim) {
            return self.kept(false);
        }
        match self.leaf {
            Leaf::Nothing | Leaf::Text | Leaf::Written => Ok(()),
            Leaf::Text64 if self.base64.is_whole() => Ok(()),
            Leaf::Document64 if self.base64.is_whole() => {
                if let Some(nested) = &mut self.nested {
                    std::mem::swap(nested.end()?, &mut self.said);
                }
                Ok(())
            }
            Leaf::Text64 | Leaf::Document64 => Err(Flaw::BadBase64),
            _ => self.short(),
        }
    }

    fn number_open(&mut self) -> Result<(), Flaw> {
        if self.keeping.is_none() {
            let leaf = self.place().leaf;
            if Self::keeps(leaf) {
                self.keep_json(leaf);
            } else {
                self.leaf = leaf;
                self.value.clear();
                return Ok(());
            }
        }
        self.kept.number_open();
        Ok(())
    }

    fn number_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        if self.keeping.is_some() {
            self.kept.raw(part);
        } else if matches!(self.leaf, Leaf::Index | Leaf::Call(Field::Index)) {
            self.value.extend_from_slice(part);
        }
        Ok(())
    }

    fn number_close(&mut self) -> Result<(), Flaw> {
        if self.keeping.is_some() { self.kept_scalar() } else { self.index() }
    }

    fn literal(&mut self, literal: Literal) -> Result<(), Flaw> {
        if self.keeping.is_none() {
            let leaf = self.place().leaf;
            if !Self::keeps(leaf) {
                return Ok(());
            }
            self.keep_json(leaf);
        }
        self.kept.literal(literal);
        self.kept_scalar()
    }
}
