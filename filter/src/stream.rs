//! One exchange: callbacks become events, effects become host calls.

use crate::host;
use crate::shared::Shared;
use portcullis_gate::{
    AnswerFlow, AnswerHead, CallId, CalloutFailure, CalloutReply, Effect, Event, Exchange, Flow, Head,
    Metric, Now, Origin, ResponseHead, StreamEnd, Strip, Surroundings, Then, Token,
};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};
use std::cell::RefCell;
use std::rc::Rc;

/// `response.code_details` of an answer that came from the upstream (Envoy, "Response code details").
const VIA_UPSTREAM: &[u8] = b"via_upstream";
/// Headers of an answer that name a session or an execution; no answer has two.
const SESSION_HEADERS: [&str; 4] = [
    "x-amz-bedrock-agent-session-id",
    "x-amzn-bedrock-knowledge-base-session-id",
    "x-amz-bedrock-flow-execution-id",
    "x-amzn-bedrock-agentcore-runtime-session-id",
];

/// What the host holds in place of bytes that the gate keeps. Harmless at the end of a frame or an event, were it ever to leak.
const PLACEHOLDER: &[u8] = b"\n";

/// The state of an exchange and its callout.
pub(crate) struct Stream {
    context_id: u32,
    shared: Rc<Shared>,
    exchange: Option<Exchange>,
    callout: Option<(u32, Token)>,
    /// Bytes of the held body that have been read: each callback sees the whole.
    read: usize,
    /// Bytes of what the host has of the answer's body that have been read, or stand for something that the gate keeps.
    answer_read: usize,
    /// When something last happened of which the time matters.
    last: Now,
}

/// Where an event comes from: that decides how its effects reach the host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// A request callback: its return value lets the request go on.
    Request,
    /// A callback about the answer: its return value lets the answer go on.
    Answer,
    /// Another callback of this exchange.
    Other,
    /// The root context's tick or callout.
    Root,
}

/// The handle that the SDK owns.
pub(crate) struct Handle(Rc<RefCell<Stream>>);

impl Stream {
    /// Takes one event through the state machine.
    pub(crate) fn feed(&mut self, event: Event<'_>, site: Site) {
        // Asking the host for the time costs, and of most pieces of an answer nobody wants to know when they passed.
        let passing =
            matches!(event, Event::ResponseHeaders(_) | Event::ResponseBody { .. } | Event::ResponseTrailers);
        if !passing || self.exchange.as_ref().is_some_and(Exchange::times_answer) {
            self.last = self.shared.clock.now();
        }
        self.feed_at(event, self.last, site);
    }

    fn feed_at(&mut self, event: Event<'_>, now: Now, site: Site) {
        let Some(exchange) = self.exchange.take() else { return };
        let shared = Rc::clone(&self.shared);
        let around = Surroundings { gate: &shared.gate, now, wants_text: shared.wants_text.get() };
        let (exchange, effects) = exchange.step(event, around);
        self.exchange = Some(exchange);
        for effect in effects {
            self.carry_out(effect, site);
        }
    }

    fn carry_out(&mut self, effect: Effect, site: Site) {
        let shared = Rc::clone(&self.shared);
        match effect {
            Effect::Dispatch { path, token, body, timeout_ms } => {
                let sent = shared.post(path, &body, timeout_ms);
                host::act_as(self.context_id);
                match sent {
                    Some(callout) => {
                        self.callout = Some((callout, token));
                        if site == Site::Root {
                            shared.sent_on_behalf(callout, self.context_id);
                        }
                    }
                    None => {
                        self.feed(Event::CalloutDone { token, result: Err(CalloutFailure::NotSent) }, site);
                    }
                }
            }
            Effect::Strip(strip) => take_off(&strip),
            Effect::AskPlain => host::set_request_header("accept-encoding", b"identity"),
            // In a request callback the return value says it; to resume there as well would be twice.
            Effect::Resume(_) if site == Site::Request => {}
            Effect::Resume(_permit) => host::resume_request(),
            Effect::Reply(reply) => host::reply(reply.status, &reply.headers, &reply.body),
            Effect::AddResponseHeader { name, value } => host::set_response_header(name, &value),
            Effect::RemoveResponseHeader(name) => host::remove_response_header(name),
            Effect::Release(bytes) => {
                host::replace_response_body(&bytes);
                self.answer_read = 0;
                if site != Site::Answer {
                    host::resume_response();
                }
            }
            Effect::Hide => {
                host::replace_response_body(PLACEHOLDER);
                self.answer_read = PLACEHOLDER.len();
            }
            Effect::ResumeAnswer => {
                self.answer_read = 0;
                host::resume_response();
            }
            Effect::Abort => host::reset(),
            Effect::WantsText(wants) => shared.wants_text.set(wants),
            Effect::Report(outcome) => {
                shared.show_growth();
                if outcome.usage.is_some_and(|usage| usage.tool_calls > 0) {
                    shared.hurry();
                }
                let queued = shared.outbox.borrow_mut().push(*outcome);
                shared.count(if queued { Metric::OutcomesQueued } else { Metric::OutcomesLost });
            }
            Effect::Unaudited => {
                shared.outbox.borrow_mut().unaudited();
                host::log(
                    LogLevel::Error,
                    "portcullis: a call was let out without a decision (failure_mode: open)",
                );
            }
            Effect::Count(metric) => shared.count(metric),
            Effect::DecisionTook(micros) => shared.statistics.decision_took(micros),
            Effect::InspectionTook(micros) => shared.statistics.inspection_took(micros),
        }
    }

    fn flow(&self) -> Flow {
        self.exchange.as_ref().map_or(Flow::Hold, Exchange::flow)
    }

    /// A callout of this exchange has been answered. The host has made this context effective; the answer belongs to the
    /// root context, which sent it.
    pub(crate) fn callout_answered(&mut self, callout: u32, headers: usize, body: usize, site: Site) {
        let Some((_, token)) = self.callout.take_if(|(expected, _)| *expected == callout) else { return };
        host::act_as(self.shared.root_id);
        let answer = host::callout_answer(headers, body);
        host::act_as(self.context_id);
        let result = match &answer {
            Some((status, _, body)) => Ok(CalloutReply { status: *status, body }),
            None => Err(CalloutFailure::NoAnswer),
        };
        self.feed(Event::CalloutDone { token, result }, site);
        self.unwatch_unless_held();
    }

    fn unwatch_unless_held(&self) {
        if self.exchange.as_ref().is_none_or(|exchange| exchange.held().is_none()) {
            self.shared.unwatch(self.context_id);
        }
    }

    /// Whether it is an answer that is held.
    pub(crate) fn holds_answer(&self) -> bool {
        self.exchange.as_ref().is_some_and(Exchange::holds_answer)
    }

    /// The deadline of the hold may be over.
    pub(crate) fn tick(&mut self, now: Now) {
        let held = self.exchange.as_ref().and_then(Exchange::held);
        if held.is_none_or(|held| now.monotonic_us < held.deadline_us) || !host::act_as(self.context_id) {
            return;
        }
        self.feed_at(Event::Tick, now, Site::Root);
        self.unwatch_unless_held();
    }

    fn request_headers(&mut self, end_of_stream: bool) {
        let mut headers = host::request_headers();
        let shared = Rc::clone(&self.shared);
        if let Some(trap) = &shared.config.debug_trap_header
            && host::find(&headers, trap.as_bytes()).is_some()
        {
            host::trap();
        }
        let [mut method, mut authority, mut path] = [const { Vec::new() }; 3];
        headers.retain_mut(|(name, value)| {
            match name.as_slice() {
                b":method" => method = std::mem::take(value),
                b":authority" => authority = std::mem::take(value),
                b":path" => path = std::mem::take(value),
                _ => return !name.starts_with(b":"),
            }
            false
        });
        let server_name = host::property(&["connection", "requested_server_name"]);
        let source = source_address();
        let head = Head {
            method: &method,
            authority: &authority,
            path: &path,
            headers: &headers,
            server_name: server_name.as_deref(),
            end_of_stream,
        };
        // They come with the context, which has just looked at the clock.
        self.feed_at(Event::RequestHeaders { head, source: source.as_deref() }, self.last, Site::Request);
    }

    /// `size` is the whole of what is held; what has been read before is skipped.
    fn request_body(&mut self, size: usize, end_of_stream: bool) {
        loop {
            if !self.exchange.as_ref().is_some_and(Exchange::reads_body) {
                // Nobody reads it any more; that it ends may still matter.
                if end_of_stream {
                    self.feed(Event::RequestBody { slice: &[], end: true }, Site::Request);
                }
                return;
            }
            let slice = host::request_body(self.read, size.saturating_sub(self.read).min(host::SLICE));
            self.read = self.read.saturating_add(slice.len());
            // A host that gives nothing where it announced something must not keep us here.
            let last = self.read >= size || slice.is_empty();
            self.feed(Event::RequestBody { slice: &slice, end: last && end_of_stream }, Site::Request);
            if last {
                return;
            }
        }
    }

    fn response_headers(&mut self, end: bool) {
        let headers = host::response_headers();
        let find = |name: &str| host::find(&headers, name.as_bytes());
        let status = find(":status").and_then(host::number).unwrap_or_default();
        // Envoy's own answers are errors, all of them; asking costs, so a good one is not asked about.
        let details = if status < 300 {
            Some(VIA_UPSTREAM.to_vec())
        } else {
            host::property(&["response", "code_details"])
        };
        let details = details.unwrap_or_default();
        let upstream = details == VIA_UPSTREAM;
        let header = |name| find(name).filter(|_| upstream);
        let head = ResponseHead {
            status,
            origin: if upstream { Origin::Upstream } else { Origin::Envoy(&details) },
            aws_request_id: header("x-amzn-requestid"),
            error_type: header("x-amzn-errortype").filter(|_| status >= 300),
            body: AnswerHead {
                content_type: header("content-type"),
                content_encoding: header("content-encoding"),
                input_tokens: header("x-amzn-bedrock-input-token-count"),
                output_tokens: header("x-amzn-bedrock-output-token-count"),
                cache_read_tokens: header("x-amzn-bedrock-cache-read-input-token-count"),
                cache_write_tokens: header("x-amzn-bedrock-cache-write-input-token-count"),
                session: SESSION_HEADERS.iter().find_map(|name| header(name)),
            },
            end,
        };
        self.feed(Event::ResponseHeaders(head), Site::Answer);
    }

    /// `size` is the whole of what the host has: what has been read before, and the placeholder, are skipped.
    fn response_body(&mut self, size: usize, end: bool) {
        let mut read = self.answer_read.min(size);
        self.answer_read = 0;
        loop {
            let wanted = self.exchange.as_ref().is_some_and(Exchange::reads_answer);
            let left = size.saturating_sub(read);
            let slice = if wanted { host::response_body(read, left.min(host::SLICE)) } else { Vec::new() };
            read = read.saturating_add(slice.len());
            // Whoever does not read it, or gets nothing where something was announced, has it all behind him.
            let last = read >= size || slice.is_empty();
            let then = match (last, end) {
                (false, _) => Then::More,
                (true, false) => Then::Turn,
                (true, true) => Then::End,
            };
            self.feed(Event::ResponseBody { slice: &slice, then }, Site::Answer);
            if last {
                break;
            }
        }
        if self.exchange.as_ref().is_some_and(Exchange::keeps_answer) {
            self.answer_read = read;
        }
    }

    fn closed(&mut self) {
        if self.exchange.as_ref().is_none_or(Exchange::is_over) {
            return;
        }
        // How an exchange ended is known when its answer was whole; otherwise Envoy knows.
        let (mut details, mut flags) = (Vec::new(), 0);
        if !self.exchange.as_ref().is_some_and(Exchange::is_answered) {
            details = host::property(&["response", "code_details"]).unwrap_or_default();
            flags = host::number_property(&["response", "flags"]);
        }
        self.feed(Event::Closed(StreamEnd { details: &details, flags }), Site::Other);
        self.shared.unwatch(self.context_id);
    }
}

/// The peer. Behind an internal listener it is what the outer listener has left in filter state.
fn source_address() -> Option<Vec<u8>> {
    let address = host::property(&["source", "address"]);
    if address.as_deref().is_some_and(|address| !address.starts_with(b"envoy")) {
        return address;
    }
    host::property(&["filter_state", "portcullis.source_address"]).or(address)
}

fn take_off(strip: &Strip) {
    for name in Strip::HEADERS {
        host::remove_request_header(name);
    }
    if let Some(path) = &strip.path {
        host::set_request_header(":path", path);
    }
}

impl Handle {
    pub(crate) fn new(context_id: u32, shared: Rc<Shared>) -> Self {
        let call_id = CallId::new(shared.started_nanos, shared.nonce, context_id);
        let last = shared.clock.now();
        let exchange = Some(Exchange::new(call_id, last));
        let stream = Stream { context_id, shared, exchange, callout: None, read: 0, answer_read: 0, last };
        Self(Rc::new(RefCell::new(stream)))
    }

    /// Runs a callback about the request, and says what the host may do with its bytes. `size` is what it holds.
    fn request(&self, size: usize, callback: impl FnOnce(&mut Stream)) -> Action {
        // Never borrowed twice: the host does not call back into the VM while a callback runs.
        let Ok(mut stream) = self.0.try_borrow_mut() else { return Action::Pause };
        callback(&mut stream);
        self.watch(&stream);
        match stream.flow() {
            Flow::Continue => Action::Continue,
            Flow::Hold => Action::Pause,
            Flow::Discard => {
                host::drop_request_body(size);
                Action::Pause
            }
        }
    }

    /// Runs a callback about the answer, and says what the host may do with what it has of it.
    fn answer(&self, callback: impl FnOnce(&mut Stream)) -> Action {
        let Ok(mut stream) = self.0.try_borrow_mut() else { return Action::Pause };
        callback(&mut stream);
        self.watch(&stream);
        match stream.exchange.as_ref().map(Exchange::answer_flow) {
            Some(AnswerFlow::Continue) => Action::Continue,
            Some(AnswerFlow::Hold) | None => Action::Pause,
        }
    }

    fn other(&self, callback: impl FnOnce(&mut Stream)) {
        if let Ok(mut stream) = self.0.try_borrow_mut() {
            callback(&mut stream);
            stream.unwatch_unless_held();
        }
    }

    /// Has the deadline of a hold watched, while there is one.
    fn watch(&self, stream: &Stream) {
        match stream.exchange.as_ref().and_then(Exchange::held) {
            Some(_) => stream.shared.watch(stream.context_id, &self.0),
            None => stream.shared.unwatch(stream.context_id),
        }
    }
}

impl Context for Handle {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _trailers: usize) {
        self.other(|stream| stream.callout_answered(token, headers, body, Site::Other));
    }

    fn on_done(&mut self) -> bool {
        // `on_log` has told the end already, unless the stream never came that far.
        self.other(Stream::closed);
        true
    }
}

impl HttpContext for Handle {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.request(0, |stream| stream.request_headers(end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.request(size, |stream| stream.request_body(size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.request(0, |stream| stream.feed(Event::RequestTrailers, Site::Request))
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.answer(|stream| stream.response_headers(end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.answer(|stream| stream.response_body(size, end_of_stream))
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.answer(|stream| stream.feed(Event::ResponseTrailers, Site::Answer))
    }

    fn on_log(&mut self) {
        self.other(Stream::closed);
    }
}

/// An exchange of a VM that has no configuration: refused. Envoy does not route to such a VM; this is the second lock.
pub(crate) struct Unconfigured;

impl Context for Unconfigured {}

impl HttpContext for Unconfigured {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let headers = [("x-amzn-errortype", "ServiceUnavailableException".to_owned())];
        host::reply(503, &headers, br#"{"message":"the gate has no configuration"}"#);
        Action::Pause
    }

    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        Action::Pause
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        Action::Pause
    }
}
