//! What `walls.toml` says.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    #[serde(rename = "crate")]
    pub crates: Vec<Crate>,
    #[serde(default)]
    pub only: Vec<Only>,
    pub pure: Pure,
    #[serde(default)]
    pub source: Vec<Source>,
}

/// A workspace crate and the workspace crates it may use.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Crate {
    pub name: String,
    #[serde(default)]
    pub pure: bool,
    pub may_use: Vec<String>,
    pub reason: String,
}

/// Third-party crates that only these may depend on directly.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Only {
    pub dependencies: Vec<String>,
    pub by: Vec<String>,
    pub reason: String,
}

/// What no pure crate may reach or say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pure {
    pub dependencies: BTreeSet<String>,
    pub paths: Vec<String>,
    pub macros: Vec<String>,
    /// A `static` of one of these is a global variable.
    pub static_types: Vec<String>,
    pub reason: String,
}

/// Paths that these crates may not say, but for some files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub crates: Vec<String>,
    pub paths: Vec<String>,
    #[serde(default)]
    pub except: Vec<String>,
    pub reason: String,
}

impl Rules {
    /// Reads the rules.
    ///
    /// # Errors
    /// Not TOML of this form, or a rule without a reason.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let rules: Self = toml::from_str(text).context("walls.toml")?;
        if rules.reasons().any(|reason| reason.trim().is_empty()) {
            bail!("walls.toml: a rule without a reason: say why, or it will be taken down");
        }
        Ok(rules)
    }

    fn reasons(&self) -> impl Iterator<Item = &String> {
        let crates = self.crates.iter().map(|rule| &rule.reason);
        let only = self.only.iter().map(|rule| &rule.reason);
        let source = self.source.iter().map(|rule| &rule.reason);
        crates.chain(only).chain(source).chain([&self.pure.reason])
    }

    pub(super) fn of(&self, name: &str) -> Option<&Crate> {
        self.crates.iter().find(|rule| rule.name == name)
    }
}
