//! A policy's scope, checked without Cedar: most policies are not about most calls.

use cedar_policy::{ActionConstraint, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};
use std::collections::HashSet;

/// An entity of a request, and everything that it is in.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) uid: EntityUid,
    pub(crate) ancestors: HashSet<EntityUid>,
}

impl Placed {
    fn is_in(&self, other: &EntityUid) -> bool {
        self.uid == *other || self.ancestors.contains(other)
    }
}

/// The scope of policies: `(principal …, action …, resource …)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    principal: PrincipalConstraint,
    action: ActionConstraint,
    resource: ResourceConstraint,
}

impl Scope {
    pub(crate) fn of(policy: &Policy) -> Self {
        Self {
            principal: policy.principal_constraint(),
            action: policy.action_constraint(),
            resource: policy.resource_constraint(),
        }
    }

    /// The scope holds, exactly as Cedar would say.
    pub(crate) fn admits(&self, principal: &Placed, action: &Placed, resource: &Placed) -> bool {
        let action = match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => action.uid == *uid,
            ActionConstraint::In(uids) => uids.iter().any(|uid| action.is_in(uid)),
        };
        action && self.admits_resource(resource) && self.admits_principal(principal)
    }

    /// It names this action in so many words.
    pub(crate) fn names_action(&self, wanted: &EntityUid) -> bool {
        match &self.action {
            ActionConstraint::Any => false,
            ActionConstraint::Eq(uid) => uid == wanted,
            ActionConstraint::In(uids) => uids.contains(wanted),
        }
    }

    /// It may admit one of these actions, on a resource that is of the first of these types or in one of them.
    pub(crate) fn may_admit(&self, actions: &[EntityUid], types: &[&str; 2]) -> bool {
        let action = match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => actions.contains(uid),
            ActionConstraint::In(uids) => uids.iter().any(|uid| actions.contains(uid)),
        };
        let [own, group] = types;
        let is = |kind: &cedar_policy::EntityTypeName| kind.to_string() == *own;
        let resource = match &self.resource {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(uid) => is(uid.type_name()),
            ResourceConstraint::In(uid) => is(uid.type_name()) || uid.type_name().to_string() == *group,
            ResourceConstraint::Is(kind) | ResourceConstraint::IsIn(kind, _) => is(kind),
        };
        action && resource
    }

    /// It admits these actions and no others.
    pub(crate) fn admits_only(&self, actions: &[EntityUid]) -> bool {
        match &self.action {
            ActionConstraint::Any => false,
            ActionConstraint::Eq(uid) => actions.contains(uid),
            ActionConstraint::In(uids) => uids.iter().all(|uid| actions.contains(uid)),
        }
    }

    /// The resource that it must be, no other form of its name.
    pub(crate) fn exact_resource(&self) -> Option<&EntityUid> {
        match &self.resource {
            ResourceConstraint::Eq(uid) => Some(uid),
            _ => None,
        }
    }

    fn admits_principal(&self, principal: &Placed) -> bool {
        match &self.principal {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(uid) => principal.uid == *uid,
            PrincipalConstraint::In(uid) => principal.is_in(uid),
            PrincipalConstraint::Is(kind) => principal.uid.type_name() == kind,
            PrincipalConstraint::IsIn(kind, uid) => principal.uid.type_name() == kind && principal.is_in(uid),
        }
    }

    fn admits_resource(&self, resource: &Placed) -> bool {
        match &self.resource {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(uid) => resource.uid == *uid,
            ResourceConstraint::In(uid) => resource.is_in(uid),
            ResourceConstraint::Is(kind) => resource.uid.type_name() == kind,
            ResourceConstraint::IsIn(kind, uid) => resource.uid.type_name() == kind && resource.is_in(uid),
        }
    }
}
