//! One string (or number) while its parts arrive: text, skipped, or collected.
//!
//! Nothing here may depend on how a value is cut into parts: a client chooses the cuts.

use super::facts::{Facts, prefix};
use super::flaw::Flaw;
use super::nested::Nested;
use super::scan::is_base64;
use super::shape::Means;

/// Longest identifier: AWS's own bound on model ids and ARNs.
const MAX_IDENTIFIER: usize = 2_048;
/// Longest S3 URI kept: S3's bounds are 63 bytes for the bucket and 1,024 for the key.
const MAX_S3_URI: usize = 2_048;
const S3_SCHEME: &[u8] = b"s3://";

/// What happens to the value's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Text,
    /// Collected up to a cap.
    Collect,
    /// Collected, and cut at its cap.
    Cut,
    /// Base64 so far; every part is looked at.
    Binary,
    /// Base64 at first, and then not.
    BrokenBinary,
    /// Decoded into a body within.
    Nested,
    /// Of no interest.
    Skip,
}

/// The current value. One is reused for all.
#[derive(Debug, Clone)]
pub(super) struct Value {
    means: Means,
    mode: Mode,
    collected: Vec<u8>,
    /// The next text part begins a piece.
    first: bool,
    /// How much of `s3://` the value starts with; `None` when it starts otherwise.
    s3: Option<usize>,
    uri: Vec<u8>,
    nested: Option<Box<Nested>>,
}

impl Default for Value {
    fn default() -> Self {
        Value {
            means: Means::Text,
            mode: Mode::Skip,
            collected: Vec::with_capacity(64),
            first: true,
            s3: None,
            uri: Vec::new(),
            nested: None,
        }
    }
}

/// What a string turned out to be when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Text, taken already.
    Text,
    /// Skipped as binary.
    Binary,
    /// In [`Value::collected`].
    Collected,
}

impl Value {
    /// Begins a string. `is_text`: a sibling says that a binary member is text.
    pub(super) fn open(&mut self, means: Means, is_text: bool) {
        self.means = means;
        self.collected.clear();
        self.first = true;
        self.s3 = Some(0);
        self.mode = match means {
            Means::Text | Means::Turn | Means::Tool | Means::ToolResult => Mode::Text,
            Means::Binary if is_text => Mode::Text,
            Means::Base64Body => {
                self.nested = Some(Box::default());
                Mode::Nested
            }
            _ => Mode::Collect,
        };
    }

    /// Takes the next part of a string.
    pub(super) fn part(&mut self, part: &[u8], facts: &mut Facts) -> Result<(), Flaw> {
        if self.s3.is_some() {
            self.s3_part(part, facts);
        }
        match self.mode {
            Mode::Text => self.text(part, facts),
            Mode::Collect => self.collect(part, facts)?,
            Mode::Binary => self.binary(part, facts),
            Mode::Nested => {
                if let Some(nested) = &mut self.nested {
                    nested.push(part, facts)?;
                }
            }
            Mode::Cut | Mode::BrokenBinary | Mode::Skip => {}
        }
        Ok(())
    }

    /// Ends a string.
    pub(super) fn close(&mut self, facts: &mut Facts) -> Result<Ended, Flaw> {
        if self.s3.take() == Some(S3_SCHEME.len()) {
            facts.s3_uri(String::from_utf8_lossy(&self.uri).into_owned());
        }
        Ok(match self.mode {
            Mode::Collect if self.means == Means::Binary => {
                if looks_binary(&self.collected) {
                    Ended::Binary
                } else {
                    self.become_text(facts);
                    Ended::Text
                }
            }
            Mode::Collect | Mode::Cut => Ended::Collected,
            Mode::Binary => Ended::Binary,
            Mode::Nested => {
                if let Some(nested) = self.nested.take() {
                    nested.finish(facts)?;
                }
                Ended::Text
            }
            Mode::Text | Mode::BrokenBinary | Mode::Skip => Ended::Text,
        })
    }

    /// Begins a number: collected where it counts.
    pub(super) fn open_number(&mut self, means: Means) {
        self.means = means;
        self.collected.clear();
        let counts = matches!(means, Means::MaxTokens | Means::Answers);
        self.mode = if counts { Mode::Collect } else { Mode::Skip };
    }

    /// Takes the next part of a number. The tokenizer bounds its length.
    pub(super) fn number_part(&mut self, part: &[u8]) {
        if self.mode == Mode::Collect {
            self.collected.extend_from_slice(part);
        }
    }

    pub(super) fn means(&self) -> Means {
        self.means
    }

    pub(super) fn collected(&self) -> &[u8] {
        &self.collected
    }

    /// What was collected, as a string of its own.
    pub(super) fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.collected).into_owned()
    }

    /// What was collected is text after all.
    pub(super) fn become_text(&mut self, facts: &mut Facts) {
        self.mode = Mode::Text;
        let collected = std::mem::take(&mut self.collected);
        self.text(&collected, facts);
        self.collected = collected;
    }

    fn text(&mut self, part: &[u8], facts: &mut Facts) {
        if !part.is_empty() {
            facts.text(part, self.first);
            self.first = false;
        }
    }

    fn collect(&mut self, part: &[u8], facts: &mut Facts) -> Result<(), Flaw> {
        let (cap, beyond) = cap(self.means);
        let room = cap.saturating_sub(self.collected.len());
        if part.len() <= room {
            self.collected.extend_from_slice(part);
            return Ok(());
        }
        match beyond {
            Beyond::Refuse => return Err(Flaw::IdentifierTooLong),
            Beyond::Cut => {
                self.collected.extend_from_slice(prefix(part, room));
                facts.body.truncated = true;
                self.mode = Mode::Cut;
            }
            Beyond::Text => {
                self.become_text(facts);
                self.text(part, facts);
            }
            Beyond::Sniff => {
                let head = prefix(part, room);
                self.collected.extend_from_slice(head);
                let tail = part.get(head.len()..).unwrap_or_default();
                if looks_binary(&self.collected) {
                    self.mode = Mode::Binary;
                    self.binary(tail, facts);
                } else {
                    self.become_text(facts);
                    self.text(tail, facts);
                }
            }
        }
        Ok(())
    }

    /// Text behind what looked like base64 is no upload: the start is kept as text, and what was skipped since is
    /// marked as missing.
    fn binary(&mut self, part: &[u8], facts: &mut Facts) {
        if !is_base64(part) {
            self.become_text(facts);
            facts.lost_text();
            self.mode = Mode::BrokenBinary;
        }
    }

    fn s3_part(&mut self, part: &[u8], facts: &mut Facts) {
        let Some(seen) = self.s3 else { return };
        let missing = S3_SCHEME.get(seen..).unwrap_or_default();
        let len = missing.len().min(part.len());
        if !part.starts_with(missing.get(..len).unwrap_or_default()) {
            self.s3 = None;
            return;
        }
        if seen == 0 {
            self.uri.clear();
        }
        self.s3 = Some(seen + len);
        let kept = prefix(part, MAX_S3_URI.saturating_sub(self.uri.len()));
        facts.body.truncated |= kept.len() < part.len();
        self.uri.extend_from_slice(kept);
    }
}

/// What happens to a value beyond its cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beyond {
    Refuse,
    Cut,
    Text,
    Sniff,
}

const fn cap(means: Means) -> (usize, Beyond) {
    match means {
        Means::Model
        | Means::AnyModel
        | Means::OtherModel
        | Means::Guardrail
        | Means::GuardrailVersion
        | Means::KnowledgeBase => (MAX_IDENTIFIER, Beyond::Refuse),
        Means::ToolName | Means::ToolType => (256, Beyond::Refuse),
        Means::Metadata | Means::Attribute => (1_024, Beyond::Cut),
        // Long enough for the head of any `data:` URL.
        Means::Binary => (128, Beyond::Sniff),
        _ => (256, Beyond::Text),
    }
}

/// The start of base64, or of a `data:` URL of base64 (RFC 2397).
fn looks_binary(start: &[u8]) -> bool {
    if !start.starts_with(b"data:") {
        return is_base64(start);
    }
    let Some(comma) = start.iter().position(|&byte| byte == b',') else { return false };
    let (head, data) = start.split_at_checked(comma + 1).unwrap_or((start, &[]));
    head.ends_with(b";base64,") && is_base64(data)
}
