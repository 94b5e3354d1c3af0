//! What records leave out or blind, and captured text.
//!
//! Policy, limits, approvals and sessions see every call as it is. Its record is redacted afterwards, just before it is
//! committed, in one place ([`Redactor::decision`]); so nothing that decides depends on what is kept. What is looked up later
//! by a value in the clear (a session, a principal) is looked up by every form in which it may have been recorded
//! ([`Redactor::principals`], [`Redactor::sessions`]).

mod blind;
mod capture;
mod config;
mod field;
mod memory;
mod record;
#[cfg(test)]
mod tests;

pub use capture::{Capture, Captured, Capturer, NoRandomness, OpenError, SealedText};
pub use config::{CaptureConfig, RawRedaction, RedactionConfig, RedactionError};
pub use memory::InFlight;

use crate::tokens::MasterKey;
use blind::{Blind, Blinds, MARK, is_blind};
use field::{Field, Mode};

/// Redacts records. One per process, shared.
#[derive(Debug, Default)]
pub struct Redactor {
    config: RedactionConfig,
    blinds: Blinds,
    /// Of questions as they were asked.
    questions: Option<Blind>,
    /// Something is redacted.
    active: bool,
}

impl Redactor {
    /// Redacts as configured, with keys derived from the master key. `None`: nothing was ever redacted.
    #[must_use]
    pub fn new(config: Option<RedactionConfig>, master: &MasterKey) -> Self {
        let Some(config) = config else { return Redactor::default() };
        let keys: Vec<u32> = config.key_ids().collect();
        Redactor {
            blinds: Blinds::new(master, keys.into_iter()),
            questions: Some(Blind::new(master, "question", config.key_id)),
            active: !config.keeps_all(),
            config,
        }
    }

    /// The forms in which a principal's name may stand in records, the current one first. Never empty.
    #[must_use]
    pub fn principals(&self, name: &str) -> Vec<String> {
        self.forms(name, |key| Some(self.principal_under(name, key)))
    }

    /// The same of an agent session, and of a correlation that is one.
    #[must_use]
    pub fn sessions(&self, session: &str) -> Vec<String> {
        self.forms(session, |key| self.blinds.of(Field::Session, key, session))
    }

    /// The same of a tenant.
    #[must_use]
    pub fn tenants(&self, name: &str) -> Vec<String> {
        self.forms(name, |key| self.blinds.of(Field::PrincipalTenant, key, name))
    }

    /// The same of an account.
    #[must_use]
    pub fn accounts(&self, account: &str) -> Vec<String> {
        self.forms(account, |key| self.blinds.of(Field::Account, key, account))
    }

    /// The forms in which an id may stand in records that names a loop or session: itself first.
    #[must_use]
    pub fn ids(&self, id: &str) -> Vec<String> {
        let calls = self.forms(id, |key| self.blinds.of(Field::InvocationId, key, id));
        let mut ids = vec![id.to_owned()];
        ids.extend(self.sessions(id).into_iter().chain(calls).filter(|form| form != id));
        ids
    }

    /// The form in which a principal's name is recorded now; one that was copied from a record stays.
    #[must_use]
    pub fn principal(&self, name: &str) -> String {
        let copied = name.rsplit_once(MARK).is_some_and(|(_, rest)| is_blind(&format!("{MARK}{rest}")));
        if self.active && !copied { self.principal_now(name) } else { name.to_owned() }
    }

    /// The form in which a session is recorded now; one that was copied from a record stays.
    #[must_use]
    pub fn session(&self, session: &str) -> String {
        let blinds = self.config.mode(Field::Session) == Mode::Hmac && !is_blind(session);
        if blinds { self.blind(Field::Session, session) } else { session.to_owned() }
    }

    /// Something is missing in a record that a rule may ask about.
    #[must_use]
    pub fn hides(redaction: &portcullis_audit::Redaction) -> bool {
        redaction.fields.iter().any(|name| !Field::is_for_the_record(name))
    }

    /// The current form first, then the clear one, then those of keys before, each once.
    fn forms(&self, clear: &str, blind: impl Fn(u32) -> Option<String>) -> Vec<String> {
        let mut forms = Vec::with_capacity(2);
        if !is_blind(clear) && !self.blinds.is_empty() {
            forms.extend(self.config.key_ids().filter_map(blind));
        }
        forms.insert(forms.len().min(1), clear.to_owned());
        let mut seen: Vec<String> = Vec::with_capacity(forms.len());
        for form in forms {
            if !seen.contains(&form) {
                seen.push(form);
            }
        }
        seen
    }

    /// Blinded with the current key. Without a key there is nothing to blind with; an empty value says nothing.
    fn blind(&self, field: Field, value: &str) -> String {
        self.blinds.of(field, self.config.key_id, value).unwrap_or_default()
    }

    fn principal_now(&self, name: &str) -> String {
        self.principal_under(name, self.config.key_id)
    }

    /// A principal's name as a record of that key has it: blinded as a whole, or as far as it is made of something that is.
    fn principal_under(&self, name: &str, key: u32) -> String {
        let blinds = |field| self.config.mode(field) == Mode::Hmac;
        let of = |field, value| self.blinds.of(field, key, value).unwrap_or_default();
        if blinds(Field::PrincipalName) {
            return of(Field::PrincipalName, name);
        }
        // Callers whom no directory knows: `aws:ACCOUNT:ACCESS_KEY_ID`, `api-key:` and digits of the secret's hash.
        if let Some((account, id)) = name.strip_prefix("aws:").and_then(|rest| rest.split_once(':')) {
            let account = match self.config.mode(Field::Account) {
                Mode::Keep => account.to_owned(),
                Mode::Hmac => of(Field::Account, account),
                Mode::Drop => "-".to_owned(),
            };
            let id = if blinds(Field::AccessKeyId) { of(Field::AccessKeyId, id) } else { id.to_owned() };
            return format!("aws:{account}:{id}");
        }
        if let Some(digits) = name.strip_prefix("api-key:").filter(|_| blinds(Field::SecretSha256)) {
            return format!("api-key:{}", of(Field::SecretSha256, digits));
        }
        // `arn:aws:sts::111122223333:assumed-role/ROLE/SESSION`
        let role = name.strip_prefix("arn:").filter(|rest| rest.contains(":assumed-role/"));
        match role.and_then(|_| name.rsplit_once('/')) {
            Some((role, session)) if blinds(Field::PrincipalSession) => {
                format!("{role}/{}", of(Field::PrincipalSession, session))
            }
            _ => name.to_owned(),
        }
    }
}
