//! Addresses of others.

use std::net::IpAddr;

/// A host, by name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Something to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// TCP.
    Tcp(HostPort),
    /// Unix domain socket.
    Unix(String),
}

impl HostPort {
    /// Reads `host:port`, `1.2.3.4:port` or `[::1]:port`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not `host:port`");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let sound = match inner {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_')
            }
        };
        if sound { Ok(Self { host: inner.unwrap_or(host).to_owned(), port }) } else { Err(wrong()) }
    }

    /// Whether it is an address and not a name.
    #[must_use]
    pub fn is_ip(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }
}

impl Peer {
    /// Reads `unix:/path`, an absolute path, or `host:port`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:").or_else(|| text.starts_with('/').then_some(text)) {
            Some(path) => unix_path(path).map(Peer::Unix),
            None => HostPort::parse(text).map(Peer::Tcp).map_err(|error| format!("{error} or `unix:/path`")),
        }
    }
}

/// A path that fits into a Unix socket address (sun_path, unix(7)).
pub(super) fn unix_path(path: &str) -> Result<String, String> {
    if path.starts_with('/') && path.len() < 108 {
        Ok(path.to_owned())
    } else {
        Err(format!("`{path}` is not an absolute path shorter than 108 bytes"))
    }
}
