//! When a kernel that was not reconciled is asked again. Pure.
//!
//! A kernel that refuses everything is asked ever more seldom. One in which the table is another
//! process' is asked each second, and only for the table's owner, as nothing tells when that one goes:
//! neither an event nor a generation (Linux, `nft_rcv_nl_event`).

use std::time::{Duration, Instant};

/// How long until it is asked again: first, and at most.
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why the kernel was not reconciled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The table is another process', which keeps us out.
    Owned,
    /// Anything else.
    Any,
}

/// What is in the way, and when the kernel is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    cause: Cause,
    wait: Duration,
    at: Instant,
}

impl Trouble {
    /// It did not go well now; `before` is the trouble there was already.
    pub(super) fn again(before: Option<Self>, cause: Cause, now: Instant) -> Self {
        let wait = match before {
            Some(before) if (before.cause, cause) == (Cause::Any, Cause::Any) => {
                (before.wait * 2).min(WAIT.1)
            }
            _ => WAIT.0,
        };
        Self { cause, wait, at: now + wait }
    }

    /// When the kernel is asked again.
    pub(super) const fn at(&self) -> Instant {
        self.at
    }

    /// Whether it is time.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.at
    }

    /// Whether only the table's owner has to be asked for first.
    pub(super) fn is_owned(&self) -> bool {
        self.cause == Cause::Owned
    }
}

#[cfg(test)]
mod tests {
    use super::Cause::{Any, Owned};
    use super::*;

    #[test]
    fn a_kernel_that_refuses_is_asked_ever_more_seldom_and_one_of_another_owner_each_second() {
        let start = Instant::now();
        let waits = |causes: &[Cause]| -> Vec<u64> {
            let mut now = start;
            let mut trouble = None;
            let wait = |cause: &Cause| {
                let next = Trouble::again(trouble, *cause, now);
                assert!(!next.is_due(now) && next.is_due(next.at()));
                assert_eq!(next.is_owned(), *cause == Cause::Owned);
                let wait = next.at().saturating_duration_since(now).as_secs();
                (now, trouble) = (next.at(), Some(next));
                wait
            };
            causes.iter().map(wait).collect()
        };
        assert_eq!(waits(&[Any; 7]), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(waits(&[Owned; 7]), [1; 7]);
        assert_eq!(waits(&[Any, Any, Any, Owned, Owned, Any, Any]), [1, 2, 4, 1, 1, 1, 2]);
    }
}
