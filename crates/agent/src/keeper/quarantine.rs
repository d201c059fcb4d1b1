//! When to try again what failed: each refused element by itself, ports that could not be had all
//! together. Backoff doubles from a second to five minutes; time comes in as an argument.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::Key;

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_mins(5);
const PORTS_LAST: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
struct Backoff {
    at: Instant,
    wait: Duration,
}

impl Backoff {
    fn start(now: Instant) -> Self {
        Self { at: now + FIRST, wait: FIRST }
    }

    fn again(self, now: Instant, last: Duration) -> Self {
        let wait = (self.wait * 2).min(last);
        Self { at: now + wait, wait }
    }
}

/// What failed, and when it is due again.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    keys: BTreeMap<Key, Backoff>,
    ports: Option<Backoff>,
}

impl Quarantine {
    /// The kernel refused the element (again).
    pub(super) fn refused(&mut self, key: Key, now: Instant) {
        self.keys
            .entry(key)
            .and_modify(|backoff| *backoff = backoff.again(now, LAST))
            .or_insert_with(|| Backoff::start(now));
    }

    /// The element is as wanted, or is not wanted any more.
    pub(super) fn settled(&mut self, key: &Key) {
        self.keys.remove(key);
    }

    /// Some mappings have no port (still), or all have.
    pub(super) fn ports(&mut self, denied: usize, now: Instant) {
        match (&self.ports, denied) {
            (_, 0) => self.ports = None,
            (None, _) => self.ports = Some(Backoff::start(now)),
            (Some(backoff), _) if backoff.at <= now => {
                self.ports = Some(backoff.again(now, PORTS_LAST));
            }
            (Some(_), _) => {}
        }
    }

    /// The elements to try again now.
    pub(super) fn due(&self, now: Instant) -> Vec<Key> {
        self.keys.iter().filter(|(_, backoff)| backoff.at <= now).map(|(key, _)| *key).collect()
    }

    /// Whether ports are to be tried again now.
    pub(super) fn ports_due(&self, now: Instant) -> bool {
        self.ports.is_some_and(|backoff| backoff.at <= now)
    }

    /// When the next of all is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.keys.values().chain(&self.ports).map(|backoff| backoff.at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::Hairpin("10.0.0.5".parse().unwrap())
    }

    #[test]
    fn a_refused_element_waits_longer_each_time_up_to_five_minutes() {
        let mut now = Instant::now();
        let mut quarantine = Quarantine::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            quarantine.refused(key(), now);
            let next = quarantine.next().unwrap();
            waits.push(next - now);
            assert!(quarantine.due(now).is_empty());
            now = next;
            assert_eq!(quarantine.due(now), [key()]);
        }
        assert_eq!(waits[0], FIRST);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(waits.last(), Some(&LAST));
    }

    #[test]
    fn what_is_settled_is_not_tried_again() {
        let now = Instant::now();
        let mut quarantine = Quarantine::default();
        quarantine.refused(key(), now);
        quarantine.settled(&key());
        quarantine.ports(3, now);
        quarantine.ports(0, now);
        assert_eq!(quarantine.next(), None);
    }
}
