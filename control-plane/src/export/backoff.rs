//! How long to wait before something is tried again.

use std::time::Duration;

/// Doubles from the first wait to the longest, half of it at random: what comes back is not met by everything at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Backoff {
    /// The usual one.
    pub(super) const USUAL: Backoff =
        Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

    /// After so many failures in a row, from 1.
    pub(super) fn wait(self, failures: u32) -> Duration {
        let mut random = [0; 4];
        // Without randomness there is no jitter; that harms nobody.
        let _ = getrandom::fill(&mut random);
        self.with(failures, u32::from_le_bytes(random))
    }

    fn with(self, failures: u32, jitter: u32) -> Duration {
        let doubled =
            self.first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let half = doubled.min(self.longest) / 2;
        half + half.mul_f64(f64::from(jitter) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest() {
        let waits: Vec<_> = (1..50).map(|n| Backoff::USUAL.with(n, u32::MAX)).collect();
        assert_eq!(waits[..3], [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)]);
        assert_eq!(waits[48], Duration::from_secs(300));
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(Backoff::USUAL.with(2, 0), Duration::from_secs(1), "half of it is certain");
    }
}
