//! A closed-loop load generator: N connections, one request in flight on each, prebuilt bytes out, the least that
//! can be parsed back in. It shares two cores with what it measures, so it must cost next to nothing.

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// One measurement.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Measured {
    /// Requests per second over the measured time.
    pub(crate) per_second: f64,
    /// Median latency, milliseconds.
    pub(crate) p50_ms: f64,
    /// 99th percentile, milliseconds.
    pub(crate) p99_ms: f64,
    /// Requests answered 200.
    pub(crate) requests: u64,
}

/// What to send, where.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Envoy's TLS listener.
    pub(crate) address: SocketAddr,
    /// Server name, and `Host`.
    pub(crate) host: String,
    /// The CA that signed the listener's certificate.
    pub(crate) tls: Arc<rustls::ClientConfig>,
    /// The request, whole.
    pub(crate) request: Arc<Vec<u8>>,
    /// Connections.
    pub(crate) connections: usize,
    /// Time before counting starts.
    pub(crate) warm_up: Duration,
    /// Time that counts.
    pub(crate) measure: Duration,
}

/// Runs a plan to its end.
///
/// # Errors
/// A connection failed, or an answer was not 200: then there is nothing to measure.
pub(crate) async fn run(plan: &Plan) -> Result<Measured> {
    let (traced, elapsed) = trace(plan).await?;
    measured(traced.into_iter().map(|one| one.took_ns).collect(), elapsed)
}

/// One answered request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traced {
    /// When it was sent.
    pub(crate) begun: Instant,
    /// How long the answer took.
    pub(crate) took_ns: u64,
}

/// Runs a plan to its end, and gives every request that counts, and the time that counted.
///
/// # Errors
/// As [`run`].
pub(crate) async fn trace(plan: &Plan) -> Result<(Vec<Traced>, Duration)> {
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let counted_from = start + plan.warm_up;
    let mut tasks = Vec::new();
    for _ in 0..plan.connections {
        tasks.push(tokio::spawn(connection(plan.clone(), Arc::clone(&stop), counted_from)));
    }
    tokio::time::sleep(plan.warm_up + plan.measure).await;
    stop.store(true, Ordering::Relaxed);
    let elapsed = counted_from.elapsed();
    let mut traced = Vec::new();
    for task in tasks {
        traced.extend(task.await??);
    }
    Ok((traced, elapsed))
}

/// What a set of latencies comes to.
///
/// # Errors
/// There are none.
pub(crate) fn measured(mut latencies: Vec<u64>, elapsed: Duration) -> Result<Measured> {
    ensure!(!latencies.is_empty(), "no request was answered");
    latencies.sort_unstable();
    let at = |quantile: f64| -> f64 {
        let index = ((latencies.len() - 1) as f64 * quantile) as usize;
        latencies.get(index).map_or(f64::NAN, |ns| *ns as f64 / 1e6)
    };
    Ok(Measured {
        per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        requests: latencies.len() as u64,
    })
}

/// Sends a fixed number of requests over one connection; for what is not about speed.
///
/// # Errors
/// As [`run`].
pub(crate) async fn send(plan: &Plan, count: usize, mut progress: impl FnMut(usize)) -> Result<()> {
    let mut stream = connect(plan).await?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    for done in 0..count {
        exchange(&mut stream, &plan.request, &mut buffer).await?;
        progress(done + 1);
    }
    Ok(())
}

async fn connection(plan: Plan, stop: Arc<AtomicBool>, counted_from: Instant) -> Result<Vec<Traced>> {
    let mut stream = connect(&plan).await?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut latencies = Vec::with_capacity(65_536);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        exchange(&mut stream, &plan.request, &mut buffer).await?;
        if begun >= counted_from {
            let took_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            latencies.push(Traced { begun, took_ns });
        }
    }
    Ok(latencies)
}

async fn connect(plan: &Plan) -> Result<TlsStream<TcpStream>> {
    let tcp =
        TcpStream::connect(plan.address).await.with_context(|| format!("connect to {}", plan.address))?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from(plan.host.clone())?;
    Ok(TlsConnector::from(Arc::clone(&plan.tls)).connect(name, tcp).await?)
}

async fn exchange(stream: &mut TlsStream<TcpStream>, request: &[u8], buffer: &mut Vec<u8>) -> Result<()> {
    stream.write_all(request).await?;
    stream.flush().await?;
    buffer.clear();
    let whole = loop {
        let read = stream.read_buf(buffer).await?;
        if read == 0 {
            bail!("connection closed after {} bytes: `{}`", buffer.len(), String::from_utf8_lossy(buffer));
        }
        if let Some(length) = answer_length(buffer)? {
            break length;
        }
    };
    while buffer.len() < whole {
        ensure!(stream.read_buf(buffer).await? > 0, "connection closed inside an answer");
    }
    ensure!(buffer.starts_with(b"HTTP/1.1 200"), "not 200: `{}`", String::from_utf8_lossy(buffer));
    Ok(())
}

/// Length of head and body, once the head is whole.
fn answer_length(buffer: &[u8]) -> Result<Option<usize>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(buffer.get(..end).unwrap_or_default());
    for line in head.split("\r\n") {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(Some(end + 4 + value.trim().parse::<usize>()?));
        }
    }
    bail!("an answer without content-length: `{head}`")
}
