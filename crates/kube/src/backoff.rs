//! How long to wait before something is tried again.

use std::time::Duration;

/// Doubles from a minimum to a maximum; each wait is cut by up to a half at random, so that the
/// nodes of a cluster do not come back all at once.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Begins at `min`.
    pub(crate) const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min }
    }

    /// The next wait, at least as long as the server asked for (which may be longer than `max`).
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let wait = self.next.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.next = (self.next * 2).min(self.max);
        asked.map_or(wait, |asked| asked.max(wait))
    }

    /// It went well.
    pub(crate) const fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_maximum_and_start_again() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second * 4);
        let waits: Vec<_> = (0..5).map(|_| backoff.next(None)).collect();
        for (wait, most) in waits.iter().zip([1, 2, 4, 4, 4]) {
            assert!(*wait <= second * most && *wait >= second * most / 2, "{waits:?}");
        }
        backoff.reset();
        assert!(backoff.next(None) <= second);
        assert_eq!(backoff.next(Some(second * 60)), second * 60);
    }
}
