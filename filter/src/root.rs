//! One VM: configuration, ticks, outcomes, self-test.

use crate::host;
use crate::shared::Shared;
use crate::stream::{Handle, Site, Unconfigured};
use portcullis_gate::{Config, Metric, SELF_TEST_HEADER, SELF_TEST_PATH, SelfTest, SelfTestResult};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};
use std::rc::Rc;
use std::time::Duration;

/// How often deadlines are looked at and outcomes are sent.
const TICK: Duration = Duration::from_millis(100);

/// Time allowed for a batch of outcomes.
const OUTCOMES_TIMEOUT_MS: u64 = 10_000;

/// The root context.
pub(crate) struct Root {
    context_id: u32,
    shared: Option<Rc<Shared>>,
    self_test: SelfTest,
    /// Callouts of the root context's own.
    outcomes: Option<u32>,
    self_test_call: Option<u32>,
    life: Life,
}

/// Whether the host still wants this VM.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Serving,
    /// The host is done with it (a new configuration): what waits is sent at once. Envoy does not wait for long; what
    /// is not delivered then is found by the control plane as decisions without an outcome.
    Leaving,
}

impl Root {
    pub(crate) fn new(context_id: u32) -> Self {
        Self {
            context_id,
            shared: None,
            self_test: SelfTest::Over,
            outcomes: None,
            self_test_call: None,
            life: Life::Serving,
        }
    }

    /// Sends the next batch of outcomes, when there is one and none is under way.
    fn send_outcomes(&mut self, shared: &Shared) {
        let now = shared.clock.now();
        let Some(body) = shared.outbox.borrow_mut().next_batch(now.monotonic_us, &shared.gate.name) else {
            return;
        };
        self.outcomes = shared.post("/v1/outcomes", &body, OUTCOMES_TIMEOUT_MS);
        if self.outcomes.is_none() {
            self.outcomes_answered(shared, None);
        }
    }

    fn outcomes_answered(&mut self, shared: &Shared, answer: Option<(u16, &[u8])>) {
        let taken = shared.outbox.borrow_mut().answered(answer, shared.clock.now().monotonic_us);
        match taken {
            Some(taken) => {
                shared.statistics.count(Metric::OutcomesSent, taken as u64);
                // Under load the next batch is full already; otherwise let it fill until the next tick.
                let full = shared.outbox.borrow().has_full_batch();
                if self.life == Life::Leaving || full || shared.take_urgent() {
                    self.send_outcomes(shared);
                }
            }
            None => {
                shared.count(Metric::OutcomesFailed);
                let status =
                    answer.map_or_else(|| "no answer".to_owned(), |(status, _)| format!("status {status}"));
                host::log(
                    LogLevel::Warn,
                    &format!(
                        "portcullis: the control plane did not take a batch of outcomes ({status}); it is repeated"
                    ),
                );
            }
        }
        if self.life == Life::Leaving && shared.outbox.borrow().is_empty() {
            host::root_is_done();
        }
    }

    fn send_self_test(&mut self, shared: &Shared) {
        let Some(test) = &shared.config.self_test else { return };
        let headers = vec![
            (":method", "POST"),
            (":path", SELF_TEST_PATH),
            (":authority", test.authority.as_str()),
            (":scheme", "https"),
            (SELF_TEST_HEADER, "1"),
        ];
        host::act_as(self.context_id);
        let body = br#"{"portcullis": "self-test"}"#;
        let sent = host::dispatch(&test.cluster, headers, body, Duration::from_millis(test.timeout_ms));
        self.self_test = std::mem::replace(&mut self.self_test, SelfTest::Over).sent();
        match sent {
            Some(_) => self.self_test_call = sent,
            None => self.self_test_answered(shared, None),
        }
    }

    fn self_test_answered(&mut self, shared: &Shared, answer: Option<(u16, &[u8])>) {
        let test = std::mem::replace(&mut self.self_test, SelfTest::Over);
        let (next, result) = test.answered(answer, shared.clock.now().monotonic_us);
        self.self_test = next;
        match result {
            SelfTestResult::Held => {
                shared.count(Metric::SelfTestHeld);
                host::log(
                    LogLevel::Info,
                    "portcullis: self-test passed: requests are held until their verdict",
                );
            }
            SelfTestResult::Leaked => {
                shared.count(Metric::SelfTestLeaked);
                let status = answer.map_or(0, |(status, _)| status);
                host::log(
                    LogLevel::Critical,
                    &format!(
                        "portcullis: SELF-TEST FAILED: a request went past the gate (status {status}): this filter must be \
                         in the filter chain of every listener that leads to Bedrock, before every filter that forwards"
                    ),
                );
            }
            SelfTestResult::Silent => {
                shared.count(Metric::SelfTestSilent);
                host::log(
                    LogLevel::Critical,
                    "portcullis: SELF-TEST FAILED: no answer through the listener itself: \
                     `allow_on_headers_stop_iteration: true` is missing in the plugin's configuration, and then every call \
                     with a body hangs; or cluster `self_test.cluster` is missing",
                );
            }
            SelfTestResult::Unreachable => {
                shared.count(Metric::SelfTestUnreachable);
                // Envoy's main thread has a VM, too, which serves no calls and never reaches an internal listener.
                host::log(
                    LogLevel::Debug,
                    "portcullis: no self-test: cluster `self_test.cluster` does not lead to the listener from this thread",
                );
            }
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _trailers: usize) {
        let Some(shared) = self.shared.clone() else { return };
        if self.outcomes == Some(token) {
            self.outcomes = None;
            let answer = host::callout_answer(headers, body);
            self.outcomes_answered(
                &shared,
                answer.as_ref().map(|(status, _, body)| (*status, body.as_slice())),
            );
        } else if self.self_test_call == Some(token) {
            self.self_test_call = None;
            let answer = host::callout_answer(headers, body);
            let answer = answer.as_ref().map(|(status, headers, _)| {
                (*status, host::find(headers, SELF_TEST_HEADER.as_bytes()).unwrap_or_default())
            });
            self.self_test_answered(&shared, answer);
        } else if let Some(stream) = shared.take_on_behalf(token)
            && let Ok(mut stream) = stream.try_borrow_mut()
        {
            stream.callout_answered(token, headers, body, Site::Root);
            host::act_as(self.context_id);
        }
    }

    fn on_done(&mut self) -> bool {
        self.life = Life::Leaving;
        let Some(shared) = self.shared.clone() else { return true };
        self.send_outcomes(&shared);
        shared.outbox.borrow().is_empty()
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        match Config::parse(&host::plugin_configuration(size)) {
            Ok(config) => {
                self.self_test = SelfTest::new(config.self_test.as_ref());
                if let Some(header) = &config.debug_trap_header {
                    host::log(
                        LogLevel::Critical,
                        &format!(
                            "portcullis: `debug_trap_header` is on: any client can trap this VM with `{header}`"
                        ),
                    );
                }
                self.shared = Some(Shared::new(self.context_id, config));
                host::tick_every(TICK);
                true
            }
            Err(error) => {
                host::log(LogLevel::Critical, &format!("portcullis: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(shared) = self.shared.clone() else { return };
        // While a batch is under way its answer sends the next.
        if shared.is_urgent() {
            host::tick_every(TICK);
            if self.outcomes.is_none() {
                shared.take_urgent();
            }
        }
        shared.clock.set();
        let now = shared.clock.now();
        for stream in shared.all_held() {
            if let Ok(mut stream) = stream.try_borrow_mut() {
                stream.tick(now);
            }
        }
        host::act_as(self.context_id);
        self.send_outcomes(&shared);
        if self.self_test.is_due(now.monotonic_us) {
            self.send_self_test(&shared);
        }
        shared.show_statistics();
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.shared {
            Some(shared) => Box::new(Handle::new(context_id, Rc::clone(shared))),
            None => Box::new(Unconfigured),
        })
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
