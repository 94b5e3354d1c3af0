//! Every call to the host. Bytes variants only: one odd header must not trap a VM and with it every call in flight.
//!
//! The SDK panics on statuses that it does not expect. So each function here asks only for what the host has announced:
//! a map or buffer is read only where the callback said that there is something in it.

use portcullis_gate::{Metric, Now};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType};
use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

/// Header names and values as they came.
pub(crate) type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// The largest piece of a body that is copied into the VM at once.
pub(crate) const SLICE: usize = 64 * 1_024;

/// Both clocks from one host call: every call out of the VM costs about as much as parsing a header.
pub(crate) struct Clock {
    /// Unix microseconds at monotonic zero, as of the last [`Clock::set`].
    offset_us: Cell<u64>,
}

impl Clock {
    /// A clock that is right now.
    pub(crate) fn new() -> Self {
        let clock = Self { offset_us: Cell::new(0) };
        clock.set();
        clock
    }

    /// Follows the host's wall clock; called with every tick.
    pub(crate) fn set(&self) {
        self.offset_us.set(micros(unix_time()).saturating_sub(monotonic_us()));
    }

    /// The time, on both clocks.
    pub(crate) fn now(&self) -> Now {
        let monotonic_us = monotonic_us();
        Now { monotonic_us, unix_ms: self.offset_us.get().saturating_add(monotonic_us) / 1_000 }
    }
}

fn monotonic_us() -> u64 {
    wasi::monotonic_nanos().map_or_else(|| micros(unix_time()), |nanos| nanos / 1_000)
}

/// Unix time.
pub(crate) fn unix_time() -> Duration {
    hostcalls::get_current_time()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A number that differs from VM to VM.
pub(crate) fn random_u32() -> u32 {
    wasi::random_u32().unwrap_or_default()
}

/// A variable of the VM's environment (`vm_config.environment_variables`).
pub(crate) fn environment(name: &str) -> Option<String> {
    wasi::environment(name)
}

/// The plugin configuration; `size` is what `on_configure` announced.
pub(crate) fn plugin_configuration(size: usize) -> Vec<u8> {
    read_buffer(BufferType::PluginConfiguration, 0, size)
}

/// The request's headers, pseudo-headers first.
pub(crate) fn request_headers() -> Headers {
    map(MapType::HttpRequestHeaders)
}

/// The headers of the answer that is passing, pseudo-headers first. All in one call: each costs as much as one header.
pub(crate) fn response_headers() -> Headers {
    map(MapType::HttpResponseHeaders)
}

/// Sets a header of the answer that is passing.
pub(crate) fn set_response_header(name: &str, value: &str) {
    done(hostcalls::set_map_value_bytes(MapType::HttpResponseHeaders, name, Some(value.as_bytes())));
}

/// Sets a header of the request that is held.
pub(crate) fn set_request_header(name: &str, value: &[u8]) {
    done(hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, Some(value)));
}

/// Removes every repetition of a header of the request that is held.
pub(crate) fn remove_request_header(name: &str) {
    done(hostcalls::remove_map_value(MapType::HttpRequestHeaders, name));
}

/// A piece of the request's body that the callback has announced.
pub(crate) fn request_body(start: usize, size: usize) -> Vec<u8> {
    read_buffer(BufferType::HttpRequestBody, start, size)
}

/// Empties the held body of a request that will never go on.
pub(crate) fn drop_request_body(size: usize) {
    if size > 0 {
        done(hostcalls::set_buffer(BufferType::HttpRequestBody, 0, size, b""));
    }
}

/// A piece of the answer's body that the callback has announced.
pub(crate) fn response_body(start: usize, size: usize) -> Vec<u8> {
    read_buffer(BufferType::HttpResponseBody, start, size)
}

/// Replaces all that the host has of the answer's body. There must be something to replace: the host is in a callback about
/// the body, or it holds some of it.
pub(crate) fn replace_response_body(bytes: &[u8]) {
    // Any length that is not shorter than what is there means all of it; 0 would put the bytes before it.
    const ALL: usize = 1 << 30;
    done(hostcalls::set_buffer(BufferType::HttpResponseBody, 0, ALL, bytes));
}

/// Removes every repetition of a header of the answer that is passing.
pub(crate) fn remove_response_header(name: &str) {
    done(hostcalls::remove_map_value(MapType::HttpResponseHeaders, name));
}

/// Lets the held answer of the effective context go on.
pub(crate) fn resume_response() {
    done(hostcalls::resume_http_response());
}

/// Resets the stream of the effective context, whose answer has begun: that is what a second answer does.
pub(crate) fn reset() {
    done(hostcalls::send_http_response(503, Vec::new(), None));
}

/// Lets the held request of the effective context go on.
pub(crate) fn resume_request() {
    done(hostcalls::resume_http_request());
}

/// Answers in the upstream's place, in the effective context.
pub(crate) fn reply(status: u16, headers: &[(&'static str, String)], body: &[u8]) {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    done(hostcalls::send_http_response(u32::from(status), headers, Some(body)));
}

/// A callout. `None`: the host would not send it (unknown cluster, no healthy host).
pub(crate) fn dispatch(
    cluster: &str,
    headers: Vec<(&str, &str)>,
    body: &[u8],
    timeout: Duration,
) -> Option<u32> {
    // Under a millisecond would mean no timeout at all.
    let timeout = timeout.max(Duration::from_millis(1));
    hostcalls::dispatch_http_call(cluster, headers, Some(body), Vec::new(), timeout).ok()
}

/// A callout's answer: its headers and body, as `on_http_call_response` announced them. `None`: it failed.
///
/// `context` is the one that sent it, which must be effective for its answer to be readable.
pub(crate) fn callout_answer(headers: usize, body: usize) -> Option<(u16, Headers, Vec<u8>)> {
    if headers == 0 {
        return None;
    }
    let headers = map(MapType::HttpCallResponseHeaders);
    let status = number(find(&headers, b":status")?)?;
    let body = read_buffer(BufferType::HttpCallResponseBody, 0, body.min(SLICE));
    Some((status, headers, body))
}

/// Makes the host calls that follow act on this context.
pub(crate) fn act_as(context: u32) -> bool {
    hostcalls::set_effective_context(context).is_ok()
}

/// A property of the effective context, as the host's bytes.
pub(crate) fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok().flatten().filter(|bytes| !bytes.is_empty())
}

/// A property that is a number: the host gives eight little-endian bytes.
pub(crate) fn number_property(path: &[&str]) -> u64 {
    property(path).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()).map_or(0, u64::from_le_bytes)
}

/// Asks for a tick every so often.
pub(crate) fn tick_every(period: Duration) {
    done(hostcalls::set_tick_period(period));
}

/// Tells the host that a root context which had work left has none now.
pub(crate) fn root_is_done() {
    done(hostcalls::done());
}

/// Writes to Envoy's log.
pub(crate) fn log(level: LogLevel, message: &str) {
    done(hostcalls::log(level, message));
}

/// Bytes of memory that the VM has taken; it never gives any back.
pub(crate) fn memory_bytes() -> u64 {
    #[cfg(target_arch = "wasm32")]
    {
        core::arch::wasm32::memory_size(0) as u64 * 65_536
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        0
    }
}

/// Traps the VM, for tests of recovery.
pub(crate) fn trap() {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable()
}

/// The VM's statistics, defined with the host. Counters gather in the VM between ticks.
pub(crate) struct Statistics {
    counters: Vec<(Option<u32>, Cell<u64>)>,
    decision_us: Option<u32>,
    inspection_us: Option<u32>,
}

/// The VM's gauges.
pub(crate) struct Gauges {
    memory: Option<u32>,
    /// What this VM has last shown of its memory.
    shown: u64,
    held: Share,
    answers: Share,
    waiting: Share,
}

impl Statistics {
    /// Defines them; those of other VMs by the same names are the same statistics.
    pub(crate) fn define() -> Self {
        let define = |kind, name| hostcalls::define_metric(kind, name).ok();
        Self {
            counters: Metric::ALL
                .iter()
                .map(|metric| (define(MetricType::Counter, metric.name()), Cell::new(0)))
                .collect(),
            decision_us: define(MetricType::Histogram, "portcullis.decision_us"),
            inspection_us: define(MetricType::Histogram, "portcullis.inspection_us"),
        }
    }

    pub(crate) fn count(&self, metric: Metric, by: u64) {
        if let Some((_, gathered)) = self.counters.get(metric.index()) {
            gathered.set(gathered.get().saturating_add(by));
        }
    }

    /// Hands what has gathered to the host.
    pub(crate) fn show(&self) {
        for (id, gathered) in &self.counters {
            if let (Some(id), Ok(by @ 1..)) = (id, i64::try_from(gathered.take())) {
                done(hostcalls::increment_metric(*id, by));
            }
        }
    }

    pub(crate) fn decision_took(&self, micros: u64) {
        if let Some(id) = self.decision_us {
            done(hostcalls::record_metric(id, micros));
        }
    }

    pub(crate) fn inspection_took(&self, micros: u64) {
        if let Some(id) = self.inspection_us {
            done(hostcalls::record_metric(id, micros));
        }
    }
}

impl Gauges {
    /// Defines them, as [`Statistics::define`] does.
    pub(crate) fn define() -> Self {
        let define = |name| hostcalls::define_metric(MetricType::Gauge, name).ok();
        Self {
            memory: define("portcullis.vm_memory_bytes"),
            shown: 0,
            held: Share { id: define("portcullis.held"), share: 0 },
            answers: Share { id: define("portcullis.answers.held"), share: 0 },
            waiting: Share { id: define("portcullis.outcomes.waiting"), share: 0 },
        }
    }

    /// Brings them up to date: sums over all VMs, to which each adds what has changed in it.
    pub(crate) fn show(&mut self, held: usize, answers: usize, waiting: usize) {
        self.held.set(held);
        self.answers.set(answers);
        self.waiting.set(waiting);
        self.show_memory();
    }

    /// Shows the VM's memory if it has grown, which it does rarely, and never gives any back.
    pub(crate) fn show_growth(&mut self) {
        if memory_bytes() > self.shown {
            self.show_memory();
        }
    }

    /// The largest VM's memory. Each compares again and again: two that write at once may leave the smaller number.
    fn show_memory(&mut self) {
        self.shown = memory_bytes();
        if let Some(id) = self.memory
            && hostcalls::get_metric(id).is_ok_and(|largest| self.shown > largest)
        {
            done(hostcalls::record_metric(id, self.shown));
        }
    }
}

/// One VM's share of a gauge that all VMs have in common.
struct Share {
    id: Option<u32>,
    share: usize,
}

impl Share {
    fn set(&mut self, share: usize) {
        let change = i64::try_from(share).unwrap_or(i64::MAX) - i64::try_from(self.share).unwrap_or(i64::MAX);
        if let (Some(id), true) = (self.id, change != 0) {
            done(hostcalls::increment_metric(id, change));
            self.share = share;
        }
    }
}

/// The value of the first header of this name.
pub(crate) fn find<'a>(headers: &'a Headers, name: &[u8]) -> Option<&'a [u8]> {
    headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_slice())
}

/// Decimal digits as a status.
pub(crate) fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn map(kind: MapType) -> Headers {
    let pairs = hostcalls::get_map_bytes(kind).unwrap_or_default();
    pairs.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect()
}

fn read_buffer(kind: BufferType, start: usize, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    hostcalls::get_buffer(kind, start, size).ok().flatten().unwrap_or_default()
}

/// The host refused something that it always grants; there is nobody to tell, and nothing hangs on it: a request stays
/// held, and its deadline ends it.
fn done<E>(result: Result<(), E>) {
    drop(result);
}

/// What WASI offers and the SDK does not. Envoy provides these imports to every module.
#[cfg(target_arch = "wasm32")]
mod wasi {
    #![expect(
        unsafe_code,
        reason = "imports of the host; each takes pointers to memory that outlives the call"
    )]

    const OK: u16 = 0;
    const MONOTONIC: u32 = 1;

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u16;
        fn random_get(buffer: *mut u8, length: usize) -> u16;
        fn environ_sizes_get(count: *mut usize, bytes: *mut usize) -> u16;
        fn environ_get(pointers: *mut *mut u8, buffer: *mut u8) -> u16;
    }

    pub(super) fn monotonic_nanos() -> Option<u64> {
        let mut time = 0;
        // SAFETY: the host writes one u64 to a valid, aligned address.
        let status = unsafe { clock_time_get(MONOTONIC, 1, &raw mut time) };
        (status == OK).then_some(time)
    }

    pub(super) fn random_u32() -> Option<u32> {
        let mut bytes = [0; 4];
        // SAFETY: the host writes at most `bytes.len()` bytes.
        let status = unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) };
        (status == OK).then(|| u32::from_le_bytes(bytes))
    }

    pub(super) fn environment(name: &str) -> Option<String> {
        let (mut count, mut size) = (0, 0);
        // SAFETY: the host writes two usize to valid, aligned addresses.
        if unsafe { environ_sizes_get(&raw mut count, &raw mut size) } != OK {
            return None;
        }
        let mut pointers = vec![std::ptr::null_mut(); count];
        let mut buffer = vec![0_u8; size];
        // SAFETY: both have the sizes that the host has just asked for.
        if unsafe { environ_get(pointers.as_mut_ptr(), buffer.as_mut_ptr()) } != OK {
            return None;
        }
        // The entries, `NAME=value`, each end with a NUL; the pointers are not needed.
        buffer.split(|byte| *byte == 0).find_map(|entry| {
            let (key, value) = std::str::from_utf8(entry).ok()?.split_once('=')?;
            (key == name).then(|| value.to_owned())
        })
    }
}

/// Elsewhere the crate only has to compile.
#[cfg(not(target_arch = "wasm32"))]
mod wasi {
    pub(super) fn monotonic_nanos() -> Option<u64> {
        None
    }

    pub(super) fn random_u32() -> Option<u32> {
        None
    }

    pub(super) fn environment(_: &str) -> Option<String> {
        None
    }
}
