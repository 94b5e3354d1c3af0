//! Talking to the admin API of a running server.

use crate::http::Problem;
use anyhow::{Context, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader};
use std::time::Duration;

/// How to reach a running server.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Server {
    /// Admin API of the running server, such as http://127.0.0.1:8180
    #[arg(long, value_name = "URL", env = "PORTCULLIS_URL")]
    pub(super) url: Option<String>,

    /// Admin token; better given in the environment, where other users do not see it
    #[arg(long, value_name = "TOKEN", env = "PORTCULLIS_ADMIN_TOKEN", hide_env_values = true)]
    pub(super) admin_token: Option<String>,
}

/// A client of one server.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    base: String,
    token: String,
}

impl Server {
    /// A client; the URL is the default when none is given.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let base = self.url.clone().unwrap_or_else(|| "http://127.0.0.1:8180".to_owned());
        let token = self.admin_token.clone().context(
            "no admin token: set PORTCULLIS_ADMIN_TOKEN (make one with `portcullis keys create --kind admin --name NAME`)",
        )?;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Long polls take 20 s; everything else is quick.
            .timeout_global(Some(Duration::from_secs(60)))
            .proxy(None)
            .build();
        Ok(Client { agent: config.into(), base: base.trim_end_matches('/').to_owned(), token })
    }
}

impl Client {
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<T> {
        let mut request = self.agent.get(self.url(path)).header("authorization", self.bearer());
        for (key, value) in query {
            request = request.query(*key, value);
        }
        read(request.call().with_context(|| self.unreachable())?)
    }

    /// The lines of a long answer, as they come; there is no deadline but the server's own.
    pub(super) fn lines(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<impl BufRead + use<>> {
        let request = self.agent.get(self.url(path)).header("authorization", self.bearer());
        let mut request = request.config().timeout_global(None).build();
        for (key, value) in query {
            request = request.query(*key, value);
        }
        let mut response = request.call().with_context(|| self.unreachable())?;
        if !response.status().is_success() {
            return Err(refused(&mut response));
        }
        Ok(BufReader::with_capacity(256 * 1024, response.into_body().into_reader()))
    }

    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let request = self.agent.post(self.url(path)).header("authorization", self.bearer());
        read(request.send_json(body).with_context(|| self.unreachable())?)
    }

    pub(super) fn delete(&self, path: &str) -> anyhow::Result<()> {
        let request = self.agent.delete(self.url(path)).header("authorization", self.bearer());
        let mut response = request.call().with_context(|| self.unreachable())?;
        if response.status().is_success() { Ok(()) } else { Err(refused(&mut response)) }
    }

    /// Posts bytes that are no JSON.
    pub(super) fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        kind: &str,
        bytes: &[u8],
    ) -> anyhow::Result<T> {
        let mut request = self.agent.post(self.url(path)).header("authorization", self.bearer());
        for (key, value) in query {
            request = request.query(*key, value);
        }
        read(request.content_type(kind).send(bytes).with_context(|| self.unreachable())?)
    }

    /// Deletes, and gives what the server says to that.
    pub(super) fn delete_for<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        let mut request = self.agent.delete(self.url(path)).header("authorization", self.bearer());
        for (key, value) in query {
            request = request.query(*key, value);
        }
        read(request.call().with_context(|| self.unreachable())?)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn unreachable(&self) -> String {
        format!(
            "cannot reach {}; is `portcullis serve` running, and is PORTCULLIS_URL its admin API?",
            self.base
        )
    }
}

/// The server understood, and said no.
#[derive(Debug, thiserror::Error)]
#[error("{} ({}, {} {})", .0.detail, .0.code, .0.status, .0.title)]
pub(super) struct Refused(pub(super) Problem);

fn read<T: DeserializeOwned>(mut response: ureq::http::Response<ureq::Body>) -> anyhow::Result<T> {
    if !response.status().is_success() {
        return Err(refused(&mut response));
    }
    let limit = 256 * 1024 * 1024;
    response
        .body_mut()
        .with_config()
        .limit(limit)
        .read_json()
        .context("the server's answer is not understood")
}

fn refused(response: &mut ureq::http::Response<ureq::Body>) -> anyhow::Error {
    let status = response.status();
    match response.body_mut().read_json::<Problem>() {
        Ok(problem) => Refused(problem).into(),
        Err(_) => {
            anyhow::anyhow!("the server answers {status}; is PORTCULLIS_URL the admin API of Portcullis?")
        }
    }
}

/// Any text as a path segment: all but letters, digits, `-`, `_`, `.` and `~` escaped.
pub(super) fn escaped(text: &str) -> anyhow::Result<String> {
    // Dots alone are no name but a direction.
    if text.bytes().all(|b| b == b'.') {
        bail!("`{text}` is no id");
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    Ok(text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect())
}

/// A path segment may be what a user typed.
pub(super) fn segment(text: &str) -> anyhow::Result<&str> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        bail!("`{text}` is no id; ids have letters, digits, `-` and `_` only");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_id_is_one_segment() {
        for (text, expected) in [
            ("019a-b_c.d~", Some("019a-b_c.d~")),
            ("call#1", Some("call%231")),
            ("a/../b?c=d e%", Some("a%2F..%2Fb%3Fc%3Dd%20e%25")),
            ("é", Some("%C3%A9")),
            ("", None),
            ("..", None),
        ] {
            let found = escaped(text).ok();
            println!("{text} -> {found:?}");
            assert_eq!(found.as_deref(), expected);
        }
    }
}
