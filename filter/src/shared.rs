//! What the exchanges of one VM share with each other and with its root context.

use crate::host::{self, Clock, Gauges, Statistics};
use crate::stream::Stream;
use portcullis_gate::{BearerToken, Config, Gate, Metric, Outbox};
use proxy_wasm::types::LogLevel;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// Environment variable with the data-plane token, when the configuration has none.
const TOKEN_VARIABLE: &str = "PORTCULLIS_DATA_TOKEN";

/// The shortest tick.
const SOON: Duration = Duration::from_millis(1);

/// The configuration and memory of a VM.
pub(crate) struct Shared {
    pub(crate) root_id: u32,
    pub(crate) gate: Gate,
    pub(crate) config: Config,
    pub(crate) statistics: Statistics,
    gauges: RefCell<Gauges>,
    pub(crate) wants_text: Cell<bool>,
    pub(crate) outbox: RefCell<Outbox>,
    /// An outcome waits that is not to wait for the tick.
    urgent: Cell<bool>,
    pub(crate) started_nanos: u64,
    pub(crate) clock: Clock,
    pub(crate) nonce: u32,
    authorization: Option<String>,
    /// Exchanges that are held, by context id: their deadlines are watched.
    held: RefCell<BTreeMap<u32, Weak<RefCell<Stream>>>>,
    /// Callouts sent on behalf of an exchange from a tick: the SDK brings their answers to the root context.
    on_behalf: RefCell<BTreeMap<u32, u32>>,
}

impl Shared {
    pub(crate) fn new(root_id: u32, config: Config) -> Rc<Self> {
        let node = host::property(&["node", "id"]).or_else(|| host::property(&["xds", "node", "id"]));
        let node = String::from_utf8_lossy(&node.unwrap_or_default()).into_owned();
        let token = config.control_plane.token.clone();
        let token = token.or_else(|| BearerToken::new(host::environment(TOKEN_VARIABLE)?.trim()));
        if token.is_none() {
            host::log(
                LogLevel::Warn,
                "portcullis: no data-plane token: set `control_plane.token` or the environment variable \
                 PORTCULLIS_DATA_TOKEN (with host_env_keys); the control plane will refuse every question",
            );
        }
        Rc::new(Self {
            root_id,
            gate: config.gate(if node.is_empty() { "envoy" } else { &node }),
            statistics: Statistics::define(),
            gauges: RefCell::new(Gauges::define()),
            wants_text: Cell::new(false),
            outbox: RefCell::new(Outbox::default()),
            urgent: Cell::new(false),
            started_nanos: u64::try_from(host::unix_time().as_nanos()).unwrap_or(u64::MAX),
            clock: Clock::new(),
            nonce: host::random_u32(),
            authorization: token.map(|token| token.bearer()),
            held: RefCell::default(),
            on_behalf: RefCell::default(),
            config,
        })
    }

    /// `POST` to the control plane. The root context sends, so that a client which goes away does not cancel the
    /// callout: the SDK would then remember its token for ever.
    pub(crate) fn post(&self, path: &str, body: &[u8], timeout_ms: u64) -> Option<u32> {
        let to = &self.config.control_plane;
        let mut headers = vec![
            (":method", "POST"),
            (":path", path),
            (":authority", to.authority.as_str()),
            (":scheme", "http"),
            ("content-type", "application/json"),
        ];
        if let Some(authorization) = &self.authorization {
            headers.push(("authorization", authorization));
        }
        host::act_as(self.root_id);
        host::dispatch(&to.cluster, headers, body, Duration::from_millis(timeout_ms))
    }

    pub(crate) fn count(&self, metric: Metric) {
        self.statistics.count(metric, 1);
    }

    /// Watches the deadline of a held exchange.
    pub(crate) fn watch(&self, context: u32, stream: &Rc<RefCell<Stream>>) {
        self.held.borrow_mut().insert(context, Rc::downgrade(stream));
    }

    pub(crate) fn unwatch(&self, context: u32) {
        self.held.borrow_mut().remove(&context);
    }

    /// Has the outcomes that wait sent at once: the caller's next request may follow within milliseconds, with the results of the
    /// tool calls of which this answer told, and is recognised by them. Only the root context can send and hear the answer, so
    /// it is woken.
    pub(crate) fn hurry(&self) {
        if !self.urgent.replace(true) {
            host::tick_every(SOON);
        }
    }

    /// Whether an outcome is in a hurry.
    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent.get()
    }

    /// The same; from now on none is.
    pub(crate) fn take_urgent(&self) -> bool {
        self.urgent.take()
    }

    /// Brings counters and gauges up to date.
    pub(crate) fn show_statistics(&self) {
        self.statistics.show();
        let held = self.all_held();
        let answers =
            held.iter().filter(|stream| stream.try_borrow().is_ok_and(|stream| stream.holds_answer()));
        self.gauges.borrow_mut().show(held.len(), answers.count(), self.outbox.borrow().len());
    }

    /// Brings the gauge of the VM's memory up to date. Done before the outcome of an exchange goes out: whoever has the outcome
    /// finds there what the exchange has taken.
    pub(crate) fn show_growth(&self) {
        self.gauges.borrow_mut().show_growth();
    }

    /// Every held exchange. Cloned, because a step may end a hold.
    pub(crate) fn all_held(&self) -> Vec<Rc<RefCell<Stream>>> {
        self.held.borrow().values().filter_map(Weak::upgrade).collect()
    }

    /// A callout of this exchange was sent from a tick.
    pub(crate) fn sent_on_behalf(&self, token: u32, context: u32) {
        self.on_behalf.borrow_mut().insert(token, context);
    }

    /// The held exchange on whose behalf a callout was sent.
    pub(crate) fn take_on_behalf(&self, token: u32) -> Option<Rc<RefCell<Stream>>> {
        let context = self.on_behalf.borrow_mut().remove(&token)?;
        self.held.borrow().get(&context).and_then(Weak::upgrade)
    }
}
