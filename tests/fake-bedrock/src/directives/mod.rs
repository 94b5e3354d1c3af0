//! Orders to the fake, written into the last user text of a prompt.

#[cfg(test)]
mod tests;

use serde_json::Value;

/// What `[[…]]` marks in a prompt ask for.
///
/// What the answer says:
///
/// | mark | effect |
/// |---|---|
/// | `[[tool:NAME {json}]]` | the model proposes this tool call; may stand several times. With an agent a name that begins with `/` is an operation of an API |
/// | `[[server-tool:NAME {json}]]` | the same, but the provider makes the call (`server_tool_use`) |
/// | `[[say:TEXT]]` | the answer's text |
/// | `[[words:N]]` | the answer's text has N words |
/// | `[[after:N]]` | N more words come after the tool calls |
/// | `[[filler:BYTES]]` | so many bytes of further text |
/// | `[[deltas:N]]` | the arguments of a tool call are streamed in N pieces |
/// | `[[parallel]]` | the pieces of several tool calls are streamed in turn |
/// | `[[as-written]]` | arguments stand in the answer byte for byte as in the mark |
/// | `[[broken-json]]` | the arguments never become JSON |
/// | `[[id:TEXT]]` | the id of every tool call |
/// | `[[no-stop]]` | the end of a tool call is never said, the stream's end is |
/// | `[[group:NAME]]` | an agent's action group, `actions` when not said |
/// | `[[method:NAME]]` | HTTP method of an agent's API operation, `POST` when not said |
/// | `[[request-body]]` | an agent puts the arguments of an API operation into its request body |
/// | `[[traced]]` | an agent does not return control: its trace tells of the tool call (with `enableTrace`) |
/// | `[[stop:REASON]]` | why the model stopped |
/// | `[[router:MODEL]]` | a prompt router names the model that it used |
/// | `[[tokens:IN,OUT,READ,WRITE]]` | the answer says so many tokens: input, output, read from and written to the cache; those at the end may be left out |
/// | `[[no-usage]]` | an answer of Converse, or one in the shapes of OpenAI, Mistral or Cohere, says nothing of tokens |
/// | `[[guardrail]]` | an attached guardrail intervenes |
///
/// How it comes:
///
/// | mark | effect |
/// |---|---|
/// | `[[error:403]]` | that status instead of an answer; `[[error:503:empty]]` without a body, `[[error:502:html]]` with a page of a proxy |
/// | `[[exception:throttlingException]]` | this exception frame in the middle of a stream |
/// | `[[pace:MS]]` | milliseconds between the events of this stream |
/// | `[[slices:N]]` | never more than N bytes are written at once |
/// | `[[stall]]` | a stream stops in its middle and stays open; an answer that is not streamed never comes |
/// | `[[cut]]` | the connection is aborted in the middle of a frame (of the body, when not streamed) |
/// | `[[short]]` | a stream ends in the middle of a frame, in good order otherwise; `[[short:tool]]` between the pieces of a tool call, `[[short:character]]` within a character |
/// | `[[gzip]]` | the answer says that it is compressed (it is not); `[[gzip:real]]`: it is |
/// | `[[trailers]]` | HTTP trailers follow the body |
/// | `[[body:BASE64]]` | the answer's body is this, whatever it would have been |
///
/// Frames of event streams:
///
/// | mark | effect |
/// |---|---|
/// | `[[bad-crc]]` | the frame in the middle has a wrong checksum; `[[bad-crc:prelude]]` a wrong one of its lengths |
/// | `[[length:N]]` | the frame in the middle says that it is N bytes long; the checksum of the lengths is right |
/// | `[[headers-length:N]]` | the same for the length of its headers |
/// | `[[unknown-frames]]` | in the middle: an event and a message of types that nobody knows, and a frame without a header |
/// | `[[odd-headers]]` | every frame has headers of all ten types |
/// | `[[frame:BYTES]]` | the frame in the middle has so many bytes of padding (`p`) |
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Directives {
    /// Tool calls to propose.
    pub tools: Vec<ToolMark>,
    /// The answer's text.
    pub say: Option<String>,
    /// Words in the answer.
    pub words: Option<usize>,
    /// Words after the tool calls.
    pub after: usize,
    /// Further text, in bytes.
    pub filler: usize,
    /// Pieces of each tool call's arguments.
    pub deltas: Option<usize>,
    /// Pieces of several calls in turn.
    pub parallel: bool,
    /// Arguments byte for byte.
    pub as_written: bool,
    /// Arguments that are no JSON.
    pub broken_json: bool,
    /// The id of every tool call.
    pub id: Option<String>,
    /// Tool calls without an end.
    pub no_stop: bool,
    /// An agent's action group.
    pub group: Option<String>,
    /// HTTP method of an agent's API operation.
    pub method: Option<String>,
    /// Arguments in the request body of an API operation.
    pub request_body: bool,
    /// An agent's own tool call, told in its trace.
    pub traced: bool,
    /// Why the model stopped.
    pub stop: Option<String>,
    /// What a prompt router chose.
    pub router: Option<String>,
    /// What the answer says of tokens.
    pub tokens: Option<[u64; 4]>,
    /// Say nothing of tokens.
    pub no_usage: bool,
    /// Let the attached guardrail intervene.
    pub guardrail: bool,
    /// Status to answer.
    pub error: Option<(u16, ErrorBody)>,
    /// Exception to send mid-stream.
    pub exception: Option<String>,
    /// Milliseconds between events.
    pub pace_ms: Option<u64>,
    /// Bytes per write.
    pub slices: Option<usize>,
    /// Stop in mid-stream.
    pub stall: bool,
    /// Abort in mid-frame.
    pub cut: bool,
    /// Where a stream ends too early.
    pub short: Option<Short>,
    /// What is said and true of compression.
    pub gzip: Option<Gzip>,
    /// HTTP trailers.
    pub trailers: bool,
    /// The body, instead of any other.
    pub body: Option<Vec<u8>>,
    /// Spoil a checksum.
    pub bad_crc: Option<Checksum>,
    /// A length that a frame claims.
    pub length: Option<u32>,
    /// A length that a frame's headers claim.
    pub headers_length: Option<u32>,
    /// Frames of unknown types.
    pub unknown_frames: bool,
    /// Headers of all types.
    pub odd_headers: bool,
    /// Padding of one frame, in bytes.
    pub frame: usize,
    /// The text without the marks.
    pub rest: String,
}

/// A tool call that a prompt orders.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolMark {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub input: Value,
    /// The same as the mark has them.
    pub written: String,
    /// The provider makes the call.
    pub server: bool,
}

/// The body of an ordered error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ErrorBody {
    /// As AWS words it.
    #[default]
    Modelled,
    /// None, and no type either.
    Empty,
    /// A page, as proxies and load balancers answer.
    Html,
}

/// Where a stream ends too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    /// Within a frame.
    Frame,
    /// Between two pieces of a tool call.
    Tool,
    /// Within a character.
    Character,
}

/// Whether an answer that says that it is compressed is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gzip {
    /// It is not.
    Claimed,
    /// It is.
    Real,
}

/// A checksum of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Of its lengths.
    Prelude,
    /// Of the whole.
    Message,
}

impl Directives {
    /// Reads the marks in `text`; what is not a mark is left in [`Directives::rest`].
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut found = Self::default();
        let mut text = text;
        while let Some((before, after)) = text.split_once("[[") {
            found.rest.push_str(before);
            if let Some(rest) = found.mark(after) {
                text = rest;
            } else {
                found.rest.push_str("[[");
                text = after;
            }
        }
        found.rest.push_str(text);
        found
    }

    /// Takes one mark off the start of `text`; `None` when there is none.
    fn mark<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if let Some(tool) = text.strip_prefix("tool:") {
            return self.tool(tool, false);
        }
        if let Some(tool) = text.strip_prefix("server-tool:") {
            return self.tool(tool, true);
        }
        let (mark, rest) = text.split_once("]]")?;
        let (name, value) = mark.split_once(':').unwrap_or((mark, ""));
        self.said(name, value).or_else(|| self.sent(name, value)).or_else(|| self.framed(name, value))?;
        Some(rest)
    }

    /// What the answer says.
    fn said(&mut self, name: &str, value: &str) -> Option<()> {
        let text = || (!value.is_empty()).then(|| value.to_owned());
        match (name, value) {
            ("say", _) => self.say = Some(text()?),
            ("words", n) => self.words = Some(n.parse().ok()?),
            ("after", n) => self.after = n.parse().ok()?,
            ("filler", n) => self.filler = n.parse().ok()?,
            ("deltas", n) => self.deltas = Some(n.parse().ok()?),
            ("parallel", "") => self.parallel = true,
            ("as-written", "") => self.as_written = true,
            ("broken-json", "") => self.broken_json = true,
            ("id", _) => self.id = Some(text()?),
            ("no-stop", "") => self.no_stop = true,
            ("group", _) => self.group = Some(text()?),
            ("method", _) => self.method = Some(text()?),
            ("request-body", "") => self.request_body = true,
            ("traced", "") => self.traced = true,
            ("stop", _) => self.stop = Some(text()?),
            ("router", _) => self.router = Some(text()?),
            ("tokens", numbers) => self.tokens = Some(four(numbers)?),
            ("no-usage", "") => self.no_usage = true,
            ("guardrail", "") => self.guardrail = true,
            _ => return None,
        }
        Some(())
    }

    /// How it comes.
    fn sent(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("error", status) => {
                let (status, body) = status.split_once(':').unwrap_or((status, ""));
                let body = match body {
                    "" => ErrorBody::Modelled,
                    "empty" => ErrorBody::Empty,
                    "html" => ErrorBody::Html,
                    _ => return None,
                };
                self.error = Some((status.parse().ok()?, body));
            }
            ("exception", name) if !name.is_empty() => self.exception = Some(name.to_owned()),
            ("pace", ms) => self.pace_ms = Some(ms.parse().ok()?),
            ("slices", n) => self.slices = Some(n.parse().ok()?),
            ("stall", "") => self.stall = true,
            ("cut", "") => self.cut = true,
            ("short", "") => self.short = Some(Short::Frame),
            ("short", "tool") => self.short = Some(Short::Tool),
            ("short", "character") => self.short = Some(Short::Character),
            ("gzip", "") => self.gzip = Some(Gzip::Claimed),
            ("gzip", "real") => self.gzip = Some(Gzip::Real),
            ("trailers", "") => self.trailers = true,
            ("body", base64) => self.body = Some(decode(base64)?),
            _ => return None,
        }
        Some(())
    }

    /// Frames of event streams.
    fn framed(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("bad-crc", "") => self.bad_crc = Some(Checksum::Message),
            ("bad-crc", "prelude") => self.bad_crc = Some(Checksum::Prelude),
            ("length", n) => self.length = Some(n.parse().ok()?),
            ("headers-length", n) => self.headers_length = Some(n.parse().ok()?),
            ("unknown-frames", "") => self.unknown_frames = true,
            ("odd-headers", "") => self.odd_headers = true,
            ("frame", n) => self.frame = n.parse().ok()?,
            _ => return None,
        }
        Some(())
    }

    /// `NAME {json}]]`: the JSON may hold `]]` itself.
    fn tool<'a>(&mut self, text: &'a str, server: bool) -> Option<&'a str> {
        let end = text.find(|c: char| c.is_whitespace() || c == ']' || c == '{')?;
        let (name, after) = text.split_at_checked(end)?;
        let after = after.trim_start();
        let (input, written, rest) = if let Some(rest) = after.strip_prefix("]]") {
            (Value::Object(serde_json::Map::new()), "{}", rest)
        } else {
            let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
            let input = values.next()?.ok()?;
            let (written, rest) = after.split_at_checked(values.byte_offset())?;
            (input, written, rest.trim_start().strip_prefix("]]")?)
        };
        self.tools.push(ToolMark { name: name.to_owned(), input, written: written.to_owned(), server });
        Some(rest)
    }
}

/// Up to four numbers, the rest 0.
fn four(numbers: &str) -> Option<[u64; 4]> {
    let mut all = [0; 4];
    let mut places = all.iter_mut();
    for number in numbers.split(',') {
        *places.next()? = number.trim().parse().ok()?;
    }
    Some(all)
}

fn decode(base64: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(base64).ok()
}
