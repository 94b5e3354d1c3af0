//! An HTTP/2 client over TLS, with its own small runtime.

use super::{Answer, Connection, DEADLINE, Request, Tls};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

#[derive(Debug)]
pub struct H2 {
    sender: SendRequest<Full<Bytes>>,
    runtime: Runtime,
}

impl H2 {
    /// TLS and HTTP/2 on an open connection (straight to a listener, or a tunnel). Offers h2 only, as the JavaScript
    /// SDK does.
    ///
    /// # Errors
    /// The handshake fails, or the peer does not choose h2.
    pub fn over(connection: Connection, tls: &Tls) -> Result<Self> {
        let socket = connection.into_socket()?;
        socket.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut config = tls.config.clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let sender = runtime
            .block_on(async { timeout(DEADLINE, connect(socket, config, tls.name.clone())).await })??;
        Ok(Self { sender, runtime })
    }

    /// Sends a request and reads its answer whole. A stream that the peer resets leaves `complete` false.
    ///
    /// # Errors
    /// The request cannot be put in HTTP/2, or no head comes in time.
    pub fn send(&mut self, request: &Request) -> Result<Answer> {
        let uri = format!("https://{}{}", request.host, request.path);
        let mut message = http::Request::builder().method(request.method.as_str()).uri(uri);
        for (name, value) in &request.headers {
            message = message.header(name, http::HeaderValue::from_bytes(value)?);
        }
        let message = message.body(Full::new(Bytes::from(request.body.clone())))?;
        let sender = &mut self.sender;
        let exchange = async {
            sender.ready().await?;
            let (head, mut body) = sender.send_request(message).await?.into_parts();
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            let mut answer =
                Answer { status: head.status.as_u16(), headers, body: Vec::new(), complete: true };
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => answer.body.extend(frame.into_data().unwrap_or_default()),
                    Err(_) => {
                        answer.complete = false;
                        break;
                    }
                }
            }
            anyhow::Ok(answer)
        };
        self.runtime.block_on(async { timeout(DEADLINE, exchange).await }).context("no answer in time")?
    }
}

async fn connect(
    socket: std::net::TcpStream,
    config: rustls::ClientConfig,
    name: ServerName<'static>,
) -> Result<SendRequest<Full<Bytes>>> {
    let socket = tokio::net::TcpStream::from_std(socket)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.context("TLS handshake")?;
    ensure!(stream.get_ref().1.alpn_protocol() == Some(b"h2"), "the peer did not choose h2");
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
