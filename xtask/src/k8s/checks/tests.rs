use super::*;

const GOOD: &str = r"
kind: Deployment
metadata: {name: app, namespace: apps}
spec:
  template:
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: registry.example:5000/app:1.0
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        resources: {requests: {cpu: 10m, memory: 1Mi}, limits: {memory: 1Mi}}
        livenessProbe: {}
        readinessProbe: {}
";
const CLOSED: &str = r"
kind: NetworkPolicy
metadata: {name: deny, namespace: apps}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
";

fn of(texts: &[&str]) -> Vec<String> {
    let objects: Vec<Value> = texts.iter().map(|text| serde_yaml_ng::from_str(text).unwrap()).collect();
    let problems = problems(&objects);
    println!("{problems:?}");
    problems
}

#[test]
fn nothing_is_wrong_with_a_confined_pod_in_a_closed_namespace() {
    assert!(of(&[GOOD, CLOSED]).is_empty());
}

#[test]
fn each_thing_that_can_be_wrong_with_a_pod_is_found() {
    for (from, to, expected) in [
        ("automountServiceAccountToken: false", "x: 1", "service-account token"),
        ("RuntimeDefault", "Unconfined", "seccomp"),
        ("runAsNonRoot: true, runAsUser: 10001", "runAsUser: 10001", "may run as root"),
        ("runAsUser: 10001", "runAsUser: 0", "may run as root"),
        ("allowPrivilegeEscalation: false, ", "", "escalate"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "root file system"),
        ("drop: [ALL]", "drop: [NET_RAW]", "keeps capabilities"),
        ("drop: [ALL]", "drop: [ALL], add: [NET_ADMIN]", "adds capabilities"),
        (", limits: {memory: 1Mi}", "", "limits.memory"),
        ("cpu: 10m, ", "", "requests.cpu"),
        ("livenessProbe: {}", "x: 1", "livenessProbe"),
        ("readinessProbe: {}", "x: 1", "readinessProbe"),
        ("app:1.0", "app", "without a version"),
        ("app:1.0", "app:latest", "without a version"),
    ] {
        let changed = GOOD.replace(from, to);
        assert_ne!(changed, GOOD, "`{from}` is in the sample");
        let problems = of(&[&changed, CLOSED]);
        assert!(
            problems.iter().any(|problem| problem.contains(expected)),
            "{to}: {expected}, but {problems:?}"
        );
    }
}

#[test]
fn a_secret_in_the_manifests() {
    assert_eq!(of(&["kind: Secret\nmetadata: {name: x}"]).len(), 1);
}

#[test]
fn a_namespace_that_denies_nothing_by_default() {
    assert_eq!(of(&[GOOD]), ["namespace `apps`: no NetworkPolicy denies all egress by default"]);
    assert_eq!(
        of(&[GOOD, &CLOSED.replace("podSelector: {}", "podSelector: {matchLabels: {a: b}}")]).len(),
        1
    );
    assert_eq!(of(&[GOOD, &CLOSED.replace("[Ingress, Egress]", "[Ingress]")]).len(), 1);
}

#[test]
fn only_the_gate_gets_out() {
    let policy = |selector: &str, rule: &str| {
        format!(
            "kind: NetworkPolicy\nmetadata: {{name: x}}\nspec: {{podSelector: {selector}, egress: [{rule}]}}"
        )
    };
    let gate = "{matchLabels: {portcullis.dev/gate: 'true'}}";
    for (selector, rule, good) in [
        (gate, "{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}", true),
        ("{}", "{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}", false),
        ("{}", "{ports: [{port: 443}]}", false),
        ("{}", "{to: [{namespaceSelector: {}}], ports: [{port: 53}]}", true),
        ("{}", "{to: [{namespaceSelector: {}}]}", false),
    ] {
        assert_eq!(of(&[&policy(selector, rule)]).is_empty(), good, "{selector} {rule}");
    }
}

#[test]
fn an_application_with_envoys_user() {
    let both =
        GOOD.replace("      - name: app", "      - name: envoy\n        image: e:1\n      - name: app");
    let problems = of(&[&both, CLOSED]);
    assert!(problems.iter().any(|problem| problem.contains("runs as Envoy's user")), "{problems:?}");
}
