//! What of a record can be redacted, and how.

/// What becomes of a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// It stays.
    #[default]
    Keep,
    /// It is blinded: equal values stay equal, and nobody without the key can tell which they are.
    Hmac,
    /// It is left out.
    Drop,
}

impl Mode {
    pub(super) fn parse(name: &str) -> Option<Self> {
        [("keep", Mode::Keep), ("hmac", Mode::Hmac), ("drop", Mode::Drop)]
            .into_iter()
            .find_map(|(own, mode)| (own == name).then_some(mode))
    }
}

/// A field that can be redacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Field {
    PrincipalName,
    PrincipalSession,
    PrincipalTenant,
    PrincipalRoles,
    AccessKeyId,
    Account,
    User,
    SecretSha256,
    Session,
    Delegation,
    Address,
    ServerName,
    VpcEndpoint,
    UserAgent,
    InvocationId,
    Metadata,
    SessionAttributes,
    S3Uris,
    KnowledgeBases,
    Labels,
    Facts,
    BodySha256,
    ArgumentsSha256,
    TextSha256,
    AnswerSha256,
}

use Field::{
    AccessKeyId, Account, Address, AnswerSha256, ArgumentsSha256, BodySha256, Delegation, Facts,
    InvocationId, KnowledgeBases, Labels, Metadata, PrincipalName, PrincipalRoles, PrincipalSession,
    PrincipalTenant, S3Uris, SecretSha256, ServerName, Session, SessionAttributes, TextSha256, User,
    UserAgent, VpcEndpoint,
};

/// Each with its documented name: that of the member in the record, but for `principal.session_name`.
const NAMES: &[(Field, &str)] = &[
    (PrincipalName, "principal.name"),
    (PrincipalSession, "principal.session_name"),
    (PrincipalTenant, "principal.tenant"),
    (PrincipalRoles, "principal.roles"),
    (AccessKeyId, "credential.access_key_id"),
    (Account, "credential.account_hint"),
    (User, "credential.user_hint"),
    (SecretSha256, "credential.secret_sha256"),
    (Session, "agent.session"),
    (Delegation, "delegation"),
    (Address, "source.address"),
    (ServerName, "source.server_name"),
    (VpcEndpoint, "endpoint.vpc_endpoint"),
    (UserAgent, "sdk.user_agent"),
    (InvocationId, "sdk.invocation_id"),
    (Metadata, "request.metadata"),
    (SessionAttributes, "request.session_attributes"),
    (S3Uris, "request.s3_uris"),
    (KnowledgeBases, "request.knowledge_bases"),
    (Labels, "labels"),
    (Facts, "request.facts"),
    (BodySha256, "request.sha256"),
    (ArgumentsSha256, "tool.arguments_sha256"),
    (TextSha256, "text.sha256"),
    (AnswerSha256, "answer.sha256"),
];

impl Field {
    /// Every one.
    pub(super) fn all() -> impl Iterator<Item = Field> + Clone {
        NAMES.iter().map(|(field, _)| *field)
    }

    /// The documented name, which also names the purpose of its key.
    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(field, _)| *field == self).map_or("", |(_, name)| name)
    }

    /// It is a map, whose members may be named.
    const fn is_map(self) -> bool {
        matches!(self, Metadata | SessionAttributes | Labels | Facts)
    }

    /// A field by its name (`source.address`) or as a JSON pointer into the record (`/source/address`), with the member of a
    /// map (`request.metadata.team`).
    pub(super) fn parse(name: &str) -> Option<(Field, Option<String>)> {
        let pointer = name.strip_prefix('/').map(|rest| {
            let parts = rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~"));
            parts.collect::<Vec<_>>().join(".")
        });
        let name = pointer.as_deref().unwrap_or(name);
        NAMES.iter().find_map(|(field, own)| {
            let rest = name.strip_prefix(own)?;
            if rest.is_empty() {
                return Some((*field, None));
            }
            let member = rest.strip_prefix('.').filter(|member| field.is_map() && !member.is_empty())?;
            Some((*field, Some(member.to_owned())))
        })
    }

    /// What would not work without it.
    pub(super) const fn needed_by(self) -> Option<&'static str> {
        match self {
            PrincipalName | PrincipalSession => Some("counts, sequences, correlation and search"),
            AccessKeyId | SecretSha256 => Some("the names of callers that no directory knows"),
            Session => Some("sessions, sequences and correlation"),
            InvocationId | BodySha256 => Some("the correlation of retries"),
            _ => None,
        }
    }

    /// No rule reads it: a call can be decided on as well without it.
    pub(super) fn is_for_the_record(name: &str) -> bool {
        [User, UserAgent, InvocationId, BodySha256, ArgumentsSha256, TextSha256, AnswerSha256, Delegation]
            .iter()
            .any(|field| field.name() == name)
    }

    /// All names, for an error.
    pub(super) fn names() -> String {
        let names = NAMES.iter().map(|(field, name)| {
            if field.is_map() { format!("{name}, {name}.NAME") } else { (*name).to_owned() }
        });
        names.collect::<Vec<_>>().join(", ")
    }
}
