//! What CloudTrail would write down of the calls that reached the fake, in the form of its files in S3.
//!
//! Source: "CloudTrail record contents"
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>) and the example in
//! "Monitor Amazon Bedrock API calls using CloudTrail" (<https://docs.aws.amazon.com/bedrock/latest/userguide/logging-using-cloudtrail.html>).

use crate::calls::CallRecord;
use crate::operation::region_of;
use serde_json::{Value, json};

/// The document. Like CloudTrail it leaves out whom AWS did not know: a call whose signature did not verify is nobody's.
pub(crate) fn document(calls: &[CallRecord]) -> Value {
    let known = calls.iter().filter(|call| call.rejected.is_none() && !call.request_id.is_empty());
    json!({ "Records": known.map(event).collect::<Vec<_>>() })
}

fn event(call: &CallRecord) -> Value {
    let model_call = call.operation.starts_with("InvokeModel") || call.operation.starts_with("Converse");
    let second = i64::try_from(call.at_ms / 1_000).unwrap_or_default();
    let time = jiff::Timestamp::from_second(second).unwrap_or_default();
    let key = call.access_key_id.as_deref().unwrap_or_default();
    let account = account(key).unwrap_or_else(|| "123456789012".to_owned());
    let host = call.host.split(':').next().unwrap_or_default();
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": format!("AIDA{}", key.get(4..).unwrap_or_default()), "accountId": account,
            "arn": format!("arn:aws:iam::{account}:user/{key}"), "accessKeyId": call.access_key_id,
        },
        "eventTime": time.to_string(),
        "eventSource": if host.contains("agentcore") { "bedrock-agentcore.amazonaws.com" } else { "bedrock.amazonaws.com" },
        "eventName": call.operation,
        "awsRegion": region_of(host),
        "sourceIPAddress": "127.0.0.1",
        "userAgent": header(call, "user-agent"),
        "requestParameters": { "modelId": call.model },
        "responseElements": null,
        "errorCode": (call.status >= 400).then_some("ValidationException"),
        "requestID": call.request_id,
        // An id of its own for each event, the same whenever it is asked for.
        "eventID": uuid::Uuid::from_u128(uuid::Uuid::parse_str(&call.request_id).map_or(0, |id| id.as_u128()) ^ 1).to_string(),
        "readOnly": true,
        "eventType": "AwsApiCall",
        "managementEvent": model_call,
        "recipientAccountId": account,
        "eventCategory": if model_call { "Management" } else { "Data" },
        "tlsDetails": { "tlsVersion": "TLSv1.3", "clientProvidedHostHeader": host },
    })
}

fn header<'a>(call: &'a CallRecord, name: &str) -> Option<&'a str> {
    call.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The account that an access key id carries in bits 1 to 40 of its base32.
fn account(key: &str) -> Option<String> {
    let digits = key.get(4..14)?.bytes().map(|byte| match byte {
        b'A'..=b'Z' => Some(u64::from(byte - b'A')),
        b'2'..=b'7' => Some(u64::from(byte - b'2') + 26),
        _ => None,
    });
    let bits = digits.map(|digit| digit.unwrap_or_default()).fold(0_u64, |bits, digit| bits << 5 | digit);
    // 50 bits: one that says that there is an account, 40 of the account, 9 of something else.
    Some(format!("{:012}", (bits >> 9) & ((1 << 40) - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_events() {
        assert_eq!(account("ASIAY34FZKBOKMUTVV7A").as_deref(), Some("609629065308"));
        let call = CallRecord {
            at_ms: 1_795_255_201_999,
            operation: "Converse".to_owned(),
            request_id: "0199f0a0-0000-7000-8000-000000000001".to_owned(),
            host: "bedrock-runtime.eu-central-1.amazonaws.com:443".to_owned(),
            access_key_id: Some("ASIAY34FZKBOKMUTVV7A".to_owned()),
            status: 200,
            ..CallRecord::default()
        };
        let stranger = CallRecord { rejected: Some("who?".to_owned()), ..call.clone() };
        let document = document(&[call, stranger]);
        println!("{document}");
        assert_eq!(document["Records"].as_array().map(Vec::len), Some(1));
        let event = &document["Records"][0];
        assert_eq!(
            (&event["awsRegion"], &event["eventCategory"]),
            (&json!("eu-central-1"), &json!("Management"))
        );
        assert_eq!(event["eventTime"], "2026-11-21T10:00:01Z");
    }
}
