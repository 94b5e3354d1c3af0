//! Signatures that other programs have made (testdata/signatures/make.py), and our own.

use super::*;
use serde_json::Value;
use std::path::Path;

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/signatures/vectors.json");
    let path = if path.exists() { path } else { "testdata/signatures/vectors.json".into() };
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn files(vectors: &Value) -> Vec<SourceFile> {
    let files = vectors["files"].as_object().unwrap().iter();
    files.map(|(path, text)| file(path, text.as_str().unwrap())).collect()
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn key(vectors: &Value, name: &str) -> BundleKey {
    vectors["keys"][name].as_str().unwrap().parse().unwrap()
}

#[test]
fn what_others_signed_is_judged_rightly() {
    let vectors = vectors();
    let trust = Trust { keys: vec![key(&vectors, "minisign"), key(&vectors, "ed25519")], required: true };
    let cases = vectors["cases"].as_array().unwrap();
    for case in cases {
        let mut files = files(&vectors);
        for path in portcullis_policy::SIGNATURE_FILES {
            files.extend(case[path].as_str().map(|text| file(path, text)));
        }
        let digest = portcullis_policy::digest(&files);
        assert_eq!(digest, vectors["digest"].as_str().unwrap(), "a signature is no part of the digest");
        let result = trust.check(&files, &digest).map_err(|error| error.to_string());
        println!("{}: {result:?}", case["what"]);
        match case["signer"].as_str() {
            Some(signer) => assert_eq!(result, Ok(Some(key(&vectors, signer).name())), "{case}"),
            None => {
                let error = result.unwrap_err();
                assert!(error.contains(case["error"].as_str().unwrap()), "{case}: {error}");
                assert!(error.starts_with("bundle.sig:1:1: ") || error.starts_with("bundle.minisig:1:1: "));
            }
        }
    }
    println!("compared {} signatures", cases.len());
}

#[test]
fn what_is_not_required_may_be_missing_but_not_wrong() {
    let vectors = vectors();
    let digest = vectors["digest"].as_str().unwrap();
    let optional = Trust { keys: vec![key(&vectors, "ed25519")], required: false };
    let (unsigned, mut wrong) = (files(&vectors), files(&vectors));
    wrong.push(file("bundle.sig", "????"));
    assert_eq!(optional.check(&unsigned, digest).unwrap(), None);
    assert!(optional.check(&wrong, digest).is_err());
    assert_eq!(Trust::default().check(&wrong, digest).unwrap(), None, "no key to check with");
    let strict = Trust { keys: Vec::new(), required: true };
    assert!(strict.check(&wrong, digest).is_err() && strict.check(&unsigned, digest).is_err());
}

#[test]
fn our_signatures_are_those_of_others() {
    let vectors = vectors();
    let digest = vectors["digest"].as_str().unwrap();
    // Made by `cryptography`, PKCS #8 without the public key; Ed25519 signs the same to the same.
    let key = SigningKey::from_pem(vectors["ed25519_pem"].as_str().unwrap()).unwrap();
    assert_eq!(key.public(), vectors["keys"]["ed25519"].as_str().unwrap());
    let theirs = vectors["cases"].as_array().unwrap().iter().find(|case| case["what"] == "Ed25519").unwrap();
    assert_eq!(key.sign(digest).trim(), theirs["bundle.sig"].as_str().unwrap());

    let (made, pem) = SigningKey::generate().unwrap();
    assert_eq!(SigningKey::from_pem(&pem).unwrap().public(), made.public());
    let trust = Trust { keys: vec![made.public().parse().unwrap()], required: true };
    let mut files = files(&vectors);
    files.push(file("bundle.sig", &made.sign(digest)));
    let name = trust.keys[0].name();
    println!("{name}");
    assert_eq!(trust.check(&files, digest).unwrap(), Some(name));
}

#[test]
fn keys_that_are_none_are_refused() {
    let vectors = vectors();
    for text in ["", "AAAA", "not base64!", "RWQ=", "BEGIN PRIVATE KEY", &"A".repeat(56)] {
        let error = text.parse::<BundleKey>().unwrap_err();
        println!("{error}");
        assert!(error.contains("minisign"), "{error}");
    }
    let pem = vectors["ed25519_pem"].as_str().unwrap();
    for text in
        ["", &pem.replace("PRIVATE", "PUBLIC"), &pem.replace("MC4", "MC5"), &pem.replace("-----END", "")]
    {
        assert!(SigningKey::from_pem(text).unwrap_err().contains("keygen"));
    }
}
