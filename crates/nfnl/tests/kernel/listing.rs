//! What is created is what `nft` lists, and what is read back is what was created.

use nfnl::{
    BaseChain, Batch, Chain, DataType, Element, ElementRef, Expr, Family, Hook, Policy, Rule, Set,
    SetFlags, Socket, Stateful, StatefulData, Table, TableFlags, TypeSpec, Value, Verdict,
    consts::{NFPROTO_IPV4, NFPROTO_IPV6, NFT_OBJECT_COUNTER},
    expr::{
        Bitwise, Cmp, Counter, Ct, CtKey, Dynset, DynsetOp, Fib, Flags, Immediate, Limit,
        LimitType, Log, Lookup, Masq, Meta, MetaKey, Nat, Notrack, Numgen, NumgenType, Objref,
        Payload, Quota, Register, Reject, RejectType,
    },
    userdata,
};

use crate::support::{in_fresh_netns, nft, nft_json};

const T: &str = "netkeep";
const R1: Register = Register::R1;

fn service_types() -> (TypeSpec, TypeSpec, TypeSpec) {
    let (v4, v6) = (DataType::IPV4_ADDR, DataType::IPV6_ADDR);
    let service = DataType::INET_SERVICE;
    (
        TypeSpec::concat(&[DataType::INET_PROTO, service]),
        TypeSpec::concat(&[v4, service]),
        TypeSpec::concat(&[v6, service]),
    )
}

fn family_guard(number: u8) -> [Expr; 2] {
    [Meta::load(MetaKey::NfProto, R1).into(), Cmp::eq(R1, [number]).into()]
}

/// `fib daddr type local dnat … to meta l4proto . th dport map @…`
fn dnat_by_map(family: u8, map: &str, port: Register) -> Vec<Expr> {
    vec![
        Fib::daddr_type(R1).into(),
        Cmp::eq(R1, 2_u32.to_ne_bytes()).into(),
        Meta::load(MetaKey::L4Proto, R1).into(),
        Payload::th_dport(Register::word(1)).into(),
        Lookup::map(map, R1, R1).into(),
        Nat::dnat(family, R1, Some(port)).into(),
    ]
}

fn npl_rules() -> Vec<Rule> {
    let rule = |chain: &str, e: Vec<Expr>| Rule::new(Family::Inet, T, chain, e);
    let mut v4 = family_guard(NFPROTO_IPV4).to_vec();
    v4.push(Payload::load(nfnl::expr::PayloadBase::Network, 16, 1, R1).into());
    v4.push(Cmp::neq(R1, [127_u8]).into());
    v4.extend(dnat_by_map(NFPROTO_IPV4, "npl4", Register::word(1)));
    let mut hairpin4 = family_guard(NFPROTO_IPV4).to_vec();
    hairpin4.extend([
        Payload::ip_saddr(R1).into(),
        Payload::ip_daddr(Register::word(1)).into(),
        Lookup::set("hairpin4", R1).into(),
        Masq::default().into(),
    ]);
    let mut hairpin6 = family_guard(NFPROTO_IPV6).to_vec();
    hairpin6.extend([
        Payload::ip6_saddr(R1).into(),
        Payload::ip6_daddr(Register::R2).into(),
        Lookup::set("hairpin6", R1).into(),
        Masq::default().into(),
    ]);
    vec![
        rule("npl", v4).with_userdata(userdata::comment("node ports").unwrap()),
        rule("npl", dnat_by_map(NFPROTO_IPV6, "npl6", Register::R2)),
        rule("prerouting", vec![Verdict::Jump("npl".into()).into()]),
        rule("output", vec![Verdict::Jump("npl".into()).into()]),
        rule("postrouting", hairpin4),
        rule("postrouting", hairpin6),
    ]
}

fn sets() -> Vec<Set> {
    let (key, v4, v6) = service_types();
    let pair = |part| TypeSpec::concat(&[part, part]);
    let f = Family::Inet;
    vec![
        Set::map(f, T, "npl4", &key, &v4).with_size(65_536).with_comment("ports").unwrap(),
        Set::map(f, T, "npl6", &key, &v6).with_size(65_536),
        Set::new(f, T, "hairpin4", &pair(DataType::IPV4_ADDR)),
        Set::new(f, T, "hairpin6", &pair(DataType::IPV6_ADDR)),
    ]
}

fn elements() -> [Element; 3] {
    let service =
        |protocol: u8, port: u16| Value::concat(&[&[protocol], &port.to_be_bytes()]).unwrap();
    let v6: std::net::Ipv6Addr = "fd00::1".parse().unwrap();
    let to = |address: &[u8], port: u16| Value::concat(&[address, &port.to_be_bytes()]).unwrap();
    let comment = userdata::comment("ns/pod").unwrap();
    [
        Element::map(service(6, 61_000), to(&[10, 0, 0, 1], 80)).with_userdata(comment),
        Element::map(service(17, 61_001), to(&v6.octets(), 53)),
        Element::new(Value::concat(&[&[10, 0, 0, 1], &[10, 0, 0, 1]]).unwrap()),
    ]
}

fn build(socket: &mut Socket, flags: TableFlags) {
    let f = Family::Inet;
    let mut batch = Batch::new();
    batch.add(&Table::new(f, T).with_flags(flags)).unwrap();
    let base = |hook, priority| BaseChain {
        policy: Some(Policy::Accept),
        ..BaseChain::new("nat", hook, priority)
    };
    let mut npl = Chain::new(f, T, "npl");
    npl.userdata = userdata::comment("all node ports").unwrap();
    batch.add(&npl).unwrap();
    for (name, hook, priority) in [
        ("prerouting", Hook::Prerouting, -110),
        ("output", Hook::Output, -110),
        ("postrouting", Hook::Postrouting, 100),
    ] {
        batch.add(&Chain::new(f, T, name).with_base(base(hook, priority))).unwrap();
    }
    for set in sets() {
        batch.add(&set).unwrap();
    }
    for rule in npl_rules() {
        batch.add(&rule).unwrap();
    }
    let [tcp, udp, hairpin] = elements();
    let sets = sets();
    batch.add_elements(&sets[0].set_id(), [tcp.as_ref()]).unwrap();
    batch.add_elements(&sets[1].set_id(), [udp.as_ref()]).unwrap();
    batch.add_elements(&sets[2].set_id(), [hairpin.as_ref()]).unwrap();
    socket.commit(&mut batch).unwrap();
}

#[test]
fn the_node_port_table_is_listed_by_nft_as_it_was_built() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        build(&mut socket, TableFlags::OWNER | TableFlags::PERSIST);
        let text = nft(&["list", "ruleset"]);
        for expected in [
            "map npl4 {",
            "type inet_proto . inet_service : ipv4_addr . inet_service",
            "type inet_proto . inet_service : ipv6_addr . inet_service",
            "comment \"ports\"",
            "size 65536",
            "elements = { tcp . 61000 comment \"ns/pod\" : 10.0.0.1 . 80 }",
            "elements = { udp . 61001 : fd00::1 . 53 }",
            "type ipv4_addr . ipv4_addr",
            "elements = { 10.0.0.1 . 10.0.0.1 }",
            "comment \"all node ports\"",
            "type nat hook prerouting priority dstnat - 10; policy accept;",
            "type nat hook output priority -110; policy accept;",
            "type nat hook postrouting priority srcnat; policy accept;",
            "jump npl",
            "ip daddr != 127.0.0.0/8 fib daddr type local dnat ip to meta l4proto . th dport map @npl4 \
             comment \"node ports\"",
            "fib daddr type local dnat ip6 to meta l4proto . th dport map @npl6",
            "ip saddr . ip daddr @hairpin4 masquerade",
            "ip6 saddr . ip6 daddr @hairpin6 masquerade",
        ] {
            assert!(text.contains(expected), "missing {expected:?} in\n{text}");
        }
        assert!(!text.contains("unknown"), "{text}");
        let json = nft_json();
        let count = |kind: &str| json.iter().filter(|o| o.get(kind).is_some()).count();
        assert_eq!((count("chain"), count("rule"), count("map"), count("set")), (4, 6, 2, 2));
    });
}

#[test]
fn what_is_read_back_equals_what_was_written() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        build(&mut socket, TableFlags::NONE);
        let content = |r: Rule| (r.chain, r.expressions, r.userdata);
        for chain in ["npl", "prerouting", "output", "postrouting"] {
            let read = socket.rules(Family::Inet, Some(T), Some(chain)).unwrap();
            let written = npl_rules().into_iter().filter(|rule| rule.chain == chain);
            for (read, written) in read.into_iter().map(content).zip(written.map(content)) {
                assert_eq!(read, written);
            }
        }
        let read_sets = socket.sets(Family::Inet, Some(T)).unwrap();
        for written in sets() {
            let read = read_sets.iter().find(|s| s.name == written.name).unwrap();
            assert_eq!(
                (read.key_type, read.key_len, &read.data, read.flags, &read.userdata),
                (
                    written.key_type,
                    written.key_len,
                    &written.data,
                    written.flags,
                    &written.userdata
                )
            );
        }
        let [tcp, ..] = elements();
        assert_eq!(socket.elements(&sets()[0].set_id()).unwrap(), [tcp]);
        let chains = socket.chains(Family::Inet, Some(T)).unwrap();
        let pre = chains.iter().find(|c| c.name == "prerouting").unwrap();
        let base = pre.base.as_ref().unwrap();
        assert_eq!((base.hook, base.priority), (Hook::Prerouting, -110));
        assert_eq!((base.kind.as_str(), base.policy), ("nat", Some(Policy::Accept)));
    });
}

/// One rule for each expression, with what nft prints for it.
fn filter_rules() -> Vec<(Vec<Expr>, &'static str)> {
    let l4 = |number: u8| -> [Expr; 2] {
        [Meta::load(MetaKey::L4Proto, R1).into(), Cmp::eq(R1, [number]).into()]
    };
    let tcp = l4(6);
    let state = vec![
        Ct::load(CtKey::State, R1).into(),
        Bitwise::mask(R1, 6_u32.to_ne_bytes()).into(),
        Cmp::neq(R1, [0_u8; 4]).into(),
        Counter::default().into(),
        Verdict::Accept.into(),
    ];
    let limit = Limit { rate: 5, unit: 1, burst: 10, kind: LimitType::Packets, flags: Flags(1) };
    let log = Log { prefix: Some("x ".into()), level: Some(4), ..Log::default() };
    let group = Log { group: Some(2), snaplen: Some(10), qthreshold: Some(3), ..Log::default() };
    let dynset = Dynset {
        set: "seen".into(),
        set_id: None,
        op: DynsetOp::Update,
        sreg_key: R1,
        sreg_data: None,
        timeout_ms: Some(10_000),
        flags: Flags::default(),
        expression: None,
        expressions: vec![],
    };
    let v4_src = || -> Vec<Expr> {
        [&family_guard(NFPROTO_IPV4)[..], &[Payload::ip_saddr(R1).into()]].concat()
    };
    let numgen = Numgen { dreg: R1, modulus: 2, kind: NumgenType::Random, offset: 1 };
    vec![
        (state, "ct state established,related counter packets 0 bytes 0 accept"),
        (
            vec![limit.into(), log.into(), Verdict::Drop.into()],
            "limit rate over 5/second burst 10 packets log prefix \"x \" drop",
        ),
        (vec![group.into()], "log group 2 snaplen 10 queue-threshold 3"),
        (vec![Reject { kind: RejectType::Icmpx, code: Some(1) }.into()], "reject"),
        (
            [&tcp[..], &[Reject { kind: RejectType::TcpReset, code: Some(0) }.into()]].concat(),
            "meta l4proto tcp reject with tcp reset",
        ),
        (vec![Objref::named(NFT_OBJECT_COUNTER, "hits").into()], "counter name \"hits\""),
        (
            [v4_src(), vec![Objref::map("hitmap", R1).into()]].concat(),
            "counter name ip saddr map @hitmap",
        ),
        (
            vec![numgen.into(), Meta::set(MetaKey::Mark, R1).into()],
            "meta mark set numgen random mod 2 offset 1",
        ),
        (vec![Notrack {}.into()], "notrack"),
        (
            vec![Meta::load(MetaKey::Mark, R1).into(), Ct::set(CtKey::Mark, R1).into()],
            "ct mark set meta mark",
        ),
        ([v4_src(), vec![dynset.into()]].concat(), "update @seen { ip saddr timeout 10s }"),
        (
            vec![Quota { bytes: 1 << 20, flags: Flags(1), consumed: Some(0) }.into()],
            "quota over 1 mbytes",
        ),
        (
            [
                &tcp[..],
                &[
                    Payload::th_dport(R1).into(),
                    Lookup::map("verdicts", R1, Register::VERDICT).into(),
                ],
            ]
            .concat(),
            "tcp dport vmap @verdicts",
        ),
        (
            [v4_src(), vec![Lookup::not_in("ranges", R1).into(), Verdict::Return.into()]].concat(),
            "ip saddr != @ranges return",
        ),
        (
            [
                v4_src(),
                vec![
                    Immediate::value(R1, 7_u32.to_ne_bytes()).into(),
                    Meta::set(MetaKey::Mark, R1).into(),
                ],
            ]
            .concat(),
            "meta mark set 0x00000007",
        ),
    ]
}

fn build_filter(socket: &mut Socket) {
    let f = Family::Inet;
    let mut batch = Batch::new();
    batch.add(&Table::new(f, T)).unwrap();
    let counter = StatefulData::Counter(Counter { bytes: 10, packets: 2 });
    let mut hits = Stateful::new(f, T, "hits", counter);
    hits.userdata = userdata::comment("obj").unwrap();
    batch.add(&hits).unwrap();
    let quota = Quota { bytes: 4096, flags: Flags(1), consumed: None };
    batch.add(&Stateful::new(f, T, "cap", StatefulData::Quota(quota))).unwrap();
    let v4 = TypeSpec::from(DataType::IPV4_ADDR);
    let port = TypeSpec::from(DataType::INET_SERVICE);
    let hitmap = Set::object_map(f, T, "hitmap", &v4, NFT_OBJECT_COUNTER);
    let verdicts = Set::verdict_map(f, T, "verdicts", &port);
    let ranges = Set::new(f, T, "ranges", &v4).with_flags(SetFlags::INTERVAL);
    let both = TypeSpec::concat(&[DataType::IPV4_ADDR, DataType::INET_SERVICE]);
    let boxes = Set::new(f, T, "boxes", &both).with_flags(SetFlags::INTERVAL);
    let mut seen = Set::new(f, T, "seen", &v4).with_flags(SetFlags::TIMEOUT | SetFlags::EVAL);
    seen.timeout_ms = Some(3_600_000);
    seen.gc_interval_ms = Some(300_000);
    seen.size = Some(1024);
    let marks = Set::new(f, T, "marks", &TypeSpec::from(DataType::MARK));
    for set in [&hitmap, &verdicts, &ranges, &boxes, &seen, &marks] {
        batch.add(set).unwrap();
    }
    batch.add(&Chain::new(f, T, "other")).unwrap();
    let base = BaseChain::new("filter", Hook::Input, 0);
    batch.add(&Chain::new(f, T, "input").with_base(base)).unwrap();
    let hit = Element { object: Some("hits".into()), ..Element::new([1_u8, 1, 1, 1]) };
    batch.add_elements(&hitmap.set_id(), [hit.as_ref()]).unwrap();
    let jump = Element::map(80_u16.to_be_bytes(), Verdict::Jump("other".into()));
    let drop = Element::map(81_u16.to_be_bytes(), Verdict::Drop);
    batch.add_elements(&verdicts.set_id(), [jump.as_ref(), drop.as_ref()]).unwrap();
    let (start, end) = (Element::new([10, 0, 0, 0]), Element::interval_end([11, 0, 0, 0]));
    batch.add_elements(&ranges.set_id(), [start.as_ref(), end.as_ref()]).unwrap();
    let (low, high) = ([10, 0, 0, 0, 0, 80, 0, 0], [10, 255, 255, 255, 0, 90, 0, 0]);
    let area = ElementRef { key_end: Some(&high), ..ElementRef::new(&low) };
    batch.add_elements(&boxes.set_id(), [area]).unwrap();
    let timed = ElementRef { timeout_ms: Some(1_800_000), ..ElementRef::new(&[1, 2, 3, 4]) };
    batch.add_elements(&seen.set_id(), [timed]).unwrap();
    batch.add_elements(&marks.set_id(), [ElementRef::new(&5_u32.to_ne_bytes())]).unwrap();
    for (expressions, _) in filter_rules() {
        batch.add(&Rule::new(f, T, "input", expressions)).unwrap();
    }
    socket.commit(&mut batch).unwrap();
}

#[test]
fn every_expression_set_and_object_is_listed_by_nft() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        build_filter(&mut socket);
        let text = nft(&["list", "ruleset"]);
        for (_, expected) in filter_rules() {
            assert!(text.contains(expected), "missing {expected:?} in\n{text}");
        }
        for expected in [
            "comment \"obj\"",
            "packets 2 bytes 10",
            "over 4 kbytes",
            "type ipv4_addr : counter",
            "elements = { 1.1.1.1 : \"hits\" }",
            "type inet_service : verdict",
            "elements = { 80 : jump other, 81 : drop }",
            "elements = { 10.0.0.0/8 }",
            "elements = { 10.0.0.0/8 . 80-90 }",
            "timeout 1h",
            "gc-interval 5m",
            "1.2.3.4 timeout 30m",
            "elements = { 0x00000005 }",
        ] {
            assert!(text.contains(expected), "missing {expected:?} in\n{text}");
        }
        nft_json();
    });
}

#[test]
fn every_expression_is_read_back_typed_and_equal() {
    in_fresh_netns(|| {
        let mut socket = Socket::open().unwrap();
        build_filter(&mut socket);
        let read = socket.rules(Family::Inet, Some(T), Some("input")).unwrap();
        let written = filter_rules();
        assert_eq!(read.len(), written.len());
        for (read, (written, text)) in read.iter().zip(&written) {
            let raw = read.expressions.iter().find(|e| matches!(e, Expr::Raw(_)));
            assert_eq!(raw, None, "{text}");
            let names =
                |list: &[Expr]| list.iter().map(|e| e.name().to_owned()).collect::<Vec<_>>();
            assert_eq!(names(&read.expressions), names(written), "{text}");
        }
        let objects = socket.objects(Family::Inet, Some(T)).unwrap();
        assert_eq!(objects.len(), 2);
        let hits = objects.iter().find(|o| o.name == "hits").unwrap();
        assert_eq!(hits.data, StatefulData::Counter(Counter { bytes: 10, packets: 2 }));
        assert_eq!(userdata::comment_of(&hits.userdata), Some("obj"));
    });
}

#[test]
fn rules_that_nft_writes_are_read_and_written_again_unchanged() {
    in_fresh_netns(|| {
        nft(&["add table inet a; add chain inet a c { type nat hook prerouting priority 0; }; \
             add rule inet a c tcp dport 80 redirect to :8080; \
             add rule inet a c ct state new meta iifname \"eth0\" ip saddr 10.0.0.0/24 \
               tcp dport { 80, 443 } dnat ip to 10.1.1.1-10.1.1.9:80 persistent; \
             add rule inet a c tcp flags & (syn | ack) == syn tcp option maxseg size 500 accept; \
             add rule inet a c meta l4proto tcp ip ttl 5-9 socket transparent 1 accept"]);
        let mut socket = Socket::open().unwrap();
        let rules = socket.rules(Family::Inet, Some("a"), Some("c")).unwrap();
        assert_eq!(rules.len(), 4);
        let raw = rules.iter().flat_map(|r| &r.expressions).filter(|e| matches!(e, Expr::Raw(_)));
        let names: Vec<_> = raw.map(Expr::name).collect();
        assert_eq!(names, ["exthdr", "socket"], "only these are unknown here");
        // anonymous sets belong to their rule and cannot be named by another
        let copies = rules.iter().filter(|r| !r.expressions.iter().any(|e| e.name() == "lookup"));
        let mut batch = Batch::new();
        batch.add(&Table::new(Family::Inet, "b")).unwrap();
        let base = BaseChain::new("nat", Hook::Prerouting, 1);
        batch.add(&Chain::new(Family::Inet, "b", "c").with_base(base)).unwrap();
        let mut written = Vec::new();
        for rule in copies {
            let copy = Rule { table: "b".into(), handle: None, position: None, ..rule.clone() };
            batch.add(&copy).unwrap();
            written.push(copy.expressions);
        }
        socket.commit(&mut batch).unwrap();
        let read = socket.rules(Family::Inet, Some("b"), None).unwrap();
        let read: Vec<_> = read.into_iter().map(|r| r.expressions).collect();
        assert_eq!(read, written);
    });
}
