//! A [`Config`] as an Envoy bootstrap (v3). Text templates, because the result is for people to read and keep: every
//! choice is explained where it stands. What a user wrote goes through [`yaml::quoted`], always.

mod clusters;
mod connection;
mod filter;
mod gateway;
mod listeners;
mod yaml;

use crate::config::{Config, Peer};
use yaml::{block, quoted, socket_address};

/// Writes the bootstrap: the same text for the same configuration.
#[must_use]
pub fn render(config: &Config) -> String {
    let listeners = listeners::render(config);
    let clusters = clusters::render(config);
    let head = head(config);
    let tail = tail(config);
    format!(
        "{head}\nstatic_resources:\n  listeners:\n{}\n  clusters:\n{}\n{tail}",
        block(2, &listeners.join("\n")),
        block(2, &clusters.join("\n")),
    )
}

fn head(config: &Config) -> String {
    format!(
        r#"# Envoy bootstrap of the gate `{node}`. Written by `portcullis envoy render`: change gateway.yaml, not this file.
# Needs Envoy 1.35 or newer (allow_on_headers_stop_iteration), and PORTCULLIS_DATA_TOKEN in Envoy's environment.

node: {{id: {node_quoted}, cluster: portcullis}}

admin:
  address:
{admin}

# Connections inside Envoy: CONNECT tunnels and the self-test reach their filter chain without a socket.
bootstrap_extensions:
- name: envoy.bootstrap.internal_listener
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener
"#,
        node = config.node,
        node_quoted = quoted(&config.node),
        admin = block(4, &peer_address(&config.admin)),
    )
}

fn tail(config: &Config) -> String {
    format!(
        r#"# Bodies are held in memory while they are decided. Past these marks new work is refused, before the kernel ends Envoy and
# with it every call in flight.
overload_manager:
  refresh_interval: 0.25s
  resource_monitors:
  - name: envoy.resource_monitors.global_downstream_max_connections
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
      max_active_downstream_connections: {connections}
  - name: envoy.resource_monitors.fixed_heap
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig
      max_heap_size_bytes: {heap} # {mib} MiB
  actions:
  - name: envoy.overload_actions.shrink_heap
    triggers:
    - name: envoy.resource_monitors.fixed_heap
      threshold: {{value: 0.90}}
  - name: envoy.overload_actions.stop_accepting_requests
    triggers:
    - name: envoy.resource_monitors.fixed_heap
      threshold: {{value: 0.95}}
"#,
        connections = config.max_connections,
        heap = config.max_heap_mib * 1024 * 1024,
        mib = config.max_heap_mib,
    )
}

/// An `envoy.config.core.v3.Address` of someone to connect to or, for the admin interface, to listen on.
fn peer_address(peer: &Peer) -> String {
    match peer {
        Peer::Tcp(tcp) => socket_address(&tcp.host, tcp.port),
        Peer::Unix(path) => format!("pipe: {{path: {}}}", quoted(path)),
    }
}

#[cfg(test)]
mod tests;
