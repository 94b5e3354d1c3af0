//! What no schema says: every container is confined and watched, no secret is in the manifests, and the network lets
//! nothing but the gate out.

use serde_yaml_ng::Value;
use std::iter;

/// The label of pods that may reach Bedrock.
const GATE: (&str, &str) = ("portcullis.dev/gate", "true");

/// The one container that may be root: it writes the pod's own packet filter before anything else starts, and ends.
const REDIRECT: &str = "portcullis-redirect";

/// Everything that is wrong with the rendered objects, each with the object it is wrong with.
pub(super) fn problems(objects: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    for object in objects {
        let place = format!("{}/{}", text(object, &["kind"]), text(object, &["metadata", "name"]));
        let mut found = Vec::new();
        match text(object, &["kind"]) {
            "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => {
                pod(at(object, &["spec", "template", "spec"]), &mut found);
            }
            "Pod" => pod(at(object, &["spec"]), &mut found),
            "Secret" => found.push(
                "a Secret in the manifests: secrets are made by the cluster's operator, by reference only"
                    .into(),
            ),
            "NetworkPolicy" => network_policy(at(object, &["spec"]), &mut found),
            _ => {}
        }
        problems.extend(found.into_iter().map(|problem| format!("{place}: {problem}")));
    }
    problems.extend(open_namespaces(objects));
    problems
}

fn pod(pod: &Value, problems: &mut Vec<String>) {
    if at(pod, &["automountServiceAccountToken"]) != &Value::Bool(false) {
        problems.push("mounts a service-account token that nothing uses".into());
    }
    if text(pod, &["securityContext", "seccompProfile", "type"]) != "RuntimeDefault" {
        problems.push("has no seccomp profile RuntimeDefault".into());
    }
    for container in items(pod, "initContainers") {
        let sidecar = text(container, &["restartPolicy"]) == "Always";
        confined(pod, container, problems);
        if sidecar {
            watched(container, problems);
        }
    }
    for container in items(pod, "containers") {
        confined(pod, container, problems);
        watched(container, problems);
    }
    let envoy = |container: &&Value| text(container, &["name"]) == "envoy";
    let everyone = || items(pod, "initContainers").chain(items(pod, "containers"));
    let users: Vec<_> = everyone().filter(envoy).filter_map(|container| user(pod, container)).collect();
    for container in everyone().filter(|container| !envoy(container)) {
        if user(pod, container).is_some_and(|user| users.contains(&user)) {
            problems.push(format!(
                "`{}` runs as Envoy's user, which the packet filter lets out",
                text(container, &["name"])
            ));
        }
    }
}

fn confined(pod: &Value, container: &Value, problems: &mut Vec<String>) {
    let name = text(container, &["name"]);
    let mut problem = |what: &str| problems.push(format!("container `{name}` {what}"));
    let own = |key: &str| at(container, &["securityContext", key]);
    if own("allowPrivilegeEscalation") != &Value::Bool(false) {
        problem("may escalate its privileges");
    }
    if own("readOnlyRootFilesystem") != &Value::Bool(true) {
        problem("may write its root file system");
    }
    if !strings(at(container, &["securityContext", "capabilities", "drop"])).any(|name| name == "ALL") {
        problem("keeps capabilities");
    }
    let added: Vec<_> = strings(at(container, &["securityContext", "capabilities", "add"])).collect();
    if name == REDIRECT {
        if added != ["NET_ADMIN"] {
            problem("needs NET_ADMIN and nothing more");
        }
    } else {
        if !added.is_empty() {
            problem("adds capabilities");
        }
        let non_root =
            own("runAsNonRoot").as_bool().or_else(|| at(pod, &["securityContext", "runAsNonRoot"]).as_bool());
        if non_root != Some(true) || user(pod, container) == Some(0) {
            problem("may run as root");
        }
    }
    for (group, resource) in [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")] {
        if at(container, &["resources", group, resource]).is_null() {
            problem(&format!("has no resources.{group}.{resource}"));
        }
    }
    let image = text(container, &["image"]);
    let file = image.rsplit('/').next().unwrap_or(image);
    if !image.contains("@sha256:")
        && file.split_once(':').is_none_or(|(_, tag)| tag.is_empty() || tag == "latest")
    {
        problem(&format!("has an image without a version: `{image}`"));
    }
}

fn watched(container: &Value, problems: &mut Vec<String>) {
    for probe in ["livenessProbe", "readinessProbe"] {
        if at(container, &[probe]).is_null() {
            problems.push(format!("container `{}` has no {probe}", text(container, &["name"])));
        }
    }
}

/// Only pods of the gate get a way out to the world; every other policy names where to.
fn network_policy(policy: &Value, problems: &mut Vec<String>) {
    let gate = text(policy, &["podSelector", "matchLabels", GATE.0]) == GATE.1;
    for rule in items(policy, "egress") {
        let to: Vec<_> = items(rule, "to").collect();
        let world = to.is_empty() || to.iter().any(|peer| !at(peer, &["ipBlock"]).is_null());
        if world && !gate {
            problems.push(format!("lets pods out to the world that are not labelled {}={}", GATE.0, GATE.1));
        }
        if items(rule, "ports").next().is_none() {
            problems.push("opens every port of what it lets out to".into());
        }
    }
}

/// Namespaces with pods, but without a policy that denies all egress of all pods by default.
fn open_namespaces(objects: &[Value]) -> Vec<String> {
    let namespace = |object: &Value| text(object, &["metadata", "namespace"]).to_owned();
    let of_kind = |kind: &'static str| objects.iter().filter(move |object| text(object, &["kind"]) == kind);
    let denies = |policy: &Value| {
        let all =
            at(policy, &["spec", "podSelector"]).as_mapping().is_some_and(serde_yaml_ng::Mapping::is_empty);
        all && strings(at(policy, &["spec", "policyTypes"])).any(|kind| kind == "Egress")
            && items(at(policy, &["spec"]), "egress").next().is_none()
    };
    let closed: Vec<_> = of_kind("NetworkPolicy").filter(|policy| denies(policy)).map(namespace).collect();
    let mut open: Vec<_> =
        of_kind("Deployment").map(namespace).filter(|name| !closed.contains(name)).collect();
    open.sort();
    open.dedup();
    open.into_iter()
        .map(|name| format!("namespace `{name}`: no NetworkPolicy denies all egress by default"))
        .collect()
}

fn user(pod: &Value, container: &Value) -> Option<u64> {
    let own = at(container, &["securityContext", "runAsUser"]).as_u64();
    own.or_else(|| at(pod, &["securityContext", "runAsUser"]).as_u64())
}

fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    path.iter().fold(value, |value, key| value.get(key).unwrap_or(NOTHING))
}

fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    at(value, &[key]).as_sequence().into_iter().flatten()
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_sequence().into_iter().flatten().chain(iter::empty()).filter_map(Value::as_str)
}

#[cfg(test)]
mod tests;
