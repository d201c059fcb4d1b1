//! For how long deletions have been held back, and whether that is still well. Pure.
//!
//! A hold is right while a source is away for a moment. One that lasts is a node that goes on leading
//! traffic to Pods that are gone, which no other part of the agent would call wrong.

use std::time::{Duration, Instant};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Held {
    since: Option<Instant>,
    tolerance: Option<Duration>,
}

impl Held {
    /// Until its sources have spoken an agent holds everything. No tolerance: it is always well.
    pub(super) const fn new(tolerance: Option<Duration>, now: Instant) -> Self {
        Self { since: Some(now), tolerance }
    }

    /// Whether deletions are held back now.
    pub(super) fn note(&mut self, held: bool, now: Instant) {
        self.since = held.then(|| self.since.unwrap_or(now));
    }

    /// For how long they are.
    pub(super) fn lasts(&self, now: Instant) -> Option<Duration> {
        self.since.map(|since| now.saturating_duration_since(since))
    }

    /// Whether that is too long.
    pub(super) fn too_long(&self, now: Instant) -> bool {
        let (lasts, tolerance) = (self.lasts(now), self.tolerance);
        lasts.zip(tolerance).is_some_and(|(lasts, tolerance)| lasts >= tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_counts_from_its_first_moment_and_ends_with_the_last() {
        let (now, minute) = (Instant::now(), Duration::from_mins(1));
        let mut held = Held::new(Some(minute * 10), now);
        held.note(true, now + minute);
        assert!(!held.too_long(now + minute * 9) && held.too_long(now + minute * 10));
        held.note(false, now + minute * 11);
        assert_eq!(held.lasts(now + minute * 12), None);
        held.note(true, now + minute * 12);
        held.note(true, now + minute * 13);
        assert_eq!(held.lasts(now + minute * 14), Some(minute * 2));
        assert!(!held.too_long(now + minute * 21) && held.too_long(now + minute * 22));
    }

    #[test]
    fn without_a_tolerance_every_hold_is_well() {
        let now = Instant::now();
        assert!(!Held::new(None, now).too_long(now + Duration::from_hours(100)));
    }
}
