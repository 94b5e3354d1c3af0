//! Credentials in all forms: who the caller claims to be.
//!
//! Nothing here is proof, and no secret is kept: a bearer key becomes its SHA-256, a session token a flag.
//!
//! Sources: "Create a signed AWS API request" and "Authenticating requests: query parameters" (AWS General Reference),
//! the `httpBearerAuth` trait of the AWS models, `aws-bedrock-token-generator` for short-term keys.

mod account;
mod bearer;
mod scope;
mod sigv4;

pub use account::account_hint;

use crate::call::{Problem, ProblemCode};
use crate::endpoint::Endpoint;
use crate::headers::Headers;
use crate::operation;
use crate::path::Target;

/// The form of a credential.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CredentialKind {
    /// None at all.
    #[default]
    None,
    /// `Authorization: AWS4-HMAC-SHA256 …`.
    Sigv4,
    /// `Authorization: AWS4-ECDSA-P256-SHA256 …`.
    Sigv4a,
    /// `X-Amz-Algorithm=…` in the query.
    Presigned,
    /// Short-term Bedrock API key.
    BearerShortTerm,
    /// Long-term Bedrock API key.
    BearerLongTerm,
    /// Another bearer token.
    BearerOther,
    /// `x-api-key` with anything that is not a Bedrock API key.
    ApiKey,
}

/// Who the caller claims to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credential {
    /// Its form.
    pub kind: CredentialKind,
    /// AWS access key id.
    pub access_key_id: Option<String>,
    /// Account decoded from the key: a hint, not proof.
    pub account_hint: Option<String>,
    /// User name in a long-term API key: a hint, not proof.
    pub user_hint: Option<String>,
    /// Region of the credential scope; the region set of a SigV4a credential.
    pub region: Option<String>,
    /// Service of the credential scope.
    pub service: Option<String>,
    /// SHA-256 of a bearer secret.
    pub secret_sha256: Option<[u8; 32]>,
    /// A session token came along.
    pub session_token: bool,
}

/// The inputs of a SigV4 check, without the payload hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignatureParts {
    /// `x-amz-date`, as sent.
    pub date: String,
    /// Scope after the access key id.
    pub scope: String,
    /// Hex signature.
    pub signature: String,
    /// Signed headers in the order of `SignedHeaders`, values as sent.
    pub headers: Vec<(String, String)>,
    /// Raw path.
    pub path: String,
    /// Raw query without the `?`.
    pub query: String,
}

/// What a signature claims, before the values of its signed headers are looked up.
#[derive(Debug, Default)]
pub(crate) struct Claimed<'a> {
    pub(crate) credential: Credential,
    pub(crate) signature: Option<Signature<'a>>,
}

/// A signature as sent.
#[derive(Debug)]
pub(crate) struct Signature<'a> {
    pub(crate) date: String,
    pub(crate) scope: String,
    pub(crate) signature: String,
    pub(crate) signed_headers: std::borrow::Cow<'a, str>,
}

/// Reads the one credential of a request. What could be read comes along with a problem.
pub(crate) fn read<'a>(headers: &Headers<'a>, target: Option<&Target<'a>>) -> (Claimed<'a>, Option<Problem>) {
    let carries = |value: Option<&'a str>| value.filter(|v| !v.is_empty());
    let authorization = carries(headers.authorization);
    let api_key = carries(headers.api_key);
    let presigned = target.and_then(sigv4::Query::find);
    let sources = [authorization.is_some(), api_key.is_some(), presigned.is_some()];
    let conflict = (sources.iter().filter(|s| **s).count() > 1).then(|| {
        two("only one of header `authorization`, header `x-api-key` and query key `X-Amz-Credential` can stand")
    });
    let mut claimed = Claimed::default();
    let result = match (authorization, presigned, api_key) {
        (Some(value), ..) => authorization_header(value, headers, &mut claimed),
        (None, Some(query), _) => query.read(&mut claimed),
        (None, None, Some(key)) => bearer::read(key, CredentialKind::ApiKey, &mut claimed.credential),
        (None, None, None) => Ok(()),
    };
    (claimed, conflict.or(result.err()))
}

fn authorization_header<'a>(
    value: &'a str,
    headers: &Headers<'a>,
    out: &mut Claimed<'a>,
) -> Result<(), Problem> {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    match scheme {
        sigv4::HMAC | sigv4::ECDSA => sigv4::header(scheme, rest, headers, out),
        _ if scheme.eq_ignore_ascii_case("bearer") => {
            bearer::read(rest.trim(), CredentialKind::BearerOther, &mut out.credential)
        }
        // The scheme is not repeated in the message: a bare secret would be one.
        _ => Err(broken("header `authorization` has a scheme that Amazon Bedrock does not take")),
    }
}

/// Holds a credential against the endpoint that it is sent to.
///
/// `regions` says whether the host was meant by the caller: at a gateway the scope names the caller's own idea of
/// region, and the gate signs anew.
pub(crate) fn check_scope(
    credential: &Credential,
    endpoint: Option<&Endpoint>,
    regions: bool,
) -> Result<(), Problem> {
    let foreign = |detail: String| Err(Problem { code: ProblemCode::ForeignService, detail });
    if let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_aws())
        && is_of_aws(credential.kind)
    {
        // Whoever gets it can call AWS with it.
        return foreign(format!("the credential is one of AWS, the host is one of `{}`", endpoint.provider));
    }
    let Some(service) = &credential.service else { return Ok(()) };
    let known = |s: &&operation::Service| s.signing.contains(&service.as_str());
    if operation::SERVICES.iter().find(known).is_none() {
        return foreign(format!("the credential is for the service `{service}`"));
    }
    let Some(endpoint) = endpoint else { return Ok(()) };
    // A bearer key is made for `bedrock` and good at every endpoint that takes bearer keys.
    let signed = !matches!(credential.kind, CredentialKind::BearerShortTerm);
    if signed && operation::service(&endpoint.service).is_some_and(|s| !known(&s)) {
        return foreign(format!(
            "the credential is for the service `{service}`, the host is `{}`",
            endpoint.service
        ));
    }
    match &credential.region {
        Some(region) if regions && !region_covers(credential, region, &endpoint.region) => Err(Problem {
            code: ProblemCode::RegionMismatch,
            detail: format!("the credential is for `{region}`, the host is in `{}`", endpoint.region),
        }),
        _ => Ok(()),
    }
}

const fn is_of_aws(kind: CredentialKind) -> bool {
    match kind {
        CredentialKind::Sigv4
        | CredentialKind::Sigv4a
        | CredentialKind::Presigned
        | CredentialKind::BearerShortTerm
        | CredentialKind::BearerLongTerm => true,
        CredentialKind::None | CredentialKind::BearerOther | CredentialKind::ApiKey => false,
    }
}

/// A region set (`us-east-1,eu-*`) or, for every other form, one region.
fn region_covers(credential: &Credential, scope: &str, region: &str) -> bool {
    let set = credential.kind == CredentialKind::Sigv4a || scope.contains([',', '*']);
    set && scope.split(',').map(str::trim).any(|r| match r.strip_suffix('*') {
        Some(prefix) => region.starts_with(prefix),
        None => r == region,
    }) || scope == region
}

fn broken(detail: &str) -> Problem {
    Problem { code: ProblemCode::BadCredential, detail: detail.to_owned() }
}

fn two(detail: &str) -> Problem {
    Problem { code: ProblemCode::TwoCredentials, detail: detail.to_owned() }
}
