//! Policy files to policies: parsed, named, validated.

use crate::evaluate::Policies;
use crate::finding::Finding;
use crate::hierarchy::Hierarchy;
use crate::schema::{self, TOOL_CALLS, UNKNOWN};
use crate::scope::Scope;
use crate::shape;
use cedar_policy::{
    EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator,
};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::str::FromStr;

/// Bytes of one file.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Policies of a bundle.
pub const MAX_POLICIES: usize = 2_000;
/// Findings that are kept.
const MAX_FINDINGS: usize = 200;
/// What annotations mean something.
const ANNOTATIONS: &[&str] = &["id", "shadow", "message", "severity", "name", "description"];

/// One file.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    /// Its path, for findings.
    pub path: &'s str,
    /// Its text.
    pub text: &'s str,
}

/// What a policy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// `permit`
    Permit,
    /// `forbid`
    Forbid,
}

/// What a policy says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyInfo {
    /// `@id`
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: Effect,
    /// `@shadow`
    pub shadow: bool,
    /// `@message`
    pub message: Option<String>,
    /// `@severity`, as written.
    pub severity: Option<String>,
    /// `@name`
    pub name: Option<String>,
    /// `@description`
    pub description: Option<String>,
    /// Its scope names `bedrock::Action::"Unknown"` in so many words.
    pub names_unknown: bool,
    /// It is about tool calls: it admits them and nothing else, or it forbids and admits them too. A permit of everything is
    /// not: what it permits would be let out anyway, unless tool calls are denied by default.
    pub concerns_tool_calls: bool,
    /// The principals that it names, in its scope or its conditions.
    pub principals: Vec<String>,
    /// File.
    pub path: String,
    /// Line of its first character, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// Compiles policy files; warnings are returned beside the policies.
///
/// # Errors
/// Everything that is wrong with them, sorted by file and place; at least one finding is an error.
pub fn compile(
    sources: &[Source<'_>],
    hierarchy: Hierarchy,
) -> Result<(Policies, Vec<Finding>), Vec<Finding>> {
    let mut loader = Loader::default();
    let schema = match schema::parse() {
        Ok(schema) => schema,
        Err(error) => {
            let path = sources.first().map_or("schema.cedarschema", |source| source.path);
            return Err(vec![Finding::at(
                path,
                "",
                0,
                true,
                format!("the gate's own schema does not parse: {error}"),
            )]);
        }
    };
    for source in sources {
        loader.read(*source);
    }
    loader.validate(&loader.narrowed(&schema).unwrap_or(schema.clone()));
    let mut findings: Vec<Finding> = loader.findings.into_iter().collect();
    findings.truncate(MAX_FINDINGS);
    if findings.iter().any(|finding| finding.error) {
        return Err(findings);
    }
    let policies = loader.policies.into_iter().map(|loaded| (loaded.policy, loaded.info)).collect();
    Ok((Policies::new(policies, &schema, hierarchy), findings))
}

struct Loaded<'s> {
    policy: Policy,
    info: PolicyInfo,
    source: Source<'s>,
    start: usize,
}

#[derive(Default)]
struct Loader<'s> {
    policies: Vec<Loaded<'s>>,
    ids: HashSet<String>,
    /// Sorted, and each once.
    findings: BTreeSet<Finding>,
}

impl<'s> Loader<'s> {
    fn error(&mut self, source: Source<'_>, at: usize, message: impl Into<String>) {
        self.findings.insert(Finding::at(source.path, source.text, at, true, message));
    }

    fn warning(&mut self, source: Source<'_>, at: usize, message: impl Into<String>) {
        self.findings.insert(Finding::at(source.path, source.text, at, false, message));
    }

    fn read(&mut self, source: Source<'s>) {
        if source.text.len() > MAX_FILE_BYTES {
            let message =
                format!("the file is {} bytes, the limit is {MAX_FILE_BYTES}; split it", source.text.len());
            return self.error(source, 0, message);
        }
        if let Err((at, message)) = shape::check(source.text) {
            return self.error(source, at, message);
        }
        let set = match PolicySet::from_str(source.text) {
            Ok(set) => set,
            Err(errors) => {
                let found = errors.iter().map(|error| Finding::of(source.path, source.text, 0, true, error));
                return self.findings.extend(found);
            }
        };
        for template in set.templates() {
            let at = template.as_ref().loc().map_or(0, |loc| loc.start());
            self.error(
                source,
                at,
                "templates have no meaning here; write `principal`, `==` and a name instead of a slot",
            );
        }
        let mut found: Vec<(usize, &Policy)> = set
            .policies()
            .map(|policy| (policy.as_ref().loc().map_or(0, |loc| loc.start()), policy))
            .collect();
        found.sort_by_key(|(start, _)| *start);
        for (start, policy) in found {
            self.read_policy(source, start, policy);
        }
    }

    fn read_policy(&mut self, source: Source<'s>, start: usize, policy: &Policy) {
        if self.policies.len() == MAX_POLICIES {
            return self.error(
                source,
                start,
                format!("the bundle has more than {MAX_POLICIES} Cedar policies"),
            );
        }
        let id = self.read_id(source, start, policy);
        let shadow = match policy.annotation("shadow") {
            None | Some("false") => false,
            Some("" | "true") => true,
            Some(other) => {
                self.error(
                    source,
                    start,
                    format!("`@shadow(\"{other}\")` is neither `@shadow` nor `@shadow(\"false\")`"),
                );
                true
            }
        };
        let mut unknown: Vec<&str> =
            policy.annotations().map(|(name, _)| name).filter(|name| !ANNOTATIONS.contains(name)).collect();
        unknown.sort_unstable();
        for name in unknown {
            let message = format!(
                "annotation `@{name}` has no meaning here; those that have one are `@{}`",
                ANNOTATIONS.join("`, `@")
            );
            self.warning(source, start, message);
        }
        let scope = Scope::of(policy);
        let effect = match policy.effect() {
            cedar_policy::Effect::Permit => Effect::Permit,
            cedar_policy::Effect::Forbid => Effect::Forbid,
        };
        self.check_literals(source, start, policy);
        if let (Effect::Forbid, Some(uid)) = (effect, scope.exact_resource())
            && uid.type_name().basename() != "Other"
        {
            let message = format!(
                "`resource == {uid}` fits the name only as the caller wrote it; write `resource in {uid}`, which fits every form of it"
            );
            self.warning(source, start, message);
        }
        let text = |name: &str| policy.annotation(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let tool_calls: Vec<_> = TOOL_CALLS.map(action).into_iter().flatten().collect();
        let place = Finding::at(source.path, source.text, start, false, "");
        let info = PolicyInfo {
            effect,
            shadow,
            message: text("message"),
            severity: text("severity"),
            name: text("name"),
            description: text("description"),
            principals: policy
                .entity_literals()
                .iter()
                .filter(|uid| uid.type_name().to_string() == "Principal")
                .map(|uid| uid.id().unescaped().to_owned())
                .collect(),
            concerns_tool_calls: scope.admits_only(&tool_calls)
                || (effect == Effect::Forbid && scope.may_admit(&tool_calls, &["Tool", "Group"])),
            names_unknown: action(UNKNOWN).is_some_and(|unknown| scope.names_action(&unknown)),
            path: place.path,
            line: place.line,
            column: place.column,
            id: id.unwrap_or_else(|| format!("at line {}", place.line)),
        };
        // Cedar's ids are for its own findings; they must differ even where `@id` is missing or taken.
        let policy = policy.new_id(PolicyId::new(self.policies.len().to_string()));
        self.policies.push(Loaded { policy, info, source, start });
    }

    fn read_id(&mut self, source: Source<'_>, start: usize, policy: &Policy) -> Option<String> {
        let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
            self.error(source, start, "the policy has no `@id(\"…\")`, by which records and callers know it");
            return None;
        };
        if id.len() > 120 || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c)) {
            let shown: String = id.chars().filter(|c| !c.is_control()).take(120).collect();
            self.error(
                source,
                start,
                format!("id `{shown}` may have only letters, digits and `-_.:/`, at most 120"),
            );
            return None;
        }
        if !self.ids.insert(id.to_owned()) {
            self.error(source, start, format!("id `{id}` is taken by another policy"));
            return None;
        }
        Some(id.to_owned())
    }

    /// Models are known in lower case: a name with an upper-case letter would never fit.
    fn check_literals(&mut self, source: Source<'_>, start: usize, policy: &Policy) {
        for uid in policy.entity_literals() {
            let id = uid.id().unescaped();
            if uid.type_name().to_string() == "Model" && id.to_ascii_lowercase() != id {
                self.error(
                    source,
                    start,
                    format!(
                        "`{uid}` never fits: models are in lower case, write `{}`",
                        id.to_ascii_lowercase()
                    ),
                );
            }
        }
    }

    /// What is left of the schema for these policies; `None` when they name actions that it does not have: it knows better which
    /// ones were meant.
    fn narrowed(&self, schema: &Schema) -> Option<Schema> {
        let literals = self.policies.iter().flat_map(|loaded| loaded.policy.entity_literals());
        let named: HashSet<EntityUid> =
            literals.filter(|uid| uid.type_name().basename() == "Action").collect();
        let known: HashSet<&EntityUid> = schema.actions().chain(schema.action_groups()).collect();
        if named.iter().any(|action| !known.contains(action)) {
            return None;
        }
        schema::parse_for(&named.iter().map(schema::iam_name).collect()).ok()
    }

    fn validate(&mut self, schema: &Schema) {
        let Ok(set) = PolicySet::from_policies(self.policies.iter().map(|loaded| loaded.policy.clone()))
        else {
            return;
        };
        let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        let mut found = Vec::new();
        for error in result.validation_errors() {
            found.extend(self.locate(error.policy_id(), true, error));
        }
        let broken: HashSet<usize> = found.iter().map(|(number, _)| *number).collect();
        let mut dead = HashSet::new();
        for warning in result.validation_warnings() {
            use cedar_policy::ValidationWarning as W;
            // What can never hold protects nothing, whoever believes that it does. Said once, and not of a policy with an
            // error: that it cannot hold either says nothing more.
            let never = matches!(warning, W::ImpossiblePolicy(_) | W::InvalidActionApplication(_));
            let Some((number, mut finding)) = self.locate(warning.policy_id(), never, warning) else {
                continue;
            };
            if never {
                if broken.contains(&number) || !dead.insert(number) {
                    continue;
                }
                finding.message = format!(
                    "policy `{}` can never hold: no call fits its scope and conditions",
                    self.id_of(number)
                );
            }
            found.push((number, finding));
        }
        // One mistake is found once for every action and entity type that the policy's scope leaves open.
        let mut by_place: HashMap<(usize, u32, u32), BTreeSet<Finding>> = HashMap::new();
        for (number, finding) in found {
            by_place.entry((number, finding.line, finding.column)).or_default().insert(finding);
        }
        for same in by_place.into_values() {
            let more = same.len() - 1;
            if let Some(mut first) = same.into_iter().next() {
                if more > 0 {
                    first.message.push_str(&format!(" (and {more} more like it here)"));
                }
                self.findings.insert(first);
            }
        }
    }

    fn id_of(&self, number: usize) -> &str {
        self.policies.get(number).map_or("", |loaded| &loaded.info.id)
    }

    fn locate(&self, id: &PolicyId, error: bool, found: &dyn miette::Diagnostic) -> Option<(usize, Finding)> {
        let number: usize = AsRef::<str>::as_ref(id).parse().ok()?;
        let Loaded { info, source, start, .. } = self.policies.get(number)?;
        let mut finding = Finding::of(source.path, source.text, *start, error, found);
        let own = format!("for policy `{number}`, ");
        let said = finding.message.replacen(&own, "", 1);
        // All actions have the same context: which of them was looked at says nothing.
        let said = match said.split_once(" in context for ") {
            Some((what, rest)) => {
                let rest = rest
                    .split_once(['"'])
                    .and_then(|(_, rest)| rest.split_once('"'))
                    .map_or(rest, |(_, rest)| rest);
                format!("{what} in the context{rest}")
            }
            None => said,
        };
        finding.message = format!("policy `{}`: {said}", info.id);
        Some((number, finding))
    }
}

/// An action's entity.
pub(crate) fn action((namespace, name): (&str, &str)) -> Option<EntityUid> {
    let kind = EntityTypeName::from_str(&format!("{namespace}::Action")).ok()?;
    Some(EntityUid::from_type_name_and_id(kind, EntityId::new(name)))
}

/// The findings of validation against the whole schema, and against what is left of it.
#[cfg(test)]
pub(crate) fn both_ways(text: &str) -> (Vec<Finding>, Vec<Finding>) {
    let schema = schema::parse().unwrap_or_else(|error| panic!("{error}"));
    let findings = |whole: bool| {
        let mut loader = Loader::default();
        loader.read(Source { path: "a.cedar", text });
        let narrowed = loader.narrowed(&schema).filter(|_| !whole);
        loader.validate(&narrowed.unwrap_or_else(|| schema.clone()));
        loader.findings.into_iter().collect()
    };
    (findings(true), findings(false))
}
