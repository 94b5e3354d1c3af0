//! Making, listing and revoking keys: the same through the admin API and, offline, on the data directory.

mod wish;

use crate::clock;
use crate::identity;
use crate::storage::{Event, EventKind, Store, StoreError};
use crate::tokens::{AwsKey, AwsKeys, Kind, MasterKey, MasterKeyError, NewAwsKey, NewToken, Tokens};
use portcullis_protocol::DecisionRequest;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Tokens and virtual keys: the store's, and their copy in memory.
#[derive(Debug)]
pub struct KeyRing {
    /// Bearer tokens.
    pub tokens: Tokens,
    /// Virtual AWS keys.
    pub aws_keys: AwsKeys,
    master: MasterKey,
    store: Arc<dyn Store>,
}

/// What to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// `data`, `admin`, `agent` or `aws`.
    pub kind: String,
    /// What to call it, 1 to 128 characters.
    pub name: String,
    /// The principal that an `aws` key stands for (the name when absent) or an `agent` token (the agent when absent), or that
    /// an `admin` token belongs to: who asks for a call may not approve it.
    #[serde(default)]
    pub principal: Option<String>,
    /// The tenant of the principal of an `aws` key or `agent` token.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The agent that an `agent` token is for: its id.
    #[serde(default)]
    pub agent: Option<String>,
    /// The tools that an `agent` token may ask about: globs, as in the `tools` of a rule.
    #[serde(default)]
    pub tools: Vec<String>,
    /// How long a token is good: such as `12h`, `30d`, or `never`. `90d` when absent for `agent`, `never` for the others.
    #[serde(default)]
    pub expires_in: Option<String>,
    /// A pair that the application has already, taken over as it is (kind `aws`); absent to make one.
    #[serde(default)]
    pub existing: Option<ExistingPair>,
}

/// An access key pair that was not made here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExistingPair {
    /// `AKIA…`: 20 characters of `A–Z2–7`.
    pub access_key_id: String,
    /// 16 to 128 visible characters.
    pub secret_access_key: String,
}

impl std::fmt::Debug for ExistingPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExistingPair").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// A key just made. Its secret is shown here, once, and never again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SecretKey {
    /// For listing and revoking.
    pub id: String,
    /// `data`, `admin`, `agent` or `aws`.
    pub kind: String,
    /// What it is called.
    pub name: String,
    /// The bearer token, for all but `aws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Unix milliseconds from which on it is worth nothing; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// For `aws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// For `aws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<String>,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretKey").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A key as listed: nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeySummary {
    /// For revoking; an `aws` key's access key id.
    pub id: String,
    /// `data`, `admin`, `agent` or `aws`.
    pub kind: String,
    /// What it is called.
    pub name: String,
    /// Of an `aws` key and an `agent` token, and of an `admin` token that was made for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Of an `aws` key or `agent` token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Of an `agent` token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Of an `agent` token: globs of its tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Unix milliseconds from which on it is worth nothing; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// Unix milliseconds; absent while it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at_ms: Option<u64>,
}

/// Why keys cannot be managed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The wish makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is no such good key.
    #[error("there is no key `{0}` that is not revoked already; list them with `portcullis keys list`")]
    NotFound(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The master key.
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    /// No randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
}

impl KeyRing {
    /// Takes over what the store holds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(store: Arc<dyn Store>, tokens: Tokens, master: MasterKey) -> Result<Self, StoreError> {
        let ring = KeyRing { tokens, aws_keys: AwsKeys::default(), master, store };
        ring.reload().await?;
        Ok(ring)
    }

    async fn reload(&self) -> Result<(), StoreError> {
        let keys = self.store.keys().await?;
        self.tokens.reload(&keys.tokens);
        for error in self.aws_keys.reload(&keys.aws_keys, &self.master) {
            tracing::error!(%error, "a virtual key is not usable");
        }
        Ok(())
    }

    /// Makes a key. `actor` is who does it, for the record.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn create(&self, wish: NewKey, actor: &str) -> Result<SecretKey, KeysError> {
        wish::check(&wish)?;
        let now_ms = clock::unix_ms();
        let made = if let Some(kind) = Kind::parse(&wish.kind) {
            let (mut random, mut id) = ([0; 32], [0; 6]);
            getrandom::fill(&mut random)?;
            getrandom::fill(&mut id)?;
            let NewToken { secret, mut stored } = NewToken::new(kind, &wish.name, &random, &id, now_ms);
            stored.principal.clone_from(&wish.principal);
            stored.expires_at_ms = wish::lifetime_ms(&wish)?.map(|ms| now_ms.saturating_add(ms));
            stored.agent = wish::agent(&wish);
            let made = SecretKey {
                id: stored.id.clone(),
                kind: wish.kind.clone(),
                name: wish.name.clone(),
                token: Some(secret),
                expires_at_ms: stored.expires_at_ms,
                access_key_id: None,
                secret_access_key: None,
            };
            self.store.add_token(stored, event("key_created", &made.id, Some(&wish), actor)).await?;
            made
        } else {
            let mut random = [0; 46];
            getrandom::fill(&mut random)?;
            let principal = wish.principal.as_deref().unwrap_or(&wish.name);
            let pair = wish.existing.clone().map(|pair| (pair.access_key_id, pair.secret_access_key));
            let (id, secret) = pair.unwrap_or_else(|| crate::tokens::aws_pair(&random));
            if self.store.keys().await?.aws_keys.iter().any(|key| key.access_key_id == id) {
                return Err(KeysError::Invalid(format!(
                    "there is a key `{id}` already, perhaps a revoked one"
                )));
            }
            let tenant = wish.tenant.as_deref();
            let NewAwsKey { key, stored } =
                NewAwsKey::new(id, secret, &wish.name, principal, tenant, &self.master, now_ms)?;
            self.store
                .add_aws_key(stored, event("key_created", &key.access_key_id, Some(&wish), actor))
                .await?;
            SecretKey {
                id: key.access_key_id.clone(),
                kind: wish.kind,
                name: wish.name,
                token: None,
                expires_at_ms: None,
                access_key_id: Some(key.access_key_id),
                secret_access_key: Some(key.secret),
            }
        };
        self.reload().await?;
        Ok(made)
    }

    /// Every key, revoked ones included, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self) -> Result<Vec<KeySummary>, KeysError> {
        let keys = self.store.keys().await?;
        let tokens = keys.tokens.into_iter().map(|token| {
            let (agent, tenant, tools) = token
                .agent
                .map_or_else(Default::default, |agent| (Some(agent.id), agent.tenant, agent.tools));
            KeySummary {
                id: token.id,
                kind: token.kind,
                name: token.name,
                principal: token.principal.or_else(|| agent.clone()),
                tenant,
                agent,
                tools,
                created_at_ms: token.created_at_ms,
                expires_at_ms: token.expires_at_ms,
                revoked_at_ms: token.revoked_at_ms,
            }
        });
        let aws = keys.aws_keys.into_iter().map(|key| KeySummary {
            id: key.access_key_id,
            kind: "aws".to_owned(),
            name: key.name,
            principal: Some(key.principal),
            tenant: key.tenant,
            agent: None,
            tools: Vec::new(),
            created_at_ms: key.created_at_ms,
            expires_at_ms: None,
            revoked_at_ms: key.revoked_at_ms,
        });
        Ok(tokens.chain(aws).collect())
    }

    /// Revokes a key. It is worth nothing once this is `Ok`.
    ///
    /// # Errors
    /// [`KeysError::NotFound`] when there is no such good key, or the store's.
    pub async fn revoke(&self, id: &str, actor: &str) -> Result<(), KeysError> {
        if !self.store.revoke_key(id.to_owned(), event("key_revoked", id, None, actor)).await? {
            return Err(KeysError::NotFound(id.to_owned()));
        }
        self.reload().await?;
        Ok(())
    }

    /// Checks the signature of a call that the gate would sign anew.
    ///
    /// # Errors
    /// A stable code for the record. The caller is told no more than that it is not verified.
    pub(super) fn verify(
        &self,
        question: &DecisionRequest,
        now_ms: u64,
    ) -> Result<Arc<AwsKey>, &'static str> {
        let signing = question.signing.as_ref().ok_or("not_signed")?;
        let id = question.credential.access_key_id.as_deref().ok_or("no_access_key_id")?;
        let key = self.aws_keys.get(id).ok_or("unknown_key")?;
        identity::verify(&question.method, signing, &key.secret, now_ms).map_err(|error| error.code())?;
        Ok(key)
    }
}

fn event(what: &str, id: &str, wish: Option<&NewKey>, actor: &str) -> Event {
    let mut detail = serde_json::json!({ "what": what, "id": id });
    if let (Some(wish), Some(detail)) = (wish, detail.as_object_mut()) {
        // Never the wish as it is: it may hold a secret.
        let NewKey { kind, name, principal, tenant, agent, tools, expires_in, existing } = wish;
        let mut key = serde_json::json!({
            "kind": kind, "name": name, "principal": principal, "tenant": tenant, "imported": existing.is_some(),
        });
        if let Some(key) = key.as_object_mut().filter(|_| agent.is_some() || expires_in.is_some()) {
            key.insert("agent".to_owned(), serde_json::json!(agent));
            key.insert("tools".to_owned(), serde_json::json!(tools));
            key.insert("expires_in".to_owned(), serde_json::json!(expires_in));
        }
        detail.insert("key".to_owned(), key);
    }
    Event { kind: EventKind::Admin, actor: actor.to_owned(), detail }
}
