//! The sample principals, and the tokens of the control plane.

use super::environment::Key;
use crate::shell;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

/// Two applications that the fake Bedrock and the control plane know.
pub(crate) const SAMPLES: [Key; 2] = [
    Key {
        id: "AKIAQAAAAAAAAAAAAAAA",
        secret: "sandbox-secret-of-application-one/000000",
        principal: "app-one",
    },
    Key {
        id: "AKIAQBBBBBBBBBBBBBBB",
        secret: "sandbox-secret-of-application-two/000000",
        principal: "app-two",
    },
];

/// What the gateway itself signs with.
pub(crate) const GATEWAY: Key = Key {
    id: "AKIAQGGGGGGGGGGGGGGG",
    secret: "sandbox-secret-of-the-gateway-itself/000",
    principal: "gateway",
};

/// Whose signatures the fake accepts.
pub(crate) fn known_to_the_fake() -> String {
    let all = SAMPLES.iter().chain([&GATEWAY]);
    let keys: Vec<_> =
        all.map(|key| json!({"access_key_id": key.id, "secret_access_key": key.secret})).collect();
    json!({"principals": keys, "api_keys": []}).to_string()
}

/// `portcullis keys create`, on a store whose server does not run yet.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    pub(crate) portcullis: &'a Path,
    pub(crate) data: &'a Path,
}

impl Keys<'_> {
    /// The token of this kind (`data`, `admin`): the one of an earlier start, or a new one. Only its hash is in the
    /// store, so what was made is kept in a file for our eyes only.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn token(&self, kind: &str) -> Result<String> {
        let file = self.data.join(format!("{kind}.token"));
        if let Ok(token) = fs::read_to_string(&file) {
            return Ok(token);
        }
        let made = self.create(&["--kind", kind, "--name", "cargo xtask up"])?;
        let token =
            made.get("token").and_then(Value::as_str).context("`portcullis keys create` gave no token")?;
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&file)?;
        std::io::Write::write_all(&mut &file, token.as_bytes())?;
        Ok(token.to_owned())
    }

    /// Makes a sample principal known, so that the gateway can check its signatures.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn import(&self, key: &Key) -> Result<()> {
        let identity = ["--kind", "aws", "--name", key.principal, "--principal", key.principal];
        let pair = ["--access-key-id", key.id, "--secret-access-key", key.secret];
        self.create(&[identity.as_slice(), &pair].concat()).map(drop)
    }

    fn create(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(self.portcullis);
        command.args(["keys", "create", "--output", "json", "--data-dir"]).arg(self.data).args(arguments);
        serde_json::from_str(&shell::output(&mut command)?)
            .context("`portcullis keys create` printed no JSON")
    }
}
