//! Turns the tokenizer's events into facts, by the tables.

use super::facts::Facts;
use super::flaw::Flaw;
use super::path::Path;
use super::results::Results;
use super::shape::{Fact, Means, Node, Part, Says};
use super::tee::Tee;
use super::tokenizer::{Container, Literal, Sink};
use super::value::{Ended, Value};

/// Where a document stands: its place and its current value.
#[derive(Debug, Clone)]
pub(super) struct Interpreter {
    pub(super) path: Path,
    value: Value,
    tee: Tee,
    tool: Option<Tool>,
    results: Results,
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
        Interpreter {
            path: Path::new(root),
            value: Value::default(),
            tee: Tee::default(),
            tool: None,
            results: Results::default(),
        }
    }
}

/// An interpreter with the facts it adds to.
pub(super) struct Reading<'a> {
    pub(super) interpreter: &'a mut Interpreter,
    pub(super) facts: &'a mut Facts,
}

impl Sink for Reading<'_> {
    fn open(&mut self, container: Container) -> Result<(), Flaw> {
        if self.interpreter.path.depth() == 0 && container != Container::Object {
            return Err(Flaw::NotAnObject);
        }
        let node = self.value(Some(container));
        let Interpreter { path, tool, results, .. } = &mut *self.interpreter;
        path.open(container, node);
        match (container, node.means) {
            (Container::Object, Means::ToolResult) => results.open(path.depth(), true, self.facts),
            (Container::Object, Means::Turn) => results.open(path.depth(), false, self.facts),
            (Container::Object, Means::Tool) => {
                *tool = Some(Tool { depth: path.depth(), named: false, kind: None });
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Flaw> {
        let Interpreter { path, tool, results, .. } = &mut *self.interpreter;
        if let Some(ended) = tool.take_if(|tool| tool.depth == path.depth())
            && let (false, Some(kind)) = (ended.named, ended.kind)
        {
            self.facts.tool(kind)?;
        }
        results.close(path.depth(), self.facts);
        path.close()
    }

    fn key_open(&mut self) -> Result<(), Flaw> {
        self.interpreter.path.key_open();
        self.interpreter.results.weigh(3);
        Ok(())
    }

    fn key_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.interpreter.results.weigh(part.len());
        self.interpreter.path.key_part(part)
    }

    fn key_close(&mut self) -> Result<(), Flaw> {
        let path = &mut self.interpreter.path;
        if let Some(Says::Fact(name, Fact::Keys)) = path.top().map(|frame| frame.node.says) {
            self.facts.note(name, path.name());
        }
        path.key_close()
    }

    fn string_open(&mut self) -> Result<(), Flaw> {
        let (node, is_text) = self.scalar()?;
        self.interpreter.results.weigh(2);
        self.interpreter.value.open(node.means, is_text);
        Ok(())
    }

    fn string_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.interpreter.results.weigh(part.len());
        self.interpreter.tee.part(part);
        self.interpreter.value.part(part, self.facts)
    }

    fn string_close(&mut self) -> Result<(), Flaw> {
        match self.interpreter.value.close(self.facts)? {
            Ended::Text => {}
            Ended::Binary => {
                if let Some(frame) = self.interpreter.path.top() {
                    frame.skipped_binary = true;
                }
            }
            Ended::Collected => self.collected()?,
        }
        self.said();
        Ok(())
    }

    fn number_open(&mut self) -> Result<(), Flaw> {
        let (node, _) = self.scalar()?;
        self.interpreter.value.open_number(node.means);
        Ok(())
    }

    fn number_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.interpreter.results.weigh(part.len());
        self.interpreter.tee.part(part);
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
        self.said();
        Ok(())
    }

    fn literal(&mut self, literal: Literal) -> Result<(), Flaw> {
        let (node, _) = self.scalar()?;
        self.facts.body.stream |= node.means == Means::Stream && literal == Literal::True;
        self.interpreter.results.weigh(literal.word().len());
        if literal == Literal::Null {
            self.interpreter.tee.forget();
        }
        self.interpreter.tee.part(literal.word());
        self.said();
        Ok(())
    }
}

impl Reading<'_> {
    /// Begins a value: its place. `None` is a scalar.
    fn value(&mut self, container: Option<Container>) -> &'static Node {
        let Interpreter { path, results, .. } = &mut *self.interpreter;
        let node = path.value();
        // Its brackets, and the comma before it.
        results.weigh(if container.is_some() { 2 } else { 0 } + usize::from(path.follows()));
        match node.says {
            Says::Fact(name, Fact::Count) if container != Some(Container::Array) => self.facts.add(name, 1),
            Says::Fact(name, Fact::Presence) if container.is_some() => self.facts.note(name, b"true"),
            Says::Result(Part::Content) => results.content(path.depth(), container.is_some()),
            _ => {}
        }
        node
    }

    /// Begins a scalar: what it means, and whether its object says `"type": "text"`.
    fn scalar(&mut self) -> Result<(&'static Node, bool), Flaw> {
        let node = self.value(None);
        self.interpreter.tee.open(node.says);
        let frame = self.interpreter.path.top().ok_or(Flaw::NotAnObject)?;
        Ok((node, frame.says_text))
    }

    /// Ends a scalar: what it says besides.
    fn said(&mut self) {
        let Interpreter { path, tee, results, .. } = &mut *self.interpreter;
        match tee.take() {
            Says::Nothing => {}
            Says::Fact(name, Fact::Value) => self.facts.note(name, tee.text()),
            Says::Fact(name, Fact::Presence) => self.facts.note(name, b"true"),
            Says::Fact(name, Fact::Bytes) => self.facts.add(name, tee.len()),
            Says::Fact(_, Fact::Keys | Fact::Count) => {}
            Says::Result(Part::Invocation) => self.facts.invocation(tee.text()),
            Says::Result(part) => results.part(part, path.depth(), tee.text()),
        }
    }

    /// A collected string ended.
    fn collected(&mut self) -> Result<(), Flaw> {
        let Interpreter { path, value, tool, results, .. } = &mut *self.interpreter;
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
            // `function` is the older name of the role.
            Means::Role if matches!(value.collected(), b"tool" | b"function") => {
                results.is(path.depth(), true);
            }
            Means::Role if value.collected().iter().all(u8::is_ascii_graphic) => {
                results.is(path.depth(), false);
            }
            Means::Type if brings_tool_result(value.collected()) => results.is(path.depth(), true),
            Means::Type if value.collected() == b"text" => {
                if let Some(frame) = path.top() {
                    frame.says_text = true;
                    if frame.skipped_binary {
                        facts.lost_text();
                    }
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
