//! Taking the caller's signature off, where the gate signs anew.

/// What to take off a request before Envoy's `aws_request_signing` signs it: a leftover of the caller's credential would
/// either be signed along or be a second credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strip {
    /// The path without presigning parameters, when it had any.
    pub path: Option<Vec<u8>>,
}

impl Strip {
    /// Headers to remove, each in all its repetitions.
    pub const HEADERS: &'static [&'static str] = &[
        "authorization",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-content-sha256",
        "x-amz-region-set",
        "x-api-key",
    ];

    /// Query parameters that belong to a presigned URL
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html>), lower-case.
    const PARAMETERS: &'static [&'static [u8]] = &[
        b"x-amz-algorithm",
        b"x-amz-credential",
        b"x-amz-date",
        b"x-amz-expires",
        b"x-amz-region-set",
        b"x-amz-security-token",
        b"x-amz-signature",
        b"x-amz-signedheaders",
    ];

    /// What to take off a request with this raw path.
    pub(crate) fn of(path: &[u8]) -> Self {
        let mut halves = path.splitn(2, |byte| *byte == b'?');
        let (Some(before), Some(query)) = (halves.next(), halves.next()) else {
            return Self { path: None };
        };
        let parameters = || query.split(|byte| *byte == b'&');
        if !parameters().any(is_presigning) {
            return Self { path: None };
        }
        let mut clean = before.to_vec();
        let mut separator = b'?';
        for parameter in parameters().filter(|parameter| !is_presigning(parameter)) {
            clean.push(separator);
            clean.extend_from_slice(parameter);
            separator = b'&';
        }
        Self { path: Some(clean) }
    }
}

fn is_presigning(parameter: &[u8]) -> bool {
    let name = parameter.split(|byte| *byte == b'=').next().unwrap_or_default();
    let name = decode_lower(name);
    Strip::PARAMETERS.contains(&name.as_slice())
}

/// Percent-decodes once, lower-case: `X%2DAmz-Date` is still a signature's parameter to a server.
fn decode_lower(mut rest: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let mut byte = *first;
        if let (b'%', [high, low, after @ ..]) = (byte, tail)
            && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
            && let Ok(value) = u8::try_from(high * 16 + low)
        {
            byte = value;
            rest = after;
        }
        decoded.push(byte.to_ascii_lowercase());
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_presigning_parameters_go() {
        for (path, expected) in [
            ("/model/a/converse", None),
            ("/guardrails?maxResults=5&nextToken=a%3D%3D", None),
            ("/m?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00", Some("/m")),
            ("/m?a=1&X-Amz-Date=20261121T000000Z&b=2", Some("/m?a=1&b=2")),
            ("/m?x%2Damz%2Ddate=1&keep", Some("/m?keep")),
            ("/m?a=x-amz-date&%zz=1", None),
        ] {
            let path_of = Strip::of(path.as_bytes()).path;
            println!("{path} -> {:?}", path_of.as_deref().map(String::from_utf8_lossy));
            assert_eq!(path_of.as_deref(), expected.map(str::as_bytes));
        }
    }
}
