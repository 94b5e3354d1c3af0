//! The HTTP connection manager that every gated listener has: what must not touch a request, limits, Envoy's own errors.

use super::listeners::buffer_limit;
use super::yaml::{block, quoted};
use crate::SELF_TEST_PATH;
use crate::config::Config;

/// The filters of a gated listener. `virtual_hosts` and `http_filters` are complete list items.
pub(super) fn manager(config: &Config, name: &str, virtual_hosts: &str, http_filters: &str) -> String {
    format!(
        r#"filters:
- name: envoy.filters.network.http_connection_manager
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
    stat_prefix: {name}
    codec_type: AUTO
    # The path is signed as the SDK wrote it, and the gate judges what goes out: nobody rewrites it.
    normalize_path: false
    merge_slashes: false
    path_with_escaped_slashes_action: KEEP_UNCHANGED
    # Nothing is added to a request or an answer, and nothing an answer says is replaced.
    generate_request_id: false
    # The source of a call is the peer of its connection, not what the caller writes into x-forwarded-for; nobody counts as
    # internal, which would let him give Envoy orders in x-envoy- headers.
    use_remote_address: true
    skip_xff_append: true
    internal_address_config: {{cidr_ranges: [{{address_prefix: 255.255.255.255, prefix_len: 32}}]}}
    server_header_transformation: PASS_THROUGH
    scheme_header_transformation: {{scheme_to_overwrite: https}} # what goes out is TLS, however it came in
    # Orders to Envoy itself (x-envoy-retry-on, x-envoy-max-retries, …): one decision is one call.
    early_header_mutation_extensions:
    - name: envoy.http.early_header_mutation.header_mutation
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
        mutations:
        - remove_on_match: {{key_matcher: {{prefix: x-envoy-}}}}
    # A model may think for minutes without a byte, in either direction; AWS's own limit is one hour.
    stream_idle_timeout: 3600s
    request_timeout: 0s # the gate has its own deadline for bodies
    request_headers_timeout: 30s
    common_http_protocol_options: {{idle_timeout: 3600s}}
    max_request_headers_kb: 64
    http2_protocol_options:
      max_concurrent_streams: 128
      # Envoy buffers no more of an HTTP/2 body than the stream's window, and a body is held until it is decided.
      initial_stream_window_size: {limit}
      initial_connection_window_size: {connection_window}
{local_replies}{access_log}    route_config:
      name: {name}
      # Envoy adds them to every request; the application did not send them.
      request_headers_to_remove: [x-forwarded-proto, x-envoy-external-address]
      virtual_hosts:
{virtual_hosts}
    http_filters:
{http_filters}
    - name: envoy.filters.http.router
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
        suppress_envoy_headers: true
"#,
        limit = buffer_limit(config),
        connection_window = buffer_limit(config).saturating_mul(2),
        local_replies = block(4, LOCAL_REPLIES) + "\n",
        access_log = config.access_log.as_deref().map(access_log).unwrap_or_default(),
        virtual_hosts = block(6, virtual_hosts),
        http_filters = block(4, http_filters),
    )
}

/// Envoy's own errors as AWS would put them, so that SDKs raise what their users know. The gate's refusals have none of these
/// flags and pass unchanged.
const LOCAL_REPLIES: &str = r#"# Envoy's own errors in AWS's shape; the gate's refusals have it already.
local_reply_config:
  mappers:
  - filter: {response_flag_filter: {flags: [UH, UF, UO, UC, UR, UT, LR, LH, DF, UPE, NC, OM, SI, DT, DO]}}
    status_code: 503
    headers_to_add:
    - {header: {key: x-amzn-errortype, value: ServiceUnavailableException}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
    body_format_override:
      content_type: application/json
      json_format: {message: "the gate allowed this call but got no answer from Bedrock (%RESPONSE_FLAGS%)"}
  - filter:
      or_filter:
        filters:
        - {status_code_filter: {comparison: {op: EQ, value: {default_value: 413, runtime_key: unused}}}}
        - {status_code_filter: {comparison: {op: EQ, value: {default_value: 431, runtime_key: unused}}}}
    status_code: 400
    headers_to_add:
    - {header: {key: x-amzn-errortype, value: ValidationException}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
    body_format_override:
      content_type: application/json
      json_format: {message: "the head or the body of this request is larger than the gate takes"}
  # What is no HTTP that Envoy takes never comes to the gate. (421 is the self-test's, 408 an SDK may repeat.)
  - filter:
      extension_filter:
        name: envoy.access_loggers.extension_filters.cel
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter
          expression: "response.code in [400, 403, 404, 426, 501] && !('x-amzn-errortype' in response.headers)"
    status_code: 400
    headers_to_add:
    - {header: {key: x-amzn-errortype, value: ValidationException}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
    body_format_override:
      content_type: application/json
      json_format: {message: "the gate cannot read this as a request (%RESPONSE_CODE_DETAILS%)"}
  # A trapped VM answers for itself, without a word. The gate's refusals name their error.
  - filter:
      extension_filter:
        name: envoy.access_loggers.extension_filters.cel
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter
          expression: "response.code >= 500 && !('x-amzn-errortype' in response.headers)"
    status_code: 503
    headers_to_add:
    - {header: {key: x-amzn-errortype, value: ServiceUnavailableException}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
    body_format_override:
      content_type: application/json
      json_format: {message: "the gate cannot decide this call now"}
"#;

fn access_log(path: &str) -> String {
    // No query: a presigned URL is a credential. `%PATH(NQ)%` is the path as it was sent.
    format!(
        r#"    access_log:
    - name: envoy.access_loggers.file
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
        path: {}
        log_format:
          json_format:
            time: "%START_TIME%"
            source: "%DOWNSTREAM_REMOTE_ADDRESS%"
            server_name: "%REQUESTED_SERVER_NAME%"
            protocol: "%PROTOCOL%"
            method: "%REQ(:METHOD)%"
            authority: "%REQ(:AUTHORITY)%"
            path: "%PATH(NQ)%"
            status: "%RESPONSE_CODE%"
            details: "%RESPONSE_CODE_DETAILS%"
            flags: "%RESPONSE_FLAGS%"
            decision: "%RESP(x-portcullis-decision-id)%"
            aws_request: "%RESP(x-amzn-requestid)%"
            duration_ms: "%DURATION%"
"#,
        quoted(path)
    )
}

/// The route that only a self-test call of a broken set-up reaches.
pub(super) fn self_test_route() -> String {
    format!(
        r#"# Reached only if the filter does not hold headers: the self-test then fails, loudly.
- match: {{path: {SELF_TEST_PATH}}}
  direct_response: {{status: 421, body: {{inline_string: leaked}}}}"#
    )
}

/// A refusal in AWS's shape, made by the route table.
pub(super) fn refusal(status: u16, error: &str, message: &str) -> String {
    let body = serde_json::json!({ "message": message }).to_string();
    format!(
        r#"- match: {{prefix: /}}
  direct_response: {{status: {status}, body: {{inline_string: {body}}}}}
  response_headers_to_add:
  - {{header: {{key: x-amzn-errortype, value: {error}}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}
  - {{header: {{key: content-type, value: application/json}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}"#,
        body = quoted(&body),
    )
}
