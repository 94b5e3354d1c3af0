//! Where in the document the reader stands, and which keys the open objects have said.

use super::flaw::{Flaw, MAX_KEY, MAX_OPEN_KEYS};
use super::shape::Node;
use super::tokenizer::Container;
use std::fmt::Write as _;

/// Up to here a new key is compared with every earlier one of its object at once; beyond, the object's keys are
/// sorted when it ends. Both are cheap for hostile input: no hash table, so nothing to flood.
const COMPARED_AT_ONCE: usize = 32;
/// Longest JSON pointer in a message, in bytes.
const MAX_POINTER: usize = 256;

/// An open container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// What this place means.
    pub(super) node: &'static Node,
    /// What the next value in it means.
    pub(super) next: &'static Node,
    container: Container,
    /// Where the object's current key starts in [`Path::names`].
    name: usize,
    /// Where the object's key hashes start in [`Path::hashes`].
    hashes: usize,
    /// Values begun, for arrays.
    index: u32,
    /// A member of this object was skipped as binary.
    pub(super) skipped_binary: bool,
    /// This object says `"type": "text"`.
    pub(super) says_text: bool,
}

/// The open containers.
#[derive(Debug, Clone)]
pub(super) struct Path {
    frames: Vec<Frame>,
    /// The current key of every open object, one after the other.
    names: Vec<u8>,
    /// Hashes of the keys of every open object.
    ///
    /// Equal keys have equal hashes, so no repeated key passes. Two keys with one hash refuse a sound body; the
    /// hash is 64 bits wide, and who contrives it stops only their own call.
    hashes: Vec<u64>,
    root: &'static Node,
}

impl Path {
    pub(super) fn new(root: &'static Node) -> Self {
        Path {
            frames: Vec::with_capacity(12),
            names: Vec::with_capacity(96),
            hashes: Vec::with_capacity(32),
            root,
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn top(&mut self) -> Option<&mut Frame> {
        self.frames.last_mut()
    }

    /// Begins a value: counts it and says what it means.
    pub(super) fn value(&mut self) -> &'static Node {
        match self.frames.last_mut() {
            Some(frame) => {
                frame.index = frame.index.wrapping_add(1);
                frame.next
            }
            None => self.root,
        }
    }

    /// Another value came before this one in its container.
    pub(super) fn follows(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.index > 1)
    }

    pub(super) fn open(&mut self, container: Container, node: &'static Node) {
        self.frames.push(Frame {
            node,
            next: node,
            container,
            name: self.names.len(),
            hashes: self.hashes.len(),
            index: 0,
            skipped_binary: false,
            says_text: false,
        });
    }

    pub(super) fn close(&mut self) -> Result<(), Flaw> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        self.names.truncate(frame.name);
        let own = self.hashes.get_mut(frame.hashes..).unwrap_or_default();
        if own.len() > COMPARED_AT_ONCE {
            own.sort_unstable();
            if own.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
                return Err(Flaw::DuplicateKey);
            }
        }
        self.hashes.truncate(frame.hashes);
        Ok(())
    }

    pub(super) fn key_open(&mut self) {
        if let Some(frame) = self.frames.last() {
            self.names.truncate(frame.name);
        }
    }

    pub(super) fn key_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.names.extend_from_slice(part);
        if self.name().len() > MAX_KEY { Err(Flaw::KeyTooLong) } else { Ok(()) }
    }

    /// Ends a key: it must be new in its object, and it says what its value means.
    pub(super) fn key_close(&mut self) -> Result<(), Flaw> {
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        let name = self.names.get(frame.name..).unwrap_or_default();
        let hash = hash(name);
        let own = self.hashes.get(frame.hashes..).unwrap_or_default();
        if own.len() < COMPARED_AT_ONCE && own.contains(&hash) {
            return Err(Flaw::DuplicateKey);
        }
        if self.hashes.len() >= MAX_OPEN_KEYS {
            return Err(Flaw::TooManyKeys);
        }
        self.hashes.push(hash);
        frame.next = frame.node.member(name);
        Ok(())
    }

    /// The current key of the innermost object.
    pub(super) fn name(&self) -> &[u8] {
        self.frames.last().and_then(|frame| self.names.get(frame.name..)).unwrap_or_default()
    }

    /// The place as a JSON pointer (RFC 6901) for people: cut when long, control characters escaped.
    pub(super) fn pointer(&self) -> String {
        let mut pointer = String::new();
        for (at, frame) in self.frames.iter().enumerate() {
            let end = self.frames.get(at + 1).map_or(self.names.len(), |inner| inner.name);
            match frame.container {
                Container::Object => {
                    let name = self.names.get(frame.name..end).unwrap_or_default();
                    // Before an object's first key, the place is the object itself.
                    if !name.is_empty() || frame.index > 0 {
                        let name = String::from_utf8_lossy(name).replace('~', "~0").replace('/', "~1");
                        let _ = write!(pointer, "/{}", name.escape_debug());
                    }
                }
                Container::Array if frame.index > 0 => {
                    let _ = write!(pointer, "/{}", frame.index - 1);
                }
                Container::Array => {}
            }
            if pointer.len() > MAX_POINTER {
                pointer.truncate(pointer.floor_char_boundary(MAX_POINTER));
                pointer.push('…');
                break;
            }
        }
        pointer
    }
}

/// A 64-bit hash. Not keyed: nothing is looked up by it. Two multiplications a word, so that a difference in any
/// byte reaches all of the next word.
fn hash(bytes: &[u8]) -> u64 {
    let mix = |state: u64, word: u64| {
        let state = (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let state = (state ^ (state >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        state ^ (state >> 29)
    };
    let (words, tail) = bytes.as_chunks::<8>();
    let state = words.iter().fold(bytes.len() as u64, |state, word| mix(state, u64::from_le_bytes(*word)));
    mix(state, tail.iter().fold(0, |word, &byte| (word << 8) | u64::from(byte)))
}
