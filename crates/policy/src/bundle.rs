//! The compiled bundle.

use crate::decision::{Decision, Effect, MatchedRule};
use crate::diagnostic::{Diagnostic, LoadError};
use crate::directory::Directory;
use crate::identity::{Claim, Principal};
use crate::index::Index;
use crate::load::files::{self, MANIFEST, Role};
use crate::load::manifest;
use crate::load::rules::Rules;
use crate::predicate::{Predicate, Truth, View, all};
use crate::rule::{Rule, RuleInfo};
use crate::source::node;
use crate::source::read::closest;
use crate::source::report::Report;
use crate::{Call, UNKNOWN_OPERATION};

/// The built-in rule that denies calls to hosts and paths that the gate does not know.
pub const UNKNOWN_OPERATION_RULE: &str = "portcullis/unknown-operation";

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the bundle, `/`-separated.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A compiled bundle: immutable, shared between threads, decides in microseconds.
#[derive(Debug)]
pub struct Bundle {
    name: String,
    version: String,
    digest: String,
    default: Effect,
    directory: Directory,
    rules: Vec<Rule>,
    index: Index,
    wants_text: bool,
    warnings: Vec<Diagnostic>,
}

/// Compiles a bundle's files. The order of `files` does not matter.
///
/// # Errors
/// Everything that is wrong with them, each with file, line and column, see [`LoadError`].
pub fn compile(files: &[SourceFile]) -> Result<Bundle, LoadError> {
    let mut report = Report::default();
    files::check(files, &mut report);
    if report.has_errors() {
        return Err(LoadError { diagnostics: report.into_diagnostics() });
    }
    let mut sorted: Vec<&SourceFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut manifest = None;
    let mut rules = Rules::default();
    for file in sorted {
        let role = files::role(&file.path, &mut report);
        if role == Role::Other {
            continue;
        }
        let Some(root) = node::parse(&file.path, &file.bytes, &mut report) else { continue };
        match role {
            Role::Manifest => manifest = manifest::read(&root, &mut report),
            Role::Rules => rules.read_file(&file.path, &root, &mut report),
            Role::Other => {}
        }
    }
    match manifest {
        Some(manifest) if !report.has_errors() => Ok(assemble(files, manifest, rules, report)),
        _ => Err(LoadError { diagnostics: report.into_diagnostics() }),
    }
}

fn assemble(files: &[SourceFile], manifest: manifest::Manifest, rules: Rules, mut report: Report) -> Bundle {
    warn_of_principals(&rules, &manifest.directory, &mut report);
    let rules = rules.rules;
    let reads_text = |rule: &Rule| rule.conditions.iter().any(Predicate::needs_text);
    warn_of_cut_text(&rules, &mut report);
    Bundle {
        digest: files::digest(files),
        name: manifest.name,
        version: manifest.version,
        default: manifest.default,
        directory: manifest.directory,
        index: Index::new(&rules),
        wants_text: rules.iter().any(reads_text),
        rules,
        warnings: report.into_diagnostics(),
    }
}

/// A name that is almost one of the directory's is most likely a typo; others may be virtual keys.
fn warn_of_principals(rules: &Rules, directory: &Directory, report: &mut Report) {
    for (path, written) in &rules.principals {
        if !directory.names().any(|name| name == written.text)
            && let Some(name) = closest(&written.text, directory.names())
        {
            let message = format!(
                "principal `{}` is not in the directory of {MANIFEST}, did you mean `{name}`?",
                written.text
            );
            report.warning(path, written.at, message);
        }
    }
}

/// A rule that looks for something in the text sees the text up to the gate's cap only: what stands behind passes.
fn warn_of_cut_text(rules: &[Rule], report: &mut Report) {
    let reads = |rule: &Rule, name: &str| rule.conditions.iter().any(|condition| condition.reads(name));
    if rules.iter().any(|rule| reads(rule, "request.text_truncated")) {
        return;
    }
    if let Some(rule) = rules.iter().find(|rule| rule.effect == Effect::Deny && reads(rule, "request.text")) {
        let message = "rules see text up to the gate's cap only, and no rule refuses text that was cut; add one on \
                       `request.text_truncated`";
        report.warning(&rule.source.path, rule.source.at, message);
    }
}

impl Bundle {
    /// Name, by `bundle.yaml`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version, by `bundle.yaml`: its owner's word.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Hex SHA-256 over the sorted files, see [`crate::digest`].
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Number of enabled rules.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// The enabled rules, in load order: files by path, then as written.
    pub fn rules(&self) -> impl Iterator<Item = RuleInfo<'_>> {
        self.rules.iter().map(Rule::info)
    }

    /// Some rule reads the text of requests.
    #[must_use]
    pub fn wants_text(&self) -> bool {
        self.wants_text
    }

    /// What loads but deserves a look.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Looks a claim up in the bundle's directory.
    #[must_use]
    pub fn identify(&self, claim: &Claim<'_>) -> Principal {
        self.directory.identify(claim)
    }

    /// Decides a call. The strictest rule that holds wins, the bundle's default where none does; shadowed and `log`
    /// rules are noted and decide nothing. Check [`Decision::needs_text`] before using the result.
    #[must_use]
    pub fn decide(&self, call: &Call) -> Decision {
        let view = View::of(call);
        let mut tally = Tally::default();
        for (number, rest) in self.index.candidates(&view) {
            if let Some(rule) = self.rules.get(number) {
                let rest = rest.iter().filter_map(|place| rule.conditions.get(*place));
                tally.count(rule, all(rest, &view));
            }
        }
        self.conclude(call, tally)
    }

    /// The same without the index: what the index must agree with.
    #[cfg(test)]
    pub(crate) fn decide_naively(&self, call: &Call) -> Decision {
        let view = View::of(call);
        let mut tally = Tally::default();
        for rule in &self.rules {
            tally.count(rule, all(rule.conditions.iter(), &view));
        }
        self.conclude(call, tally)
    }

    fn conclude(&self, call: &Call, tally: Tally<'_>) -> Decision {
        let unknown = call.operation.is_empty() || call.operation == UNKNOWN_OPERATION;
        let enforced = self.verdict(unknown, tally.matched.iter().filter(|rule| !rule.shadow).copied());
        let shadowed = self.verdict(unknown, tally.matched.iter().copied());
        let message = match (enforced.effect, enforced.rule) {
            (Effect::Deny, Deciding::Rule(rule)) => match &rule.message {
                Some(message) => format!("portcullis: rule `{}`: {message}", rule.id),
                None => format!("portcullis: rule `{}` blocks this call", rule.id),
            },
            (Effect::Deny, Deciding::UnknownOperation) => format!(
                "portcullis: rule `{UNKNOWN_OPERATION_RULE}`: the gate does not know this host or path of Bedrock"
            ),
            (Effect::Deny, Deciding::Default) => {
                format!("portcullis: no rule of bundle `{}` allows this call", self.name)
            }
            _ => String::new(),
        };
        Decision {
            effect: enforced.effect,
            rule: match enforced.rule {
                Deciding::Rule(rule) => Some(rule.id.clone()),
                Deciding::UnknownOperation => Some(UNKNOWN_OPERATION_RULE.to_owned()),
                Deciding::Default => None,
            },
            message,
            matched: tally.matched.iter().map(|rule| rule.matched()).collect(),
            shadow_effect: Some(shadowed.effect).filter(|effect| *effect != enforced.effect),
            needs_text: tally.needs_text,
        }
    }

    fn verdict<'b>(&self, unknown: bool, rules: impl Iterator<Item = &'b Rule>) -> Verdict<'b> {
        let mut best: Option<&Rule> = None;
        for rule in rules {
            // Only a rule that says `Unknown` may let out what the gate cannot read.
            let counts = match rule.effect {
                Effect::Log => false,
                Effect::Allow => !unknown || rule.names_unknown,
                Effect::Deny => true,
            };
            if counts && best.is_none_or(|best| rule.effect > best.effect) {
                best = Some(rule);
            }
        }
        match best {
            Some(rule) => Verdict { effect: rule.effect, rule: Deciding::Rule(rule) },
            None if unknown => Verdict { effect: Effect::Deny, rule: Deciding::UnknownOperation },
            None => Verdict { effect: self.default, rule: Deciding::Default },
        }
    }
}

/// The rules that hold so far.
#[derive(Default)]
struct Tally<'b> {
    matched: Vec<&'b Rule>,
    needs_text: bool,
}

impl<'b> Tally<'b> {
    fn count(&mut self, rule: &'b Rule, truth: Truth) {
        match truth {
            Truth::True => self.matched.push(rule),
            Truth::NeedsText => self.needs_text = true,
            Truth::False => {}
        }
    }
}

struct Verdict<'b> {
    effect: Effect,
    rule: Deciding<'b>,
}

#[derive(Clone, Copy)]
enum Deciding<'b> {
    Rule(&'b Rule),
    UnknownOperation,
    Default,
}

impl Rule {
    fn matched(&self) -> MatchedRule {
        MatchedRule { id: self.id.clone(), effect: self.effect, shadow: self.shadow }
    }
}
