use super::*;
use serde_json::json;

const RULES: &str = r#"
[[crate]]
name = "gate"
pure = true
may_use = ["bedrock"]
reason = "gate knows bedrock"
[[crate]]
name = "bedrock"
pure = true
may_use = []
reason = "bedrock knows nobody"
[[crate]]
name = "server"
may_use = ["bedrock"]
reason = "server knows bedrock"
[[only]]
dependencies = ["axum"]
by = ["server"]
reason = "serving is the server's"
[pure]
dependencies = ["tokio"]
paths = []
macros = []
static_types = []
reason = "no runtime in a pure crate"
"#;

/// What cargo would say of these workspace crates and third-party crates, with edges `(from, to, kind)`.
fn metadata(ours: &[&str], others: &[&str], edges: &[(&str, &str, Option<&str>)]) -> Metadata {
    let package = |name: &&str| {
        json!({"name": name, "version": "1.0.0", "id": name, "source": null, "dependencies": [], "targets": [], "features": {},
               "manifest_path": format!("/{name}/Cargo.toml"), "edition": "2024"})
    };
    let node = |name: &&str| {
        let used = edges.iter().filter(|(from, _, _)| from == name);
        let deps: Vec<_> = used
            .map(
                |(_, to, kind)| json!({"name": to, "pkg": to, "dep_kinds": [{"kind": kind, "target": null}]}),
            )
            .collect();
        json!({"id": name, "dependencies": [], "deps": deps, "features": []})
    };
    let all = || ours.iter().chain(others);
    serde_json::from_value(json!({
        "packages": all().map(package).collect::<Vec<_>>(), "workspace_members": ours, "workspace_default_members": ours,
        "resolve": {"nodes": all().map(node).collect::<Vec<_>>(), "root": null},
        "workspace_root": "/", "target_directory": "/target", "version": 1,
    }))
    .unwrap()
}

fn violations(ours: &[&str], others: &[&str], edges: &[(&str, &str, Option<&str>)]) -> Vec<String> {
    let alone = |_: &str| Ok(others.iter().map(|name| (*name).to_owned()).collect());
    let found = check(&Rules::parse(RULES).unwrap(), &metadata(ours, others, edges), alone).unwrap();
    let found: Vec<_> =
        found.iter().map(|violation| format!("{}: {}", violation.place, violation.what)).collect();
    println!("{edges:?} -> {found:?}");
    found
}

const OURS: &[&str] = &["gate", "bedrock", "server"];

#[test]
fn what_the_rules_allow_is_no_violation() {
    let edges = [
        ("gate", "bedrock", None),
        ("server", "bedrock", None),
        ("server", "axum", None),
        ("axum", "tokio", None),
        ("gate", "serde", None),
    ];
    assert!(violations(OURS, &["axum", "tokio", "serde"], &edges).is_empty());
}

#[test]
fn a_crate_of_ours_that_may_not_be_used() {
    assert_eq!(
        violations(OURS, &[], &[("bedrock", "gate", None)]),
        [r#"bedrock: uses `gate`, and may use []"#]
    );
    assert_eq!(violations(OURS, &[], &[("bedrock", "gate", Some("build"))]).len(), 1, "build scripts count");
}

#[test]
fn a_third_party_crate_that_is_for_others() {
    assert_eq!(
        violations(OURS, &["axum"], &[("gate", "axum", None)]),
        [r#"gate: depends on `axum`, which is only for ["server"]"#]
    );
}

#[test]
fn a_pure_crate_that_reaches_a_runtime_through_others() {
    let edges = [("gate", "bedrock", None), ("bedrock", "helper", None), ("helper", "tokio", None)];
    assert_eq!(
        violations(OURS, &["helper", "tokio"], &edges),
        [
            "gate: is pure, but reaches `tokio`: bedrock → helper → tokio",
            "bedrock: is pure, but reaches `tokio`: helper → tokio"
        ]
    );
}

#[test]
fn what_only_another_crate_asked_for_is_not_reached() {
    let edges = [("bedrock", "helper", None), ("helper", "tokio", None)];
    let metadata = metadata(OURS, &["helper", "tokio"], &edges);
    let alone = |_: &str| Ok(BTreeSet::from(["helper".to_owned()]));
    assert!(check(&Rules::parse(RULES).unwrap(), &metadata, alone).unwrap().is_empty());
}

#[test]
fn what_runs_while_others_are_built_is_not_reached() {
    let edges = [("bedrock", "helper", None), ("helper", "tokio", Some("build"))];
    assert!(violations(OURS, &["helper", "tokio"], &edges).is_empty());
    assert_eq!(
        violations(OURS, &["tokio"], &[("bedrock", "tokio", Some("build"))]).len(),
        1,
        "our own count"
    );
}

#[test]
fn tests_may_use_what_they_like() {
    let edges = [("gate", "tokio", Some("dev")), ("bedrock", "gate", Some("dev"))];
    assert!(violations(OURS, &["tokio"], &edges).is_empty());
}

#[test]
fn a_crate_without_a_rule_and_a_rule_without_a_crate() {
    assert_eq!(
        violations(&["gate", "bedrock", "newcomer"], &[], &[]),
        ["newcomer: has no [[crate]] rule in walls.toml", "walls.toml: there is no crate called `server`"]
    );
}

#[test]
fn a_rule_needs_a_reason() {
    let error = Rules::parse(&RULES.replace("bedrock knows nobody", " ")).unwrap_err();
    assert!(error.to_string().contains("without a reason"), "{error}");
}
