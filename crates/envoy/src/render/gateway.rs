//! The addressable entrance: an SDK's endpoint URL points at it, so the host that was signed is not Bedrock's, and every
//! call is signed anew by Envoy after the gate let it pass.

use super::connection::{manager, refusal, self_test_route};
use super::filter::{self, Entrance};
use super::listeners::{buffers, dns_filter, transport_socket};
use super::yaml::{block, quoted, socket_address};
use crate::config::{Config, Gateway};
use crate::hosts::{self, Service};

/// The listener, and its twin inside Envoy that the self-test calls.
pub(super) fn render(config: &Config, gateway: &Gateway) -> Vec<String> {
    let entrance = Entrance::Resign {
        region: gateway.region.clone(),
        services: gateway.services.iter().map(|service| service.prefix).collect(),
    };
    let mut filters = filter::render(config, &entrance, "portcullis_self_gateway", "gateway");
    if let Some(first) = gateway.services.first() {
        filters.push_str("\n# Signs with the gateway's own credential; the route says for which service.\n");
        filters.push_str("- name: envoy.filters.http.aws_request_signing\n  typed_config:\n");
        filters.push_str(&block(4, &signing(gateway, first)));
    }
    filters.push_str(&dns_filter(config));
    let tls = match &config.tls_dir {
        Some(dir) if gateway.tls => {
            format!("\n  {}", block(2, &transport_socket(dir, &["gateway"])).trim_start())
        }
        _ => String::new(),
    };
    let buffers = buffers(config);
    let public = format!(
        r#"# Entrance `gateway`: AWS_ENDPOINT_URL_BEDROCK_RUNTIME={scheme}://…; callers are verified, calls decided and signed anew.
- name: gateway
  address:
    {address}
{buffers}
  filter_chains: &gateway
  - {chain}{tls}
"#,
        scheme = if gateway.tls { "https" } else { "http" },
        address = socket_address(&gateway.socket.address.to_string(), gateway.socket.port),
        chain = block(4, &manager(config, "gateway", &virtual_host(gateway), &filters)).trim_start(),
        tls = block(2, &tls),
    );
    let twin = format!(
        r#"# The same filter chain, reached from inside: the self-test.
- name: gateway_self
  internal_listener: {{}}
{buffers}
  filter_chains: *gateway
"#
    );
    vec![public, twin]
}

fn virtual_host(gateway: &Gateway) -> String {
    let mut routes = vec![self_test_route()];
    routes.extend(gateway.services.iter().map(|service| service_route(gateway, service)));
    routes.push(refusal(404, "UnknownOperationException", "this gateway serves no such path"));
    format!("- name: gateway\n  domains: [\"*\"]\n  routes:\n{}", block(2, &routes.join("\n")))
}

/// A route per first segment, because one regex of them all is longer than Envoy lets a regex be.
fn service_route(gateway: &Gateway, service: &Service) -> String {
    let prefix = service.prefix;
    let mut routes = vec![format!("# {prefix}: told by the first path segment, as the gate tells it.")];
    for (index, segment) in service.segments.iter().enumerate() {
        let matcher = match *segment {
            "" => "path: /".to_owned(),
            segment => format!("path_separated_prefix: /{segment}"),
        };
        let signing = if index == 0 {
            format!(
                r#" &sign-{prefix}
    envoy.filters.http.aws_request_signing:
      "@type": type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigningPerRoute
      stat_prefix: {prefix}
      aws_request_signing:
{}"#,
                block(8, &settings(gateway, service))
            )
        } else {
            format!(" *sign-{prefix}")
        };
        routes.push(format!(
            "- match: {{{matcher}}}\n  route: {{cluster: bedrock, timeout: 0s, idle_timeout: 3600s}}\n  typed_per_filter_config:{signing}"
        ));
    }
    routes.join("\n")
}

fn signing(gateway: &Gateway, service: &Service) -> String {
    format!(
        "\"@type\": type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning\n{}",
        settings(gateway, service)
    )
}

fn settings(gateway: &Gateway, service: &Service) -> String {
    // The region was validated with the rest of the configuration.
    let host = hosts::host(service, &gateway.region).unwrap_or_default();
    let mut text = format!(
        "service_name: {}\nregion: {}\nhost_rewrite: {}\n\
         match_excluded_headers: [{{prefix: x-envoy-}}] # not sent on, so not to be signed\n",
        service.signing_name,
        quoted(&gateway.region),
        quoted(&host)
    );
    if let Some(key) = &gateway.credential {
        let token = key.session_token.as_deref().map(|token| format!(", session_token: {}", quoted(token)));
        text.push_str(&format!(
            "credential_provider:\n  inline_credential: {{access_key_id: {}, secret_access_key: {}{}}}\n",
            quoted(&key.access_key_id),
            quoted(&key.secret_access_key),
            token.unwrap_or_default()
        ));
    }
    text.trim_end().to_owned()
}
