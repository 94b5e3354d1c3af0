use super::*;
use serde_yaml_ng::{Mapping, Value};

const GOOD: &str = r#"
regions: [us-east-1]
listeners:
  egress: {address: 127.0.0.1, port: 3128}
control_plane: {address: "127.0.0.1:8181"}
filter: {path: /f.wasm}
tls: {dir: /tls}
"#;

#[test]
fn the_least_there_is_gets_the_documented_defaults() {
    let config = Config::parse(GOOD).unwrap();
    println!("{config:#?}");
    assert_eq!(config.node, "portcullis");
    assert!(!config.filter.fail_open);
    assert_eq!(config.filter.max_body_bytes, 26_214_400);
    assert_eq!(config.control_plane.timeout_ms, 5_000);
    assert_eq!(config.admin, Peer::Tcp(HostPort { host: "127.0.0.1".to_owned(), port: 9901 }));
    assert_eq!(config.upstream.target, Target::Dns(Vec::new()));
    assert!(config.connect_passthrough.is_empty() && config.metrics.is_none() && config.gateway.is_none());
    assert_eq!(config.hosts().count(), 34);
}

#[test]
fn every_bad_file_is_refused_with_a_reason() {
    let cases: Vec<Mapping> =
        serde_yaml_ng::from_str(include_str!("../../../../testdata/gateway-refused.yaml")).unwrap();
    for case in &cases {
        let (name, says) = (case["name"].as_str().unwrap(), case["says"].as_str().unwrap());
        let mut file: Mapping = serde_yaml_ng::from_str(GOOD).unwrap();
        for (key, value) in case["change"].as_mapping().unwrap() {
            match value {
                Value::Null => drop(file.remove(key)),
                value => drop(file.insert(key.clone(), value.clone())),
            }
        }
        let text = serde_yaml_ng::to_string(&file).unwrap();
        let message =
            Config::parse(&text).map(|_| "accepted".to_owned()).unwrap_or_else(|error| error.to_string());
        println!("{name}: {message}");
        assert!(message.contains(says), "{name}: `{message}` does not say `{says}`");
    }
    assert!(cases.len() > 30);
}

#[test]
fn a_typo_is_reported_with_its_line() {
    let error =
        Config::parse(&GOOD.replace("address: 127.0.0.1, port", "addres: 127.0.0.1, port")).unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("line 4"), "{error}");
    let error = Config::parse(&format!("{GOOD}regions: [eu-west-1]\n")).unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("duplicate"), "{error}");
}

#[test]
fn addresses_are_read_in_all_their_forms() {
    for (text, host, port) in [
        ("portcullis.svc:8181", "portcullis.svc", 8181),
        ("127.0.0.1:1", "127.0.0.1", 1),
        ("[::1]:65535", "::1", 65535),
    ] {
        assert_eq!(Peer::parse(text).unwrap(), Peer::Tcp(HostPort { host: host.to_owned(), port }), "{text}");
    }
    for text in ["unix:/run/a.sock", "/run/a.sock"] {
        assert_eq!(Peer::parse(text).unwrap(), Peer::Unix("/run/a.sock".to_owned()), "{text}");
    }
    for text in ["", ":1", "a:", "a:0", "a:65536", "a b:1", "[a]:1", "::1:1:", "\"x:1", "a/b:1"] {
        println!("{text}: {:?}", Peer::parse(text));
        assert!(Peer::parse(text).is_err(), "{text}");
    }
}

#[test]
fn topologies_are_sets_of_listeners() {
    for (topology, egress, transparent, gateway) in [
        ("egress-explicit", Some("0.0.0.0:3128"), None, None),
        ("egress-transparent", None, Some("0.0.0.0:10443"), None),
        ("sidecar", Some("127.0.0.1:3128"), Some("127.0.0.1:10443"), None),
        ("gateway", None, None, Some("0.0.0.0:10000")),
    ] {
        let text = GOOD.replace(
            "listeners:\n  egress: {address: 127.0.0.1, port: 3128}",
            &format!("topology: {topology}"),
        );
        let config = Config::parse(&text).unwrap();
        let shown = |socket: Option<Socket>| socket.map(|s| format!("{}:{}", s.address, s.port));
        let got = (shown(config.egress), shown(config.transparent), shown(config.gateway.map(|g| g.socket)));
        println!("{topology}: {got:?}");
        assert_eq!((got.0.as_deref(), got.1.as_deref(), got.2.as_deref()), (egress, transparent, gateway));
    }
}

#[test]
fn a_secret_does_not_show_in_debug_output() {
    let text = GOOD.replace(
        "egress: {address: 127.0.0.1, port: 3128}",
        "gateway: {address: 127.0.0.1, port: 0, credential: {access_key_id: AKIAX, secret_access_key: hush}}",
    );
    let shown = format!("{:?}", Config::parse(&text).unwrap());
    assert!(shown.contains("AKIAX") && !shown.contains("hush"), "{shown}");
}

#[test]
fn the_sample_of_other_providers_is_served_by_those_who_intercept() {
    let page = include_str!("../../../../docs/providers.md");
    let sample = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let config = Config::parse(sample).unwrap();
    let found: Vec<_> = config.providers.iter().map(|p| (p.host.as_str(), p.name.as_str(), p.api)).collect();
    println!("{found:?}");
    assert_eq!(
        found,
        [
            ("api.anthropic.com", "anthropic", "anthropic"),
            ("api.openai.com", "openai", "openai"),
            ("api.mistral.ai", "mistral", "openai"),
        ]
    );
    assert_eq!(config.hosts().count(), 34 + 3);
    let both = sample.replace("listeners:\n", "listeners:\n  gateway: {address: 127.0.0.1, port: 0}\n");
    let rendered = crate::render(&Config::parse(&both).unwrap());
    // Server names and authorities of the intercepting chain, its filter, and no filter that signs.
    let times = |text: &str| rendered.matches(text).count();
    assert_eq!(times("\"provider\": \"mistral\""), 1);
    assert_eq!((times("- api.mistral.ai\n"), times("api.mistral.ai, \"api.mistral.ai:443\"")), (1, 1));
    assert_eq!(times("- name: \"extra\""), 1, "the leaf of hosts that are no region's");
}
