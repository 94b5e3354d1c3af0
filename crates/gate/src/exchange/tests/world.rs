//! A host for one exchange, that checks at each step what must hold at every step.

use super::super::*;
use super::host::{End, Headers, Host, Place};
use crate::config::{Config, Gate};
use crate::effect::AnswerFlow;
use crate::event::{CalloutFailure, CalloutReply, Origin, ResponseHead, StreamEnd, Token};
use crate::refusal::LocalReply;

pub(super) const HOST: &str = "bedrock-runtime.us-east-1.amazonaws.com";
pub(super) const BODY: &[u8] = br#"{"messages": [{"role": "user", "content": [{"text": "hello"}]}]}"#;
const SIGV4: &str = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/bedrock/aws4_request, \
    SignedHeaders=host;x-amz-date, Signature=00000000000000000000000000000000000000000000000000000000000000aa";

/// A request's headers, as a test names them.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) end: bool,
}

impl Request {
    pub(super) fn post(path: &'static str) -> Self {
        let headers = vec![("authorization", SIGV4), ("x-amz-date", "20261121T000000Z")];
        Self { method: "POST", path, headers, end: false }
    }

    pub(super) fn converse() -> Self {
        Self::post("/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse")
    }

    pub(super) fn bidirectional() -> Self {
        Self::post("/model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream")
    }

    /// Refused whatever anybody says.
    pub(super) fn malformed() -> Self {
        Self::post("/model/../converse")
    }

    pub(super) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn ended(mut self) -> Self {
        self.end = true;
        self
    }
}

/// What the control plane says, if it says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Allow,
    Deny,
    Throttle,
    Pending,
    NeedText,
    /// For so many seconds.
    Hold(u32),
    WrongCall,
    /// Of a question about an answer; elsewhere an `allow`.
    WrongNumber,
    NoDecisionId,
    UnknownVerdict,
    Garbage,
    Status500,
    NotSent,
    Reset,
}

impl Answer {
    pub(super) const ALL: [Self; 14] = [
        Self::Allow,
        Self::Deny,
        Self::Throttle,
        Self::Pending,
        Self::NeedText,
        Self::Hold(0),
        Self::Hold(45),
        Self::WrongCall,
        Self::NoDecisionId,
        Self::UnknownVerdict,
        Self::Garbage,
        Self::Status500,
        Self::NotSent,
        Self::Reset,
    ];

    /// The answer to this question about an answer.
    fn inspection(self, call_id: &str, number: &serde_json::Value) -> String {
        let json = self.json(call_id, portcullis_protocol::Inspect::default());
        let number = if self == Self::WrongNumber { &serde_json::Value::from(99) } else { number };
        json.replacen('{', &format!("{{\"number\": {number}, "), 1)
    }

    fn json(self, call_id: &str, inspect: portcullis_protocol::Inspect) -> String {
        let hold;
        let verdict = match self {
            Self::Hold(seconds) => {
                hold = format!(r#""verdict": "hold", "approval_id": "ap-1", "seconds": {seconds}"#);
                &hold
            }
            Self::Deny => r#""verdict": "deny", "message": "no""#,
            Self::Throttle => r#""verdict": "throttle", "message": "slow", "retry_after_seconds": 2"#,
            Self::Pending => r#""verdict": "pending_approval", "message": "ask", "approval_id": "a""#,
            Self::NeedText => r#""verdict": "need_text", "wants_text": true"#,
            Self::UnknownVerdict => r#""verdict": "perhaps""#,
            _ => r#""verdict": "allow""#,
        };
        let call_id = if self == Self::WrongCall { "another" } else { call_id };
        let id = if matches!(self, Self::NoDecisionId | Self::NeedText | Self::Hold(_)) {
            ""
        } else {
            "decision-1"
        };
        match self {
            Self::Garbage => "{\"verdict\": \"allow\"".to_owned(),
            _ => {
                let inspect = serde_json::to_string(&inspect).unwrap();
                format!(
                    r#"{{"call_id": "{call_id}", "decision_id": "{id}", {verdict}, "inspect": {inspect}}}"#
                )
            }
        }
    }
}

/// One exchange and everything that it has wanted so far.
pub(super) struct World {
    exchange: Option<Exchange>,
    pub(super) gate: Gate,
    pub(super) call_id: CallId,
    pub(super) now: Now,
    pub(super) wants_text: bool,
    pub(super) questions: Vec<serde_json::Value>,
    /// Time allowed for each, in milliseconds.
    pub(super) timeouts: Vec<u64>,
    pub(super) token: Option<Token>,
    pub(super) resumed: usize,
    pub(super) replies: Vec<LocalReply>,
    pub(super) reports: Vec<Outcome>,
    pub(super) counted: Vec<Metric>,
    pub(super) unaudited: usize,
    pub(super) added: Vec<(&'static str, String)>,
    pub(super) removed: Vec<&'static str>,
    pub(super) stripped: Vec<crate::Strip>,
    pub(super) asked_plain: bool,
    pub(super) closed: bool,
    /// What the next answer's head says of its body.
    pub(super) answer: crate::AnswerHead<'static>,
    body_over: bool,
    answered_by_envoy: bool,
    /// What an `allow` says of the answer.
    pub(super) inspect: portcullis_protocol::Inspect,
    /// Questions about the answer.
    pub(super) inspections: Vec<serde_json::Value>,
    /// Envoy's side of the answer.
    pub(super) host: Host,
    /// The largest piece of a body that the adapter reads at once.
    pub(super) slice: usize,
    pub(super) started: bool,
    started_us: u64,
    /// What could lawfully lead to a permit in the step that runs.
    may_permit: bool,
    /// Envoy is still to be told what to do.
    mid_callback: bool,
    /// From now on no callout can be sent.
    pub(super) deaf: bool,
}

impl World {
    pub(super) fn new(config: &str) -> Self {
        let call_id = CallId::new(7, 8, 9);
        let now = Now { monotonic_us: 1_000, unix_ms: 1_700_000_000_000 };
        Self {
            exchange: Some(Exchange::new(call_id.clone(), now)),
            gate: Config::parse(config.as_bytes()).unwrap().gate("gate-1"),
            call_id,
            now,
            wants_text: false,
            questions: Vec::new(),
            timeouts: Vec::new(),
            token: None,
            resumed: 0,
            replies: Vec::new(),
            reports: Vec::new(),
            counted: Vec::new(),
            unaudited: 0,
            added: Vec::new(),
            removed: Vec::new(),
            stripped: Vec::new(),
            asked_plain: false,
            closed: false,
            answer: crate::AnswerHead::default(),
            body_over: false,
            answered_by_envoy: false,
            inspect: portcullis_protocol::Inspect::default(),
            inspections: Vec::new(),
            host: Host::default(),
            slice: 65_536,
            started: false,
            started_us: now.monotonic_us,
            may_permit: false,
            mid_callback: false,
            deaf: false,
        }
    }

    pub(super) fn pass_through(mode: &str) -> Self {
        Self::new(&format!(
            r#"{{"entrance": "pass_through", "failure_mode": "{mode}",
                 "control_plane": {{"cluster": "p", "authority": "p", "timeout_ms": 1000}},
                 "limits": {{"max_body_bytes": 1000, "body_timeout_ms": 2000}}}}"#
        ))
    }

    pub(super) fn resign() -> Self {
        Self::new(
            r#"{"entrance": {"resign": {"region": "us-east-1", "services": ["bedrock-runtime"]}},
                "control_plane": {"cluster": "p", "authority": "p", "timeout_ms": 1000}}"#,
        )
    }

    pub(super) fn flow(&self) -> Flow {
        self.exchange.as_ref().unwrap().flow()
    }

    pub(super) fn held(&self) -> Option<Held> {
        self.exchange.as_ref().unwrap().held()
    }

    /// The control plane has said that the call needs an approval.
    pub(super) fn waits_for_approval(&self) -> bool {
        self.questions.last().is_some_and(|question| !question["held"].is_null())
    }

    /// The last question carried the gate's own objection.
    pub(super) fn is_malformed(&self) -> bool {
        self.questions.last().is_some_and(|question| !question["problem"].is_null())
    }

    fn step(&mut self, event: Event<'_>) {
        let exchange = self.exchange.take().unwrap();
        let gate = self.gate.clone();
        let around = Surroundings { gate: &gate, now: self.now, wants_text: self.wants_text };
        let (exchange, effects) = exchange.step(event, around);
        assert!(!self.closed || effects.is_empty(), "after the end nothing is wanted: {effects:?}");
        let last = effects.len().saturating_sub(1);
        let mut unsent = None;
        for (position, effect) in effects.into_iter().enumerate() {
            if let Effect::Dispatch { token, .. } = &effect {
                assert_eq!(position, last, "a callout may fail at once: nothing may come after it");
                unsent = Some(*token).filter(|_| self.deaf);
            }
            self.take(effect);
        }
        self.exchange = Some(exchange);
        match unsent {
            // The adapter tells it before the callback is over.
            Some(token) => {
                self.token = None;
                self.step(Event::CalloutDone { token, result: Err(CalloutFailure::NotSent) });
            }
            None => self.check(),
        }
    }

    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::Dispatch { path, token, body, timeout_ms } => {
                assert!(timeout_ms >= 1, "a timeout of 0 would be none at all");
                assert_ne!(Some(token), self.token, "tokens are not reused");
                let question = serde_json::from_slice(&body).unwrap();
                if path == "/v1/inspections" {
                    self.inspections.push(question);
                } else {
                    self.questions.push(question);
                }
                self.timeouts.push(timeout_ms);
                self.token = Some(token);
            }
            Effect::Resume(permit) => {
                assert!(self.may_permit, "a permit out of nothing: {permit:?}");
                assert!(!self.is_malformed(), "a malformed call got out");
                self.resumed += 1;
            }
            Effect::Reply(reply) => {
                if self.resumed == 1 {
                    assert_ne!(self.host.headers, Headers::Out, "a second answer");
                    self.host.end = End::Replaced;
                }
                self.replies.push(reply);
            }
            Effect::Report(outcome) => self.reports.push(*outcome),
            Effect::Count(metric) => self.counted.push(metric),
            Effect::Unaudited => self.unaudited += 1,
            Effect::AddResponseHeader { name, value } => self.added.push((name, value)),
            Effect::Strip(strip) => {
                assert_eq!(self.resumed, 0, "too late to take a signature off");
                self.stripped.push(strip);
            }
            Effect::AskPlain => {
                assert_eq!(self.resumed, 0, "too late to ask for anything");
                self.asked_plain = true;
            }
            Effect::WantsText(wants) => self.wants_text = wants,
            Effect::DecisionTook(_) | Effect::InspectionTook(_) => {}
            Effect::RemoveResponseHeader(name) => self.removed.push(name),
            Effect::Release(bytes) => self.host.release(bytes),
            Effect::Hide => self.host.hide(),
            Effect::ResumeAnswer => self.host.resume(),
            Effect::Abort => self.host.end = End::Reset,
        }
    }

    /// What must hold after every step.
    fn check(&self) {
        assert!(self.replies.len() <= 1, "one reply at most");
        assert!(self.resumed <= 1, "one resume at most");
        let replaced = self.host.end == End::Replaced;
        assert!(self.replies.is_empty() || self.resumed == 0 || replaced, "never both");
        assert!(self.reports.len() <= 1, "one outcome at most");
        assert!(self.questions.len() <= 3, "one question, once more with text, once more for an approval");
        assert!(self.stripped.len() <= self.resumed);
        if self.flow() == Flow::Continue {
            assert_eq!(self.resumed, 1, "bytes go on only after a permit");
        } else {
            assert!(self.resumed == 0 || self.closed, "with a permit bytes go on");
        }
        let waits = self.started
            && !self.closed
            && !self.answered_by_envoy
            && self.resumed == 0
            && self.replies.is_empty();
        if let Some(held) = self.held().filter(|_| self.resumed == 1) {
            assert!(self.exchange.as_ref().unwrap().holds_answer() && !self.closed);
            let longest = self.now.monotonic_us + self.gate.decision_timeout_us;
            assert!(held.deadline_us <= longest.max(self.started_us + 50_000_000), "a hold without an end");
            assert_eq!(Some(held.owner), self.token.map(Owner::Callout), "nobody answers this callout");
        }
        if self.host.place == Place::Holds && self.host.end == End::Open && !self.closed && !self.mid_callback
        {
            assert!(
                self.held().is_some() || !self.host.upstream_over,
                "an answer is held, and nobody ends it"
            );
        }
        match self.held().filter(|_| self.resumed == 0) {
            Some(held) => {
                assert!(waits, "a hold of a call that is settled");
                let mut longest =
                    self.now.monotonic_us + self.gate.body_timeout_us.max(self.gate.decision_timeout_us);
                if self.waits_for_approval() {
                    longest = longest.max(self.started_us + 50_000_000);
                }
                assert!(held.deadline_us <= longest, "a hold without an end");
                match held.owner {
                    Owner::Callout(token) => {
                        assert_eq!(Some(token), self.token, "nobody answers this callout")
                    }
                    Owner::Body => assert!(!self.body_over, "the body is over: nobody ends this hold"),
                }
            }
            None => assert!(!waits, "a pause that nobody owns"),
        }
    }

    pub(super) fn request(&mut self, request: &Request) {
        let headers: Vec<(Vec<u8>, Vec<u8>)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        let head = portcullis_bedrock::Head {
            method: request.method.as_bytes(),
            authority: HOST.as_bytes(),
            path: request.path.as_bytes(),
            headers: &headers,
            server_name: Some(HOST.as_bytes()),
            end_of_stream: request.end,
        };
        if !self.started {
            self.started = !self.closed;
            self.body_over = request.end;
        }
        self.step(Event::RequestHeaders { head, source: Some(b"10.0.0.7:40000") });
    }

    pub(super) fn body(&mut self, slice: &[u8], end: bool) {
        // A host gives a body only after headers that promised one, and nothing after its end.
        if self.started && !self.body_over {
            self.body_over = end;
            self.step(Event::RequestBody { slice, end });
        }
    }

    pub(super) fn trailers(&mut self) {
        if self.started && !self.body_over {
            self.body_over = true;
            self.step(Event::RequestTrailers);
        }
    }

    /// The control plane answers the callout that is under way.
    pub(super) fn answer(&mut self, answer: Answer) {
        let Some(token) = self.token.take() else { return };
        self.answer_to(token, answer, true);
    }

    /// Somebody answers a callout that is not under way.
    pub(super) fn stray_answer(&mut self, number: u32, answer: Answer) {
        if self.token == Some(Token(number)) {
            return;
        }
        let before = self.fingerprint();
        let token = self.token;
        self.answer_to(Token(number), answer, false);
        self.token = token;
        assert_eq!(before, self.fingerprint(), "a stray answer did something");
    }

    fn answer_to(&mut self, token: Token, answer: Answer, expected: bool) {
        let number = self.inspections.last().map(|question| question["number"].clone());
        let json = match number {
            Some(number) => answer.inspection(self.call_id.as_str(), &number),
            None => answer.json(self.call_id.as_str(), self.inspect),
        };
        let status = if answer == Answer::Status500 { 500 } else { 200 };
        let result = match answer {
            Answer::NotSent => Err(CalloutFailure::NotSent),
            Answer::Reset => Err(CalloutFailure::NoAnswer),
            _ => Ok(CalloutReply { status, body: json.as_bytes() }),
        };
        let fails_open = self.fails_open();
        let verdict = matches!(answer, Answer::Deny | Answer::Throttle | Answer::Pending);
        let allow = matches!(answer, Answer::Allow | Answer::WrongNumber);
        self.may_permit = expected && self.resumed == 0 && (allow || fails_open && !verdict);
        self.step(Event::CalloutDone { token, result });
        self.may_permit = false;
    }

    pub(super) fn wait(&mut self, millis: u64) {
        self.now.monotonic_us += millis * 1_000;
        self.now.unix_ms += millis;
        let late = self.held().is_some_and(|held| {
            matches!(held.owner, Owner::Callout(_)) && self.now.monotonic_us >= held.deadline_us
        });
        self.may_permit = late && self.fails_open();
        self.tick();
        self.may_permit = false;
    }

    fn fails_open(&self) -> bool {
        self.gate.failure_mode == crate::config::FailureMode::Open && !self.waits_for_approval()
    }

    fn tick(&mut self) {
        // Time may pass a deadline between steps; the adapter's tick comes right after.
        self.step(Event::Tick);
        let due = self.held().map(|held| held.deadline_us);
        assert!(due.is_none_or(|due| due > self.now.monotonic_us), "a deadline that is over and still holds");
    }

    pub(super) fn response(&mut self, status: u16, upstream: bool, end: bool) {
        if !self.started || self.answered_by_envoy || !self.added.is_empty() {
            return;
        }
        // Before a permit only Envoy itself can answer; after our own reply its headers pass here, too.
        let upstream = upstream && self.resumed == 1;
        let origin = if upstream { Origin::Upstream } else { Origin::Envoy(b"request_payload_too_large") };
        let head = ResponseHead {
            status,
            origin,
            aws_request_id: upstream.then_some(b"aws-1"),
            error_type: None,
            body: self.answer,
            end,
        };
        self.answered_by_envoy = self.resumed == 0 && self.replies.is_empty();
        self.step(Event::ResponseHeaders(head));
        if self.resumed == 1 && self.host.end == End::Open {
            let holds = self.answer_flow() == AnswerFlow::Hold;
            self.host.headers = if holds { Headers::Held } else { Headers::Out };
            self.host.upstream_over = end;
            assert!(!(holds && end), "there is nothing to inspect");
        }
    }

    fn answer_flow(&self) -> AnswerFlow {
        self.exchange.as_ref().unwrap().answer_flow()
    }

    pub(super) fn response_body(&mut self, slice: &[u8], end: bool) {
        // Of an answer that is not the upstream's, or is over, nothing is modelled.
        if self.host.headers == Headers::None || self.host.upstream_over || self.host.end != End::Open {
            let then = if end { crate::Then::End } else { crate::Then::Turn };
            return self.step(Event::ResponseBody { slice, then });
        }
        let unread = self.host.hands_over(slice, end);
        let mut slices = unread.chunks(self.slice).peekable();
        loop {
            let slice = slices.next().unwrap_or_default();
            let then = match (slices.peek(), end) {
                (Some(_), _) => crate::Then::More,
                (None, false) => crate::Then::Turn,
                (None, true) => crate::Then::End,
            };
            self.mid_callback = true;
            self.step(Event::ResponseBody { slice, then });
            self.mid_callback = false;
            if then != crate::Then::More {
                break;
            }
        }
        self.returns();
    }

    fn returns(&mut self) {
        let keeps = self.exchange.as_ref().unwrap().keeps_answer();
        self.host.returns(self.answer_flow() == AnswerFlow::Hold, keeps);
        self.check();
    }

    pub(super) fn response_trailers(&mut self) {
        let modelled =
            self.host.headers != Headers::None && !self.host.upstream_over && self.host.end == End::Open;
        if !modelled {
            return self.step(Event::ResponseTrailers);
        }
        self.host.upstream_over = true;
        let held = self.host.place == Place::Holds;
        self.mid_callback = true;
        if held {
            // While it holds, bytes may be replaced in this callback, too; its return value lets them go on.
            self.host.place = Place::HandsOver;
        }
        self.step(Event::ResponseTrailers);
        self.mid_callback = false;
        if held || self.answer_flow() == AnswerFlow::Hold {
            self.returns();
        } else if self.host.end == End::Open {
            self.host.end = End::Complete;
        }
    }

    pub(super) fn close(&mut self, details: &'static str, flags: u64) {
        let first = !self.closed;
        if first {
            let exchange = self.exchange.take().unwrap();
            let gate = self.gate.clone();
            let around = Surroundings { gate: &gate, now: self.now, wants_text: self.wants_text };
            let (exchange, effects) =
                exchange.step(Event::Closed(StreamEnd { details: details.as_bytes(), flags }), around);
            for effect in effects {
                self.take(effect);
            }
            self.closed = true;
            self.exchange = Some(exchange);
            self.check();
            assert_eq!(self.held(), None);
            assert_ne!(self.flow(), Flow::Continue);
            let expected = usize::from(!self.questions.is_empty());
            assert_eq!(
                self.reports.len(),
                expected,
                "exactly one outcome for each call that was asked about"
            );
        } else {
            self.step(Event::Closed(StreamEnd::default()));
        }
    }

    fn fingerprint(&self) -> (usize, usize, usize, usize, usize, Flow, Option<Held>) {
        (
            self.questions.len(),
            self.resumed,
            self.replies.len(),
            self.reports.len(),
            self.counted.len(),
            self.flow(),
            self.held(),
        )
    }

    /// The only outcome.
    pub(super) fn outcome(&self) -> &Outcome {
        assert_eq!(self.reports.len(), 1, "{:?}", self.reports);
        self.reports.first().unwrap()
    }

    /// The only reply: status and type.
    pub(super) fn reply(&self) -> (u16, &str) {
        assert_eq!(self.replies.len(), 1, "{:?}", self.replies);
        let reply = self.replies.first().unwrap();
        let kind = reply.headers.iter().find(|(name, _)| *name == "x-amzn-errortype");
        (reply.status, kind.map_or("", |(_, value)| value.as_str()))
    }
}
