//! Who and what is in which role, tenant or group, by `cedar/entities.json`.

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use std::collections::{HashMap, HashSet};
use std::str::FromStr;

/// What may be in what, as the schema has it.
const MAY_BE_IN: &[(&str, &[&str])] = &[
    ("Principal", &["Role", "Tenant"]),
    ("Role", &["Role"]),
    ("Tenant", &["Tenant"]),
    ("Model", &["Model", "Group"]),
    ("Agent", &["Agent", "Group"]),
    ("Tool", &["Tool", "Group"]),
    ("KnowledgeBase", &["KnowledgeBase", "Group"]),
    ("Guardrail", &["Guardrail", "Group"]),
    ("Group", &["Group"]),
];

/// Parents of entities, with everything above them.
#[derive(Debug, Clone, Default)]
pub struct Hierarchy {
    parents: HashMap<EntityUid, Vec<EntityUid>>,
}

/// Why a membership cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HierarchyError(pub String);

impl std::fmt::Display for HierarchyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HierarchyError {}

impl Hierarchy {
    /// Puts an entity (type and id) into another.
    ///
    /// # Errors
    /// A type that the schema does not have, one that cannot be in the other, a model that is not in lower case, a cycle.
    pub fn add(&mut self, child: (&str, &str), parent: (&str, &str)) -> Result<(), HierarchyError> {
        let Some((_, allowed)) = MAY_BE_IN.iter().find(|(kind, _)| *kind == child.0) else {
            let kinds: Vec<_> = MAY_BE_IN.iter().map(|(kind, _)| *kind).collect();
            let message = format!("unknown entity type `{}`; it is one of `{}`", child.0, kinds.join("`, `"));
            return Err(HierarchyError(message));
        };
        if !allowed.contains(&parent.0) {
            let message = format!(
                "a `{}` cannot be in a `{}`, only in `{}`",
                child.0,
                parent.0,
                allowed.join("` or `")
            );
            return Err(HierarchyError(message));
        }
        for (kind, id) in [child, parent] {
            if kind == "Model" && id.to_ascii_lowercase() != id {
                return Err(HierarchyError(format!(
                    "models are in lower case: write `{}`",
                    id.to_ascii_lowercase()
                )));
            }
        }
        let (child, parent) = (uid(child.0, child.1)?, uid(parent.0, parent.1)?);
        if child == parent || self.above([&parent]).contains(&child) {
            return Err(HierarchyError(format!("`{child}` would be in itself")));
        }
        let parents = self.parents.entry(child).or_default();
        if !parents.contains(&parent) {
            parents.push(parent);
        }
        Ok(())
    }

    /// Everything that these are in, themselves not included unless one is in another.
    pub(crate) fn above<'e>(&self, entities: impl IntoIterator<Item = &'e EntityUid>) -> HashSet<EntityUid> {
        let mut found = HashSet::new();
        let mut open: Vec<&EntityUid> = entities.into_iter().collect();
        while let Some(entity) = open.pop() {
            for parent in self.parents.get(entity).into_iter().flatten() {
                if found.insert(parent.clone())
                    && let Some((own, _)) = self.parents.get_key_value(parent)
                {
                    open.push(own);
                }
            }
        }
        found
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, HierarchyError> {
    let name =
        EntityTypeName::from_str(kind).map_err(|_| HierarchyError(format!("bad entity type `{kind}`")))?;
    Ok(EntityUid::from_type_name_and_id(name, EntityId::new(id)))
}
