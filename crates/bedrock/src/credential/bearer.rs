//! Bearer tokens and `x-api-key` values: Bedrock API keys and others.

use super::{Credential, CredentialKind, account_hint, broken, scope::Scope, two};
use crate::call::Problem;
use crate::path::decode;
use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use sha2::{Digest as _, Sha256};

const SHORT_TERM: &str = "bedrock-api-key-";
const LONG_TERM: &str = "ABSK";
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a token; `other` is its form if it is not a Bedrock API key.
pub(super) fn read(token: &str, other: CredentialKind, out: &mut Credential) -> Result<(), Problem> {
    out.kind = other;
    out.secret_sha256 = Some(Sha256::digest(token.as_bytes()).into());
    if token.is_empty() {
        out.secret_sha256 = None;
        return Err(broken("the bearer token is empty"));
    }
    if token.contains(',') {
        return Err(two("the bearer token is followed by a comma: two credentials in one header"));
    }
    if !token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b) || is_opaque(other, b)) {
        return Err(broken("the bearer token holds a character that no token has"));
    }
    if let Some(encoded) = token.strip_prefix(SHORT_TERM) {
        out.kind = CredentialKind::BearerShortTerm;
        return short_term(encoded, out);
    }
    if let Some(encoded) = token.strip_prefix(LONG_TERM) {
        out.kind = CredentialKind::BearerLongTerm;
        long_term(encoded, out).unwrap_or(());
    }
    Ok(())
}

/// An `x-api-key` has no grammar: any visible character.
fn is_opaque(kind: CredentialKind, byte: u8) -> bool {
    kind == CredentialKind::ApiKey && byte.is_ascii_graphic()
}

/// A presigned URL in base64: `bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Credential=…`.
fn short_term(encoded: &str, out: &mut Credential) -> Result<(), Problem> {
    let unreadable = || broken("the short-term API key is not whole");
    let bytes = BASE64.decode(encoded).map_err(|_| unreadable())?;
    let url = String::from_utf8(bytes).map_err(|_| unreadable())?;
    let (_, query) = url.split_once('?').ok_or_else(unreadable)?;
    let mut credential = None;
    for (key, value) in query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
        match key {
            // As in a presigned request: another spelling is a second scope to whoever decodes it.
            _ if key != "X-Amz-Credential" && is_credential(key) => {
                return Err(two(
                    "the short-term API key has a scope that is spelled otherwise than AWS does",
                ));
            }
            "X-Amz-Credential" if credential.is_some() => {
                return Err(two("the short-term API key has two scopes"));
            }
            "X-Amz-Credential" => credential = Some(value),
            "X-Amz-Security-Token" => out.session_token = !value.is_empty(),
            _ => {}
        }
    }
    let credential = decode(credential.ok_or_else(unreadable)?).map_err(|_| unreadable())?;
    let scope = Scope::parse(&credential, true)?;
    scope.write(out);
    Ok(())
}

fn is_credential(key: &str) -> bool {
    decode(key).is_ok_and(|key| key.eq_ignore_ascii_case("X-Amz-Credential"))
}

/// `<user name>-at-<account>:<secret>` in base64. A key that does not read so has no hints; it is AWS's to refuse.
fn long_term(encoded: &str, out: &mut Credential) -> Option<()> {
    let bytes = BASE64.decode(encoded).ok()?;
    let end = memchr::memchr(b':', &bytes)?;
    let name = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let (user, account) = name.rsplit_once("-at-")?;
    let sound = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let printable = !user.is_empty() && user.len() <= 128 && user.bytes().all(|b| b.is_ascii_graphic());
    if sound && printable {
        out.user_hint = Some(user.to_owned());
        out.account_hint = Some(account.to_owned());
    }
    Some(())
}

impl Scope<'_> {
    /// Writes what the scope says into a credential.
    pub(super) fn write(&self, out: &mut Credential) {
        out.account_hint = account_hint(self.access_key_id);
        out.access_key_id = Some(self.access_key_id.to_owned());
        out.region = self.region.map(str::to_owned);
        out.service = Some(self.service.to_owned());
    }
}
