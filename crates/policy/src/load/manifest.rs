//! `bundle.yaml`: name, version, default verdict, directory of principals; routes, limits and prices are read beside.

use super::limits::Limits;
use super::rules::{MODES, Rules};
use super::{approvals, prices, routes};
use crate::approval::ApprovalDefaults;
use crate::charge::Estimate;
use crate::decision::Effect;
use crate::directory::{Directory, Entry, Key};
use crate::limits::MAX_NAME_CHARS;
use crate::price::PriceTable;
use crate::routes::Route;
use crate::source::node::Node;
use crate::source::read::{Located, Map, Reader};
use crate::source::report::Report;

use super::files::MANIFEST;
use std::rc::Rc;

pub(crate) const KEYS: &[&str] = &[
    "version",
    "name",
    "description",
    "default",
    "tool_default",
    "mode",
    "principals",
    "approvals",
    "routes",
    "limits",
    "prices",
    "estimate",
];
pub(crate) const PRINCIPAL_KEYS: &[&str] =
    &["name", "description", "access_keys", "accounts", "api_key_sha256", "tenant", "roles"];
pub(crate) const DEFAULTS: &[(&str, Effect)] = &[("allow", Effect::Allow), ("deny", Effect::Deny)];
/// Names that the gate derives itself; a directory must not be able to take one.
const DERIVED: &[&str] = &["aws:", "api-key:"];

/// What `bundle.yaml` says.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) default: Effect,
    /// What becomes of a tool call that no rule decides.
    pub(crate) tool_default: Effect,
    /// Everything is let out; records say what would have happened.
    pub(crate) shadow: bool,
    pub(crate) directory: Directory,
    pub(crate) approvals: ApprovalDefaults,
    pub(crate) routes: Vec<Route>,
    pub(crate) limits: Limits,
    pub(crate) prices: Option<PriceTable>,
    pub(crate) estimate: Estimate,
}

/// Reads it; `None` when it is no good, and the report then has an error.
/// Selectors and conditions are read by `rules`.
pub(crate) fn read(root: &Node, rules: &mut Rules, report: &mut Report) -> Option<Manifest> {
    let mut reader = Reader { path: MANIFEST, report };
    let map = reader.map(root, "`bundle.yaml`", KEYS)?;
    let name = required_text(&mut reader, map, "name", 128);
    let version = required_text(&mut reader, map, "version", 64);
    let default = reader.required(map, "default", "the bundle");
    let default = default.and_then(|default| reader.choice(default, "default", DEFAULTS));
    let tool_default = map.get("tool_default").map(|node| reader.choice(node, "tool_default", DEFAULTS));
    if let Some(node) = map.get("description") {
        reader.text(node, "`description`", MAX_NAME_CHARS);
    }
    let mut directory = Directory::default();
    if let Some(node) = map.get("principals") {
        for node in reader.list(node, "`principals`")? {
            read_principal(&mut reader, node, &mut directory);
        }
    }
    let shadow = map.get("mode").and_then(|node| reader.choice(node, "mode", MODES)).unwrap_or(false);
    let approvals = map.get("approvals").and_then(|node| approvals::read(&mut reader, node, "`approvals`"));
    let prices_node = map.get("prices");
    let prices = prices_node.and_then(|node| prices::read(&mut reader, node));
    let estimate = prices::read_estimate(&mut reader, map, prices_node.map(Rc::as_ref));
    let mut limits = Limits::default();
    if let Some(node) = map.get("limits") {
        limits.read(&mut reader, node, rules, None);
    }
    let routes = map.get("routes").map(|node| routes::read(&mut reader, node, rules, &mut limits));
    if shadow {
        limits.shadow();
    }
    Some(Manifest {
        name: name?.text,
        version: version?.text,
        default: default?,
        tool_default: tool_default.unwrap_or(Some(Effect::Allow))?,
        shadow,
        directory,
        approvals: approvals.unwrap_or_default().over(&ApprovalDefaults::default()),
        routes: routes.unwrap_or_default(),
        limits,
        prices,
        estimate,
    })
}

fn required_text(reader: &mut Reader<'_>, map: Map<'_>, key: &str, max_chars: usize) -> Option<Located> {
    let node = reader.required(map, key, "the bundle")?;
    reader.text(node, &format!("`{key}`"), max_chars)
}

fn read_principal(reader: &mut Reader<'_>, node: &Node, directory: &mut Directory) -> Option<()> {
    let map = reader.map(node, "a principal", PRINCIPAL_KEYS)?;
    let name = reader.required(map, "name", "the principal")?;
    let name = reader.text(name, "`name`", 128)?;
    if DERIVED.iter().any(|prefix| name.text.starts_with(prefix)) || name.text == "anonymous" {
        let message = format!(
            "`{}` is a name that the gate gives to callers it does not know; choose another",
            name.text
        );
        reader.error(name.at, message);
        return None;
    }
    if let Some(node) = map.get("description") {
        reader.text(node, "`description`", MAX_NAME_CHARS);
    }
    let tenant = map.get("tenant").and_then(|node| reader.text(node, "`tenant`", 128));
    let roles = map.get("roles").and_then(|node| reader.texts(node, "`roles`")).unwrap_or_default();
    let entry = Entry {
        name: name.text.clone(),
        tenant: tenant.map(|tenant| tenant.text),
        roles: roles.into_iter().map(|role| role.text).collect(),
    };
    let Some(number) = directory.add(entry) else {
        reader.error(name.at, format!("principal `{}` is listed twice; merge the entries", name.text));
        return None;
    };
    let keys: [(&str, Make, Shape); 3] = [
        ("access_keys", Key::AccessKeyId, ("16 to 128 letters and digits, such as AKIA…", is_access_key)),
        ("accounts", Key::Account, ("12 digits", is_account)),
        ("api_key_sha256", Key::SecretSha256, ("64 lower-case hex digits", is_sha256)),
    ];
    for (key, make, shape) in keys {
        let Some(node) = map.get(key) else { continue };
        for text in reader.texts(node, &format!("`{key}`")).unwrap_or_default() {
            read_key(reader, directory, number, &text, make, shape);
        }
    }
    Some(())
}

/// Makes a key of its text.
type Make = fn(String) -> Key;
/// What it looks like, for people and as a check.
type Shape = (&'static str, fn(&str) -> bool);

fn read_key(
    reader: &mut Reader<'_>,
    directory: &mut Directory,
    number: usize,
    text: &Located,
    make: Make,
    (shape, fits): Shape,
) {
    if !fits(&text.text) {
        // Not echoed: what was pasted here by mistake may be the secret itself.
        reader.error(text.at, format!("this is not {shape}"));
    } else if let Some(owner) = directory.bind(make(text.text.clone()), number) {
        reader.error(text.at, format!("this already belongs to principal `{owner}`"));
    }
}

fn is_access_key(text: &str) -> bool {
    (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
