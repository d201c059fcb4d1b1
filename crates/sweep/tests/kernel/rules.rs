//! Rule sets of the tests.

use xt::Family;

/// IP sets that the rules ask.
pub(crate) const SETS: &str = "create other hash:ip\ncreate KUBE-SRC-A hash:ip\n\
    create inet6:KUBE-SRC-A hash:ip family inet6\n";

/// Rules of kube-router, kube-proxy and the host, with everything that is hard to put back.
pub(crate) fn mixed(family: Family) -> String {
    let text = "\
*mangle
:PREROUTING ACCEPT [1:2]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-ROUTER-PRE - [0:0]
[5:50] -A PREROUTING -m comment --comment \"kube-router pre\" -j KUBE-ROUTER-PRE
[6:60] -A KUBE-ROUTER-PRE -p tcp -m multiport --dports 80,443 -j MARK --set-xmark 0x1/0x1
[7:70] -A KUBE-ROUTER-PRE ! -p udp -m statistic --mode random --probability 0.50000000000 -j RETURN
[8:80] -A KUBE-ROUTER-PRE -p tcp -j TPROXY --on-port 99 --on-ip @ANY@ --tproxy-mark 0x1/0x1
COMMIT
*filter
:INPUT ACCEPT [3:4]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:HOST - [0:0]
:KUBE-NWPLCY-B - [0:0]
:KUBE-POD-FW-A - [0:0]
:KUBE-ROUTER-INPUT - [0:0]
:KUBE-SERVICES - [0:0]
[1:10] -A INPUT -s @NET@ -j HOST
[2:20] -A INPUT -m comment --comment \"kube-router netpol - X\" -j KUBE-ROUTER-INPUT
[3:30] -A INPUT -m conntrack --ctstate NEW -j KUBE-SERVICES
[4:40] -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
[5:50] -A FORWARD -m comment --comment \"kube-router netpol - Y\" -g KUBE-POD-FW-A
[6:60] -A FORWARD -j HOST
[7:70] -A HOST -i eth+ -m mark --mark 0x5 -j RETURN
[8:80] -A HOST
[9:90] -A KUBE-NWPLCY-B -m set --match-set @SET@ src -m comment --comment \"it's \\\"it\\\"\" -j RETURN
[10:100] -A KUBE-POD-FW-A -j KUBE-NWPLCY-B
[11:110] -A KUBE-POD-FW-A -p tcp -m tcp --tcp-flags SYN,ACK SYN -j REJECT --reject-with tcp-reset
[12:120] -A KUBE-POD-FW-A -m limit --limit 10/min --limit-burst 10 -j NFLOG --nflog-group 100
[13:130] -A KUBE-POD-FW-A -m recent --set --name L --mask @MASK@ --rsource -j LOG --log-prefix \"x y\"
[14:140] -A KUBE-ROUTER-INPUT -d @NET@ -p tcp -m multiport --ports 1,2:5 -j ACCEPT
[15:150] -A KUBE-ROUTER-INPUT ! -s @NET@ -m addrtype --dst-type LOCAL -j DROP
[16:160] -A KUBE-SERVICES -m comment --comment svc
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-ROUTER-NAT - [0:0]
[17:170] -A PREROUTING -j KUBE-ROUTER-NAT
[18:180] -A POSTROUTING -j KUBE-POSTROUTING
[19:190] -A KUBE-POSTROUTING -j MASQUERADE --random-fully
[20:200] -A KUBE-ROUTER-NAT -p tcp -m tcp --dport 81 -j DNAT --to-destination @DNAT@
[21:210] -A KUBE-ROUTER-NAT -p udp -m udp --dport 53 -j REDIRECT --to-ports 1053
COMMIT
";
    let set = match family {
        Family::V4 => "KUBE-SRC-A",
        Family::V6 => "inet6:KUBE-SRC-A",
    };
    let (net, any, mask, dnat) = match family {
        Family::V4 => ("10.1.0.0/16", "0.0.0.0", "255.255.255.255", "10.0.0.1:80"),
        Family::V6 => {
            ("fd00::/64", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "[fd00::1]:80")
        }
    };
    text.replace("@NET@", net)
        .replace("@SET@", set)
        .replace("@ANY@", any)
        .replace("@MASK@", mask)
        .replace("@DNAT@", dnat)
}

/// A builtin chain with the same rule so often, and others between.
pub(crate) fn copies(count: usize) -> String {
    let mut text = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        :KUBE-ROUTER-FORWARD - [0:0]\n"
        .to_owned();
    for number in 0..count {
        text += "[7:70] -A FORWARD -m comment --comment \"kube-router netpol - TEMCG2JMHZYE7H7T\" \
                 -j KUBE-ROUTER-FORWARD\n";
        if number % 100 == 0 {
            text += &format!("[1:1] -A FORWARD -p tcp -m tcp --dport {number} -j ACCEPT\n");
        }
    }
    text + "[9:90] -A KUBE-ROUTER-FORWARD -j RETURN\nCOMMIT\n"
}
