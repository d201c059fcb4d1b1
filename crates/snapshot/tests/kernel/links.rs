//! Links, addresses, routes, routing rules, neighbours: the same as `ip -j` says.

use std::time::{Duration, Instant};

use doctor::snapshot::{Route, Snapshot};

use crate::support::{Node, assembled, known};

fn furnished() -> Node {
    let node = Node::new();
    node.each(
        "ip",
        "link set lo up
         link add br0 type bridge
         link add v0 type veth peer name v1
         link add d0 mtu 1400 type ifb
         link add vx type vxlan id 5 dev d0 dstport 4789
         link set v0 master br0
         link property add dev d0 altname other
         link set br0 up
         link set v0 up
         link set v1 up
         link set d0 up
         addr add 10.0.0.1/24 dev br0
         addr add 10.0.0.2/24 dev br0
         addr add fd00::1/64 dev br0 nodad
         addr add 10.9.0.1 peer 10.9.0.2/32 dev d0
         route add default via 10.0.0.254
         route add 10.5.0.0/16 via 10.0.0.253 metric 50 src 10.0.0.1
         route add blackhole 10.6.0.0/16 proto bird
         route add 10.7.0.0/16 nexthop via 10.0.0.3 dev br0 nexthop via 10.0.0.4 dev br0
         route add 10.8.0.0/16 dev d0 table 100
         -6 route add default via fd00::ff
         -6 route add unreachable fd05::/64
         rule add fwmark 0x200/0xf00 lookup 100 priority 100
         rule add from 10.0.0.0/8 to 10.1.2.3 iif br0 lookup 200 priority 200
         rule add not from all fwmark 0x1 lookup main suppress_prefixlength 0 priority 300
         rule add ipproto tcp dport 80-90 sport 5 oif nosuch lookup 7 priority 400
         rule add from 10.3.0.0/16 unreachable priority 500
         rule add goto 32766 priority 600
         -6 rule add from fd00::/8 uidrange 0-100 lookup 100 priority 700
         neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev br0
         neigh add fd00::9 lladdr 02:00:00:00:00:0a nud stale dev br0",
    );
    node
}

fn by_ip(node: &Node, args: &str, name: &str) -> Snapshot {
    assembled(name, &node.tool(&format!("ip -j {args}"), ""))
}

#[test]
fn links_and_addresses_are_those_of_ip() {
    let node = furnished();
    let live = node.look();
    let links = known(&live.links);
    let dumped = by_ip(&node, "-d addr show", "ip-addr.json");
    let dumped = known(&dumped.links);
    assert_eq!(links.len(), dumped.len());
    for (live, dumped) in links.iter().zip(dumped) {
        assert_eq!(live.name, dumped.name);
        assert_eq!(
            (&live.kind, &live.master, live.mtu),
            (&dumped.kind, &dumped.master, dumped.mtu),
            "{}",
            live.name
        );
        assert_eq!((&live.mac, &live.flags), (&dumped.mac, &dumped.flags), "{}", live.name);
        assert_eq!(live.other_names, dumped.other_names);
        let addresses = |link: &doctor::snapshot::Link| {
            link.addresses.iter().map(|a| (a.prefix.address, a.scope.clone())).collect::<Vec<_>>()
        };
        assert_eq!(addresses(live), addresses(dumped));
    }
    let of = |name: &str| links.iter().find(|link| link.name == name).unwrap();
    assert_eq!(of("v0").master.as_deref(), Some("br0"));
    assert_eq!(of("v0").lower.as_deref(), Some("v1"));
    assert_eq!(of("vx").lower.as_deref(), Some("d0"));
    assert_eq!(of("d0").other_names, ["other"]);
    assert!(of("br0").addresses[1].flags.contains(&"secondary".to_owned()));
}

#[test]
fn routes_of_all_tables_are_those_of_ip() {
    let node = furnished();
    let sorted = |snapshot: &Snapshot| {
        let mut routes = known(&snapshot.routes).clone();
        for route in &mut routes {
            // old versions of ip leave out what others print
            route.flags.clear();
            if route.family == xt::Family::V6 {
                route.metric = None;
            }
        }
        routes.sort();
        routes
    };
    // the kernel goes on adding routes of IPv6 for a while
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let live = sorted(&node.look());
        let dumped = sorted(&by_ip(&node, "route show table all", "ip-route.json"));
        if live == dumped {
            assert!(live.len() > 20 && live.iter().any(|route| route.links.len() == 2));
            break;
        }
        let only = |one: &[Route], other: &[Route]| {
            one.iter().filter(|route| !other.contains(route)).cloned().collect::<Vec<_>>()
        };
        let (live, dumped) = (only(&live, &dumped), only(&dumped, &live));
        assert!(Instant::now() < end, "here {live:?}\nip {dumped:?}");
    }
}

#[test]
fn routing_rules_are_those_of_ip() {
    let node = furnished();
    let live = node.look();
    for (part, args) in
        [(&live.routing_rules.v4, "rule show"), (&live.routing_rules.v6, "-6 rule show")]
    {
        let texts: Vec<String> = known(part)
            .iter()
            .map(|rule| format!("{}:\t{} {}", rule.priority, rule.asks, rule.does))
            .collect();
        let printed = node.tool(&format!("ip {args}"), "");
        let printed: Vec<&str> =
            printed.lines().map(|line| line.split(" proto ").next().unwrap().trim()).collect();
        assert_eq!(texts, printed);
    }
}

#[test]
fn neighbours_are_those_of_ip() {
    let node = furnished();
    let live = node.look();
    let mut live = known(&live.neighbours).clone();
    let dumped = by_ip(&node, "neigh show", "ip-neigh.json");
    let mut dumped = known(&dumped.neighbours).clone();
    for all in [&mut live, &mut dumped] {
        all.sort_by_key(|neighbour| neighbour.address);
    }
    assert!(live.len() >= 2);
    assert_eq!(live, dumped);
}
