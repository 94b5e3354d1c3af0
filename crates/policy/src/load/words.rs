//! Fields that say one of a few words: a condition that asks for another word would be one that silently never holds.

use crate::UNKNOWN_OPERATION;
use crate::fold::fold;
use crate::hours::DAYS;
use crate::source::read::{Reader, did_you_mean};
use crate::source::report::Pos;
use portcullis_bedrock::OPERATIONS;

const ASSURANCES: &[&str] = &["claimed", "confirmed", "rejected", "verified"];
const CREDENTIALS: &[&str] = &[
    "sigv4",
    "sigv4a",
    "presigned",
    "bearer_short_term",
    "bearer_long_term",
    "bearer_other",
    "api_key",
    "none",
];
const ENTRANCES: &[&str] = &["pass_through", "resign"];
const ORIGINS: &[&str] = &["model", "server", "return_control", "agent", "guard"];
const ACTION_TYPES: &[&str] = &["model_invoked", "agent_invoked", "other"];

/// The word that a condition compares with, as the field says it; `None`, with an error, when the field never does. A day
/// may be written in full.
pub(crate) fn known(reader: &mut Reader<'_>, at: Pos, field: &str, text: String) -> Option<String> {
    let words: Vec<&str> = match field {
        "time.weekday" | "context.day_of_week" => {
            let lower = fold(&text);
            let short = DAYS.iter().find(|day| lower == **day || is_long(&lower, day));
            if let Some(day) = short {
                return Some((*day).to_owned());
            }
            DAYS.to_vec()
        }
        "principal.assurance" => ASSURANCES.to_vec(),
        "credential.kind" => CREDENTIALS.to_vec(),
        "entrance" => ENTRANCES.to_vec(),
        "tool.origin" => ORIGINS.to_vec(),
        "action_type" => ACTION_TYPES.to_vec(),
        "operation" => OPERATIONS.iter().map(|operation| operation.name).chain([UNKNOWN_OPERATION]).collect(),
        "action" => OPERATIONS.iter().map(|operation| operation.iam_action).collect(),
        _ => return Some(text),
    };
    if words.iter().any(|word| fold(word) == fold(&text)) {
        return Some(text);
    }
    let hint = match did_you_mean(&text, words.iter().copied()) {
        none if none.is_empty() && words.len() < 10 => format!("; it is one of `{}`", words.join("`, `")),
        hint => hint,
    };
    let message = format!("`{field}` is never `{text}`{hint}");
    // The rule formats of others know kinds of calls that never come here.
    if field == "action_type" {
        reader.warning(at, message);
        return Some(text);
    }
    reader.error(at, message);
    None
}

fn is_long(text: &str, day: &str) -> bool {
    const LONG: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    LONG.iter().any(|long| *long == text && long.starts_with(day))
}
