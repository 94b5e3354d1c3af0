//! The two servers behind Envoy in a benchmark: an upstream that answers one Converse answer, and an external
//! authorisation service that allows everything. Both do as little as a server can.

use crate::stream::upstream::{Order, Stream};
use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// What a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// A Converse answer, after reading the request's body.
    Upstream,
    /// Streams as the request orders them.
    Streams,
    /// 200 with nothing in it, whatever was asked.
    Authz,
}

const ANSWER: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"The account was opened in 2019 and has had no dispute since."}]}},"stopReason":"end_turn","usage":{"inputTokens":120,"outputTokens":14,"totalTokens":134},"metrics":{"latencyMs":412}}"#;

/// Serves until killed; the address goes to standard output, one line.
///
/// # Errors
/// No port could be had.
pub(crate) async fn serve(role: Role) -> Result<()> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // An error here is a connection that Envoy closed: nothing to do for a benchmark's server.
            let http = hyper::server::conn::http1::Builder::new();
            let stream = TokioIo::new(stream);
            let _ = match role {
                Role::Streams => http.serve_connection(stream, service_fn(streamed)).await,
                _ => http.serve_connection(stream, service_fn(move |request| answer(role, request))).await,
            };
        });
    }
}

async fn answer(role: Role, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut body = request.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        drop(frame);
    }
    let mut response = Response::new(Full::new(Bytes::from_static(match role {
        Role::Upstream => ANSWER.as_bytes(),
        Role::Authz | Role::Streams => b"",
    })));
    if role == Role::Upstream {
        let headers = response.headers_mut();
        headers.insert("content-type", http::HeaderValue::from_static("application/json"));
        headers.insert(
            "x-amzn-requestid",
            http::HeaderValue::from_static("5f0f2a60-0d2c-4d33-9a0c-6d6ff9d1d1a5"),
        );
    }
    Ok(response)
}

async fn streamed(request: Request<Incoming>) -> Result<Response<Stream>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut response = Response::new(Stream::new(Order::read(&String::from_utf8_lossy(&body))));
    let kind = http::HeaderValue::from_static("application/vnd.amazon.eventstream");
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}
