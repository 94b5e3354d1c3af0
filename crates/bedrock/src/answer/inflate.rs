//! A compressed answer, decompressed as it passes: only to be read, the client gets its own bytes.
//!
//! gzip (RFC 1952), `deflate` as HTTP means it (zlib, RFC 1950; RFC 9110, section 8.4.1.2) and as some send it (RFC 1951 alone).

use crc32fast::Hasher;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// What is decompressed at once.
const OUT: usize = 8 * 1_024;
/// Longest answer that is read, decompressed: a bomb of a thousand to one must not cost a thousand times the work.
const MAX_INFLATED: u64 = 256 * 1_024 * 1_024;

/// A decompressor: 43 KiB of state, whatever the answer.
#[derive(Clone)]
pub(super) struct Inflate {
    state: State,
    format: Format,
    inflater: Box<InflateState>,
    crc: Hasher,
    inflated: u64,
    member: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Gzip,
    /// zlib or bare: the first byte tells.
    Deflate,
}

#[derive(Debug, Clone)]
enum State {
    /// In a gzip header.
    Header(Header),
    /// The first byte of a `deflate` body comes.
    First,
    Data,
    /// In the checksum and length behind a member.
    Trailer {
        bytes: [u8; 8],
        filled: usize,
    },
    /// A zlib body is over.
    Over,
    Broken,
}

/// Where in a gzip header the next byte stands.
#[derive(Debug, Clone, Copy)]
enum Header {
    Fixed {
        at: u8,
        flags: u8,
    },
    ExtraLength {
        flags: u8,
        low: Option<u8>,
    },
    Extra {
        flags: u8,
        left: u16,
    },
    /// The file's name, its comment: up to a zero.
    Text {
        flags: u8,
    },
    Checksum {
        left: u8,
    },
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflate")
            .field("state", &self.state)
            .field("inflated", &self.inflated)
            .finish_non_exhaustive()
    }
}

impl Inflate {
    /// For a `content-encoding`; `None` for one that is not read.
    pub(super) fn of(coding: &[u8]) -> Option<Self> {
        let coding = coding.trim_ascii();
        let format = if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
            Format::Gzip
        } else if coding.eq_ignore_ascii_case(b"deflate") {
            Format::Deflate
        } else {
            return None;
        };
        Some(Self {
            state: match format {
                Format::Gzip => State::Header(Header::START),
                Format::Deflate => State::First,
            },
            format,
            inflater: InflateState::new_boxed(DataFormat::Raw),
            crc: Hasher::new(),
            inflated: 0,
            member: 0,
        })
    }

    /// Nothing more can come of it.
    pub(super) const fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken)
    }

    /// It may end here. Of a bare `deflate` body only its own end can be told.
    pub(super) const fn is_whole(&self) -> bool {
        matches!(self.state, State::Over | State::First)
            || matches!(self.state, State::Header(Header::Fixed { at: 0, .. }))
    }

    /// Reads on, and hands on what it means.
    pub(super) fn push(&mut self, mut slice: &[u8], mut read: impl FnMut(&[u8])) {
        while !slice.is_empty() {
            slice = match std::mem::replace(&mut self.state, State::Broken) {
                State::Header(header) => self.header(header, slice),
                State::First => {
                    // zlib: the method is 8, and two bytes are a multiple of 31. No bare body that an encoder writes begins so.
                    let zlib = slice.first().is_some_and(|first| first & 0x0f == 8 && first >> 4 <= 7);
                    self.inflater.reset(if zlib { DataFormat::Zlib } else { DataFormat::Raw });
                    self.state = State::Data;
                    slice
                }
                State::Data => self.data(slice, &mut read),
                State::Trailer { bytes, filled } => self.trailer(bytes, filled, slice),
                State::Over | State::Broken => return,
            };
        }
    }

    fn header<'a>(&mut self, header: Header, slice: &'a [u8]) -> &'a [u8] {
        let Some((&byte, rest)) = slice.split_first() else { return slice };
        if let Some(next) = header.next(byte) {
            self.state = match next {
                Some(header) => State::Header(header),
                None => {
                    self.inflater.reset(DataFormat::Raw);
                    self.crc = Hasher::new();
                    self.member = 0;
                    State::Data
                }
            };
        }
        rest
    }

    /// Leaves [`State::Broken`] where it cannot go on.
    fn data<'a>(&mut self, slice: &'a [u8], read: &mut impl FnMut(&[u8])) -> &'a [u8] {
        let mut out = [0; OUT];
        let mut rest = slice;
        loop {
            let done = inflate(&mut self.inflater, rest, &mut out, MZFlush::None);
            rest = rest.get(done.bytes_consumed..).unwrap_or_default();
            let plain = out.get(..done.bytes_written).unwrap_or_default();
            self.inflated = self.inflated.saturating_add(plain.len() as u64);
            self.member = self.member.saturating_add(plain.len() as u64);
            if self.inflated > MAX_INFLATED {
                return &[];
            }
            if self.format == Format::Gzip {
                self.crc.update(plain);
            }
            read(plain);
            match done.status {
                Ok(MZStatus::StreamEnd) => {
                    self.state = match self.format {
                        Format::Gzip => State::Trailer { bytes: [0; 8], filled: 0 },
                        Format::Deflate => State::Over,
                    };
                    return rest;
                }
                // There may be more to come out of what it has taken.
                Ok(_) if done.bytes_written == out.len() || !rest.is_empty() => {
                    if done.bytes_consumed == 0 && done.bytes_written == 0 {
                        return &[];
                    }
                }
                Ok(_) => {
                    self.state = State::Data;
                    return rest;
                }
                // It has nothing to go on with, which is only right where nothing is left.
                Err(MZError::Buf) if rest.is_empty() => {
                    self.state = State::Data;
                    return rest;
                }
                Err(_) => return &[],
            }
        }
    }

    fn trailer<'a>(&mut self, mut bytes: [u8; 8], filled: usize, slice: &'a [u8]) -> &'a [u8] {
        let (part, rest) = slice.split_at_checked(8_usize.saturating_sub(filled)).unwrap_or((slice, &[]));
        let end = filled.saturating_add(part.len());
        if let Some(room) = bytes.get_mut(filled..end) {
            room.copy_from_slice(part);
        }
        let [a, b, c, d, e, f, g, h] = bytes;
        self.state = if end < bytes.len() {
            State::Trailer { bytes, filled: end }
        } else if u32::from_le_bytes([a, b, c, d]) == self.crc.clone().finalize()
            && u64::from(u32::from_le_bytes([e, f, g, h])) == self.member & u64::from(u32::MAX)
        {
            // Another member may follow.
            State::Header(Header::START)
        } else {
            State::Broken
        };
        rest
    }
}

impl Header {
    const START: Self = Self::Fixed { at: 0, flags: 0 };
    const HAS_CHECKSUM: u8 = 2;
    const HAS_EXTRA: u8 = 4;
    const HAS_NAME: u8 = 8;
    const HAS_COMMENT: u8 = 16;

    /// After this byte: the next place, or (`Some(None)`) the data. `None` where it is no gzip.
    fn next(self, byte: u8) -> Option<Option<Self>> {
        Some(match self {
            Self::Fixed { at: 0, .. } if byte != 0x1f => return None,
            Self::Fixed { at: 1, .. } if byte != 0x8b => return None,
            Self::Fixed { at: 2, .. } if byte != 8 => return None,
            Self::Fixed { at: 3, .. } => Some(Self::Fixed { at: 4, flags: byte }),
            Self::Fixed { at: 9, flags } if flags & Self::HAS_EXTRA != 0 => {
                Some(Self::ExtraLength { flags, low: None })
            }
            Self::Fixed { at: 9, flags } => Self::after_extra(flags),
            Self::Fixed { at, flags } => Some(Self::Fixed { at: at + 1, flags }),
            Self::ExtraLength { flags, low: None } => Some(Self::ExtraLength { flags, low: Some(byte) }),
            Self::ExtraLength { flags, low: Some(low) } => match u16::from_le_bytes([low, byte]) {
                0 => Self::after_extra(flags),
                left => Some(Self::Extra { flags, left }),
            },
            Self::Extra { flags, left: 1 } => Self::after_extra(flags),
            Self::Extra { flags, left } => Some(Self::Extra { flags, left: left.saturating_sub(1) }),
            Self::Text { flags } if byte != 0 => Some(Self::Text { flags }),
            Self::Text { flags } => Self::after_extra(flags),
            Self::Checksum { left: 1 } => None,
            Self::Checksum { left } => Some(Self::Checksum { left: left.saturating_sub(1) }),
        })
    }

    /// What comes next of name, comment and checksum; each flag is taken away as it is met.
    const fn after_extra(flags: u8) -> Option<Self> {
        if flags & Self::HAS_NAME != 0 {
            Some(Self::Text { flags: flags & !Self::HAS_NAME })
        } else if flags & Self::HAS_COMMENT != 0 {
            Some(Self::Text { flags: flags & !Self::HAS_COMMENT })
        } else if flags & Self::HAS_CHECKSUM != 0 {
            Some(Self::Checksum { left: 2 })
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
