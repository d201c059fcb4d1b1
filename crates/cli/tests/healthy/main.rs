//! A healthy node is found healthy: nodes as the real ufw, firewalld, Docker, kube-proxy and network
//! plugins leave them, in namespaces of the lab, and the real `netkeep doctor` on each.
//!
//! What the tools write is in `shapes/`, what of them is real and what is written down after their
//! sources too; `cargo xtask suites` unpacks the programs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod node;

use node::{Backend, Containers, Node};

/// The node has this shape, which shows in its rules, and the doctor has nothing to say.
#[track_caller]
fn healthy(shape: &str, backend: Backend, shows: &[&str]) {
    let node = Node::new(shape, backend);
    node.assert_healthy();
    node.assert_shows(shows);
}

#[test]
fn an_empty_machine_is_healthy() {
    let node = Node::new("empty", Backend::Nft);
    node.assert_healthy();
    assert_eq!(node.rules().trim(), "");
}

#[test]
fn a_machine_with_ufw_is_healthy() {
    let shows = [
        "-P INPUT DROP",
        "-A INPUT -j ufw-before-input",
        "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT",
        "-A INPUT -j ufw6-before-input",
    ];
    for backend in Backend::BOTH {
        healthy("ufw", backend, &shows);
    }
}

#[test]
fn a_machine_with_firewalld_and_its_own_tables_is_healthy() {
    let node = Node::with("firewalld", Backend::Nft, &[("FIREWALL", "nftables")]);
    node.assert_healthy();
    node.assert_shows(&[
        "table inet firewalld {",
        "chain filter_IN_public_allow {",
        "tcp dport 443",
    ]);
}

#[test]
fn a_machine_with_firewalld_in_iptables_is_healthy() {
    let node = Node::with("firewalld", Backend::Nft, &[("FIREWALL", "iptables")]);
    node.assert_healthy();
    node.assert_shows(&["-A INPUT -j INPUT_ZONES", "-A INPUT_ZONES -g IN_public"]);
}

#[test]
fn a_machine_with_docker_networks_and_published_ports_is_healthy() {
    for backend in Backend::BOTH {
        let (node, containers) = node::with_docker(backend);
        node.assert_healthy();
        node.assert_shows(&[
            "-P FORWARD DROP",
            "-A FORWARD -o docker0 -j DOCKER",
            "-s 172.18.0.0/16 ! -o br-",
        ]);
        if containers == Containers::Published {
            node.assert_shows(&[
                "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80",
                "-p udp -m udp --dport 8082 -j DNAT --to-destination 172.18.0.2:82",
            ]);
        }
    }
}

#[test]
fn a_machine_with_docker_beside_others_is_healthy() {
    let networks = [("CGROUP", "")];
    let node = Node::with("ufw-docker", Backend::Nft, &networks);
    node.assert_healthy();
    node.assert_shows(&["-A INPUT -j ufw-before-input", "-A FORWARD -o docker0 -j DOCKER"]);
    let node = Node::with("docker-flannel", Backend::Nft, &networks);
    node.assert_healthy();
    node.assert_shows(&["-P FORWARD DROP", "-A FORWARD -o docker0 -j DOCKER", "-j FLANNEL-FWD"]);
}

#[test]
fn a_node_of_kube_proxy_in_iptables_mode_is_healthy() {
    for backend in Backend::BOTH {
        healthy(
            "kube-proxy-iptables",
            backend,
            &["-A INPUT -j KUBE-FIREWALL", "--to-destination 10.244.1.5:"],
        );
    }
}

#[test]
fn a_node_of_kube_proxy_in_nftables_mode_is_healthy() {
    healthy("kube-proxy-nftables", Backend::Nft, &["table ip kube-proxy {", "KUBE-KUBELET-CANARY"]);
}

#[test]
fn a_node_like_flannels_is_healthy() {
    for backend in Backend::BOTH {
        healthy("flannel", backend, &["-j FLANNEL-FWD", "-j KUBE-SERVICES"]);
    }
}

#[test]
fn a_node_like_flannels_in_nftables_mode_is_healthy() {
    healthy(
        "flannel-nftables",
        Backend::Nft,
        &["table ip flannel-ipv4 {", "table ip kube-proxy {"],
    );
}

#[test]
fn a_node_like_calicos_is_healthy() {
    for backend in Backend::BOTH {
        healthy("calico", backend, &["-j cali-FORWARD", "-j KUBE-SERVICES", "--match-set cali40"]);
    }
}

#[test]
fn a_node_like_calicos_in_nftables_mode_is_healthy() {
    healthy("calico-nftables", Backend::Nft, &["table ip calico {", "table ip kube-proxy {"]);
}

#[test]
fn a_node_like_kube_routers_is_healthy() {
    for backend in Backend::BOTH {
        healthy(
            "kube-router",
            backend,
            &["-j KUBE-ROUTER-INPUT", "-j KUBE-SERVICES", "--physdev-is-bridged"],
        );
    }
}
