//! `approvals` of `bundle.yaml`, `approval` of a rule: the same keys.

use super::operator::read_globs;
use super::units::duration;
use crate::approval::ApprovalSpec;
use crate::source::node::Node;
use crate::source::read::Reader;
use std::time::Duration;

pub(crate) const KEYS: &[&str] = &["expires", "valid", "hold", "allow_self", "approvers"];
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// The gate's clients give up after a minute; it answers before.
const LONGEST_HOLD: Duration = Duration::from_secs(50);

/// Reads the terms; `what` names them in messages.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<ApprovalSpec> {
    let map = reader.map(node, what, KEYS)?;
    let mut time = |key: &str, from, to| {
        map.get(key).and_then(|node| duration(reader, node, &format!("`{key}`"), from..=to))
    };
    let expires = time("expires", Duration::from_secs(60), DAY * 30);
    let valid = time("valid", Duration::from_secs(60), DAY * 30);
    let hold = time("hold", Duration::ZERO, LONGEST_HOLD);
    let allow_self = map.get("allow_self").and_then(|node| reader.boolean(node, "`allow_self`"));
    let approvers = map.get("approvers").and_then(|node| {
        let texts = reader.texts(node, "`approvers`")?;
        read_globs(reader, &texts, false)?;
        let all = texts.iter().any(|text| text.text == "*");
        Some(if all { Vec::new() } else { texts.into_iter().map(|text| text.text).collect() })
    });
    Some(ApprovalSpec { expires, valid, hold, allow_self, approvers })
}
