//! Differences by meaning: two healthy nodes of one kind are equal, a broken one shows its fault.

use crate::dumps;
use doctor::diff::{ChangeKind, diff};
use doctor::snapshot::{Part, Prefix};

/// The flannel node under another address, with another Pod network, another Pod and other counters.
fn other_node() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/shape-flannel");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        if name == "README" || name == "conntrack.txt" || name == "ip-neigh.txt" {
            continue;
        }
        let mut text = text
            .replace("10.244.1.0/32", "10.244.7.0/32")
            .replace("192.0.2.11", "192.0.2.17")
            .replace("veth0a1b2c3d", "vethffffffff")
            .replace("52:54:00:00:00:11", "52:54:00:00:00:17")
            .replace("CNI-DN-0a1b2c3d4e5f6a7b8c9d0", "CNI-DN-ffff3d4e5f6a7b8c9d0aa")
            .replace("[120:9000]", "[7:700]");
        // Pods of this node; endpoints of Services stay where they are
        for place in ["10.244.1.0/24", "10.244.1.1"] {
            text = text.replace(place, &place.replace("244.1", "244.7"));
        }
        files.push((name, text));
    }
    files
}

#[test]
fn two_nodes_of_one_kind_differ_in_nothing_but_their_pods() {
    let own = dumps::snapshot("shape-flannel");
    let files = other_node();
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    let other = dumps::of_files(&files);
    let diff = diff(&own, &other);
    // an endpoint that is a Pod of one node is a Pod of another node for the other
    let strange: Vec<_> = diff
        .groups
        .iter()
        .flat_map(|group| &group.changes)
        .filter(|change| {
            let endpoint = change.text.contains("<pod-ip>") || change.text.contains("10.244.1.5");
            let route = change.text.contains("10.244.1.0/24") || change.text.contains("other node");
            !endpoint && !route
        })
        .collect();
    assert!(strange.is_empty(), "{strange:#?}");
}

#[test]
fn a_removed_jump_and_a_moved_one_are_told_by_owner() {
    let before = dumps::snapshot("r25a-before");
    let after = dumps::snapshot("r25b-after-delete-by-position");
    let diff = diff(&before, &after);
    let of = |owner: &str| diff.groups.iter().find(|group| group.owner == owner).unwrap();
    let gone = &of("kube-proxy").changes[0];
    assert_eq!((gone.kind, gone.count), (ChangeKind::OnlyInA, 1));
    assert!(gone.text.contains("-j KUBE-SERVICES"), "{gone:?}");
    let twice = &of("calico").changes[0];
    assert_eq!(twice.kind, ChangeKind::OnlyInB);
    assert!(diff.text().contains("- -A PREROUTING -j KUBE-SERVICES"), "{}", diff.text());
}

#[test]
fn order_counts_within_a_chain() {
    let save = |rules: &str| format!("*filter\n:INPUT ACCEPT [0:0]\n{rules}COMMIT\n");
    let (x, y) = ("-A INPUT -p tcp -j ACCEPT\n", "-A INPUT -p udp -j DROP\n");
    let a = dumps::of_files(&[("iptables-nft-save", &save(&format!("{x}{y}")))]);
    let b = dumps::of_files(&[("iptables-nft-save", &save(&format!("{y}{x}")))]);
    let diff = diff(&a, &b);
    assert_eq!(diff.groups.len(), 1);
    assert_eq!(diff.groups[0].changes[0].kind, ChangeKind::Order);
}

#[test]
fn what_one_of_them_does_not_have_is_not_compared() {
    let a = dumps::snapshot("r13-ip-on-enslaved-nic");
    let mut b = a.clone();
    b.links = Part::Absent("no permission".to_owned());
    let diff = diff(&a, &b);
    assert!(diff.is_empty(), "{}", diff.text());
    let why = diff.not_compared.iter().find(|part| part.part == "links").unwrap();
    assert_eq!(why.why, "not in the second: no permission");
    let json = serde_json::to_value(&diff).unwrap();
    assert!(json["notCompared"].is_array() && json["groups"].is_array());
}

#[test]
fn a_prefix_prints_as_it_is_read() {
    let prefix: Prefix = "10.0.0.0/8".parse().unwrap();
    assert_eq!(prefix.to_string(), "10.0.0.0/8");
}
