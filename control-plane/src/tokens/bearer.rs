//! Bearer tokens: `pcl_data_…` for gates, `pcl_admin_…` for people and their tools, `pcl_agent_…` for agents.

use crate::storage::{StoredAgent, StoredToken};
use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_policy::ToolGlobs;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

/// What a token is good for. A token of one kind is worth nothing at the other's door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The data plane: ask for decisions, report outcomes.
    Data,
    /// The admin API.
    Admin,
    /// Ask about the tool calls of one agent.
    Agent,
}

impl Kind {
    /// The stable name, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Data => "data",
            Kind::Admin => "admin",
            Kind::Agent => "agent",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Kind> {
        [Kind::Data, Kind::Admin, Kind::Agent].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A token just made: the only moment at which it can be read.
#[derive(Clone)]
pub struct NewToken {
    /// The token, for its holder.
    pub secret: String,
    /// What the store keeps.
    pub stored: StoredToken,
}

impl NewToken {
    /// Makes one from 32 and 6 random bytes.
    #[must_use]
    pub fn new(kind: Kind, name: &str, random: &[u8; 32], id: &[u8; 6], now_ms: u64) -> Self {
        let secret = format!("pcl_{}_{}", kind.as_str(), URL_SAFE_NO_PAD.encode(random));
        let stored = StoredToken {
            id: format!("tok_{}", hex::encode(id)),
            kind: kind.as_str().to_owned(),
            name: name.to_owned(),
            sha256: sha256(secret.as_bytes()),
            principal: None,
            agent: None,
            created_at_ms: now_ms,
            expires_at_ms: None,
            revoked_at_ms: None,
        };
        NewToken { secret, stored }
    }
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken").field("stored", &self.stored).finish_non_exhaustive()
    }
}

/// Who presented a good token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's public id; `None` for one that was configured.
    pub id: Option<Arc<str>>,
    /// The token's name, for records.
    pub name: Arc<str>,
    /// The principal that the token belongs to, where it was made for one.
    pub principal: Option<Arc<str>>,
    /// What it covers: of an agent's token always, of others never.
    pub agent: Option<Arc<AgentScope>>,
}

/// What an agent's token covers.
#[derive(Debug, PartialEq, Eq)]
pub struct AgentScope {
    /// Id of the agent.
    pub id: String,
    /// Its tenant.
    pub tenant: Option<String>,
    /// Its tools.
    pub tools: ToolGlobs,
}

impl AgentScope {
    /// What is stored, read.
    ///
    /// # Errors
    /// A glob is none; for people.
    pub fn read(stored: &StoredAgent) -> Result<Self, String> {
        let StoredAgent { id, tenant, tools } = stored;
        Ok(AgentScope { id: id.clone(), tenant: tenant.clone(), tools: ToolGlobs::parse(tools)? })
    }
}

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No `authorization: Bearer …`.
    #[error("no bearer token was sent")]
    Missing,
    /// Nobody's token, or a revoked one.
    #[error("the bearer token is not known or was revoked")]
    Unknown,
    /// A token whose time is over.
    #[error("the bearer token has expired; make another one with `portcullis keys create`")]
    Expired,
    /// A good token, of another kind.
    #[error("the bearer token is good, but not for this API")]
    WrongKind,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    expires_at_ms: Option<u64>,
    caller: Caller,
}

/// Every good token. Reading takes no lock.
#[derive(Debug, Default)]
pub struct Tokens {
    /// From files or environment: good for as long as the process runs.
    fixed: Entries,
    /// From the store.
    stored: ArcSwap<Entries>,
}

/// By their SHA-256. What is looked up is the hash of what was presented: how long that takes tells of hashes, and nobody gets
/// from a hash to its token.
type Entries = HashMap<[u8; 32], Entry>;

impl Tokens {
    /// Starts with tokens given by their SHA-256, such as Kubernetes secrets.
    #[must_use]
    pub fn with_fixed(fixed: impl IntoIterator<Item = (Kind, String, [u8; 32])>) -> Self {
        let fixed = fixed
            .into_iter()
            .map(|(kind, name, sha256)| {
                let caller = Caller { id: None, name: name.into(), principal: None, agent: None };
                (sha256, Entry { kind, expires_at_ms: None, caller })
            })
            .collect();
        Tokens { fixed, stored: ArcSwap::default() }
    }

    /// Takes over what the store holds.
    pub fn reload(&self, stored: &[StoredToken]) {
        let good = stored.iter().filter(|token| token.revoked_at_ms.is_none());
        self.stored.store(Arc::new(good.filter_map(entry).collect()));
    }

    /// No token of that kind exists: nobody can come in.
    #[must_use]
    pub fn is_empty(&self, kind: Kind) -> bool {
        !self.fixed.values().chain(self.stored.load().values()).any(|entry| entry.kind == kind)
    }

    /// Checks the value of an `authorization` header, which must hold a token of one of these kinds.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn authenticate(
        &self,
        authorization: Option<&[u8]>,
        kinds: &[Kind],
        now_ms: u64,
    ) -> Result<Caller, Denied> {
        let presented = sha256(bearer(authorization.ok_or(Denied::Missing)?).ok_or(Denied::Missing)?);
        let stored = self.stored.load();
        match self.fixed.get(&presented).or_else(|| stored.get(&presented)) {
            Some(entry) if entry.expires_at_ms.is_some_and(|end| end <= now_ms) => Err(Denied::Expired),
            Some(entry) if kinds.contains(&entry.kind) => Ok(entry.caller.clone()),
            Some(_) => Err(Denied::WrongKind),
            None => Err(Denied::Unknown),
        }
    }
}

/// `None` for what this program cannot read: such a token opens nothing.
fn entry(token: &StoredToken) -> Option<([u8; 32], Entry)> {
    let kind = Kind::parse(&token.kind)?;
    let agent = match token.agent.as_ref().map(AgentScope::read).transpose() {
        Ok(agent) => agent.map(Arc::new),
        Err(error) => {
            tracing::error!(token = token.id, error, "an agent's token is not usable");
            return None;
        }
    };
    let caller = Caller {
        id: Some(token.id.as_str().into()),
        name: token.name.as_str().into(),
        principal: token.principal.as_deref().map(Arc::from),
        agent,
    };
    Some((token.sha256, Entry { kind, expires_at_ms: token.expires_at_ms, caller }))
}

/// The credentials of RFC 6750 §2.1; the scheme's case does not matter.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// SHA-256 of a token.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
