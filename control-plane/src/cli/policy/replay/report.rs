//! A replay's table, for people and for programs.

use super::super::super::output::{grouped, table};
use portcullis_policy::Bundle;
use portcullis_policy::replay::{Group, Row, Table, Unknown};
use serde_json::{Value, json};
use std::io::{self, Write};

const DEFAULT: &str = "(default)";

/// What no record can tell, whatever the candidate says.
const NEVER: &str = "Limits, approvals and tool calls are not replayed: whether calls would stay within the limits of \
                     this bundle, and what its rules on tools say, is not known.";

fn number(count: u64) -> String {
    grouped(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) fn print(out: &mut impl Write, bundle: &Bundle, replayed: &Table, rows: usize) -> io::Result<()> {
    let Table { total, refused, same, other_rule, .. } = replayed;
    writeln!(
        out,
        "{} recorded decisions, decided again by bundle {} ({})\n",
        number(*total),
        bundle.name(),
        short(bundle)
    )?;
    let mut lines = vec![(*same, "get the same verdict".to_owned())];
    if *other_rule > 0 {
        lines.push((*other_rule, "  of these by another rule".to_owned()));
    }
    lines.push((replayed.changes(), "get another verdict".to_owned()));
    for (from, to, count) in replayed.transitions() {
        lines.push((count, format!("  {from} → {to}")));
    }
    for unknown in Unknown::ALL {
        if let Some(count) = replayed.unknown.get(&unknown) {
            lines.push((*count, format!("cannot be known: {}", unknown.reason())));
        }
    }
    if *refused > 0 {
        lines.push((*refused, "were refused before policy was asked".to_owned()));
    }
    for (count, what) in lines {
        writeln!(out, "{:>12}  {what}", number(count))?;
    }
    let all = replayed.rows();
    if !all.is_empty() {
        writeln!(out)?;
        let heading = ["COUNT", "THEN", "NOW", "RULE NOW", "RULE THEN", "PRINCIPAL", "MODEL", "EXAMPLE"];
        let shown: Vec<_> = all.iter().take(rows).map(|(group, row)| cells(group, row)).collect();
        table(out, &heading, &shown)?;
    }
    if all.len() > rows {
        let rest = all.iter().skip(rows).map(|(_, row)| row.count).sum();
        let more = grouped(all.len() - rows);
        writeln!(out, "… and {more} more rows with {} decisions; see --rows", number(rest))?;
    }
    writeln!(out, "\n{NEVER}")
}

fn short(bundle: &Bundle) -> String {
    let digest: String = bundle.digest().chars().take(12).collect();
    format!("{} rules, digest {digest}…", grouped(bundle.rule_count()))
}

fn cells(group: &Group, row: &Row) -> Vec<String> {
    let rule = |rule: &Option<String>| rule.clone().unwrap_or_else(|| DEFAULT.to_owned());
    vec![
        number(row.count),
        group.from.to_string(),
        group.to.to_string(),
        rule(&group.rule),
        rule(&group.old_rule),
        group.principal.clone(),
        if group.model.is_empty() { "-".to_owned() } else { group.model.clone() },
        row.examples.first().cloned().unwrap_or_default(),
    ]
}

pub(super) fn json(bundle: &Bundle, replayed: &Table) -> Value {
    let changed: Vec<Value> = replayed
        .rows()
        .into_iter()
        .map(|(group, row)| {
            json!({
                "count": row.count, "from": group.from.as_str(), "to": group.to.as_str(), "rule": group.rule,
                "old_rule": group.old_rule, "principal": group.principal, "model": group.model,
                "examples": row.examples,
            })
        })
        .collect();
    let unknown: serde_json::Map<String, Value> = Unknown::ALL
        .into_iter()
        .map(|what| (what.as_str().to_owned(), json!(replayed.unknown.get(&what).copied().unwrap_or(0))))
        .collect();
    json!({
        "bundle": bundle.name(), "version": bundle.version(), "digest": bundle.digest(),
        "decisions": replayed.total, "same": replayed.same, "same_by_another_rule": replayed.other_rule,
        "changed": replayed.changes(), "not_decided_by_policy": replayed.refused, "cannot_know": unknown,
        "not_replayed": ["limits", "approvals", "tool calls"], "changes": changed,
    })
}
