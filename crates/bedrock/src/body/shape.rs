//! What a place in a body means, as a small grammar. The grammars themselves are data: [`super::tables`].

/// A place: what a scalar there means, and which places lie below.
///
/// Arrays are transparent: an array's elements stand at the place of the array.
#[derive(Debug)]
pub(super) struct Node {
    /// What a value here means.
    pub(super) means: Means,
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

/// What a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// Text for the model. The rule for every string that no table speaks of.
    Text,
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
