//! The filter's plugin configuration: written by `portcullis envoy render`, read once per VM.

use portcullis_bedrock::{Endpoint, Entrance, GatewayEndpoint, Limits, ProviderApi, ProviderHost};
use serde::Deserialize;
use std::fmt;

/// The plugin configuration as written. Unknown keys are refused: a typo in a security setting must not be ignored.
///
/// ```json
/// {"entrance": "pass_through",
///  "control_plane": {"cluster": "portcullis", "authority": "portcullis", "timeout_ms": 5000, "token": null},
///  "failure_mode": "closed",
///  "limits": {"max_body_bytes": 26214400, "body_timeout_ms": 300000, "max_text_bytes": 65536,
///             "max_tool_call_bytes": 1048576, "max_held_bytes": 16777216, "max_held_answer_bytes": 26214400},
///  "providers": [{"host": "api.anthropic.com", "provider": "anthropic", "api": "anthropic"}],
///  "self_test": {"cluster": "portcullis_self", "authority": "bedrock-runtime.us-east-1.amazonaws.com", "timeout_ms": 3000},
///  "gate": null}
/// ```
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How calls come in, and what becomes of their signature.
    entrance: EntranceConfig,
    /// Where decisions are made.
    pub control_plane: ControlPlane,
    /// What happens to a call when no decision can be had.
    #[serde(default)]
    failure_mode: FailureMode,
    /// Bounds on bodies.
    #[serde(default)]
    limits: LimitsConfig,
    /// Hosts of other providers than AWS that the listener serves.
    #[serde(default)]
    providers: Vec<ProviderConfig>,
    /// The self-test at start; `null` for none.
    #[serde(default)]
    pub self_test: Option<SelfTestConfig>,
    /// Name of this gate in records; `null` for Envoy's node id.
    #[serde(default)]
    gate: Option<String>,
    /// For tests of recovery only: a request that carries this header traps the VM. Refused without `allow_debug`.
    #[serde(default)]
    pub debug_trap_header: Option<String>,
    /// Says that this is not production.
    #[serde(default)]
    allow_debug: bool,
}

/// `"pass_through"` or `{"resign": {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EntranceConfig {
    PassThrough,
    Resign(ResignConfig),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResignConfig {
    region: String,
    services: Vec<String>,
}

/// `{"host": "api.mistral.ai", "provider": "mistral", "api": "openai"}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderConfig {
    host: String,
    provider: String,
    api: String,
}

impl ProviderConfig {
    fn host(&self) -> Option<ProviderHost> {
        let api = ProviderApi::parse(&self.api)?;
        Some(ProviderHost { host: self.host.clone(), provider: self.provider.clone(), api })
    }

    fn objection(&self) -> Option<String> {
        let Self { host, provider, api } = self;
        let lower = |text: &str| {
            let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
            !text.is_empty() && text.bytes().all(sound)
        };
        if ProviderApi::parse(api).is_none() {
            return Some(format!("`providers.api` is `{api}`: use `anthropic` or `openai`"));
        }
        if !lower(host) || !lower(provider) {
            return Some(format!(
                "`providers` has `{host}` of `{provider}`: write exact names in lower case"
            ));
        }
        (provider == portcullis_bedrock::AWS || Endpoint::from_host(host).is_some())
            .then(|| format!("`providers` has `{host}` of `{provider}`: hosts of AWS are known without it"))
    }
}

/// How to reach the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlane {
    /// Envoy cluster.
    pub cluster: String,
    /// `:authority` of the callouts.
    pub authority: String,
    /// Time allowed for a decision, question to answer.
    #[serde(default = "default_decision_timeout_ms")]
    pub timeout_ms: u64,
    /// Data-plane token; `null` to take it from the VM's environment (`PORTCULLIS_DATA_TOKEN`).
    #[serde(default)]
    pub token: Option<Token>,
}

/// A secret that does not show when printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Token(String);

impl Token {
    /// A token; `None` unless it is visible ASCII, because it goes into a header.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let sound = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then(|| Self(text.to_owned()))
    }

    /// The value of an `authorization` header.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What happens to a call when no decision can be had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureMode {
    /// It is refused with 503.
    #[default]
    Closed,
    /// It is let out without a record, counted, and reported later.
    Open,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsConfig {
    max_body_bytes: u64,
    body_timeout_ms: u64,
    max_text_bytes: usize,
    max_tool_call_bytes: usize,
    max_held_bytes: usize,
    max_held_answer_bytes: u64,
}

/// Bounds on answers that must be inspected before they go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Longest arguments of one tool call, in bytes of JSON text.
    pub max_tool_call_bytes: usize,
    /// Most bytes of a stream that the gate keeps while something in it is undecided.
    pub max_held_bytes: usize,
    /// Longest document that is held.
    pub max_held_answer_bytes: u64,
}

impl Default for AnswerLimits {
    /// A tool call of a megabyte. A stream tells it in pieces of a few characters, each in a frame of some hundred bytes, so
    /// that far more has to be held.
    fn default() -> Self {
        Self {
            max_tool_call_bytes: 1_048_576,
            max_held_bytes: 16 * 1_048_576,
            max_held_answer_bytes: 25 * 1_048_576,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let Limits { max_body_bytes, max_text_bytes } = Limits::default();
        let AnswerLimits { max_tool_call_bytes, max_held_bytes, max_held_answer_bytes } =
            AnswerLimits::default();
        Self {
            max_body_bytes,
            body_timeout_ms: 300_000,
            max_text_bytes,
            max_tool_call_bytes,
            max_held_bytes,
            max_held_answer_bytes,
        }
    }
}

impl LimitsConfig {
    fn objection(&self) -> Option<String> {
        if self.max_tool_call_bytes < 1_024 {
            return Some(format!(
                "`limits.max_tool_call_bytes` is {}: use at least 1024, or hardly any tool call can pass",
                self.max_tool_call_bytes
            ));
        }
        (self.max_held_bytes < self.max_tool_call_bytes).then(|| {
            format!(
                "`limits.max_held_bytes` is {}, less than `limits.max_tool_call_bytes`: a tool call is held until it is complete",
                self.max_held_bytes
            )
        })
    }
}

/// The call that proves that headers are held.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTestConfig {
    /// Envoy cluster that leads to the live listener itself.
    pub cluster: String,
    /// `:authority` of the call.
    pub authority: String,
    /// Time allowed; without the hold the call hangs.
    #[serde(default = "default_self_test_timeout_ms")]
    pub timeout_ms: u64,
}

fn default_decision_timeout_ms() -> u64 {
    5_000
}

fn default_self_test_timeout_ms() -> u64 {
    3_000
}

/// Why a configuration is refused. Envoy then refuses the whole listener or filter chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// The validated configuration of one gate: what the state machine needs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Name in records.
    pub name: String,
    /// How calls come in.
    pub entrance: Entrance,
    /// Hosts of other providers.
    pub providers: Vec<ProviderHost>,
    /// Bounds on bodies.
    pub limits: Limits,
    /// Bounds on answers that must be inspected.
    pub answers: AnswerLimits,
    /// Time allowed for a body.
    pub body_timeout_us: u64,
    /// Time allowed for a decision.
    pub decision_timeout_us: u64,
    /// What faults lead to.
    pub failure_mode: FailureMode,
}

impl Config {
    /// Parses and checks a plugin configuration.
    ///
    /// # Errors
    /// Not JSON, an unknown key, a value that makes no sense. The message names the key and says what to do.
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        let config: Self = serde_json::from_slice(json)
            .map_err(|error| ConfigError(format!("the plugin configuration cannot be read: {error}")))?;
        match config.objection() {
            Some(objection) => Err(ConfigError(objection)),
            None => Ok(config),
        }
    }

    /// The first thing that makes no sense.
    fn objection(&self) -> Option<String> {
        let millis = |key: &str, value: u64| {
            (!(1..=3_600_000).contains(&value))
                .then(|| format!("`{key}` is {value}: use 1 to 3600000 milliseconds"))
        };
        let named = |key: &str, value: &str| {
            let sound = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
            (!sound).then(|| format!("`{key}` is `{value}`: give a name of visible ASCII characters"))
        };
        millis("control_plane.timeout_ms", self.control_plane.timeout_ms)
            .or_else(|| millis("limits.body_timeout_ms", self.limits.body_timeout_ms))
            .or_else(|| self.limits.objection())
            .or_else(|| self.providers.iter().find_map(ProviderConfig::objection))
            .or_else(|| named("control_plane.cluster", &self.control_plane.cluster))
            .or_else(|| named("control_plane.authority", &self.control_plane.authority))
            .or_else(|| {
                let token = self.control_plane.token.as_ref()?;
                Token::new(&token.0).is_none().then(|| "`control_plane.token` is not visible ASCII".to_owned())
            })
            .or_else(|| {
                let test = self.self_test.as_ref()?;
                millis("self_test.timeout_ms", test.timeout_ms)
                    .or_else(|| named("self_test.cluster", &test.cluster))
                    .or_else(|| named("self_test.authority", &test.authority))
            })
            .or_else(|| match &self.entrance {
                EntranceConfig::PassThrough => None,
                EntranceConfig::Resign(resign) => {
                    if resign.services.is_empty() {
                        return Some("`entrance.resign.services` is empty: name at least one endpoint".to_owned());
                    }
                    if self.failure_mode == FailureMode::Open {
                        // The gate would sign, with its own credential, calls of people whom nobody has verified.
                        return Some(
                            "`failure_mode` is `open` with entrance `resign`: only `closed` is possible there".to_owned(),
                        );
                    }
                    if !self.providers.is_empty() {
                        return Some(
                            "`providers` with entrance `resign`: the gate has no credential of theirs, only `pass_through` is possible there"
                                .to_owned(),
                        );
                    }
                    if let Some(name) = resign.services.iter().find(|name| ProviderApi::parse(name).is_some()) {
                        return Some(format!(
                            "`entrance.resign.services` has `{name}`, which is no service of AWS: the gate cannot sign for it"
                        ));
                    }
                    let services = resign.services.iter().map(|service| ("entrance.resign.services", service));
                    services
                        .chain([("entrance.resign.region", &resign.region)])
                        .find_map(|(key, value)| named(key, value))
                }
            })
            .or_else(|| {
                let header = self.debug_trap_header.as_ref()?;
                (!self.allow_debug).then(|| {
                    format!("`debug_trap_header` is `{header}`, but `allow_debug` is not true: remove it in production")
                })
            })
    }

    /// What the state machine needs; `node_id` names the gate when the configuration does not.
    #[must_use]
    pub fn gate(&self, node_id: &str) -> Gate {
        Gate {
            name: self.gate.clone().unwrap_or_else(|| node_id.to_owned()),
            entrance: match &self.entrance {
                EntranceConfig::PassThrough => Entrance::Intercepted,
                EntranceConfig::Resign(resign) => Entrance::Gateway(GatewayEndpoint {
                    region: resign.region.clone(),
                    services: resign.services.clone(),
                }),
            },
            providers: self.providers.iter().filter_map(ProviderConfig::host).collect(),
            limits: Limits {
                max_body_bytes: self.limits.max_body_bytes,
                max_text_bytes: self.limits.max_text_bytes,
            },
            answers: AnswerLimits {
                max_tool_call_bytes: self.limits.max_tool_call_bytes,
                max_held_bytes: self.limits.max_held_bytes,
                max_held_answer_bytes: self.limits.max_held_answer_bytes,
            },
            body_timeout_us: self.limits.body_timeout_ms.saturating_mul(1_000),
            decision_timeout_us: self.control_plane.timeout_ms.saturating_mul(1_000),
            failure_mode: self.failure_mode,
        }
    }
}

#[cfg(test)]
mod tests;
