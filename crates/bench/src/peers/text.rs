//! The same mappings in the languages of the peers.

use crate::mapping::Mapping;

/// The chain that `iptables` peers keep their rules in.
pub(crate) const CHAIN: &str = "NODE-PORT-LOCAL";

/// The arguments that name one rule.
pub(crate) fn iptables_rule(mapping: &Mapping) -> Vec<String> {
    let port = mapping.port.to_string();
    let to = format!("{}:{}", mapping.ip, mapping.pod_port);
    let protocol = mapping.protocol.as_str();
    ["-p", protocol, "-m", protocol, "--dport", &port, "-j", "DNAT", "--to-destination", &to]
        .map(str::to_owned)
        .to_vec()
}

/// One rule a mapping in a chain of its own, for `iptables-restore`.
pub(crate) fn iptables_restore(mappings: &[Mapping]) -> String {
    let mut text =
        format!("*nat\n:{CHAIN} - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j {CHAIN}\n");
    for mapping in mappings {
        text.extend(["-A ", CHAIN, " ", &iptables_rule(mapping).join(" "), "\n"]);
    }
    text.push_str("COMMIT\n");
    text
}

/// Table, maps, sets, chains and rules as the product has them for `n` mappings, for `nft -f`. Without
/// the flags `owner` and `persist`: the owner would be `nft`, which ends.
pub(crate) fn nft_structure(n: usize) -> String {
    let size = Mapping::map_size(n);
    let mut lines = vec!["add table inet peer".to_owned()];
    for (name, ip) in [("npl4", "ipv4_addr"), ("npl6", "ipv6_addr")] {
        let types = format!("inet_proto . inet_service : {ip} . inet_service");
        lines.push(format!("add map inet peer {name} {{ type {types}; size {size}; }}"));
    }
    for (name, ip) in [("hairpin4", "ipv4_addr"), ("hairpin6", "ipv6_addr")] {
        lines.push(format!("add set inet peer {name} {{ type {ip} . {ip}; size 16384; }}"));
    }
    lines.push("add chain inet peer npl".to_owned());
    for (hook, priority) in [("prerouting", -110), ("output", -110), ("postrouting", 90)] {
        let base = format!("type nat hook {hook} priority {priority}; policy accept;");
        lines.push(format!("add chain inet peer {hook} {{ {base} }}"));
    }
    for (chain, rule) in [
        (
            "npl",
            "ip daddr != 127.0.0.0/8 fib daddr type local dnat ip to meta l4proto . th dport map @npl4",
        ),
        (
            "npl",
            "ip6 daddr != ::1 fib daddr type local dnat ip6 to meta l4proto . th dport map @npl6",
        ),
        ("prerouting", "jump npl"),
        ("output", "jump npl"),
        ("postrouting", "ip saddr . ip daddr @hairpin4 masquerade"),
        ("postrouting", "ip6 saddr . ip6 daddr @hairpin6 masquerade"),
    ] {
        lines.push(format!("add rule inet peer {chain} {rule}"));
    }
    lines.join("\n") + "\n"
}

/// All mappings in one `add element`, the fastest that `nft -f` does.
pub(crate) fn nft_elements(mappings: &[Mapping]) -> String {
    let elements: Vec<String> = mappings.iter().map(nft_element).collect();
    format!("add element inet peer npl4 {{ {} }}\n", elements.join(", "))
}

/// One element as nft writes it, with as much of the mark as nft can say: the owner's name.
pub(crate) fn nft_element(mapping: &Mapping) -> String {
    let Mapping { protocol, port, ip, pod_port, owner, .. } = mapping;
    format!("{protocol} . {port} comment \"{}\" : {ip} . {pod_port}", owner.qualified_name())
}

/// A set of the same keys, for `ipset restore`: membership only, it has no values.
pub(crate) fn ipset_restore(mappings: &[Mapping]) -> String {
    let mut text = "create npl hash:ip,port hashsize 65536 maxelem 131072\n".to_owned();
    for mapping in mappings {
        text.push_str("add npl ");
        text.push_str(&ipset_entry(mapping));
        text.push('\n');
    }
    text
}

/// One entry as ipset writes it.
pub(crate) fn ipset_entry(mapping: &Mapping) -> String {
    format!("{},tcp:{}", mapping.ip, mapping.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mapping_is_one_line_or_element() {
        let mappings = Mapping::first(3);
        assert_eq!(iptables_restore(&mappings).matches("--to-destination").count(), 3);
        assert_eq!(ipset_restore(&mappings).matches("add npl").count(), 3);
        let elements = nft_elements(&mappings);
        assert!(elements.contains("tcp . 1026 comment \"default/pod-1\" : 10.128.0.3 . 8080, "));
    }
}
