//! Clusters: Bedrock, the control plane, and Envoy itself.

use super::yaml::{block, quoted, socket_address};
use super::{filter, peer_address};
use crate::ANSWER_SLICE_BYTES;
use crate::config::{Config, HostPort, Peer, Target};
use std::net::IpAddr;

/// Held calls are limited by memory (overload manager), not by counters meant for quick backends.
const NO_BREAKERS: &str = r#"  circuit_breakers:
    thresholds: [{max_connections: 100000, max_pending_requests: 100000, max_requests: 1000000, max_retries: 0}]"#;

/// The items of `static_resources.clusters`.
pub(super) fn render(config: &Config) -> Vec<String> {
    let mut all = vec![bedrock(config), control_plane(config)];
    if config.egress.is_some() {
        all.push(intercept());
    }
    if config.intercepts() {
        let authority = filter::self_test_authority(config);
        let sni = format!("sni: {}\n", quoted(&authority));
        all.push(self_test("portcullis_self", "intercept", Some((config, &sni))));
    }
    if let Some(gateway) = &config.gateway {
        let tls = gateway.tls.then_some((config, ""));
        all.push(self_test("portcullis_self_gateway", "gateway_self", tls));
    }
    all.extend(config.connect_passthrough.iter().map(|target| passthrough(config, target)));
    if config.metrics.is_some() {
        all.push(cluster("# Envoy's admin interface, for `metrics`.", "admin", &config.admin, &[], ""));
    }
    all
}

fn bedrock(config: &Config) -> String {
    let discovery = match &config.upstream.target {
        Target::Dns(resolvers) => format!(
            r#"  lb_policy: CLUSTER_PROVIDED
  cluster_type:
    name: envoy.clusters.dynamic_forward_proxy
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig
{}"#,
            block(6, &dns_cache(resolvers))
        ),
        Target::Fixed(target) => endpoint("bedrock", &Peer::Tcp(target.clone()), &[]),
    };
    format!(
        r#"# Where allowed calls go. The server must prove the name that the call asked for. No retries: SDKs do that, and every
# try is decided.
- name: bedrock
  connect_timeout: 10s
  # How much of an answer is read at once. A slice is added to what is held before the gate sees it: what the gate may hold, and
  # a slice, must fit into a listener's limit, or Envoy gives up the answer with an error of its own.
  per_connection_buffer_limit_bytes: {ANSWER_SLICE_BYTES}
{discovery}
{NO_BREAKERS}
  upstream_connection_options: &keepalive
    tcp_keepalive: {{keepalive_time: 60, keepalive_interval: 15, keepalive_probes: 4}}
  typed_extension_protocol_options:
    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
      "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
      upstream_http_protocol_options: {{auto_sni: true, auto_san_validation: true}}
      common_http_protocol_options: {{idle_timeout: 55s}} # AWS closes idle connections after a minute; be first
      # HTTP/2 stays HTTP/2: the JavaScript SDK signs `:authority`.
      use_downstream_protocol_config:
        http_protocol_options: {{}}
        http2_protocol_options:
          max_concurrent_streams: 128
          initial_stream_window_size: 4194304
          initial_connection_window_size: 16777216
          connection_keepalive: {{interval: 30s, timeout: 10s}}
  transport_socket:
    name: envoy.transport_sockets.tls
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
      common_tls_context:
        tls_params: {{tls_minimum_protocol_version: TLSv1_2, tls_maximum_protocol_version: TLSv1_3}}
        validation_context: {{trusted_ca: {{filename: {ca}}}}}
"#,
        ca = quoted(&config.upstream.ca_file),
    )
}

/// The DNS cache of cluster and filter, which must be the same text in both.
pub(super) fn dns_cache(resolvers: &[IpAddr]) -> String {
    format!(
        "dns_cache_config:\n  name: bedrock\n  dns_lookup_family: V4_PREFERRED\n  dns_query_timeout: 5s{}",
        block(2, &resolver(resolvers))
    )
}

/// Resolvers other than the system's, as a key on a line of its own.
fn resolver(resolvers: &[IpAddr]) -> String {
    if resolvers.is_empty() {
        return String::new();
    }
    let addresses = resolvers.iter().map(|ip| format!("    - {}", socket_address(&ip.to_string(), 53)));
    format!(
        r#"
# Not the system's resolver: where DNS leads applications here, it would lead Envoy here, too.
typed_dns_resolver_config:
  name: envoy.network.dns_resolver.cares
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
    resolvers:
{}
    dns_resolver_options: {{no_default_search_domain: true}}"#,
        addresses.collect::<Vec<_>>().join("\n")
    )
}

fn control_plane(config: &Config) -> String {
    // Callouts have no retries, so a dead connection must be found before it is used.
    let options = format!(
        r#"{NO_BREAKERS}
  upstream_connection_options: *keepalive
  typed_extension_protocol_options:
    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
      "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
      common_http_protocol_options: {{idle_timeout: 30s}}
      explicit_http_config: {{http_protocol_options: {{}}}}
"#
    );
    let comment = "# Whom the gate asks: the control plane's data plane API.";
    cluster(comment, "portcullis", &config.control_plane.peer, &[], &options)
}

fn intercept() -> String {
    r#"# From a CONNECT tunnel to the filter chain of `intercept`, with the client's address.
- name: intercept
  type: STATIC
  load_assignment:
    cluster_name: intercept
    endpoints: [{lb_endpoints: [{endpoint: {address: {envoy_internal_address: {server_listener_name: intercept}}}}]}]
  circuit_breakers:
    thresholds: [{max_connections: 100000, max_pending_requests: 100000, max_requests: 1000000, max_retries: 0}]
  transport_socket:
    name: envoy.transport_sockets.internal_upstream
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport
      transport_socket:
        name: envoy.transport_sockets.raw_buffer
        typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}
"#
    .to_owned()
}

/// The self-test's way to its own listener; with TLS, `tls` has the configuration and the server name.
fn self_test(name: &str, listener: &str, tls: Option<(&Config, &str)>) -> String {
    let transport = tls.map(|(config, sni)| {
        let dir = config.tls_dir.as_deref().unwrap_or_default().trim_end_matches('/');
        format!(
            r#"  transport_socket:
    name: envoy.transport_sockets.tls
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
{sni}      common_tls_context:
        validation_context: {{trusted_ca: {{filename: {ca}}}}}
"#,
            sni = if sni.is_empty() { String::new() } else { block(6, sni) + "\n" },
            ca = quoted(&format!("{dir}/ca.pem")),
        )
    });
    format!(
        r#"# The self-test: a call to this Envoy itself, which must be held at its headers.
- name: {name}
  type: STATIC
  connect_timeout: 3s
  load_assignment:
    cluster_name: {name}
    endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{envoy_internal_address: {{server_listener_name: {listener}}}}}}}}}]}}]
{transport}"#,
        transport = transport.unwrap_or_default(),
    )
}

/// The name of a tunnel's cluster.
pub(super) fn passthrough_name(target: &HostPort) -> String {
    format!("connect_{}_{}", target.host, target.port)
}

fn passthrough(config: &Config, target: &HostPort) -> String {
    let resolvers: &[IpAddr] = match &config.upstream.target {
        Target::Dns(resolvers) => resolvers,
        Target::Fixed(_) => &[],
    };
    let options = format!("{NO_BREAKERS}\n");
    let name = passthrough_name(target);
    cluster("# A tunnel, not looked into.", &name, &Peer::Tcp(target.clone()), resolvers, &options)
}

fn cluster(comment: &str, name: &str, peer: &Peer, resolvers: &[IpAddr], options: &str) -> String {
    format!(
        "{comment}\n- name: {}\n  connect_timeout: 2s\n{}\n{options}",
        quoted(name),
        endpoint(name, peer, resolvers)
    )
}

/// Discovery and endpoint of a cluster with one address: names are resolved again as their TTL says.
fn endpoint(name: &str, peer: &Peer, resolvers: &[IpAddr]) -> String {
    let discovery = match peer {
        Peer::Tcp(target) if !target.is_ip() => format!(
            r#"cluster_type:
    name: envoy.clusters.dns
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster
      dns_lookup_family: V4_PREFERRED
      respect_dns_ttl: true
      dns_failure_refresh_rate: {{base_interval: 1s, max_interval: 5s}}{}"#,
            block(6, &resolver(resolvers))
        ),
        _ => "type: STATIC".to_owned(),
    };
    format!(
        r#"  {discovery}
  load_assignment:
    cluster_name: {}
    endpoints:
    - lb_endpoints:
      - endpoint:
          address:
            {}"#,
        quoted(name),
        peer_address(peer)
    )
}
