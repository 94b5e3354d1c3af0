//! A request as a value; every part can be made wrong before it is sent.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// `Host` or `:authority`.
    pub host: String,
    /// Raw, with the query.
    pub path: String,
    /// Without `host` and `content-length`. Whatever is here when the request is signed, is signed.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    #[must_use]
    pub fn new(method: &str, host: &str, path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: method.into(),
            host: host.into(),
            path: path.into(),
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// `POST` of a JSON document.
    #[must_use]
    pub fn json(host: &str, path: &str, body: &Value) -> Self {
        Self::new("POST", host, path, body.to_string()).header("content-type", "application/json")
    }

    /// A small Converse call.
    #[must_use]
    pub fn converse(host: &str, model: &str, text: &str) -> Self {
        let body = json!({"messages": [{"role": "user", "content": [{"text": text}]}]});
        Self::json(host, &format!("/model/{}/converse", encode(model)), &body)
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Lower-case hex, as the fake writes it down.
    #[must_use]
    pub fn body_sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.body))
    }

    /// Head and body, with a `content-length`.
    #[must_use]
    pub fn to_http1(&self) -> Vec<u8> {
        let length = self.body.len().to_string();
        let mut bytes = self.head(&[("content-length", &length)]);
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Head and body in chunks of `size` bytes.
    #[must_use]
    pub fn to_http1_chunked(&self, size: usize) -> Vec<u8> {
        let mut bytes = self.head(&[("transfer-encoding", "chunked")]);
        for chunk in self.body.chunks(size.max(1)) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }

    /// The head alone, with `more` headers at its end.
    #[must_use]
    pub fn head(&self, more: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\n", self.method, self.path, self.host).into_bytes();
        let more = more.iter().map(|(name, value)| (*name, value.as_bytes()));
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        for (name, value) in own.chain(more) {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

/// As SDKs encode a URI label.
fn encode(label: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    label.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
