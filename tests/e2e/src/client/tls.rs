//! TLS settings of a client: whom it trusts, which server name and which protocols it asks for.

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub struct Tls {
    pub(super) name: ServerName<'static>,
    pub(super) config: ClientConfig,
}

impl Tls {
    /// Trusts the CA in this PEM file only; `server_name` is asked for and held against the certificate.
    ///
    /// # Errors
    /// The file or the name is no good.
    pub fn trusting(ca: &Path, server_name: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in
            CertificateDer::pem_file_iter(ca).with_context(|| format!("read `{}`", ca.display()))?
        {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { name: ServerName::try_from(server_name.to_owned())?, config })
    }

    /// ALPN to offer, such as `&["h2", "http/1.1"]`. Default: none.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// Asks for no server name at all; the certificate is still held against it.
    #[must_use]
    pub fn without_server_name(mut self) -> Self {
        self.config.enable_sni = false;
        self
    }
}
