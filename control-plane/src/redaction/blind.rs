//! Blinding: HMAC-SHA-256 under a key of its own for each field, derived from the master key.

use super::field::Field;
use crate::tokens::MasterKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;

/// What a blinded value begins with.
pub(super) const MARK: &str = "hmac:";
/// RFC 4648 §6, in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Keyed, and ready to be used again and again.
#[derive(Clone)]
pub(crate) struct Blind {
    key_id: u32,
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for Blind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blind").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Blind {
    /// The key of that number for one purpose.
    pub(crate) fn new(master: &MasterKey, purpose: &str, key_id: u32) -> Self {
        let key = master.derive(&format!("portcullis/audit/hmac/{purpose}/{key_id}"));
        // What is shorter than a block counts as if it were followed by zeros (RFC 2104 §2).
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(to, from)| *to = from);
        Blind { key_id, keyed: Hmac::new(&block.into()) }
    }

    /// `hmac:<key>:<26 characters>`: the first 128 bits, in base32.
    pub(crate) fn of(&self, value: &[u8]) -> String {
        let mac: [u8; 32] = self.keyed.clone().chain_update(value).finalize().into_bytes().into();
        let bits = mac.iter().take(16).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
        let mut text = format!("{MARK}{}:", self.key_id);
        // 26 characters of five bits: the last two bits are zeros.
        for at in (0..26).rev() {
            let five = if at == 0 { bits << 2 } else { bits >> (5 * at - 2) } & 31;
            let letter = usize::try_from(five).ok().and_then(|five| ALPHABET.get(five));
            text.extend(letter.map(|letter| char::from(*letter)));
        }
        text
    }
}

/// The keys of every field, by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Blinds(BTreeMap<(Field, u32), Blind>);

impl Blinds {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn new(master: &MasterKey, keys: impl Iterator<Item = u32> + Clone) -> Self {
        let fields = Field::all().flat_map(|field| keys.clone().map(move |key| (field, key)));
        Blinds(fields.map(|(field, key)| ((field, key), Blind::new(master, field.name(), key))).collect())
    }

    /// `None` where that key is not at hand.
    pub(super) fn of(&self, field: Field, key_id: u32, value: &str) -> Option<String> {
        Some(self.0.get(&(field, key_id))?.of(value.as_bytes()))
    }
}

/// It looks like a blinded value: nobody blinds it again when it is looked up.
pub(super) fn is_blind(value: &str) -> bool {
    let parts = value.strip_prefix(MARK).and_then(|rest| rest.split_once(':'));
    parts.is_some_and(|(key, text)| key.parse::<u32>().is_ok() && text.len() == 26)
}
