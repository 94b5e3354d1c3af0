//! What an approval is bound to.

use crate::canonical::canonical;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The call that a person says yes or no to: who, what, on what, and with which body. Whatever is in here is bound: a
/// call that differs in any of it asks again. Times, ports, ids of the call and of its attempts are not in here, so the
/// same call sent again is the same subject. There is no text: the body is here by its SHA-256.
///
/// Empty fields are left out of the JSON, so that a field added in a later version does not change the digests of calls
/// that do not have it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Subject {
    /// Who calls.
    pub principal: String,
    /// Operation as AWS models it.
    pub operation: String,
    /// IAM action.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// Endpoint prefix, such as `bedrock-runtime`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// AWS region.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
    /// AWS partition.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
    /// Host in lower case, where it names no endpoint that is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// HTTP method.
    pub method: String,
    /// Raw path without the query.
    pub path: String,
    /// Models that the call names, as named, the first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Agent id or runtime ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Alias id or qualifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_alias: Option<String>,
    /// Session id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Knowledge bases that the body names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub knowledge_bases: Vec<String>,
    /// URI labels of the operation by modelled name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Hex SHA-256 of the body; absent where the call is decided at its headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_sha256: Option<String>,
    /// Bytes of the body.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// Tokens asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// A streamed answer is asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// Tools offered to the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Tool results sent back.
    #[serde(skip_serializing_if = "is_zero")]
    pub tool_results: u64,
    /// Guardrail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_version: Option<String>,
    /// `requestMetadata`: the caller's word.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// `sessionState.sessionAttributes`: the caller's word.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub session_attributes: BTreeMap<String, String>,
    /// S3 URIs named in the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub s3_uris: Vec<String>,
    /// The tool call that is asked about, where it is one and not a call to Bedrock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
}

/// A tool call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its arguments.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub arguments: serde_json::Value,
}

impl Subject {
    /// Lower-case hex SHA-256 of the subject's canonical JSON.
    #[must_use]
    pub fn digest(&self) -> String {
        // Strings, numbers and lists: there is no value of it that serde_json cannot write.
        let value = serde_json::to_value(self).unwrap_or_default();
        hex::encode(Sha256::digest(canonical(&value)))
    }
}

const fn is_zero(n: &u64) -> bool {
    *n == 0
}
