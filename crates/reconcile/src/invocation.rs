//! Lines of Bedrock's model invocation logs.
//!
//! Source: "Monitor model invocation using CloudWatch Logs and Amazon S3"
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html>): the same JSON in both deliveries.

use crate::class::Class;
use crate::document::{Fault, Line};
use crate::id::Id;
use crate::names::Names;
use crate::seen::{Seen, Source};
use serde_json::{Map, Value};

/// Reads a line.
pub(crate) fn read(line: &Map<String, Value>, names: &mut Names) -> Result<Line, Fault> {
    let text = |key: &str| line.get(key).and_then(Value::as_str);
    let time_ms = crate::document::time(text("timestamp").ok_or(Fault::Missing("timestamp"))?)?;
    let operation = text("operation").ok_or(Fault::Missing("operation"))?;
    let region = text("region").ok_or(Fault::Missing("region"))?;
    let arn = line.get("identity").and_then(|identity| identity.get("arn")).and_then(Value::as_str);
    let tokens =
        |side: &str, key: &str| line.get(side).and_then(|side| side.get(key)).and_then(Value::as_u64);
    // Only an ARN says whose the caller is; the line's account is the one that pays and logs.
    let caller = arn.and_then(|arn| arn.split(':').nth(4)).filter(|account| account.len() == 12);
    Ok(Line::Seen(Box::new(Seen {
        source: Source::InvocationLog,
        time_ms,
        class: Class::of("bedrock-runtime", operation, None),
        operation: names.keep(operation),
        region: names.keep(region),
        account: names.some(caller.or_else(|| text("accountId"))),
        recipient: names.some(text("accountId")),
        access_key_id: None,
        arn: names.some(arn),
        source_ip: None,
        vpc_endpoint: None,
        user_agent: None,
        model: names.some(text("modelId")),
        error: names.some(text("errorCode")),
        inference_region: names.some(text("inferenceRegion")),
        invoked_by: None,
        request_id: Id::some(text("requestId")),
        event_id: None,
        shared_event_id: None,
        input_tokens: tokens("input", "inputTokenCount"),
        output_tokens: tokens("output", "outputTokenCount"),
        read_only: false,
        console: false,
        bearer: false,
    })))
}
