//! Tool results, as they are told from what stands around them.
//!
//! Some APIs say what an object is by a member that may come last: `{"content": …, "type": "tool_result"}`. So every object
//! that may be a tool result is a candidate while it is open, and its text is kept aside until it is known what it was.

use super::ToolResult;
use super::facts::{Facts, prefix};
use super::shape::Part;

/// Longest id or name that is kept, in bytes.
const MAX_WORD: usize = 256;

/// The candidates that are open, the innermost last.
#[derive(Debug, Clone, Default)]
pub(super) struct Results {
    open: Vec<Candidate>,
    /// Bytes of JSON so far, without white space and escapes.
    weight: u64,
}

#[derive(Debug, Clone)]
struct Candidate {
    /// Depth of its members.
    depth: usize,
    /// Whether it is one, as far as that is known.
    is: Option<bool>,
    result: ToolResult,
    method: Option<String>,
    content: Option<Content>,
    /// Where its text begins in [`Pending`].
    start: usize,
    /// Stretches of the pending text that are of tool results within it.
    stretches: Vec<(usize, usize)>,
}

/// The content of a result while it is open.
#[derive(Debug, Clone, Copy)]
struct Content {
    /// Depth of its elements; `None` for a scalar.
    depth: Option<usize>,
    /// The weight at its begin.
    from: u64,
}

impl Results {
    /// So many bytes of JSON.
    pub(super) fn weigh(&mut self, bytes: usize) {
        self.weight = self.weight.saturating_add(bytes as u64);
    }

    /// An object begins that is a result, or may be one.
    pub(super) fn open(&mut self, depth: usize, sure: bool, facts: &mut Facts) {
        self.open.push(Candidate {
            depth,
            is: sure.then_some(true),
            result: ToolResult::default(),
            method: None,
            content: None,
            start: facts.pending.begin(),
            stretches: Vec::new(),
        });
    }

    /// What the object whose members stand at this depth says of itself.
    pub(super) fn is(&mut self, depth: usize, result: bool) {
        if let Some(candidate) = self.open.last_mut()
            && candidate.depth == depth
            && candidate.is != Some(true)
        {
            candidate.is = Some(result);
        }
    }

    /// A content begins. Its brackets have been weighed.
    pub(super) fn content(&mut self, depth: usize, container: bool) {
        if let Some(candidate) = self.open.last_mut()
            && candidate.depth == depth
        {
            let from = self.weight.saturating_sub(if container { 2 } else { 0 });
            candidate.content = Some(Content { depth: container.then_some(depth + 1), from });
        }
    }

    /// A part that is a scalar ends.
    pub(super) fn part(&mut self, part: Part, depth: usize, value: &[u8]) {
        let Some(candidate) = self.open.last_mut() else { return };
        if part == Part::Content {
            candidate.end_content(|content| content.depth.is_none(), self.weight);
            return;
        }
        // Members of it, or of an object in it (Cohere's `call`), but nothing in its content.
        if candidate.content.is_some() || depth > candidate.depth + 1 {
            return;
        }
        let word = || Some(String::from_utf8_lossy(prefix(value, MAX_WORD)).into_owned());
        match part {
            Part::Id => candidate.result.id = word(),
            Part::Name => candidate.result.name = word(),
            Part::Method => candidate.method = word(),
            Part::Failure => {
                candidate.result.error |= matches!(value, b"true" | b"error" | b"FAILURE" | b"REPROMPT");
            }
            Part::Status => {
                let status = std::str::from_utf8(value).ok().and_then(|status| status.parse::<u64>().ok());
                candidate.result.error |= status.is_some_and(|status| status >= 400);
            }
            Part::Content | Part::Invocation => {}
        }
    }

    /// A container ends whose members stand at this depth.
    pub(super) fn close(&mut self, depth: usize, facts: &mut Facts) {
        if let Some(candidate) = self.open.pop_if(|candidate| candidate.depth == depth) {
            self.settle(candidate, facts);
        }
        if let Some(candidate) = self.open.last_mut() {
            candidate.end_content(|content| content.depth == Some(depth), self.weight);
        }
    }

    fn settle(&mut self, mut candidate: Candidate, facts: &mut Facts) {
        if candidate.is == Some(true) {
            let mut result = candidate.result;
            if let (Some(method), Some(path)) = (candidate.method, &result.name) {
                result.name = Some(format!("{method} {path}"));
            }
            facts.tool_result(result);
            candidate.stretches = vec![(candidate.start, facts.pending.len())];
        }
        if candidate.stretches.is_empty() && self.open.iter().all(|outer| outer.is == Some(false)) {
            facts.pending.drop_from(candidate.start);
        }
        match self.open.last_mut() {
            Some(outer) => outer.stretches.append(&mut candidate.stretches),
            None => facts.settle(&candidate.stretches),
        }
    }
}

impl Candidate {
    fn end_content(&mut self, ends: impl Fn(&Content) -> bool, weight: u64) {
        if let Some(content) = self.content.take_if(|content| ends(content)) {
            let bytes = weight.saturating_sub(content.from);
            self.result.bytes = self.result.bytes.saturating_add(bytes);
        }
    }
}

/// Text of the candidates that are open.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    text: Vec<u8>,
    max: usize,
    active: bool,
    cut: bool,
}

impl Pending {
    pub(super) const fn new(max: usize) -> Self {
        Self { text: Vec::new(), max, active: false, cut: false }
    }

    /// A candidate begins: where its text will.
    fn begin(&mut self) -> usize {
        self.active = true;
        self.text.len()
    }

    /// Takes a part of a piece of text; `first` begins the piece.
    pub(super) fn text(&mut self, part: &[u8], first: bool) {
        if !self.active || self.cut {
            return;
        }
        if first && !self.text.is_empty() {
            self.text.push(b'\n');
        }
        let kept = prefix(part, self.max.saturating_sub(self.text.len()));
        self.text.extend_from_slice(kept);
        self.cut = kept.len() < part.len();
    }

    /// Text is missing here.
    pub(super) const fn lost(&mut self) {
        self.cut |= self.active;
    }

    fn len(&self) -> usize {
        self.text.len()
    }

    /// What is behind this was not of a result.
    fn drop_from(&mut self, start: usize) {
        // What was cut before is cut still.
        self.cut &= self.text.len() <= start;
        self.text.truncate(start);
    }

    /// A stretch, without the joint before it.
    pub(super) fn stretch(&self, start: usize, end: usize) -> &[u8] {
        let stretch = self.text.get(start..end).unwrap_or_default();
        if start > 0 { stretch.strip_prefix(b"\n").unwrap_or(stretch) } else { stretch }
    }

    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// No candidate is open any more.
    pub(super) fn end(&mut self) {
        self.text.clear();
        self.active = false;
        self.cut = false;
    }
}
