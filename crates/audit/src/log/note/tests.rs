use super::*;
use proptest::prelude::*;

#[derive(serde::Deserialize)]
struct Vectors {
    notes: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    about: String,
    vkey: String,
    note: String,
    seed: Option<String>,
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("../../../../../testdata/audit/notes.json");
    serde_json::from_str::<Vectors>(text).unwrap().notes
}

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::new(name, &[seed; 32]).unwrap()
}

#[test]
fn notes_of_others_verify_and_are_made_the_same() {
    for Vector { about, vkey, note, seed } in vectors() {
        let public: VerifyingKey = vkey.parse().unwrap();
        assert_eq!(public.to_string(), vkey, "{about}");
        let read = SignedNote::parse(&note).unwrap();
        assert_eq!(read.to_text(), note, "{about}");
        assert_eq!(read.verify(std::slice::from_ref(&public)).unwrap(), &public, "{about}");
        if let Some(seed) = &seed {
            let seed = hex::decode(seed).unwrap().try_into().unwrap();
            let key = SigningKey::new(public.name(), &seed).unwrap();
            assert_eq!(SignedNote::sign(read.text.clone(), &key).to_text(), note, "{about}");
        }
        println!("{about}: verified{}", if seed.is_some() { ", and signed to the same bytes" } else { "" });
    }
}

#[test]
fn only_known_keys_count_and_theirs_must_hold() {
    let (log, witness, stranger) = (key("log", 1), key("witness", 2), key("log", 3));
    let mut note = SignedNote::sign("text\n".to_owned(), &log);
    note.signatures.extend(SignedNote::sign("text\n".to_owned(), &witness).signatures);
    let keys = [log.verifying_key(), witness.verifying_key()];
    assert_eq!(note.verify(&keys).unwrap().name(), "log");
    assert_eq!(note.verify(&keys[1..]).unwrap().name(), "witness");
    assert_eq!(note.verify(&[stranger.verifying_key()]), Err(NoteError::Unsigned));
    // A bad signature of a known key spoils the note, also beside a good one.
    note.signatures[1].bytes[9] ^= 1;
    assert_eq!(note.verify(&keys), Err(NoteError::BadSignature("witness".to_owned())));
    assert_eq!(note.verify(&keys[..1]).unwrap().name(), "log");
    note.text.push_str("more\n");
    assert_eq!(note.verify(&keys[..1]), Err(NoteError::BadSignature("log".to_owned())));
    note.signatures[0].bytes.truncate(63);
    assert!(note.verify(&keys[..1]).is_err());
}

#[test]
fn a_key_of_small_order_signs_nothing() {
    // The neutral element as a key: with R = the neutral element and s = 0, the plain equation holds for every text.
    let mut one = [0; 32];
    one[0] = 1;
    let public = ed25519_dalek::VerifyingKey::from_bytes(&one).unwrap();
    assert!(public.is_weak());
    let text = format!("x+{}+{}", "00000000", STANDARD.encode([&[1], one.as_slice()].concat()));
    assert!(text.parse::<VerifyingKey>().is_err(), "its id is wrong as well");
    let id = {
        use sha2::{Digest, Sha256};
        let hash = Sha256::new().chain_update(b"x\n\x01").chain_update(one).finalize();
        hex::encode(&hash[..4])
    };
    let key: VerifyingKey = text.replace("00000000", &id).parse().unwrap();
    let signature = [one.as_slice(), &[0; 32]].concat();
    assert!(!key.verifies(b"any text", &signature));
}

#[test]
fn what_is_no_note_is_refused() {
    let signature = SignedNote::sign("text\n".to_owned(), &key("log", 1)).signatures[0].to_string();
    let many = |count: usize| format!("text\n\n{}", format!("{signature}\n").repeat(count));
    assert!(SignedNote::parse(&many(64)).is_ok());
    for (what, note) in [
        ("nothing", String::new()),
        ("no blank line", format!("text\n{signature}\n")),
        ("no signature", "text\n\n".to_owned()),
        ("no line end", format!("text\n\n{signature}")),
        ("a blank line behind it", format!("text\n\n{signature}\n\n")),
        ("a hyphen", format!("text\n\n{}\n", signature.replace('\u{2014}', "-"))),
        ("two spaces", format!("text\n\n{}\n", signature.replace("log ", "log  "))),
        ("a carriage return", format!("text\r\n\n{signature}\n")),
        ("a tab", format!("te\txt\n\n{signature}\n")),
        ("no base64", format!("text\n\n{}\n", signature.replace("log ", "log *"))),
        ("no padding", format!("text\n\n{}\n", signature.trim_end_matches('='))),
        ("a plus in the name", format!("text\n\n{}\n", signature.replace("log ", "l+g "))),
        ("an id alone", "text\n\n\u{2014} log AAAAAA==\n".to_owned()),
        ("too many", many(65)),
    ] {
        let read = SignedNote::parse(&note);
        println!("{what}: {read:?}");
        assert!(matches!(read, Err(NoteError::Form(_))), "{what}");
    }
    // The text may have blank lines, and may be empty.
    let poem = SignedNote::sign("a\n\nb\n\n".to_owned(), &key("log", 1));
    assert_eq!(SignedNote::parse(&poem.to_text()).unwrap(), poem);
}

#[test]
fn what_is_no_key_is_refused() {
    let vkey = key("log", 1).verifying_key().to_string();
    let (name, rest) = vkey.split_once('+').unwrap();
    let (id, bytes) = rest.split_once('+').unwrap();
    for wrong in [
        String::new(),
        name.to_owned(),
        format!("{name}+{id}"),
        format!("other+{id}+{bytes}"),
        format!("+{id}+{bytes}"),
        format!("{name}+{}+{bytes}", id.to_uppercase()),
        format!("{name}+00000000+{bytes}"),
        format!("{name}+{id}+AAAA"),
        format!("{name}+{id}+{}", bytes.replacen('A', "B", 1)),
        vkey.replace("log", "l g"),
    ] {
        println!("{wrong:?}: {:?}", wrong.parse::<VerifyingKey>());
        // An id may have no letters to raise.
        assert!(wrong == vkey || wrong.parse::<VerifyingKey>().is_err(), "{wrong}");
    }
    assert_eq!(format!(" {vkey}\n").parse::<VerifyingKey>().unwrap().to_string(), vkey);
    assert!(SigningKey::new("a b", &[0; 32]).is_err());
    assert!(SigningKey::new("", &[0; 32]).is_err());
    assert!(!format!("{:?}", key("log", 1)).contains("01"), "a key that is printed does not show its seed");
}

proptest! {
    #[test]
    fn notes_read_as_they_were_written(text in "([ -~\u{e9}]{0,12}\n){1,5}", names in prop::collection::vec("[a-z./]{1,12}", 1..4)) {
        let mut note = SignedNote { text, signatures: Vec::new() };
        for (seed, name) in (0..).zip(names) {
            note.signatures.extend(SignedNote::sign(note.text.clone(), &key(&name, seed)).signatures);
        }
        prop_assert_eq!(SignedNote::parse(&note.to_text()).unwrap(), note);
    }

    #[test]
    fn what_reads_as_a_note_is_written_so(note in "(a|\n|\n\n|\u{2014} |x| |AAAAAAA=|AAAAAAAA){0,12}") {
        if let Ok(read) = SignedNote::parse(&note) {
            prop_assert_eq!(read.to_text(), note);
        }
    }
}
