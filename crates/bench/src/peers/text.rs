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

/// Table, map with its size and chain, for `nft -f`.
pub(crate) fn nft_structure() -> String {
    "add table inet peer\n\
     add map inet peer npl4 { type inet_proto . inet_service : ipv4_addr . inet_service; size 65536; }\n\
     add chain inet peer prerouting { type nat hook prerouting priority -110; }\n\
     add rule inet peer prerouting fib daddr type local meta nfproto ipv4 \
     dnat ip to meta l4proto . th dport map @npl4\n"
        .to_owned()
}

/// All mappings in one `add element`, the fastest that `nft -f` does.
pub(crate) fn nft_elements(mappings: &[Mapping]) -> String {
    let elements: Vec<String> = mappings.iter().map(nft_element).collect();
    format!("add element inet peer npl4 {{ {} }}\n", elements.join(", "))
}

/// One element as nft writes it.
pub(crate) fn nft_element(mapping: &Mapping) -> String {
    format!("{} . {} : {} . {}", mapping.protocol, mapping.port, mapping.ip, mapping.pod_port)
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
        assert!(nft_elements(&mappings).contains("tcp . 1026 : 10.128.0.3 . 8080, tcp . 1027"));
    }
}
