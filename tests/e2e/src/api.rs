//! The control plane's admin API and the fake's control API, from outside.

use anyhow::{Context, Result};
use serde_json::Value;
use std::time::Duration;

/// An HTTP API with an optional bearer token.
#[derive(Debug, Clone)]
pub struct Api {
    /// `http://host:port`.
    pub url: String,
    /// Bearer token.
    pub token: Option<String>,
    agent: ureq::Agent,
}

impl Api {
    /// Speaks to `url`.
    #[must_use]
    pub fn new(url: String, token: Option<String>) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(20)))
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Self { url, token, agent: config.into() }
    }

    /// `GET`: status and JSON (or text as a JSON string).
    ///
    /// # Errors
    /// No answer came.
    pub fn get(&self, path: &str) -> Result<(u16, Value)> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        read(request.call().with_context(|| format!("GET {path}"))?)
    }

    /// `POST` of JSON.
    ///
    /// # Errors
    /// No answer came.
    pub fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let mut request =
            self.agent.post(format!("{}{path}", self.url)).header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        read(request.send(body.to_string().as_bytes()).with_context(|| format!("POST {path}"))?)
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// No answer came.
    pub fn delete(&self, path: &str) -> Result<(u16, Value)> {
        let mut request = self.agent.delete(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        read(request.call().with_context(|| format!("DELETE {path}"))?)
    }
}

fn read(mut response: http::Response<ureq::Body>) -> Result<(u16, Value)> {
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(64 * 1024 * 1024).read_to_string()?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}
