//! Bedrock API keys: long-term `ABSK…`, short-term `bedrock-api-key-…` (a presigned URL in base64).

use super::{Checked, Presented, Rejection, sigv4};
use crate::config::Principals;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use std::time::SystemTime;

/// SHA-256 of nothing: what a short-term key's presigned URL was signed for.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) fn check(key: &str, principals: &Principals, now: SystemTime) -> Checked {
    if let Some(encoded) = key.strip_prefix("bedrock-api-key-") {
        return short_term(encoded, principals, now);
    }
    let known = principals.api_keys.iter().any(|known| known == key);
    Checked {
        kind: if key.starts_with("ABSK") { "bearer_long_term" } else { "other" },
        access_key_id: None,
        verdict: if known { Ok(()) } else { Err(Rejection::bad_api_key()) },
    }
}

/// What `aws-bedrock-token-generator` makes: a presigned `POST https://bedrock.amazonaws.com/?Action=CallWithBearerToken`
/// without its scheme, `&Version=1` added after signing.
fn short_term(encoded: &str, principals: &Principals, now: SystemTime) -> Checked {
    let refused = |access_key_id| Checked {
        kind: "bearer_short_term",
        access_key_id,
        verdict: Err(Rejection::bad_api_key()),
    };
    let Some(url) = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return refused(None);
    };
    let Some((host, query)) = url.split_once("/?") else { return refused(None) };
    if host != "bedrock.amazonaws.com" || !query.starts_with("Action=CallWithBearerToken&") {
        return refused(None);
    }
    let request = Presented {
        method: "POST",
        host,
        path: "/",
        query: query.strip_suffix("&Version=1").unwrap_or(query),
        headers: &HeaderMap::new(),
        body_sha256: EMPTY_SHA256,
        http2: false,
        streaming_input: false,
        region: None,
        services: &["bedrock"],
    };
    let checked = sigv4::check_presigned(&request, principals, now);
    match checked.verdict {
        Ok(()) => Checked { kind: "bearer_short_term", ..checked },
        Err(_) => refused(checked.access_key_id),
    }
}
