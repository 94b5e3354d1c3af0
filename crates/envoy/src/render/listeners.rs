//! Listeners: the one filter chain that intercepts, and the ways into it.

use super::connection::{manager, refusal, self_test_route};
use super::filter::{self, Entrance};
use super::yaml::{block, quoted, socket_address};
use super::{clusters, gateway};
use crate::config::{Config, Socket, Target};
use crate::{BUFFER_LIMIT_BYTES, BUFFER_MARGIN_BYTES};

/// Envoy refuses a body above this with an answer of its own, so it is above what the gate takes (32 MiB). What the gate keeps of a
/// stream goes back to Envoy in one piece: of more than this Envoy would cut the stream.
pub(super) fn buffer_limit(config: &Config) -> u64 {
    BUFFER_LIMIT_BYTES.max(config.filter.max_held_bytes.saturating_add(BUFFER_MARGIN_BYTES))
}

/// The same as a line of a listener.
pub(super) fn buffers(config: &Config) -> String {
    format!("  per_connection_buffer_limit_bytes: {}", buffer_limit(config))
}

/// How every listener that ends TLS looks at it first.
const TLS_INSPECTOR: &str = r#"  - name: envoy.filters.listener.tls_inspector
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"#;

/// The items of `static_resources.listeners`. `intercept` comes first, because the others refer to it.
pub(super) fn render(config: &Config) -> Vec<String> {
    let mut all = Vec::new();
    if config.intercepts() {
        all.push(intercept(config));
    }
    if let Some(socket) = config.egress {
        all.push(egress(config, socket));
    }
    if let Some(socket) = config.transparent {
        all.push(transparent(config, socket));
    }
    if let Some(endpoint) = &config.gateway {
        all.extend(gateway::render(config, endpoint));
    }
    if let Some(socket) = config.metrics {
        all.push(metrics(socket));
    }
    all
}

fn intercept(config: &Config) -> String {
    let authority = filter::self_test_authority(config);
    let filters =
        filter::render(config, &Entrance::PassThrough, "portcullis_self", &authority) + &dns_filter(config);
    let mut certificates: Vec<&str> = config.regions.iter().map(|region| region.name.as_str()).collect();
    if !config.extra_hosts.is_empty() || !config.providers.is_empty() {
        certificates.push("extra");
    }
    format!(
        r#"# Where TLS is ended and the gate stands. No socket: `egress` and the self-test reach it inside Envoy, `transparent` has the
# same filter chain.
- name: intercept
  internal_listener: {{}}
{buffers}
  listener_filters:
  # Takes the client's address over from `egress`.
  - name: envoy.filters.listener.original_dst
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst
{TLS_INSPECTOR}
  filter_chains: &intercepted
  # A server name that is not on this list matches no chain: the connection is closed.
  - filter_chain_match:
      server_names:
{names}
    transport_socket_connect_timeout: 15s
    {transport}
    {manager}
"#,
        buffers = buffers(config),
        names = names(config),
        transport = block(4, &transport_socket(config.tls_dir.as_deref().unwrap_or_default(), &certificates))
            .trim_start(),
        manager = block(4, &manager(config, "intercept", &virtual_hosts(config), &filters)).trim_start(),
    )
}

fn names(config: &Config) -> String {
    groups(config)
        .into_iter()
        .map(|(title, hosts)| {
            let hosts = hosts.iter().map(|host| format!("      - {host}")).collect::<Vec<_>>();
            format!("      # {title}\n{}", hosts.join("\n"))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn groups(config: &Config) -> Vec<(&str, Vec<&str>)> {
    let regions = config
        .regions
        .iter()
        .map(|region| (region.name.as_str(), region.hosts.iter().map(String::as_str).collect::<Vec<_>>()));
    let providers = config.providers.iter().map(|provider| provider.host.as_str()).collect();
    let more =
        [("extra_hosts", config.extra_hosts.iter().map(String::as_str).collect()), ("providers", providers)];
    regions.chain(more.into_iter().filter(|(_, hosts): &(_, Vec<&str>)| !hosts.is_empty())).collect()
}

/// Both spellings of an authority, in the first place where the list is needed; elsewhere it is an alias.
fn authorities(config: &Config) -> String {
    let lines = groups(config).into_iter().map(|(title, hosts)| {
        let pairs = hosts.iter().map(|host| format!("    {host}, \"{host}:443\",")).collect::<Vec<_>>();
        format!("    # {title}\n{}", pairs.join("\n"))
    });
    format!("&authorities [\n{}\n  ]", lines.collect::<Vec<_>>().join("\n"))
}

fn virtual_hosts(config: &Config) -> String {
    format!(
        r#"- name: bedrock
  domains: {authorities}
  routes:
{self_test}
  - match: {{prefix: /}}
    route: {{cluster: bedrock, timeout: 0s, idle_timeout: 3600s}}
# Behind the gate, should it ever let another host pass.
- name: elsewhere
  domains: ["*"]
  routes:
{refusal}"#,
        authorities = authorities(config),
        self_test = block(2, &self_test_route()),
        refusal = block(
            2,
            &refusal(403, "AccessDeniedException", "this host is not one of the gate's Bedrock hosts")
        ),
    )
}

/// TLS towards applications, with the certificates of these names from the directory. Envoy takes the one whose names
/// include the server name, and reads a certificate again when its directory changes.
pub(super) fn transport_socket(dir: &str, certificates: &[&str]) -> String {
    let dir = dir.trim_end_matches('/');
    let secrets = certificates.iter().map(|name| {
        format!(
            r#"      - name: {name}
        sds_config:
          path_config_source: {{path: {path}, watched_directory: {{path: {dir}}}}}
          resource_api_version: V3"#,
            name = quoted(name),
            path = quoted(&format!("{dir}/{name}.sds.yaml")),
            dir = quoted(dir),
        )
    });
    format!(
        r#"transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
    common_tls_context:
      alpn_protocols: [h2, http/1.1]
      tls_params: {{tls_minimum_protocol_version: TLSv1_2}}
      # `portcullis certs renew` replaces them while Envoy runs.
      tls_certificate_sds_secret_configs:
{}"#,
        secrets.collect::<Vec<_>>().join("\n")
    )
}

/// Looks the call's host up, once the gate let it pass.
pub(super) fn dns_filter(config: &Config) -> String {
    match &config.upstream.target {
        Target::Fixed(_) => String::new(),
        Target::Dns(resolvers) => format!(
            r#"
# Looks up the call's host, which is on the list above.
- name: envoy.filters.http.dynamic_forward_proxy
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig
{}"#,
            block(4, &clusters::dns_cache(resolvers))
        ),
    }
}

fn egress(config: &Config, socket: Socket) -> String {
    let tunnels = config.connect_passthrough.iter().map(|target| {
        let name = clusters::passthrough_name(target);
        format!(
            r#"        - name: {name}
          domains: ["{host}:{port}"]
          routes:
          - match: {{connect_matcher: {{}}}}
            route:
              cluster: {name}
              timeout: 0s
              idle_timeout: 3660s
              upgrade_configs: [{{upgrade_type: CONNECT, connect_config: {{}}}}]
"#,
            name = quoted(&name),
            host = target.host,
            port = target.port
        )
    });
    let tunnels = tunnels.collect::<String>();
    let tunnels = if tunnels.is_empty() {
        tunnels
    } else {
        format!("        # Tunnelled untouched: connect_passthrough.\n{tunnels}")
    };
    format!(
        r#"# Entrance `egress`: HTTPS_PROXY=http://…; CONNECT to a Bedrock host is ended here and goes on to `intercept`.
- name: egress
  address:
    {address}
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: egress
        codec_type: HTTP1
        http_protocol_options: {{accept_http_10: true}} # Python sends CONNECT as HTTP/1.0
        upgrade_configs: [{{upgrade_type: CONNECT}}]
        generate_request_id: false
        # As in `intercept`: or a client would choose its source address with x-forwarded-for beside its CONNECT.
        use_remote_address: true
        skip_xff_append: true
        server_header_transformation: PASS_THROUGH
        request_headers_timeout: 30s
        # Longer than `intercept` waits, so that it is the one to end an idle connection, in order.
        stream_idle_timeout: 3660s
        common_http_protocol_options: {{idle_timeout: 3660s}}
        route_config:
          name: egress
          virtual_hosts:
          - name: bedrock
            domains: *authorities
            routes:
            - match: {{connect_matcher: {{}}}}
              route:
                cluster: intercept
                timeout: 0s
                idle_timeout: 3660s
                upgrade_configs: [{{upgrade_type: CONNECT, connect_config: {{}}}}]
            - match: {{prefix: /}}
              direct_response: {{status: 403, body: {{inline_string: "this proxy takes CONNECT only: use https URLs\n"}}}}
{tunnels}          - name: elsewhere
            domains: ["*"]
            routes:
            - match: {{connect_matcher: {{}}}}
              direct_response: {{status: 403, body: {{inline_string: "not a Bedrock host of this gate (see connect_passthrough and extra_hosts)\n"}}}}
            - match: {{prefix: /}}
              direct_response: {{status: 403, body: {{inline_string: "this proxy takes CONNECT only: use https URLs\n"}}}}
        http_filters:
        # `intercept` sees the client's own address, not that of a tunnel.
        - name: envoy.filters.http.set_filter_state
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config
            on_request_headers:
            - object_key: envoy.filters.listener.original_dst.remote_ip
              format_string: {{text_format_source: {{inline_string: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"}}}}
              shared_with_upstream: ONCE
        - name: envoy.filters.http.router
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
            suppress_envoy_headers: true
"#,
        address = socket_address(&socket.address.to_string(), socket.port),
        tunnels = block(2, &tunnels) + if tunnels.is_empty() { "" } else { "\n" },
    )
}

fn transparent(config: &Config, socket: Socket) -> String {
    format!(
        r#"# Entrance `transparent`: TLS as applications send it to port 443, led here by DNS, routes or iptables.
- name: transparent
  address:
    {address}
{buffers}
  listener_filters:
{TLS_INSPECTOR}
  filter_chains: *intercepted
"#,
        address = socket_address(&socket.address.to_string(), socket.port),
        buffers = buffers(config),
    )
}

fn metrics(socket: Socket) -> String {
    format!(
        r#"# For scrapers and probes: two pages of the admin interface and nothing else of it.
- name: metrics
  address:
    {address}
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: metrics
        request_headers_timeout: 10s
        route_config:
          name: metrics
          virtual_hosts:
          - name: metrics
            domains: ["*"]
            routes:
            - match: {{path: /stats/prometheus, headers: &get [{{name: ":method", string_match: {{exact: GET}}}}]}}
              route: {{cluster: admin}}
            - match: {{path: /ready, headers: *get}}
              route: {{cluster: admin}}
            - match: {{prefix: /}}
              direct_response: {{status: 404}}
        http_filters:
        - name: envoy.filters.http.router
          typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"#,
        address = socket_address(&socket.address.to_string(), socket.port),
    )
}
