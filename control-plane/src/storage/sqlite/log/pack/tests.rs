//! Packing, and how the dictionaries are made.

use super::*;
use crate::storage::tests::samples::{self, Dice};
use portcullis_audit::log::canonical;

fn texts(seed: u64, count: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let mut texts = Vec::new();
    for at in 0..count {
        let decision = samples::decision(&mut dice, at);
        texts.push(canonical(&decision).unwrap());
        if decision.kind.is_call() {
            texts.push(canonical(&samples::outcome(&mut dice, &decision)).unwrap());
        }
        if at % 20 == 0 {
            texts.push(canonical(&samples::event(&mut dice, at)).unwrap());
        }
    }
    texts
}

/// `DIR=/tmp/samples cargo test -p portcullis --lib pack::tests::samples_for_a_dictionary -- --ignored`, then
/// `zstd --train -r /tmp/samples --maxdict=16384 -o records-N.dict`.
#[test]
#[ignore = "writes files from which a dictionary is made"]
fn samples_for_a_dictionary() {
    let directory = std::path::PathBuf::from(std::env::var_os("DIR").expect("DIR says where to"));
    std::fs::create_dir_all(&directory).unwrap();
    for (at, text) in texts(1, 4_000).iter().enumerate() {
        std::fs::write(directory.join(format!("{at}.json")), text).unwrap();
    }
}

#[test]
fn what_is_packed_is_unpacked_with_every_dictionary() {
    let (mut plain, mut packed) = (0, 0);
    for text in texts(2, 300) {
        let (dict, bytes) = pack(text.as_bytes());
        assert_eq!(unpack(dict, &bytes).unwrap(), text);
        (plain, packed) = (plain + text.len(), packed + bytes.len());
        assert_eq!(unpack(0, text.as_bytes()).unwrap(), text);
    }
    println!("{plain} bytes of records in {packed}");
    assert!(packed * 2 < plain, "{packed} of {plain} bytes");
    // What every released dictionary has packed once.
    for (dict, hex, text) in RELEASED {
        assert_eq!(unpack(*dict, &hex::decode(hex).unwrap()).as_deref(), Ok(*text), "dictionary {dict}");
    }
    assert_eq!(RELEASED.len(), DICTIONARIES.len(), "each dictionary has its example");
}

/// Packed by the version that brought the dictionary: never change a line.
const RELEASED: &[(i64, &str, &str)] = &[(
    1,
    "28b52ffd271365c82c9a9d0100a341042278dfd2c5d21675f265fb546952660c010afccba8b31073ebba6fd762a9fa4ab289410ac2be4b9592c3fc0f6620870e71ed15dd",
    r#"{"call_id":"c","decision_id":"01a0c450-8a0d-7000-86ab-95a6f1a8a69b","kind":"tool_call","operation":"ConverseStream","schema":1,"verdict":{"kind":"allow"}}"#,
)];

#[test]
fn damage_is_found() {
    let text = &texts(3, 1)[0];
    let (dict, bytes) = pack(text.as_bytes());
    let mut found = 0;
    for at in 0..bytes.len() {
        for bit in [1, 0x10, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= bit;
            // A bit that means nothing may be flipped; what is read is never something else.
            assert!(unpack(dict, &damaged).map_or(true, |read| read == *text), "bit {bit} of byte {at}");
            found += usize::from(unpack(dict, &damaged).is_err());
        }
        assert!(unpack(dict, &bytes[..at]).is_err(), "cut at {at}");
    }
    println!("found {found} of {} flipped bits", 3 * bytes.len());
    for (dict, bytes) in [(99, bytes.as_slice()), (-1, &bytes), (0, &[0xff]), (1, b"")] {
        println!("{dict}: {}", unpack(dict, bytes).unwrap_err());
    }
}
