//! Traffic through a destination NAT rule, as a node port makes it, written by hand in nft.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use model::{IpFamily, PodPort, Protocol};
use netkeep_lab::{AskError, Lab, Pod, Question, run};

const PATIENCE: Duration = Duration::from_secs(5);
const NODE_PORT: u16 = 61_000;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn pod(lab: &Lab, name: &str, last: u8) -> Arc<Pod> {
    lab.pod(name, &[ip(&format!("10.10.0.{last}")), ip(&format!("fd00:10::{last}"))]).unwrap()
}

fn nft(lab: &Lab, script: &str) {
    run(lab.node(), Command::new("nft").args(["-f", "-"]), script).unwrap();
}

/// A table that sends the node port, for all protocols and from everywhere, to the Pod.
fn redirect_to(pod: &Pod) -> String {
    let mut rules = String::new();
    for family in IpFamily::ALL {
        let (l3, nfproto) = match family {
            IpFamily::V4 => ("ip", "ipv4"),
            IpFamily::V6 => ("ip6", "ipv6"),
        };
        let target = SocketAddr::new(pod.ip(family).unwrap(), 80);
        for protocol in Protocol::ALL {
            writeln!(
                rules,
                "meta nfproto {nfproto} fib daddr type local {protocol} dport {NODE_PORT} \
                 dnat {l3} to {target}"
            )
            .unwrap();
        }
    }
    format!(
        "table inet t
         delete table inet t
         table inet t {{
           chain pre {{ type nat hook prerouting priority -100; {rules} }}
           chain out {{ type nat hook output priority -100; {rules} }}
         }}"
    )
}

#[test]
fn a_node_port_leads_to_the_pod_for_every_protocol_and_family() {
    let lab = Lab::new().unwrap();
    let web = pod(&lab, "web", 1);
    let other = pod(&lab, "other", 2);
    nft(&lab, &redirect_to(&web));
    for protocol in Protocol::ALL {
        let _server = web.serve(protocol, PodPort::try_from(80).unwrap()).unwrap();
        for family in IpFamily::ALL {
            let target = SocketAddr::new(lab.node_ip(family), NODE_PORT);
            for (from, expected) in [
                (lab.client(), lab.client_ip(family)),
                (lab.node(), lab.node_ip(family)),
                (other.namespace(), other.ip(family).unwrap()),
            ] {
                let question = Question::new(protocol, target).within(PATIENCE);
                let answer = question.ask(from).unwrap();
                assert_eq!(answer.who, "web");
                assert_eq!(answer.seen_peer.ip(), expected, "{protocol} {family}");
            }
        }
    }
}

#[test]
fn a_fixed_source_port_stays_with_its_flow_and_a_fresh_one_follows_the_rule() {
    let lab = Lab::new().unwrap();
    let (first, second) = (pod(&lab, "first", 1), pod(&lab, "second", 2));
    let _servers =
        [&first, &second].map(|pod| pod.serve(Protocol::Udp, 80.try_into().unwrap()).unwrap());
    let target = SocketAddr::new(lab.node_ip(IpFamily::V4), NODE_PORT);
    let question = Question::new(Protocol::Udp, target).within(PATIENCE);
    let who = |question: Question| question.ask(lab.client()).unwrap().who;
    nft(&lab, &redirect_to(&first));
    assert_eq!(who(question.from_port(40_000)), "first");
    nft(&lab, &redirect_to(&second));
    // NAT is decided once for a flow; conntrack remembers it.
    assert_eq!(who(question.from_port(40_000)), "first");
    assert_eq!(who(question), "second");
    let flush = ["-D", "-p", "udp", "--orig-port-dst", "61000"];
    run(lab.node(), Command::new("conntrack").args(flush), "").unwrap();
    assert_eq!(who(question.from_port(40_000)), "second");
}

#[test]
fn without_the_rule_the_node_port_refuses() {
    let lab = Lab::new().unwrap();
    let target = SocketAddr::new(lab.node_ip(IpFamily::V6), NODE_PORT);
    for protocol in Protocol::ALL {
        let question = Question::new(protocol, target).within(PATIENCE);
        let error = question.ask(lab.client()).unwrap_err();
        assert!(matches!(error, AskError::Refused), "{protocol}: {error:?}");
    }
}
