//! What reads as a note, checkpoint, key, tile's path or bundle is written the same again; nothing panics.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use portcullis_audit::log::{
    Checkpoint, Entry, NoteSignature, SignedNote, TilePath, VerifyingKey, WitnessKey, bundle_bytes,
    parse_bundle, parse_tile, tile_bytes,
};

const MAX_INPUT: usize = 16 * 1024;
/// The example of the format, so that signatures are checked too.
const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

fuzz_target!(|data: &[u8]| -> Corpus {
    if data.len() > MAX_INPUT {
        return Corpus::Reject;
    }
    if let Ok(entries) = parse_bundle(data) {
        assert_eq!(bundle_bytes(entries).expect("it was one"), data);
    }
    if let Some(hashes) = parse_tile(data) {
        assert_eq!(tile_bytes(&hashes), data);
    }
    if let Ok(entry) = Entry::parse(data) {
        assert_eq!(entry.to_json().as_bytes(), data);
    }
    let Ok(text) = std::str::from_utf8(data) else { return Corpus::Keep };
    let key: VerifyingKey = VKEY.parse().expect("the example is a key");
    if let Ok(note) = SignedNote::parse(text) {
        assert_eq!(note.to_text(), text);
        if note.verify(std::slice::from_ref(&key)).is_ok() {
            assert_eq!(note.text, "This is an example message.\n", "nobody else can sign with that key");
        }
    }
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert!(text.starts_with(&checkpoint.to_text()), "but for extension lines");
    }
    if let Ok(line) = text.parse::<NoteSignature>() {
        assert_eq!(line.to_string(), text.strip_suffix('\n').unwrap_or(text));
    }
    if let Ok(key) = text.parse::<VerifyingKey>() {
        assert_eq!(key.to_string(), text.trim());
    }
    if let Ok(key) = text.parse::<WitnessKey>() {
        assert_eq!(key.to_string().parse::<WitnessKey>(), Ok(key));
    }
    if let Ok(tile) = text.parse::<TilePath>() {
        assert_eq!(tile.to_string(), text);
    }
    Corpus::Keep
});
