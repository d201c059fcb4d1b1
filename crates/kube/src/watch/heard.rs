//! When the server said something last of a kind, and until when that is believed. Pure.
//!
//! A word is a complete list, an event or a bookmark. A connection is none: a server that takes every
//! watch and ends it, or that takes it and is silent, has said nothing, however well it looks.

use std::time::{Duration, Instant};

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    last: Instant,
    patience: Duration,
}

impl Heard {
    /// Nothing was heard before `now`; each word is believed for `patience`.
    pub(super) const fn new(patience: Duration, now: Instant) -> Self {
        Self { last: now, patience }
    }

    /// The server said something at this time.
    pub(super) fn word(&mut self, at: Instant) {
        self.last = self.last.max(at);
    }

    /// Until when the last word is believed.
    pub(super) fn until(&self) -> Instant {
        self.last + self.patience
    }

    /// Whether what was said last is too old to be believed.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        now >= self.until()
    }

    /// For how long a word is believed.
    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_believed_for_the_patience_and_an_older_one_takes_nothing_back() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut heard = Heard::new(second * 10, now);
        assert!(!heard.is_old(now + second * 9) && heard.is_old(now + second * 10));
        heard.word(now + second * 5);
        heard.word(now + second);
        assert_eq!(heard.until(), now + second * 15);
        assert!(!heard.is_old(now + second * 14) && heard.is_old(now + second * 15));
    }
}
