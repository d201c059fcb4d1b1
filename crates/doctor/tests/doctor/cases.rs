//! One small broken state for each check that no recorded dump shows, and its healthy twin.

use crate::dumps;
use model::{FindingCode as Code, Severity};

type Files = &'static [(&'static str, &'static str)];

/// Code, severity of the broken one, the broken one, the healthy one.
type Case = (Code, Severity, Files, Files);

const LINKS: &str = "2: ens3: <BROADCAST,UP> mtu 1500 state UP\n    inet 192.0.2.10/24 scope global ens3\n\
    4: cni0: <BROADCAST,UP> mtu 1450 state UP\n    inet 10.244.1.1/24 scope global cni0\n";
const ROUTES: &str =
    "default via 192.0.2.1 dev ens3\n192.0.2.0/24 dev ens3 proto kernel scope link\n";

/// KUBE-SERVICES with one Service, in force.
const NAT: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
    :KUBE-SERVICES - [0:0]\n:KUBE-SVC-A - [0:0]\n:KUBE-SEP-A - [0:0]\n\
    -A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j KUBE-SERVICES\n\
    -A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m udp --dport 53 -j KUBE-SVC-A\n\
    -A KUBE-SERVICES -d 10.96.0.11/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-A\n\
    -A KUBE-SVC-A -j KUBE-SEP-A\n\
    -A KUBE-SEP-A -p udp -m udp -j DNAT --to-destination 10.244.1.5:53\nCOMMIT\n";

const SERVICE_WITHOUT_ENDPOINT: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
    :KUBE-SERVICES - [0:0]\n:KUBE-SVC-A - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n\
    -A OUTPUT -j KUBE-SERVICES\n\
    -A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m udp --dport 53 -j KUBE-SVC-A\nCOMMIT\n";

const HOST_PORT: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n\
    -A PREROUTING -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 8080 -j DNAT --to-destination 10.244.1.5:80\n\
    COMMIT\n";

const MARKED: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:KUBE-MARK-MASQ - [0:0]\n\
    -A PREROUTING -d 192.0.2.10/32 -j KUBE-MARK-MASQ\n\
    -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\nCOMMIT\n";
const MARKED_AND_MASQUERADED: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:KUBE-MARK-MASQ - [0:0]\n\
    -A PREROUTING -d 192.0.2.10/32 -j KUBE-MARK-MASQ\n\
    -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n\
    -A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE\nCOMMIT\n";

const GATEWAY: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DNAT_FILTER - [0:0]\n\
    :EXCLUSIVE_DNAT - [0:0]\n:SHARED_DNAT - [0:0]\n:SNAT_FILTER - [0:0]\n\
    -A PREROUTING -j DNAT_FILTER\n-A DNAT_FILTER -j EXCLUSIVE_DNAT\n-A DNAT_FILTER -j SHARED_DNAT\n\
    -A POSTROUTING -j SNAT_FILTER\nCOMMIT\n";
const GATEWAY_WITH_RULES: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DNAT_FILTER - [0:0]\n\
    :EXCLUSIVE_DNAT - [0:0]\n:SHARED_DNAT - [0:0]\n:SNAT_FILTER - [0:0]\n\
    -A PREROUTING -j DNAT_FILTER\n-A DNAT_FILTER -j EXCLUSIVE_DNAT\n-A DNAT_FILTER -j SHARED_DNAT\n\
    -A EXCLUSIVE_DNAT -d 198.51.100.7/32 -j DNAT --to-destination 10.0.1.5\n\
    -A POSTROUTING -j SNAT_FILTER\nCOMMIT\n";
const NET1: &str = "3: net1@if9: <BROADCAST,UP> mtu 1500 state UP\n    inet 198.51.100.2/24 scope global net1\n    inet 198.51.100.7/24 scope global secondary net1\n";

const UFW: &str = "*filter\n:INPUT DROP [0:0]\n:ufw-user-input - [0:0]\n\
    :ufw-skip-to-policy-forward - [0:0]\n:ufw-logging-allow - [0:0]\n-A INPUT -j ufw-user-input\n\
    -A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT\n\
    -A ufw-skip-to-policy-forward -j DROP\n-A ufw-logging-allow -j LOG\nCOMMIT\n";
const UFW_WITHOUT_ITS_JUMP: &str = "*filter\n:INPUT DROP [0:0]\n:ufw-user-input - [0:0]\n\
    :ufw-skip-to-policy-forward - [0:0]\n-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT\n\
    -A ufw-skip-to-policy-forward -j DROP\nCOMMIT\n";

const FIREWALLD: &str = "*filter\n:INPUT ACCEPT [0:0]\n:INPUT_ZONES - [0:0]\n:IN_public - [0:0]\n\
    :IN_trusted - [0:0]\n-A INPUT -j INPUT_ZONES\n-A INPUT_ZONES -g IN_public\n\
    -A IN_public -p tcp -m tcp --dport 22 -j ACCEPT\n-A IN_trusted -j ACCEPT\nCOMMIT\n";
const FIREWALLD_WITHOUT_ITS_JUMP: &str = "*filter\n:INPUT ACCEPT [0:0]\n:INPUT_ZONES - [0:0]\n\
    :IN_public - [0:0]\n:IN_trusted - [0:0]\n-A INPUT_ZONES -g IN_public\n\
    -A IN_public -p tcp -m tcp --dport 22 -j ACCEPT\n-A IN_trusted -j ACCEPT\nCOMMIT\n";

const NOTHING_TO_SERVE: &str = "*nat\n:POSTROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
    :KUBE-MARK-MASQ - [0:0]\n:KUBE-POSTROUTING - [0:0]\n:CNI-HOSTPORT-MASQ - [0:0]\n\
    :CNI-HOSTPORT-SETMARK - [0:0]\n-A POSTROUTING -j CNI-HOSTPORT-MASQ\n\
    -A POSTROUTING -j KUBE-POSTROUTING\n-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n\
    -A KUBE-POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE\n\
    -A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE\n\
    -A CNI-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000\nCOMMIT\n\
    *filter\n:INPUT ACCEPT [0:0]\n:KUBE-ROUTER-INPUT - [0:0]\n:KUBE-NWPLCY-DEFAULT - [0:0]\n\
    -A INPUT -j KUBE-ROUTER-INPUT\n-A KUBE-ROUTER-INPUT -p tcp -m tcp --dport 80 -j RETURN\n\
    -A KUBE-NWPLCY-DEFAULT -j MARK --set-xmark 0x10000/0x10000\nCOMMIT\n";

const CASES: &[Case] = &[
    (
        Code::DanglingDnat,
        Severity::Warning,
        &[("iptables-nft-save", NAT), ("ip-neigh", "10.244.1.5 dev cni0  FAILED\n")],
        &[
            ("iptables-nft-save", NAT),
            ("ip-neigh", "10.244.1.5 dev cni0 lladdr 02:00:00:00:00:01 STALE\n"),
        ],
    ),
    (
        Code::DanglingDnat,
        Severity::Warning,
        &[("iptables-nft-save", NAT), ("ip-route", "blackhole 10.244.1.0/26 proto bird\n")],
        &[
            ("iptables-nft-save", NAT),
            (
                "ip-route",
                "blackhole 10.244.1.0/26 proto bird\n10.244.1.5 dev cali0123456789a scope link\n",
            ),
        ],
    ),
    (
        Code::StaleConntrack,
        Severity::Error,
        &[
            ("iptables-nft-save", NAT),
            (
                "conntrack",
                "udp 17 20 src=10.244.1.9 dst=10.96.0.10 sport=4000 dport=53 src=10.244.1.4 dst=10.244.1.9 sport=53 dport=4000 use=1\n",
            ),
        ],
        &[
            ("iptables-nft-save", NAT),
            (
                "conntrack",
                "udp 17 20 src=10.244.1.9 dst=10.96.0.10 sport=4000 dport=53 src=10.244.1.5 dst=10.244.1.9 sport=53 dport=4000 use=1\n",
            ),
        ],
    ),
    (
        Code::StaleConntrack,
        Severity::Error,
        &[
            ("iptables-nft-save", NAT),
            (
                "conntrack",
                "udp 17 20 src=10.244.1.9 dst=10.96.0.10 sport=4000 dport=53 [UNREPLIED] src=10.96.0.10 dst=10.244.1.9 sport=53 dport=4000 use=1\n",
            ),
        ],
        &[("iptables-nft-save", NAT), ("conntrack", "")],
    ),
    (
        Code::ConntrackFull,
        Severity::Error,
        &[(
            "sysctl",
            "net.netfilter.nf_conntrack_count = 65000\nnet.netfilter.nf_conntrack_max = 65536\n",
        )],
        &[(
            "sysctl",
            "net.netfilter.nf_conntrack_count = 650\nnet.netfilter.nf_conntrack_max = 65536\n",
        )],
    ),
    (
        Code::ReusedIp,
        Severity::Error,
        &[(
            "ip-route",
            "10.244.1.5 dev cali0000000000a scope link\n10.244.1.5 dev cali0000000000b scope link metric 5\n",
        )],
        &[(
            "ip-route",
            "10.244.1.5 dev cali0000000000a scope link\n10.244.1.6 dev cali0000000000b scope link\n",
        )],
    ),
    (
        Code::AddressConflict,
        Severity::Warning,
        &[(
            "ip-addr",
            "2: ens3: <UP> mtu 1500\n    inet 192.0.2.10/24 scope global ens3\n3: ens4: <UP> mtu 1500\n    inet 192.0.2.10/24 scope global ens4\n",
        )],
        &[(
            "ip-addr",
            "2: ens3: <UP> mtu 1500\n    inet 192.0.2.10/24 scope global ens3\n3: kube-ipvs0: <UP> mtu 1500\n    inet 192.0.2.10/32 scope global kube-ipvs0\n",
        )],
    ),
    (
        Code::AddressConflict,
        Severity::Error,
        &[(
            "ip-addr",
            "2: ens3: <UP> mtu 1500\n    inet6 2001:db8::1/64 scope global dadfailed tentative\n",
        )],
        &[("ip-addr", "2: ens3: <UP> mtu 1500\n    inet6 2001:db8::1/64 scope global\n")],
    ),
    (
        Code::PortConflict,
        Severity::Warning,
        &[
            ("iptables-nft-save", HOST_PORT),
            ("ss", "tcp LISTEN 0 128 0.0.0.0:8080 0.0.0.0:* users:((\"nginx\",pid=7,fd=3))\n"),
        ],
        &[
            ("iptables-nft-save", HOST_PORT),
            ("ss", "tcp LISTEN 0 128 127.0.0.1:8080 0.0.0.0:* users:((\"nginx\",pid=7,fd=3))\n"),
        ],
    ),
    (
        Code::UplinkIsPrimary,
        Severity::Error,
        &[
            ("ip-addr", LINKS),
            ("ip-route", ROUTES),
            (
                "ovs-vsctl-show",
                "a1b2c3d4-0000-0000-0000-000000000000\n    Bridge br-phys\n        Port ens3\n            Interface ens3\n    ovs_version: \"2.17.9\"\n",
            ),
        ],
        &[
            ("ip-addr", LINKS),
            ("ip-route", ROUTES),
            (
                "ovs-vsctl-show",
                "a1b2c3d4-0000-0000-0000-000000000000\n    Bridge br-phys\n        Port ens4\n            Interface ens4\n    ovs_version: \"2.17.9\"\n",
            ),
        ],
    ),
    (
        Code::FlowRestoreWait,
        Severity::Error,
        &[(
            "ovs-list",
            "_uuid               : a1b2c3d4-0000-0000-0000-000000000000\nother_config        : {flow-restore-wait=\"true\"}\n",
        )],
        &[(
            "ovs-list",
            "_uuid               : a1b2c3d4-0000-0000-0000-000000000000\nother_config        : {}\n",
        )],
    ),
    (
        Code::GatewayStateLost,
        Severity::Error,
        &[("iptables-nft-save", GATEWAY), ("ip-addr", NET1)],
        &[("iptables-nft-save", GATEWAY_WITH_RULES), ("ip-addr", NET1)],
    ),
    (
        Code::DuplicateRoutingRules,
        Severity::Warning,
        &[(
            "ip-rule",
            "0:\tfrom all lookup local\n150:\tfrom all lookup 150 proto 7\n150:\tfrom all lookup 150 proto 8\n32766:\tfrom all lookup main\n",
        )],
        &[(
            "ip-rule",
            "0:\tfrom all lookup local\n150:\tfrom all lookup 150\n32766:\tfrom all lookup main\n",
        )],
    ),
    (
        Code::BridgeNfCallOff,
        Severity::Warning,
        &[
            ("iptables-nft-save", NAT),
            ("ip-addr", LINKS),
            ("sysctl", "net.bridge.bridge-nf-call-iptables = 0\n"),
        ],
        &[
            ("iptables-nft-save", NAT),
            ("ip-addr", LINKS),
            ("sysctl", "net.bridge.bridge-nf-call-iptables = 1\n"),
        ],
    ),
    (
        Code::RpFilterStrict,
        Severity::Warning,
        &[("sysctl", "net.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.lxc1234.rp_filter = 1\n")],
        &[("sysctl", "net.ipv4.conf.all.rp_filter = 2\nnet.ipv4.conf.lxc1234.rp_filter = 1\n")],
    ),
    (
        Code::RouteLocalnet,
        Severity::Info,
        &[("sysctl", "net.ipv4.conf.all.route_localnet = 1\n")],
        &[("sysctl", "net.ipv4.conf.all.route_localnet = 0\n")],
    ),
    (
        Code::ForwardingOff,
        Severity::Error,
        &[("iptables-nft-save", NAT), ("sysctl", "net.ipv4.ip_forward = 0\n")],
        &[("iptables-nft-save", NAT), ("sysctl", "net.ipv4.ip_forward = 1\n")],
    ),
    (
        Code::OverlayMtu,
        Severity::Warning,
        &[(
            "ip-addr",
            "2: ens3: <UP> mtu 1500\n3: flannel.1: <UP> mtu 1500\n    vxlan id 1 local 192.0.2.1 dev ens3 srcport 0 0\n",
        )],
        &[(
            "ip-addr",
            "2: ens3: <UP> mtu 1500\n3: flannel.1: <UP> mtu 1450\n    vxlan id 1 local 192.0.2.1 dev ens3 srcport 0 0\n",
        )],
    ),
    (
        Code::SetFull,
        Severity::Error,
        &[(
            "ipset-save",
            "create s hash:ip family inet hashsize 1024 maxelem 2\nadd s 10.0.0.1\nadd s 10.0.0.2\n",
        )],
        &[(
            "ipset-save",
            "create s hash:ip family inet hashsize 1024 maxelem 65536\nadd s 10.0.0.1\n",
        )],
    ),
    (
        Code::MarkWithoutMasquerade,
        Severity::Error,
        &[("iptables-nft-save", MARKED)],
        &[("iptables-nft-save", MARKED_AND_MASQUERADED)],
    ),
    (
        Code::EmptyChain,
        Severity::Warning,
        &[("iptables-nft-save", SERVICE_WITHOUT_ENDPOINT)],
        &[("iptables-nft-save", NAT)],
    ),
    (
        Code::DropWithoutEstablished,
        Severity::Warning,
        &[(
            "iptables-nft-save",
            "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n",
        )],
        &[(
            "iptables-nft-save",
            "*filter\n:INPUT DROP [0:0]\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n",
        )],
    ),
    (
        Code::DualStackAsymmetry,
        Severity::Warning,
        &[
            (
                "iptables-nft-save",
                "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.244.0.0/16 -m comment --comment \"flanneld masq\" -j MASQUERADE\nCOMMIT\n",
            ),
            ("ip6tables-nft-save", "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"),
            ("ip-addr", "4: cni0: <UP> mtu 1450\n    inet6 fd00:10:244:1::1/64 scope global\n"),
        ],
        &[
            (
                "iptables-nft-save",
                "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.244.0.0/16 -m comment --comment \"flanneld masq\" -j MASQUERADE\nCOMMIT\n",
            ),
            (
                "ip6tables-nft-save",
                "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s fd00:10:244::/56 -m comment --comment \"flanneld masq\" -j MASQUERADE\nCOMMIT\n",
            ),
            ("ip-addr", "4: cni0: <UP> mtu 1450\n    inet6 fd00:10:244:1::1/64 scope global\n"),
        ],
    ),
    (
        Code::IncompatibleNativeRule,
        Severity::Warning,
        &[(
            "nft-list-ruleset",
            "table ip filter {\n\tset bad {\n\t\ttype ipv4_addr\n\t}\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n\t\tip saddr @bad drop\n\t}\n}\n",
        )],
        &[(
            "nft-list-ruleset",
            "table ip own {\n\tset bad {\n\t\ttype ipv4_addr\n\t}\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n\t\tip saddr @bad drop\n\t}\n}\n",
        )],
    ),
    (
        Code::IncompatibleNativeRule,
        Severity::Warning,
        &[(
            "iptables-nft-save",
            "# Table `nat' is incompatible, use 'nft' tool.\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n",
        )],
        &[("iptables-nft-save", "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")],
    ),
    (
        Code::MisreadRule,
        Severity::Warning,
        &[
            ("iptables-nft-save", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n"),
            (
                "nft-list-ruleset",
                "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n\t\tmeta mark & 0x00008000 == 0x00008000 counter packets 0 bytes 0 drop\n\t}\n}\n",
            ),
        ],
        &[
            (
                "iptables-nft-save",
                "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m mark --mark 0x8000/0x8000 -j DROP\nCOMMIT\n",
            ),
            (
                "nft-list-ruleset",
                "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n\t\tmeta mark & 0x00008000 == 0x00008000 counter packets 0 bytes 0 drop\n\t}\n}\n",
            ),
        ],
    ),
    (
        Code::IntervalOverlap,
        Severity::Warning,
        &[(
            "nft-ruleset.json",
            r#"{"nftables":[{"table":{"family":"ip","name":"t"}},{"set":{"family":"ip","table":"t","name":"s","type":"ipv4_addr","flags":["interval"],"elem":[{"prefix":{"addr":"10.0.0.0","len":8}},"10.1.2.3"]}}]}"#,
        )],
        &[(
            "nft-ruleset.json",
            r#"{"nftables":[{"table":{"family":"ip","name":"t"}},{"set":{"family":"ip","table":"t","name":"s","type":"ipv4_addr","flags":["interval"],"elem":[{"prefix":{"addr":"10.0.0.0","len":8}},"11.1.2.3"]}}]}"#,
        )],
    ),
    (
        Code::NplRuleLost,
        Severity::Error,
        &[
            (
                "agent.json",
                r#"{"npl":[{"pod":"a/b","nodePort":61000,"protocol":"tcp","state":"programmed"}]}"#,
            ),
            ("iptables-nft-save", HOST_PORT),
        ],
        &[
            (
                "agent.json",
                r#"{"npl":[{"pod":"a/b","nodePort":8080,"protocol":"tcp","state":"programmed"}]}"#,
            ),
            ("iptables-nft-save", HOST_PORT),
        ],
    ),
    (
        Code::StaleRules,
        Severity::Warning,
        &[
            (
                "iptables-nft-save",
                "*nat\n:POSTROUTING ACCEPT [0:0]\n:FLANNEL-POSTRTG - [0:0]\n-A POSTROUTING -j FLANNEL-POSTRTG\n-A FLANNEL-POSTRTG -s 10.244.0.0/16 -j MASQUERADE\nCOMMIT\n",
            ),
            ("ip-addr", "2: ens3: <UP> mtu 1500\n3: cali0123456789a@if3: <UP> mtu 1480\n"),
        ],
        &[
            (
                "iptables-nft-save",
                "*nat\n:POSTROUTING ACCEPT [0:0]\n:FLANNEL-POSTRTG - [0:0]\n-A POSTROUTING -j FLANNEL-POSTRTG\n-A FLANNEL-POSTRTG -s 10.244.0.0/16 -j MASQUERADE\nCOMMIT\n",
            ),
            (
                "ip-addr",
                "2: ens3: <UP> mtu 1500\n3: cali0123456789a@if3: <UP> mtu 1480\n4: flannel.1: <UP> mtu 1450\n",
            ),
        ],
    ),
    (
        Code::WrongOrder,
        Severity::Warning,
        &[(
            "iptables-nft-save",
            "*nat\n:POSTROUTING ACCEPT [0:0]\n:KUBE-POSTROUTING - [0:0]\n-A POSTROUTING -s 10.244.0.0/16 -d 10.244.0.0/16 -j ACCEPT\n-A POSTROUTING -j KUBE-POSTROUTING\n-A KUBE-POSTROUTING -j MASQUERADE\nCOMMIT\n",
        )],
        &[(
            "iptables-nft-save",
            "*nat\n:POSTROUTING ACCEPT [0:0]\n:KUBE-POSTROUTING - [0:0]\n-A POSTROUTING -j KUBE-POSTROUTING\n-A POSTROUTING -s 10.244.0.0/16 -d 10.244.0.0/16 -j ACCEPT\n-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0\n-A KUBE-POSTROUTING -j MASQUERADE\nCOMMIT\n",
        )],
    ),
    (
        Code::MissingAnchor,
        Severity::Error,
        // the jump is there, behind a verdict that takes every packet
        &[(
            "iptables-nft-save",
            "*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-FORWARD - [0:0]\n-A FORWARD -j REJECT\n-A FORWARD -j KUBE-FORWARD\n-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT\nCOMMIT\n",
        )],
        &[(
            "iptables-nft-save",
            "*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-FORWARD - [0:0]\n-A FORWARD -j KUBE-FORWARD\n-A FORWARD -j REJECT\n-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT\nCOMMIT\n",
        )],
    ),
    (
        Code::ForwardDrop,
        Severity::Error,
        &[(
            "nft-list-ruleset",
            "table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tct state established,related accept\n\t}\n}\ntable ip kube-proxy {\n\tchain nat-prerouting {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\tjump services\n\t}\n}\n",
        )],
        &[(
            "nft-list-ruleset",
            "table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tip saddr 10.244.0.0/16 accept\n\t}\n}\ntable ip kube-proxy {\n\tchain nat-prerouting {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\tjump services\n\t}\n}\n",
        )],
    ),
    (
        Code::PartialRestore,
        Severity::Error,
        &[(
            "iptables-nft-save",
            "*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-FORWARD - [0:0]\n-A FORWARD -j KUBE-FORWARD\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j KUBE-SERVICES\n-A KUBE-SERVICES -d 10.96.0.1/32 -j DNAT --to-destination 10.0.0.1\nCOMMIT\n",
        )],
        &[(
            "iptables-nft-save",
            "*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-FORWARD - [0:0]\n-A FORWARD -j KUBE-FORWARD\n-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j KUBE-SERVICES\n-A KUBE-SERVICES -d 10.96.0.1/32 -j DNAT --to-destination 10.0.0.1\nCOMMIT\n",
        )],
    ),
    // ufw and firewalld make chains that their settings do not use; without them all are leftovers
    (
        Code::OrphanChain,
        Severity::Info,
        &[("iptables-nft-save", UFW_WITHOUT_ITS_JUMP)],
        &[("iptables-nft-save", UFW)],
    ),
    (
        Code::OrphanChain,
        Severity::Info,
        &[("iptables-nft-save", FIREWALLD_WITHOUT_ITS_JUMP)],
        &[("iptables-nft-save", FIREWALLD)],
    ),
    // a family without Services, Pods and ports of hosts
    (
        Code::OrphanChain,
        Severity::Info,
        &[(
            "ip6tables-nft-save",
            "*nat\n:KUBE-MARK-MASQ - [0:0]\n-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\nCOMMIT\n",
        )],
        &[("ip6tables-nft-save", NOTHING_TO_SERVE)],
    ),
];

#[test]
fn each_check_finds_its_broken_state_and_leaves_the_healthy_twin_alone() {
    for (number, (code, severity, broken, healthy)) in CASES.iter().enumerate() {
        let report = doctor::run(&dumps::of_files(broken));
        let found = report.findings.iter().any(|f| f.code == *code && f.severity == *severity);
        assert!(found, "case {number}: no {severity:?} {code}: {report:#?}");
        let report = doctor::run(&dumps::of_files(healthy));
        let found: Vec<_> = report.findings.iter().filter(|f| f.code == *code).collect();
        assert!(found.is_empty(), "case {number}: {found:#?}");
    }
}

#[test]
fn a_check_that_cannot_look_is_skipped_and_not_passed() {
    let report = doctor::run(&dumps::of_files(&[("ip-addr", LINKS)]));
    let skipped = |code| report.skipped.iter().any(|skip| skip.code == Some(code));
    for code in [Code::DuplicateRules, Code::ConntrackFull, Code::FlowRestoreWait, Code::LockHeld] {
        assert!(skipped(code) && !report.checked.contains(&code), "{code}");
    }
    assert!(report.checked.contains(&Code::IpOnEnslavedNic));
}

#[test]
fn the_report_is_the_json_that_scripts_know() {
    let report = doctor::run(&dumps::of_files(&[("iptables-nft-save", MARKED)]));
    let json = serde_json::to_value(&report).unwrap();
    let finding = &json["findings"][0];
    for key in ["code", "severity", "subject", "message", "evidence", "advice", "fixable"] {
        assert!(finding.get(key).is_some(), "{key}");
    }
    assert!(json["checked"].as_array().unwrap().iter().all(serde_json::Value::is_string));
    assert!(json["skipped"][0].get("code").is_some() && json["skipped"][0].get("why").is_some());
}

#[test]
fn at_least_forty_checks_look_at_every_rule_code_of_the_contract() {
    let report = doctor::run(&dumps::of_files(&[("ip-addr", LINKS)]));
    let mut asked: Vec<Code> = report.checked.clone();
    asked.extend(report.skipped.iter().filter_map(|skip| skip.code));
    let slugs: Vec<&str> = asked.iter().map(|code| code.as_str()).collect();
    for slug in [
        "split-backends",
        "duplicate-rules",
        "stale-rules",
        "missing-anchor",
        "wrong-order",
        "shadowed-rule",
        "npl-rule-lost",
        "dangling-dnat",
        "gateway-state-lost",
        "flow-restore-wait",
        "uplink-is-primary",
        "ip-on-enslaved-nic",
        "forward-drop",
        "dual-stack-asymmetry",
        "lock-held",
        "incompatible-native-rule",
        "set-full",
        "legacy-without-binary",
        "stale-conntrack",
        "reused-ip",
        "address-conflict",
        "port-conflict",
    ] {
        assert!(slugs.contains(&slug), "{slug}");
    }
    assert!(asked.len() >= 40, "{}", asked.len());
}

#[test]
fn what_gives_no_snapshot_says_which_file_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let error = doctor::assemble::from_paths(&[folder.path().join("none")]).unwrap_err();
    assert!(error.to_string().contains("none cannot be read"), "{error}");
    std::fs::write(folder.path().join("letter"), "dear reader,\n").unwrap();
    let error = doctor::assemble::from_paths(&[folder.path()]).unwrap_err();
    assert!(error.to_string().contains("letter line 1: not understood"), "{error}");
}
