//! HTTP/2 as no library sends it.

use super::{FORBIDDEN, nothing_got_past};
use crate::raw::{HOST, converse};
use anyhow::{Context, Result, ensure};
use e2e::client::{Connection, Signer, Tls};
use e2e::fake::APP_ONE;
use e2e::{Builder, Stack, wait};
use std::time::Duration;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection that sends frames, whatever is in them.
struct Frames(Connection);

impl Frames {
    fn open(stack: &Stack) -> Result<Self> {
        let connection = Connection::open(&stack.envoy.transparent.to_string())?;
        let mut connection = connection.tls(&Tls::trusting(&stack.envoy.from.ca, HOST)?.alpn(&["h2"]))?;
        connection.deadline(Duration::from_secs(3))?;
        connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        let mut frames = Self(connection);
        frames.send(SETTINGS, 0, 0, &[])?;
        Ok(frames)
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<()> {
        let length = u32::try_from(payload.len())?.to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.send(&frame)
    }

    /// Frames `(kind, stream, payload)` until one of `stream` ends it, the connection ends, or nothing more comes.
    fn until_over(&mut self, stream: u32) -> Vec<(u8, u32, Vec<u8>)> {
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        loop {
            while bytes.len() >= 9 {
                let length = usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
                if bytes.len() < 9 + length {
                    break;
                }
                let rest: Vec<u8> = bytes.split_off(9 + length);
                let frame = std::mem::replace(&mut bytes, rest);
                let id = u32::from_be_bytes([frame[5] & 0x7f, frame[6], frame[7], frame[8]]);
                let over = (id == stream
                    && (frame[3] == RST_STREAM || (frame[3] <= HEADERS && frame[4] & END_STREAM != 0)))
                    || frame[3] == GOAWAY;
                frames.push((frame[3], id, frame[9..].to_vec()));
                if over {
                    return frames;
                }
            }
            match self.0.some_bytes() {
                Ok(more) if !more.is_empty() => bytes.extend(more),
                // The end of the connection, told as one of its frames.
                Ok(_) => frames.push((GOAWAY, 0, Vec::new())),
                Err(error) if waits(&error) => return frames,
                Err(_) => frames.push((GOAWAY, 0, Vec::new())),
            }
            if bytes.is_empty() && frames.last().is_some_and(|frame| frame.0 == GOAWAY) {
                return frames;
            }
        }
    }
}

/// Nothing came in time, and the connection is still open.
fn waits(error: &anyhow::Error) -> bool {
    use std::io::ErrorKind;
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// HPACK without indexing and without Huffman: names and values as they are.
fn block(headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    let string = |block: &mut Vec<u8>, text: &[u8]| {
        let length = text.len();
        if length < 127 {
            block.extend(u8::try_from(length));
        } else {
            block.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                block.extend(u8::try_from(rest % 128).map(|low| low | 128));
                rest /= 128;
            }
            block.extend(u8::try_from(rest));
        }
        block.extend(text);
    };
    for (name, value) in headers {
        block.push(0);
        string(&mut block, name.as_bytes());
        string(&mut block, value);
    }
    block
}

type Pairs = Vec<(String, Vec<u8>)>;

/// A sound call's headers, signed, and its body.
fn sound(mark: &str) -> Result<(Pairs, Vec<u8>)> {
    let request = Signer::new(APP_ONE).sign_authority(converse(mark))?;
    let pair = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let mut pairs = vec![
        pair(":method", "POST"),
        pair(":scheme", "https"),
        pair(":authority", HOST),
        pair(":path", &request.path),
    ];
    pairs.extend(request.headers);
    Ok((pairs, request.body))
}

#[test]
fn no_head_is_judged_as_one_thing_and_sent_as_another() -> Result<()> {
    let stack = Builder::default().start()?;
    let other = "bedrock-agent-runtime.us-east-1.amazonaws.com";
    let forbidden = format!("/model/{FORBIDDEN}/converse");
    let add = |name: &'static str, value: &str| {
        let value = value.as_bytes().to_vec();
        move |pairs: &mut Pairs| pairs.push((name.to_owned(), value))
    };
    let insert = |name: &'static str, value: &str| {
        let value = value.as_bytes().to_vec();
        move |pairs: &mut Pairs| pairs.insert(0, (name.to_owned(), value))
    };
    let set = |name: &'static str, value: &str| {
        let value = value.as_bytes().to_vec();
        move |pairs: &mut Pairs| {
            if let Some(pair) = pairs.iter_mut().find(|(n, _)| n == name) {
                pair.1 = value;
            }
        }
    };
    let drop = |name: &'static str| move |pairs: &mut Pairs| pairs.retain(|(n, _)| n != name);
    type Change = Box<dyn FnOnce(&mut Pairs)>;
    let cases: Vec<(&str, Change)> = vec![
        ("sound", Box::new(|_| ())),
        ("host beside :authority, the same", Box::new(add("host", HOST))),
        ("host beside :authority, another", Box::new(add("host", other))),
        ("two :authority", Box::new(insert(":authority", other))),
        ("two :path", Box::new(insert(":path", &forbidden))),
        ("two :method", Box::new(insert(":method", "GET"))),
        (":path after headers", Box::new(add(":path", &forbidden))),
        ("unknown pseudo", Box::new(insert(":evil", "1"))),
        (":protocol", Box::new(insert(":protocol", "websocket"))),
        ("no :authority", Box::new(drop(":authority"))),
        ("no :path", Box::new(drop(":path"))),
        ("empty :path", Box::new(set(":path", ""))),
        ("absolute :path", Box::new(set(":path", "https://example.com/model/x/converse"))),
        (":path with a fragment", Box::new(set(":path", "/model/x/converse#/y"))),
        (":path with a space", Box::new(set(":path", "/model/x /converse"))),
        (":path with CRLF", Box::new(set(":path", "/model/x/converse HTTP/1.1\r\nhost: y\r\n\r\n"))),
        (":authority with a path", Box::new(set(":authority", &format!("{HOST}/x")))),
        (":authority with user info", Box::new(set(":authority", &format!("{other}@{HOST}")))),
        (":method with CRLF", Box::new(set(":method", "POST /x HTTP/1.1\r\nx: y"))),
        (":scheme http", Box::new(set(":scheme", "http"))),
        (":scheme odd", Box::new(set(":scheme", "ftp"))),
        ("CONNECT", Box::new(set(":method", "CONNECT"))),
        ("upper-case name", Box::new(add("X-Upper", "1"))),
        ("name with a colon", Box::new(add("a:b", "1"))),
        ("name with CRLF", Box::new(add("a\r\nb", "1"))),
        ("value with CRLF", Box::new(add("a", "1\r\nx-amz-target: y"))),
        ("value with NUL", Box::new(add("a", "1\0"))),
        ("connection", Box::new(add("connection", "keep-alive"))),
        ("transfer-encoding", Box::new(add("transfer-encoding", "chunked"))),
        ("upgrade", Box::new(add("upgrade", "websocket"))),
        ("te", Box::new(add("te", "gzip"))),
        ("content-length too long", Box::new(add("content-length", "5000"))),
        ("content-length too short", Box::new(add("content-length", "1"))),
        ("content-length twice", Box::new(add("content-length", "1, 2"))),
        ("x-envoy-original-path", Box::new(add("x-envoy-original-path", &forbidden))),
        (
            "x-envoy-retry-on",
            Box::new(|pairs: &mut Pairs| {
                for (name, value) in [
                    ("x-envoy-retry-on", "5xx,4xx"),
                    ("x-envoy-max-retries", "9"),
                    ("x-envoy-upstream-rq-timeout-ms", "1"),
                    ("x-envoy-hedge-on-per-try-timeout", "true"),
                    ("x-envoy-decorator-operation", "y"),
                    ("x-envoy-force-trace", "1"),
                    ("x-envoy-internal", "true"),
                ] {
                    pairs.push((name.to_owned(), value.as_bytes().to_vec()));
                }
            }),
        ),
    ];
    for (name, change) in cases {
        let (mut pairs, body) = sound(name)?;
        change(&mut pairs);
        let mut frames = Frames::open(&stack)?;
        frames.send(HEADERS, END_HEADERS, 1, &block(&pairs))?;
        frames.send(DATA, END_STREAM, 1, &body)?;
        let seen: Vec<u8> =
            frames.until_over(1).into_iter().filter(|f| f.1 == 1 || f.0 == GOAWAY).map(|f| f.0).collect();
        println!("{name:36} frames {seen:?}");
        ensure!(!seen.is_empty(), "{name}: neither an answer nor an end");
    }
    let arrived = nothing_got_past(&stack)?;
    println!("{arrived} calls arrived, each decided as itself");
    ensure!(arrived > 0, "the sound one did not arrive");
    Ok(())
}

#[test]
fn a_head_that_ends_its_stream_has_no_body_whatever_it_says() -> Result<()> {
    let stack = Builder::default().start()?;
    let (mut pairs, body) = sound("ends at the head")?;
    pairs.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    let mut frames = Frames::open(&stack)?;
    frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &block(&pairs))?;
    // And once more data, after the end.
    frames.send(DATA, END_STREAM, 1, &body)?;
    println!("{:?}", frames.until_over(1).iter().map(|f| f.0).collect::<Vec<_>>());
    ensure!(nothing_got_past(&stack)? == 0, "it arrived");
    Ok(())
}

#[test]
fn streams_that_are_reset_while_held_never_arrive_and_the_rest_do() -> Result<()> {
    let stack = Builder::default().start()?;
    let mut frames = Frames::open(&stack)?;
    let (count, mut kept) = (100_u32, 0);
    for n in 0..count {
        let id = 2 * n + 1;
        let (pairs, body) = sound(&format!("reset {n}"))?;
        frames.send(HEADERS, END_HEADERS, id, &block(&pairs))?;
        let half = body.len() / 2;
        frames.send(DATA, 0, id, &body[..half])?;
        if n % 2 == 0 {
            frames.send(RST_STREAM, 0, id, &8_u32.to_be_bytes())?;
        } else {
            frames.send(DATA, END_STREAM, id, &body[half..])?;
            kept += 1;
        }
    }
    let arrived = wait::until("the calls that were not reset", || {
        let arrived = stack.fake.calls()?.len();
        ensure!(arrived == kept, "{arrived} of {kept}");
        Ok(arrived)
    })?;
    println!("{count} held at once on one connection, every other one reset: {arrived} arrived");
    nothing_got_past(&stack)?;
    wait::until("nothing is held any more", || {
        let held = stack.envoy.stat("portcullis.held")?;
        ensure!(held == 0, "{held} held");
        Ok(())
    })
}

#[test]
fn a_reset_after_the_question_is_an_aborted_call_that_did_not_leave() -> Result<()> {
    use e2e::stub::Behaviour;
    let stack = Builder::default().start_with_stub(Behaviour::Late(Duration::from_millis(700)))?;
    let connection = Connection::open(&stack.envoy.transparent.to_string())?;
    let mut connection = connection.tls(&Tls::trusting(&stack.envoy.from.ca, HOST)?.alpn(&["h2"]))?;
    connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    let mut frames = Frames(connection);
    frames.send(SETTINGS, 0, 0, &[])?;
    let (pairs, body) = sound("reset after the question")?;
    frames.send(HEADERS, END_HEADERS, 1, &block(&pairs))?;
    frames.send(DATA, END_STREAM, 1, &body)?;
    wait::until("the question", || {
        ensure!(!stack.stub.questions().is_empty(), "none");
        Ok(())
    })?;
    frames.send(RST_STREAM, 0, 1, &8_u32.to_be_bytes())?;
    let outcome = wait::until("the outcome", || {
        let outcomes = stack.stub.outcomes();
        outcomes.first().cloned().context("none")
    })?;
    println!("{outcome:?}");
    ensure!(outcome["outcome"] == "aborted" && outcome["forwarded"] == false, "{outcome:?}");
    ensure!(stack.fake.calls()?.is_empty(), "it arrived");
    Ok(())
}

/// Trailers end a body as its last frame does; they are no headers, and nobody waits for more.
#[test]
fn trailers_end_a_body() -> Result<()> {
    let stack = Builder::default().start()?;
    for (mark, trailer) in
        [("harmless", "x-checksum"), ("a header's name", "x-amzn-bedrock-guardrailidentifier")]
    {
        let (pairs, body) = sound(mark)?;
        let mut frames = Frames::open(&stack)?;
        frames.send(HEADERS, END_HEADERS, 1, &block(&pairs))?;
        frames.send(DATA, 0, 1, &body)?;
        frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[(trailer.to_owned(), b"1".to_vec())]))?;
        let seen: Vec<u8> = frames.until_over(1).into_iter().filter(|f| f.1 == 1).map(|f| f.0).collect();
        println!("{mark}: frames {seen:?}");
        ensure!(seen == [HEADERS, DATA], "{mark}: {seen:?}");
    }
    let arrived = nothing_got_past(&stack)?;
    ensure!(arrived == 2, "{arrived}");
    // Trailers without a body: an empty body, which Converse cannot have.
    let (pairs, _) = sound("no body")?;
    let mut frames = Frames::open(&stack)?;
    frames.send(HEADERS, END_HEADERS, 1, &block(&pairs))?;
    frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x-checksum".to_owned(), b"1".to_vec())]))?;
    println!("no body: {:?}", frames.until_over(1).iter().map(|f| f.0).collect::<Vec<_>>());
    ensure!(nothing_got_past(&stack)? == 2, "it arrived");
    Ok(())
}
