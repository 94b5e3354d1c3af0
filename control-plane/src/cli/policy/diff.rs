//! `portcullis policy diff`.

use super::super::output::{Format, counted, printable, printable_json, table};
use super::snippet::{self, Paint};
use super::{Ending, source};
use portcullis_policy::diff::{Change, ChangeKind, FieldChange, diff};
use portcullis_policy::testcase::{Case, read_cases};
use portcullis_policy::{Bundle, LoadError, SourceFile};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{self, Write, stdout};
use std::path::PathBuf;

/// Longest value on a line of its own key.
const MAX_VALUE: usize = 300;

/// What the long help ends with.
pub(super) const HELP: &str = "\
Examples:
  portcullis policy diff bundles/finance bundles/next
  portcullis policy diff --tests bundles/finance next.tar.gz
  portcullis policy diff --output json bundles/finance bundles/next | jq '.changes[] | select(.section == \"limit\")'

Exit codes:
  0  the policies are the same, and with --tests so are the verdicts
  1  they differ, or one does not load
  2  something cannot be read, or the command line is wrong";

/// Arguments of `policy diff`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The old bundle: a directory, or a .tar.gz of one
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The new bundle
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Run the test cases of both on both, and show the verdicts that differ
    #[arg(long)]
    tests: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// One case with another verdict.
struct Verdict {
    case: Case,
    old: (String, Option<String>),
    new: (String, Option<String>),
}

pub(super) fn run(args: &Args) -> anyhow::Result<Ending> {
    let Some((old, old_files)) = source::loaded(&args.old)? else { return Ok(Ending::Findings) };
    let Some((new, new_files)) = source::loaded(&args.new)? else { return Ok(Ending::Findings) };
    let changes = diff(&old_files, &new_files);
    let cases = if args.tests { cases(&old_files, &new_files)? } else { Some(Vec::new()) };
    let Some(cases) = cases else { return Ok(Ending::Findings) };
    let count = cases.len();
    let verdicts = verdicts(&old, &new, cases);
    let mut out = stdout().lock();
    match args.output {
        Format::Json => {
            let json = json_of(&old, &new, &changes, &verdicts, args.tests.then_some(count));
            writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&json)?))?;
        }
        Format::Table => {
            print(&mut out, Paint::stdout(), &changes)?;
            if args.tests {
                print_verdicts(&mut out, &verdicts, count)?;
            }
        }
    }
    out.flush()?;
    Ok(if changes.is_empty() && verdicts.is_empty() { Ending::Well } else { Ending::Findings })
}

/// The cases of both; of a case that both have, the new one. `None` when some do not load, which is printed.
fn cases(old: &[SourceFile], new: &[SourceFile]) -> anyhow::Result<Option<Vec<Case>>> {
    let mut cases: Vec<Case> = Vec::new();
    let mut seen = HashSet::new();
    for files in [new, old] {
        match read_cases(files) {
            Ok(read) => {
                let fresh: Vec<Case> = read.into_iter().flat_map(|file| file.cases).collect();
                let names: Vec<_> = fresh.iter().map(|case| (case.path.clone(), case.name.clone())).collect();
                cases.extend(
                    fresh.into_iter().filter(|case| !seen.contains(&(case.path.clone(), case.name.clone()))),
                );
                seen.extend(names);
            }
            Err(LoadError { diagnostics }) => {
                snippet::print(&mut stdout().lock(), Paint::stdout(), &diagnostics, files)?;
                return Ok(None);
            }
        }
    }
    Ok(Some(cases))
}

fn verdicts(old: &Bundle, new: &Bundle, cases: Vec<Case>) -> Vec<Verdict> {
    let decide = |bundle: &Bundle, case: &Case| {
        let decision = bundle.decide(&case.call.complete(bundle));
        (decision.effect.to_string(), decision.rule)
    };
    let decided =
        cases.into_iter().map(|case| Verdict { old: decide(old, &case), new: decide(new, &case), case });
    decided.filter(|verdict| verdict.old.0 != verdict.new.0).collect()
}

fn print(out: &mut impl Write, paint: Paint, changes: &[Change]) -> io::Result<()> {
    if changes.is_empty() {
        return writeln!(out, "the policies are the same");
    }
    for change in changes {
        let what = format!("{} {}", change.section.as_str(), change.id);
        let place = paint.dim(&printable(&format!("{}:{}", change.path, change.line)));
        let what = printable(&what);
        match change.kind {
            ChangeKind::Added => writeln!(out, "{} {place}", paint.green(&format!("+ {what}")))?,
            ChangeKind::Removed => writeln!(out, "{} {place}", paint.red(&format!("- {what}")))?,
            ChangeKind::Changed => writeln!(out, "{} {place}", paint.yellow(&format!("~ {what}")))?,
        }
        // Its name stands above.
        let named = |field: &&FieldChange| matches!(field.field.as_str(), "id" | "name");
        for field in change.fields.iter().filter(|field| change.kind == ChangeKind::Changed || !named(field))
        {
            print_field(out, field)?;
        }
    }
    let of = |kind| changes.iter().filter(|change| change.kind == kind).count();
    let (added, removed, changed) = (of(ChangeKind::Added), of(ChangeKind::Removed), of(ChangeKind::Changed));
    writeln!(out, "\n{added} added, {removed} removed, {changed} changed")
}

fn print_field(out: &mut impl Write, field: &FieldChange) -> io::Result<()> {
    let name = printable(&field.field);
    match (&field.old, &field.new) {
        (Some(old), Some(new)) if old.chars().count() + new.chars().count() <= 60 => {
            writeln!(out, "    {name}: {} → {}", shown(old), shown(new))
        }
        (Some(old), Some(new)) => {
            writeln!(out, "    {name}:\n      - {}\n      + {}", shown(old), shown(new))
        }
        (Some(old), None) => writeln!(out, "    {name}: - {}", shown(old)),
        (None, Some(new)) => writeln!(out, "    {name}: + {}", shown(new)),
        (None, None) => Ok(()),
    }
}

fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_VALUE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    printable(&short)
}

fn print_verdicts(out: &mut impl Write, verdicts: &[Verdict], count: usize) -> io::Result<()> {
    writeln!(out)?;
    if verdicts.is_empty() {
        return writeln!(out, "{}: all get the same verdict", counted(count, "test case"));
    }
    let rule = |rule: &Option<String>| rule.clone().unwrap_or_else(|| "(default)".to_owned());
    let rows: Vec<Vec<String>> = verdicts
        .iter()
        .map(|verdict| {
            let Case { name, path, line, .. } = &verdict.case;
            vec![
                verdict.old.0.clone(),
                verdict.new.0.clone(),
                rule(&verdict.old.1),
                rule(&verdict.new.1),
                name.clone(),
                format!("{path}:{line}"),
            ]
        })
        .collect();
    table(out, &["OLD", "NEW", "OLD RULE", "NEW RULE", "TEST CASE", "PLACE"], &rows)?;
    let differ = if verdicts.len() == 1 {
        "1 gets another verdict".to_owned()
    } else {
        format!("{} get another verdict", verdicts.len())
    };
    writeln!(out, "{}: {differ}", counted(count, "test case"))
}

fn json_of(
    old: &Bundle,
    new: &Bundle,
    changes: &[Change],
    verdicts: &[Verdict],
    cases: Option<usize>,
) -> Value {
    let field = |field: &FieldChange| json!({"field": field.field, "old": field.old, "new": field.new});
    let change = |change: &Change| {
        json!({
            "section": change.section.as_str(), "id": change.id, "change": change.kind.as_str(), "path": change.path,
            "line": change.line, "fields": change.fields.iter().map(field).collect::<Vec<_>>(),
        })
    };
    let verdict = |one: &Verdict| {
        json!({
            "name": one.case.name, "path": one.case.path, "line": one.case.line, "old": one.old.0, "new": one.new.0,
            "old_rule": one.old.1, "new_rule": one.new.1,
        })
    };
    let bundle = |bundle: &Bundle| json!({"name": bundle.name(), "version": bundle.version(), "digest": bundle.digest()});
    let mut json = json!({
        "old": bundle(old), "new": bundle(new), "changes": changes.iter().map(change).collect::<Vec<_>>(),
    });
    if let (Some(count), Some(map)) = (cases, json.as_object_mut()) {
        map.insert("cases".to_owned(), json!(count));
        map.insert("verdicts".to_owned(), verdicts.iter().map(verdict).collect());
    }
    json
}
