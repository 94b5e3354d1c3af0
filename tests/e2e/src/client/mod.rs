//! Clients that can misbehave: raw HTTP/1.1 over a socket, TLS with any server name and ALPN, HTTP/2, and a signer.
//! All block, with a deadline.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use e2e::client::{Connection, Request, Signer, Tls};
//! let request = Request::converse("bedrock-runtime.us-east-1.amazonaws.com", "amazon.nova-pro-v1:0", "hello");
//! let request = Signer::new(e2e::fake::APP_ONE).sign(request)?;
//! let (_, tunnel) = Connection::through_proxy("127.0.0.1:3128", "bedrock-runtime.us-east-1.amazonaws.com:443", "HTTP/1.1")?;
//! let mut connection = tunnel.tls(&Tls::trusting("ca.pem".as_ref(), "bedrock-runtime.us-east-1.amazonaws.com")?)?;
//! connection.send(&request.to_http1())?;
//! assert_eq!(connection.answer()?.status, 200);
//! # Ok(()) }
//! ```

mod answer;
mod connection;
mod frames;
mod h2;
mod request;
mod sign;
#[cfg(test)]
mod tests;
mod tls;

pub use answer::Answer;
pub use connection::Connection;
pub use frames::{Frame, frames};
pub use h2::H2;
pub use request::Request;
pub use sign::Signer;
pub use tls::Tls;

use std::time::Duration;

/// No read waits longer, unless a test says so.
pub const DEADLINE: Duration = Duration::from_secs(30);
