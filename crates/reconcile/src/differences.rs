//! What differs between our description of a call and AWS's.

use crate::calls::Call;
use crate::ours::{Ours, State};
use crate::pairing::{same_model, window};
use crate::report::{Difference, Field, Severity};

/// How far two descriptions are from being one: severe differences first.
pub(crate) fn weight(differences: &[Difference]) -> (usize, usize) {
    let severe =
        differences.iter().filter(|difference| difference.field.severity() == Severity::Severe).count();
    (severe, differences.len())
}

/// What differs, the worst first.
pub(crate) fn differences(ours: &Ours, call: &Call, tolerance_ms: u64) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differ = |field, ours: &str, aws: &str| {
        found.push(Difference { field, ours: ours.to_owned(), aws: aws.to_owned() });
    };
    let head = &call.head;
    if !ours.allowed {
        differ(Field::Verdict, "refused", "seen");
    } else if !ours.may_have_left() {
        differ(Field::Forwarded, "never left the gate", "seen");
    }
    if let (Some(our), Some(their)) = (&ours.account, &head.account)
        && our != their
        && ours.model_account.as_ref() != Some(their)
    {
        differ(Field::Account, our, their);
    }
    if let (Some(our), Some(their)) =
        (&ours.access_key_id, head.access_key_id.as_ref().filter(|_| !head.bearer))
        && our != their
    {
        differ(Field::AccessKey, our, their);
    }
    if ours.region != head.region {
        differ(Field::Region, &ours.region, &head.region);
    }
    if !ours.is_operation(&head.operation) {
        differ(Field::Operation, &ours.operation, &head.operation);
    }
    if let Some(their) = call
        .all()
        .filter_map(|seen| seen.model.as_deref())
        .find(|model| same_model(ours, model) == Some(false))
    {
        differ(Field::Model, ours.models.first().map_or("", |model| model), their);
    }
    // What the gate read of an answer that it did not see whole is less than what AWS counted.
    if let (Some((input, output)), State::Completed) = (ours.tokens, ours.state) {
        let theirs = (call.say(|seen| seen.input_tokens), call.say(|seen| seen.output_tokens));
        if theirs.0.is_some_and(|theirs| theirs != input) || theirs.1.is_some_and(|theirs| theirs != output) {
            let show = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
            differ(
                Field::Tokens,
                &format!("{input} in, {output} out"),
                &format!("{} in, {} out", show(theirs.0), show(theirs.1)),
            );
        }
    }
    let (from, to) = window(ours, tolerance_ms);
    if head.time_ms + 999 < from || head.time_ms > to {
        differ(Field::Time, &show_time(ours.decided_at_ms), &show_time(head.time_ms));
    }
    found.sort();
    found
}

fn show_time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| ms.to_string(), |time| time.to_string())
}
