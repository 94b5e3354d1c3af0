//! The last touches of an answer: what it is compressed with, how it is sliced, what follows it.

use super::Ask;
use super::damage::Crc32;
use super::said::{FILLER, ToolCall};
use super::stream;
use crate::directives::Gzip;
use crate::reply::{Reply, Step};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Whatever is ordered about the way an answer comes.
pub(super) fn finish(ask: &Ask<'_>, mut reply: Reply, streamed: bool) -> Reply {
    let orders = &ask.directives;
    if !streamed {
        reply.hang = orders.stall;
        reply.steps = document(ask, reply.steps);
    }
    if let Some(body) = &orders.body {
        reply.steps = VecDeque::from([Step::Pause(Duration::ZERO), Step::Data(body.clone().into())]);
    }
    if orders.gzip == Some(Gzip::Real) {
        reply.steps = compressed(reply.steps);
    }
    if orders.gzip.is_some() {
        reply = reply.header("content-encoding", "gzip");
    }
    if !streamed && !orders.trailers {
        let length: usize = reply.steps.iter().map(|step| step.data().map_or(0, Bytes::len)).sum();
        reply = reply.header("content-length", length.to_string());
        if let (Some(Step::Data(bytes)), true) = (reply.steps.front(), orders.cut) {
            reply.steps = VecDeque::from(stream::cut_short(bytes));
        }
    }
    if let Some(most) = orders.slices {
        reply.steps = sliced(reply.steps, most.max(1));
    }
    if orders.trailers {
        reply.steps.push_back(Step::Trailers);
        reply = reply.header("trailer", "x-fake-trailer");
    }
    reply
}

/// Puts in what a JSON value could not hold: arguments as they were ordered, and megabytes of text.
fn document(ask: &Ask<'_>, steps: VecDeque<Step>) -> VecDeque<Step> {
    let orders = &ask.directives;
    let mut done = VecDeque::new();
    for step in steps {
        let Step::Data(bytes) = step else {
            done.push_back(step);
            continue;
        };
        let mut bytes = bytes.to_vec();
        if orders.as_written {
            for (index, tool) in orders.tools.iter().enumerate() {
                let placeholder = format!("\"{}\"", ToolCall::placeholder(index));
                replace(&mut bytes, placeholder.as_bytes(), tool.written.as_bytes());
            }
        }
        let filler = find(&bytes, FILLER.as_bytes()).filter(|_| orders.filler > 0);
        let Some(place) = filler else {
            done.push_back(Step::Data(bytes.into()));
            continue;
        };
        let bytes = Bytes::from(bytes);
        let chunk = Bytes::from(FILLER.repeat(1_024));
        done.push_back(Step::Data(bytes.slice(..place)));
        let mut left = orders.filler;
        while left > 0 {
            let take = left.min(chunk.len());
            done.push_back(Step::Data(chunk.slice(..take)));
            left -= take;
        }
        done.push_back(Step::Data(bytes.slice(place + FILLER.len()..)));
    }
    done
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn replace(bytes: &mut Vec<u8>, what: &[u8], with: &[u8]) {
    if let Some(place) = find(bytes, what) {
        bytes.splice(place..place + what.len(), with.iter().copied());
    }
}

/// A gzip member (RFC 1952) of stored blocks (RFC 1951, 3.2.4): compressed as far as its reader can tell.
fn compressed(steps: VecDeque<Step>) -> VecDeque<Step> {
    let mut done = VecDeque::new();
    let mut head = Some(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    let (mut crc, mut length) = (Crc32::default(), 0_u32);
    for step in steps {
        let Step::Data(bytes) = step else {
            done.push_back(step);
            continue;
        };
        let mut block = head.take().unwrap_or_default();
        for piece in bytes.chunks(0xffff) {
            let size = u16::try_from(piece.len()).unwrap_or(u16::MAX);
            block.push(0);
            block.extend_from_slice(&size.to_le_bytes());
            block.extend_from_slice(&(!size).to_le_bytes());
            block.extend_from_slice(piece);
        }
        crc.add(&bytes);
        length = length.wrapping_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        done.push_back(Step::Data(block.into()));
    }
    let mut end = vec![1, 0, 0, 0xff, 0xff];
    end.extend_from_slice(&crc.value().to_le_bytes());
    end.extend_from_slice(&length.to_le_bytes());
    done.push_back(Step::Data(end.into()));
    done
}

/// No more than so many bytes at once, each lot written before the next.
fn sliced(steps: VecDeque<Step>, most: usize) -> VecDeque<Step> {
    let mut done = VecDeque::new();
    for step in steps {
        let Step::Data(bytes) = step else {
            done.push_back(step);
            continue;
        };
        let mut at = 0;
        while at < bytes.len() {
            let end = (at + most).min(bytes.len());
            done.push_back(Step::Data(bytes.slice(at..end)));
            done.push_back(Step::Flush);
            at = end;
        }
    }
    done
}
