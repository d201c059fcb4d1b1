//! A reserved node port, seen with real packets from other machines and from the node itself.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::net::SocketAddr;
use std::time::Duration;

use model::{IpFamily, NodePort, Protocol};
use netkeep_lab::{AskError, Lab, Question, Server};
use netns::Reservation;

#[test]
fn a_reserved_port_refuses_everybody_and_lets_nobody_serve_until_it_is_dropped() {
    let lab = Lab::new().unwrap();
    let ips = ["10.10.0.1".parse().unwrap(), "fd00:10::1".parse().unwrap()];
    let pod = lab.pod("a", &ips).unwrap();
    let port = NodePort::try_from(61_000).unwrap();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for family in IpFamily::ALL {
            let held = lab.node().run(|| Reservation::bind(family, protocol, port)).unwrap();
            let held = held.unwrap();
            let target = SocketAddr::new(lab.node_ip(family), port.get());
            let question = Question::new(protocol, target).within(Duration::from_secs(5));
            for from in [lab.client(), lab.node(), pod.namespace()] {
                let error = question.ask(from).unwrap_err();
                assert!(matches!(error, AskError::Refused), "{protocol} {family}: {error:?}");
            }
            Server::start(lab.node(), protocol, port.get(), "another").unwrap_err();
            drop(held);
            let _server = Server::start(lab.node(), protocol, port.get(), "another").unwrap();
            assert_eq!(question.ask(lab.client()).unwrap().who, "another");
        }
    }
}
