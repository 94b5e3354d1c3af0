//! Files of cases to cases.

use super::expect::{self, Expect};
use super::spec::{self, CallSpec};
use crate::source::node::{self, Node, Value};
use crate::source::read::{Map, Reader, describe};
use crate::source::report::{Pos, Report};
use crate::value::{any_text, any_texts, count, time};
use crate::{Diagnostic, Effect, LoadError, SourceFile};
use std::rc::Rc;

/// One case.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its name; a case of a table has the table's name and a number.
    pub name: String,
    /// The file, relative to the bundle.
    pub path: String,
    /// Line in that file, from 1.
    pub line: u32,
    /// The call.
    pub call: CallSpec,
    /// What must come of it.
    pub expect: Expect,
}

/// One file of cases.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseFile {
    /// Relative to the bundle.
    pub path: String,
    /// In the order that they are written in.
    pub cases: Vec<Case>,
}

pub(crate) const FILE_KEYS: &[&str] = &["version", "name", "description", "call", "tests"];
pub(crate) const CASE_KEYS: &[&str] = &["name", "description", "call", "expect", "cases"];
pub(crate) const VETO_FILE_KEYS: &[&str] = &["suite", "description", "tests"];
pub(crate) const VETO_CASE_KEYS: &[&str] =
    &["id", "name", "description", "tool", "arguments", "context", "expect"];
pub(crate) const VETO_EXPECT_KEYS: &[&str] = &["decision", "rule_id"];
/// What `context` of the other form may say. The rest is not known to this engine, and would be ignored silently.
const CONTEXT_KEYS: &[&str] = &[
    "minute_count",
    "hourly_count",
    "daily_count",
    "session_id",
    "agent_id",
    "principal",
    "user_id",
    "tenant",
    "roles",
    "time",
    "source_ip",
];
/// `warn` and `log` let the call through.
const DECISIONS: &[(&str, Effect)] = &[
    ("allow", Effect::Allow),
    ("deny", Effect::Deny),
    ("block", Effect::Deny),
    ("warn", Effect::Allow),
    ("log", Effect::Allow),
    ("require_approval", Effect::RequireApproval),
    ("throttle", Effect::Throttle),
    ("redact", Effect::Redact),
];

/// The words of [`DECISIONS`].
pub(crate) const DECISION_WORDS: &[&str] =
    &["allow", "deny", "block", "warn", "log", "require_approval", "throttle", "redact"];

/// Reads the cases of a bundle: `tests/**` ending in `.yaml`, `.yml` or `.json`, in the order of their paths.
///
/// # Errors
/// Everything that is wrong with them, with file, line and column.
pub fn read_cases(files: &[SourceFile]) -> Result<Vec<CaseFile>, LoadError> {
    let is_case = |path: &str| {
        path.starts_with("tests/") && [".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end))
    };
    let mut sorted: Vec<&SourceFile> = files.iter().filter(|file| is_case(&file.path)).collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut report = Report::default();
    let mut read = Vec::new();
    for file in sorted {
        if let Some(root) = node::parse(&file.path, &file.bytes, &mut report) {
            let mut reader = Reader { path: &file.path, report: &mut report };
            read.push(CaseFile { path: file.path.clone(), cases: file_cases(&mut reader, &root) });
        }
    }
    if report.has_errors() { Err(LoadError { diagnostics: distinct(report) }) } else { Ok(read) }
}

/// Reads one call, as in a case's `call`. `path` is for messages; `.json` is read as JSON, anything else as YAML.
///
/// # Errors
/// Everything that is wrong with it, with line and column.
pub fn read_call(path: &str, bytes: &[u8]) -> Result<CallSpec, LoadError> {
    let mut report = Report::default();
    let call = node::parse(path, bytes, &mut report)
        .map(|root| spec::read(&mut Reader { path, report: &mut report }, &root));
    match call {
        Some(call) if !report.has_errors() => Ok(call),
        _ => Err(LoadError { diagnostics: distinct(report) }),
    }
}

/// What a table gives to each of its cases is found wrong once for each.
fn distinct(report: Report) -> Vec<Diagnostic> {
    let mut diagnostics = report.into_diagnostics();
    diagnostics.dedup();
    diagnostics
}

fn file_cases(reader: &mut Reader<'_>, root: &Node) -> Vec<Case> {
    let veto = matches!(&root.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == "suite"));
    let keys = if veto { VETO_FILE_KEYS } else { FILE_KEYS };
    let Some(map) = reader.map(root, "a file of tests", keys) else { return Vec::new() };
    let defaults = map.get("call");
    let Some(tests) = reader.required(map, "tests", "the file") else { return Vec::new() };
    let Some(tests) = reader.list(tests, "`tests`") else { return Vec::new() };
    let mut cases = Vec::new();
    for test in tests {
        if veto {
            cases.extend(veto_case(reader, test));
        } else {
            read_test(reader, test, defaults, &mut cases);
        }
    }
    cases
}

/// One case, or a table of them.
fn read_test(reader: &mut Reader<'_>, node: &Node, defaults: Option<&Rc<Node>>, out: &mut Vec<Case>) {
    let Some(map) = reader.map(node, "a test", CASE_KEYS) else { return };
    let name = match reader.required(map, "name", "the test") {
        Some(name) => any_text(reader, name, "`name`").unwrap_or_default(),
        None => String::new(),
    };
    let call = merged(defaults, map.get("call"));
    let Some(table) = map.get("cases") else {
        out.extend(one_case(reader, name, map, call));
        return;
    };
    let Some(rows) = reader.list(table, "`cases`") else { return };
    if rows.is_empty() {
        reader.error(table.at, "`cases` is empty; leave the key out");
    }
    for (number, row) in rows.iter().enumerate() {
        let Some(row_map) = reader.map(row, "a case", CASE_KEYS) else { continue };
        if let Some(nested) = row_map.get("cases") {
            reader.error(nested.at, "a case of a table cannot be a table itself");
        }
        let own = row_map.get("name").and_then(|name| any_text(reader, name, "`name`"));
        let name = own.map_or_else(|| format!("{name} #{}", number + 1), |own| format!("{name}: {own}"));
        let call = merged(call.as_ref(), row_map.get("call"));
        // What the table expects is the default of what its cases do.
        let expect = merged(map.get("expect"), row_map.get("expect"));
        out.extend(case_of(reader, name, row_map.at, call, expect.as_deref()));
    }
}

fn one_case(reader: &mut Reader<'_>, name: String, map: Map<'_>, call: Option<Rc<Node>>) -> Option<Case> {
    let expect = map.get("expect").cloned();
    case_of(reader, name, map.at, call, expect.as_deref())
}

fn case_of(
    reader: &mut Reader<'_>,
    name: String,
    at: Pos,
    call: Option<Rc<Node>>,
    expect: Option<&Node>,
) -> Option<Case> {
    let Some(expect) = expect else {
        reader.error(at, "the test has no `expect`");
        return None;
    };
    let expect = expect::read(reader, expect);
    let call = call.map(|node| spec::read(reader, &node)).unwrap_or_default();
    Some(Case { name, path: reader.path.to_owned(), line: at.line, call, expect })
}

/// The mapping `over` on top of `base`, key by key; a tool's `arguments` are taken whole.
fn merged(base: Option<&Rc<Node>>, over: Option<&Rc<Node>>) -> Option<Rc<Node>> {
    match (base, over) {
        (Some(base), Some(over)) => Some(node::overlay(base, over, &["arguments"])),
        (Some(one), None) | (None, Some(one)) => Some(Rc::clone(one)),
        (None, None) => None,
    }
}

/// `{id, tool, arguments, context, expect: {decision, rule_id}}`.
fn veto_case(reader: &mut Reader<'_>, node: &Node) -> Option<Case> {
    let map = reader.map(node, "a test", VETO_CASE_KEYS)?;
    let name = map.get("id").or_else(|| map.get("name"));
    if name.is_none() {
        reader.error(map.at, "the test has no `id`");
    }
    let name = name.and_then(|name| any_text(reader, name, "`id`"));
    let mut call = CallSpec { arguments: spec::read_arguments(reader, map), ..CallSpec::default() };
    if let Some(tool) = reader.required(map, "tool", "the test") {
        call.tool = any_texts(reader, tool, "`tool`").unwrap_or_default();
    }
    if let Some(context) = map.get("context") {
        read_context(reader, context, &mut call);
    }
    let expect = reader.required(map, "expect", "the test")?;
    let expect = reader.map(expect, "`expect`", VETO_EXPECT_KEYS)?;
    let decision = reader.required(expect, "decision", "`expect`");
    let rule = expect.get("rule_id").filter(|node| describe(node) != "nothing");
    let expect = Expect {
        verdict: decision.and_then(|node| reader.choice(node, "decision", DECISIONS)),
        rule: rule.and_then(|node| any_text(reader, node, "`rule_id`")).map(Some),
        ..Expect::default()
    };
    Some(Case { name: name?, path: reader.path.to_owned(), line: map.at.line, call, expect })
}

fn read_context(reader: &mut Reader<'_>, node: &Node, call: &mut CallSpec) {
    let Some(map) = reader.map(node, "`context`", CONTEXT_KEYS) else { return };
    for (key, slot) in [
        ("minute_count", &mut call.counts.minute),
        ("hourly_count", &mut call.counts.hourly),
        ("daily_count", &mut call.counts.daily),
    ] {
        *slot = map.get(key).and_then(|node| count(reader, node, &format!("`{key}`"))).unwrap_or(0);
    }
    let mut text = |key: &str| any_text(reader, map.get(key)?, &format!("`{key}`"));
    call.agent.session = text("session_id");
    call.agent.id = text("agent_id");
    call.principal = text("principal").or_else(|| text("user_id"));
    call.tenant = text("tenant");
    call.source_ip = text("source_ip");
    call.roles = map.get("roles").and_then(|node| any_texts(reader, node, "`roles`"));
    call.time = map.get("time").and_then(|node| time(reader, node, "`time`"));
}
