//! A body within the body: CountTokens carries an InvokeModel body in base64.

use super::PayloadKind;
use super::facts::Facts;
use super::flaw::Flaw;
use super::interpreter::{Interpreter, Reading};
use super::tables;
use super::tokenizer::Tokenizer;
use data_encoding::BASE64;

/// Base64 characters decoded at once; a multiple of four.
const BLOCK: usize = 1_024;

/// Decodes and reads the inner body as it comes, in constant memory.
#[derive(Debug, Clone)]
pub(super) struct Nested {
    tokenizer: Tokenizer,
    interpreter: Interpreter,
    /// Characters of a group of four that is not whole yet.
    group: Vec<u8>,
    /// Padding was seen: nothing may follow.
    padded: bool,
}

impl Default for Nested {
    fn default() -> Self {
        Nested {
            tokenizer: Tokenizer::default(),
            interpreter: Interpreter::new(tables::root(PayloadKind::InvokeModel)),
            group: Vec::with_capacity(4),
            padded: false,
        }
    }
}

impl Nested {
    pub(super) fn push(&mut self, mut part: &[u8], facts: &mut Facts) -> Result<(), Flaw> {
        while !self.group.is_empty() {
            let Some((&byte, tail)) = part.split_first() else { return Ok(()) };
            part = tail;
            self.group.push(byte);
            if self.group.len() == 4 {
                let group = std::mem::take(&mut self.group);
                self.decode(&group, facts)?;
            }
        }
        let (groups, rest) = part.split_at_checked(part.len() & !3).unwrap_or((part, &[]));
        for block in groups.chunks(BLOCK) {
            self.decode(block, facts)?;
        }
        self.group.extend_from_slice(rest);
        Ok(())
    }

    pub(super) fn finish(mut self, facts: &mut Facts) -> Result<(), Flaw> {
        if !self.group.is_empty() {
            return Err(Flaw::BadBase64);
        }
        let mut reading = Reading { interpreter: &mut self.interpreter, facts };
        self.tokenizer.finish(&mut reading).map_err(|fault| fault.flaw)
    }

    fn decode(&mut self, block: &[u8], facts: &mut Facts) -> Result<(), Flaw> {
        if self.padded {
            return Err(Flaw::BadBase64);
        }
        // Padding ends the string. The library would take a second string of base64 behind it.
        let end = block.iter().position(|&byte| byte == b'=').map_or(block.len(), |at| (at & !3) + 4);
        let (block, after) = block.split_at_checked(end).unwrap_or((block, &[]));
        self.padded = block.ends_with(b"=");
        let mut buffer = [0; BLOCK / 4 * 3];
        let room = buffer.get_mut(..block.len() / 4 * 3).ok_or(Flaw::BadBase64)?;
        // What is sound is read first, so that the first flaw is the one that is told, however the body is cut.
        let (len, sound) = match BASE64.decode_mut(block, room) {
            Ok(len) => (len, after.is_empty()),
            Err(partial) => (partial.written, false),
        };
        let bytes = buffer.get(..len).unwrap_or_default();
        let mut reading = Reading { interpreter: &mut self.interpreter, facts };
        self.tokenizer.push(bytes, &mut reading).map_err(|fault| fault.flaw)?;
        if sound { Ok(()) } else { Err(Flaw::BadBase64) }
    }
}
