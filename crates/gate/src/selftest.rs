//! Proof at start that Envoy holds headers: a call through the live listener itself.
//!
//! Without `allow_on_headers_stop_iteration: true` a pause at the headers silently stops the body callbacks, too, and
//! every call with a body hangs. So the root context sends `POST /.portcullis/selftest` with a body through the listener;
//! the filter on the way holds it at the headers and answers at the end of the body. What else can come back: the
//! route's own `421 leaked` when nothing was held, or nothing at all.

use crate::config::SelfTestConfig;

/// The path of the self-test call. The route table answers it with a direct response, status 421, body `leaked`.
pub const SELF_TEST_PATH: &str = "/.portcullis/selftest";

/// Request header: marks the call. Response header: `held`.
pub const SELF_TEST_HEADER: &str = "x-portcullis-selftest";

/// First wait after a failed test; doubled with each further failure.
const BACKOFF_US: u64 = 1_000_000;

/// Longest wait between tests.
const MAX_BACKOFF_US: u64 = 60_000_000;

/// What a test has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfTestResult {
    /// Headers were held until the body was complete.
    Held,
    /// The request went on without the filter's leave.
    Leaked,
    /// No answer in time: the body never reached the filter.
    Silent,
    /// The listener could not be reached, so nothing was tested: it is not there yet, or this is the VM of Envoy's main
    /// thread, which serves no calls and reaches no internal listener.
    Unreachable,
}

/// The schedule of the self-test of one VM.
#[derive(Debug)]
pub enum SelfTest {
    /// Not configured, or passed.
    Over,
    /// To be sent when the time has come.
    Waiting {
        /// On the monotonic clock.
        not_before_us: u64,
        /// Tests that failed.
        failures: u32,
    },
    /// Sent.
    UnderWay {
        /// Tests that failed before it.
        failures: u32,
    },
}

impl SelfTest {
    /// The schedule for a configuration; the first test is due at once.
    #[must_use]
    pub fn new(config: Option<&SelfTestConfig>) -> Self {
        match config {
            Some(_) => Self::Waiting { not_before_us: 0, failures: 0 },
            None => Self::Over,
        }
    }

    /// Whether to send the call now.
    #[must_use]
    pub fn is_due(&self, now_us: u64) -> bool {
        matches!(self, Self::Waiting { not_before_us, .. } if now_us >= *not_before_us)
    }

    /// The call has been sent.
    #[must_use]
    pub fn sent(self) -> Self {
        match self {
            Self::Waiting { failures, .. } => Self::UnderWay { failures },
            other => other,
        }
    }

    /// The call has been answered (status and self-test header), or not at all.
    #[must_use]
    pub fn answered(self, answer: Option<(u16, &[u8])>, now_us: u64) -> (Self, SelfTestResult) {
        let result = match answer {
            Some((200, b"held")) => SelfTestResult::Held,
            // Envoy's own words for no connection, and for a timeout.
            Some((502 | 503, _)) => SelfTestResult::Unreachable,
            None | Some((504, _)) => SelfTestResult::Silent,
            Some(_) => SelfTestResult::Leaked,
        };
        let failures = match self {
            Self::Waiting { failures, .. } | Self::UnderWay { failures } => failures,
            Self::Over => 0,
        };
        let next = match result {
            SelfTestResult::Held => Self::Over,
            SelfTestResult::Leaked | SelfTestResult::Silent | SelfTestResult::Unreachable => {
                let wait = BACKOFF_US.saturating_mul(1 << failures.min(10)).min(MAX_BACKOFF_US);
                Self::Waiting {
                    not_before_us: now_us.saturating_add(wait),
                    failures: failures.saturating_add(1),
                }
            }
        };
        (next, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_filters_own_answer_passes_the_test() {
        for (answer, expected) in [
            (Some((200, &b"held"[..])), SelfTestResult::Held),
            (Some((200, b"")), SelfTestResult::Leaked),
            (Some((200, b"no_body")), SelfTestResult::Leaked),
            (Some((421, b"")), SelfTestResult::Leaked),
            (Some((404, b"held")), SelfTestResult::Leaked),
            (Some((503, b"")), SelfTestResult::Unreachable),
            (Some((504, b"")), SelfTestResult::Silent),
            (None, SelfTestResult::Silent),
        ] {
            let (next, result) = SelfTest::UnderWay { failures: 0 }.answered(answer, 5);
            println!("{answer:?} -> {result:?}, {next:?}");
            assert_eq!(result, expected);
            assert_eq!(matches!(next, SelfTest::Over), expected == SelfTestResult::Held);
        }
    }

    #[test]
    fn a_failed_test_is_repeated_later_and_later() {
        let mut test = SelfTest::Waiting { not_before_us: 0, failures: 0 };
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(test.is_due(now));
            test = test.sent();
            assert!(!test.is_due(now), "one at a time");
            (test, _) = test.answered(None, now);
            assert!(!test.is_due(now + wait * 1_000_000 - 1));
            now += wait * 1_000_000;
        }
    }
}
