//! One line of AWS's about one call.

use crate::class::Class;
use crate::id::Id;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// Which of AWS's logs says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// AWS CloudTrail.
    CloudTrail,
    /// Bedrock's model invocation logging.
    InvocationLog,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::CloudTrail => "CloudTrail",
            Source::InvocationLog => "invocation logs",
        })
    }
}

/// One event of CloudTrail or line of an invocation log about a call to Bedrock.
///
/// Ordered by time, then by all the rest: two events that compare equal are the same, so that no order in which they come matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// CloudTrail gives whole seconds.
    pub(crate) time_ms: u64,
    pub(crate) source: Source,
    pub(crate) class: Class,
    pub(crate) operation: Arc<str>,
    pub(crate) region: Arc<str>,
    /// The account of the caller.
    pub(crate) account: Option<Arc<str>>,
    /// The account whose trail has it.
    pub(crate) recipient: Option<Arc<str>>,
    pub(crate) access_key_id: Option<Arc<str>>,
    pub(crate) arn: Option<Arc<str>>,
    pub(crate) source_ip: Option<Arc<str>>,
    pub(crate) vpc_endpoint: Option<Arc<str>>,
    pub(crate) user_agent: Option<Arc<str>>,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) error: Option<Arc<str>>,
    /// Where a cross-region profile had it answered, when elsewhere.
    pub(crate) inference_region: Option<Arc<str>>,
    /// The service of AWS that made the call on somebody's behalf.
    pub(crate) invoked_by: Option<Arc<str>>,
    pub(crate) request_id: Option<Id>,
    pub(crate) event_id: Option<Id>,
    /// The same in the trails of all accounts that have a part in a call.
    pub(crate) shared_event_id: Option<Id>,
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
    pub(crate) read_only: bool,
    pub(crate) console: bool,
    /// An API key was used: the access key id, if any, is not the caller's.
    pub(crate) bearer: bool,
}

impl Seen {
    /// When, in Unix milliseconds.
    #[must_use]
    pub const fn time_ms(&self) -> u64 {
        self.time_ms
    }
}
