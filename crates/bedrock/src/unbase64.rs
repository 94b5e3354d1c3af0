//! Base64 (RFC 4648 §4) that arrives in parts, decoded in constant memory.

use data_encoding::BASE64;

/// Base64 characters decoded at once; a multiple of four.
const BLOCK: usize = 1_024;

/// Why a string is not base64, or what its reader has against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault<E> {
    /// It is not base64.
    NotBase64,
    /// The reader of the bytes refuses them.
    Reader(E),
}

/// A string of base64, as far as it has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unbase64 {
    /// Characters of a group of four that is not whole yet.
    group: [u8; 4],
    filled: usize,
    /// Padding was seen: nothing may follow.
    padded: bool,
}

impl Unbase64 {
    /// Decodes the next part. What is sound is read before a flaw is told, so that the first flaw is the one that is told,
    /// however the string is cut.
    pub(crate) fn push<E>(
        &mut self,
        mut part: &[u8],
        mut read: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), Fault<E>> {
        while self.filled > 0 {
            let Some((&byte, tail)) = part.split_first() else { return Ok(()) };
            part = tail;
            self.keep(byte);
            if self.filled == self.group.len() {
                self.filled = 0;
                let group = self.group;
                self.decode(&group, &mut read)?;
            }
        }
        let (groups, rest) = part.split_at_checked(part.len() & !3).unwrap_or((part, &[]));
        for block in groups.chunks(BLOCK) {
            self.decode(block, &mut read)?;
        }
        rest.iter().for_each(|&byte| self.keep(byte));
        Ok(())
    }

    /// The string has ended: whether it was whole.
    pub(crate) const fn is_whole(&self) -> bool {
        self.filled == 0
    }

    fn keep(&mut self, byte: u8) {
        if let Some(place) = self.group.get_mut(self.filled) {
            *place = byte;
            self.filled += 1;
        }
    }

    fn decode<E>(
        &mut self,
        block: &[u8],
        read: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), Fault<E>> {
        if self.padded {
            return Err(Fault::NotBase64);
        }
        // Padding ends the string. The library would take a second string of base64 behind it.
        let end = block.iter().position(|&byte| byte == b'=').map_or(block.len(), |at| (at & !3) + 4);
        let (block, after) = block.split_at_checked(end).unwrap_or((block, &[]));
        self.padded = block.ends_with(b"=");
        let mut buffer = [0; BLOCK / 4 * 3];
        let room = buffer.get_mut(..block.len() / 4 * 3).ok_or(Fault::NotBase64)?;
        let (len, sound) = match BASE64.decode_mut(block, room) {
            Ok(len) => (len, after.is_empty()),
            Err(partial) => (partial.written, false),
        };
        read(buffer.get(..len).unwrap_or_default()).map_err(Fault::Reader)?;
        if sound { Ok(()) } else { Err(Fault::NotBase64) }
    }
}
