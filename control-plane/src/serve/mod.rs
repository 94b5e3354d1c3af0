//! `portcullis serve`: puts the parts together, runs them, and takes them apart again.
//!
//! Two runtimes: gates are answered on threads of their own, so that a search through a year of records, a reload of
//! ten thousand rules or a scrape never stands before a call.

mod audit;

use crate::app::{App, Expiry, KeyRing, Reaper, chronicle, restore_pin};
use crate::bundle::{self, ActiveBundle, WatchOptions};
use crate::config::Config;
use crate::http::{self, Address, Listener};
use crate::redaction::{Capturer, Redactor};
use crate::search::Search;
use crate::sinks::Sinks;
use crate::storage::{SqliteOptions, SqliteStore, Store};
use crate::telemetry::Telemetry;
use crate::tokens::{Kind, MasterKey, Tokens};
use crate::webhooks::{Dispatcher, Webhook};
use anyhow::Context;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};

/// How long calls in flight may take after a signal.
const DRAIN: Duration = Duration::from_secs(10);

/// The addresses in use, as written to `--ports-file`.
#[derive(Debug, Serialize)]
struct Ports {
    data: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    agents: Option<Address>,
    admin: Address,
    pid: u32,
}

/// Runs until SIGTERM or SIGINT. A second signal ends it at once.
///
/// # Errors
/// What cannot be opened, bound or read; nothing was served then.
pub fn run(config: Config) -> anyhow::Result<()> {
    let options = SqliteOptions {
        origin: config.audit.origin.clone(),
        log_key: config.log_key.clone(),
        ..SqliteOptions::new(&config.data_dir)
    };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options)?);
    let admin = Builder::new_multi_thread().worker_threads(2).thread_name("admin").enable_all().build()?;
    let result = admin.block_on(serve(config, Arc::clone(&store)));
    // Tasks hold the application; when the runtime is gone, this is the last handle to the store, and dropping it writes
    // what is queued.
    admin.shutdown_timeout(Duration::from_secs(2));
    drop(store);
    result
}

async fn serve(config: Config, store: Arc<dyn Store>) -> anyhow::Result<()> {
    survive_file_size_limits()?;
    let telemetry = Telemetry::new();
    telemetry.install();
    let master = match &config.master_key {
        Some((key, origin)) => MasterKey::parse(key, origin)?,
        None => MasterKey::load_or_create(&config.data_dir)?,
    };
    let redactor = Arc::new(Redactor::new(config.audit.redaction.clone(), &master));
    let capturer = Arc::new(Capturer::new(config.audit.capture.mode, &master));
    let sinks = config.audit.sinks.clone().map(|sinks| Sinks::open(sinks, &master)).transpose()?;
    let keys = KeyRing::load(Arc::clone(&store), Tokens::with_fixed(config.tokens.clone()), master).await?;
    warn_of_missing_tokens(&keys.tokens);
    let (active, changes) = ActiveBundle::new(config.trust.clone());
    // Before the directory is looked at: a pinned version is in force from the first call on.
    restore_pin(store.as_ref(), &active).await?;
    let watching = config.bundle.as_ref();
    let watch = watching
        .map(|source| bundle::watch_into(active.clone(), source, WatchOptions::default()))
        .transpose()?;
    if watch.is_none() && active.status().pin.is_none() {
        tracing::warn!(
            "there is no bundle, so every call is refused; see --bundle and `portcullis policy push`"
        );
    }
    store.subscribe(config.webhooks.iter().map(Webhook::subscription).collect());
    let mut app = App::load(store, active, keys, telemetry, config.settings).await?;
    app.desk.link.clone_from(&config.approvals_link);
    app.search = Arc::new(Search::new(Some(config.data_dir.clone())));
    app.redactor = redactor;
    app.capturer = capturer;
    app.sinks = sinks;
    let app = Arc::new(app);

    let (stop, stopped) = watch::channel(false);
    let admin = Listener::bind(&config.admin_addr).await.with_context(|| {
        format!("cannot listen on {} for the admin API; see --admin-addr", config.admin_addr)
    })?;
    let mut data = DataPlane::start(&config, Arc::clone(&app), stopped.clone())?;
    let (data_addr, agents) = data.addresses().await?;
    let ports = Ports { data: data_addr, agents, admin: admin.address()?, pid: std::process::id() };
    announce(&ports, config.ports_file.as_deref())?;

    let reaper = tokio::spawn(Reaper::new(Arc::clone(&app)).run());
    let chronicler = tokio::spawn(chronicle(Arc::clone(&app), changes));
    let upkeep = tokio::spawn(upkeep(Arc::clone(&app)));
    let expiry = tokio::spawn(Expiry::new(Arc::clone(&app)).run());
    let dispatchers = config.webhooks.iter().map(|webhook| {
        let dispatcher = Dispatcher::new(Arc::clone(&app), webhook.clone());
        tokio::spawn(dispatcher.run())
    });
    let dispatchers: Vec<_> = dispatchers.collect();
    let audit = audit::spawn(&app, &config.audit);
    let admin = tokio::spawn(http::serve(admin, http::admin_api(Arc::clone(&app)), stopped));

    signal().await?;
    tracing::info!("stopping: finishing what is in flight; a second signal ends it at once");
    tokio::spawn(async {
        if signal().await.is_ok() {
            std::process::exit(130);
        }
    });
    let _ = stop.send(true);
    if tokio::time::timeout(DRAIN, data.ended()).await.is_err() {
        tracing::warn!("some calls were still in flight after {} s", DRAIN.as_secs());
    }
    let _ = tokio::time::timeout(Duration::from_secs(2), admin).await;
    for task in [reaper, chronicler, upkeep, expiry].into_iter().chain(dispatchers).chain(audit) {
        task.abort();
    }
    drop(watch);
    tracing::info!("stopped");
    Ok(())
}

/// The threads that answer gates and agents.
struct DataPlane {
    bound: Option<oneshot::Receiver<anyhow::Result<Bound>>>,
    ended: oneshot::Receiver<()>,
}

/// Where gates ask, and where agents do besides.
type Bound = (Address, Option<Address>);

impl DataPlane {
    fn start(config: &Config, app: Arc<App>, stopped: watch::Receiver<bool>) -> anyhow::Result<Self> {
        let runtime = data_runtime(config.data_threads)?;
        let (data, agents) = (config.data_addr.clone(), config.agents_addr.clone());
        let (tell_bound, bound) = oneshot::channel();
        let (tell_ended, ended) = oneshot::channel();
        std::thread::Builder::new().name("data-plane".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let (data, agents) = match listeners(&data, agents.as_ref()).await {
                    Ok(listeners) => listeners,
                    Err(error) => return tell_bound.send(Err(error)).unwrap_or(()),
                };
                let _ = tell_bound.send(addresses(&data, agents.as_ref()));
                let for_agents = async {
                    let Some(listener) = agents else { return Ok(()) };
                    http::serve(listener, http::agents_api(Arc::clone(&app)), stopped.clone()).await
                };
                let for_gates = http::serve(data, http::data_plane(Arc::clone(&app)), stopped.clone());
                let (for_gates, for_agents) = tokio::join!(for_gates, for_agents);
                if let Err(error) = for_gates.and(for_agents) {
                    tracing::error!(%error, "the data plane ended");
                }
                let _ = tell_ended.send(());
            });
        })?;
        Ok(DataPlane { bound: Some(bound), ended })
    }

    async fn addresses(&mut self) -> anyhow::Result<Bound> {
        let bound = self.bound.take().context("the addresses were asked for twice")?;
        bound.await.context("the data plane's thread ended before it listened")?
    }

    async fn ended(self) {
        let _ = self.ended.await;
    }
}

async fn listeners(data: &Address, agents: Option<&Address>) -> anyhow::Result<(Listener, Option<Listener>)> {
    let gates = Listener::bind(data).await;
    let gates = gates.with_context(|| format!("cannot listen on {data} for gates; see --data-addr"))?;
    let Some(address) = agents else { return Ok((gates, None)) };
    let agents = Listener::bind(address).await;
    let agents =
        agents.with_context(|| format!("cannot listen on {address} for agents; see --agents-addr"))?;
    Ok((gates, Some(agents)))
}

fn addresses(data: &Listener, agents: Option<&Listener>) -> anyhow::Result<Bound> {
    Ok((data.address()?, agents.map(Listener::address).transpose()?))
}

/// One thread needs no hand-over between threads: measured faster up to what one core can do.
fn data_runtime(threads: usize) -> std::io::Result<Runtime> {
    if threads == 1 {
        Builder::new_current_thread().enable_all().build()
    } else {
        Builder::new_multi_thread().worker_threads(threads).thread_name("data-plane").enable_all().build()
    }
}

fn warn_of_missing_tokens(tokens: &Tokens) {
    for kind in [Kind::Data, Kind::Admin] {
        if tokens.is_empty(kind) {
            let kind = kind.as_str();
            tracing::warn!(
                "no {kind} token exists, so nobody can use the {kind} API: stop, run `portcullis keys create --kind \
                 {kind} --name NAME`, and start again; or give one with --{kind}-token-file"
            );
        }
    }
}

/// The file first: whoever has read the line may rely on it.
fn announce(ports: &Ports, file: Option<&Path>) -> anyhow::Result<()> {
    let json = serde_json::to_string(ports)?;
    if let Some(file) = file {
        // Renamed into place: whoever waits for the file never sees half of it.
        let partial = file.with_extension("partial");
        std::fs::write(&partial, format!("{json}\n"))
            .and_then(|()| std::fs::rename(&partial, file))
            .with_context(|| format!("cannot write `{}`; see --ports-file", file.display()))?;
    }
    let agents = ports.agents.as_ref().map(ToString::to_string).unwrap_or_default();
    tracing::info!(data = %ports.data, admin = %ports.admin, agents, "listening");
    // Nobody may be reading, and that is no reason to end.
    let _ = writeln!(std::io::stdout(), "{json}");
    Ok(())
}

async fn upkeep(app: Arc<App>) {
    for round in 1u64.. {
        tokio::time::sleep(Duration::from_secs(5)).await;
        app.telemetry.upkeep();
        if round % 12 == 0
            && let Err(error) = app.forget().await
        {
            tracing::warn!(%error, "what limits forget is not stored; will try again");
        }
    }
}

/// A write past `ulimit -f` (and some quotas) raises SIGXFSZ, which ends a process that does not handle it. Handled, it is
/// a write that fails: calls are refused until there is room, as on a full disk.
fn survive_file_size_limits() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    // Its number on every system that we run on. The handler stays when the listener is dropped.
    signal(SignalKind::from_raw(25)).map(drop)
}

async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
