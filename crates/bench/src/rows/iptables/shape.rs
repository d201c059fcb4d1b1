//! Rules as nodes have them.

use std::fmt::Write as _;

/// Rules of one Service with two endpoints.
const RULES_A_SERVICE: usize = 8;

/// What kube-proxy keeps for as many Services as make about so many rules: a rule in
/// `KUBE-SERVICES`, a chain a Service, a chain an endpoint, each rule with its comment.
pub(super) fn kube_proxy(rules: usize) -> String {
    let (mut heads, mut body) = (String::new(), String::new());
    for n in 0..rules / RULES_A_SERVICE {
        service(n, &mut heads, &mut body);
    }
    format!(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         :POSTROUTING ACCEPT [0:0]\n:KUBE-MARK-MASQ - [0:0]\n:KUBE-POSTROUTING - [0:0]\n\
         :KUBE-SERVICES - [0:0]\n{heads}\
         -A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         -A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         -A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING\n\
         -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n\
         -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n\
         -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0\n\
         -A KUBE-POSTROUTING -j MASQUERADE --random-fully\n{body}COMMIT\n"
    )
}

fn service(n: usize, heads: &mut String, body: &mut String) {
    let (high, low) = (n / 250, n % 250 + 1);
    let (ip, name) = (format!("10.96.{high}.{low}"), format!("default/web-{n}:http"));
    // writing to a String does not fail
    let _ = writeln!(heads, ":KUBE-SVC-{n:016} - [0:0]");
    let _ = write!(
        body,
        "-A KUBE-SERVICES -d {ip}/32 -p tcp -m comment --comment \"{name} cluster IP\" -m tcp \
         --dport 80 -j KUBE-SVC-{n:016}\n\
         -A KUBE-SVC-{n:016} ! -s 10.244.0.0/16 -d {ip}/32 -p tcp -m comment --comment \
         \"{name} cluster IP\" -m tcp --dport 80 -j KUBE-MARK-MASQ\n"
    );
    for (end, chance) in [(0, " -m statistic --mode random --probability 0.5"), (1, "")] {
        let to = format!("10.{}.{high}.{low}", 200 + end);
        let chain = format!("KUBE-SEP-{n:014}-{end}");
        let _ = writeln!(heads, ":{chain} - [0:0]");
        let _ = write!(
            body,
            "-A KUBE-SVC-{n:016} -m comment --comment \"{name} -> {to}:8080\"{chance} -j {chain}\n\
             -A {chain} -s {to}/32 -m comment --comment \"{name}\" -j KUBE-MARK-MASQ\n\
             -A {chain} -p tcp -m comment --comment \"{name}\" -m tcp -j DNAT --to-destination \
             {to}:8080\n"
        );
    }
}

/// A chain in which a program adds its two rules again and again.
pub(super) fn copies(rules: usize) -> String {
    let mut text = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                    :KUBE-ROUTER-FORWARD - [0:0]\n-A FORWARD -j KUBE-ROUTER-FORWARD\n"
        .to_owned();
    for n in 0..rules {
        let _ = writeln!(
            text,
            "-A KUBE-ROUTER-FORWARD -s 10.{}.0.0/16 -m comment --comment \"allow\" -j ACCEPT",
            n % 2
        );
    }
    text + "COMMIT\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_rules_as_were_asked_for() {
        assert_eq!(kube_proxy(800).matches("\n-A ").count(), 807);
        assert_eq!(copies(10).matches("\n-A KUBE-ROUTER-FORWARD ").count(), 10);
    }
}
