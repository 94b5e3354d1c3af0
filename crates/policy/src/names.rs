//! The names under which selectors know a call.

use crate::{Call, Model};

/// What a selector key of a rule selects by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Selector {
    Operations,
    Models,
    Principals,
    Regions,
    Routes,
}

impl Selector {
    pub(crate) const ALL: &'static [Self] =
        &[Self::Operations, Self::Models, Self::Principals, Self::Regions, Self::Routes];

    /// The key in a rule.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Models => "models",
            Self::Principals => "principals",
            Self::Regions => "regions",
            Self::Routes => "routes",
        }
    }

    /// Upper and lower case are the same. AWS's identifiers are lower case by pattern, or unique whatever their case;
    /// principals come from directories where case may matter.
    pub(crate) const fn folds_case(self) -> bool {
        !matches!(self, Self::Principals)
    }
}

/// The names of one call, computed once per decision, lower case where the selector folds case.
#[derive(Debug)]
pub(crate) struct Names {
    operations: Vec<String>,
    models: Vec<String>,
    principals: Vec<String>,
    regions: Vec<String>,
    routes: Vec<String>,
}

impl Names {
    /// `route` is the one that the call is on.
    pub(crate) fn of(call: &Call, route: Option<&str>) -> Self {
        let mut operations = vec![call.operation.to_ascii_lowercase(), call.action.to_ascii_lowercase()];
        operations.push(format!("{}:{}", call.service, call.operation).to_ascii_lowercase());
        Self {
            operations,
            models: call.model.as_ref().map_or_else(Vec::new, |model| models(model, call)),
            principals: vec![call.principal.name.clone()],
            regions: vec![call.region.to_ascii_lowercase()],
            routes: route.map(str::to_ascii_lowercase).into_iter().collect(),
        }
    }

    pub(crate) fn get(&self, selector: Selector) -> &[String] {
        match selector {
            Selector::Operations => &self.operations,
            Selector::Models => &self.models,
            Selector::Principals => &self.principals,
            Selector::Regions => &self.regions,
            Selector::Routes => &self.routes,
        }
    }
}

/// Every form of the model's name: a rule that writes one form must not be passed by under another. The identifier as
/// given, the last part of an ARN, the base model, the profile id (`us.` + base), and the ARNs of base model and profile.
pub(crate) fn models(model: &Model, call: &Call) -> Vec<String> {
    let id = model.id.to_ascii_lowercase();
    let mut names = Vec::with_capacity(6);
    if id.starts_with("arn:")
        && let Some((_, tail)) = id.split_once('/')
    {
        names.push(tail.to_owned());
    }
    let region = model.region.as_deref().unwrap_or(&call.region).to_ascii_lowercase();
    let partition = if call.partition.is_empty() { "aws" } else { &call.partition };
    if let Some(base) = &model.base {
        let base = base.to_ascii_lowercase();
        if let Some(geography) = &model.geography {
            let profile = format!("{}.{base}", geography.to_ascii_lowercase());
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
