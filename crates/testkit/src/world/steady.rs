//! A TCP and a UDP client that never stop while something else happens.

use std::net::SocketAddr;
use std::time::Duration;

use lab::traffic::{SourcePort, connects, pings, stream};
use lab::{Counters, Question, Traffic};
use model::Protocol;
use netns::Namespace;

use crate::poll::{DEADLINE, eventually};

/// A question of each kind that often.
const EVERY: Duration = Duration::from_millis(20);

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
        let question = Question::new(Protocol::Tcp, tcp);
        let flows = vec![
            ("tcp connects", connects(from, question, EVERY).unwrap()),
            ("tcp stream", stream(from, tcp, EVERY).unwrap()),
            ("udp flow", pings(from, udp, EVERY, SourcePort::Fixed(0)).unwrap()),
            ("udp datagrams", pings(from, udp, EVERY, SourcePort::Fresh).unwrap()),
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
