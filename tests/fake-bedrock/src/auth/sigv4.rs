//! SigV4, by signing the request once more with `aws-sigv4` and comparing.

use super::{Checked, Presented, Rejection};
use crate::config::{Principal, Principals};
use crate::operation::decode;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign as sign_request,
};
use aws_sigv4::sign::v4;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// AWS's tolerance for clocks.
const SKEW: Duration = Duration::from_secs(5 * 60);
const STREAMING_EVENTS: &str = "STREAMING-AWS4-HMAC-SHA256-EVENTS";

/// A signature and what it claims to sign.
struct Claim {
    access_key_id: String,
    scope_date: String,
    region: String,
    service: String,
    signed_headers: Vec<String>,
    signature: String,
    amz_date: String,
    /// Presigned: seconds of life.
    expires: Option<u64>,
    session_token: Option<String>,
}

/// `Authorization: AWS4-HMAC-SHA256 …`; `parameters` is what follows the algorithm.
pub(super) fn check_header(
    request: &Presented<'_>,
    parameters: &str,
    who: &Principals,
    now: SystemTime,
) -> Checked {
    let parameter = |name: &str| {
        parameters.split(',').find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    let header = |name: &str| request.headers.get(name)?.to_str().ok().map(str::to_owned);
    let parts =
        (parameter("Credential"), parameter("SignedHeaders"), parameter("Signature"), header("x-amz-date"));
    let (Some(credential), Some(signed), Some(signature), Some(date)) = parts else {
        let message = "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' parameters and 'X-Amz-Date'.";
        return refused("sigv4", None, Rejection::incomplete(message));
    };
    check(
        "sigv4",
        request,
        claim(&credential, &signed, signature, date, None, header("x-amz-security-token")),
        who,
        now,
    )
}

/// `?X-Amz-Algorithm=…`.
pub(super) fn check_presigned(request: &Presented<'_>, who: &Principals, now: SystemTime) -> Checked {
    let parameter = |name: &str| {
        request.query.split('&').find_map(|p| p.strip_prefix(name)?.strip_prefix('=').map(decode))
    };
    let parts = (
        parameter("X-Amz-Credential"),
        parameter("X-Amz-SignedHeaders"),
        parameter("X-Amz-Signature"),
        parameter("X-Amz-Date"),
        parameter("X-Amz-Expires").and_then(|e| e.parse().ok()).filter(|e| *e <= 604_800),
    );
    let (Some(credential), Some(signed), Some(signature), Some(date), Some(expires)) = parts else {
        let message = "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', \
                       'X-Amz-SignedHeaders', 'X-Amz-Date' and 'X-Amz-Expires'.";
        return refused("presigned", None, Rejection::incomplete(message));
    };
    let token = parameter("X-Amz-Security-Token");
    check("presigned", request, claim(&credential, &signed, signature, date, Some(expires), token), who, now)
}

fn claim(
    credential: &str,
    signed: &str,
    signature: String,
    amz_date: String,
    expires: Option<u64>,
    session_token: Option<String>,
) -> Option<Claim> {
    let mut parts = credential.split('/').map(str::to_owned);
    let claim = Claim {
        access_key_id: parts.next()?,
        scope_date: parts.next()?,
        region: parts.next()?,
        service: parts.next()?,
        signed_headers: signed.split(';').map(str::to_owned).collect(),
        signature,
        amz_date,
        expires,
        session_token,
    };
    (parts.next()? == "aws4_request" && parts.next().is_none()).then_some(claim)
}

fn refused(kind: &'static str, access_key_id: Option<String>, rejection: Rejection) -> Checked {
    Checked { kind, access_key_id, verdict: Err(rejection) }
}

fn check(
    kind: &'static str,
    request: &Presented<'_>,
    claim: Option<Claim>,
    who: &Principals,
    now: SystemTime,
) -> Checked {
    let Some(claim) = claim else {
        let message =
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.";
        return refused(kind, None, Rejection::incomplete(message));
    };
    let verdict = judge(request, &claim, who, now);
    Checked { kind, access_key_id: Some(claim.access_key_id), verdict }
}

/// The checks in the order in which AWS is seen to make them.
fn judge(request: &Presented<'_>, claim: &Claim, who: &Principals, now: SystemTime) -> Result<(), Rejection> {
    let known = who.principals.iter().find(|principal| principal.access_key_id == claim.access_key_id);
    let principal = known.ok_or_else(Rejection::unrecognized)?;
    if principal.session_token != claim.session_token {
        return Err(Rejection::unrecognized());
    }
    if principal.expired {
        let message = "The security token included in the request is expired";
        return Err(Rejection::new("ExpiredTokenException", message));
    }
    if request.region.is_some_and(|region| region != claim.region) {
        return Err(Rejection::invalid_signature("Credential should be scoped to a valid region."));
    }
    if !request.services.contains(&claim.service.as_str()) {
        let expected = request.services.first().copied().unwrap_or_default();
        let message = format!("Credential should be scoped to correct service: '{expected}'.");
        return Err(Rejection::invalid_signature(message));
    }
    if !claim.amz_date.starts_with(&claim.scope_date) || claim.scope_date.len() != 8 {
        let message =
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP";
        return Err(Rejection::invalid_signature(message));
    }
    let time = parse_date(&claim.amz_date)
        .ok_or_else(|| Rejection::incomplete("Date must be in ISO-8601 'basic format'."))?;
    check_time(claim, time, now)?;
    if !claim.signed_headers.iter().any(|name| name == "host" || name == ":authority") {
        let message = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
        return Err(Rejection::invalid_signature(message));
    }
    let expected = if claim.signed_headers.iter().any(|name| name == ":authority") {
        by_hand(request, claim, principal, time)
    } else {
        by_signing_again(request, claim, principal, time)
    };
    match expected {
        Some(expected) if expected == claim.signature => Ok(()),
        _ => Err(Rejection::mismatch()),
    }
}

fn check_time(claim: &Claim, time: SystemTime, now: SystemTime) -> Result<(), Rejection> {
    let life = claim.expires.map_or(SKEW, Duration::from_secs);
    if time + life < now {
        let message =
            format!("Signature expired: {} is now earlier than {}", claim.amz_date, show_date(now - life));
        return Err(Rejection::invalid_signature(message));
    }
    if now + SKEW < time {
        let message = format!(
            "Signature not yet current: {} is still later than {}",
            claim.amz_date,
            show_date(now + SKEW)
        );
        return Err(Rejection::invalid_signature(message));
    }
    Ok(())
}

/// The signed headers with their values as received, one entry per line of the request. `None`: one is not there.
fn signed_values<'a>(request: &Presented<'a>, claim: &'a Claim) -> Option<Vec<(&'a str, &'a str)>> {
    let mut values = Vec::new();
    for name in &claim.signed_headers {
        if name == "host" || name == ":authority" {
            values.push((name.as_str(), request.host));
            continue;
        }
        let mut found = request.headers.get_all(name.as_str()).iter().peekable();
        found.peek()?;
        for value in found {
            values.push((name.as_str(), value.to_str().ok()?));
        }
    }
    Some(values)
}

/// What the client must have hashed.
fn payload_hash<'a>(request: &Presented<'a>) -> &'a str {
    if request.streaming_input { STREAMING_EVENTS } else { request.body_sha256 }
}

fn by_signing_again(
    request: &Presented<'_>,
    claim: &Claim,
    who: &Principal,
    time: SystemTime,
) -> Option<String> {
    let identity = aws_credential_types::Credentials::new(
        &who.access_key_id,
        &who.secret_access_key,
        who.session_token.clone(),
        None,
        "fake-bedrock",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.excluded_headers = None;
    let mut query = request.query.to_owned();
    if let Some(expires) = claim.expires {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(expires));
        query = query.split('&').filter(|pair| !is_signing_parameter(pair)).collect::<Vec<_>>().join("&");
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&claim.region)
        .name(&claim.service)
        .time(time)
        .settings(settings)
        .build()
        .ok()?
        .into();
    let mut uri = format!("https://{}{}", request.host, request.path);
    if !query.is_empty() {
        let _ = write!(uri, "?{query}");
    }
    // The signer adds these two by itself, always; so a request that did not sign them never matches.
    let by_signer = |name: &str| name == "x-amz-date" || name == "x-amz-security-token";
    let headers = signed_values(request, claim)?.into_iter().filter(|(name, _)| !by_signer(name));
    let body = SignableBody::Precomputed(payload_hash(request).to_owned());
    let signable = SignableRequest::new(request.method, uri, headers, body).ok()?;
    Some(sign_request(signable, &params).ok()?.into_parts().1)
}

fn is_signing_parameter(pair: &str) -> bool {
    const NAMES: &[&str] =
        &["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Security-Token", "Signature"];
    let name = pair.split('=').next().unwrap_or_default();
    name.strip_prefix("X-Amz-").is_some_and(|name| NAMES.contains(&name))
}

/// The JavaScript SDK signs `:authority` over h2, a name that `aws-sigv4`'s header map cannot hold: the canonical
/// request is written here, in the form of the IAM user guide ("Create a signed AWS API request").
fn by_hand(request: &Presented<'_>, claim: &Claim, who: &Principal, time: SystemTime) -> Option<String> {
    if !request.http2 || claim.expires.is_some() || !claim.signed_headers.is_sorted() {
        return None;
    }
    let mut query: Vec<&str> = request.query.split('&').filter(|pair| !pair.is_empty()).collect();
    query.sort_unstable();
    let path = encode_path(request.path);
    let mut canonical = format!("{}\n{path}\n{}\n", request.method, query.join("&"));
    let values = signed_values(request, claim)?;
    for name in &claim.signed_headers {
        let values = values.iter().filter(|(n, _)| n == name);
        let values =
            values.map(|(_, v)| v.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
        let _ = writeln!(canonical, "{name}:{}", values.join(","));
    }
    let _ = write!(canonical, "\n{}\n{}", claim.signed_headers.join(";"), payload_hash(request));
    let scope = format!("{}/{}/{}/aws4_request", claim.scope_date, claim.region, claim.service);
    let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", claim.amz_date);
    let key = v4::generate_signing_key(&who.secret_access_key, time, &claim.region, &claim.service);
    Some(v4::calculate_signature(key, to_sign.as_bytes()))
}

fn encode_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn parse_date(text: &str) -> Option<SystemTime> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().into())
}

fn show_date(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map(|t| t.strftime("%Y%m%dT%H%M%SZ").to_string()).unwrap_or_default()
}
