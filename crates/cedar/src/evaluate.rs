//! Which policies are satisfied by a request.

use crate::hierarchy::Hierarchy;
use crate::load::{Effect, PolicyInfo, action};
use crate::request::{Kind, Request, Resource};
use crate::schema::{self, TOOL_CALL, UNKNOWN};
use crate::scope::{Placed, Scope};
#[cfg(test)]
use cedar_policy::Entities;
use cedar_policy::{Authorizer, Entity, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Schema};
use std::collections::{HashMap, HashSet};
use std::str::FromStr;

pub(crate) mod facts;

/// Compiled policies: immutable, shared between threads.
#[derive(Debug)]
pub struct Policies {
    infos: Vec<PolicyInfo>,
    numbers: HashMap<PolicyId, usize>,
    groups: Vec<Group>,
    authorizer: Authorizer,
    pub(crate) types: Types,
    /// By IAM action.
    actions: HashMap<String, Action>,
    tool_call: Option<Action>,
    unknown: Option<Action>,
    pub(crate) hierarchy: Hierarchy,
    /// Attributes that some policy reads; the others need not be built.
    reads: HashSet<String>,
}

/// Policies of one scope. Permits and forbids apart: Cedar names the satisfied permits only where no forbid is.
#[derive(Debug)]
struct Group {
    scope: Scope,
    permits: PolicySet,
    forbids: PolicySet,
}

#[derive(Debug)]
struct Action {
    placed: Placed,
    entity: Entity,
}

/// Entity types, parsed once.
#[derive(Debug)]
pub(crate) struct Types(HashMap<&'static str, EntityTypeName>);

impl Types {
    const ALL: &'static [&'static str] = &[
        "Principal",
        "Role",
        "Tenant",
        "Model",
        "Agent",
        "KnowledgeBase",
        "Guardrail",
        "Tool",
        "Other",
        "Texts",
        "Arguments",
    ];

    fn new() -> Self {
        Self(
            Self::ALL.iter().filter_map(|name| Some((*name, EntityTypeName::from_str(name).ok()?))).collect(),
        )
    }

    pub(crate) fn uid(&self, kind: &str, id: &str) -> Option<EntityUid> {
        Some(EntityUid::from_type_name_and_id(self.0.get(kind)?.clone(), cedar_policy::EntityId::new(id)))
    }
}

/// A policy that has something to say of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Its number in [`Policies::infos`].
    pub policy: usize,
    /// It counts only as far as shadow mode is concerned: it is in shadow mode itself, or it permits one of the call's
    /// resources and only a shadowed policy permits another.
    pub shadow: bool,
    /// It could not be evaluated. A forbid counts then, a permit does not.
    pub error: Option<String>,
    /// It permits one of the call's resources, and nothing permits another: it does not count.
    pub uncovered: bool,
}

impl Hit {
    /// The policy holds for the call as a whole. `effect` is that of the policy.
    #[must_use]
    pub fn holds(&self, effect: Effect) -> bool {
        match effect {
            Effect::Forbid => true,
            Effect::Permit => self.error.is_none() && !self.uncovered,
        }
    }
}

impl Policies {
    pub(crate) fn new(policies: Vec<(Policy, PolicyInfo)>, schema: &Schema, hierarchy: Hierarchy) -> Self {
        let (mut groups, mut infos, mut numbers, mut reads) =
            (Vec::<Group>::new(), Vec::new(), HashMap::new(), HashSet::new());
        for (number, (policy, info)) in policies.into_iter().enumerate() {
            numbers.insert(policy.id().clone(), number);
            infos.push(info);
            match policy.to_json() {
                Ok(json) => attributes(&json, &mut reads),
                Err(_) => reads.extend(facts::CONTEXT.iter().map(|name| (*name).to_owned())),
            }
            let scope = Scope::of(&policy);
            let place = groups.iter().position(|group| group.scope == scope).unwrap_or_else(|| {
                groups.push(Group { scope, permits: PolicySet::new(), forbids: PolicySet::new() });
                groups.len() - 1
            });
            let Some(group) = groups.get_mut(place) else { continue };
            let set = match policy.effect() {
                cedar_policy::Effect::Permit => &mut group.permits,
                cedar_policy::Effect::Forbid => &mut group.forbids,
            };
            // Ids are numbers, each once: this cannot fail.
            drop(set.add(policy));
        }
        let mut actions: HashMap<EntityUid, Action> = schema::groups(schema)
            .into_iter()
            .map(|(uid, ancestors)| {
                let entity = Entity::new_no_attrs(uid.clone(), ancestors.clone());
                (uid.clone(), Action { placed: Placed { uid, ancestors }, entity })
            })
            .collect();
        let mut take = |name| action(name).and_then(|uid| actions.remove(&uid));
        let (unknown, tool_call) = (take(UNKNOWN), take(TOOL_CALL));
        let actions = actions.into_iter().map(|(uid, action)| (schema::iam_name(&uid), action)).collect();
        Self {
            infos,
            numbers,
            groups,
            authorizer: Authorizer::new(),
            types: Types::new(),
            actions,
            tool_call,
            unknown,
            hierarchy,
            reads,
        }
    }

    /// Every policy, files in the order that they were given in, then as written.
    #[must_use]
    pub fn infos(&self) -> &[PolicyInfo] {
        &self.infos
    }

    /// Some policy reads an attribute of this name, of whatever it may be.
    #[must_use]
    pub fn reads(&self, attribute: &str) -> bool {
        self.reads.contains(attribute)
    }

    /// The policies that have something to say of a call, in their order. Should the call be one that Cedar cannot even be
    /// asked about, every forbid fails.
    #[must_use]
    pub fn evaluate(&self, request: &Request) -> Vec<Hit> {
        self.ask(request).unwrap_or_else(|error| self.every_forbid(&error))
    }

    fn ask(&self, request: &Request) -> Result<Vec<Hit>, String> {
        let other = [Resource::default()];
        let resources = if request.resources.is_empty() { other.as_slice() } else { &request.resources };
        let action = self.action(request, resources).ok_or("the schema lacks the action")?;
        let principal = self.principal(request).ok_or("the schema lacks the principal")?;
        let placed: Vec<Placed> = resources.iter().filter_map(|resource| self.resource(resource)).collect();
        let mut verdicts = vec![Verdict::default(); self.infos.len()];
        // By resource: permitted by a policy that is enforced; by any.
        let (mut enforced, mut any) = (true, true);
        let mut asked = None;
        for resource in &placed {
            let mut permitted = (false, false);
            for group in &self.groups {
                if !group.scope.admits(&principal, &action.placed, resource) {
                    continue;
                }
                let (context, entities) = match &asked {
                    Some(facts) => facts,
                    None => asked.insert(self.facts(request, resources, &principal, &placed, action)?),
                };
                let question = cedar_policy::Request::new(
                    principal.uid.clone(),
                    action.placed.uid.clone(),
                    resource.uid.clone(),
                    context.clone(),
                    None,
                )
                .map_err(|error| error.to_string())?;
                for set in [&group.permits, &group.forbids] {
                    if set.is_empty() {
                        continue;
                    }
                    let answer = self.authorizer.is_authorized(&question, set, entities);
                    for id in answer.diagnostics().reason() {
                        let Some(number) = self.numbers.get(id) else { continue };
                        let Some((verdict, info)) = verdicts.get_mut(*number).zip(self.infos.get(*number))
                        else {
                            continue;
                        };
                        verdict.satisfied = true;
                        if info.effect == Effect::Permit {
                            permitted.0 |= !info.shadow;
                            permitted.1 = true;
                        }
                    }
                    for error in answer.diagnostics().errors() {
                        let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
                        let number = self.numbers.get(error.policy_id());
                        if let Some(verdict) = number.and_then(|number| verdicts.get_mut(*number)) {
                            verdict.error = Some(error.inner().to_string());
                        }
                    }
                }
            }
            enforced &= permitted.0;
            any &= permitted.1;
        }
        let hits = verdicts
            .into_iter()
            .zip(&self.infos)
            .enumerate()
            .filter(|(_, (verdict, _))| verdict.satisfied || verdict.error.is_some());
        Ok(hits
            .map(|(policy, (verdict, info))| {
                let permit = info.effect == Effect::Permit;
                Hit {
                    policy,
                    shadow: info.shadow || (permit && !enforced && any),
                    // Satisfied for one resource and not evaluable for another: a forbid needs only the one.
                    error: if verdict.satisfied && !permit { None } else { verdict.error },
                    uncovered: permit && !any,
                }
            })
            .collect())
    }

    /// The request as it would be evaluated, checked against the schema: what strict validation relies on.
    #[cfg(test)]
    pub(crate) fn conforms(&self, schema: &Schema, request: &Request) -> Result<(), String> {
        let other = [Resource::default()];
        let resources = if request.resources.is_empty() { other.as_slice() } else { &request.resources };
        let action = self.action(request, resources).ok_or("no action")?;
        let principal = self.principal(request).ok_or("no principal")?;
        let placed: Vec<Placed> = resources.iter().filter_map(|resource| self.resource(resource)).collect();
        let (context, entities) = self.facts(request, resources, &principal, &placed, action)?;
        for resource in &placed {
            cedar_policy::Request::new(
                principal.uid.clone(),
                action.placed.uid.clone(),
                resource.uid.clone(),
                context.clone(),
                Some(schema),
            )
            .map_err(|error| format!("{error:?}"))?;
        }
        Entities::from_entities(entities.iter().cloned(), Some(schema))
            .map_err(|error| format!("{error:?}"))?;
        Ok(())
    }

    fn every_forbid(&self, error: &str) -> Vec<Hit> {
        let forbids = self.infos.iter().enumerate().filter(|(_, info)| info.effect == Effect::Forbid);
        forbids
            .map(|(policy, info)| Hit {
                policy,
                shadow: info.shadow,
                error: Some(error.to_owned()),
                uncovered: false,
            })
            .collect()
    }

    fn action(&self, request: &Request, resources: &[Resource]) -> Option<&Action> {
        if resources.iter().any(|resource| resource.kind == Kind::Tool) {
            return self.tool_call.as_ref();
        }
        let known = if request.operation == UNKNOWN.1 { None } else { self.actions.get(&request.action) };
        known.or(self.unknown.as_ref())
    }
}

/// What was found of one policy.
#[derive(Debug, Clone, Default)]
struct Verdict {
    satisfied: bool,
    error: Option<String>,
}

/// Every attribute that a policy's JSON form reads or asks for; more, rather than fewer.
fn attributes(json: &serde_json::Value, found: &mut HashSet<String>) {
    match json {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::String(name)) = map.get("attr") {
                found.insert(name.clone());
            }
            map.values().for_each(|value| attributes(value, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| attributes(item, found)),
        _ => {}
    }
}
