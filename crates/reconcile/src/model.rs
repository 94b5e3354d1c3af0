//! Whether two model identifiers mean the same.

use portcullis_bedrock::{ModelKind, ModelRef};

/// Whether they do; `None` when the identifiers do not tell: an application inference profile hides its model. AWS's logs have
/// the id or the ARN of what was called, with or without the geography of a cross-region profile.
pub(crate) fn same(one: &str, other: &str) -> Option<bool> {
    if one == other {
        return Some(true);
    }
    let (one, other) = (ModelRef::parse(one), ModelRef::parse(other));
    if one.kind == ModelKind::Unknown || other.kind == ModelKind::Unknown {
        return None;
    }
    match (&one.base, &other.base) {
        (Some(one), Some(other)) => Some(one == other),
        (None, None) if one.kind == other.kind => Some(name(&one.id) == name(&other.id)),
        _ => None,
    }
}

/// What stands behind the last slash.
fn name(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn identifiers_of_the_same_model_are_the_same() {
        const SONNET: &str = "anthropic.claude-3-5-sonnet-20241022-v2:0";
        const PROFILE: &str = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-3-5-sonnet-20241022-v2:0";
        const APPLICATION: &str =
            "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/x1y2z3";
        let cases = [
            (SONNET, SONNET, Some(true)),
            (SONNET, PROFILE, Some(true)),
            ("eu.anthropic.claude-3-5-sonnet-20241022-v2:0", PROFILE, Some(true)),
            (
                "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-3-5-sonnet-20241022-v2:0",
                SONNET,
                Some(true),
            ),
            (SONNET, "anthropic.claude-3-opus-20240229-v1:0", Some(false)),
            (APPLICATION, SONNET, None),
            (APPLICATION, APPLICATION, Some(true)),
            (
                APPLICATION,
                "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/other",
                Some(false),
            ),
            ("x1y2z3", "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/x1y2z3", Some(true)),
            ("???", SONNET, None),
        ];
        for (one, other, expected) in cases {
            println!("{one} {other} {expected:?}");
            assert_eq!(same(one, other), expected, "{one} {other}");
            assert_eq!(same(other, one), expected, "{other} {one}");
        }
    }
}
