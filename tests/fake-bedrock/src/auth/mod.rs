//! Who calls, and does AWS believe it.

mod bearer;
mod sigv4;

use crate::config::Principals;
use http::{HeaderMap, HeaderValue};
use std::time::SystemTime;

/// A request as the check needs it.
pub(crate) struct Presented<'a> {
    pub(crate) method: &'a str,
    /// `Host` or `:authority`.
    pub(crate) host: &'a str,
    /// Raw, without the query.
    pub(crate) path: &'a str,
    /// Raw, without the `?`.
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// Lower-case hex, of the body as received.
    pub(crate) body_sha256: &'a str,
    pub(crate) http2: bool,
    /// The operation's input is an event stream: its payload is signed frame by frame.
    pub(crate) streaming_input: bool,
    /// What a credential scope must name; `None` where the host does not tell.
    pub(crate) region: Option<&'a str>,
    pub(crate) services: &'static [&'static str],
}

/// The outcome of the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) kind: &'static str,
    pub(crate) access_key_id: Option<String>,
    pub(crate) verdict: Result<(), Rejection>,
}

/// A refusal in AWS's words; the status is always 403.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) type_name: &'static str,
    pub(crate) message: String,
}

impl Rejection {
    fn new(type_name: &'static str, message: impl Into<String>) -> Self {
        Self { type_name, message: message.into() }
    }

    fn invalid_signature(message: impl Into<String>) -> Self {
        Self::new("InvalidSignatureException", message)
    }

    fn mismatch() -> Self {
        Self::invalid_signature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        )
    }

    fn unrecognized() -> Self {
        Self::new("UnrecognizedClientException", "The security token included in the request is invalid.")
    }

    fn incomplete(message: impl Into<String>) -> Self {
        Self::new("IncompleteSignatureException", message)
    }

    fn bad_api_key() -> Self {
        Self::new("AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.")
    }
}

/// Hosts of other providers that the fake answers for, too. They take keys of their own: anything that begins with `sk-`.
pub(crate) const PROVIDERS: [&str; 3] = ["api.anthropic.com", "api.openai.com", "api.mistral.ai"];

/// Checks the credential of a request against the principals.
pub(crate) fn check(request: &Presented<'_>, principals: &Principals, now: SystemTime) -> Checked {
    let host = request.host.rsplit_once(':').map_or(request.host, |(name, _)| name);
    if PROVIDERS.contains(&host) {
        return of_provider(request.headers);
    }
    let authorization: Vec<&HeaderValue> = request.headers.get_all("authorization").iter().collect();
    let presigned = request.query.split('&').any(|pair| pair.starts_with("X-Amz-Algorithm="));
    let api_key = request.headers.get("x-api-key");
    match (authorization.as_slice(), presigned, api_key) {
        ([], true, _) => sigv4::check_presigned(request, principals, now),
        ([], false, Some(key)) => bearer::check(key.to_str().unwrap_or_default(), principals, now),
        ([], false, None) => Checked {
            kind: "none",
            access_key_id: None,
            verdict: Err(Rejection::new(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            )),
        },
        ([one], false, _) => {
            let value = one.to_str().unwrap_or_default();
            match value.split_once(' ') {
                Some(("AWS4-HMAC-SHA256", rest)) => sigv4::check_header(request, rest, principals, now),
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                    bearer::check(token.trim(), principals, now)
                }
                _ => other("the authorization header is in no known form"),
            }
        }
        _ => other("more than one credential"),
    }
}

fn of_provider(headers: &HeaderMap) -> Checked {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let good = text("x-api-key").or(bearer).is_some_and(|key| key.starts_with("sk-"));
    let verdict = if good { Ok(()) } else { Err(Rejection::bad_api_key()) };
    Checked { kind: "provider_key", access_key_id: None, verdict }
}

fn other(message: &str) -> Checked {
    Checked { kind: "other", access_key_id: None, verdict: Err(Rejection::incomplete(message)) }
}
