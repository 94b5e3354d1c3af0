//! The gate inside Envoy: a thin adapter between proxy-wasm and [`portcullis_gate`].
//!
//! It decides nothing. It turns host callbacks into events, and effects into host calls:
//!
//! * `host.rs` is the only file that calls the host, in bytes variants only;
//! * `root.rs` is one VM (that is, one worker thread): configuration, ticks, outcomes, self-test;
//! * `stream.rs` is one exchange;
//! * `shared.rs` is what a VM's exchanges share.
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
