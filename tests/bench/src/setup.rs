//! Everything that runs while a benchmark does: the two servers, the control plane, three Envoys.

use crate::variants::{self, Variant};
use anyhow::{Context, Result, bail, ensure};
use e2e::control_plane::ControlPlane;
use e2e::envoy::{Envoy, Prepared, Setting};
use e2e::{bundle, process::Process, wait};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

/// The host that every call names.
pub(crate) const HOST: &str = "bedrock-runtime.us-east-1.amazonaws.com";

/// What runs.
pub(crate) struct Bench {
    /// One Envoy per variant, from one rendered bootstrap.
    pub(crate) envoys: BTreeMap<Variant, Envoy>,
    /// The control plane of the gate.
    pub(crate) control_plane: ControlPlane,
    /// Client side of the listeners' TLS.
    pub(crate) tls: Arc<rustls::ClientConfig>,
    _servers: Vec<Process>,
    _directory: TempDir,
}

impl Bench {
    /// Starts it all.
    ///
    /// # Errors
    /// Something does not start.
    pub(crate) fn start(rules: usize, socket: bool) -> Result<Self> {
        Self::start_with(rules, socket, "upstream", &[])
    }

    /// The same with another upstream, and more files in the bundle.
    ///
    /// # Errors
    /// As [`Bench::start`].
    pub(crate) fn start_with(
        rules: usize,
        socket: bool,
        upstream: &str,
        more: &[(&str, &str)],
    ) -> Result<Self> {
        let directory = TempDir::with_prefix("portcullis-bench-")?;
        let (upstream, upstream_address) = server(upstream, directory.path())?;
        let (authz, authz_address) = server("authz", directory.path())?;
        let rules = rule_file(rules);
        let [bundle_yaml, ..] = bundle::DEFAULT else { bail!("the default bundle is empty") };
        let mut files = vec![*bundle_yaml, ("rules/many.yaml", rules.as_str())];
        files.extend_from_slice(more);
        bundle::write(&directory.path().join("bundle"), &files)?;
        let data = if socket {
            format!("unix:{}", directory.path().join("data.sock").display())
        } else {
            "127.0.0.1:0".to_owned()
        };
        let control_plane = ControlPlane::start_at(directory.path(), &data, &[])?;
        let setting = Setting {
            control_plane: control_plane.data.clone(),
            data_token: control_plane.data_token.clone(),
            upstream: upstream_address.clone(),
            upstream_ca: directory.path().join("certs/ca.pem"),
            timeout_ms: 5000,
            filter: String::new(),
            concurrency: 1,
            gateway: true,
            patches: Vec::new(),
        };
        let prepared = Prepared::make(directory.path(), &setting)?;
        let rendered = std::fs::read_to_string(&prepared.bootstrap)?;
        let mut envoys = BTreeMap::new();
        for variant in Variant::ALL {
            let home = directory.path().join(variant.name());
            std::fs::create_dir_all(&home)?;
            let bootstrap = home.join("bootstrap.json");
            std::fs::write(
                &bootstrap,
                variants::bootstrap(&rendered, variant, &upstream_address, &authz_address)?,
            )?;
            let one = Prepared { bootstrap, directory: home, ..prepared.clone() };
            envoys.insert(variant, one.start(variant == Variant::Gate)?);
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&prepared.ca)? {
            roots.add(certificate?)?;
        }
        let tls =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        Ok(Self {
            envoys,
            control_plane,
            tls: Arc::new(tls),
            _servers: vec![upstream, authz],
            _directory: directory,
        })
    }

    /// Questions that the gate has asked so far.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub(crate) fn questions(&self) -> Result<f64> {
        Ok(self.envoy(Variant::Gate)?.stat("cluster.portcullis.upstream_rq_total")? as f64)
    }

    /// One variant's Envoy.
    ///
    /// # Errors
    /// Never in practice: every variant is started.
    pub(crate) fn envoy(&self, variant: Variant) -> Result<&Envoy> {
        self.envoys.get(&variant).context("a variant that was not started")
    }
}

/// `count` rules, none of which is met by the calls of the benchmark, over models, operations and conditions.
pub(crate) fn rule_file(count: usize) -> String {
    let rule = |index: usize| match index % 4 {
        0 => format!("- {{id: r{index}, action: block, models: [\"vendor-{index}.*\"]}}\n"),
        1 => format!(
            "- {{id: r{index}, action: block, operations: [InvokeAgent], principals: [\"team-{index}\"]}}\n"
        ),
        2 => format!(
            "- id: r{index}\n  action: block\n  operations: [Converse, InvokeModel]\n  conditions:\n  - {{field: request.max_tokens, operator: greater_than, value: {}}}\n",
            100_000 + index
        ),
        _ => format!("- {{id: r{index}, action: log, regions: [\"eu-*\"], models: [\"anthropic.*\"]}}\n"),
    };
    format!("version: \"1.0\"\nname: Many\nrules:\n{}", (0..count).map(rule).collect::<String>())
}

fn server(role: &str, directory: &std::path::Path) -> Result<(Process, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", role]);
    let process = Process::start(role, &command, directory)?;
    let address = wait::until("a server's address", || {
        ensure!(process.ended().is_none(), "it ended: {}", process.log_tail());
        let log = process.log();
        let line = log.lines().next().context("nothing printed yet")?;
        ensure!(log.contains('\n'), "not whole yet");
        Ok(line.to_owned())
    })?;
    Ok((process, address))
}
