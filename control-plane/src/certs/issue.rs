//! Making certificates. No files, no clock.

use super::Leaf;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use std::time::Duration;
use thiserror::Error;

const DAY: Duration = Duration::from_secs(86_400);
/// Clocks differ: certificates are good from an hour ago.
const SKEW: Duration = Duration::from_secs(3_600);

/// Why no certificate could be made.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The CA's files cannot be read.
    #[error("the CA certificate or key cannot be read: {0}")]
    Authority(#[source] rcgen::Error),
    /// Encoding or signing failed.
    #[error("the certificate for `{name}` cannot be made: {source}")]
    Leaf {
        /// Its name.
        name: String,
        /// What rcgen says.
        source: rcgen::Error,
    },
}

/// From when, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    /// Now, since the Unix epoch.
    pub now: Duration,
    /// For so many days.
    pub days: u32,
}

impl Validity {
    /// When it ends, since the Unix epoch.
    #[must_use]
    pub fn end(self) -> Duration {
        self.now.saturating_add(DAY.saturating_mul(self.days))
    }

    fn apply(self, params: &mut CertificateParams, not_after_at_most: Option<Duration>) {
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let end = not_after_at_most.map_or(self.end(), |most| self.end().min(most));
        params.not_before = epoch + self.now.saturating_sub(SKEW);
        params.not_after = epoch + end;
    }
}

/// A CA: its certificate and its key.
pub struct Authority {
    cert_pem: String,
    key_pem: String,
    expires: Duration,
}

/// A certificate and its key, both PEM.
pub struct Issued {
    /// Certificate.
    pub cert_pem: String,
    /// PKCS #8 private key.
    pub key_pem: String,
}

impl Authority {
    /// Makes a CA that may certify `permitted` and nothing else.
    ///
    /// # Errors
    /// Encoding or signing failed.
    pub fn create(permitted: &[String], validity: Validity) -> Result<Self, IssueError> {
        let make = || -> Result<Self, rcgen::Error> {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::default();
            params.distinguished_name = subject("Portcullis gate CA");
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: permitted.iter().cloned().map(GeneralSubtree::DnsName).collect(),
                excluded_subtrees: vec![
                    GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
                    GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
                ],
            });
            validity.apply(&mut params, None);
            let cert = params.self_signed(&key)?;
            Ok(Self { cert_pem: cert.pem(), key_pem: key.serialize_pem(), expires: validity.end() })
        };
        make().map_err(|source| IssueError::Leaf { name: "ca".to_owned(), source })
    }

    /// A CA that was made before; `expires` is when its certificate ends.
    #[must_use]
    pub fn existing(cert_pem: String, key_pem: String, expires: Duration) -> Self {
        Self { cert_pem, key_pem, expires }
    }

    /// The certificate.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The key: never to be shown or copied to Envoy.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// When it ends, since the Unix epoch.
    #[must_use]
    pub fn expires(&self) -> Duration {
        self.expires
    }

    /// Issues a leaf, good no longer than the CA.
    ///
    /// # Errors
    /// The CA cannot be read, or encoding or signing failed.
    pub fn issue(&self, leaf: &Leaf, validity: Validity) -> Result<Issued, IssueError> {
        let ca_key = KeyPair::from_pem(&self.key_pem).map_err(IssueError::Authority)?;
        let issuer = Issuer::from_ca_cert_pem(&self.cert_pem, ca_key).map_err(IssueError::Authority)?;
        let make = || -> Result<Issued, rcgen::Error> {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new(leaf.hosts.clone())?;
            params.distinguished_name = subject(&format!("Portcullis gate {}", leaf.name));
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            // Python's VERIFY_X509_STRICT (on by default since 3.13) wants it.
            params.use_authority_key_identifier_extension = true;
            validity.apply(&mut params, Some(self.expires));
            let cert = params.signed_by(&key, &issuer)?;
            Ok(Issued { cert_pem: cert.pem(), key_pem: key.serialize_pem() })
        };
        make().map_err(|source| IssueError::Leaf { name: leaf.name.clone(), source })
    }
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name.push(DnType::OrganizationName, "Portcullis");
    name
}
