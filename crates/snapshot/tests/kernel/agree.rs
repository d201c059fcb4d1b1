//! Rules of both backends, sets, sockets, conntrack, sysctls: what the tools say.

use std::net::{TcpListener, UdpSocket};

use doctor::snapshot::Part;
use xt::{Backend, Family};

use crate::support::{Node, assembled, known};

const RULES: &str = "*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:WEB - [0:0]
-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 80 -m comment --comment \"a b\" -j WEB
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A WEB -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d 192.0.2.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.0.0.5:53
COMMIT
";

#[test]
fn rules_of_every_backend_and_family_are_what_save_prints() {
    let node = Node::new();
    let six = RULES
        .replace("10.0.0.0/8", "fd00::/8")
        .replace("192.0.2.1/32", "fd01::1/128")
        .replace("10.0.0.5:53", "[fd00::5]:53");
    node.tool("iptables-legacy-restore", RULES);
    node.tool("ip6tables-legacy-restore", &six);
    node.tool("iptables-nft-restore", RULES);
    node.tool("ip6tables-nft-restore", &six);
    let live = node.look();
    for (backend, family, tool) in [
        (Backend::Legacy, Family::V4, "iptables-legacy-save"),
        (Backend::Legacy, Family::V6, "ip6tables-legacy-save"),
        (Backend::NftCompat, Family::V4, "iptables-nft-save"),
        (Backend::NftCompat, Family::V6, "ip6tables-nft-save"),
    ] {
        let printed = node.tool(tool, "");
        let dumped = assembled(tool, &printed);
        let (live, dumped) =
            (known(live.rules.of(backend, family)), known(dumped.rules.of(backend, family)));
        assert_eq!(live.rule_count(), 4, "{tool}");
        for table in &dumped.tables {
            let of_live = live.table(&table.name).unwrap();
            for chain in &table.chains {
                let rules = &of_live.chain(&chain.name).unwrap().rules;
                assert_eq!(rules.len(), chain.rules.len());
                let same =
                    rules.iter().zip(&chain.rules).all(|(one, other)| one.says_the_same(other));
                assert!(same, "{tool} {}", chain.name);
            }
        }
    }
    let tables = known(&live.legacy_tables);
    assert_eq!((tables.v4.len(), tables.v6.len()), (2, 2));
    // the same tables of nf_tables as nft sees them
    let of_nft = known(&live.nft).table("ip", "filter").unwrap();
    assert!(of_nft.is_of_iptables());
    assert_eq!(of_nft.chain("INPUT").unwrap().rules.len(), 2);
}

#[test]
fn sets_of_ipset_are_what_ipset_saves() {
    let node = Node::new();
    node.tool(
        "ipset restore",
        "create a hash:ip,port maxelem 100
add a 10.0.0.1,tcp:80
add a 10.0.0.2,udp:53
create b hash:net,iface
add b 10.0.0.0/8,eth0
create c bitmap:port range 1-100
add c 5
create d list:set
add d a
create e hash:ip family inet6
add e fd00::1
create f bitmap:ip,mac range 10.0.0.0/24
add f 10.0.0.5,02:00:00:00:00:01
create g hash:ip maxelem 5000
",
    );
    let many: Vec<String> =
        (0..3_000).map(|n| format!("add g 10.1.{}.{}", n / 250, n % 250)).collect();
    node.tool(
        "ipset restore",
        &(many.join(
            "
",
        ) + "
"),
    );
    let live = node.look_with(snapshot::Options {
        limits: snapshot::Limits { elements: 2_000, ..snapshot::Limits::default() },
        ..snapshot::Options::default()
    });
    let dumped = assembled("ipset-save.txt", &node.tool("ipset save", ""));
    let mut live = known(&live.ipsets).clone();
    let mut dumped = known(&dumped.ipsets).clone();
    let big = live.iter_mut().find(|set| set.name == "g").unwrap();
    assert_eq!((big.count, big.elements.len(), big.limit), (3_000, 2_000, Some(5_000)));
    big.elements.clear();
    assert_eq!(live.iter().find(|set| set.name == "a").unwrap().references, Some(1));
    for set in live.iter_mut().chain(&mut dumped) {
        // only the kernel tells
        set.references = None;
        set.elements.sort();
        if set.name == "g" {
            set.elements.clear();
        }
    }
    live.sort_by(|one, other| one.name.cmp(&other.name));
    dumped.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(live, dumped);
}

#[test]
fn sockets_that_listen_are_there_with_their_process() {
    let node = Node::new();
    node.each("ip", "link set lo up");
    let (tcp, six, udp) = node
        .0
        .run(|| {
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            let six = TcpListener::bind("[::]:0").unwrap();
            (tcp, six, UdpSocket::bind("127.0.0.1:0").unwrap())
        })
        .unwrap();
    let live = node.look();
    let listeners = known(&live.listeners);
    let found = |protocol: &str, port: u16| {
        listeners.iter().find(|one| one.protocol == protocol && one.port == port).unwrap()
    };
    let of_tcp = found("tcp", tcp.local_addr().unwrap().port());
    assert_eq!(of_tcp.address, Some("127.0.0.1".parse().unwrap()));
    let own = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert_eq!(of_tcp.process.as_deref(), Some(own.trim()));
    assert_eq!(found("tcp", six.local_addr().unwrap().port()).address, None);
    found("udp", udp.local_addr().unwrap().port());
    assert_eq!(listeners.len(), 3);
}

#[test]
fn flows_of_udp_that_are_translated_or_not_answered_are_told_and_all_are_counted() {
    use nfnl::conntrack::{Entry, Tuple};
    let node = Node::new();
    node.each("ip", "link set lo up");
    let rule = "udp dport 53 dnat to 127.0.0.1:1053";
    let hook = "type nat hook output priority -100; policy accept;";
    node.tool("nft -f -", &format!("table ip t {{\nchain c {{\n{hook}\n{rule}\n}}\n}}\n"));
    node.0
        .run(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.send_to(b"?", "127.0.0.9:53").unwrap();
            socket.send_to(b"?", "127.0.0.9:54").unwrap();
            // one that is answered is of nobody's interest
            let server = UdpSocket::bind("127.0.0.8:55").unwrap();
            socket.send_to(b"?", "127.0.0.8:55").unwrap();
            let (_, from) = server.recv_from(&mut [0; 8]).unwrap();
            server.send_to(b"!", from).unwrap();
            let ip = |last: u8| std::net::IpAddr::from([10, 0, 0, last]);
            let tcp = Entry::new(Tuple::new(6, ip(1), 4_002, ip(2), 80), 300);
            nfnl::Socket::open().unwrap().conntrack_insert(&[tcp]).unwrap();
        })
        .unwrap();
    let live = node.look();
    let conntrack = known(&live.conntrack);
    assert_eq!(conntrack.count, 4);
    assert!(conntrack.limit.is_some());
    let printed = node.tool("conntrack -L -p udp", "");
    let dumped = assembled("conntrack.txt", &printed);
    let dumped = &known(&dumped.conntrack).flows;
    assert_eq!(dumped.len(), 3, "{printed}");
    let [flow, past] = conntrack.flows.as_slice() else { panic!("{:?}", conntrack.flows) };
    for flow in [flow, past] {
        let other = dumped.iter().find(|other| other.original == flow.original).unwrap();
        assert_eq!((flow.reply, flow.replied), (other.reply, other.replied));
    }
    assert_eq!((past.original.destination_port, past.replied), (Some(54), false));
    assert_eq!((flow.original.destination_port, flow.reply.source_port), (Some(53), Some(1_053)));
}

#[test]
fn sysctls_are_those_of_the_namespace_and_named_as_sysctl_names_them() {
    let node = Node::new();
    node.each("ip", "link add d0.7 type ifb");
    node.each("sysctl", "-w net.ipv4.ip_forward=1\n-w net.ipv4.conf.d0/7.rp_filter=2");
    let live = node.look();
    let printed = node.tool(
        "sysctl net.ipv4.ip_forward net.ipv4.conf.d0/7.rp_filter net.ipv4.ip_local_port_range",
        "",
    );
    for line in printed.lines() {
        let (name, value) = line.split_once(" = ").unwrap();
        assert_eq!(known(&live.sysctls)[name], value.replace('\t', " "));
    }
    assert_eq!(live.sysctl("net.ipv4.conf.d0/7.rp_filter"), Some(2));
    for name in
        ["net.ipv4.conf.all.route_localnet", "net.ipv6.conf.all.forwarding", "kernel.hostname"]
    {
        assert!(known(&live.sysctls).contains_key(name), "{name}");
    }
    assert!(!matches!(&live.sysctls, Part::Absent(_)));
}
