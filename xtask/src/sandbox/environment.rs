//! `target/sandbox/env`: what an application and a person need to know of the running gate, to be sourced by a shell.

use std::fmt::Write;
use std::path::PathBuf;

/// How applications reach the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Topology {
    /// An explicit proxy for the whole network (HTTPS_PROXY), and transparent TLS
    Egress,
    /// The same, beside one application, on loopback
    Sidecar,
    /// An addressable endpoint that signs again (AWS_ENDPOINT_URL_BEDROCK_RUNTIME)
    Gateway,
}

/// An access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: &'static str,
    pub(crate) secret: &'static str,
    /// The application that it stands for.
    pub(crate) principal: &'static str,
}

/// What the file says.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) topology: Topology,
    pub(crate) region: String,
    /// Sample principals; none in front of the real AWS, where applications have their own.
    pub(crate) keys: Vec<Key>,
    pub(crate) proxy_url: Option<String>,
    pub(crate) transparent: Option<String>,
    pub(crate) gateway_url: Option<String>,
    pub(crate) sandbox_url: Option<String>,
    pub(crate) portcullis_url: String,
    /// Where agents ask about their tool calls.
    pub(crate) guard_url: String,
    pub(crate) admin_token: String,
    /// The gate's CA alone, and with whatever else the application must trust.
    pub(crate) ca: PathBuf,
    pub(crate) ca_bundle: PathBuf,
    pub(crate) bundle: PathBuf,
    pub(crate) envoy_admin_url: String,
    /// Where the `portcullis` program is, for `PATH`.
    pub(crate) programs: PathBuf,
    /// A Python with boto3, for people who have none.
    pub(crate) python: PathBuf,
}

impl Environment {
    /// The text of the file.
    pub(crate) fn rendered(&self) -> String {
        let mut text =
            "# Written by `cargo xtask up`; source it in the shell of an application.\n".to_owned();
        let mut export = |name: &str, value: &str| {
            let _infallible = writeln!(text, "export {name}={}", quoted(value));
        };
        let region = self.region.as_str();
        export("AWS_REGION", region);
        export("AWS_DEFAULT_REGION", region);
        for (prefix, key) in ["", "SECOND_"].iter().zip(&self.keys) {
            export(&format!("{prefix}AWS_ACCESS_KEY_ID"), key.id);
            export(&format!("{prefix}AWS_SECRET_ACCESS_KEY"), key.secret);
        }
        export("NO_PROXY", "127.0.0.1,localhost");
        match (self.topology, &self.proxy_url, &self.gateway_url) {
            (Topology::Gateway, _, Some(url)) => {
                export("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url);
                export("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME", url);
            }
            (_, Some(url), _) => {
                export("HTTPS_PROXY", url);
                export("AWS_CA_BUNDLE", &self.ca_bundle.to_string_lossy());
                // For what trusts OpenSSL's store: the SDKs of Anthropic and OpenAI, Go.
                export("SSL_CERT_FILE", &self.ca_bundle.to_string_lossy());
                export("NODE_EXTRA_CA_CERTS", &self.ca.to_string_lossy());
            }
            _ => {}
        }
        export("PORTCULLIS_URL", &self.portcullis_url);
        export("PORTCULLIS_ADMIN_TOKEN", &self.admin_token);
        export("PORTCULLIS_GUARD_URL", &self.guard_url);
        export("PORTCULLIS_BUNDLE", &self.bundle.to_string_lossy());
        export("PORTCULLIS_PYTHON", &self.python.to_string_lossy());
        let optional = [
            ("GATEWAY_URL", &self.gateway_url),
            ("SANDBOX_URL", &self.sandbox_url),
            ("TRANSPARENT_ADDRESS", &self.transparent),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                export(name, value);
            }
        }
        export("ENVOY_ADMIN_URL", &self.envoy_admin_url);
        let _infallible =
            writeln!(text, "export PATH={}:\"$PATH\"", quoted(&self.programs.to_string_lossy()));
        if !self.keys.is_empty() {
            // A session token of the shell's own would go with the sample keys.
            text.push_str("unset AWS_SESSION_TOKEN AWS_PROFILE\n");
        }
        text
    }
}

/// A word that any POSIX shell reads as it is written.
pub(crate) fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+=".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn sample(topology: Topology) -> Environment {
        Environment {
            topology,
            region: "us-east-1".into(),
            keys: vec![
                Key { id: "AKIAONE", secret: "it's/one", principal: "one" },
                Key { id: "AKIATWO", secret: "two", principal: "two" },
            ],
            proxy_url: Some("http://127.0.0.1:3128".into()),
            transparent: None,
            gateway_url: Some("http://127.0.0.1:10000".into()),
            sandbox_url: Some("http://127.0.0.1:7".into()),
            portcullis_url: "http://127.0.0.1:8180".into(),
            guard_url: "http://127.0.0.1:8181".into(),
            admin_token: "pcl_admin_x".into(),
            ca: "/a b/ca.pem".into(),
            ca_bundle: "/a b/bundle.pem".into(),
            bundle: "/a b/bundle".into(),
            envoy_admin_url: "http://127.0.0.1:9901".into(),
            programs: "/target/debug".into(),
            python: "/cache/venv/bin/python".into(),
        }
    }

    /// What a real shell makes of it.
    fn sourced(text: &str, variable: &str) -> String {
        let script = format!("{text}\nprintf %s \"${{{variable}-unset}}\"");
        let output =
            Command::new("sh").arg("-euc").arg(script).env("AWS_SESSION_TOKEN", "own").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_shell_reads_what_was_meant() {
        let text = sample(Topology::Egress).rendered();
        println!("{text}");
        for (variable, value) in [
            ("AWS_SECRET_ACCESS_KEY", "it's/one"),
            ("SECOND_AWS_ACCESS_KEY_ID", "AKIATWO"),
            ("HTTPS_PROXY", "http://127.0.0.1:3128"),
            ("AWS_CA_BUNDLE", "/a b/bundle.pem"),
            ("SSL_CERT_FILE", "/a b/bundle.pem"),
            ("NODE_EXTRA_CA_CERTS", "/a b/ca.pem"),
            ("GATEWAY_URL", "http://127.0.0.1:10000"),
            ("NO_PROXY", "127.0.0.1,localhost"),
            ("AWS_SESSION_TOKEN", "unset"),
        ] {
            assert_eq!(sourced(&text, variable), value, "{variable}");
        }
        assert!(sourced(&text, "PATH").starts_with("/target/debug:/"));
    }

    #[test]
    fn an_application_of_the_gateway_has_no_proxy() {
        let text = sample(Topology::Gateway).rendered();
        assert!(!text.contains("HTTPS_PROXY") && !text.contains("AWS_CA_BUNDLE"), "{text}");
        assert_eq!(sourced(&text, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"), "http://127.0.0.1:10000");
    }

    #[test]
    fn words_for_the_shell() {
        for (value, expected) in
            [("a/b-1", "a/b-1"), ("", "''"), ("a b", "'a b'"), ("$(x)", "'$(x)'"), ("it's", r"'it'\''s'")]
        {
            assert_eq!(quoted(value), expected);
        }
    }
}
