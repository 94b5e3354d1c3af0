//! Turns the tokenizer's events into facts, by the tables.

use super::facts::Facts;
use super::flaw::Flaw;
use super::path::Path;
use super::shape::{Means, Node};
use super::tokenizer::{Container, Literal, Sink};
use super::value::{Ended, Value};

/// Where a document stands: its place and its current value.
#[derive(Debug, Clone)]
pub(super) struct Interpreter {
    pub(super) path: Path,
    value: Value,
    tool: Option<Tool>,
}

/// A tool on offer whose object is open.
#[derive(Debug, Clone)]
struct Tool {
    depth: usize,
    named: bool,
    kind: Option<String>,
}

impl Interpreter {
    pub(super) fn new(root: &'static Node) -> Self {
        Interpreter { path: Path::new(root), value: Value::default(), tool: None }
    }
}

/// An interpreter with the facts it adds to.
pub(super) struct Reading<'a> {
    pub(super) interpreter: &'a mut Interpreter,
    pub(super) facts: &'a mut Facts,
}

impl Sink for Reading<'_> {
    fn open(&mut self, container: Container) -> Result<(), Flaw> {
        let Interpreter { path, tool, .. } = &mut *self.interpreter;
        if path.depth() == 0 && container != Container::Object {
            return Err(Flaw::NotAnObject);
        }
        let node = path.value();
        path.open(container, node);
        match (container, node.means) {
            (Container::Object, Means::ToolResult) => self.facts.tool_result(),
            (Container::Object, Means::Tool) => {
                *tool = Some(Tool { depth: path.depth(), named: false, kind: None });
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Flaw> {
        let Interpreter { path, tool, .. } = &mut *self.interpreter;
        if let Some(ended) = tool.take_if(|tool| tool.depth == path.depth())
            && let (false, Some(kind)) = (ended.named, ended.kind)
        {
            self.facts.tool(kind)?;
        }
        path.close()
    }

    fn key_open(&mut self) -> Result<(), Flaw> {
        self.interpreter.path.key_open();
        Ok(())
    }

    fn key_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.interpreter.path.key_part(part)
    }

    fn key_close(&mut self) -> Result<(), Flaw> {
        self.interpreter.path.key_close()
    }

    fn string_open(&mut self) -> Result<(), Flaw> {
        let (node, is_text) = self.scalar()?;
        self.interpreter.value.open(node.means, is_text);
        Ok(())
    }

    fn string_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.interpreter.value.part(part, self.facts)
    }

    fn string_close(&mut self) -> Result<(), Flaw> {
        match self.interpreter.value.close(self.facts)? {
            Ended::Text => Ok(()),
            Ended::Binary => {
                if let Some(frame) = self.interpreter.path.top() {
                    frame.skipped_binary = true;
                }
                Ok(())
            }
            Ended::Collected => self.collected(),
        }
    }

    fn number_open(&mut self) -> Result<(), Flaw> {
        let (node, _) = self.scalar()?;
        self.interpreter.value.open_number(node.means);
        Ok(())
    }

    fn number_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.interpreter.value.number_part(part);
        Ok(())
    }

    fn number_close(&mut self) -> Result<(), Flaw> {
        let value = &self.interpreter.value;
        match (value.means(), tokens(value.collected())) {
            (Means::MaxTokens, Some(tokens)) => self.facts.max_tokens(tokens),
            (Means::Answers, Some(answers)) => self.facts.answers(answers),
            _ => {}
        }
        Ok(())
    }

    fn literal(&mut self, literal: Literal) -> Result<(), Flaw> {
        let (node, _) = self.scalar()?;
        self.facts.body.stream |= node.means == Means::Stream && literal == Literal::True;
        Ok(())
    }
}

impl Reading<'_> {
    /// Begins a scalar: what it means, and whether its object says `"type": "text"`.
    fn scalar(&mut self) -> Result<(&'static Node, bool), Flaw> {
        let path = &mut self.interpreter.path;
        let node = path.value();
        let frame = path.top().ok_or(Flaw::NotAnObject)?;
        Ok((node, frame.says_text))
    }

    /// A collected string ended.
    fn collected(&mut self) -> Result<(), Flaw> {
        let Interpreter { path, value, tool } = &mut *self.interpreter;
        let facts = &mut *self.facts;
        match value.means() {
            Means::Model => return facts.model(value.to_text()),
            Means::Guardrail => return facts.guardrail(value.to_text()),
            Means::GuardrailVersion => return facts.guardrail_version(value.to_text()),
            Means::AnyModel => return facts.any_model(value.to_text(), path.depth() == 1),
            Means::OtherModel => return facts.other_model(value.to_text()),
            Means::KnowledgeBase => return facts.knowledge_base(value.to_text()),
            Means::Metadata => facts.metadata(path.name(), value.to_text()),
            Means::Attribute => facts.attribute(path.name(), value.to_text()),
            Means::ToolName => {
                facts.tool(value.to_text())?;
                if let Some(tool) = tool {
                    tool.named = true;
                }
            }
            Means::ToolType => {
                if let Some(tool) = tool {
                    tool.kind = Some(value.to_text());
                }
            }
            // Jackson, which AWS reads JSON with, can be told to take `"5"` for 5 and `"true"` for true.
            Means::MaxTokens => match tokens(value.collected()) {
                Some(tokens) => facts.max_tokens(tokens),
                None => value.become_text(facts),
            },
            Means::Answers => match tokens(value.collected()) {
                Some(answers) => facts.answers(answers),
                None => value.become_text(facts),
            },
            Means::Stream if value.collected() == b"true" => facts.body.stream = true,
            Means::Role if value.collected() == b"tool" => facts.tool_result(),
            Means::Type if brings_tool_result(value.collected()) => facts.tool_result(),
            Means::Type if value.collected() == b"text" => {
                if let Some(frame) = path.top() {
                    frame.says_text = true;
                    facts.body.text_truncated |= frame.skipped_binary;
                }
            }
            _ => {
                // Not an identifier, whatever the place is meant for.
                if !value.collected().iter().all(u8::is_ascii_graphic) {
                    value.become_text(facts);
                }
            }
        }
        Ok(())
    }
}

/// `tool_result` (Anthropic), `mcp_tool_result`, `function_call_output` (OpenAI responses), `custom_tool_call_output` …
fn brings_tool_result(kind: &[u8]) -> bool {
    kind.ends_with(b"tool_result") || kind.ends_with(b"_call_output")
}

/// A number of tokens, rounded up: `4096`, `4096.0`, `4.096e3`. What is too large is the largest.
pub(crate) fn tokens(number: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(number).ok()?;
    if let Ok(tokens) = number.parse() {
        return Some(tokens);
    }
    let float: f64 = number.parse().ok()?;
    // The cast saturates.
    (float >= 0.0).then(|| float.ceil() as u64)
}
