//! Listeners and connections.

use crate::calls::{CallLog, CallRecord};
use crate::config::Config;
use crate::control;
use crate::exchange::serve;
use crate::operation::Operations;
use crate::tls::Authority;
use anyhow::{Context, Result};
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// The fake.
pub struct FakeBedrock;

/// A running fake. Dropping it closes its listeners and every connection.
pub struct Handle {
    /// The TLS listener.
    pub https: SocketAddr,
    /// The control API (plain HTTP).
    pub control: SocketAddr,
    /// The plain listener, when one was asked for.
    pub plain: Option<SocketAddr>,
    /// The CA that signed its certificate.
    pub ca_pem: String,
    calls: CallLog,
    _stop: watch::Sender<()>,
}

impl Handle {
    /// Every call that reached it, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.calls.all()
    }

    /// Forgets the calls.
    pub fn clear(&self) {
        self.calls.clear();
    }

    /// `SANDBOX_URL`: the base of the control API.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }
}

/// What all connections share.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) operations: Operations,
    pub(crate) calls: CallLog,
    ca_pem: String,
}

impl FakeBedrock {
    /// Binds the listeners and serves until the handle is dropped.
    ///
    /// # Errors
    /// When a listener cannot be bound, or the CA cannot be read or made.
    pub async fn start(config: Config) -> Result<Handle> {
        let authority = Authority::open(config.ca_dir.as_deref())?;
        let tls = TlsAcceptor::from(authority.server_config(&config.regions, &config.extra_names)?);
        let listener = bind(config.listen).await?;
        let control = bind(config.control).await?;
        let plain = match config.plain {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let operations = Operations::load().context("testdata/operations.json is broken")?;
        let calls = CallLog::default();
        let (stop, stopped) = watch::channel(());
        let handle = Handle {
            https: listener.local_addr()?,
            control: control.local_addr()?,
            plain: plain.as_ref().map(TcpListener::local_addr).transpose()?,
            ca_pem: authority.pem.clone(),
            calls: calls.clone(),
            _stop: stop,
        };
        let state = Arc::new(State { config, operations, calls, ca_pem: authority.pem });
        tokio::spawn(accept(listener, Some(tls), state.clone(), stopped.clone()));
        if let Some(plain) = plain {
            tokio::spawn(accept(plain, None, state.clone(), stopped.clone()));
        }
        tokio::spawn(accept_control(control, state, stopped));
        Ok(handle)
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`"))
}

/// Resolves when the handle is gone.
async fn gone(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    state: Arc<State>,
    stopped: watch::Receiver<()>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = gone(stopped.clone()) => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let _ = stream.set_nodelay(true);
        let (tls, state, stopped) = (tls.clone(), state.clone(), stopped.clone());
        tokio::spawn(async move {
            let served = async {
                match tls {
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve_connection(stream, state).await,
                        Err(error) => tracing::debug!(%error, "no TLS handshake"),
                    },
                    None => serve_connection(stream, state).await,
                }
            };
            tokio::select! { () = served => {}, () = gone(stopped) => {} }
        });
    }
}

async fn serve_connection<S>(stream: S, state: Arc<State>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let calls = state.calls.clone();
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(serve(request, &state).await) }
    });
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).max_buf_size(512 * 1024);
    server
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_header_list_size(512 * 1024);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection ended");
        // What is no HTTP has reached us all the same: a gate must not have let it out.
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            let (operation, rejected) = ("Unparsable".to_owned(), Some(error.to_string()));
            calls.push(CallRecord { operation, rejected, status: 400, ..CallRecord::default() });
        }
    }
}

async fn accept_control(listener: TcpListener, state: Arc<State>, stopped: watch::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = gone(stopped.clone()) => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = control::answer(&request, &state.calls, &state.ca_pem);
                async move { Ok::<_, Infallible>(answer) }
            });
            let server = hyper::server::conn::http1::Builder::new();
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "control connection ended");
            }
        });
    }
}
