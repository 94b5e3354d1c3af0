//! Requests that real SDKs signed verify; the same with anything changed do not.

use super::{SignatureError, verify};
use portcullis_protocol::Signing;
use serde::Deserialize;

#[derive(Deserialize)]
struct Document {
    secret: String,
    now_ms: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize, Clone)]
struct Case {
    name: String,
    method: String,
    signing: Signing,
}

/// Written by `testdata/identity/make.py`.
fn document() -> Document {
    serde_json::from_str(include_str!("../../../testdata/identity/signed.json")).unwrap()
}

#[test]
fn real_signatures_verify() {
    let Document { secret, now_ms, cases } = document();
    for Case { name, method, signing } in &cases {
        let result = verify(method, signing, &secret, now_ms);
        println!("{name}: {method} {}?{} -> {result:?}", signing.path, signing.query);
        assert_eq!(result, Ok(()), "{name}");
    }
    assert!(cases.len() >= 14, "{} cases", cases.len());
}

/// A change, its name and the error that it must cause.
type Mutation = (&'static str, fn(&mut Case), SignatureError);

const MUTATIONS: &[Mutation] = &[
    ("method", |c| c.method = "PUT".into(), SignatureError::Mismatch),
    ("path: other model", |c| c.signing.path.push('x'), SignatureError::Mismatch),
    (
        "path: dot segment",
        |c| c.signing.path = c.signing.path.replacen('/', "/./", 1),
        SignatureError::Mismatch,
    ),
    ("query: more", |c| c.signing.query.push_str("&x=1"), SignatureError::Mismatch),
    ("body", |c| change_body(c), SignatureError::Mismatch),
    ("body not hashed", |c| c.signing.payload_sha256.clear(), SignatureError::NoPayloadHash),
    ("header value", |c| c.signing.headers[0].1.push('x'), SignatureError::Mismatch),
    ("header more", |c| c.signing.headers.push(("zz".into(), "1".into())), SignatureError::Mismatch),
    ("header twice", |c| c.signing.headers.insert(1, c.signing.headers[0].clone()), SignatureError::Mismatch),
    (
        "headers unsorted",
        |c| c.signing.headers.push(("-".into(), "1".into())),
        SignatureError::BadSignedHeaders,
    ),
    (
        "host not signed",
        |c| c.signing.headers.retain(|(n, _)| n != "host" && n != ":authority"),
        SignatureError::BadSignedHeaders,
    ),
    ("unsigned payload", |c| unsigned(c), SignatureError::PayloadMismatch),
    ("signature: other", |c| c.signing.signature = "0".repeat(64), SignatureError::Mismatch),
    ("signature: empty", |c| c.signing.signature.clear(), SignatureError::Mismatch),
    ("signature: cut", |c| c.signing.signature.truncate(63), SignatureError::Mismatch),
    ("signature: longer", |c| c.signing.signature.push('0'), SignatureError::Mismatch),
    ("date: a second later", |c| c.signing.date = "20261121T120001Z".into(), SignatureError::Mismatch),
    ("date: six minutes early", |c| c.signing.date = "20261121T120601Z".into(), SignatureError::NotYetValid),
    ("date: another day", |c| c.signing.date = "20261122T120000Z".into(), SignatureError::BadDate),
    ("date: not one", |c| c.signing.date = "yesterday".into(), SignatureError::BadDate),
    ("date: empty", |c| c.signing.date.clear(), SignatureError::BadDate),
    ("scope: region", |c| scope(c, "20261121/us-west-2/bedrock/aws4_request"), SignatureError::Mismatch),
    (
        "scope: service",
        |c| scope(c, "20261121/us-east-1/bedrock-mantle/aws4_request"),
        SignatureError::Mismatch,
    ),
    ("scope: s3", |c| scope(c, "20261121/us-east-1/s3/aws4_request"), SignatureError::ForeignService),
    ("scope: short", |c| scope(c, "20261121/us-east-1/bedrock"), SignatureError::BadScope),
    ("scope: long", |c| scope(c, "20261121/us-east-1/bedrock/aws4_request/x"), SignatureError::BadScope),
    ("scope: no region", |c| scope(c, "20261121//bedrock/aws4_request"), SignatureError::BadScope),
    ("scope: line feed", |c| scope(c, "20261121/us\n/bedrock/aws4_request"), SignatureError::BadScope),
    ("scope: empty", |c| scope(c, ""), SignatureError::BadScope),
];

fn scope(case: &mut Case, scope: &str) {
    case.signing.scope = scope.into();
}

/// Another body; a client that signs the hash as a header says so there, too.
fn change_body(case: &mut Case) {
    let other = "ab".repeat(32);
    for (name, value) in &mut case.signing.headers {
        if name == "x-amz-content-sha256" {
            value.clone_from(&other);
        }
    }
    case.signing.payload_sha256 = other;
}

fn unsigned(case: &mut Case) {
    case.signing.headers.retain(|(name, _)| name != "x-amz-content-sha256");
    case.signing.headers.push(("x-amz-content-sha256".into(), "UNSIGNED-PAYLOAD".into()));
    case.signing.headers.sort();
}

#[test]
fn changed_requests_do_not() {
    let Document { secret, now_ms, cases } = document();
    for (change, mutate, expected) in MUTATIONS {
        for case in &cases {
            let mut case = case.clone();
            mutate(&mut case);
            let result = verify(&case.method, &case.signing, &secret, now_ms);
            println!("{change}: {} -> {result:?}", case.name);
            assert_eq!(result, Err(*expected), "{change}: {}", case.name);
        }
    }
    for case in &cases {
        assert_eq!(
            verify(&case.method, &case.signing, "another secret", now_ms),
            Err(SignatureError::Mismatch)
        );
        assert_eq!(verify(&case.method, &case.signing, "", now_ms), Err(SignatureError::Mismatch));
    }
}

#[test]
fn time_passes() {
    let Document { secret, now_ms, cases } = document();
    for Case { name, method, signing } in &cases {
        let at =
            |offset_s: i64| verify(method, signing, &secret, now_ms.saturating_add_signed(offset_s * 1000));
        let life = if name == "presigned" { 900 } else { 300 };
        println!("{name}: lives {life} s");
        assert_eq!((at(-300), at(life)), (Ok(()), Ok(())), "{name}");
        assert_eq!(
            (at(-301), at(life + 1)),
            (Err(SignatureError::NotYetValid), Err(SignatureError::Expired)),
            "{name}"
        );
        assert_eq!(verify(method, signing, &secret, 0), Err(SignatureError::NotYetValid), "{name}");
        assert_eq!(verify(method, signing, &secret, u64::MAX), Err(SignatureError::Expired), "{name}");
    }
    let mut presigned = cases.into_iter().find(|case| case.name == "presigned").unwrap();
    for expires in ["43201", "0", "-1", "x", ""] {
        let query = presigned.signing.query.replace("X-Amz-Expires=900", &format!("X-Amz-Expires={expires}"));
        let changed = Signing { query, ..presigned.signing.clone() };
        assert_eq!(verify("POST", &changed, &secret, now_ms), Err(SignatureError::BadExpiry), "`{expires}`");
    }
    presigned.signing.query = presigned.signing.query.replace("X-Amz-Expires=900", "X-Amz-Expires=901");
    assert_eq!(verify("POST", &presigned.signing, &secret, now_ms), Err(SignatureError::Mismatch));
}

#[test]
fn space_around_and_inside_values_does_not_count() {
    let Document { secret, now_ms, cases } = document();
    for mut case in cases {
        for (_, value) in &mut case.signing.headers {
            *value = format!("  {} \t", value.replace(' ', "   "));
        }
        assert_eq!(verify(&case.method, &case.signing, &secret, now_ms), Ok(()), "{}", case.name);
    }
}

#[test]
fn codes_are_all_different() {
    let codes = MUTATIONS.iter().map(|(_, _, error)| error.code()).collect::<std::collections::BTreeSet<_>>();
    let errors =
        MUTATIONS.iter().map(|(_, _, error)| error.to_string()).collect::<std::collections::BTreeSet<_>>();
    println!("{codes:?}");
    assert_eq!(codes.len(), errors.len());
}
