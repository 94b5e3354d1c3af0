//! Posting to receivers that others run.

use std::time::Duration;

/// Posts to one receiver: no redirects, no proxy, nothing is an error but what keeps an answer from coming. `ca`: certificates (PEM) to
/// trust instead of the public ones.
pub(crate) fn agent(ca: Option<&[u8]>, connect: Duration, total: Duration) -> ureq::Agent {
    let roots = match ca {
        Some(pem) => {
            let found = ureq::tls::parse_pem(pem).filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            ureq::tls::RootCerts::new_with_certs(&found.collect::<Vec<_>>())
        }
        None => ureq::tls::RootCerts::WebPki,
    };
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(connect))
        .timeout_global(Some(total))
        // A receiver that moves must be configured anew: what is told here is not for whoever it points to.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .proxy(None)
        .tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build())
        .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        .build();
    config.into()
}

/// Why no answer came, without the URL, which may be a secret.
pub(crate) fn unreachable(error: &ureq::Error, url: &str) -> String {
    match error {
        ureq::Error::Timeout(what) => format!("no answer in time ({what})"),
        ureq::Error::Io(error) => format!("cannot be reached: {error}"),
        ureq::Error::HostNotFound => "cannot be reached: its host is not known".to_owned(),
        ureq::Error::ConnectionFailed => "cannot be reached: no connection".to_owned(),
        error => format!("cannot be reached: {}", error.to_string().replace(url, "…")),
    }
}
