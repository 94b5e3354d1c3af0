//! Orders to the fake, written into the last user text of a prompt.

use serde_json::Value;

/// What `[[…]]` marks in a prompt ask for.
///
/// | mark | effect |
/// |---|---|
/// | `[[tool:NAME {json}]]` | the model proposes this tool call; may stand several times |
/// | `[[error:403]]` | that status instead of an answer: 400, 403, 404, 408, 424, 429, 500, 503 |
/// | `[[exception:throttlingException]]` | this exception frame in the middle of a stream |
/// | `[[cut]]` | the connection is aborted in the middle of a frame (of the body, when not streamed) |
/// | `[[stall]]` | a stream stops in its middle and stays open; an answer that is not streamed never comes |
/// | `[[pace:MS]]` | milliseconds between the events of this stream |
/// | `[[words:N]]` | the answer has N words |
/// | `[[tokens:IN,OUT,READ,WRITE]]` | the answer says so many tokens: input, output, read from and written to the cache; those at the end may be left out |
/// | `[[no-usage]]` | an answer of Converse, or one in the shapes of OpenAI, Mistral or Cohere, says nothing of tokens |
/// | `[[gzip]]` | an answer in one piece says that it is compressed (it is not) |
/// | `[[bad-crc]]` | the frame in the middle of an event stream has a wrong checksum |
/// | `[[short]]` | an event stream ends in the middle of a frame, in good order otherwise |
/// | `[[guardrail]]` | an attached guardrail intervenes |
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Directives {
    /// Tool calls to propose: name and input.
    pub tools: Vec<(String, Value)>,
    /// Status to answer.
    pub error: Option<u16>,
    /// Exception to send mid-stream.
    pub exception: Option<String>,
    /// Abort in mid-frame.
    pub cut: bool,
    /// Stop in mid-stream.
    pub stall: bool,
    /// Milliseconds between events.
    pub pace_ms: Option<u64>,
    /// Words in the answer.
    pub words: Option<usize>,
    /// What the answer says of tokens.
    pub tokens: Option<[u64; 4]>,
    /// Say nothing of tokens.
    pub no_usage: bool,
    /// Say that the answer is compressed.
    pub gzip: bool,
    /// Spoil a checksum.
    pub bad_crc: bool,
    /// End within a frame.
    pub short: bool,
    /// Let the attached guardrail intervene.
    pub guardrail: bool,
    /// The text without the marks.
    pub rest: String,
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
            return self.tool(tool);
        }
        let (mark, rest) = text.split_once("]]")?;
        match mark.split_once(':').unwrap_or((mark, "")) {
            ("error", status) => self.error = Some(status.parse().ok()?),
            ("exception", name) if !name.is_empty() => self.exception = Some(name.to_owned()),
            ("cut", "") => self.cut = true,
            ("stall", "") => self.stall = true,
            ("pace", ms) => self.pace_ms = Some(ms.parse().ok()?),
            ("words", n) => self.words = Some(n.parse().ok()?),
            ("tokens", numbers) => self.tokens = Some(four(numbers)?),
            ("no-usage", "") => self.no_usage = true,
            ("gzip", "") => self.gzip = true,
            ("bad-crc", "") => self.bad_crc = true,
            ("short", "") => self.short = true,
            ("guardrail", "") => self.guardrail = true,
            _ => return None,
        }
        Some(rest)
    }

    /// `NAME {json}]]`: the JSON may hold `]]` itself.
    fn tool<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let end = text.find(|c: char| c.is_whitespace() || c == ']' || c == '{')?;
        let (name, after) = text.split_at_checked(end)?;
        let after = after.trim_start();
        let (input, rest) = if let Some(rest) = after.strip_prefix("]]") {
            (Value::Object(serde_json::Map::new()), rest)
        } else {
            let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
            let input = values.next()?.ok()?;
            let rest = after.get(values.byte_offset()..)?.trim_start().strip_prefix("]]")?;
            (input, rest)
        };
        self.tools.push((name.to_owned(), input));
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

#[cfg(test)]
mod tests {
    use super::Directives;
    use serde_json::json;

    #[test]
    fn reads_marks() {
        let text = r#"a [[tool:transfer_funds {"amount": 1, "note": "]] [[x"}]][[tool:ping]] b [[error:429]] [[unknown]] [[pace:7]][[tokens:1,2,3]]"#;
        let found = Directives::read(text);
        println!("{found:?}");
        assert_eq!(
            found.tools,
            vec![
                ("transfer_funds".to_owned(), json!({"amount": 1, "note": "]] [[x"})),
                ("ping".to_owned(), json!({})),
            ]
        );
        assert_eq!(found.error, Some(429));
        assert_eq!(found.pace_ms, Some(7));
        assert_eq!(found.tokens, Some([1, 2, 3, 0]));
        assert_eq!(found.rest, "a  b  [[unknown]] ");
    }

    #[test]
    fn leaves_broken_marks() {
        for text in [
            "[[",
            "[[tool:x {\"a\":]]",
            "[[error:abc]]",
            "[[cut:now]]",
            "[[tokens:1,x]]",
            "[[tokens:1,2,3,4,5]]",
            "]]",
        ] {
            assert_eq!(
                Directives::read(text),
                Directives { rest: text.to_owned(), ..Directives::default() },
                "{text}"
            );
        }
    }
}
