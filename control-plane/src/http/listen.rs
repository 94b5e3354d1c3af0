//! Listening on TCP or a Unix socket.

use axum::Router;
use axum::serve::ListenerExt;
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

/// Where to listen: `127.0.0.1:8181`, `[::]:8181`, or `unix:/run/portcullis.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Address::Unix(path.into()))
            } else {
                Err(format!("`{text}` needs an absolute path, such as `unix:/run/portcullis/data.sock`"))
            };
        }
        text.parse().map(Address::Tcp).map_err(|_| {
            format!("`{text}` is no address; write IP:PORT, such as 127.0.0.1:8181, or unix:/PATH")
        })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A bound listener.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket, and its path.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Binds. A socket file that nobody listens on any more is replaced; must run inside a runtime.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => TcpListener::bind(address).await.map(Listener::Tcp),
            Address::Unix(path) => {
                remove_stale(path)?;
                UnixListener::bind(path).map(|listener| Listener::Unix(listener, path.clone()))
            }
        }
    }

    /// The address, with the port that the kernel picked.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Listener::Unix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on this socket")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// Serves until `stop` turns true, then finishes what is in flight.
///
/// # Errors
/// When accepting connections fails for good.
pub async fn serve(listener: Listener, router: Router, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let stopped = async move {
        // A sender that is gone means stop, too.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    match listener {
        Listener::Tcp(listener) => {
            let listener = listener.tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
            // Whoever asks is known by his address, too.
            let router = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, router).with_graceful_shutdown(stopped).await
        }
        Listener::Unix(listener, path) => {
            let result = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
            let _ = std::fs::remove_file(path);
            result
        }
    }
}
