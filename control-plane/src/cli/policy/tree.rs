//! Explanations as people read them.

use super::super::output::printable;
use super::snippet::Paint;
use crate::app::{ConditionView, ExplanationView, PartView, RuleView, holds};
use std::io::{self, Write};

/// Which rules to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// Those that hold, and those that one condition keeps from it.
    Near,
    /// All.
    All,
}

/// The verdict, and below it the rules.
pub(super) fn print(
    out: &mut impl Write,
    paint: Paint,
    view: &ExplanationView,
    show: Show,
) -> io::Result<()> {
    let verdict = verdict(paint, &view.effect);
    let by = match &view.rule {
        Some(rule) => format!("by rule `{}`", printable(rule)),
        None => format!("by the default of bundle `{}`", printable(&view.bundle)),
    };
    writeln!(out, "{verdict} {by}")?;
    if view.needs_text {
        writeln!(
            out,
            "  but a rule reads the request's text, which is not at hand: it may be another verdict"
        )?;
    }
    if !view.message.is_empty() {
        writeln!(out, "  the caller is told: {}", printable(&view.message))?;
    }
    if let Some(route) = &view.route {
        writeln!(out, "  on route `{}`", printable(route))?;
    }
    if let Some(shadow) = &view.shadow {
        let rule = view.shadow_rule.as_ref().map_or_else(String::new, |rule| format!(" by rule `{rule}`"));
        writeln!(out, "  without shadow mode: {shadow}{}", printable(&rule))?;
    }
    if !view.not_recorded.is_empty() {
        writeln!(out, "  not recorded, so rules see nothing there: {}", view.not_recorded.join(", "))?;
    }
    for part in &view.parts {
        print_part(out, paint, part, show, view.parts.len() > 1)?;
    }
    Ok(())
}

fn print_part(
    out: &mut impl Write,
    paint: Paint,
    part: &PartView,
    show: Show,
    several: bool,
) -> io::Result<()> {
    if several {
        let model = part.model.as_deref().unwrap_or("(no model)");
        writeln!(out, "\n{}", paint.bold(&format!("as a call to {}", printable(model))))?;
    }
    let shown: Vec<&RuleView> =
        part.rules.iter().filter(|rule| show == Show::All || holds(&rule.holds) || is_near(rule)).collect();
    for rule in &shown {
        writeln!(out)?;
        print_rule(out, paint, rule, "")?;
    }
    let hidden = part.rules.len() - shown.len();
    if hidden > 0 {
        let rules = super::super::output::counted(hidden, "rule");
        let note = format!("{rules} further from it; --all shows all");
        writeln!(out, "\n{}", paint.dim(&note))?;
    }
    Ok(())
}

/// One condition keeps it from holding, and some other holds; or it would depend on the text.
fn is_near(rule: &RuleView) -> bool {
    let failing = rule.conditions.iter().filter(|condition| condition.holds == "no").count();
    failing == 0 || (failing == 1 && rule.conditions.len() > 1)
}

/// One rule with its conditions.
pub(super) fn print_rule(
    out: &mut impl Write,
    paint: Paint,
    rule: &RuleView,
    indent: &str,
) -> io::Result<()> {
    let shadow = if rule.shadow { ", in shadow mode" } else { "" };
    let place = paint.dim(&printable(&format!("{}:{}", rule.path, rule.line)));
    let holding = match rule.holds.as_str() {
        "yes" => paint.green("holds"),
        "no" => "does not hold".to_owned(),
        _ => paint.yellow("depends on the text"),
    };
    writeln!(
        out,
        "{indent}{} ({}{shadow}) {holding}  {place}",
        paint.bold(&printable(&rule.id)),
        rule.effect
    )?;
    if rule.conditions.is_empty() {
        writeln!(out, "{indent}  (no conditions: it holds for every call)")?;
    }
    for (index, condition) in rule.conditions.iter().enumerate() {
        let last = index + 1 == rule.conditions.len();
        print_condition(out, paint, condition, indent, last)?;
    }
    Ok(())
}

fn print_condition(
    out: &mut impl Write,
    paint: Paint,
    condition: &ConditionView,
    indent: &str,
    last: bool,
) -> io::Result<()> {
    let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
    let mark = match condition.holds.as_str() {
        "yes" => paint.green("yes"),
        "no" => paint.red("no "),
        _ => paint.yellow("?  "),
    };
    let text = printable(&condition.text);
    let value = match (condition.field.is_empty(), condition.value.is_empty()) {
        (true, _) => String::new(),
        (false, true) => paint.dim("  (the call does not say)"),
        (false, false) => paint.dim(&format!("  (the call: {})", printable(&condition.value))),
    };
    writeln!(out, "{indent}{branch}{mark} {text}{value}")?;
    for (index, part) in condition.parts.iter().enumerate() {
        let inner = format!("{indent}{below}");
        print_condition(out, paint, part, &inner, index + 1 == condition.parts.len())?;
    }
    Ok(())
}

fn verdict(paint: Paint, effect: &str) -> String {
    match effect {
        "allow" => paint.green(effect),
        "deny" => paint.red(effect),
        _ => paint.yellow(effect),
    }
}
