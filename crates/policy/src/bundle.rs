//! The compiled bundle.

use crate::approval::ApprovalDefaults;
use crate::cedar::Cedar;
use crate::charge::{Estimate, LIMIT_PREFIX, Limit};
use crate::decision::Effect;
use crate::diagnostic::{Diagnostic, LoadError};
use crate::directory::Directory;
use crate::field::Field;
use crate::identity::{Claim, Principal};
use crate::index::Index;
use crate::limit::LimitSpec;
use crate::load::cedar::{CedarFiles, ENTITIES, SCHEMA};
use crate::load::doubt;
use crate::load::files::{self, MANIFEST, Role};
use crate::load::manifest;
use crate::load::routes;
use crate::load::rules::Rules;
use crate::predicate::Predicate;
use crate::price::PriceTable;
use crate::routes::Route;
use crate::rule::{Rule, RuleInfo};
use crate::source::node;
use crate::source::read::closest;
use crate::source::report::Report;
use crate::text::Scanner;
use crate::view::NotAtHand;
use crate::{Call, Response};
use std::sync::Arc;

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
    pub(crate) name: String,
    version: String,
    digest: String,
    pub(crate) default: Effect,
    /// What becomes of a tool call when nothing else decides.
    pub(crate) tool_default: Effect,
    pub(crate) shadow: bool,
    directory: Directory,
    pub(crate) approvals: ApprovalDefaults,
    pub(crate) routes: Vec<Route>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) limit_specs: Vec<Arc<LimitSpec>>,
    pub(crate) prices: Option<PriceTable>,
    pub(crate) estimate: Estimate,
    pub(crate) rules: Vec<Rule>,
    pub(crate) index: Index,
    pub(crate) cedar: Option<Cedar>,
    /// Everything that is looked for in the text of requests.
    pub(crate) scanner: Scanner,
    inspects: Inspects,
    wants_text: bool,
    wants_counts: bool,
    wants_tool_names: bool,
    wants_history: Option<u64>,
    warnings: Vec<Diagnostic>,
}

/// What of the answers to calls some part of a bundle is about, in shadow mode too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inspects {
    /// Tool calls that they propose.
    pub tool_calls: bool,
    /// Their text.
    pub text: bool,
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
    let mut cedar = CedarFiles::default();
    for file in sorted {
        let role = files::role(&file.path, &mut report);
        match role {
            Role::Cedar if file.path == ENTITIES => cedar.entities = Some(file),
            Role::Cedar if file.path == SCHEMA => cedar.schema = Some(file),
            Role::Cedar => cedar.policies.push(file),
            Role::Manifest | Role::Rules | Role::Other => {}
        }
        if matches!(role, Role::Cedar | Role::Other) {
            continue;
        }
        let Some(root) = node::parse(&file.path, &file.bytes, &mut report) else { continue };
        match role {
            Role::Manifest => manifest = manifest::read(&root, &mut rules, &mut report),
            Role::Rules => rules.add_file(&file.path, root),
            Role::Cedar | Role::Other => {}
        }
    }
    rules.read_files(&mut report);
    if let Some(manifest) = &manifest {
        routes::check_selectors(&rules, &manifest.routes, &mut report);
        manifest.limits.check_prices(&rules, manifest.prices.as_ref(), &mut report);
    }
    let directory = manifest.as_ref().map(|manifest| &manifest.directory);
    let cedar = cedar.read(directory, |id| rules.place_of(id), &mut report);
    match manifest {
        Some(manifest) if !report.has_errors() => Ok(assemble(files, manifest, rules, cedar, report)),
        _ => Err(LoadError { diagnostics: report.into_diagnostics() }),
    }
}

fn assemble(
    files: &[SourceFile],
    manifest: manifest::Manifest,
    rules: Rules,
    cedar: Option<Cedar>,
    mut report: Report,
) -> Bundle {
    warn_of_principals(&rules, &manifest.directory, &mut report);
    let scanner = rules.language.patterns.finish();
    let rules = rules.rules;
    let conditions = || {
        let of_limits = manifest.limits.limits.iter().flat_map(|limit| &limit.conditions);
        rules.iter().flat_map(|rule| &rule.conditions).chain(of_limits)
    };
    let wants_text = conditions().any(Predicate::needs_text);
    let wants_counts = cedar.as_ref().is_some_and(Cedar::reads_counts)
        || conditions().any(|one| one.any_field(&Field::is_count));
    let of_names = |field: &Field| matches!(field.name, "tool_result.names" | "tool_result.unnamed");
    let wants_tool_names = conditions().any(|one| one.any_field(&of_names));
    let inspects = Inspects {
        tool_calls: manifest.tool_default == Effect::Deny
            || rules.iter().any(|rule| rule.about.tools)
            || conditions().any(|one| one.selects_tools() || one.looks_for_tools())
            // Of which tool a result is is known for sure only where its tool call was asked about.
            || wants_tool_names
            || cedar.as_ref().is_some_and(Cedar::concerns_tools),
        text: rules.iter().any(|rule| rule.about.answers),
    };
    let wants_history = conditions().filter_map(Predicate::looks_back).max();
    warn_of_cut_text(&rules, &mut report);
    doubt::warn(&rules, &mut report);
    Bundle {
        digest: files::digest(files),
        name: manifest.name,
        version: manifest.version,
        default: manifest.default,
        tool_default: manifest.tool_default,
        shadow: manifest.shadow,
        directory: manifest.directory,
        approvals: manifest.approvals,
        routes: manifest.routes,
        limit_specs: manifest.limits.limits.iter().map(|limit| Arc::clone(&limit.spec)).collect(),
        limits: manifest.limits.limits,
        prices: manifest.prices,
        estimate: manifest.estimate,
        index: Index::new(&rules),
        cedar,
        scanner,
        inspects,
        wants_text,
        wants_counts,
        wants_tool_names,
        wants_history,
        rules,
        warnings: report.into_diagnostics(),
    }
}

/// A name that is almost one of the directory's is most likely a typo; others may be virtual keys.
fn warn_of_principals(rules: &Rules, directory: &Directory, report: &mut Report) {
    for (path, written) in &rules.language.principals {
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

    /// Number of enabled rules, Cedar policies included.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len() + self.cedar.as_ref().map_or(0, |cedar| cedar.rules().len())
    }

    /// The enabled rules, in load order: files by path, then as written; Cedar policies last, as `cedar/<@id>`.
    pub fn rules(&self) -> impl Iterator<Item = RuleInfo<'_>> {
        self.rules.iter().chain(self.cedar.iter().flat_map(Cedar::rules)).map(Rule::info)
    }

    /// What of an answer must be asked about before it goes on.
    #[must_use]
    pub fn inspects(&self) -> Inspects {
        self.inspects
    }

    /// The same for one call: its text only where some rule can hold for it, whatever it will be.
    #[must_use]
    pub fn inspects_for(&self, call: &Call) -> Inspects {
        if !self.inspects.text {
            return self.inspects;
        }
        let judged = Call { response: Some(Response::default()), ..call.clone() };
        // What was counted and seen may be more by then.
        let not_at_hand = NotAtHand { response: true, counts: true, history: true, ..NotAtHand::default() };
        let decision = self.decide_without(&judged, not_at_hand);
        Inspects { text: decision.needs_text || !decision.matched.is_empty(), ..self.inspects }
    }

    /// Some rule reads the text of requests.
    #[must_use]
    pub fn wants_text(&self) -> bool {
        self.wants_text
    }

    /// Some rule reads [`crate::Call::counts`].
    #[must_use]
    pub fn wants_counts(&self) -> bool {
        self.wants_counts
    }

    /// Some rule reads of which tools the results are that are sent back: [`crate::ToolResult::proposed`].
    #[must_use]
    pub fn wants_tool_names(&self) -> bool {
        self.wants_tool_names
    }

    /// The longest time, in milliseconds, that a sequence rule looks back in [`crate::Call::history`]; `None` when there
    /// is no such rule.
    #[must_use]
    pub fn wants_history(&self) -> Option<u64> {
        self.wants_history
    }

    /// Everything is let out: the bundle is in shadow mode.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }

    /// What approvals are like where a rule does not say.
    #[must_use]
    pub fn approval_defaults(&self) -> &ApprovalDefaults {
        &self.approvals
    }

    /// What an approval is like that this rule, Cedar policy (`cedar/<@id>`) or limit (`limit/<id>`) asks for; `None` when
    /// none of that id asks for one.
    #[must_use]
    pub fn approval_of(&self, id: &str) -> Option<ApprovalDefaults> {
        if let Some(id) = id.strip_prefix(LIMIT_PREFIX) {
            let asks = |limit: &LimitSpec| limit.id == id && limit.action == Effect::RequireApproval;
            return self.limits().iter().any(|limit| asks(limit)).then(|| self.approvals.clone());
        }
        let mut rules = self.rules.iter().chain(self.cedar.iter().flat_map(Cedar::rules));
        let rule = rules.find(|rule| rule.id == id && rule.effect == Effect::RequireApproval)?;
        Some(rule.approval.as_deref().cloned().unwrap_or_default().over(&self.approvals))
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
}
