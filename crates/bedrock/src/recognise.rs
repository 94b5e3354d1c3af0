//! From a request's head to a call.
//!
//! The checks run in one order and the first problem is the one that is told, so that the same head always gives the
//! same refusal: method and headers, path, authority and server name, credential, encodings. Reading goes on after a
//! problem: the record should say whose call it was, and what it was for.

mod facts;

use crate::call::{Call, Entrance, Head, Problem, ProblemCode, Refused};
use crate::credential;
use crate::endpoint::{Endpoint, ProviderHost};
use crate::headers::Headers;
use crate::operation::{self, Operation, Segment};
use crate::path::{self, Target};

/// Reads a head.
///
/// A host or path that is nobody's is not an error: `endpoint` or `operation` is then `None`, and policy decides.
///
/// # Errors
/// The head is one that is refused whatever policy says; what could be read is in the error.
pub fn recognise(head: &Head<'_>, entrance: &Entrance) -> Result<Call, Box<Refused>> {
    recognise_at(head, entrance, &[])
}

/// The same, where hosts of other providers are known besides. A host of Bedrock stays one whatever the list says, and a
/// gateway stands for no other provider.
///
/// # Errors
/// As [`recognise`].
pub fn recognise_at(
    head: &Head<'_>,
    entrance: &Entrance,
    providers: &[ProviderHost],
) -> Result<Call, Box<Refused>> {
    let mut reader = Reader::default();
    reader.read(head, entrance, providers);
    match reader.problem {
        None => Ok(reader.call),
        Some(problem) => Err(Box::new(Refused { call: reader.call, problem })),
    }
}

#[derive(Default)]
struct Reader {
    call: Call,
    problem: Option<Problem>,
}

impl Reader {
    fn read(&mut self, head: &Head<'_>, entrance: &Entrance, providers: &[ProviderHost]) {
        let method = self.ok(facts::method(head.method)).unwrap_or_default();
        let (headers, problem) = Headers::read(head.headers);
        self.problem = self.problem.take().or(problem);
        let target = self.ok(Target::parse(head.path));
        let host = self.ok(facts::host(head.authority, headers.host));
        let segments: Vec<&str> = target.iter().flat_map(Target::segments).collect();

        let operation = match entrance {
            Entrance::Intercepted => {
                self.note(facts::check_server_name(head.server_name, host.as_deref()));
                self.call.endpoint = host.as_deref().and_then(|host| {
                    let provider = || providers.iter().find(|provider| provider.host == host);
                    Endpoint::from_host(host).or_else(|| provider().map(Endpoint::of_provider))
                });
                let service = self.call.endpoint.as_ref().and_then(|e| operation::service(&e.service));
                service.and_then(|s| operation::find(s, method, &segments, headers.target))
            }
            Entrance::Gateway(gateway) => {
                let services = || gateway.services.iter().filter_map(|name| operation::service(name));
                let found = services()
                    .find_map(|s| operation::find(s, method, &segments, headers.target).map(|o| (s.name, o)));
                let below = || services().find(|s| operation::begins(s, segments.first().copied()));
                let name = found.map(|(name, _)| name).or_else(|| below().map(|s| s.name));
                let name = name.or(gateway.services.first().map(String::as_str));
                self.call.endpoint = name.map(|name| Endpoint::configured(name, &gateway.region));
                found.map(|(_, operation)| operation)
            }
        };
        let operation = operation.filter(|_| target.is_some());
        match operation {
            Some(operation) => self.operation(operation, &segments),
            None => self.call.shape = facts::shape_of(self.call.endpoint.as_ref(), head.path),
        }
        self.note(facts::check_target(operation, &headers));
        let agent = facts::agent(&self.call.labels, operation, &headers, target.as_ref());
        self.call.agent = self.ok(agent).unwrap_or_default();

        let more = facts::more(self.call.model.as_ref(), operation, &headers, target.as_ref());
        self.call.facts = self.ok(more).unwrap_or_default();

        let (claimed, problem) = credential::read(&headers, target.as_ref());
        self.problem = self.problem.take().or(problem);
        self.call.credential = claimed.credential;
        self.call.signature =
            claimed.signature.and_then(|s| facts::signature_parts(s, head, target.as_ref()));
        let regions = matches!(entrance, Entrance::Intercepted);
        self.note(credential::check_scope(&self.call.credential, self.call.endpoint.as_ref(), regions));

        self.call.content_length = self.ok(facts::content_length(&headers)).flatten();
        self.note(facts::check_encodings(&headers, &self.call.body));
        if operation.is_some_and(facts::takes_guardrail_headers) {
            let id = headers.guardrail.filter(|id| !id.is_empty());
            self.call.guardrail = id.map(|id| (id.to_owned(), headers.guardrail_version.map(str::to_owned)));
            self.call.request_metadata = headers.request_metadata.map(str::to_owned);
        }
        self.call.user_agent = headers.user_agent.map(|v| facts::cut(v, 512));
        self.call.invocation_id = headers.invocation_id.map(|v| facts::cut(v, 128));
        self.call.attempt = headers.attempt.map(|v| facts::cut(v, 128));
    }

    /// Takes over what the table says of an operation, and reads its labels.
    fn operation(&mut self, operation: &'static Operation, segments: &[&str]) {
        self.call.operation = Some(operation);
        self.call.shape = operation.shape;
        self.call.body = operation.body.clone();
        for (segment, raw) in operation.segments.iter().zip(segments) {
            let Segment::Label(name) = segment else { continue };
            if let Some(value) = self.ok(path::label(name, raw)) {
                self.call.labels.push((name, value));
            }
        }
        self.call.model = facts::model(&self.call.labels);
    }

    /// Keeps the first problem.
    fn note(&mut self, result: Result<(), Problem>) {
        if let Err(problem) = result {
            self.problem.get_or_insert(problem);
        }
    }

    fn ok<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problem.get_or_insert(problem);
                None
            }
        }
    }
}

fn bad_header(detail: String) -> Problem {
    Problem { code: ProblemCode::BadHeader, detail }
}
