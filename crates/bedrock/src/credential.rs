//! Credentials in all forms.

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
    /// Region of the credential scope.
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
