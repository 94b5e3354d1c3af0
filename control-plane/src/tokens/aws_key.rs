//! Virtual AWS keys: an application signs with one as with any AWS key; the gate checks the signature and re-signs
//! with its own.

use super::seal::{MasterKey, MasterKeyError};
use crate::storage::StoredAwsKey;
use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::sync::Arc;

/// A good virtual key, opened.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsKey {
    /// Such as `AKIA…`.
    pub access_key_id: String,
    /// The secret access key.
    pub secret: String,
    /// The principal that it stands for.
    pub principal: String,
    /// That principal's tenant.
    pub tenant: Option<String>,
}

impl std::fmt::Debug for AwsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { access_key_id, secret: _, principal, tenant } = self;
        f.debug_struct("AwsKey")
            .field("access_key_id", access_key_id)
            .field("principal", principal)
            .field("tenant", tenant)
            .finish_non_exhaustive()
    }
}

/// A virtual key just made.
#[derive(Debug, Clone)]
pub struct NewAwsKey {
    /// The key, for its holder.
    pub key: AwsKey,
    /// What the store keeps.
    pub stored: StoredAwsKey,
}

impl NewAwsKey {
    /// Seals the secret of a pair.
    ///
    /// # Errors
    /// [`MasterKeyError`] when the secret cannot be sealed.
    pub fn new(
        access_key_id: String,
        secret: String,
        name: &str,
        principal: &str,
        tenant: Option<&str>,
        master: &MasterKey,
        now_ms: u64,
    ) -> Result<Self, MasterKeyError> {
        let key = AwsKey {
            secret,
            principal: principal.to_owned(),
            tenant: tenant.map(str::to_owned),
            access_key_id,
        };
        let stored = StoredAwsKey {
            access_key_id: key.access_key_id.clone(),
            sealed_secret: master.seal(&key.access_key_id, &key.secret)?,
            name: name.to_owned(),
            principal: key.principal.clone(),
            tenant: key.tenant.clone(),
            created_at_ms: now_ms,
            revoked_at_ms: None,
        };
        Ok(NewAwsKey { key, stored })
    }
}

/// A pair from random bytes: the access key id and its secret. The id looks like a long-term AWS key's (`AKIA` and 16 of
/// `A–Z2–7`), because SDKs and secret scanners know that shape; the secret is 40 characters as AWS's are.
#[must_use]
pub fn aws_pair(random: &[u8; 46]) -> (String, String) {
    let (id, secret) = random.split_at(16);
    ("AKIA".chars().chain(id.iter().map(|byte| base32(byte % 32))).collect(), STANDARD.encode(secret))
}

/// The RFC 4648 digit of a value below 32.
fn base32(value: u8) -> char {
    char::from(if value < 26 { b'A' + value } else { b'2' + (value - 26).min(5) })
}

/// Every good virtual key, opened. Reading takes no lock.
#[derive(Debug, Default)]
pub struct AwsKeys(ArcSwap<HashMap<String, Arc<AwsKey>>>);

impl AwsKeys {
    /// The key of that id, unless it was revoked.
    #[must_use]
    pub fn get(&self, access_key_id: &str) -> Option<Arc<AwsKey>> {
        self.0.load().get(access_key_id).cloned()
    }

    /// Takes over what the store holds. A key that does not open is left out: whoever signs with it is refused.
    pub fn reload(&self, stored: &[StoredAwsKey], master: &MasterKey) -> Vec<MasterKeyError> {
        let mut errors = Vec::new();
        let mut keys = HashMap::new();
        for stored in stored.iter().filter(|key| key.revoked_at_ms.is_none()) {
            match master.open(&stored.access_key_id, &stored.sealed_secret) {
                Ok(secret) => {
                    let key = AwsKey {
                        access_key_id: stored.access_key_id.clone(),
                        secret,
                        principal: stored.principal.clone(),
                        tenant: stored.tenant.clone(),
                    };
                    keys.insert(stored.access_key_id.clone(), Arc::new(key));
                }
                Err(error) => errors.push(error),
            }
        }
        self.0.store(Arc::new(keys));
        errors
    }
}
