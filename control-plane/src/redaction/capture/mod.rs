//! Captured text: what was asked and what was answered, kept beside the log, encrypted, for a time of its own.
//!
//! ```text
//! prompt, tool results, judged answer ─ detectors (`redacted`) ─▶ HMAC and length ─▶ the decision's record
//!                                                └▶ AES-256-GCM ─▶ a row beside it, in the same transaction
//! ```
//! The log never holds text: a record tells that there is some, how long it is, and its HMAC, so that what is read later can
//! be checked; when the text's own time is over its row goes, and nothing about the log changes.

mod detect;
mod seal;

use detect::redact;
pub use seal::{OpenError, SealedText};

use super::blind::Blind;
use crate::tokens::MasterKey;
use portcullis_audit::CapturedText;
use portcullis_policy::{Call, Response};
use seal::Seal;

/// What is captured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Capture {
    /// Nothing.
    #[default]
    None,
    /// Text without what the detectors know.
    Redacted,
    /// Text as it is.
    Full,
}

impl Capture {
    /// The mode of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [("none", Capture::None), ("redacted", Capture::Redacted), ("full", Capture::Full)]
            .into_iter()
            .find_map(|(own, mode)| (own == name).then_some(mode))
    }
}

/// A text of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// `prompt`, `tool_results` or `answer`.
    pub kind: &'static str,
    /// The text.
    pub text: String,
    /// It is only a part.
    pub cut: bool,
}

impl Captured {
    /// The texts of a call. `judged`: so many bytes of an answer's text were judged, and captured, before.
    #[must_use]
    pub fn of(call: &Call, judged: u64) -> Vec<Captured> {
        let mut texts = Vec::new();
        if let Some(text) = &call.request.text {
            texts.push(Captured { kind: "prompt", text: text.text.clone(), cut: text.truncated });
            let (text, cut) = (text.tool_results.clone(), text.tool_results_truncated);
            texts.push(Captured { kind: "tool_results", text, cut });
        }
        if let Some(Response { text }) = &call.response {
            let fresh = usize::try_from(judged).ok().and_then(|judged| text.get(judged..)).unwrap_or(text);
            texts.push(Captured { kind: "answer", text: fresh.to_owned(), cut: false });
        }
        texts.retain(|captured| !captured.text.is_empty());
        texts
    }
}

/// Captures text. One per process, shared.
#[derive(Debug, Default)]
pub struct Capturer {
    mode: Capture,
    keys: Option<(Seal, Blind)>,
}

/// A system that gives no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

impl Capturer {
    /// With keys derived from the master key.
    #[must_use]
    pub fn new(mode: Capture, master: &MasterKey) -> Self {
        // Also where nothing is captured now: what was captured before can be read.
        Capturer { mode, keys: Some((Seal::new(master), Blind::new(master, "captured-text", seal::KEY_ID))) }
    }

    /// Gates must send text.
    #[must_use]
    pub fn wants_text(&self) -> bool {
        self.mode != Capture::None
    }

    /// Encrypts the texts of a call; of each, what its record says of it, and what is stored beside.
    ///
    /// # Errors
    /// Without randomness nothing can be encrypted.
    pub fn seal(
        &self,
        texts: Vec<Captured>,
        call_id: &str,
    ) -> Result<Vec<(CapturedText, SealedText)>, NoRandomness> {
        let Some((seal, blind)) = self.keys.as_ref().filter(|_| self.wants_text()) else {
            return Ok(Vec::new());
        };
        let texts = texts.into_iter().map(|Captured { kind, text, cut }| {
            let redacted = self.mode == Capture::Redacted;
            let text = if redacted { redact(&text) } else { text };
            let (bytes, hmac) = (text.len() as u64, blind.of(text.as_bytes()));
            let told = CapturedText { kind: kind.to_owned(), bytes, hmac, cut, redacted };
            Ok((told, seal.seal(call_id, kind, &text).ok_or(NoRandomness)?))
        });
        texts.collect()
    }

    /// Decrypts a text of that call, and checks that it is the one that the record tells of.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        &self,
        call_id: &str,
        sealed: &SealedText,
        recorded: &CapturedText,
    ) -> Result<String, OpenError> {
        let (seal, blind) = self.keys.as_ref().ok_or(OpenError::Key(sealed.key_id))?;
        let text = seal.open(call_id, sealed)?;
        if blind.of(text.as_bytes()) == recorded.hmac { Ok(text) } else { Err(OpenError::Changed) }
    }
}

#[cfg(test)]
mod tests;
