//! From headers to a complete body.

use super::asking::{self, Api};
use super::recording::{self, Rest, Suspect};
use super::{Phase, Step};
use crate::codings::Codings;
use crate::effect::Effect;
use crate::event::Event;
use crate::metric::Metric;
use crate::question::{Heading, Question, Read, parse_request_metadata};
use crate::refusal::LocalReply;
use crate::selftest::{SELF_TEST_HEADER, SELF_TEST_PATH};
use crate::strip::Strip;
use portcullis_bedrock::{
    BodyPlan, Call, Entrance, Extractor, Head, Problem, ProblemCode, Refused, recognise_at,
};
use std::collections::BTreeMap;

/// A call whose body is arriving.
#[derive(Debug)]
pub(super) struct Reading {
    extractor: Extractor,
    head: HeadFacts,
    received: u64,
    pub(super) deadline_us: u64,
}

/// A call whose headers were sound.
#[derive(Debug)]
struct HeadFacts {
    heading: Heading,
    call: Call,
    metadata: BTreeMap<String, String>,
    strip: Option<Strip>,
    codings: Codings,
}

/// Reads the headers: the first step of every exchange.
pub(super) fn begin(head: &Head<'_>, source: Option<&[u8]>, step: &mut Step<'_>) -> Phase {
    let gate = step.around.gate;
    if is_self_test(head) {
        let deadline_us = step.now_us().saturating_add(gate.body_timeout_us);
        let call = SelfTestCall { received: 0, deadline_us };
        return if head.end_of_stream { call.reply(step) } else { Phase::SelfTest(call) };
    }
    let rest = if head.end_of_stream { Rest::Complete } else { Rest::Arriving };
    let heading = Heading::of(head, source);
    let call = match recognise_at(head, &gate.entrance, &gate.providers) {
        Ok(call) => call,
        Err(refused) => {
            let Refused { call, problem } = *refused;
            return malformed(heading, call, 0, Objection { problem, rest }, step);
        }
    };
    if let Some(problem) = too_long(&call, gate.limits.max_body_bytes) {
        return malformed(heading, call, 0, Objection { problem, rest }, step);
    }
    let metadata = match call.request_metadata.as_deref().map(parse_request_metadata).transpose() {
        Ok(metadata) => metadata.unwrap_or_default(),
        Err(_) => {
            let detail =
                "`x-amzn-bedrock-request-metadata` is not a JSON object of strings, each key once".to_owned();
            let problem = Problem { code: ProblemCode::BadHeader, detail };
            return malformed(heading, call, 0, Objection { problem, rest }, step);
        }
    };
    let strip = matches!(gate.entrance, Entrance::Gateway(_)).then(|| Strip::of(head.path));
    let plan = call.body.clone();
    let codings = Codings::of(head, &gate.entrance);
    let facts = HeadFacts { heading, call, metadata, strip, codings };
    if plan == BodyPlan::AtHeaders {
        return facts.ask(Read::AtHeaders, step);
    }
    let reading = Reading {
        extractor: Extractor::new(plan, gate.limits),
        head: facts,
        received: 0,
        deadline_us: step.now_us().saturating_add(gate.body_timeout_us),
    };
    // Headers that end the message are a complete, empty body.
    if head.end_of_stream { reading.complete(step) } else { Phase::Reading(Box::new(reading)) }
}

impl Reading {
    pub(super) fn step(mut self: Box<Self>, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::RequestBody { slice, end } => {
                self.received = self.received.saturating_add(slice.len() as u64);
                match self.extractor.push(slice) {
                    Err(problem) => {
                        let rest = if end { Rest::Complete } else { Rest::Arriving };
                        self.give_up(Objection { problem, rest }, step)
                    }
                    Ok(()) if end => self.complete(step),
                    Ok(()) => Phase::Reading(self),
                }
            }
            Event::RequestTrailers => self.complete(step),
            Event::Tick if step.now_us() >= self.deadline_us => {
                let seconds = step.around.gate.body_timeout_us / 1_000_000;
                let detail =
                    format!("the body was not complete within {seconds} s ({} bytes came)", self.received);
                let problem = Problem { code: ProblemCode::BodyTimeout, detail };
                self.give_up(Objection { problem, rest: Rest::GivenUp }, step)
            }
            Event::Closed(_) => {
                step.count(Metric::GoneWhileHeld);
                Phase::Closed
            }
            // Envoy has answered on its own (buffer limit, idle timeout). Nobody was asked yet, so there is nothing to report.
            Event::ResponseHeaders(_) => Phase::Closed,
            _ => Phase::Reading(self),
        }
    }

    fn complete(self, step: &mut Step<'_>) -> Phase {
        let Self { extractor, head, received, .. } = self;
        match extractor.finish() {
            Ok(body) => head.ask(Read::Whole(Box::new(body)), step),
            Err(problem) => malformed(
                head.heading,
                head.call,
                received,
                Objection { problem, rest: Rest::Complete },
                step,
            ),
        }
    }

    fn give_up(self, objection: Objection, step: &mut Step<'_>) -> Phase {
        let Self { head, received, .. } = self;
        malformed(head.heading, head.call, received, objection, step)
    }
}

impl HeadFacts {
    fn ask(self, read: Read, step: &mut Step<'_>) -> Phase {
        let Self { heading, call, metadata, strip, codings } = self;
        let api = Api { shape: call.shape, operation: call.operation, codings };
        let question = Question::new(&step.trace.call_id, step.around.gate, heading, call, metadata, read);
        step.trace.credential = Some(question.credential());
        asking::begin(question, strip, api, step)
    }
}

/// What the gate has against a call, and what is still to come of it.
struct Objection {
    problem: Problem,
    rest: Rest,
}

/// A call that is refused whatever the answer: it goes to `Recording`, which has no way to a permit.
fn malformed(
    heading: Heading,
    call: Call,
    received: u64,
    objection: Objection,
    step: &mut Step<'_>,
) -> Phase {
    let Objection { problem, rest } = objection;
    let shape = call.shape;
    let read = Read::Partly(received);
    let question = Question::new(&step.trace.call_id, step.around.gate, heading, call, BTreeMap::new(), read)
        .with_problem(&problem);
    recording::begin(&question, Suspect { problem, shape, rest }, step)
}

fn too_long(call: &Call, max: u64) -> Option<Problem> {
    let length = call.content_length.filter(|length| *length > max)?;
    let detail = format!("`content-length` is {length}; the gate takes bodies of at most {max} bytes");
    Some(Problem { code: ProblemCode::BodyTooLarge, detail })
}

fn is_self_test(head: &Head<'_>) -> bool {
    head.path == SELF_TEST_PATH.as_bytes()
        && head.headers.iter().any(|(name, _)| name == SELF_TEST_HEADER.as_bytes())
}

/// The gate's own test call: answered here, never forwarded, whoever sends it.
#[derive(Debug)]
pub(super) struct SelfTestCall {
    received: u64,
    pub(super) deadline_us: u64,
}

impl SelfTestCall {
    pub(super) fn step(mut self, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::RequestBody { slice, end } => {
                self.received = self.received.saturating_add(slice.len() as u64);
                if end { self.reply(step) } else { Phase::SelfTest(self) }
            }
            Event::RequestTrailers => self.reply(step),
            Event::Tick if step.now_us() >= self.deadline_us => self.reply(step),
            Event::Closed(_) | Event::ResponseHeaders(_) => Phase::Closed,
            _ => Phase::SelfTest(self),
        }
    }

    fn reply(self, step: &mut Step<'_>) -> Phase {
        step.out.push(Effect::Reply(LocalReply::self_test(SELF_TEST_HEADER, self.received)));
        Phase::Refused
    }
}
