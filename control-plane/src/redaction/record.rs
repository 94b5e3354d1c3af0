//! Redacting records: each field that is configured, and every place that a redacted value has gone on to.

use super::Redactor;
use super::field::{Field, Mode};
use portcullis_audit::{DecisionKind, DecisionRecord, OutcomeRecord, Redaction, log};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What stands in a text for a value that was left out.
const DROPPED: &str = "-";
/// Shorter values are not looked for in texts: they would be found everywhere.
const SHORTEST: usize = 4;

/// What was redacted in one record.
#[derive(Default)]
struct Done {
    fields: Vec<String>,
    /// What it was, and what stands for it.
    values: Vec<(String, String)>,
}

impl Done {
    fn note(&mut self, field: String, clear: &str, instead: &str) {
        if !self.fields.contains(&field) {
            self.fields.push(field);
        }
        if !clear.is_empty() && clear != instead && !self.values.iter().any(|(own, _)| own == clear) {
            self.values.push((clear.to_owned(), instead.to_owned()));
        }
    }

    /// What stands for exactly this value.
    fn exact(&self, value: &str) -> Option<&str> {
        self.values.iter().find_map(|(clear, instead)| (clear == value).then_some(instead.as_str()))
    }

    /// Puts it in place of the values wherever they stand in a text.
    fn text(&self, text: &mut String) {
        for (clear, instead) in self.values.iter().filter(|(clear, _)| clear.len() >= SHORTEST) {
            if text.contains(clear.as_str()) {
                *text = text.replace(clear.as_str(), instead);
            }
        }
    }
}

impl Redactor {
    /// Redacts a decision's record. Gives it back as it was, where something was redacted.
    ///
    /// # Errors
    /// When the question has no canonical form; it must not be recorded then.
    pub fn decision(
        &self,
        record: &mut DecisionRecord,
    ) -> Result<Option<Box<DecisionRecord>>, log::CanonicalError> {
        if !self.active {
            return Ok(None);
        }
        let clear = Box::new(record.clone());
        let mut done = Done::default();
        self.fields(record, &mut done);
        self.derived(record, &mut done);
        if done.fields.is_empty() {
            return Ok(None);
        }
        let question = log::canonical(&clear.question())?;
        let question = self.questions.as_ref().map(|blind| blind.of(question.as_bytes()));
        done.fields.sort();
        record.redaction = Some(Redaction { fields: done.fields, question: question.unwrap_or_default() });
        Ok(Some(clear))
    }

    /// Redacts an outcome's record.
    pub fn outcome(&self, record: &mut OutcomeRecord) {
        let Some(answer) = record.answer.as_mut().filter(|_| self.active) else { return };
        let mut done = Done::default();
        self.option(Field::Session, &mut answer.session, &mut done);
        self.option(Field::AnswerSha256, &mut answer.sha256, &mut done);
    }

    /// Redacts the particulars of an event: the principal that it names.
    pub fn event(&self, detail: &mut serde_json::Value) {
        if !self.active {
            return;
        }
        for at in ["/principal", "/key/principal"] {
            if let Some(serde_json::Value::String(name)) = detail.pointer_mut(at) {
                *name = self.principal(name);
            }
        }
    }

    fn fields(&self, record: &mut DecisionRecord, done: &mut Done) {
        let name = self.principal_now(&record.principal.name);
        if name != record.principal.name {
            let whole = self.config.mode(Field::PrincipalName) == Mode::Hmac;
            let field = if whole { Field::PrincipalName } else { Field::PrincipalSession };
            // A name that is made of a key says so by the key's own field.
            let field = match record.principal.name.split_once(':') {
                Some(("aws", _)) if !whole && self.config.mode(Field::AccessKeyId) == Mode::Keep => {
                    Field::Account
                }
                Some(("aws", _)) if !whole => Field::AccessKeyId,
                Some(("api-key", _)) if !whole => Field::SecretSha256,
                _ => field,
            };
            done.note(field.name().to_owned(), &record.principal.name, &name);
            record.principal.name = name;
        }
        self.option(Field::PrincipalTenant, &mut record.principal.tenant, done);
        self.list(Field::PrincipalRoles, &mut record.principal.roles, done);
        self.delegation(&mut record.delegation, done);
        let credential = &mut record.credential;
        self.option(Field::AccessKeyId, &mut credential.access_key_id, done);
        self.option(Field::Account, &mut credential.account_hint, done);
        self.option(Field::User, &mut credential.user_hint, done);
        self.option(Field::SecretSha256, &mut credential.secret_sha256, done);
        if let Some(agent) = &mut record.agent {
            self.option(Field::Session, &mut agent.session, done);
        }
        if let Some(endpoint) = &mut record.endpoint {
            self.option(Field::VpcEndpoint, &mut endpoint.vpc_endpoint, done);
        }
        // Ports change from call to call: the address alone is what stays equal.
        if self.config.mode(Field::Address) != Mode::Keep
            && let Some(address) = &mut record.source.address
        {
            *address = crate::app::ip_of(address);
        }
        self.option(Field::Address, &mut record.source.address, done);
        self.option(Field::ServerName, &mut record.source.server_name, done);
        self.option(Field::UserAgent, &mut record.sdk.user_agent, done);
        self.option(Field::InvocationId, &mut record.sdk.invocation_id, done);
        let request = &mut record.request;
        self.map(Field::Metadata, &mut request.metadata, done);
        self.map(Field::SessionAttributes, &mut request.session_attributes, done);
        self.map(Field::Facts, &mut request.facts, done);
        self.list(Field::S3Uris, &mut request.s3_uris, done);
        self.list(Field::KnowledgeBases, &mut request.knowledge_bases, done);
        self.option(Field::BodySha256, &mut request.sha256, done);
        self.map(Field::Labels, &mut record.labels, done);
        if let Some(tool) = &mut record.tool {
            self.string(Field::ArgumentsSha256, &mut tool.arguments_sha256, done);
        }
        if let Some(text) = &mut record.text {
            self.string(Field::TextSha256, &mut text.sha256, done);
        }
    }

    /// Where else a redacted value stands: the path and its labels name sessions, the keys of limits hold whatever a limit
    /// counts by, and messages may quote anything.
    fn derived(&self, record: &mut DecisionRecord, done: &mut Done) {
        if let Some(id) = &mut record.correlation_id
            && self.config.mode(Field::Session) == Mode::Hmac
            // What was found in an answer has it from its call's record. Of others it is a session, or names a decision.
            && (record.parent.is_none() || record.kind == DecisionKind::Call)
            && uuid::Uuid::try_parse(id).is_err()
            && !id.is_empty()
        {
            let blind = self.blind(Field::Session, id);
            done.note(Field::Session.name().to_owned(), id, &blind);
            *id = blind;
        }
        // The longest first: one may be a part of another.
        done.values.sort_by_key(|(clear, _)| std::cmp::Reverse(clear.len()));
        for value in record.labels.values_mut() {
            if let Some(instead) = done.exact(value) {
                *value = instead.to_owned();
            }
        }
        let path = record.request.path.split('/').map(|segment| {
            let instead = done.exact(&unescape(segment)).map(|instead| Cow::Owned(instead.to_owned()));
            instead.unwrap_or(Cow::Borrowed(segment))
        });
        record.request.path = path.collect::<Vec<_>>().join("/");
        for charge in &mut record.charges {
            charge.key = key(&charge.key, done);
        }
        done.text(&mut record.verdict.message);
        if let Some(problem) = &mut record.problem {
            done.text(&mut problem.detail);
        }
    }

    fn string(&self, field: Field, value: &mut String, done: &mut Done) {
        let mut option = Some(std::mem::take(value)).filter(|value| !value.is_empty());
        self.option(field, &mut option, done);
        *value = option.unwrap_or_default();
    }

    fn option(&self, field: Field, value: &mut Option<String>, done: &mut Done) {
        let Some(clear) = value else { return };
        match self.config.mode(field) {
            Mode::Keep => {}
            Mode::Hmac => {
                let blind = self.blind(field, clear);
                done.note(field.name().to_owned(), clear, &blind);
                *clear = blind;
            }
            Mode::Drop => {
                done.note(field.name().to_owned(), clear, DROPPED);
                *value = None;
            }
        }
    }

    fn list(&self, field: Field, values: &mut Vec<String>, done: &mut Done) {
        let mode = self.config.mode(field);
        if mode == Mode::Keep {
            return;
        }
        for clear in values.iter_mut() {
            let instead = if mode == Mode::Hmac { self.blind(field, clear) } else { DROPPED.to_owned() };
            done.note(field.name().to_owned(), clear, &instead);
            *clear = instead;
        }
        if mode == Mode::Drop {
            values.clear();
        }
    }

    fn map(&self, field: Field, values: &mut BTreeMap<String, String>, done: &mut Done) {
        values.retain(|member, clear| {
            let mode = self.config.member(field, member);
            let name = || {
                let own = self.config.members.contains_key(&(field, member.clone()));
                if own { format!("{}.{member}", field.name()) } else { field.name().to_owned() }
            };
            match mode {
                Mode::Keep => true,
                Mode::Hmac => {
                    // The same value of another member is another one.
                    let blind = self.blind(field, &format!("{member}\0{clear}"));
                    done.note(name(), clear, &blind);
                    *clear = blind;
                    true
                }
                Mode::Drop => {
                    done.note(name(), clear, DROPPED);
                    false
                }
            }
        });
    }

    /// `agent A`, `user 4711`: the kind stays.
    fn delegation(&self, links: &mut Vec<String>, done: &mut Done) {
        let mode = self.config.mode(Field::Delegation);
        for link in links.iter_mut().filter(|_| mode == Mode::Hmac) {
            let (kind, id) = match link.split_once(' ') {
                Some((kind @ ("agent" | "user"), id)) => (format!("{kind} "), id.to_owned()),
                _ => (String::new(), link.clone()),
            };
            let blind = self.blind(Field::Delegation, &id);
            done.note(Field::Delegation.name().to_owned(), &id, &blind);
            *link = format!("{kind}{blind}");
        }
        if mode == Mode::Drop && !links.is_empty() {
            done.note(Field::Delegation.name().to_owned(), "", "");
            links.clear();
        }
    }
}

/// The key of a limit: `field=value`, joined by commas, in which a comma or backslash of a value has a backslash before it;
/// of long values the beginning and a digest.
fn key(key: &str, done: &Done) -> String {
    let mut parts: Vec<String> = vec![String::new()];
    let mut escaped = false;
    for c in key.chars() {
        if c == ',' && !escaped {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    let parts = parts.into_iter().map(|part| {
        let Some((name, value)) = part.split_once('=') else { return part };
        let plain = value.replace("\\,", ",").replace("\\\\", "\\");
        let instead = done.values.iter().find(|(clear, _)| match plain.split_once("\u{2026}sha256:") {
            Some((start, _)) => clear.starts_with(start),
            None => clear.eq_ignore_ascii_case(&plain),
        });
        instead.map_or_else(|| part.clone(), |(_, instead)| format!("{name}={instead}"))
    });
    parts.collect::<Vec<_>>().join(",")
}

/// A segment of a path without its `%XX`; what is no UTF-8 then stays as it is.
fn unescape(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let two = after.split_at_checked(2).filter(|_| *first == b'%');
        let byte = two.and_then(|(two, after)| Some((*hex::decode(two).ok()?.first()?, after)));
        let (byte, after) = byte.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(segment), Cow::Owned)
}
