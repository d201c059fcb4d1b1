//! TCP and UDP clients that never stop while something else happens.
//!
//! Invariant: each asks its next question when the one before has ended, so that at most one is on
//! its way at any time, however busy the machine is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use lab::traffic::{connects, stream};
use lab::{Counters, Question, Traffic};
use model::Protocol;
use netns::Namespace;

use crate::poll::{DEADLINE, eventually};

/// A question of each kind that often.
const EVERY: Duration = Duration::from_millis(20);

/// The source port of the next flow that keeps its own: below those that the kernel picks.
static NEXT_SOURCE: AtomicU16 = AtomicU16::new(20_000);

/// New TCP connections, one TCP connection that stays, UDP datagrams from one source port, and UDP
/// datagrams from a new one each time.
#[derive(Debug)]
pub struct Steady {
    flows: Vec<(&'static str, Traffic)>,
}

impl Steady {
    /// From here to the TCP and the UDP target.
    #[track_caller]
    pub fn start(from: &Namespace, tcp: SocketAddr, udp: SocketAddr) -> Self {
        let source = NEXT_SOURCE.fetch_add(1, Ordering::Relaxed);
        let ask = |question| connects(from, question, EVERY).unwrap();
        let datagram = Question::new(Protocol::Udp, udp);
        let flows = vec![
            ("tcp connects", ask(Question::new(Protocol::Tcp, tcp))),
            ("tcp stream", stream(from, tcp, EVERY).unwrap()),
            ("udp flow", ask(datagram.from_port(source))),
            ("udp datagrams", ask(datagram)),
        ];
        Self { flows }
    }

    /// As [`Steady::start`], without the TCP connection that stays: for Pods that are replaced.
    #[track_caller]
    pub fn without_stream(from: &Namespace, tcp: SocketAddr, udp: SocketAddr) -> Self {
        let mut steady = Self::start(from, tcp, udp);
        steady.flows.retain(|(what, _)| *what != "tcp stream");
        steady
    }

    /// Waits until every client was answered by this server a few times more.
    #[track_caller]
    pub fn goes_on(&self, who: &str) {
        for (what, traffic) in &self.flows {
            let count = || traffic.counters().by_answerer.get(who).copied().unwrap_or_default();
            let before = count();
            eventually(DEADLINE, || {
                let now = count();
                if now >= before + 3 {
                    Ok(())
                } else {
                    Err(format!("{what}: {who} answers no more: {:?}", traffic.counters()))
                }
            });
        }
    }

    /// Stops, and fails if anything was lost or anybody but these answered.
    #[track_caller]
    pub fn nothing_lost(self, who: &[&str]) {
        self.stop(who, 0);
    }

    /// As [`Steady::nothing_lost`], across one cut of stale flows: the question of each client that
    /// was on its way just then may be lost, because its answer finds no flow any more.
    #[track_caller]
    pub fn nothing_lost_but_what_was_cut(self, who: &[&str]) {
        self.stop(who, 1);
    }

    #[track_caller]
    fn stop(self, who: &[&str], may_be_lost: u64) {
        for (what, traffic) in self.flows {
            let counters = traffic.stop();
            let Counters { lost, by_answerer, broken, .. } = &counters;
            let answerers: Vec<&str> = by_answerer.keys().map(String::as_str).collect();
            assert!(*lost <= may_be_lost && broken.is_none(), "{what}: {counters:?}");
            assert_eq!(answerers, who, "{what}: {counters:?}");
        }
    }
}
