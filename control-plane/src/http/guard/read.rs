//! Reading a document member by member, so that what is wrong can be said by a JSON pointer (RFC 6901), and values can be
//! handed on as they are written.

use crate::http::problem::Problem;
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// Longest text of a member, in bytes.
const MAX_TEXT: usize = 2_048;

/// Most members of a map, and most items of a list.
const MAX_ITEMS: usize = 128;

/// An object, its members in the order in which they are written.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pointer: String,
    members: Vec<(String, &'a RawValue)>,
}

/// The members, repeated ones included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

impl<'a> Object<'a> {
    /// A whole document, which must be an object.
    pub(super) fn document(bytes: &'a [u8]) -> Result<Self, Problem> {
        let bad = |error: &dyn fmt::Display| {
            Problem::new(StatusCode::BAD_REQUEST, "bad_json", format!("the body is not JSON: {error}"))
        };
        let text = std::str::from_utf8(bytes).map_err(|error| bad(&error))?;
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| bad(&error))?;
        Self::read(raw, String::new())
    }

    fn read(raw: &'a RawValue, pointer: String) -> Result<Self, Problem> {
        let Ok(Members(members)) = serde_json::from_str(raw.get()) else {
            return Err(wrong(&pointer, "must be an object"));
        };
        let mut names = HashSet::with_capacity(members.len());
        if let Some((name, _)) = members.iter().find(|(name, _)| !names.insert(name.as_str())) {
            return Err(wrong(&within(&pointer, name), "is there twice"));
        }
        Ok(Object { pointer, members })
    }

    /// Nothing but these members may be there.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Problem> {
        match self.members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(self),
            Some((name, _)) => Err(wrong(
                &within(&self.pointer, name),
                format!("is not known; known here are {}", known.join(", ")),
            )),
        }
    }

    /// A member as it is written; `null` counts as absent.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.written(name).filter(|raw| raw.get() != "null")
    }

    /// A member as it is written, `null` included.
    pub(super) fn written(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|(known, _)| known == name).map(|(_, raw)| *raw)
    }

    /// Every member, each an object.
    pub(super) fn each_object(&self) -> Result<Vec<Object<'a>>, Problem> {
        if self.members.len() > MAX_ITEMS {
            return Err(wrong(&self.pointer, format!("must have at most {MAX_ITEMS} members")));
        }
        self.members.iter().map(|(name, raw)| Object::read(raw, self.pointer(name))).collect()
    }

    pub(super) fn pointer(&self, name: &str) -> String {
        within(&self.pointer, name)
    }

    /// An object within.
    pub(super) fn object(&self, name: &str) -> Result<Option<Object<'a>>, Problem> {
        self.raw(name).map(|raw| Object::read(raw, self.pointer(name))).transpose()
    }

    /// The objects of a list.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Object<'a>>, Problem> {
        let pointer = self.pointer(name);
        let items = items(self.raw(name), &pointer, "must be a list of objects")?;
        let at = |(number, raw)| Object::read(raw, format!("{pointer}/{number}"));
        items.into_iter().enumerate().map(at).collect()
    }

    /// Text that must be there and not be empty.
    pub(super) fn required(&self, name: &str) -> Result<String, Problem> {
        let missing = || wrong(&self.pointer(name), "must be there, and be text that is not empty");
        self.text(name)?.ok_or_else(missing)
    }

    /// Text; empty text counts as absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        text(raw, &self.pointer(name), MAX_TEXT).map(|text| Some(text).filter(|text| !text.is_empty()))
    }

    /// The same, of any length.
    pub(super) fn long_text(&self, name: &str) -> Result<Option<String>, Problem> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        text(raw, &self.pointer(name), usize::MAX).map(|text| Some(text).filter(|text| !text.is_empty()))
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Problem> {
        let pointer = self.pointer(name);
        let items = items(self.raw(name), &pointer, "must be a list of text")?;
        let at = |(number, raw)| text(raw, &format!("{pointer}/{number}"), MAX_TEXT);
        items.into_iter().enumerate().map(at).collect()
    }

    /// Texts by name. What is a number or a boolean counts as written.
    pub(super) fn map(&self, name: &str) -> Result<BTreeMap<String, String>, Problem> {
        let Some(object) = self.object(name)? else { return Ok(BTreeMap::new()) };
        if object.members.len() > MAX_ITEMS {
            return Err(wrong(&object.pointer, format!("must have at most {MAX_ITEMS} members")));
        }
        let mut map = BTreeMap::new();
        for (key, raw) in &object.members {
            let pointer = object.pointer(key);
            let value = match raw.get().as_bytes().first() {
                Some(b'"') => text(raw, &pointer, MAX_TEXT)?,
                Some(b'n') => continue,
                Some(b'{' | b'[') => return Err(wrong(&pointer, "must be text")),
                _ if raw.get().len() > MAX_TEXT => return Err(too_long(&pointer, MAX_TEXT)),
                _ => raw.get().to_owned(),
            };
            map.insert(key.clone(), value);
        }
        Ok(map)
    }

    /// A whole number from 0 to `max`.
    pub(super) fn number(&self, name: &str, max: u64) -> Result<Option<u64>, Problem> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let number = serde_json::from_str(raw.get()).ok().filter(|number| *number <= max);
        let bad = || wrong(&self.pointer(name), format!("must be a whole number from 0 to {max}"));
        number.map(Some).ok_or_else(bad)
    }
}

fn items<'a>(raw: Option<&'a RawValue>, pointer: &str, expected: &str) -> Result<Vec<&'a RawValue>, Problem> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| wrong(pointer, expected))?;
    if items.len() > MAX_ITEMS {
        return Err(wrong(pointer, format!("must have at most {MAX_ITEMS} items")));
    }
    Ok(items)
}

fn text(raw: &RawValue, pointer: &str, longest: usize) -> Result<String, Problem> {
    let text: String = serde_json::from_str(raw.get()).map_err(|_| wrong(pointer, "must be text"))?;
    if text.len() > longest { Err(too_long(pointer, longest)) } else { Ok(text) }
}

fn too_long(pointer: &str, longest: usize) -> Problem {
    wrong(pointer, format!("must have at most {longest} bytes"))
}

/// What is wrong, and where.
pub(super) fn wrong(pointer: &str, what: impl fmt::Display) -> Problem {
    let place = if pointer.is_empty() { "the body".to_owned() } else { format!("`{pointer}`") };
    let problem = Problem::new(StatusCode::BAD_REQUEST, "bad_question", format!("{place} {what}"));
    Problem { pointer: Some(pointer.into()), ..problem }
}

fn within(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
