//! Records as logs of OpenTelemetry, over OTLP/HTTP in JSON.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>, <https://opentelemetry.io/docs/specs/otel/logs/data-model/>

mod record;

#[cfg(test)]
pub(in crate::export) use record::log_record;

use super::chunk::Chunk;
use super::config::{Export, Otlp};
use super::follow::{Deliver, Delivered, Refusal};
use super::post::{Failed, Poster, in_parts};
use crate::storage::Logged;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::Arc;

/// Posts log records.
pub(super) struct OtlpSink {
    export: Arc<Export>,
    headers: Arc<[(String, String)]>,
    poster: Poster,
}

impl std::fmt::Debug for OtlpSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OtlpSink").field(&self.export).finish()
    }
}

impl OtlpSink {
    pub(super) fn new(export: Arc<Export>, otlp: &Otlp) -> Self {
        let poster = Poster::new(&otlp.url, otlp.ca.as_deref());
        OtlpSink { export, headers: otlp.headers.as_slice().into(), poster }
    }
}

impl Deliver for OtlpSink {
    fn deliver<'a>(
        &'a self,
        chunk: &'a Arc<Chunk>,
    ) -> Pin<Box<dyn Future<Output = Result<Delivered, Refusal>> + Send + 'a>> {
        let (chunk, export) = (Arc::clone(chunk), Arc::clone(&self.export));
        let (headers, poster) = (Arc::clone(&self.headers), self.poster.clone());
        Box::pin(async move {
            let posted = tokio::task::spawn_blocking(move || {
                let records: Vec<&Logged> = chunk.of_kinds(&export.kinds).collect();
                if records.is_empty() {
                    return Ok((0, 0));
                }
                in_parts(&records, &mut |part| post(&poster, &headers, &export, &chunk, part))
            })
            .await;
            let (bytes, rejected) = posted.map_err(|error| Refusal::from(error.to_string()))??;
            Ok(Delivered { bytes, rejected })
        })
    }
}

fn post(
    poster: &Poster,
    headers: &[(String, String)],
    export: &Export,
    chunk: &Chunk,
    records: &[&Logged],
) -> Result<(u64, u64), Failed> {
    let body = request(chunk, records).to_string();
    let answer = poster.post(headers, body.as_bytes())?;
    Ok((body.len() as u64, rejected(export, &answer.body)))
}

/// An `ExportLogsServiceRequest`.
pub(super) fn request(chunk: &Chunk, records: &[&Logged]) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    json!({ "resourceLogs": [{
        "resource": { "attributes": [
            text("service.name", "portcullis"),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("service.instance.id", &chunk.origin),
        ] },
        "scopeLogs": [{
            "scope": { "name": "portcullis.audit", "version": portcullis_audit::SCHEMA.to_string() },
            "logRecords": records.iter().map(|logged| record::log_record(logged)).collect::<Vec<_>>(),
        }],
    }] })
}

/// Partial success (OTLP, "Partial Success"): what was refused must not be sent again, and everything else is taken.
fn rejected(export: &Export, answer: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let partial = answer.get("partialSuccess").or(answer.get("partial_success"));
    let Some(partial) = partial else { return 0 };
    let rejected = partial.get("rejectedLogRecords").or(partial.get("rejected_log_records"));
    // A 64-bit number is a text in the JSON of protocol buffers, and a number is taken as well.
    let rejected = rejected.and_then(|count| match count {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    });
    let message = partial.get("errorMessage").or(partial.get("error_message")).and_then(Value::as_str);
    let message = message.filter(|message| !message.is_empty());
    let name = export.name.as_str();
    match (rejected.unwrap_or(0), message) {
        (0, Some(message)) => tracing::warn!(export = name, message, "the collector has a warning"),
        (0, None) => {}
        (records, message) => {
            tracing::error!(export = name, records, message, "the collector has refused records");
        }
    }
    rejected.unwrap_or(0)
}
