//! SigV4 and SigV4a, in the header or in the query.

use super::{Claimed, CredentialKind, Signature, broken, scope::Scope, two};
use crate::call::Problem;
use crate::headers::Headers;
use crate::path::{Target, decode};
use std::borrow::Cow;

pub(super) const HMAC: &str = "AWS4-HMAC-SHA256";
pub(super) const ECDSA: &str = "AWS4-ECDSA-P256-SHA256";

/// `Credential=…, SignedHeaders=…, Signature=…` after the algorithm, in any order, each once, nothing else.
pub(super) fn header<'a>(
    algorithm: &str,
    rest: &'a str,
    headers: &Headers<'a>,
    out: &mut Claimed<'a>,
) -> Result<(), Problem> {
    out.credential.kind = if algorithm == ECDSA { CredentialKind::Sigv4a } else { CredentialKind::Sigv4 };
    out.credential.session_token = headers.security_token.is_some_and(|t| !t.is_empty());
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    let mut again = None;
    for part in rest.split(',').map(str::trim) {
        let slot = match part.split_once('=') {
            Some(("Credential", value)) => (&mut credential, value),
            Some(("SignedHeaders", value)) => (&mut signed_headers, value),
            Some(("Signature", value)) => (&mut signature, value),
            // Envoy joins two headers of one name with a comma: the second one starts with its scheme.
            _ if part.contains(' ') => {
                again.get_or_insert_with(|| two("header `authorization` holds two credentials"));
                continue;
            }
            _ => {
                again
                    .get_or_insert_with(|| broken("header `authorization` holds a part that is not SigV4's"));
                continue;
            }
        };
        if slot.0.is_none() {
            *slot.0 = Some(slot.1);
        } else {
            again.get_or_insert_with(|| two("header `authorization` names a part twice"));
        }
    }
    // The scope is read even where something else is wrong: the record should say whose call it was.
    let scope = Scope::parse(credential.unwrap_or_default(), algorithm == HMAC);
    if let Ok(scope) = &scope {
        scope.write(&mut out.credential);
    }
    if algorithm == ECDSA {
        out.credential.region = headers.region_set.map(str::to_owned);
    }
    if let Some(problem) = again {
        return Err(problem);
    }
    let scope = scope?;
    let signed_headers =
        signed_headers.filter(|s| are_headers(s)).ok_or_else(|| broken("`SignedHeaders` is not sound"))?;
    let signature =
        signature.filter(|s| is_signature(algorithm, s)).ok_or_else(|| broken("`Signature` is not sound"))?;
    let date =
        headers.amz_date.or(headers.date).ok_or_else(|| broken("a SigV4 signature without `x-amz-date`"))?;
    if headers.amz_date.is_some_and(|d| !is_date(d)) {
        return Err(broken("`x-amz-date` is not `yyyymmddThhmmssZ`"));
    }
    out.signature = Some(Signature {
        date: date.to_owned(),
        scope: scope.rest.to_owned(),
        signature: signature.to_owned(),
        signed_headers: Cow::Borrowed(signed_headers),
    });
    Ok(())
}

/// The `X-Amz-*` keys of a query that carries a credential.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    algorithm: Option<Cow<'a, str>>,
    credential: Option<Cow<'a, str>>,
    date: Option<Cow<'a, str>>,
    signed_headers: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    region_set: Option<Cow<'a, str>>,
    session_token: bool,
    problem: Option<Problem>,
}

impl<'a> Query<'a> {
    /// `None` for a query that carries no credential.
    pub(super) fn find(target: &Target<'a>) -> Option<Self> {
        if target.query.is_empty() {
            return None;
        }
        let mut query = Self::default();
        for (key, value) in target.query_pairs() {
            let lower = key.to_ascii_lowercase();
            let slot = match lower.as_str() {
                "x-amz-algorithm" => &mut query.algorithm,
                "x-amz-credential" => &mut query.credential,
                "x-amz-date" => &mut query.date,
                "x-amz-signedheaders" => &mut query.signed_headers,
                "x-amz-signature" => &mut query.signature,
                "x-amz-region-set" => &mut query.region_set,
                "x-amz-security-token" => {
                    query.session_token = !value.is_empty();
                    continue;
                }
                _ => continue,
            };
            // AWS reads these keys as they are written in its documentation; another spelling is somebody's trick.
            let exact = matches!(
                &*key,
                "X-Amz-Algorithm"
                    | "X-Amz-Credential"
                    | "X-Amz-Date"
                    | "X-Amz-SignedHeaders"
                    | "X-Amz-Signature"
                    | "X-Amz-Region-Set"
            );
            let twice = slot.is_some();
            match decode(value) {
                Ok(value) => {
                    slot.get_or_insert(value);
                }
                Err(what) => query.note(broken(&format!("query key `{lower}` {what}"))),
            }
            if twice {
                query.note(two(&format!("query key `{lower}` is there twice")));
            }
            if !exact {
                query.note(broken(&format!("query key `{lower}` is spelled otherwise than AWS does")));
            }
        }
        let carries = query.algorithm.is_some() || query.credential.is_some() || query.signature.is_some();
        carries.then_some(query)
    }

    fn note(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    pub(super) fn read(self, out: &mut Claimed<'a>) -> Result<(), Problem> {
        out.credential.kind = CredentialKind::Presigned;
        out.credential.session_token = self.session_token;
        let algorithm = self.algorithm.unwrap_or_default();
        let credential = self.credential.unwrap_or_default();
        let scope = Scope::parse(&credential, algorithm != ECDSA);
        if let Ok(scope) = &scope {
            scope.write(&mut out.credential);
        }
        if algorithm == ECDSA {
            out.credential.region = self.region_set.map(Cow::into_owned);
        }
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if algorithm != HMAC && algorithm != ECDSA {
            return Err(broken("`X-Amz-Algorithm` is missing or not one of AWS's"));
        }
        let scope = scope?;
        let whole = |value: Option<Cow<'a, str>>, sound: &dyn Fn(&str) -> bool, name: &str| {
            value
                .filter(|v| sound(v))
                .ok_or_else(|| broken(&format!("query key `{name}` is missing or not sound")))
        };
        let date = whole(self.date, &is_date, "X-Amz-Date")?;
        let signed_headers = whole(self.signed_headers, &are_headers, "X-Amz-SignedHeaders")?;
        let signature = whole(self.signature, &|s: &str| is_signature(&algorithm, s), "X-Amz-Signature")?;
        out.signature = Some(Signature {
            date: date.into_owned(),
            scope: scope.rest.to_owned(),
            signature: signature.into_owned(),
            signed_headers,
        });
        Ok(())
    }
}

/// `name;name…`, lower-case; a pseudo-header may be among them.
fn are_headers(text: &str) -> bool {
    let name = |n: &str| {
        let n = n.strip_prefix(':').unwrap_or(n);
        !n.is_empty()
            && n.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    text.split(';').all(name)
}

/// 64 hex digits of an HMAC, or the hex of a DER signature.
fn is_signature(algorithm: &str, text: &str) -> bool {
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    hex && if algorithm == HMAC { text.len() == 64 } else { (16..=160).contains(&text.len()) }
}

/// `20261121T100000Z`.
fn is_date(text: &str) -> bool {
    text.len() == 16
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 => b == b'T',
            15 => b == b'Z',
            _ => b.is_ascii_digit(),
        })
}
