//! What came out.

use crate::class::Class;
use crate::seen::Source;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A call as AWS's logs tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// When, Unix milliseconds.
    pub time_ms: u64,
    /// Which logs show it.
    pub sources: Vec<Source>,
    /// The operation.
    pub operation: Arc<str>,
    /// The region.
    pub region: Arc<str>,
    /// The model.
    pub model: Option<Arc<str>>,
    /// The account of the caller.
    pub account: Option<Arc<str>>,
    /// Who: an ARN.
    pub arn: Option<Arc<str>>,
    /// With which access key.
    pub access_key_id: Option<Arc<str>>,
    /// From where.
    pub source_ip: Option<Arc<str>>,
    /// Through which VPC endpoint.
    pub vpc_endpoint: Option<Arc<str>>,
    /// With what.
    pub user_agent: Option<Arc<str>>,
    /// AWS refused it.
    pub error: Option<Arc<str>>,
    /// In which region it was answered, when in another one.
    pub inference_region: Option<Arc<str>>,
    /// AWS's request id.
    pub request_id: Option<String>,
    /// CloudTrail's event ids.
    pub event_ids: Vec<String>,
}

/// A call that AWS saw and the gate did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bypassed {
    /// The call.
    #[serde(flatten)]
    pub call: Told,
    /// The newest decision that refused the same caller the same operation within the minutes before.
    pub refused_before: Option<Arc<str>>,
}

/// Calls that bypassed the gate in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Who; the session's name is left out.
    pub who: String,
    /// The account.
    pub account: Option<Arc<str>>,
    /// From where.
    pub source_ip: Option<Arc<str>>,
    /// Through which VPC endpoint.
    pub vpc_endpoint: Option<Arc<str>>,
    /// In which region.
    pub region: Arc<str>,
    /// Operations and models, with how many calls.
    pub what: BTreeMap<String, u64>,
    /// How many.
    pub calls: u64,
    /// Of them AWS refused.
    pub refused_by_aws: u64,
    /// The first, Unix milliseconds.
    pub first_ms: u64,
    /// The last, Unix milliseconds.
    pub last_ms: u64,
}

/// How bad a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something was decided, and AWS did something else; or it was refused, and AWS did it.
    Severe,
    /// Numbers or times differ.
    Minor,
}

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The gate refused the call, and AWS saw it.
    Verdict,
    /// The gate says that it never left.
    Forwarded,
    /// Another account.
    Account,
    /// Another access key.
    AccessKey,
    /// Another region.
    Region,
    /// Another operation.
    Operation,
    /// Another model.
    Model,
    /// Several records of ours claim the same request id.
    RequestId,
    /// Other token counts.
    Tokens,
    /// Further apart than the tolerance.
    Time,
}

impl Field {
    /// How bad.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Field::Verdict
            | Field::Forwarded
            | Field::Account
            | Field::AccessKey
            | Field::Region
            | Field::Operation
            | Field::Model => Severity::Severe,
            Field::RequestId | Field::Tokens | Field::Time => Severity::Minor,
        }
    }

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Field::Verdict => "verdict",
            Field::Forwarded => "forwarded",
            Field::Account => "account",
            Field::AccessKey => "access key",
            Field::Region => "region",
            Field::Operation => "operation",
            Field::Model => "model",
            Field::RequestId => "request id",
            Field::Tokens => "tokens",
            Field::Time => "time",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// What.
    pub field: Field,
    /// In our record.
    pub ours: String,
    /// In AWS's.
    pub aws: String,
}

/// A call that both know and describe differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The worst of the differences.
    pub severity: Severity,
    /// The decision.
    pub decision_id: Arc<str>,
    /// When it was decided, Unix milliseconds.
    pub decided_at_ms: u64,
    /// Who called, by our record.
    pub principal: Arc<str>,
    /// What differs, the worst first.
    pub differences: Vec<Difference>,
    /// AWS's side.
    pub aws: Told,
}

/// A call that was let out, and that AWS does not know although its files cover the time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unknown {
    /// When it was decided, Unix milliseconds.
    pub decided_at_ms: u64,
    /// The decision.
    pub decision_id: Arc<str>,
    /// Who called.
    pub principal: Arc<str>,
    /// The operation.
    pub operation: Arc<str>,
    /// The region.
    pub region: Arc<str>,
    /// The account, where known.
    pub account: Option<Arc<str>>,
    /// The model.
    pub model: Option<Arc<str>>,
    /// AWS's request id, where the answer had one.
    pub request_id: Option<Arc<str>>,
}

/// What AWS's files cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// Which logs.
    pub source: Source,
    /// Whose.
    pub account: Option<Arc<str>>,
    /// Where.
    pub region: Arc<str>,
    /// Which operations.
    pub class: Class,
    /// First event, Unix milliseconds.
    pub first_ms: u64,
    /// Last event, Unix milliseconds.
    pub last_ms: u64,
    /// Hours with events.
    pub hours: u64,
    /// Hours between first and last.
    pub hours_between: u64,
    /// Events.
    pub events: u64,
}

/// Calls of ours that AWS's files cannot tell of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotCovered {
    /// Where.
    pub region: Arc<str>,
    /// Whose, where known.
    pub account: Option<Arc<str>>,
    /// Which operations.
    pub class: Class,
    /// `none`: no event of that kind anywhere; `hour`: none in that hour; `edge`: before the first or after the last.
    pub why: &'static str,
    /// How many calls.
    pub calls: u64,
    /// What would show them.
    pub turn_on: &'static str,
}

/// What came out. Numbers are exact; lists of what is unknown are cut at 10,000.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `portcullis-reconcile/1`.
    pub format: String,
    /// The tolerance, milliseconds.
    pub tolerance_ms: u64,
    /// What was compared, from: Unix milliseconds.
    pub from_ms: Option<u64>,
    /// And until.
    pub to_ms: Option<u64>,
    /// Events of AWS's about Bedrock.
    pub aws_events: u64,
    /// Of them delivered more than once.
    pub aws_repeated: u64,
    /// Calls that they tell of, without those of AWS's services and out of scope.
    pub aws_calls: u64,
    /// Decisions on calls.
    pub decisions: u64,
    /// Calls that both know, by request id.
    pub matched_by_id: u64,
    /// Calls that both know, by account, operation, model and time.
    pub matched_by_time: u64,
    /// Matched calls that the invocation logs lack, although they cover the hour.
    pub missing_in_invocation_logs: u64,
    /// Calls that AWS saw and the gate did not.
    pub bypassed: Vec<Bypassed>,
    /// The same, grouped, the largest first.
    pub groups: Vec<Group>,
    /// Calls that both know and describe differently; the severe ones first.
    pub mismatched: Vec<Mismatch>,
    /// How many calls AWS does not know.
    pub unknown_to_aws: u64,
    /// They, oldest first.
    pub unknown: Vec<Unknown>,
    /// Calls of ours that AWS's files cannot tell of.
    pub not_covered: Vec<NotCovered>,
    /// Calls that were let out and did not end well, and that AWS does not show: they may never have arrived.
    pub undetermined: u64,
    /// Calls that AWS refused, and its logs do not show: they leave out many of these.
    pub refused_by_aws: u64,
    /// Calls that the gate refused, or that never left it.
    pub not_sent: u64,
    /// Calls of ours out of the accounts, regions and times that were asked for.
    pub out_of_scope: u64,
    /// AWS's calls that are no finding, by reason.
    pub ignored: BTreeMap<String, u64>,
    /// AWS's calls that are known exceptions, by name.
    pub exceptions: BTreeMap<String, u64>,
    /// What AWS's files cover.
    pub coverage: Vec<Covered>,
}

impl Report {
    /// How many mismatches are severe.
    #[must_use]
    pub fn severe(&self) -> usize {
        self.mismatched.iter().filter(|mismatch| mismatch.severity == Severity::Severe).count()
    }

    /// Calls that both know.
    #[must_use]
    pub const fn matched(&self) -> u64 {
        self.matched_by_id + self.matched_by_time
    }
}
