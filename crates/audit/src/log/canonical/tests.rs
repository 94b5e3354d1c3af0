use super::*;
use proptest::prelude::*;
use serde_json::Value;

#[derive(serde::Deserialize)]
struct Vectors {
    numbers: Vec<(String, String)>,
    texts: Vec<Text>,
}

#[derive(serde::Deserialize)]
struct Text {
    about: String,
    input: String,
    canonical: String,
}

#[test]
fn the_vectors_of_rfc_8785() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../../../../testdata/audit/rfc8785.json")).unwrap();
    for (bits, expected) in &vectors.numbers {
        let number = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
        println!("{bits} {expected}");
        assert_eq!(canonical(&number).unwrap(), *expected, "{bits}");
    }
    for Text { about, input, canonical: expected } in &vectors.texts {
        let value: Value = serde_json::from_str(input).unwrap();
        println!("{about}: {expected}");
        assert_eq!(canonical(&value).unwrap(), *expected, "{about}");
        let again: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(canonical(&again).unwrap(), *expected, "{about}, again");
    }
    assert!(canonical(&f64::NAN).is_err());
    assert!(canonical(&f64::INFINITY).is_err());
}

proptest! {
    /// Whatever order members come in, the text is the same; and it says the same.
    #[test]
    fn one_value_one_text(members in prop::collection::btree_map("\\PC{0,4}", -1_000_i64..1_000, 0..8), text in "\\PC{0,16}|[\u{0}-\u{20}]{0,8}") {
        let mut value = serde_json::Map::new();
        value.extend(members.iter().map(|(name, number)| (name.clone(), Value::from(*number))));
        value.insert("text".to_owned(), Value::from(text));
        let forward = canonical(&value).unwrap();
        let backward: serde_json::Map<_, _> = value.clone().into_iter().rev().collect();
        prop_assert_eq!(&canonical(&backward).unwrap(), &forward);
        prop_assert_eq!(serde_json::from_str::<serde_json::Map<String, Value>>(&forward).unwrap(), value);
    }
}
