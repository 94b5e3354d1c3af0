//! The gate inside Envoy: a thin adapter between proxy-wasm and [`portcullis_gate`].
//!
//! It decides nothing. It turns host callbacks into events, and effects into host calls:
//!
//! * `host.rs` is the only file that calls the host, in bytes variants only;
//! * `root.rs` is one VM (that is, one worker thread): configuration, ticks, outcomes, self-test;
//! * `stream.rs` is one exchange;
//! * `shared.rs` is what a VM's exchanges share.
//!
//! Statistics (Envoy puts `wasmcustom.` before each name): the counters of [`portcullis_gate::Metric`]; histograms
//! `portcullis.decision_us`, microseconds from question to answer, and `portcullis.inspection_us`, the same of questions about
//! answers; gauges `portcullis.held` (calls, and of these `portcullis.answers.held` whose answer it is) and
//! `portcullis.outcomes.waiting`, sums over all VMs, and `portcullis.vm_memory_bytes`, the largest VM's memory (each worker
//! thread has a VM, the main thread another, so a self-test passes `workers + 1` times). What a VM held when it trapped
//! stays in the sums.
//!
//! Hosts: Envoy 1.35 or later (`allow_on_headers_stop_iteration`), proxy-wasm ABI 0.2.1.

mod host;
mod root;
mod shared;
mod stream;

use proxy_wasm::traits::RootContext;

/// Called by the host once per VM, before anything else.
#[unsafe(no_mangle)]
#[expect(
    unsafe_code,
    reason = "`no_mangle` is how the host finds the entry point; nothing else exports this name"
)]
pub extern "C" fn _initialize() {
    proxy_wasm::set_root_context(|context_id| -> Box<dyn RootContext> {
        Box::new(root::Root::new(context_id))
    });
}
