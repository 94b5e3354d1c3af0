//! `routes` of `bundle.yaml`.

use super::files::MANIFEST;
use super::limits::Limits;
use super::manifest::DEFAULTS;
use super::operator::read_globs;
use super::rules::Rules;
use crate::check::Check;
use crate::glob::Glob;
use crate::limits::{MAX_NAME_CHARS, MAX_ROUTES};
use crate::names::Selector;
use crate::predicate::{Predicate, Test};
use crate::routes::{Guardrail, Route};
use crate::source::node::Node;
use crate::source::read::{Located, Map, Reader, closest};
use crate::source::report::Report;

pub(crate) const KEYS: &[&str] = &[
    "id",
    "description",
    "principals",
    "hosts",
    "tenants",
    "models",
    "operations",
    "default",
    "guardrail",
    "max_tokens",
    "limits",
];
pub(crate) const GUARDRAIL_KEYS: &[&str] = &["id", "version"];

/// Reads the routes, and the limits in them.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    rules: &mut Rules,
    limits: &mut Limits,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for node in reader.list(node, "`routes`").unwrap_or_default() {
        let Some(route) = read_route(reader, node, rules, limits) else { continue };
        if let Some(other) = routes.iter().find(|other| other.id.eq_ignore_ascii_case(&route.id)) {
            let message = format!("id `{}` is taken by the route in line {}", route.id, other.at.line);
            reader.error(route.at, message);
            continue;
        }
        if routes.len() >= MAX_ROUTES {
            reader.error(route.at, format!("the bundle has more than {MAX_ROUTES} routes"));
            break;
        }
        if let Some(other) = routes.iter().find(|other| other.covers(&route)) {
            let message = format!(
                "route `{}` is never reached: whatever fits it is on `{}` already (line {})",
                route.id, other.id, other.at.line
            );
            reader.report.warning(MANIFEST, route.at, message);
        }
        routes.push(route);
    }
    routes
}

fn read_route(reader: &mut Reader<'_>, node: &Node, rules: &mut Rules, limits: &mut Limits) -> Option<Route> {
    let map = reader.map(node, "a route", KEYS)?;
    let id = read_id(reader, map, "the route");
    if let Some(node) = map.get("description") {
        reader.text(node, "`description`", MAX_NAME_CHARS);
    }
    let mut globs = |key: &str, fold| {
        let texts = reader.texts(map.get(key)?, &format!("`{key}`"))?;
        read_globs(reader, &texts, fold)
    };
    let (principals, hosts, tenants) =
        (globs("principals", false), globs("hosts", true), globs("tenants", false));
    let mut selector = |selector| {
        let predicate = rules.read_selector(reader, map, selector, &mut false)?;
        match predicate {
            Predicate::Test(Test { check: Check::Globs { globs, .. }, .. }) => Some(globs),
            _ => None,
        }
    };
    let (models, operations): (Option<Vec<Glob>>, _) =
        (selector(Selector::Models), selector(Selector::Operations));
    let default = map.get("default").and_then(|node| reader.choice(node, "default", DEFAULTS));
    let guardrail = map.get("guardrail").and_then(|node| read_guardrail(reader, node));
    let max_tokens = map.get("max_tokens").and_then(|node| {
        let max = reader.integer(node, "`max_tokens`")?;
        if max < 1 {
            reader.error(node.at, format!("`max_tokens` must be at least 1, but this is {max}"));
        }
        u64::try_from(max).ok()
    });
    let id = id?;
    if let Some(node) = map.get("limits") {
        limits.read(reader, node, rules, Some(&id.text));
    }
    Some(Route {
        id: id.text,
        at: id.at,
        principals,
        hosts,
        tenants,
        models,
        operations,
        default,
        guardrail,
        max_tokens,
    })
}

/// The id of a route or a limit.
pub(crate) fn read_id(reader: &mut Reader<'_>, map: Map<'_>, what: &str) -> Option<Located> {
    let id = reader.required(map, "id", what)?;
    let id = reader.text(id, "`id`", 128)?;
    if id.text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c)) {
        return Some(id);
    }
    reader.error(id.at, format!("id `{}` may have only letters, digits and `-_.:/`", id.text));
    None
}

fn read_guardrail(reader: &mut Reader<'_>, node: &Node) -> Option<Guardrail> {
    let map = reader.map(node, "`guardrail`", GUARDRAIL_KEYS)?;
    let id = reader.required(map, "id", "`guardrail`")?;
    let id = reader.text(id, "`id`", MAX_NAME_CHARS);
    let version = map.get("version").and_then(|node| reader.text(node, "`version`", 64));
    Some(Guardrail { id: id?.text, version: version.map(|version| version.text) })
}

/// A selector that names no route of the bundle selects nothing.
pub(crate) fn check_selectors(rules: &Rules, routes: &[Route], report: &mut Report) {
    for (path, written) in &rules.language.routes {
        let Ok(glob) = Glob::parse(&written.text.to_ascii_lowercase()) else { continue };
        if !routes.iter().any(|route| glob.matches(&route.id.to_ascii_lowercase())) {
            let hint = closest(&written.text, routes.iter().map(|route| route.id.as_str()));
            let hint = hint.map_or_else(String::new, |hint| format!(", did you mean `{hint}`?"));
            report.error(
                path,
                written.at,
                format!("`{}` matches no route of {MANIFEST}{hint}", written.text),
            );
        }
    }
}
