//! Calls as the report tells of them.

use crate::calls::Call;
use crate::report::{Bypassed, Group, Told};
use crate::seen::Source;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A call, for the report.
pub(crate) fn told(call: &Call) -> Told {
    let head = &call.head;
    let mut sources: Vec<Source> = call.all().map(|seen| seen.source).collect();
    sources.sort_unstable();
    sources.dedup();
    let mut event_ids: Vec<String> =
        call.all().filter_map(|seen| seen.event_id.as_ref()).map(ToString::to_string).collect();
    event_ids.sort_unstable();
    event_ids.dedup();
    Told {
        time_ms: head.time_ms,
        sources,
        operation: Arc::clone(&head.operation),
        region: Arc::clone(&head.region),
        model: call.say(|seen| seen.model.clone()),
        account: call.say(|seen| seen.account.clone()),
        arn: call.say(|seen| seen.arn.clone()),
        access_key_id: call.say(|seen| seen.access_key_id.clone()),
        source_ip: call.say(|seen| seen.source_ip.clone()),
        vpc_endpoint: call.say(|seen| seen.vpc_endpoint.clone()),
        user_agent: call.say(|seen| seen.user_agent.clone()),
        error: call.say(|seen| seen.error.clone()),
        inference_region: call.say(|seen| seen.inference_region.clone()),
        request_id: head.request_id.as_ref().map(ToString::to_string),
        event_ids,
    }
}

/// By who, from where and in which region.
pub(crate) fn groups(bypassed: &[Bypassed]) -> Vec<Group> {
    let mut groups: BTreeMap<_, Group> = BTreeMap::new();
    for Bypassed { call, .. } in bypassed {
        let who = who(call);
        let key = (
            who.clone(),
            call.account.clone(),
            call.source_ip.clone(),
            call.vpc_endpoint.clone(),
            Arc::clone(&call.region),
        );
        let group = groups.entry(key).or_insert_with(|| Group {
            who,
            account: call.account.clone(),
            source_ip: call.source_ip.clone(),
            vpc_endpoint: call.vpc_endpoint.clone(),
            region: Arc::clone(&call.region),
            what: BTreeMap::new(),
            calls: 0,
            refused_by_aws: 0,
            first_ms: call.time_ms,
            last_ms: call.time_ms,
        });
        group.calls += 1;
        group.refused_by_aws += u64::from(call.error.is_some());
        group.first_ms = group.first_ms.min(call.time_ms);
        group.last_ms = group.last_ms.max(call.time_ms);
        let model = call.model.as_deref().map(|model| format!(" {model}")).unwrap_or_default();
        *group.what.entry(format!("{}{model}", call.operation)).or_default() += 1;
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(group.calls), group.first_ms));
    groups
}

/// The caller, without the name that a session has for an hour.
fn who(call: &Told) -> String {
    let Some(arn) = call.arn.as_deref().or(call.access_key_id.as_deref()) else {
        return "(nobody named)".to_owned();
    };
    match arn.split_once(":assumed-role/") {
        Some((before, rest)) => {
            format!("{before}:assumed-role/{}", rest.rsplit_once('/').map_or(rest, |(role, _)| role))
        }
        None => arn.to_owned(),
    }
}
