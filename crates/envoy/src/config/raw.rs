//! The first stage: what a `gateway.yaml` may say, and nothing else. Keys, types and nothing of meaning; docs/gateway.md
//! is the reference. Unknown and repeated keys are errors with their line.

use serde::Deserialize;

/// A `gateway.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gateway {
    pub(super) node: Option<String>,
    pub(super) regions: Vec<String>,
    #[serde(default)]
    pub(super) extra_hosts: Vec<String>,
    #[serde(default)]
    pub(super) providers: Vec<Provider>,
    pub(super) topology: Option<Topology>,
    pub(super) listeners: Option<Listeners>,
    pub(super) control_plane: ControlPlane,
    pub(super) filter: Filter,
    pub(super) tls: Option<Tls>,
    #[serde(default)]
    pub(super) upstream: Upstream,
    #[serde(default)]
    pub(super) connect_passthrough: Vec<String>,
    pub(super) admin: Option<Admin>,
    pub(super) metrics: Option<Socket>,
    #[serde(default)]
    pub(super) limits: Limits,
    pub(super) access_log: Option<String>,
}

/// A host of another provider than AWS.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub(super) host: String,
    pub(super) provider: String,
    pub(super) api: Option<String>,
}

/// Listeners for those who do not want to name them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Topology {
    EgressExplicit,
    EgressTransparent,
    Sidecar,
    Gateway,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listeners {
    pub(super) egress: Option<Socket>,
    pub(super) transparent: Option<Socket>,
    pub(super) gateway: Option<GatewayListener>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Socket {
    pub(super) address: String,
    pub(super) port: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewayListener {
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) region: Option<String>,
    pub(super) services: Option<Vec<String>>,
    #[serde(default)]
    pub(super) credential: Credential,
    #[serde(default)]
    pub(super) tls: bool,
}

/// `default`, or a key.
#[derive(Debug, Default)]
pub(super) enum Credential {
    #[default]
    Default,
    Inline(InlineCredential),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InlineCredential {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ControlPlane {
    pub(super) address: String,
    pub(super) timeout_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    pub(super) path: String,
    #[serde(default)]
    pub(super) failure_mode: FailureMode,
    #[serde(default)]
    pub(super) limits: FilterLimits,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FailureMode {
    #[default]
    Closed,
    Open,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilterLimits {
    pub(super) max_body_bytes: Option<u64>,
    pub(super) body_timeout_ms: Option<u64>,
    pub(super) max_text_bytes: Option<u64>,
    pub(super) max_tool_call_bytes: Option<u64>,
    pub(super) max_held_bytes: Option<u64>,
    pub(super) max_held_answer_bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) dir: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub(super) address: Option<String>,
    pub(super) ca_file: Option<String>,
    #[serde(default)]
    pub(super) dns_resolvers: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) address: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) max_connections: Option<u64>,
    pub(super) max_heap_mib: Option<u64>,
}

impl<'de> Deserialize<'de> for Credential {
    /// By hand, because an untagged enum would swallow which key is wrong.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Credential;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`default`, or access_key_id and secret_access_key")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Credential, E> {
                match text {
                    "default" => Ok(Credential::Default),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Credential, A::Error> {
                InlineCredential::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(Credential::Inline)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
