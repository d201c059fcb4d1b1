//! The counters, and the rules by which they count. Pure: whoever counts brings the time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// What became of the questions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Questions sent.
    pub sent: u64,
    /// Questions answered in time.
    pub answered: u64,
    /// Questions that were not.
    pub lost: u64,
    /// Of the lost ones, those that were refused outright (TCP reset, ICMP unreachable).
    pub refused: u64,
    /// The longest time during which questions went out and no answer came in.
    pub longest_gap: Duration,
    /// Answers by who gave them.
    pub by_answerer: BTreeMap<String, u64>,
    /// The source addresses that servers saw.
    pub seen_peers: BTreeSet<IpAddr>,
    /// Why a long-lived connection ended, if it did.
    pub broken: Option<String>,
}

/// Counters and what is still open.
#[derive(Debug)]
pub(super) struct Tally {
    counters: Counters,
    outstanding: BTreeMap<u64, Instant>,
    /// When the last answer came, or when it all began.
    last_answer: Instant,
    last_sent: Instant,
}

impl Tally {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            counters: Counters::default(),
            outstanding: BTreeMap::new(),
            last_answer: now,
            last_sent: now,
        }
    }

    pub(super) const fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn sent(&mut self, number: u64, now: Instant) {
        self.counters.sent += 1;
        self.outstanding.insert(number, now);
        self.last_sent = now;
    }

    /// An answer came. One that comes twice, or after its question was given up, does not count.
    pub(super) fn answered(&mut self, number: u64, who: &str, peer: SocketAddr, now: Instant) {
        if self.outstanding.remove(&number).is_none() {
            return;
        }
        self.counters.answered += 1;
        self.close_gap(now);
        self.last_answer = now;
        match self.counters.by_answerer.get_mut(who) {
            Some(count) => *count += 1,
            None => drop(self.counters.by_answerer.insert(who.to_owned(), 1)),
        }
        self.counters.seen_peers.insert(peer.ip());
    }

    pub(super) fn lost(&mut self, number: u64) {
        if self.outstanding.remove(&number).is_some() {
            self.counters.lost += 1;
        }
    }

    pub(super) fn refused(&mut self, number: u64) {
        if self.outstanding.remove(&number).is_some() {
            self.counters.lost += 1;
            self.counters.refused += 1;
        }
    }

    /// A refusal that does not say of what: it counts against the newest open question before
    /// this one.
    pub(super) fn refused_before(&mut self, number: u64) -> Option<u64> {
        let number = *self.outstanding.range(..number).next_back()?.0;
        self.refused(number);
        Some(number)
    }

    /// Gives up questions older than this, and says which.
    pub(super) fn expire(&mut self, now: Instant, patience: Duration) -> Vec<u64> {
        let too_old = |sent: &Instant| now.saturating_duration_since(*sent) > patience;
        let expired: Vec<u64> = self
            .outstanding
            .iter()
            .filter(|(_, sent)| too_old(sent))
            .map(|(number, _)| *number)
            .collect();
        for number in &expired {
            self.lost(*number);
        }
        expired
    }

    pub(super) fn is_settled(&self) -> bool {
        self.outstanding.is_empty()
    }

    pub(super) fn broke(&mut self, why: String) {
        self.counters.broken = Some(why);
    }

    /// What is still open is lost.
    pub(super) fn finish(&mut self) {
        self.counters.lost += self.outstanding.len() as u64;
        self.outstanding.clear();
        self.close_gap(self.last_sent);
    }

    fn close_gap(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.last_answer);
        self.counters.longest_gap = self.counters.longest_gap.max(gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn peer() -> SocketAddr {
        "192.0.2.2:40000".parse().unwrap()
    }

    #[test]
    fn everything_sent_is_answered_or_lost() {
        let start = Instant::now();
        let mut tally = Tally::new(start);
        for number in 1..=5 {
            tally.sent(number, start + MS * number as u32);
        }
        tally.answered(1, "a", peer(), start + MS * 2);
        tally.answered(1, "a", peer(), start + MS * 3);
        tally.answered(2, "b", peer(), start + MS * 4);
        tally.refused(3);
        assert_eq!(tally.expire(start + MS * 15, MS * 10), [4]);
        tally.answered(4, "a", peer(), start + MS * 16);
        tally.finish();
        let counters = tally.counters();
        assert_eq!((counters.sent, counters.answered, counters.lost), (5, 2, 3));
        assert_eq!(counters.refused, 1);
        assert_eq!(counters.by_answerer, BTreeMap::from([("a".into(), 1), ("b".into(), 1)]));
        assert_eq!(counters.seen_peers, BTreeSet::from([peer().ip()]));
    }

    #[test]
    fn the_longest_gap_is_between_answers_or_up_to_the_last_question() {
        let start = Instant::now();
        let mut tally = Tally::new(start);
        tally.sent(1, start);
        tally.answered(1, "a", peer(), start + MS * 7);
        tally.sent(2, start + MS * 8);
        tally.answered(2, "a", peer(), start + MS * 9);
        assert_eq!(tally.counters().longest_gap, MS * 7);
        tally.sent(3, start + MS * 40);
        tally.finish();
        assert_eq!(tally.counters().longest_gap, MS * 31);
    }

    #[test]
    fn an_unspecific_refusal_counts_against_the_newest_question() {
        let start = Instant::now();
        let mut tally = Tally::new(start);
        assert_eq!(tally.refused_before(9), None);
        tally.sent(1, start);
        tally.sent(2, start);
        tally.sent(3, start);
        assert_eq!(tally.refused_before(3), Some(2));
        assert_eq!(tally.refused_before(u64::MAX), Some(3));
        tally.answered(1, "a", peer(), start);
        assert!(tally.is_settled());
    }
}
