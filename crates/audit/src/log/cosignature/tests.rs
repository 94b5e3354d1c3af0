use super::*;

#[derive(serde::Deserialize)]
struct Vectors {
    cosignatures: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    vkey: String,
    seed: String,
    time_s: u64,
    text: String,
    line: String,
}

#[test]
fn cosignatures_of_others_verify_and_are_made_the_same() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../../../../testdata/audit/notes.json")).unwrap();
    for Vector { vkey, seed, time_s, text, line } in vectors.cosignatures {
        let witness: WitnessKey = vkey.parse().unwrap();
        assert_eq!(witness.to_string(), vkey);
        let read: NoteSignature = line.parse().unwrap();
        assert_eq!(witness.verify(&text, &read), Ok(time_s));
        let key = SigningKey::new(witness.name(), &hex::decode(seed).unwrap().try_into().unwrap()).unwrap();
        assert_eq!(format!("{}\n", cosign(&text, &key, time_s)), line);
        println!("{} saw it at {time_s}", witness.name());
    }
}

#[test]
fn a_cosignature_is_of_one_witness_one_text_and_one_time() {
    let key = SigningKey::new("witness", &[1; 32]).unwrap();
    let witness = WitnessKey::of(&key);
    let mut note = SignedNote { text: "log\n0\nroot\n".to_owned(), signatures: Vec::new() };
    assert_eq!(witness.cosigned(&note), Ok(None));
    let line = cosign(&note.text, &key, 17);
    note.signatures.push(line.clone());
    assert_eq!(witness.cosigned(&note), Ok(Some(17)));

    let bad = Err(NoteError::BadSignature("witness".to_owned()));
    assert_eq!(witness.verify("log\n1\nroot\n", &line), bad);
    for byte in [0, 7, 8, 71] {
        let mut line = line.clone();
        line.bytes[byte] ^= 1;
        assert_eq!(witness.verify(&note.text, &line), bad, "byte {byte}");
    }
    for length in [0, 7, 8, 71] {
        let line = NoteSignature { bytes: line.bytes[..length].to_vec(), ..line.clone() };
        assert_eq!(witness.verify(&note.text, &line), bad, "{length} bytes");
    }
    assert_eq!(witness.verify(&note.text, &cosign(&note.text, &key, u64::MAX)), bad, "a time there is not");
    let other = SigningKey::new("other", &[2; 32]).unwrap();
    assert_eq!(witness.verify(&note.text, &cosign(&note.text, &other, 17)), Err(NoteError::Unsigned));
    // A log's key and a witness's are never taken for each other.
    assert_ne!(witness.id(), key.verifying_key().id());
    assert!(note.verify(&[key.verifying_key()]).is_err());
    assert!(witness.to_string().parse::<VerifyingKey>().is_err());
    assert_eq!(key.verifying_key().to_string().parse::<WitnessKey>().unwrap(), witness);
}
