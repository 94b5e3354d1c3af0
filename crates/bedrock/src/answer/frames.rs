//! AWS's event stream (`application/vnd.amazon.eventstream`), decoded as it comes.
//!
//! ```text
//! total u32 | headers u32 | crc32(first 8 bytes) u32 | headers … | payload … | crc32(all before) u32      (big-endian)
//! ```
//!
//! A header is `name-length u8 | name | type u8 | value`. Source: AWS SDK reference, "Amazon event stream specification"
//! (smithy.io, "event stream"); bounds as botocore has them.

use crc32fast::Hasher;

/// Longest payload, and longest headers, of a frame.
const MAX_PAYLOAD: u32 = 24 * 1_024 * 1_024;
const MAX_HEADERS: u32 = 128 * 1_024;
/// Longest headers that are read. Bedrock's take about a hundred bytes; longer ones count for the checksum only.
const MAX_READ: usize = 16 * 1_024;
/// Prelude and checksum of the message.
const PRELUDE: usize = 12;
const OVERHEAD: u32 = 16;

/// Takes the frames of a stream.
pub(super) trait FrameSink {
    /// A frame's head has come; its payload follows.
    fn begin(&mut self, head: &FrameHead<'_>);
    /// The next part of the payload. Nothing is proven of it yet.
    fn payload(&mut self, part: &[u8]);
    /// The frame is whole, and its checksum right.
    fn end(&mut self);
}

/// A frame's headers, as far as they matter. All are empty where there is no such header, or it is no string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FrameHead<'a> {
    /// `:message-type`: `event`, `exception` or `error`.
    pub(super) message: &'a [u8],
    /// `:event-type`.
    pub(super) event: &'a [u8],
    /// `:exception-type`.
    pub(super) exception: &'a [u8],
    /// `:error-code`.
    pub(super) error: &'a [u8],
    /// Length of the headers in bytes.
    pub(super) headers: usize,
    /// Length of the payload in bytes.
    pub(super) payload: usize,
    /// The headers make no sense to their end, or say one of these twice: not everybody reads them alike.
    pub(super) odd: bool,
}

/// The decoder. It keeps a prelude, a checksum and the headers of one frame.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    state: State,
    /// Over the frame so far.
    crc: Hasher,
    headers: Vec<u8>,
    /// Length of this frame's headers, of which [`Frames::headers`] holds the beginning.
    headers_length: u32,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Prelude { bytes: [u8; PRELUDE], filled: usize },
    Headers { left: u32, payload: u32 },
    Payload { left: u32 },
    Checksum { bytes: [u8; 4], filled: usize },
    Broken,
}

impl State {
    const START: Self = Self::Prelude { bytes: [0; PRELUDE], filled: 0 };
}

impl Frames {
    pub(super) fn new() -> Self {
        Self { state: State::START, crc: Hasher::new(), headers: Vec::with_capacity(256), headers_length: 0 }
    }

    /// Reads on. After a wrong checksum or length there is no telling where a frame begins, and nothing is read any more.
    pub(super) fn push(&mut self, mut slice: &[u8], sink: &mut impl FrameSink) {
        while !slice.is_empty() {
            slice = match self.state {
                State::Prelude { bytes, filled } => self.prelude(bytes, filled, slice),
                State::Headers { left, payload } => self.headers(left, payload, slice, sink),
                State::Payload { left } => {
                    let (part, rest) = split(slice, left);
                    self.crc.update(part);
                    sink.payload(part);
                    self.state = payload(less(left, part));
                    rest
                }
                State::Checksum { bytes, filled } => self.checksum(bytes, filled, slice, sink),
                State::Broken => return,
            };
        }
    }

    /// A length or checksum was wrong.
    pub(super) const fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken)
    }

    /// The stream may end here.
    pub(super) const fn is_whole(&self) -> bool {
        matches!(self.state, State::Prelude { filled: 0, .. })
    }

    fn prelude<'a>(&mut self, mut bytes: [u8; PRELUDE], mut filled: usize, slice: &'a [u8]) -> &'a [u8] {
        let rest = fill(&mut bytes, &mut filled, slice);
        self.state = State::Prelude { bytes, filled };
        if filled == PRELUDE {
            self.state = self.measure(bytes).unwrap_or(State::Broken);
        }
        rest
    }

    /// The state after a prelude; `None` when it makes no sense.
    fn measure(&mut self, bytes: [u8; PRELUDE]) -> Option<State> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        let total = u32::from_be_bytes([a, b, c, d]);
        let headers = u32::from_be_bytes([e, f, g, h]);
        if crc32fast::hash(&[a, b, c, d, e, f, g, h]) != u32::from_be_bytes([i, j, k, l]) {
            return None;
        }
        let payload = total.checked_sub(OVERHEAD)?.checked_sub(headers)?;
        if headers > MAX_HEADERS || payload > MAX_PAYLOAD {
            return None;
        }
        self.crc = Hasher::new();
        self.crc.update(&bytes);
        self.headers.clear();
        self.headers_length = headers;
        Some(State::Headers { left: headers, payload })
    }

    fn headers<'a>(
        &mut self,
        left: u32,
        length: u32,
        slice: &'a [u8],
        sink: &mut impl FrameSink,
    ) -> &'a [u8] {
        let (part, rest) = split(slice, left);
        self.crc.update(part);
        let kept = MAX_READ.saturating_sub(self.headers.len()).min(part.len());
        self.headers.extend_from_slice(part.get(..kept).unwrap_or_default());
        let left = less(left, part);
        if left > 0 {
            self.state = State::Headers { left, payload: length };
        } else {
            let mut head = FrameHead::read(&self.headers);
            head.headers = self.headers_length as usize;
            head.payload = length as usize;
            head.odd |= head.headers > self.headers.len();
            sink.begin(&head);
            self.state = payload(length);
        }
        rest
    }

    fn checksum<'a>(
        &mut self,
        mut bytes: [u8; 4],
        mut filled: usize,
        slice: &'a [u8],
        sink: &mut impl FrameSink,
    ) -> &'a [u8] {
        let rest = fill(&mut bytes, &mut filled, slice);
        self.state = State::Checksum { bytes, filled };
        if filled == bytes.len() {
            let sound = self.crc.clone().finalize() == u32::from_be_bytes(bytes);
            self.state = if sound { State::START } else { State::Broken };
            if sound {
                sink.end();
            }
        }
        rest
    }
}

/// A frame without headers has nothing for [`State::Headers`] to wait for, and one without payload nothing for this.
const fn payload(left: u32) -> State {
    if left > 0 { State::Payload { left } } else { State::Checksum { bytes: [0; 4], filled: 0 } }
}

fn split(slice: &[u8], left: u32) -> (&[u8], &[u8]) {
    slice.split_at_checked(left as usize).unwrap_or((slice, &[]))
}

/// `part` is never longer than `left`.
const fn less(left: u32, part: &[u8]) -> u32 {
    left.saturating_sub(part.len() as u32)
}

fn fill<'a, const N: usize>(bytes: &mut [u8; N], filled: &mut usize, slice: &'a [u8]) -> &'a [u8] {
    let (part, rest) = slice.split_at_checked(N.saturating_sub(*filled)).unwrap_or((slice, &[]));
    let end = filled.saturating_add(part.len());
    if let Some(room) = bytes.get_mut(*filled..end) {
        room.copy_from_slice(part);
    }
    *filled = end;
    rest
}

impl<'a> FrameHead<'a> {
    /// Reads headers up to the first that makes no sense.
    fn read(mut block: &'a [u8]) -> Self {
        let mut head = Self::default();
        let mut seen = [false; 4];
        while let Some(Header { name, text, rest }) = Header::read(block) {
            block = rest;
            let [message, event, exception, error] = &mut seen;
            let (place, seen) = match name {
                b":message-type" => (&mut head.message, message),
                b":event-type" => (&mut head.event, event),
                b":exception-type" => (&mut head.exception, exception),
                b":error-code" => (&mut head.error, error),
                _ => continue,
            };
            head.odd |= std::mem::replace(seen, true);
            *place = text;
        }
        head.odd |= !block.is_empty();
        head
    }
}

/// A header, and what follows it.
struct Header<'a> {
    name: &'a [u8],
    /// Its value; empty when that is no string.
    text: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(block: &'a [u8]) -> Option<Self> {
        let (&length, block) = block.split_first()?;
        let (name, block) = block.split_at_checked(usize::from(length))?;
        let (&kind, block) = block.split_first()?;
        let fixed = match kind {
            0 | 1 => 0,
            2 => 1,
            3 => 2,
            4 => 4,
            5 | 8 => 8,
            9 => 16,
            6 | 7 => {
                let ([high, low], block) = block.split_first_chunk()?;
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let (value, rest) = block.split_at_checked(length)?;
                return Some(Self { name, text: if kind == 7 { value } else { &[] }, rest });
            }
            _ => return None,
        };
        Some(Self { name, text: &[], rest: block.get(fixed..)? })
    }
}
