//! `portcullis policy test`.

use super::super::output::{Format, counted, printable, printable_json};
use super::snippet::{self, Paint};
use super::{Ending, junit, source, tree};
use crate::app::{ExplanationView, RuleView};
use anyhow::Context;
use portcullis_policy::testcase::{Case, CaseResult, Coverage, TestReport, read_cases, run as run_cases};
use portcullis_policy::{Bundle, LoadError};
use serde_json::{Value, json};
use std::io::{self, Write, stdout};
use std::path::PathBuf;
use std::time::Instant;

/// What the long help ends with.
pub(super) const HELP: &str = "\
Examples:
  portcullis policy test bundles/finance
  portcullis policy test bundles/finance --filter transfer      cases whose name or file has `transfer` in it
  portcullis policy test bundles/finance --coverage 90          fail when less than 90 % of the rules are reached
  portcullis policy test bundles/finance --junit target/policy.xml

Exit codes:
  0  every case passes
  1  some case fails, the coverage is too low, or the bundle or its tests do not load
  2  something cannot be read or written, no case is there, or the command line is wrong";

/// Arguments of `policy test`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle: a directory, or a .tar.gz of one
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Only cases whose name or file contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Show every rule, route and limit with the number of cases that reach it; with a number: fail when fewer percent
    /// are reached
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, default_missing_value = "0", value_parser = clap::value_parser!(u8).range(0..=100))]
    coverage: Option<u8>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Ending> {
    let Some((bundle, files)) = source::loaded(&args.bundle)? else { return Ok(Ending::Findings) };
    let cases = match read_cases(&files) {
        Ok(files) => files.into_iter().flat_map(|file| file.cases).collect::<Vec<_>>(),
        Err(LoadError { diagnostics }) => {
            snippet::print(&mut stdout().lock(), Paint::stdout(), &diagnostics, &files)?;
            eprintln!("the tests of `{}` do not load", args.bundle.display());
            return Ok(Ending::Findings);
        }
    };
    let wanted = |case: &&Case| {
        args.filter
            .as_ref()
            .is_none_or(|text| case.name.contains(text.as_str()) || case.path.contains(text.as_str()))
    };
    let cases: Vec<&Case> = cases.iter().filter(wanted).collect();
    if cases.is_empty() {
        let why =
            if args.filter.is_some() { "no case fits --filter" } else { "write cases in `tests/*.yaml`" };
        anyhow::bail!("`{}` has no test to run: {why}", args.bundle.display());
    }
    let started = Instant::now();
    let report = run_cases(&bundle, cases);
    let elapsed = started.elapsed();
    if let Some(path) = &args.junit {
        let xml = junit::write(bundle.name(), &report, elapsed, |result| explanations(&bundle, result));
        std::fs::write(path, xml).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let mut out = stdout().lock();
    match args.output {
        Format::Json => {
            let json = json_of(&bundle, &report);
            writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&json)?))?;
        }
        Format::Table => print(&mut out, Paint::stdout(), args, &bundle, &report)?,
    }
    out.flush()?;
    let enough = args.coverage.is_none_or(|percent| percent_of(&report) >= usize::from(percent));
    if !enough {
        eprintln!(
            "the cases reach {} % of rules, routes and limits; --coverage asks for more",
            percent_of(&report)
        );
    }
    Ok(if report.failed() == 0 && enough { Ending::Well } else { Ending::Findings })
}

fn percent_of(report: &TestReport<'_>) -> usize {
    // Rounded down: 100 is reached by nothing less than all.
    (report.covered() * 100).checked_div(report.coverage.len()).unwrap_or(100)
}

/// The rules that say why a case fails: the one that decided and the one that should have, each once; of a call with
/// several models, of the model for which it holds.
fn explanations(bundle: &Bundle, result: &CaseResult<'_>) -> Vec<RuleView> {
    let wanted = [result.decision.rule.clone(), result.case.expect.rule.clone().flatten()];
    let mut wanted: Vec<String> = wanted.into_iter().flatten().collect();
    for id in result.case.expect.matched.iter().flatten() {
        if result.decision.matched.iter().all(|rule| rule.id != *id) {
            wanted.push(id.clone());
        }
    }
    let view = ExplanationView::of(bundle, &result.call);
    let mut rules: Vec<RuleView> = Vec::new();
    for id in wanted {
        let mut found = view.parts.iter().flat_map(|part| &part.rules).filter(|rule| rule.id == id);
        let first = found.next();
        let best = found.find(|rule| rule.holds == "yes").or(first);
        rules.extend(best.filter(|rule| rules.iter().all(|other| other.id != rule.id)).cloned());
    }
    rules
}

fn print(
    out: &mut impl Write,
    paint: Paint,
    args: &Args,
    bundle: &Bundle,
    report: &TestReport<'_>,
) -> io::Result<()> {
    let mut path = "";
    for result in &report.results {
        if result.case.path != path {
            path = &result.case.path;
            writeln!(out, "{}", paint.bold(&printable(path)))?;
        }
        print_case(out, paint, bundle, result)?;
    }
    let missed: Vec<&Coverage> = report.coverage.iter().filter(|one| one.cases == 0).collect();
    writeln!(out)?;
    if args.coverage.is_some() {
        for one in &report.coverage {
            let count = if one.cases == 0 { paint.yellow("never") } else { counted(one.cases, "case") };
            writeln!(out, "  {count:>9}  {}", reached(one))?;
        }
        writeln!(out)?;
    } else if !missed.is_empty() && args.filter.is_none() {
        writeln!(out, "reached by no case:")?;
        for one in &missed {
            writeln!(out, "  {}", reached(one))?;
        }
        writeln!(out)?;
    }
    let failed = match report.failed() {
        0 => paint.green("all pass"),
        1 => paint.red("1 fails"),
        more => paint.red(&format!("{more} fail")),
    };
    let coverage = match report.coverage.len() {
        0 => String::new(),
        all => format!(
            "; {} % of rules, routes and limits reached ({} of {all})",
            percent_of(report),
            report.covered()
        ),
    };
    writeln!(out, "{}: {failed}{coverage}", counted(report.results.len(), "case"))
}

fn reached(one: &Coverage) -> String {
    let place = if one.path.is_empty() { String::new() } else { format!("  ({}:{})", one.path, one.line) };
    printable(&format!("{} {}{place}", one.kind, one.id))
}

fn print_case(
    out: &mut impl Write,
    paint: Paint,
    bundle: &Bundle,
    result: &CaseResult<'_>,
) -> io::Result<()> {
    let Case { name, path, line, .. } = result.case;
    if result.passed() {
        return writeln!(out, "  {}  {}", paint.green("ok  "), printable(name));
    }
    writeln!(out, "  {}  {}  ({}:{line})", paint.red("FAIL"), printable(name), printable(path))?;
    for one in &result.mismatches {
        let (expected, got) = (printable(&one.expected), printable(&one.got));
        writeln!(out, "        {}: expected {expected}, got {got}", one.what)?;
    }
    if result.decision.rule.is_none() {
        writeln!(out, "        no rule decides it, so the default does: {}", result.decision.effect)?;
    }
    for rule in explanations(bundle, result) {
        tree::print_rule(out, paint, &rule, "        ")?;
    }
    Ok(())
}

fn json_of(bundle: &Bundle, report: &TestReport<'_>) -> Value {
    let cases: Vec<Value> = report
        .results
        .iter()
        .map(|result| {
            let mismatches: Vec<Value> = result
                .mismatches
                .iter()
                .map(|one| json!({"what": one.what, "expected": one.expected, "got": one.got}))
                .collect();
            let why = if result.passed() { Vec::new() } else { explanations(bundle, result) };
            json!({
                "name": result.case.name, "path": result.case.path, "line": result.case.line,
                "passed": result.passed(), "verdict": result.decision.effect.as_str(), "rule": result.decision.rule,
                "mismatches": mismatches, "why": why,
            })
        })
        .collect();
    let coverage: Vec<Value> = report
        .coverage
        .iter()
        .map(|one| {
            json!({"kind": one.kind, "id": one.id, "path": one.path, "line": one.line, "cases": one.cases})
        })
        .collect();
    json!({
        "bundle": bundle.name(), "digest": bundle.digest(), "passed": report.passed(), "failed": report.failed(),
        "coverage_percent": percent_of(report), "cases": cases, "coverage": coverage,
    })
}
