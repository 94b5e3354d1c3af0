//! The fake's own CA and one leaf for every Bedrock host name of its regions.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::Path;
use std::sync::Arc;

const SERVICES: &[&str] = &[
    "bedrock",
    "bedrock-runtime",
    "bedrock-agent",
    "bedrock-agent-runtime",
    "bedrock-agentcore",
    "bedrock-agentcore-control",
    "bedrock-data-automation",
    "bedrock-data-automation-runtime",
    "bedrock-mantle",
];

/// A CA with its certificate as PEM.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Reads `ca.pem` and `ca.key` from `dir`, or makes them there; in memory without a `dir`.
    pub(crate) fn open(dir: Option<&Path>) -> Result<Self> {
        let Some(dir) = dir else { return Ok(Self::make()?.0) };
        let (certificate, key) = (dir.join("ca.pem"), dir.join("ca.key"));
        if certificate.is_file() && key.is_file() {
            let pem = std::fs::read_to_string(&certificate)?;
            let key = KeyPair::from_pem(&std::fs::read_to_string(&key)?).context("cannot read `ca.key`")?;
            let issuer = Issuer::from_ca_cert_pem(&pem, key).context("cannot read `ca.pem`")?;
            return Ok(Self { pem, issuer });
        }
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
        let (authority, key_pem) = Self::make()?;
        std::fs::write(&key, key_pem)?;
        std::fs::write(&certificate, &authority.pem)?;
        Ok(authority)
    }

    fn make() -> Result<(Self, String)> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "fake-bedrock test CA");
        let key = KeyPair::generate()?;
        let key_pem = key.serialize_pem();
        let pem = params.self_signed(&key)?.pem();
        Ok((Self { pem, issuer: Issuer::new(params, key) }, key_pem))
    }

    /// One certificate for all names, given whatever server name the client asks for, or none.
    pub(crate) fn server_config(&self, regions: &[String], extra: &[String]) -> Result<Arc<ServerConfig>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names(regions, extra))?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.distinguished_name.push(DnType::CommonName, "fake-bedrock");
        let leaf = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn names(regions: &[String], extra: &[String]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "bedrock.amazonaws.com".to_owned()];
    for region in regions {
        for service in SERVICES {
            for fips in ["", "-fips"] {
                names.push(format!("{service}{fips}.{region}.amazonaws.com"));
                names.push(format!("{service}{fips}.{region}.api.aws"));
            }
            names.push(format!("*.{service}.{region}.vpce.amazonaws.com"));
        }
    }
    names.extend(crate::auth::PROVIDERS.map(str::to_owned));
    names.extend(extra.iter().cloned());
    names
}
