//! What an outcome means for what its call has reserved.

use portcullis_audit::{OutcomeRecord, OutcomeState};
use portcullis_limits::Late;
use portcullis_policy::Usage;

/// What becomes of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settlement {
    /// The call used this.
    Used(Usage),
    /// The call used this or more: its answer was cut. The reservation stands unless this is more.
    AtLeast(Usage),
    /// It was answered, or an answer had begun, and nobody says what it used: the reservation is taken for that.
    Silent,
    /// Nobody knows whether it was answered, or what it used: the reservation stands.
    Keep(Late),
    /// It used nothing.
    Release,
}

/// What AWS has begun to answer is paid for, whether or not anybody heard the end; what AWS has refused, or never
/// got, is not.
pub(super) fn of(outcome: &OutcomeRecord) -> Settlement {
    let usage = outcome.usage.map(|used| Usage {
        input_tokens: used.input_tokens,
        output_tokens: used.output_tokens,
        cache_read_tokens: used.cache_read_tokens,
        cache_write_tokens: used.cache_write_tokens,
        tool_calls: used.tool_calls,
    });
    let refused = outcome.status.is_some_and(|status| status >= 400);
    // An answer that has begun is one, however it ended: who hangs up just before its end must not have the next call as
    // a retry of this one.
    let begun = outcome.response_bytes > 0 && outcome.status.is_some() && !refused;
    let unsaid = if begun { Settlement::Silent } else { Settlement::Keep(Late::No) };
    let cut = || usage.map_or(unsaid, Settlement::AtLeast);
    match outcome.state {
        OutcomeState::Completed if refused => Settlement::Release,
        OutcomeState::Completed => usage.map_or(Settlement::Silent, Settlement::Used),
        OutcomeState::Failed if outcome.forwarded && outcome.response_bytes > 0 && !refused => cut(),
        OutcomeState::Failed if usage.is_some() => cut(),
        // The gate has stopped a good answer: what it cost is spent. Whoever hangs up on the refusal keeps its end, which says how
        // much that was, from being read.
        OutcomeState::Blocked if outcome.forwarded => usage.map_or(Settlement::Silent, Settlement::AtLeast),
        OutcomeState::Failed | OutcomeState::Blocked => Settlement::Release,
        OutcomeState::Aborted if outcome.forwarded => cut(),
        OutcomeState::Aborted => Settlement::Release,
        OutcomeState::Unknown | OutcomeState::Pending => Settlement::Keep(Late::MayCome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_settle_as_the_table_says() {
        use OutcomeState::{Aborted, Blocked, Completed, Failed, Unknown};
        let used = portcullis_audit::Usage { input_tokens: 7, ..Default::default() };
        let own = Usage { input_tokens: 7, ..Usage::default() };
        let kept = Settlement::Keep(Late::No);
        // State, status, forwarded, bytes of the answer, usage.
        let cases = [
            (Completed, Some(200), true, 9, Some(used), Settlement::Used(own)),
            (Completed, Some(200), true, 9, None, Settlement::Silent),
            (Completed, Some(429), true, 9, None, Settlement::Release),
            (Completed, Some(500), true, 9, Some(used), Settlement::Release),
            (Completed, None, true, 9, None, Settlement::Silent),
            (Failed, None, true, 0, None, Settlement::Release),
            (Failed, Some(503), true, 0, None, Settlement::Release),
            (Failed, Some(503), false, 40, None, Settlement::Release),
            (Failed, Some(200), true, 40, None, Settlement::Silent),
            (Failed, Some(200), true, 40, Some(used), Settlement::AtLeast(own)),
            (Blocked, Some(403), false, 0, None, Settlement::Release),
            (Blocked, Some(403), true, 0, None, Settlement::Silent),
            (Blocked, Some(403), true, 0, Some(used), Settlement::AtLeast(own)),
            (Blocked, Some(200), true, 40, Some(used), Settlement::AtLeast(own)),
            (Aborted, Some(200), true, 40, None, Settlement::Silent),
            (Aborted, Some(200), true, 0, None, kept),
            (Aborted, Some(200), true, 40, Some(used), Settlement::AtLeast(own)),
            (Aborted, None, true, 0, None, kept),
            (Aborted, None, false, 0, None, Settlement::Release),
            (Unknown, None, false, 0, None, Settlement::Keep(Late::MayCome)),
        ];
        for (state, status, forwarded, response_bytes, usage, expected) in cases {
            let outcome =
                OutcomeRecord { state, status, forwarded, response_bytes, usage, ..OutcomeRecord::default() };
            println!(
                "{state:?} {status:?} forwarded={forwarded} bytes={response_bytes} {usage:?} -> {expected:?}"
            );
            assert_eq!(of(&outcome), expected);
        }
    }
}
