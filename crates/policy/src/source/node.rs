//! YAML (and so JSON) text to a tree that remembers where everything stands.
//!
//! Scalars keep their text as written: whether `yes`, `012` or `1.0` is a string is decided by whoever reads it, not
//! by a YAML version. Anchors and aliases work, within [`MAX_NODES`] and [`MAX_DEPTH`]; tags do not.

use super::report::{Pos, Report};
use crate::limits::{MAX_DEPTH, MAX_NODES};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

/// One value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: Pos,
    pub(crate) value: Value,
    /// Values in it, itself included, aliases counted each time.
    weight: u64,
    /// Levels in it, aliases followed.
    height: u32,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar {
        text: String,
        /// Written without quotes.
        plain: bool,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Pos,
    pub(crate) value: Rc<Node>,
}

impl Node {
    /// The value of a key, where this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Rc<Node>> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            Value::List(_) | Value::Scalar { .. } => None,
        }
    }
}

/// Parses one file. `None` when it is no good, or empty; the report then has an error.
pub(crate) fn parse(path: &str, bytes: &[u8], report: &mut Report) -> Option<Rc<Node>> {
    let text = utf8(path, bytes, report)?;
    let text = if path.ends_with(".json") { Cow::Owned(json_as_yaml(text)) } else { Cow::Borrowed(text) };
    match Builder::default().run(&text) {
        Ok(Some(node)) => Some(node),
        Ok(None) => {
            report.error(path, Pos::START, "the file is empty; write a mapping, or delete the file");
            None
        }
        Err((at, message)) => {
            report.error(path, at, message);
            None
        }
    }
}

/// The mapping `over` on top of the mapping `base`: a key of both is that of `over`, but mappings under it are laid over
/// each other likewise, except under the keys `whole`. What is no mapping replaces the other.
pub(crate) fn overlay(base: &Rc<Node>, over: &Rc<Node>, whole: &[&str]) -> Rc<Node> {
    let (Value::Map(below), Value::Map(above)) = (&base.value, &over.value) else { return Rc::clone(over) };
    let mut entries: Vec<Entry> = Vec::with_capacity(below.len() + above.len());
    for entry in below.iter().filter(|entry| above.iter().all(|other| other.key != entry.key)) {
        entries.push(Entry { key: entry.key.clone(), at: entry.at, value: Rc::clone(&entry.value) });
    }
    for entry in above {
        let under = below.iter().find(|other| other.key == entry.key && !whole.contains(&entry.key.as_str()));
        let value =
            under.map_or_else(|| Rc::clone(&entry.value), |under| overlay(&under.value, &entry.value, whole));
        entries.push(Entry { key: entry.key.clone(), at: entry.at, value });
    }
    // The weights were checked when the two were parsed, and nothing is built on top of this.
    Rc::new(Node { at: over.at, value: Value::Map(entries), weight: over.weight, height: over.height })
}

/// The text of a file; the report has an error when it is not UTF-8.
pub(crate) fn utf8<'a>(path: &str, bytes: &'a [u8], report: &mut Report) -> Option<&'a str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = good.iter().filter(|byte| **byte == b'\n').count();
            let start = good.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
            let column = String::from_utf8_lossy(good.get(start..).unwrap_or_default()).chars().count();
            let at = Pos { line: to_u32(line + 1), column: to_u32(column + 1) };
            report.error(path, at, "the file is not UTF-8 here; save it as UTF-8");
            None
        }
    }
}

/// The two things that JSON allows and YAML does not: tabs between tokens (inside JSON's strings they cannot stand raw),
/// and a character outside the basic plane escaped as two surrogates.
fn json_as_yaml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, surrogates(chars.as_str())) {
            ('\t', _) => out.push(' '),
            ('\\', Some(character)) => {
                out.push_str(&format!("\\U{:08X}", u32::from(character)));
                chars.by_ref().take(11).for_each(drop);
            }
            ('\\', None) => {
                out.push(c);
                out.extend(chars.next());
            }
            _ => out.push(c),
        }
    }
    out
}

/// The character of `uD83D\uDE00` at the start of the text.
fn surrogates(text: &str) -> Option<char> {
    let unit = |at: usize| u16::from_str_radix(text.get(at..at + 4)?, 16).ok();
    if !(text.starts_with('u') && text.get(5..7) == Some("\\u")) {
        return None;
    }
    char::decode_utf16([unit(1)?, unit(7)?]).next()?.ok().filter(|c| *c > '\u{ffff}')
}

type Failure = (Pos, String);

/// In fewer entries than this a key is found as fast by looking at each.
const SMALL: usize = 32;

/// Builds the tree from events, without recursion: depth is the author's choice.
#[derive(Default)]
struct Builder {
    open: Vec<Frame>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

struct Frame {
    at: Pos,
    anchor: usize,
    weight: u64,
    height: u32,
    kind: Kind,
}

enum Kind {
    List(Vec<Rc<Node>>),
    /// `seen` is filled once there are [`SMALL`] entries.
    Map {
        entries: Vec<Entry>,
        seen: HashMap<String, Pos>,
        key: Option<(String, Pos)>,
    },
}

impl Builder {
    fn run(mut self, text: &str) -> Result<Option<Rc<Node>>, Failure> {
        let mut documents = 0;
        for event in Parser::new_from_str(text) {
            let (event, span) = event
                .map_err(|error| (pos(*error.marker()), format!("not well-formed: {}", error.info())))?;
            let at = pos(span.start);
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err((
                            at,
                            "a second document starts here; write one document per file".to_owned(),
                        ));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    refuse_tag(at, tag.is_some())?;
                    let plain = style == ScalarStyle::Plain;
                    let value = Value::Scalar { text: text.into_owned(), plain };
                    self.add(Node { at, value, weight: 1, height: 1 }, anchor)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    refuse_tag(at, tag.is_some())?;
                    self.enter(at, anchor, Kind::List(Vec::new()))?;
                }
                Event::MappingStart(anchor, tag) => {
                    refuse_tag(at, tag.is_some())?;
                    self.enter(
                        at,
                        anchor,
                        Kind::Map { entries: Vec::new(), seen: HashMap::new(), key: None },
                    )?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.leave()?,
                Event::Alias(id) => {
                    let Some(node) = self.anchors.get(&id).cloned() else {
                        return Err((at, "this alias names an anchor that is not complete yet".to_owned()));
                    };
                    self.attach(node, at)?;
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        // A file of nothing but comments is one empty scalar to some parsers, no event to others.
        let empty =
            |node: &Rc<Node>| matches!(&node.value, Value::Scalar { text, plain: true } if text.is_empty());
        Ok(self.root.filter(|node| !empty(node)))
    }

    fn enter(&mut self, at: Pos, anchor: usize, kind: Kind) -> Result<(), Failure> {
        if self.open.len() >= MAX_DEPTH as usize {
            return Err(too_deep(at));
        }
        self.open.push(Frame { at, anchor, weight: 1, height: 1, kind });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Failure> {
        let Some(Frame { at, anchor, weight, height, kind }) = self.open.pop() else { return Ok(()) };
        let value = match kind {
            Kind::List(items) => Value::List(items),
            Kind::Map { entries, .. } => Value::Map(entries),
        };
        self.add(Node { at, value, weight, height }, anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Failure> {
        let at = node.at;
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(node, at)
    }

    fn attach(&mut self, node: Rc<Node>, at: Pos) -> Result<(), Failure> {
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.weight = frame.weight.saturating_add(node.weight);
        frame.height = frame.height.max(node.height.saturating_add(1));
        if frame.weight > MAX_NODES {
            let message = format!("more than {MAX_NODES} values, aliases included; split the file");
            return Err((at, message));
        }
        if frame.height > MAX_DEPTH {
            return Err(too_deep(at));
        }
        match &mut frame.kind {
            Kind::List(items) => items.push(node),
            Kind::Map { entries, seen, key } => match key.take() {
                Some((key, at)) => entries.push(Entry { key, at, value: node }),
                None => *key = Some(fresh_key(&node, at, entries, seen)?),
            },
        }
        Ok(())
    }
}

fn fresh_key(
    node: &Node,
    at: Pos,
    entries: &[Entry],
    seen: &mut HashMap<String, Pos>,
) -> Result<(String, Pos), Failure> {
    let Value::Scalar { text, plain } = &node.value else {
        return Err((at, "a key must be a plain word, not a list or mapping".to_owned()));
    };
    if *plain && text == "<<" {
        return Err((at, "merge keys (`<<`) are not part of YAML 1.2; repeat the keys".to_owned()));
    }
    let first = if entries.len() < SMALL {
        entries.iter().find(|entry| entry.key == *text).map(|entry| entry.at)
    } else {
        if seen.is_empty() {
            seen.extend(entries.iter().map(|entry| (entry.key.clone(), entry.at)));
        }
        seen.insert(text.clone(), at)
    };
    if let Some(first) = first {
        return Err((at, format!("key `{text}` is written twice, first in line {}", first.line)));
    }
    Ok((text.clone(), at))
}

fn refuse_tag(at: Pos, tagged: bool) -> Result<(), Failure> {
    if tagged {
        Err((at, "YAML tags (`!…`) have no meaning here; leave the tag out".to_owned()))
    } else {
        Ok(())
    }
}

fn too_deep(at: Pos) -> Failure {
    (at, format!("nested more than {MAX_DEPTH} levels deep"))
}

fn pos(marker: Marker) -> Pos {
    Pos { line: to_u32(marker.line().max(1)), column: to_u32(marker.col() + 1) }
}

fn to_u32(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
