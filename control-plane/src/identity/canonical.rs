//! The canonical request, from a request as received.
//!
//! `aws-sigv4` can only canonicalise a request that it is about to send: it adds `host` and `x-amz-date` by itself,
//! decodes and re-encodes the query, normalises the path, and cannot hold the header name `:authority`, which the
//! JavaScript SDK signs over h2. A check must take every part as it was received, so this is written out here; key
//! derivation and signature stay `aws-sigv4`'s.
//!
//! Source: "Create a signed AWS API request" in the IAM user guide.

use portcullis_protocol::Signing;
use std::fmt::Write;

/// The query parameter that carries the signature of a presigned request, and is not signed.
const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// `METHOD \n path \n query \n headers \n\n signed headers \n payload hash`.
pub(super) fn request(method: &str, signing: &Signing) -> String {
    let mut text = format!("{method}\n{}\n{}\n", path(&signing.path), query(&signing.query));
    let mut names: Vec<&str> = Vec::new();
    for (name, value) in &signing.headers {
        if names.last() == Some(&name.as_str()) {
            // Lines of one header are joined by commas.
            text.push(',');
        } else {
            let _ = write!(text, "{}{name}:", if names.is_empty() { "" } else { "\n" });
            names.push(name);
        }
        push_trimmed(&mut text, value);
    }
    let _ = write!(text, "\n\n{}\n{}", names.join(";"), signing.payload_sha256);
    text
}

/// Encodes the path as received once more: outside S3 every client signs the doubly encoded path.
fn path(raw: &str) -> String {
    let mut encoded = String::with_capacity(raw.len() + raw.len() / 4);
    for byte in raw.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Sorts the pairs as received. SDKs send them encoded as they sign them; what is encoded in another way does not
/// verify.
fn query(raw: &str) -> String {
    let pairs = raw.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(&str, &str)> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.retain(|(name, _)| *name != SIGNATURE_PARAMETER);
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// A parameter of the query, as received.
pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Without white space around it, and with one space for each run of it inside.
fn push_trimmed(text: &mut String, value: &str) {
    for (index, word) in value.split([' ', '\t']).filter(|word| !word.is_empty()).enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(word);
    }
}
