//! Frames of event streams that no sound server sends.

use crate::directives::{Checksum, Directives};
use crate::reply::{encoded, message};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;

/// The frame, spoilt as ordered. Layout: total length, headers' length, checksum of these two, headers, payload,
/// checksum of all; numbers are big-endian.
pub(super) fn frame(orders: &Directives, frame: &Bytes) -> Bytes {
    let mut bytes = frame.to_vec();
    match orders.bad_crc {
        Some(Checksum::Message) => bytes.last_mut().into_iter().for_each(|byte| *byte = !*byte),
        Some(Checksum::Prelude) => bytes.get_mut(8).into_iter().for_each(|byte| *byte = !*byte),
        None => {}
    }
    for (place, length) in [(0, orders.length), (4, orders.headers_length)] {
        if let Some(length) = length {
            bytes.splice(place..place + 4, length.to_be_bytes());
            let checksum = bytes.get(..8).map(crc32).unwrap_or_default();
            bytes.splice(8..12, checksum.to_be_bytes());
        }
    }
    Bytes::from(bytes)
}

/// Headers of all ten types, before those that count.
pub(super) fn odd_headers(message: Message) -> Message {
    let values = [
        ("a", HeaderValue::Bool(true)),
        ("b", HeaderValue::Bool(false)),
        ("c", HeaderValue::Byte(-1)),
        ("d", HeaderValue::Int16(-2)),
        ("e", HeaderValue::Int32(-3)),
        ("f", HeaderValue::Int64(-4)),
        ("g", HeaderValue::ByteArray(Bytes::from_static(b"\0\xff"))),
        ("h", HeaderValue::String("text".into())),
        ("i", HeaderValue::Timestamp(aws_smithy_types::DateTime::from_secs(1_767_225_600))),
        ("j", HeaderValue::Uuid(1)),
    ];
    let mut odd = Message::new(message.payload().clone());
    for (name, value) in values {
        odd = odd.add_header(Header::new(name, value));
    }
    message.headers().iter().fold(odd, |odd, header| odd.add_header(header.clone()))
}

/// An event, a message and a frame that say nothing to anybody.
pub(super) fn unknown_frames() -> Vec<Bytes> {
    vec![
        encoded(&message("event", "somethingNew", r#"{"text":"new"}"#)),
        encoded(&message("gossip", "somethingOld", r#"{"text":"old"}"#)),
        encoded(&Message::new(Bytes::from_static(b"no headers"))),
    ]
}

/// CRC-32 as in IEEE 802.3, of event streams and gzip.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc32::default();
    crc.add(bytes);
    crc.value()
}

/// The same, piece by piece.
#[derive(Default)]
pub(super) struct Crc32(u32);

impl Crc32 {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let mut crc = !self.0;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        self.0 = !crc;
    }

    pub(super) fn value(&self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn crc32_is_the_known_one() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
