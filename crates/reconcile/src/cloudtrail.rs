//! CloudTrail events.
//!
//! Source: "CloudTrail record contents for management, data, and network activity events"
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>),
//! "CloudTrail userIdentity element" (…/cloudtrail-event-reference-user-identity.html) and the examples in "Monitor Amazon Bedrock
//! API calls using CloudTrail" (<https://docs.aws.amazon.com/bedrock/latest/userguide/logging-using-cloudtrail.html>).

use crate::class::Class;
use crate::document::{Fault, Line};
use crate::id::Id;
use crate::names::Names;
use crate::seen::{Seen, Source};
use serde_json::{Map, Value};

/// Reads an event. What is no call to a Bedrock service is not kept.
pub(crate) fn read(event: &Map<String, Value>, names: &mut Names) -> Result<Line, Fault> {
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    if text("eventCategory") == Some("Insight") {
        return Ok(Line::Other);
    }
    let service = text("eventSource").ok_or(Fault::Missing("eventSource"))?;
    let Some(service) = service.strip_suffix(".amazonaws.com").filter(|name| is_bedrock(name)) else {
        return Ok(Line::Other);
    };
    let operation = text("eventName").ok_or(Fault::Missing("eventName"))?;
    let time_ms = crate::document::time(text("eventTime").ok_or(Fault::Missing("eventTime"))?)?;
    let region = text("awsRegion").ok_or(Fault::Missing("awsRegion"))?;
    // A change of state that AWS made by itself, and no call: `AwsServiceEvent`.
    if text("eventType").is_some_and(|kind| kind == "AwsServiceEvent") {
        return Ok(Line::Other);
    }
    let data = match text("eventCategory") {
        Some(category) => Some(category == "Data"),
        None => event.get("managementEvent").and_then(Value::as_bool).map(|management| !management),
    };
    let identity = event.get("userIdentity").and_then(Value::as_object);
    let who = |key: &str| identity.and_then(|identity| identity.get(key)).and_then(Value::as_str);
    let parameters = event.get("requestParameters");
    let parameter = |key: &str| parameters.and_then(|value| value.get(key)).and_then(Value::as_str);
    let additional = event.get("additionalEventData");
    let bearer = [parameters, additional]
        .into_iter()
        .flatten()
        .any(|value| value.get("callWithBearerToken").is_some_and(|said| said == true || said == "true"));
    let by_service =
        (who("type") == Some("AWSService")).then(|| service_of(who("invokedBy"), text("sourceIPAddress")));
    let account = who("accountId").filter(|account| is_account(account)).or_else(|| issuer(identity));
    Ok(Line::Seen(Box::new(Seen {
        source: Source::CloudTrail,
        time_ms,
        class: Class::of(service, operation, data),
        operation: names.keep(operation),
        region: names.keep(region),
        account: names.some(account.or_else(|| text("recipientAccountId"))),
        recipient: names.some(text("recipientAccountId")),
        access_key_id: names.some(who("accessKeyId")),
        arn: names.some(who("arn").or_else(|| who("userName")).or_else(|| who("principalId"))),
        source_ip: names.some(text("sourceIPAddress")),
        vpc_endpoint: names.some(text("vpcEndpointId")),
        user_agent: names.some(text("userAgent")),
        model: names.some(parameter("modelId").or_else(|| parameter("model"))),
        error: names.some(text("errorCode")),
        inference_region: names
            .some(additional.and_then(|data| data.get("inferenceRegion")).and_then(Value::as_str)),
        invoked_by: names.some(by_service.or_else(|| who("invokedBy"))),
        request_id: Id::some(text("requestID")),
        event_id: Id::some(text("eventID")),
        shared_event_id: Id::some(text("sharedEventID")),
        input_tokens: None,
        output_tokens: None,
        read_only: event.get("readOnly").is_some_and(|said| said == true || said == "true"),
        console: event.get("sessionCredentialFromConsole").is_some_and(|said| said == true || said == "true"),
        bearer,
    })))
}

/// `bedrock`, `bedrock-runtime`, `bedrock-agentcore`, `bedrock-mantle` …
fn is_bedrock(service: &str) -> bool {
    service == "bedrock" || service.starts_with("bedrock-")
}

fn service_of<'a>(invoked_by: Option<&'a str>, address: Option<&'a str>) -> &'a str {
    invoked_by.or(address).unwrap_or("a service of AWS")
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The account of the role that a session is of.
fn issuer(identity: Option<&Map<String, Value>>) -> Option<&str> {
    let issuer = identity?.get("sessionContext")?.get("sessionIssuer")?.get("accountId")?.as_str()?;
    Some(issuer).filter(|account| is_account(account))
}
