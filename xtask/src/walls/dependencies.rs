//! Walls between crates, from what cargo itself says the dependencies are.

use super::Violation;
use super::rules::Rules;
use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, Node, Package, PackageId};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// `alone` says which crates a crate of ours is made of when it is built by itself: cargo's metadata of the workspace have the
/// features of all of its crates united, so that one seems to reach what only another asked for.
pub(super) fn check(
    rules: &Rules,
    metadata: &Metadata,
    alone: impl Fn(&str) -> Result<BTreeSet<String>>,
) -> Result<Vec<Violation>> {
    let graph = Graph::of(metadata)?;
    let mut violations = Vec::new();
    let packages = metadata.workspace_packages();
    for package in &packages {
        direct(rules, &graph, package, &mut violations);
    }
    for rule in rules.crates.iter().filter(|rule| !packages.iter().any(|package| package.name == rule.name)) {
        violations.push(Violation {
            place: "walls.toml".into(),
            what: format!("there is no crate called `{}`", rule.name),
            reason: "a rule for nothing hides that something lost its rule".into(),
        });
    }
    for package in packages.iter().filter(|package| rules.of(&package.name).is_some_and(|rule| rule.pure)) {
        let reached = graph.reached_from(&package.id);
        let mut forbidden =
            reached.into_iter().filter(|(name, _)| rules.pure.dependencies.contains(*name)).peekable();
        let own = if forbidden.peek().is_some() { alone(&package.name)? } else { BTreeSet::new() };
        for (name, path) in forbidden {
            if own.contains(name) {
                violations.push(Violation {
                    place: package.name.to_string(),
                    what: format!("is pure, but reaches `{name}`: {}", path.join(" → ")),
                    reason: rules.pure.reason.clone(),
                });
            }
        }
    }
    Ok(violations)
}

/// The third-party crates that pure crates depend on, at whatever distance.
pub(super) fn reached_by_pure(rules: &Rules, metadata: &Metadata) -> Result<BTreeSet<String>> {
    let graph = Graph::of(metadata)?;
    let ours = metadata.workspace_packages();
    let pure = ours.iter().filter(|package| rules.of(&package.name).is_some_and(|rule| rule.pure));
    let reached = pure.flat_map(|package| graph.reached_from(&package.id)).map(|(name, _)| name.to_owned());
    Ok(reached.filter(|name| ours.iter().all(|package| package.name != name)).collect())
}

/// What one crate of ours names in its own manifest.
fn direct(rules: &Rules, graph: &Graph<'_>, package: &Package, violations: &mut Vec<Violation>) {
    let place = package.name.to_string();
    let Some(rule) = rules.of(&package.name) else {
        violations.push(Violation {
            place,
            what: "has no [[crate]] rule in walls.toml".into(),
            reason: "whoever adds a crate says where it stands".into(),
        });
        return;
    };
    for used in graph.used_by(&package.id) {
        let name = used.name.as_str();
        if graph.is_ours(used) && !rule.may_use.iter().any(|allowed| allowed == name) {
            violations.push(Violation {
                place: place.clone(),
                what: format!("uses `{name}`, and may use {:?}", rule.may_use),
                reason: rule.reason.clone(),
            });
        }
        let closed =
            rules.only.iter().filter(|only| only.dependencies.iter().any(|dependency| dependency == name));
        for only in closed.filter(|only| !only.by.contains(&place)) {
            violations.push(Violation {
                place: place.clone(),
                what: format!("depends on `{name}`, which is only for {:?}", only.by),
                reason: only.reason.clone(),
            });
        }
    }
}

/// The resolved dependencies without those that only tests have.
struct Graph<'a> {
    packages: HashMap<&'a PackageId, &'a Package>,
    nodes: HashMap<&'a PackageId, &'a Node>,
    ours: &'a [PackageId],
}

impl<'a> Graph<'a> {
    fn of(metadata: &'a Metadata) -> Result<Self> {
        let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
        Ok(Self {
            packages: metadata.packages.iter().map(|package| (&package.id, package)).collect(),
            nodes: resolve.nodes.iter().map(|node| (&node.id, node)).collect(),
            ours: &metadata.workspace_members,
        })
    }

    fn is_ours(&self, package: &Package) -> bool {
        self.ours.contains(&package.id)
    }

    /// What a crate uses; of other people's crates not what only their build scripts use, which runs where they are built.
    fn used_by(&self, id: &PackageId) -> impl Iterator<Item = &'a Package> {
        let ours = self.ours.contains(id);
        let counts = move |kind: DependencyKind| match kind {
            DependencyKind::Development => false,
            DependencyKind::Build => ours,
            _ => true,
        };
        let used = self.nodes.get(id).into_iter().flat_map(|node| &node.deps);
        let used = used.filter(move |used| used.dep_kinds.iter().any(|kind| counts(kind.kind)));
        used.filter_map(|used| self.packages.get(&used.pkg).copied())
    }

    /// Every crate within reach, with a shortest way to it.
    fn reached_from(&self, id: &PackageId) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut reached = BTreeMap::new();
        let mut waiting = VecDeque::from([(id.clone(), Vec::new())]);
        while let Some((next, path)) = waiting.pop_front() {
            for used in self.used_by(&next) {
                let name = used.name.as_str();
                if !reached.contains_key(name) {
                    let path: Vec<_> = path.iter().copied().chain([name]).collect();
                    reached.insert(name, path.clone());
                    waiting.push_back((used.id.clone(), path));
                }
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests;
