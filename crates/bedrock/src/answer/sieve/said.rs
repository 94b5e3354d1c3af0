//! What one piece of an answer says, before it is proven to be whole.

use super::compact::{Compact, compact};
use super::places::{Node, Shape};
use super::{CallOrigin, SieveLimits};
use crate::body::flaw::Flaw;

/// Longest name of a tool, of its group or of an agent.
pub(super) const MAX_NAME: usize = 1_024;
/// Longest id; a longer one is cut.
pub(super) const MAX_ID: usize = 256;
/// Longest type of an event or a block; a longer one is none that is known.
pub(super) const MAX_KIND: usize = 64;
/// Most calls and parts of calls of one piece.
const MAX_CALLS: usize = 1_024;

/// Arguments, or a part of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// A string as it is, another value as its JSON text without white space.
    pub(super) bytes: Vec<u8>,
    /// It was longer than may be kept.
    pub(super) over: bool,
}

/// A tool call, or a part of one, as a document tells it.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    pub(super) shape: Option<Shape>,
    pub(super) kind: Vec<u8>,
    pub(super) id: Vec<u8>,
    pub(super) name: Vec<u8>,
    pub(super) group: Vec<u8>,
    pub(super) method: Vec<u8>,
    pub(super) agent: Vec<u8>,
    pub(super) index: Option<u64>,
    pub(super) choice: u64,
    pub(super) arguments: Option<Arguments>,
    pub(super) name_too_long: bool,
    /// A parameter is not of the type that it declares.
    pub(super) mistyped: bool,
    /// An agent returns control for it: it is told again.
    pub(super) returns: bool,
}

/// What a document says.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) kind: Vec<u8>,
    /// Of the block or item that it is about.
    pub(super) index: Option<u64>,
    /// A part of that one's arguments.
    pub(super) fragment: Option<Arguments>,
    /// A part of them, or text.
    pub(super) delta: Option<Arguments>,
    /// All of them.
    pub(super) done: Option<Arguments>,
    /// That one is complete.
    pub(super) stop: bool,
    /// Choices that are complete.
    pub(super) finished: Vec<u64>,
    pub(super) calls: Vec<Draft>,
    /// Text of a model.
    pub(super) text: Vec<u8>,
    /// Where in it each text begins.
    pub(super) texts: Vec<usize>,
    /// Texts that may be calls.
    pub(super) written: Vec<Vec<u8>>,
    /// Bytes of arguments in `calls`.
    held: usize,
}

impl Said {
    pub(super) fn clear(&mut self) {
        self.kind.clear();
        self.index = None;
        self.fragment = None;
        self.delta = None;
        self.done = None;
        self.stop = false;
        self.finished.clear();
        self.calls.clear();
        self.text.clear();
        self.texts.clear();
        self.written.clear();
        self.held = 0;
    }

    /// Another text begins. Texts of one document are told apart by a line feed.
    pub(super) fn begin_text(&mut self) {
        if !self.text.is_empty() {
            self.text.push(b'\n');
        }
        self.texts.push(self.text.len());
    }

    /// Adds a call, unless its type says that it is none.
    pub(super) fn add(&mut self, mut draft: Draft, limits: &SieveLimits) -> Result<(), Flaw> {
        let Some(shape) = draft.shape else { return Ok(()) };
        if shape.is_typed() && !is_call(&draft.kind) {
            return Ok(());
        }
        if self.calls.len() >= MAX_CALLS {
            return Err(Flaw::TooManyNames);
        }
        if let Some(arguments) = &mut draft.arguments {
            self.held = self.held.saturating_add(arguments.bytes.len());
            if self.held > limits.max_arguments.saturating_mul(4) {
                *arguments = Arguments { bytes: Vec::new(), over: true };
            }
        }
        self.calls.push(draft);
        Ok(())
    }
}

/// Whether a block or item of this type is a tool call.
pub(super) fn is_call(kind: &[u8]) -> bool {
    kind.ends_with(b"tool_use") || kind.ends_with(b"_call") || kind == b"mcp_approval_request"
}

impl Draft {
    pub(super) fn of(node: Node) -> Self {
        match node {
            Node::Call(shape) => Self { shape: Some(shape), ..Self::default() },
            Node::Arguments(name) => {
                Self { shape: Some(Shape::Trace), name: name.as_bytes().to_vec(), ..Self::default() }
            }
            _ => Self::default(),
        }
    }

    /// Who is to make it.
    pub(super) fn origin(&self) -> CallOrigin {
        match (self.shape, self.kind.as_slice()) {
            (Some(Shape::ReturnControl), _) => CallOrigin::ReturnControl,
            (Some(Shape::Trace), _) if self.returns => CallOrigin::ReturnControl,
            (Some(Shape::Trace), _) => CallOrigin::Agent,
            (_, b"tool_use" | b"function_call" | b"custom_tool_call") => CallOrigin::Model,
            // The caller runs these, too.
            (_, b"computer_call" | b"local_shell_call" | b"shell_call" | b"apply_patch_call") => {
                CallOrigin::Model
            }
            (_, kind) if is_call(kind) => CallOrigin::Server,
            _ => CallOrigin::Model,
        }
    }

    /// Its arguments are given: only once.
    pub(super) fn give(&mut self, arguments: Arguments) -> Result<(), Flaw> {
        if self.arguments.is_some() {
            return Err(Flaw::Contradiction);
        }
        self.arguments = Some(arguments);
        Ok(())
    }
}

/// A parameter of an agent's call.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameter {
    pub(super) name: Vec<u8>,
    pub(super) kind: Vec<u8>,
    /// A string.
    pub(super) value: Option<Arguments>,
    /// It was no string, but this JSON.
    pub(super) json: bool,
}

/// Adds a parameter to a call's arguments: a repeated name is a repeated key.
pub(super) fn add_parameter(to: &mut Draft, parameter: &Parameter, limit: usize) {
    let Draft { arguments, mistyped, .. } = to;
    let arguments = arguments.get_or_insert_with(|| Arguments { bytes: b"{}".to_vec(), over: false });
    if arguments.over {
        return;
    }
    arguments.bytes.pop();
    let mut writer = Compact::new(limit.saturating_sub(1));
    writer.bytes = std::mem::take(&mut arguments.bytes);
    writer.quote();
    writer.text(&parameter.name);
    writer.key_close();
    match &parameter.value {
        None => writer.raw(b"null"),
        Some(value) if value.over => writer.over = true,
        Some(value) if parameter.json => writer.raw(&value.bytes),
        Some(value) => match typed(&parameter.kind, &value.bytes) {
            Some(json) => writer.raw(&json),
            None => {
                // Whoever runs the tool may read a number in what is none here (`5_001`), and no rule on numbers would see it.
                *mistyped |= is_scalar(&parameter.kind);
                writer.quote();
                writer.text(&value.bytes);
                writer.string_close();
            }
        },
    }
    arguments.over = writer.over;
    arguments.bytes = writer.bytes;
    arguments.bytes.push(b'}');
}

/// A value as JSON of its declared type; `None` where it is not of that type. Whoever runs the tool makes a number of `+7`,
/// `007` and `7.`, too, so they must not be strings for whoever compares them.
fn typed(kind: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let kind = kind.to_ascii_lowercase();
    let value = value.trim_ascii();
    let json = match kind.as_slice() {
        b"number" | b"integer" => compact(&plain_number(value), usize::MAX)?,
        b"boolean" => value.to_ascii_lowercase(),
        b"object" | b"array" => compact(value, usize::MAX)?,
        _ => return None,
    };
    let fits = match kind.as_slice() {
        b"number" | b"integer" => matches!(json.first(), Some(b'-' | b'0'..=b'9')),
        b"boolean" => matches!(json.as_slice(), b"true" | b"false"),
        b"object" => json.first() == Some(&b'{'),
        _ => json.first() == Some(&b'['),
    };
    fits.then_some(json)
}

fn is_scalar(kind: &[u8]) -> bool {
    [&b"number"[..], b"integer", b"boolean"].iter().any(|scalar| kind.eq_ignore_ascii_case(scalar))
}

/// A number as JSON writes it: without `+` and needless zeros, with digits on both sides of its point.
fn plain_number(value: &[u8]) -> Vec<u8> {
    let (sign, digits) = match value.split_first() {
        Some((b'+', digits)) => (&b""[..], digits),
        Some((b'-', digits)) => (&b"-"[..], digits),
        _ => (&b""[..], value),
    };
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    let digits = digits.get(zeros..).unwrap_or_default();
    let whole = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    let (whole, rest) = digits.split_at_checked(whole).unwrap_or((digits, &[]));
    // A point without digits on either side is none.
    let bare = whole.is_empty() && zeros == 0;
    let rest = match rest.split_first() {
        Some((b'.', tail)) if !bare && !tail.first().is_some_and(u8::is_ascii_digit) => tail,
        _ => rest,
    };
    let zero = whole.is_empty() && (zeros > 0 || rest.first() == Some(&b'.'));
    [sign, if zero { b"0" } else { b"" }, whole, rest].concat()
}
