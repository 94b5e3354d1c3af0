//! What the tests of this crate share: heads, hosts and the operations data.
#![allow(clippy::expect_used, clippy::panic, reason = "a test may panic, its helpers too")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use portcullis_bedrock::{Call, Entrance, Head, Refused, recognise};
use serde::Deserialize;
use std::collections::BTreeMap;

pub const REGION: &str = "us-east-1";

/// One row of `testdata/operations.json`, the parts that are tested.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Modelled {
    pub service: String,
    pub operation: String,
    pub method: String,
    pub request_uri: String,
    pub protocol: String,
    pub signing_name: String,
    pub input_event_stream: bool,
    pub output_event_stream: bool,
    pub input_members: BTreeMap<String, Vec<String>>,
}

pub fn testdata(name: &str) -> String {
    let path = format!("{}/../../testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

pub fn modelled() -> Vec<Modelled> {
    serde_json::from_str(&testdata("operations.json")).expect("operations.json")
}

/// The rows of `data/{name}.tsv`.
pub fn table(name: &str) -> Vec<Vec<String>> {
    let path = format!("{}/data/{name}.tsv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').map(String::from).collect()).collect()
}

/// A host of a service.
pub fn host(service: &str) -> String {
    match service {
        "bedrock-mantle" => format!("bedrock-mantle.{REGION}.api.aws"),
        "bedrock-agentcore-gateway" => {
            format!("my-gw-0a1b2c.gateway.bedrock-agentcore.{REGION}.amazonaws.com")
        }
        _ => format!("{service}.{REGION}.amazonaws.com"),
    }
}

/// A head to build.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Vec<u8>,
    pub authority: Vec<u8>,
    pub path: Vec<u8>,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub server_name: Option<Vec<u8>>,
    pub entrance: Entrance,
}

impl Request {
    /// An intercepted request whose server name is its host.
    pub fn new(method: &str, host: &str, path: &str) -> Self {
        Self {
            method: method.into(),
            authority: host.into(),
            path: path.into(),
            headers: vec![],
            server_name: Some(host.into()),
            entrance: Entrance::Intercepted,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Signs it as a scope says; the signature is not real.
    pub fn signed(self, service: &str) -> Self {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=ASIAY34FZKBOKMUTVV7A/20261121/{REGION}/{service}/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature={}",
            "0123456789abcdef".repeat(4)
        );
        self.header("content-type", "application/json")
            .header("x-amz-date", "20261121T100000Z")
            .header("x-amz-security-token", "FwoGZXIvYXdzEXAMPLE")
            .header("authorization", &authorization)
    }

    pub fn recognise(&self) -> Result<Call, Box<Refused>> {
        recognise(&self.head(), &self.entrance)
    }

    pub fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            headers: &self.headers,
            server_name: self.server_name.as_deref(),
            end_of_stream: false,
        }
    }
}

/// Percent-encodes a label as boto3 and the JavaScript SDK do: everything but RFC 3986's unreserved characters.
pub fn escape(value: &str) -> String {
    escape_but(value, "-._~")
}

/// Percent-encodes a label but for the characters of `keep`.
pub fn escape_but(value: &str, keep: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || keep.as_bytes().contains(&b);
    value.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Fills the labels of a URI template.
pub fn fill(template: &str, mut value: impl FnMut(&str) -> String) -> String {
    let segment = |s: &str| match s.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
        Some(name) => value(name),
        None => s.to_owned(),
    };
    template.split('/').map(segment).collect::<Vec<_>>().join("/")
}
