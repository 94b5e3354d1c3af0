//! What a place in a body means, as a small grammar. The grammars themselves are data: [`super::tables`].

/// A place: what a scalar there means, and which places lie below.
///
/// Arrays are transparent: an array's elements stand at the place of the array.
#[derive(Debug)]
pub(super) struct Node {
    /// What a value here means.
    pub(super) means: Means,
    /// What it says besides, whatever it means.
    pub(super) says: Says,
    /// Members with a place of their own, in groups so that places can share some.
    pub(super) members: &'static [Members],
    /// The place of every other member.
    pub(super) other: &'static Node,
}

/// Members of an object. Names are compared byte by byte: AWS's are case-sensitive, so `Messages` is not `messages`.
pub(super) type Members = &'static [(&'static str, &'static Node)];

impl Node {
    /// The place of a member.
    pub(super) fn member(&self, name: &[u8]) -> &'static Node {
        let known = |group: &Members| group.iter().find(|(known, _)| known.as_bytes() == name).copied();
        self.members.iter().find_map(known).map_or(self.other, |(_, node)| node)
    }
}

/// What a value says besides its meaning: a text can be a fact, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// Nothing.
    Nothing,
    /// A fact of this name.
    Fact(&'static str, Fact),
    /// Something about the tool result that encloses it.
    Result(Part),
}

/// What of a value is the fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    /// The value itself; several different ones are joined by commas.
    Value,
    /// How long its strings are, together, in bytes after unescaping.
    Bytes,
    /// The names of its members.
    Keys,
    /// That there is one.
    Presence,
    /// How many there are: elements of a list.
    Count,
}

/// A part of a tool result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The id of the call that it answers.
    Id,
    /// The tool's name, or the path of an API operation.
    Name,
    /// The HTTP method of an API operation.
    Method,
    /// A word or switch that can say that the tool failed.
    Failure,
    /// An HTTP status.
    Status,
    /// What the tool answered.
    Content,
    /// The id of all results of the body that have none of their own.
    Invocation,
}

/// What a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// Text for the model. The rule for every string that no table speaks of.
    Text,
    /// The same; an object here may turn out to be a tool result, by its `role` or `type`.
    Turn,
    /// An identifier or enumeration: not text, unless it is long or has white space.
    Word,
    /// Base64 or a `data:` URL: skipped, unless it is not.
    Binary,
    /// `role`: `tool` brings a tool result.
    Role,
    /// `type`: `tool_result` and its like bring a tool result, `text` makes a sibling's data text.
    Type,
    /// The model of the call: one, said once.
    Model,
    /// A model where the operation is not known: a top-level one counts before those below, the rest are further models.
    AnyModel,
    /// A further model, such as a reranker.
    OtherModel,
    /// A tool on offer (an object): named by a `ToolName` in it, by its `ToolType` otherwise.
    Tool,
    /// A name of a tool.
    ToolName,
    /// The type of a tool: its name when it has no other (`{"type": "web_search"}`).
    ToolType,
    /// A tool's result (an object).
    ToolResult,
    /// Tokens asked for.
    MaxTokens,
    /// Answers asked for, each as long as that.
    Answers,
    /// The answer shall be streamed.
    Stream,
    /// Guardrail id or ARN.
    Guardrail,
    /// Guardrail version.
    GuardrailVersion,
    /// A value of the request metadata.
    Metadata,
    /// A value of the session attributes.
    Attribute,
    /// A knowledge base id.
    KnowledgeBase,
    /// A body within, in base64 (CountTokens).
    Base64Body,
}
