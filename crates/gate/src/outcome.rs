//! How an exchange ended, in the words of the audit.

use crate::call_id::CallId;
use crate::event::{Now, StreamEnd};
use portcullis_protocol::{CredentialKind, Outcome, OutcomeKind};

/// What one exchange's outcome is made of, collected on its way.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) call_id: CallId,
    /// Once the head has been read.
    pub(crate) credential: Option<CredentialKind>,
    pub(crate) started_us: u64,
    asked_us: Option<u64>,
    decision_us: u64,
}

impl Trace {
    pub(crate) fn new(call_id: CallId, now: Now) -> Self {
        Self { call_id, credential: None, started_us: now.monotonic_us, asked_us: None, decision_us: 0 }
    }

    /// Microseconds since the request's headers.
    pub(crate) fn elapsed_us(&self, now: Now) -> u64 {
        now.monotonic_us.saturating_sub(self.started_us)
    }

    /// The question goes out; a second one belongs to the same wait.
    pub(crate) fn asked(&mut self, now: Now) {
        self.asked_us.get_or_insert(now.monotonic_us);
    }

    /// The wait is over. Returns how long it was, in microseconds.
    pub(crate) fn answered(&mut self, now: Now) -> u64 {
        self.decision_us = self.asked_us.map_or(0, |asked| now.monotonic_us.saturating_sub(asked));
        self.decision_us
    }

    /// The outcome, apart from what only one kind of end knows.
    pub(crate) fn outcome(&self, outcome: OutcomeKind, reason: Option<&str>, now: Now) -> Outcome {
        Outcome {
            call_id: self.call_id.as_str().to_owned(),
            decision_id: None,
            outcome,
            reason: reason.map(str::to_owned),
            status: None,
            aws_request_id: None,
            error_type: None,
            forwarded: false,
            credential: self.credential,
            response_bytes: 0,
            duration_ms: self.elapsed_us(now) / 1_000,
            decision_ms: self.decision_us / 1_000,
            ended_at_ms: now.unix_ms,
            usage: None,
            answer: None,
        }
    }
}

/// Why Envoy ended a stream, from `response.code_details` and `response.flags`
/// (<https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/response_code_details>,
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#response-flags>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The client closed or reset.
    ClientGone,
    /// No connection to AWS could be made.
    ConnectFailed,
    /// No healthy address of AWS.
    NoHealthyUpstream,
    /// No route leads there.
    NoRoute,
    /// AWS did not answer in time.
    UpstreamTimeout,
    /// AWS closed or reset before the end of its answer.
    UpstreamReset,
    /// AWS spoke no HTTP.
    UpstreamProtocol,
    /// Nothing moved for too long.
    IdleTimeout,
    /// A buffer limit was reached.
    TooLarge,
    /// Envoy answered for another reason.
    EnvoyReply,
    /// Envoy does not say.
    Unknown,
}

impl EndReason {
    /// Stable code, see docs/errors.md.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ClientGone => "client_gone",
            Self::ConnectFailed => "upstream_connect_failed",
            Self::NoHealthyUpstream => "no_healthy_upstream",
            Self::NoRoute => "no_route",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamReset => "upstream_reset",
            Self::UpstreamProtocol => "upstream_protocol_error",
            Self::IdleTimeout => "idle_timeout",
            Self::TooLarge => "buffer_limit",
            Self::EnvoyReply => "envoy_reply",
            Self::Unknown => "stream_ended",
        }
    }

    /// The request was let go, yet certainly no byte of it reached AWS.
    pub(crate) const fn never_left(self) -> bool {
        matches!(self, Self::ConnectFailed | Self::NoHealthyUpstream | Self::NoRoute)
    }

    /// Whose doing it was.
    pub(crate) const fn kind(self) -> OutcomeKind {
        match self {
            Self::ClientGone => OutcomeKind::Aborted,
            _ => OutcomeKind::Failed,
        }
    }

    /// Reads a stream's end. The flags win where they are clear: details of an answer that had begun stay
    /// `via_upstream` in some ends.
    #[must_use]
    pub fn read(end: StreamEnd<'_>) -> Self {
        const BY_FLAG: [(u64, EndReason); 10] = [
            (0x4000, EndReason::ClientGone),     // DC
            (0x2, EndReason::NoHealthyUpstream), // UH
            (0x20, EndReason::ConnectFailed),    // UF
            (0x100, EndReason::NoRoute),         // NR
            (0x4, EndReason::UpstreamTimeout),   // UT
            (0x40, EndReason::UpstreamReset),    // UC
            (0x10, EndReason::UpstreamReset),    // UR
            (0x8, EndReason::UpstreamReset),     // LR
            (0x1_0000, EndReason::IdleTimeout),  // SI
            (0x8000, EndReason::UpstreamReset),  // URX
        ];
        Self::by_details(end.details)
            .or_else(|| BY_FLAG.iter().find(|(flag, _)| end.flags & flag != 0).map(|(_, reason)| *reason))
            .unwrap_or(if end.details.is_empty() || end.details == b"via_upstream" {
                Self::Unknown
            } else {
                Self::EnvoyReply
            })
    }

    /// Details are more exact than flags, and stable since Envoy 1.14.
    fn by_details(details: &[u8]) -> Option<Self> {
        const BY_DETAILS: [(&[u8], EndReason); 22] = [
            (b"downstream_remote_disconnect", EndReason::ClientGone),
            (b"downstream_local_disconnect", EndReason::ClientGone),
            (b"http2.remote_reset", EndReason::ClientGone),
            (b"http2.remote_refuse", EndReason::ClientGone),
            (b"upstream_reset_before_response_started{connection_failure", EndReason::ConnectFailed),
            (b"upstream_reset_before_response_started{remote_connection_failure", EndReason::ConnectFailed),
            (b"upstream_reset_before_response_started{connection_timeout", EndReason::ConnectFailed),
            (b"upstream_reset_before_response_started{protocol_error", EndReason::UpstreamProtocol),
            (b"upstream_reset_before_response_started{overflow", EndReason::NoHealthyUpstream),
            (b"upstream_reset", EndReason::UpstreamReset),
            (b"no_healthy_upstream", EndReason::NoHealthyUpstream),
            (b"cluster_not_found", EndReason::NoRoute),
            (b"route_not_found", EndReason::NoRoute),
            // The route table's own answer to a host or path that it does not serve.
            (b"direct_response", EndReason::NoRoute),
            // The filter `dynamic_forward_proxy`: no address was found for the host.
            (b"dns_", EndReason::ConnectFailed),
            (b"dynamic_forward_proxy", EndReason::ConnectFailed),
            (b"sub_cluster_", EndReason::ConnectFailed),
            (b"response_timeout", EndReason::UpstreamTimeout),
            (b"upstream_per_try_timeout", EndReason::UpstreamTimeout),
            (b"stream_idle_timeout", EndReason::IdleTimeout),
            (b"request_payload_too_large", EndReason::TooLarge),
            (b"response_payload_too_large", EndReason::TooLarge),
        ];
        BY_DETAILS.iter().find(|(prefix, _)| details.starts_with(prefix)).map(|(_, reason)| *reason)
    }
}

#[cfg(test)]
mod tests;
