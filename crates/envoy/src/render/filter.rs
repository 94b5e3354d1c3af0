//! The gate: the Wasm filter, and the configuration that it reads (its keys are the filter's contract).

use super::yaml::{block, quoted};
use crate::config::Config;
use crate::hosts;
use serde::Serialize;

/// Which entrance the filter stands in.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entrance {
    PassThrough,
    Resign { region: String, services: Vec<&'static str> },
}

#[derive(Serialize)]
struct Plugin<'a> {
    entrance: &'a Entrance,
    control_plane: ControlPlane,
    failure_mode: &'static str,
    limits: Limits,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    providers: Vec<Provider<'a>>,
    self_test: SelfTest<'a>,
    gate: &'a str,
}

#[derive(Serialize)]
struct ControlPlane {
    cluster: &'static str,
    authority: &'static str,
    timeout_ms: u64,
}

#[derive(Serialize)]
struct Limits {
    max_body_bytes: u64,
    body_timeout_ms: u64,
    max_text_bytes: u64,
    max_tool_call_bytes: u64,
    max_held_bytes: u64,
    max_held_answer_bytes: u64,
}

#[derive(Serialize)]
struct Provider<'a> {
    host: &'a str,
    provider: &'a str,
    api: &'static str,
}

#[derive(Serialize)]
struct SelfTest<'a> {
    cluster: &'a str,
    authority: &'a str,
    timeout_ms: u64,
}

/// The filter as an item of `http_filters`, testing itself through `self_cluster`.
pub(super) fn render(config: &Config, entrance: &Entrance, self_cluster: &str, authority: &str) -> String {
    let providers = config.providers.iter();
    let providers = providers.map(|p| Provider { host: &p.host, provider: &p.name, api: p.api });
    let plugin = Plugin {
        entrance,
        control_plane: ControlPlane {
            cluster: "portcullis",
            authority: "portcullis",
            timeout_ms: config.control_plane.timeout_ms,
        },
        failure_mode: if config.filter.fail_open { "open" } else { "closed" },
        limits: Limits {
            max_body_bytes: config.filter.max_body_bytes,
            body_timeout_ms: config.filter.body_timeout_ms,
            max_text_bytes: config.filter.max_text_bytes,
            max_tool_call_bytes: config.filter.max_tool_call_bytes,
            max_held_bytes: config.filter.max_held_bytes,
            max_held_answer_bytes: config.filter.max_held_answer_bytes,
        },
        // The gateway signs, and so stands for AWS alone.
        providers: match entrance {
            Entrance::PassThrough => providers.collect(),
            Entrance::Resign { .. } => Vec::new(),
        },
        self_test: SelfTest { cluster: self_cluster, authority, timeout_ms: 3_000 },
        gate: &config.node,
    };
    // Numbers and strings only: this cannot fail, and if it did the filter would refuse to start with it.
    let json = serde_json::to_string_pretty(&plugin).unwrap_or_default();
    let warning = if config.filter.fail_open {
        "# failure_mode is OPEN: calls pass undecided and unrecorded while no decision can be had.\n"
    } else {
        ""
    };
    format!(
        r#"# The gate. Everything after it sees only calls that were decided and recorded.
{warning}- name: portcullis
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    config:
      name: portcullis
      root_id: portcullis
      # A trapped VM refuses (503) until it is back; never FAIL_OPEN.
      failure_policy: FAIL_RELOAD
      # Without this, holding the headers would hold the body back for ever: calls would hang. The self-test watches it.
      allow_on_headers_stop_iteration: true
      # The same id and code for every listener: one VM per worker.
      vm_config:
        vm_id: portcullis
        runtime: envoy.wasm.runtime.v8
        code: {{local: {{filename: {path}}}}}
        environment_variables: {{host_env_keys: [PORTCULLIS_DATA_TOKEN]}}
      configuration:
        "@type": type.googleapis.com/google.protobuf.StringValue
        value: |
{json}"#,
        path = quoted(&config.filter.path),
        json = block(10, &json),
    )
}

/// The authority of self-test calls: a host that the listener serves.
pub(super) fn self_test_authority(config: &Config) -> String {
    let region = config.regions.first().map_or("", |region| &region.name);
    hosts::service("bedrock-runtime")
        .and_then(|service| hosts::host(service, region).ok())
        .unwrap_or_default()
}
