//! What a person sees while the gate runs in the foreground: decisions, and what became of an edit of the bundle.

use super::environment::Environment;
use super::process::Process;
use super::{programs, wait};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Shows what happens, until Ctrl-C or until something ends that should not.
///
/// # Errors
/// A process ended; the end of its log is in the message.
pub(crate) fn follow(portcullis: &Path, environment: &Environment, processes: &mut [Process]) -> Result<()> {
    println!("Decisions as they happen (Ctrl-C stops everything):");
    let mut tail = tail(portcullis, environment)?;
    let url = format!("{}/v1/bundles", environment.portcullis_url);
    let mut bundle = Bundle::default();
    let mut result = Ok(());
    while !wait::interrupted() && result.is_ok() {
        // An answer that does not come is no news: when the control plane has ended, `check` says so.
        let health = programs::get(&url, Some(&environment.admin_token)).ok();
        let health = health.and_then(|text| serde_json::from_str(&text).ok());
        if let Some(news) = health.as_ref().and_then(|health: &Value| bundle.news(health.get("active")?)) {
            println!("{news}");
        }
        result = processes.iter_mut().try_for_each(Process::check);
        thread::sleep(Duration::from_millis(200));
    }
    let _gone = tail.kill();
    let _reaped = tail.wait();
    println!("\nstopping");
    // Ctrl-C is for the whole group: what ends with us is no fault.
    if wait::interrupted() { Ok(()) } else { result }
}

fn tail(portcullis: &Path, environment: &Environment) -> Result<Child> {
    Command::new(portcullis)
        .args(["audit", "tail"])
        .env("PORTCULLIS_URL", &environment.portcullis_url)
        .env("PORTCULLIS_ADMIN_TOKEN", &environment.admin_token)
        .stdin(Stdio::null())
        .spawn()
        .context("cannot run `portcullis audit tail`")
}

/// What was said of the bundle last.
#[derive(Debug, Default)]
struct Bundle {
    generation: Option<u64>,
    errors: Vec<String>,
}

impl Bundle {
    /// What has changed since, from `active` of an answer of `GET /v1/bundles`. The first answer is no news.
    fn news(&mut self, health: &Value) -> Option<String> {
        let generation = health.get("generation").and_then(Value::as_u64);
        let errors: Vec<String> = health
            .get("errors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|error| error.as_str().map(str::to_owned))
            .collect();
        let before = std::mem::replace(self, Self { generation, errors });
        before.generation?;
        if !self.errors.is_empty() && before.errors != self.errors {
            let why = self.errors.join("\n  ");
            return Some(format!(
                "bundle: what was saved is not in force, the last good one stays:\n  {why}"
            ));
        }
        if before.generation != self.generation {
            let rules = health.get("rules").and_then(Value::as_u64).unwrap_or_default();
            return Some(format!("bundle: what was saved is in force, rules: {rules}"));
        }
        (!before.errors.is_empty() && self.errors.is_empty())
            .then(|| "bundle: good again, and what was in force all the time".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_edit_is_news_once() {
        let mut bundle = Bundle::default();
        let health = |generation: u64, errors: &[&str]| json!({"generation": generation, "errors": errors, "rules": 2});
        for (generation, errors, expected) in [
            (1, &[][..], None),
            (1, &[], None),
            (2, &[], Some("in force, rules: 2")),
            (2, &["rules/a.yaml:3:1: unknown key `modles`"], Some("rules/a.yaml:3:1: unknown key `modles`")),
            (2, &["rules/a.yaml:3:1: unknown key `modles`"], None),
            (
                2,
                &["rules/a.yaml:4:1: unknown key `x`", "rules/b.yaml:1:1: empty"],
                Some("rules/b.yaml:1:1: empty"),
            ),
            (2, &[], Some("good again")),
            (2, &[], None),
            (3, &[], Some("in force")),
        ] {
            let news = bundle.news(&health(generation, errors));
            println!("{generation} {errors:?} -> {news:?}");
            assert_eq!(news.is_some(), expected.is_some(), "{news:?}");
            assert!(news.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
    }
}
