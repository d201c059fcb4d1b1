//! The lab's world with real packets, routed plainly.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use model::{IpFamily, PodPort, Protocol};
use netkeep_lab::{AskError, Lab, Question, Server, run};

const PATIENCE: Duration = Duration::from_secs(5);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn port(number: i64) -> PodPort {
    PodPort::try_from(number).unwrap()
}

fn ask(protocol: Protocol, target: IpAddr) -> Question {
    Question::new(protocol, SocketAddr::new(target, 80)).within(PATIENCE)
}

#[test]
fn every_protocol_and_family_reaches_a_pod_from_everywhere_with_its_own_source() {
    let lab = Lab::new().unwrap();
    let web = lab.pod("default/web-0", &[ip("10.10.0.1"), ip("fd00:10::1")]).unwrap();
    let other = lab.pod("default/other", &[ip("10.10.0.2"), ip("fd00:10::2")]).unwrap();
    for protocol in Protocol::ALL {
        let _server = web.serve(protocol, port(80)).unwrap();
        for family in IpFamily::ALL {
            let target = web.ip(family).unwrap();
            for (from, expected) in [
                (lab.client(), lab.client_ip(family)),
                (lab.node(), lab.node_ip(family)),
                (other.namespace(), other.ip(family).unwrap()),
                (web.namespace(), target),
            ] {
                let answer = ask(protocol, target).ask(from).unwrap();
                assert_eq!(answer.who, "default/web-0");
                assert_eq!(answer.seen_peer.ip(), expected, "{protocol} {family}");
            }
        }
    }
}

#[test]
fn the_nodes_own_servers_are_reached_from_pods_and_from_outside() {
    let lab = Lab::new().unwrap();
    let pod = lab.pod("a", &[ip("10.10.0.1"), ip("fd00:10::1")]).unwrap();
    let _server = Server::start(lab.node(), Protocol::Udp, 80, "the node").unwrap();
    for family in IpFamily::ALL {
        for from in [lab.client(), pod.namespace(), lab.node()] {
            let answer = ask(Protocol::Udp, lab.node_ip(family)).ask(from).unwrap();
            assert_eq!(answer.who, "the node");
        }
    }
}

#[test]
fn where_nobody_listens_a_question_is_refused_at_once() {
    let lab = Lab::new().unwrap();
    let pod = lab.pod("a", &[ip("10.10.0.1"), ip("fd00:10::1")]).unwrap();
    for protocol in Protocol::ALL {
        drop(pod.serve(protocol, port(80)).unwrap());
        for family in IpFamily::ALL {
            let error = ask(protocol, pod.ip(family).unwrap()).ask(lab.client()).unwrap_err();
            assert!(matches!(error, AskError::Refused), "{protocol} {family}: {error:?}");
        }
    }
}

#[test]
fn an_ip_given_to_the_next_pod_leads_to_that_pod() {
    let lab = Lab::new().unwrap();
    let ips = [ip("10.10.0.1"), ip("fd00:10::1")];
    for name in ["first", "second", "third"] {
        let pod = lab.pod(name, &ips).unwrap();
        let _server = pod.serve(Protocol::Tcp, port(80)).unwrap();
        for ip in ips {
            assert_eq!(ask(Protocol::Tcp, ip).ask(lab.client()).unwrap().who, name);
        }
        lab.remove_pod(name).unwrap();
    }
    assert!(lab.pods().is_empty());
}

#[test]
fn of_two_pods_with_one_ip_the_last_has_the_route_until_the_other_takes_it() {
    let lab = Lab::new().unwrap();
    let ips = [ip("10.10.0.1"), ip("fd00:10::1")];
    let old = lab.pod("old", &ips).unwrap();
    let new = lab.pod("new", &ips).unwrap();
    let _servers = [&old, &new].map(|pod| pod.serve(Protocol::Udp, port(80)).unwrap());
    let who = |ip| ask(Protocol::Udp, ip).ask(lab.client()).unwrap().who;
    for ip in ips {
        assert_eq!(who(ip), "new");
    }
    old.take_routes().unwrap();
    for ip in ips {
        assert_eq!(who(ip), "old");
    }
    new.take_routes().unwrap();
    lab.remove_pod("old").unwrap();
    for ip in ips {
        assert_eq!(who(ip), "new");
    }
}

#[test]
fn a_pod_answers_on_its_new_ip_and_no_longer_on_the_old_one() {
    let lab = Lab::new().unwrap();
    let pod = lab.pod("a", &[ip("10.10.0.1"), ip("fd00:10::1")]).unwrap();
    let _server = pod.serve(Protocol::Tcp, port(80)).unwrap();
    pod.set_ips(&[ip("10.10.0.9"), ip("fd00:10::9")]).unwrap();
    for family in IpFamily::ALL {
        ask(Protocol::Tcp, pod.ip(family).unwrap()).ask(lab.client()).unwrap();
    }
    for gone in [ip("10.10.0.1"), ip("fd00:10::1")] {
        let short = ask(Protocol::Tcp, gone).within(Duration::from_millis(300));
        short.ask(lab.client()).unwrap_err();
    }
    pod.set_ips(&[ip("10.10.0.1")]).unwrap();
    assert_eq!(pod.ip(IpFamily::V6), None);
    ask(Protocol::Tcp, ip("10.10.0.1")).ask(lab.client()).unwrap();
}

#[test]
fn a_removed_pod_is_unreachable_and_its_name_is_free() {
    let lab = Lab::new().unwrap();
    let pod = lab.pod("a", &[ip("10.10.0.1")]).unwrap();
    let _server = pod.serve(Protocol::Tcp, port(80)).unwrap();
    let twice = lab.pod("a", &[ip("10.10.0.2")]).unwrap_err();
    assert_eq!(twice.to_string(), "there is a pod \"a\" in the lab already");
    lab.remove_pod("a").unwrap();
    let short = ask(Protocol::Tcp, ip("10.10.0.1")).within(Duration::from_millis(300));
    short.ask(lab.client()).unwrap_err();
    lab.remove_pod("a").unwrap_err();
    lab.pod("a", &[ip("10.10.0.1")]).unwrap();
}

#[test]
fn a_command_sees_the_lab_and_a_failing_one_tells_why() {
    let lab = Lab::new().unwrap();
    let pod = lab.pod("a", &[ip("10.10.0.1")]).unwrap();
    let links = run(lab.node(), Command::new("ip").args(["-o", "link"]), "").unwrap();
    assert!(links.contains("eth0") && links.contains(pod.link()), "{links}");
    let error = run(lab.node(), Command::new("nft").args(["-f", "-"]), "nonsense").unwrap_err();
    assert!(error.to_string().contains("syntax error"), "{error}");
}
