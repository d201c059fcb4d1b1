//! Continuous traffic, counted, through changes that lose packets and changes that do not.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use model::{IpFamily, PodPort, Protocol};
use netkeep_lab::traffic::{connects, pings, stream};
use netkeep_lab::{Counters, Lab, Question, SourcePort, Traffic};

const EVERY: Duration = Duration::from_millis(5);
const ENOUGH: Duration = Duration::from_secs(20);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn port() -> PodPort {
    PodPort::try_from(80).unwrap()
}

/// Waits until the counters are as wished.
fn until(traffic: &Traffic, wished: impl Fn(&Counters) -> bool) {
    let start = Instant::now();
    loop {
        let counters = traffic.counters();
        if wished(&counters) {
            return;
        }
        assert!(start.elapsed() < ENOUGH, "{counters:?}");
        std::thread::sleep(EVERY);
    }
}

#[test]
fn undisturbed_traffic_of_every_kind_and_family_loses_nothing() {
    let lab = Lab::new().unwrap();
    let pod = lab.pod("web", &[ip("10.10.0.1"), ip("fd00:10::1")]).unwrap();
    let _servers = Protocol::ALL.map(|protocol| pod.serve(protocol, port()).unwrap());
    let mut running = Vec::new();
    for family in IpFamily::ALL {
        let target = SocketAddr::new(pod.ip(family).unwrap(), 80);
        running.push(stream(lab.client(), target, EVERY).unwrap());
        for protocol in Protocol::ALL {
            running.push(connects(lab.client(), Question::new(protocol, target), EVERY).unwrap());
        }
        for source in [SourcePort::Fresh, SourcePort::Fixed(0)] {
            running.push(pings(lab.client(), target, EVERY, source).unwrap());
        }
    }
    for traffic in &running {
        until(traffic, |counters| counters.answered >= 10);
    }
    for traffic in running {
        let counters = traffic.stop();
        assert_eq!((counters.lost, &counters.broken), (0, &None), "{counters:?}");
        assert_eq!(counters.sent, counters.answered);
        assert_eq!(counters.by_answerer.get("web"), Some(&counters.answered));
        assert_eq!(counters.seen_peers.len(), 1);
    }
}

#[test]
fn pings_count_what_is_lost_and_who_answers_before_and_after() {
    let lab = Lab::new().unwrap();
    let ips = [ip("10.10.0.1"), ip("fd00:10::1")];
    for (source, at) in [(SourcePort::Fresh, ips[0]), (SourcePort::Fixed(0), ips[1])] {
        let old = lab.pod("old", &ips).unwrap();
        let server = old.serve(Protocol::Udp, port()).unwrap();
        let traffic = pings(lab.client(), SocketAddr::new(at, 80), EVERY, source).unwrap();
        until(&traffic, |counters| counters.answered >= 3);
        drop(server);
        until(&traffic, |counters| counters.refused >= 3);
        lab.remove_pod("old").unwrap();
        let new = lab.pod("new", &ips).unwrap();
        let _server = new.serve(Protocol::Udp, port()).unwrap();
        until(&traffic, |counters| counters.by_answerer.contains_key("new"));
        let counters = traffic.stop();
        assert!(counters.lost >= counters.refused, "{counters:?}");
        assert_eq!(counters.sent, counters.answered + counters.lost, "{counters:?}");
        assert_eq!(counters.by_answerer.len(), 2);
        assert!(!counters.longest_gap.is_zero(), "{counters:?}");
        lab.remove_pod("new").unwrap();
    }
}

#[test]
fn a_long_lived_connection_breaks_once_its_server_is_gone() {
    let lab = Lab::new().unwrap();
    let pod = lab.pod("web", &[ip("10.10.0.1")]).unwrap();
    let server = pod.serve(Protocol::Tcp, port()).unwrap();
    let target = SocketAddr::new(ip("10.10.0.1"), 80);
    let connection = stream(lab.client(), target, EVERY).unwrap();
    let fresh = connects(lab.client(), Question::new(Protocol::Tcp, target), EVERY).unwrap();
    until(&connection, |counters| counters.answered >= 3);
    until(&fresh, |counters| counters.answered >= 3);
    drop(server);
    until(&connection, |counters| counters.broken.is_some());
    until(&fresh, |counters| counters.refused >= 3);
    let _server = pod.serve(Protocol::Tcp, port()).unwrap();
    let answered = fresh.counters().answered;
    until(&fresh, |counters| counters.answered > answered);
    let counters = fresh.stop();
    assert_eq!(counters.sent, counters.answered + counters.lost, "{counters:?}");
    assert!(connection.stop().broken.is_some());
}

#[test]
fn a_connection_that_nobody_takes_is_not_started() {
    let lab = Lab::new().unwrap();
    let target = SocketAddr::new(lab.node_ip(IpFamily::V4), 80);
    let error = stream(lab.client(), target, EVERY).unwrap_err();
    assert_eq!(error.to_string(), "cannot start a long-lived tcp connection to 192.0.2.1:80");
}
