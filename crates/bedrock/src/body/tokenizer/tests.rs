//! The tokenizer against serde_json: what it takes, and what it reads.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

/// Builds a value from events.
#[derive(Default)]
struct Builder {
    stack: Vec<Value>,
    keys: Vec<String>,
    bytes: Vec<u8>,
    root: Option<Value>,
}

impl Builder {
    fn scalar(&mut self, value: Value) {
        match self.stack.last_mut() {
            Some(Value::Array(list)) => list.push(value),
            Some(Value::Object(map)) => {
                map.insert(self.keys.pop().unwrap(), value);
            }
            _ => self.root = Some(value),
        }
    }

    fn take(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.bytes)).expect("whole characters")
    }

    fn take_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        assert!(std::str::from_utf8(part).is_ok(), "a part is whole characters: {part:?}");
        self.bytes.extend_from_slice(part);
        Ok(())
    }
}

impl Sink for Builder {
    fn open(&mut self, container: Container) -> Result<(), Flaw> {
        self.stack.push(match container {
            Container::Object => Value::Object(serde_json::Map::new()),
            Container::Array => Value::Array(Vec::new()),
        });
        Ok(())
    }
    fn close(&mut self) -> Result<(), Flaw> {
        let value = self.stack.pop().unwrap();
        self.scalar(value);
        Ok(())
    }
    fn key_open(&mut self) -> Result<(), Flaw> {
        Ok(())
    }
    fn key_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.take_part(part)
    }
    fn key_close(&mut self) -> Result<(), Flaw> {
        let key = self.take();
        self.keys.push(key);
        Ok(())
    }
    fn string_open(&mut self) -> Result<(), Flaw> {
        Ok(())
    }
    fn string_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.take_part(part)
    }
    fn string_close(&mut self) -> Result<(), Flaw> {
        let text = self.take();
        self.scalar(Value::String(text));
        Ok(())
    }
    fn number_open(&mut self) -> Result<(), Flaw> {
        Ok(())
    }
    fn number_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.take_part(part)
    }
    fn number_close(&mut self) -> Result<(), Flaw> {
        let number = self.take();
        // Numbers beyond f64 are JSON; serde_json refuses them, the tokenizer does not look at the value.
        self.scalar(serde_json::from_str(&number).unwrap_or(Value::String(number)));
        Ok(())
    }
    fn literal(&mut self, literal: Literal) -> Result<(), Flaw> {
        self.scalar(match literal {
            Literal::True => Value::Bool(true),
            Literal::False => Value::Bool(false),
            Literal::Null => Value::Null,
        });
        Ok(())
    }
}

/// Reads `bytes`, cut before each of `cuts`.
fn read(bytes: &[u8], cuts: &[usize]) -> Result<Value, Fault> {
    let mut tokenizer = Tokenizer::default();
    let mut builder = Builder::default();
    let mut rest = bytes;
    let mut at = 0;
    for &cut in cuts {
        let (slice, tail) = rest.split_at(cut.saturating_sub(at).min(rest.len()));
        tokenizer.push(slice, &mut builder)?;
        at += slice.len();
        rest = tail;
    }
    tokenizer.push(rest, &mut builder)?;
    tokenizer.finish(&mut builder)?;
    Ok(builder.root.expect("a value"))
}

fn every_byte(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).collect()
}

/// Same verdict and same value as serde_json, whole and cut at every byte.
fn agree(bytes: &[u8]) {
    let whole = read(bytes, &[]);
    assert_eq!(whole, read(bytes, &every_byte(bytes)), "cut everywhere: {}", String::from_utf8_lossy(bytes));
    match (serde_json::from_slice::<Value>(bytes), whole) {
        (Ok(theirs), Ok(ours)) => assert_eq!(theirs, ours),
        (Err(_), Err(_)) => {}
        (Err(error), Ok(_)) if error.to_string().starts_with("number out of range") => {}
        (Err(error), Ok(_)) => panic!("only serde_json refuses {}: {error}", String::from_utf8_lossy(bytes)),
        (Ok(_), Err(fault)) => panic!("only we refuse {}: {fault:?}", String::from_utf8_lossy(bytes)),
    }
}

#[test]
fn the_corners_of_the_grammar() {
    let cases: &[&[u8]] = &[
        b"",
        b" ",
        b"{}",
        b"[]",
        b" [ ] ",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"{,}",
        b"{\"a\"}",
        b"{\"a\":}",
        b"{\"a\":1,}",
        b"{a:1}",
        b"{'a':1}",
        b"[1}",
        b"{\"a\":1]",
        b"]",
        b"}",
        b"[[]",
        b"[]]",
        b"[] []",
        b"1",
        b"-1",
        b"- 1",
        b"-",
        b"01",
        b"-0",
        b"-01",
        b"0.",
        b".5",
        b"1.5",
        b"1.e5",
        b"1e5",
        b"1E+5",
        b"1e-",
        b"1e",
        b"1.5e-07",
        b"+1",
        b"1_0",
        b"0x10",
        b"Infinity",
        b"NaN",
        b"1e999",
        b"true",
        b"tru",
        b"truee",
        b"True",
        b"false",
        b"null",
        b"nul",
        b"nulll",
        b"[true,false,null]",
        b"\"",
        b"\"a\"",
        b"\"a",
        b"\"\\\"\"",
        b"\"\\",
        b"\"\\a\"",
        b"\"\\u\"",
        b"\"\\u00e\"",
        b"\"\\u00e9\"",
        b"\"\\u00E9\"",
        b"\"\\u00g9\"",
        b"\"\\ud83d\\ude00\"",
        b"\"\\ud83d\"",
        b"\"\\ud83dx\"",
        b"\"\\ud83d\\n\"",
        b"\"\\ud83d\\ud83d\"",
        b"\"\\ude00\"",
        b"\"\\ude00\\ud83d\"",
        b"\"\\ud83d\\u0041\"",
        b"\"\\u0000\"",
        b"\"\x00\"",
        b"\"\n\"",
        b"\"\t\"",
        b"\"\x1f\"",
        b"\"\x7f\"",
        b"\"\\/\\b\\f\\n\\r\\t\"",
        b"\"\xc3\xa9\"",
        b"\"\xc3\"",
        b"\"\xc3x\"",
        b"\"\xe2\x82\xac\"",
        b"\"\xe2\x82\"",
        b"\"\xf0\x9f\x98\x80\"",
        b"\"\xf0\x9f\x98\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xc0\xaf\"",
        b"\"\xf5\x80\x80\x80\"",
        b"\"\xff\"",
        b"\"\x80\"",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b"{}\x00",
        b"{}x",
        b"{} \n\t\r",
        b"\x0b{}",
        b"\xc2\xa0{}",
        b"// c\n{}",
        b"{\"a\":1,\"a\":2}",
        b"{\"\":0}",
        b"{\"a\":{\"b\":[{},[],\"\",0]}}",
    ];
    for case in cases {
        agree(case);
    }
    println!("{} documents: same verdict and value as serde_json, whole and cut at every byte", cases.len());
}

#[test]
fn offsets_point_at_the_byte_to_blame() {
    for (text, offset, flaw) in [
        ("{\"a\":tru}", 8, Flaw::BadLiteral),
        ("{\"a\" 1}", 5, Flaw::Unexpected(Expected::Colon)),
        ("{\"a\":1 2}", 7, Flaw::Unexpected(Expected::CommaOrEnd)),
        ("{\"ab\u{1}\"}", 4, Flaw::ControlCharacter),
        ("{} x", 3, Flaw::TrailingBytes),
        ("[1,]", 3, Flaw::Unexpected(Expected::Value)),
        ("{1}", 1, Flaw::Unexpected(Expected::Key)),
        ("[1", 2, Flaw::Truncated),
        ("[\"\\x\"]", 3, Flaw::BadEscape),
        ("[01]", 2, Flaw::Unexpected(Expected::CommaOrEnd)),
        ("\u{feff}{}", 0, Flaw::ByteOrderMark),
    ] {
        assert_eq!(read(text.as_bytes(), &[]), Err(Fault { flaw, offset }), "{text}");
    }
}

#[test]
fn depth_and_numbers_are_bounded() {
    let nested = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
    assert!(read(&nested(128), &[]).is_ok());
    let too_deep = Fault { flaw: Flaw::TooDeep, offset: 128 };
    assert_eq!(read(&nested(129), &[]), Err(too_deep));
    assert_eq!(read(&vec![b'['; 100_000], &[]), Err(too_deep), "at the 129th level, not at the 100,000th");
    let digits = vec![b'7'; 1_024];
    assert!(read(&digits, &[]).is_ok());
    let digits = vec![b'7'; 1_025];
    assert_eq!(read(&digits, &[]).unwrap_err().flaw, Flaw::NumberTooLong);
    assert_eq!(read(&digits, &every_byte(&digits)).unwrap_err().flaw, Flaw::NumberTooLong);
    let endless = vec![b'7'; 1_000_000];
    assert_eq!(read(&endless, &[]).unwrap_err().flaw, Flaw::NumberTooLong);
}

fn json() -> impl Strategy<Value = Value> {
    let text =
        prop_oneof![any::<String>(), "[a-z \"\\\\\n\t/é€😀\u{0}-\u{1f}]{0,80}", "[A-Za-z0-9+/]{30,70}",];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON", |f| f.is_finite()).prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(text.clone(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_documents_read_as_serde_json_reads_them(
        value in json(), pretty: bool, cuts in prop::collection::vec(0usize..2_000, 0..12),
    ) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        agree(&text);
        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(read(&text, &cuts), read(&text, &[]));
    }

    #[test]
    fn random_mutations_get_the_same_verdict(
        value in json(),
        edits in prop::collection::vec((0usize..4_000, any::<u8>(), 0u8..4), 1..4),
    ) {
        let mut bytes = serde_json::to_vec(&value).unwrap();
        for (at, byte, kind) in edits {
            let at = at % bytes.len().max(1);
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => { bytes.remove(at); }
                // Mostly bytes that mean something.
                2 => bytes.insert(at, b"{}[],:\"\\0e-."[usize::from(byte) % 12]),
                _ => bytes.insert(at, byte),
            }
        }
        agree(&bytes);
    }

    #[test]
    fn random_bytes_get_the_same_verdict(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        agree(&bytes);
    }
}
