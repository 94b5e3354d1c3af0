use crate::{Config, render};
use serde_yaml_ng::Value;

const EVERYTHING: &str = r#"
node: test
regions: [us-east-1, eu-central-1]
extra_hosts: [vpce-0a1b-cdef.bedrock-runtime.us-east-1.vpce.amazonaws.com]
listeners:
  egress: {address: 127.0.0.1, port: 0}
  transparent: {address: "::1", port: 0}
  gateway:
    address: 127.0.0.1
    port: 0
    region: eu-central-1
    services: [bedrock-runtime, bedrock-agent-runtime, bedrock-agentcore]
    credential: {access_key_id: 'AKI"A', secret_access_key: 'a\b: #{c}', session_token: t}
    tls: true
control_plane: {address: "unix:/run/portcullis.sock"}
filter: {path: '/a "b"/filter.wasm', failure_mode: open}
tls: {dir: /tls/}
upstream: {dns_resolvers: [10.0.0.2, "fd00::2"]}
connect_passthrough: ["sts.amazonaws.com:443"]
admin: {path: /run/admin.sock}
metrics: {address: 0.0.0.0, port: 9902}
access_log: /dev/stdout
"#;

fn bootstrap() -> Value {
    serde_yaml_ng::from_str(&render(&Config::parse(EVERYTHING).unwrap())).unwrap()
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_sequence()
        .unwrap()
        .iter()
        .find(|item| item["name"] == name)
        .unwrap_or_else(|| panic!("no `{name}`"))
}

/// The connection manager of a listener.
fn manager<'a>(bootstrap: &'a Value, listener: &str) -> &'a Value {
    &named(&bootstrap["static_resources"]["listeners"], listener)["filter_chains"][0]["filters"][0]["typed_config"]
}

#[test]
fn the_same_configuration_gives_the_same_text() {
    let config = Config::parse(EVERYTHING).unwrap();
    assert_eq!(render(&config), render(&config));
}

#[test]
fn every_listener_that_leads_to_bedrock_has_the_gate_first() {
    let bootstrap = bootstrap();
    let mut gated = Vec::new();
    for listener in bootstrap["static_resources"]["listeners"].as_sequence().unwrap() {
        let name = listener["name"].as_str().unwrap();
        let manager = manager(&bootstrap, name);
        let routes = serde_yaml_ng::to_string(&manager["route_config"]).unwrap();
        if !routes.contains("cluster: bedrock\n") {
            continue;
        }
        let filter = &manager["http_filters"][0];
        assert_eq!(filter["name"], "portcullis", "{name}");
        assert_eq!(filter["typed_config"]["config"]["allow_on_headers_stop_iteration"], true, "{name}");
        assert_eq!(filter["typed_config"]["config"]["failure_policy"], "FAIL_RELOAD", "{name}");
        for (key, expected) in
            [("normalize_path", false), ("merge_slashes", false), ("generate_request_id", false)]
        {
            assert_eq!(manager[key], expected, "{name} {key}");
        }
        gated.push(name);
    }
    println!("gated: {gated:?}");
    assert_eq!(gated, ["intercept", "transparent", "gateway", "gateway_self"]);
}

/// Otherwise Envoy gives up an answer that the gate could hold, or would have refused in its own words, whenever enough of it
/// arrives at once, and cuts a stream when the gate lets go of what it kept.
#[test]
fn what_the_gate_may_hold_of_an_answer_and_what_is_read_at_once_fit_into_envoys_buffer() {
    // Eight slices of 16 KiB, how far Envoy may read beyond a connection's limit; and last words.
    const BEYOND: u64 = 8 * 16 * 1024 + 64 * 1024;
    for (limits, most, expected) in [
        ("", 26_214_400, 33_554_432),
        ("max_held_answer_bytes: 32505856", 32_505_856, 33_554_432),
        ("max_held_bytes: 134217728", 134_217_728, 135_266_304),
    ] {
        let limits = format!("failure_mode: open, limits: {{{limits}}}");
        let text = render(&Config::parse(&EVERYTHING.replace("failure_mode: open", &limits)).unwrap());
        let bootstrap: Value = serde_yaml_ng::from_str(&text).unwrap();
        let limit = |item: &Value| item["per_connection_buffer_limit_bytes"].as_u64().unwrap();
        let slice = limit(named(&bootstrap["static_resources"]["clusters"], "bedrock"));
        for listener in ["intercept", "transparent", "gateway", "gateway_self"] {
            let holds = limit(named(&bootstrap["static_resources"]["listeners"], listener));
            assert_eq!(holds, expected, "{listener}");
            assert!(most + slice + BEYOND <= holds, "{listener}: {most}, {slice} at once, {holds}");
            let http2 = &manager(&bootstrap, listener)["http2_protocol_options"];
            assert_eq!(http2["initial_stream_window_size"].as_u64(), Some(holds), "{listener}");
            let connection = http2["initial_connection_window_size"].as_u64().unwrap();
            assert!((2 * holds..1 << 31).contains(&connection), "{listener}: {connection}");
        }
    }
}

#[test]
fn no_route_retries_or_rewrites() {
    let text = render(&Config::parse(EVERYTHING).unwrap());
    for word in
        ["retry_policy", "prefix_rewrite", "regex_rewrite", "FAIL_OPEN", "request_mirror", "layered_runtime"]
    {
        let used = text.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains(word));
        assert_eq!(used.count(), 0, "{word}");
    }
}

#[test]
fn the_plugin_configuration_is_the_filters_contract() {
    let bootstrap = bootstrap();
    for (listener, entrance, cluster) in [
        ("intercept", serde_json::json!("pass_through"), "portcullis_self"),
        (
            "gateway",
            serde_json::json!({"resign": {"region": "eu-central-1",
                "services": ["bedrock-runtime", "bedrock-agent-runtime", "bedrock-agentcore"]}}),
            "portcullis_self_gateway",
        ),
    ] {
        let value = &manager(&bootstrap, listener)["http_filters"][0]["typed_config"]["config"]["configuration"]
            ["value"];
        let plugin: serde_json::Value = serde_json::from_str(value.as_str().unwrap()).unwrap();
        println!("{listener}: {plugin}");
        assert_eq!(plugin["entrance"], entrance);
        assert_eq!(plugin["failure_mode"], "open");
        assert_eq!(plugin["self_test"]["cluster"], cluster);
        assert_eq!(plugin["gate"], "test");
        let mut keys: Vec<&String> = plugin.as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(keys, ["control_plane", "entrance", "failure_mode", "gate", "limits", "self_test"]);
        named(&bootstrap["static_resources"]["clusters"], cluster);
    }
}

#[test]
fn a_gateway_signs_for_the_service_of_each_path() {
    let bootstrap = bootstrap();
    let routes =
        manager(&bootstrap, "gateway")["route_config"]["virtual_hosts"][0]["routes"].as_sequence().unwrap();
    for (prefix, service, host) in [
        ("/model", "bedrock", "bedrock-runtime.eu-central-1.amazonaws.com"),
        ("/knowledgebases", "bedrock", "bedrock-agent-runtime.eu-central-1.amazonaws.com"),
        ("/runtimes", "bedrock-agentcore", "bedrock-agentcore.eu-central-1.amazonaws.com"),
    ] {
        let route = routes.iter().find(|route| route["match"]["path_separated_prefix"] == prefix).unwrap();
        let signing = &route["typed_per_filter_config"]["envoy.filters.http.aws_request_signing"]["aws_request_signing"];
        println!("{prefix}: {signing:?}");
        assert_eq!(signing["service_name"], service);
        assert_eq!(signing["host_rewrite"], host);
        assert_eq!(signing["region"], "eu-central-1");
        assert_eq!(signing["credential_provider"]["inline_credential"]["secret_access_key"], r"a\b: #{c}");
    }
    let last = routes.last().unwrap();
    assert_eq!(last["direct_response"]["status"], 404, "what no service has goes nowhere");
}

#[test]
fn what_users_write_cannot_change_the_structure() {
    let bootstrap = bootstrap();
    let filter = &manager(&bootstrap, "intercept")["http_filters"][0]["typed_config"]["config"];
    assert_eq!(filter["vm_config"]["code"]["local"]["filename"], "/a \"b\"/filter.wasm");
    let nasty = EVERYTHING.replace("/run/portcullis.sock", "/x', y: {z");
    let bootstrap: Value = serde_yaml_ng::from_str(&render(&Config::parse(&nasty).unwrap())).unwrap();
    let peer =
        &named(&bootstrap["static_resources"]["clusters"], "portcullis")["load_assignment"]["endpoints"][0];
    assert_eq!(peer["lb_endpoints"][0]["endpoint"]["address"]["pipe"]["path"], "/x', y: {z");
}

#[test]
fn only_listed_hosts_are_reachable() {
    let bootstrap = bootstrap();
    let config = Config::parse(EVERYTHING).unwrap();
    let hosts: Vec<&str> = config.hosts().collect();
    let chain = &named(&bootstrap["static_resources"]["listeners"], "intercept")["filter_chains"][0];
    let names = chain["filter_chain_match"]["server_names"].as_sequence().unwrap();
    assert_eq!(names.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>(), hosts);
    for listener in ["intercept", "egress"] {
        let hosts_of = &manager(&bootstrap, listener)["route_config"]["virtual_hosts"];
        let domains = named(hosts_of, "bedrock")["domains"].as_sequence().unwrap();
        let expected: Vec<String> =
            hosts.iter().flat_map(|host| [(*host).to_owned(), format!("{host}:443")]).collect();
        assert_eq!(
            domains.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>(),
            expected,
            "{listener}"
        );
        let other = named(hosts_of, "elsewhere")["routes"].as_sequence().unwrap();
        assert!(other.iter().all(|route| route["direct_response"]["status"] == 403), "{listener}");
    }
}
