//! A tool call as it was proposed becomes one that policy understands.

use portcullis_approvals::canonical;
use portcullis_protocol::{ProposedCall, ToolOrigin};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fmt;

/// Deepest nesting of arguments. (`serde_json` stops there as well.)
const MAX_DEPTH: u32 = 128;

/// Every form of the tool's name, the canonical one first: a function by itself, and by its group; an API operation with its
/// method, and by its group.
pub(in crate::app) fn names(proposed: &ProposedCall) -> Vec<String> {
    let name = match proposed.method.as_deref().filter(|method| !method.is_empty()) {
        Some(method) => format!("{} {}", method.to_uppercase(), proposed.name),
        None => proposed.name.clone(),
    };
    match proposed.group.as_deref().filter(|group| !group.is_empty()) {
        Some(group) => {
            let by_group = ["/", "::"].map(|between| format!("{group}{between}{name}"));
            std::iter::once(name).chain(by_group).collect()
        }
        None => vec![name],
    }
}

/// Why a tool call cannot be read, in the words of its record.
pub(super) type Problem = String;

/// The arguments: an object in which no key is there twice, however deep. What two parsers could read differently is not
/// read at all.
pub(super) fn arguments(proposed: &ProposedCall) -> Result<Value, Problem> {
    if let Some(problem) = &proposed.problem {
        return Err(problem.clone());
    }
    if proposed.name.is_empty() {
        return Err("no_name".to_owned());
    }
    if proposed.arguments.trim_ascii().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut parser = serde_json::Deserializer::from_str(&proposed.arguments);
    let value = Strict { depth: 0 }.deserialize(&mut parser).and_then(|value| parser.end().map(|()| value));
    match value {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("arguments_not_an_object".to_owned()),
        Err(error) if error.to_string().starts_with(REPEATED) => Err("arguments_repeat_a_key".to_owned()),
        Err(_) => Err("arguments_unreadable".to_owned()),
    }
}

/// SHA-256 of the canonical JSON, or of the bytes of what is none.
pub(super) fn digest(proposed: &ProposedCall, arguments: Option<&Value>) -> String {
    match arguments {
        Some(arguments) => hex::encode(Sha256::digest(canonical(arguments))),
        None => hex::encode(Sha256::digest(&proposed.arguments)),
    }
}

/// The wire name of who makes the call.
pub(super) const fn origin(origin: ToolOrigin) -> &'static str {
    match origin {
        ToolOrigin::Model => "model",
        ToolOrigin::Server => "server",
        ToolOrigin::ReturnControl => "return_control",
        ToolOrigin::Agent => "agent",
        ToolOrigin::Guard => "guard",
    }
}

const REPEATED: &str = "a key is there twice";

/// Reads any JSON value, and no object with a key that is there twice.
#[derive(Clone, Copy)]
struct Strict {
    depth: u32,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom(REPEATED));
            }
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn proposed(arguments: &str) -> ProposedCall {
        ProposedCall { name: "pay".to_owned(), arguments: arguments.to_owned(), ..ProposedCall::default() }
    }

    #[test]
    fn names_have_the_forms_that_selectors_know() {
        let of = |name: &str, group: Option<&str>, method: Option<&str>| {
            names(&ProposedCall {
                name: name.to_owned(),
                group: group.map(str::to_owned),
                method: method.map(str::to_owned),
                ..ProposedCall::default()
            })
        };
        let cases: [(_, &[&str]); 6] = [
            (of("pay", None, None), &["pay"]),
            (of("pay", Some(""), Some("")), &["pay"]),
            (of("pay", Some("bank"), None), &["pay", "bank/pay", "bank::pay"]),
            (of("/transfers/{id}", None, Some("POST")), &["POST /transfers/{id}"]),
            (of("/t", Some("bank"), Some("post")), &["POST /t", "bank/POST /t", "bank::POST /t"]),
            (of("bank__pay", Some("b/c"), None), &["bank__pay", "b/c/bank__pay", "b/c::bank__pay"]),
        ];
        for (found, expected) in cases {
            println!("{found:?}");
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn arguments_are_read_one_way_or_not_at_all() {
        let deep = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n));
        let cases = [
            ("", Ok(json!({}))),
            (" \n", Ok(json!({}))),
            ("{}", Ok(json!({}))),
            (
                r#"{"a": {"b": [1, -2, 2.5, true, null, "x"]}}"#,
                Ok(json!({"a": {"b": [1, -2, 2.5, true, null, "x"]}})),
            ),
            (r#"{"a": 18446744073709551615}"#, Ok(json!({"a": u64::MAX}))),
            (r#"{"a": 1, "b": {"a": 2}}"#, Ok(json!({"a": 1, "b": {"a": 2}}))),
            (r#"{"a": 1, "a": 1}"#, Err("arguments_repeat_a_key")),
            (r#"{"a": 1, "\u0061": 2}"#, Err("arguments_repeat_a_key")),
            (r#"{"x": [{"a": 1, "b": 2, "a": 3}]}"#, Err("arguments_repeat_a_key")),
            ("[]", Err("arguments_not_an_object")),
            ("null", Err("arguments_not_an_object")),
            ("\"{}\"", Err("arguments_not_an_object")),
            ("{", Err("arguments_unreadable")),
            ("{} {}", Err("arguments_unreadable")),
            ("\u{feff}{}", Err("arguments_unreadable")),
            (r#"{"a": 1,}"#, Err("arguments_unreadable")),
            (r#"{"a": NaN}"#, Err("arguments_unreadable")),
            (r#"{"a": "\ud800"}"#, Err("arguments_unreadable")),
        ];
        for (text, expected) in cases {
            let found = arguments(&proposed(text));
            println!("{text:?} -> {found:?}");
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
        }
        assert!(arguments(&proposed(&deep(127))).is_ok());
        assert_eq!(arguments(&proposed(&deep(128))), Err("arguments_unreadable".to_owned()));
        let told = ProposedCall { problem: Some("unfinished".to_owned()), ..proposed("{}") };
        assert_eq!(arguments(&told), Err("unfinished".to_owned()));
        assert_eq!(arguments(&ProposedCall::default()), Err("no_name".to_owned()));
    }

    #[test]
    fn the_same_arguments_have_the_same_digest() {
        let of = |text: &str| {
            let proposed = proposed(text);
            digest(&proposed, arguments(&proposed).as_ref().ok())
        };
        assert_eq!(of(r#"{"a": 1, "b": "x"}"#), of(r#"{"b":"\u0078","a":1}"#));
        assert_ne!(of(r#"{"a": 1}"#), of(r#"{"a": 2}"#));
        assert_ne!(of("{\"a\": 1, \"a\": 1}"), of("{\"a\":1, \"a\": 1}"), "bytes of what is none");
    }

    #[test]
    fn wire_names_are_those_of_serde() {
        use ToolOrigin::{Agent, Guard, Model, ReturnControl, Server};
        for one in [Model, Server, ReturnControl, Agent, Guard] {
            assert_eq!(serde_json::to_value(one).unwrap(), origin(one));
        }
    }
}
