//! Reads streams and takes the time: of the whole, and of the frames that say when they were written.

use super::upstream::{Order, now};
use crate::setup::HOST;
use crate::speed::request;
use anyhow::{Context, Result, ensure};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What to send, where.
#[derive(Debug, Clone)]
pub(super) struct Call {
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    request: Arc<Vec<u8>>,
    order: Order,
}

/// One stream, read to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streamed {
    /// From the request's first byte to the answer's last.
    pub(super) seconds: f64,
    /// From the answer's first byte to its last: the stream by itself, without the decision before it.
    pub(super) body_seconds: f64,
    /// From the writing of the first frame to its reading, microseconds.
    pub(super) first_us: f64,
    /// From the writing of a tool call's last frame to its reading; `NaN` without one.
    pub(super) tool_us: f64,
}

impl Call {
    pub(super) fn new(address: SocketAddr, tls: &Arc<rustls::ClientConfig>, order: Order) -> Self {
        let body = format!(r#"{{"messages":[{{"role":"user","content":[{{"text":"{}"}}]}}]}}"#, order.text());
        let path = "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse-stream";
        let request = Arc::new(request(path, body.as_bytes()));
        Self { address, tls: Arc::clone(tls), request, order }
    }

    /// A connection.
    pub(super) async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let tcp =
            TcpStream::connect(self.address).await.with_context(|| format!("connect to {}", self.address))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(HOST)?;
        Ok(TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await?)
    }

    /// Sends the request.
    pub(super) async fn send(&self, stream: &mut TlsStream<TcpStream>) -> Result<()> {
        stream.write_all(&self.request).await?;
        Ok(stream.flush().await?)
    }

    /// Reads until the text is there; for a stream that stalls after it.
    pub(super) async fn read_text(&self, stream: &mut TlsStream<TcpStream>) -> Result<()> {
        let mut buffer = Vec::new();
        let wanted = self.order.frames;
        while count(&buffer, b"several words") < wanted {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "closed after {} bytes", buffer.len());
        }
        Ok(())
    }

    /// One exchange.
    pub(super) async fn exchange(
        &self,
        stream: &mut TlsStream<TcpStream>,
        buffer: &mut Vec<u8>,
    ) -> Result<Streamed> {
        let begun = Instant::now();
        self.send(stream).await?;
        buffer.clear();
        let (mut first_us, mut tool_us) = (f64::NAN, f64::NAN);
        let mut first = None;
        loop {
            let read = stream.read_buf(buffer).await?;
            let at = now();
            let text = || String::from_utf8_lossy(buffer).into_owned();
            ensure!(read > 0, "closed after {} bytes: `{}`", buffer.len(), text());
            first.get_or_insert_with(Instant::now);
            if first_us.is_nan() {
                first_us = since(buffer, b"\"first\":\"", at);
            }
            if self.order.tool && tool_us.is_nan() {
                tool_us = since(buffer, b"\"tool\":\"", at);
            }
            if buffer.ends_with(b"\r\n0\r\n\r\n") {
                break;
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        let tail = buffer.get(buffer.len().saturating_sub(400)..).unwrap_or_default();
        let whole = buffer.starts_with(b"HTTP/1.1 200") && count(tail, b"inputTokens") == 1;
        ensure!(whole, "not whole: `{}`", String::from_utf8_lossy(tail));
        let body_seconds = first.map_or(f64::NAN, |first| first.elapsed().as_secs_f64());
        Ok(Streamed { seconds, body_seconds, first_us, tool_us })
    }
}

/// Streams on each connection that do not count.
pub(super) const WARM_UP: usize = 2;

/// So many streams on so many connections, after those of the warm-up.
pub(super) async fn run(call: &Call, connections: usize, each: usize) -> Result<Vec<Streamed>> {
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let call = call.clone();
        tasks.push(tokio::spawn(async move {
            let mut stream = call.connect().await?;
            let mut buffer = Vec::with_capacity(1 << 20);
            let mut all = Vec::with_capacity(each);
            for count in 0..each + WARM_UP {
                let one = call.exchange(&mut stream, &mut buffer).await?;
                if count >= WARM_UP {
                    all.push(one);
                }
            }
            anyhow::Ok(all)
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    Ok(all)
}

/// Microseconds since the time that follows `mark`; `NaN` while that is not there.
fn since(buffer: &[u8], mark: &[u8], at: u128) -> f64 {
    let place = buffer.windows(mark.len()).position(|window| window == mark);
    let digits = place.and_then(|place| buffer.get(place + mark.len()..place + mark.len() + 20));
    let written = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u128>().ok());
    written.map_or(f64::NAN, |written| at.saturating_sub(written) as f64 / 1e3)
}

fn count(buffer: &[u8], what: &[u8]) -> usize {
    buffer.windows(what.len()).filter(|window| *window == what).count()
}
