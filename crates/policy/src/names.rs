//! The names under which selectors know a call.

use crate::fold::fold;
use crate::{Call, Model, UNKNOWN_OPERATION};
use std::cell::OnceCell;

/// What a selector key of a rule selects by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Selector {
    Operations,
    Models,
    Principals,
    Regions,
    Tools,
    Agents,
    KnowledgeBases,
    Routes,
}

impl Selector {
    pub(crate) const ALL: &'static [Self] = &[
        Self::Operations,
        Self::Models,
        Self::Principals,
        Self::Regions,
        Self::Tools,
        Self::Agents,
        Self::KnowledgeBases,
        Self::Routes,
    ];

    /// The key in a rule.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Models => "models",
            Self::Principals => "principals",
            Self::Regions => "regions",
            Self::Tools => "tools",
            Self::Agents => "agents",
            Self::KnowledgeBases => "knowledge_bases",
            Self::Routes => "routes",
        }
    }

    /// Upper and lower case are the same. AWS's identifiers are lower case by pattern, or unique whatever their case;
    /// principals come from directories where case may matter.
    pub(crate) const fn folds_case(self) -> bool {
        !matches!(self, Self::Principals)
    }
}

/// The names of one call, each list made when it is asked for, folded where the selector folds case.
#[derive(Debug)]
pub(crate) struct Names<'c> {
    pub(crate) call: &'c Call,
    pub(crate) operation: &'c str,
    /// Of a tool call.
    pub(crate) tools: Option<&'c [String]>,
    pub(crate) route: Option<&'c str>,
    lists: [OnceCell<Vec<String>>; Selector::ALL.len()],
}

impl<'c> Names<'c> {
    pub(crate) fn new(
        call: &'c Call,
        operation: &'c str,
        tools: Option<&'c [String]>,
        route: Option<&'c str>,
    ) -> Self {
        Self { call, operation, tools, route, lists: std::array::from_fn(|_| OnceCell::new()) }
    }

    pub(crate) fn get(&self, selector: Selector) -> &[String] {
        let place = Selector::ALL.iter().position(|one| *one == selector).unwrap_or_default();
        self.lists.get(place).map_or(&[], |list| list.get_or_init(|| self.make(selector)).as_slice())
    }

    fn make(&self, selector: Selector) -> Vec<String> {
        let call = self.call;
        match selector {
            Selector::Operations => self.operations(),
            Selector::Models => call.model.as_ref().map_or_else(Vec::new, |model| models(model, call)),
            Selector::Principals => vec![call.principal.name.clone()],
            Selector::Regions => vec![fold(&call.region).into_owned()],
            Selector::Tools => {
                self.tools.unwrap_or_default().iter().map(|name| fold(name).into_owned()).collect()
            }
            Selector::Agents => agents(call),
            Selector::KnowledgeBases => knowledge_bases(call),
            Selector::Routes => self.route.map(|route| fold(route).into_owned()).into_iter().collect(),
        }
    }

    fn operations(&self) -> Vec<String> {
        if self.operation.is_empty() && self.tools.is_some() {
            return Vec::new();
        }
        let operation = if self.operation.is_empty() { UNKNOWN_OPERATION } else { self.operation };
        vec![
            fold(operation).into_owned(),
            fold(&self.call.action).into_owned(),
            fold(&format!("{}:{operation}", self.call.service)).into_owned(),
        ]
    }
}

/// The agent's id, its ARN where it is one, and both with `/ALIAS`.
fn agents(call: &Call) -> Vec<String> {
    let Some(id) = call.agent.id.as_deref().filter(|id| !id.is_empty()) else { return Vec::new() };
    let id = fold(id).into_owned();
    let mut names = Vec::with_capacity(4);
    if id.starts_with("arn:")
        && let Some((_, tail)) = id.split_once('/')
    {
        names.push(tail.to_owned());
    }
    names.push(id);
    if let Some(alias) = call.agent.alias.as_deref().filter(|alias| !alias.is_empty()) {
        let alias = fold(alias).into_owned();
        let with_alias: Vec<_> = names.iter().map(|name| format!("{name}/{alias}")).collect();
        names.extend(with_alias);
    }
    names
}

/// From the path and the body; ARNs also by their last part.
fn knowledge_bases(call: &Call) -> Vec<String> {
    let written = call.labels.get("knowledgeBaseId").into_iter().chain(&call.request.knowledge_bases);
    let mut names = Vec::new();
    for name in written.filter(|name| !name.is_empty()) {
        let name = fold(name).into_owned();
        if name.starts_with("arn:")
            && let Some((_, tail)) = name.split_once('/')
        {
            names.push(tail.to_owned());
        }
        names.push(name);
    }
    names.dedup();
    names
}

/// Every form of the model's name: a rule that writes one form must not be passed by under another. The identifier as
/// given, the last part of an ARN, the base model, the profile id (`us.` + base), and the ARNs of base model and profile.
pub(crate) fn models(model: &Model, call: &Call) -> Vec<String> {
    let id = fold(&model.id).into_owned();
    let mut names = Vec::with_capacity(6);
    if id.starts_with("arn:")
        && let Some((_, tail)) = id.split_once('/')
    {
        names.push(tail.to_owned());
    }
    let region = fold(model.region.as_deref().unwrap_or(&call.region)).into_owned();
    let partition = if call.partition.is_empty() { "aws" } else { &call.partition };
    if let Some(base) = &model.base {
        let base = fold(base).into_owned();
        if let Some(geography) = &model.geography {
            let profile = format!("{}.{base}", fold(geography));
            let account = model.account.as_deref().or(call.credential.account.as_deref()).unwrap_or_default();
            names.push(format!("arn:{partition}:bedrock:{region}:{account}:inference-profile/{profile}"));
            names.push(profile);
        }
        names.push(format!("arn:{partition}:bedrock:{region}::foundation-model/{base}"));
        names.push(base);
    }
    names.push(id);
    names.sort_unstable();
    names.dedup();
    names
}
