//! Many rules.

use std::time::Instant;

use sweep::What;

use crate::rules;
use crate::support::*;

#[test]
fn twenty_thousand_copies_go_and_come_back() {
    for of in Of::all().filter(|of| of.1 == xt::Family::V4) {
        let node = Node::new();
        node.load(of, &rules::copies(20_000));
        let before = node.saved(of);
        let start = Instant::now();
        let swept = node.sweep(of.0, &What::Duplicates);
        let swept_in = start.elapsed();
        assert_eq!(swept.selection.rules.len(), 19_999);
        assert_eq!(node.saved(of).matches("-j KUBE-ROUTER-FORWARD").count(), 1);
        let start = Instant::now();
        assert_eq!(node.restore().rules.len(), 19_999);
        println!("{}: swept in {swept_in:?}, restored in {:?}", of.0, start.elapsed());
        assert_same_text(&node.saved(of), &before);
    }
}

/// Chains with three rules each, and a jump to each.
const CHAINS: usize = if cfg!(debug_assertions) { 1_000 } else { 5_000 };

#[test]
fn thousands_of_chains_go_and_come_back() {
    for of_backend in Of::all().filter(|of| of.1 == xt::Family::V4) {
        let node = Node::new();
        let (mut chains, mut rules) = (String::new(), String::new());
        for number in 0..CHAINS {
            chains += &format!(":KUBE-POD-FW-{number:05} - [0:0]\n");
            rules += &format!(
                "-A FORWARD -d 10.0.{}.{} -j KUBE-POD-FW-{number:05}\n",
                number >> 8,
                number & 255
            );
            for port in 1..4 {
                rules +=
                    &format!("-A KUBE-POD-FW-{number:05} -p tcp -m tcp --dport {port} -j DROP\n");
            }
        }
        node.load(of_backend, &format!("*filter\n:FORWARD ACCEPT [0:0]\n{chains}{rules}COMMIT\n"));
        let before = node.saved(of_backend);
        let start = Instant::now();
        let swept = node.sweep(of_backend.0, &of("kube-router"));
        let swept_in = start.elapsed();
        assert_eq!(swept.selection.rules.len(), 4 * CHAINS);
        let start = Instant::now();
        assert_eq!(node.restore().rules.len(), 4 * CHAINS);
        println!("{}: swept in {swept_in:?}, restored in {:?}", of_backend.0, start.elapsed());
        assert_same_text(&node.saved(of_backend), &before);
    }
}
