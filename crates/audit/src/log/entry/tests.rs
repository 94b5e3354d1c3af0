use super::*;
use crate::log::canonical;
use proptest::prelude::*;

#[test]
fn an_entry_is_what_it_is_documented_to_be() {
    let entry = Entry::new("0199", RecordKind::Decision, 1_763_758_800_000, b"{}");
    let expected = "{\"id\":\"0199\",\"kind\":\"decision\",\
        \"sha256\":\"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"time_ms\":1763758800000}";
    println!("{expected}");
    assert_eq!(entry.to_json(), expected);
    assert_eq!(Entry::parse(expected.as_bytes()), Ok(entry.clone()));
    assert_eq!(entry.leaf(), leaf_hash(expected.as_bytes()));
}

#[test]
fn an_entry_is_written_in_one_way_only() {
    let entry = Entry::new("a", RecordKind::Gap, 7, b"").to_json();
    for (what, text, error) in [
        ("white space", entry.replace(':', ": "), "canonical"),
        ("an escape that is not needed", entry.replace("\"a\"", "\"\\u0061\""), "canonical"),
        ("capitals", entry.replace("e3b0c442", "E3B0C442"), "canonical"),
        ("other order", entry.replace(",\"time_ms\":7", "").replacen('{', "{\"time_ms\":7,", 1), "canonical"),
        ("one more member", entry.replace('}', ",\"x\":1}"), "unknown field"),
        ("one twice", entry.replace('}', ",\"time_ms\":7}"), "duplicate field"),
        ("one less", entry.replace(",\"time_ms\":7", ""), "missing field"),
        ("a fraction", entry.replace(":7", ":7.0"), "not an entry"),
        ("another kind", entry.replace("gap", "gaps"), "unknown variant"),
        ("a short hash", entry.replace("e3b0", ""), "32 bytes"),
        ("two", format!("{entry}{entry}"), "trailing"),
    ] {
        let found = Entry::parse(text.as_bytes()).unwrap_err().to_string();
        println!("{what}: {found}");
        assert!(found.contains(error), "{what}: {found}");
    }
}

proptest! {
    #[test]
    fn written_by_hand_it_is_canonical(id in "\\PC{0,24}|[\u{0}-\u{20}\"\\\\/\u{7f}\u{2028}]{0,8}", kind in 0_usize..8, time_ms in 0_u64..1 << 53, record: [u8; 8]) {
        let entry = Entry::new(id, RecordKind::ALL[kind], time_ms, &record);
        prop_assert_eq!(entry.to_json(), canonical(&entry).unwrap());
        prop_assert_eq!(Entry::parse(entry.to_json().as_bytes()), Ok(entry));
    }
}
