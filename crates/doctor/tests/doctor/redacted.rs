//! Nothing that identifies the node is left in a redacted snapshot, however it is written there; the
//! same is found in it, and two of them can be compared.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use doctor::Snapshot;
use proptest::prelude::*;

use crate::dumps;

/// What must not be told.
#[derive(Debug, Clone)]
struct Identity {
    short: String,
    domain: String,
    mac: [u8; 6],
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    token: String,
}

fn identity() -> impl Strategy<Value = Identity> {
    let name = "[b-z][a-z]{1,3}[0-9][a-z0-9]{2,6}(-[a-z0-9]{1,5})?";
    let numbers = (any::<u32>(), any::<u16>(), 1..255_u8, 2..250_u8, any::<[u8; 16]>());
    (name, "[a-z]{4,9}\\.(org|net|example)", numbers, "[A-Za-z0-9]{20}").prop_map(
        |(short, domain, (mac, more, c, d, six), token)| {
            let [m0, m1, m2, m3] = mac.to_be_bytes();
            let [m4, m5] = more.to_be_bytes();
            let mac = [m0 & 0xfc | 0x04, m1, m2, m3, m4, m5 | 1];
            let mut v6 = six;
            v6[..4].copy_from_slice(&[0x2a, 0x01, six[2] | 1, six[3]]);
            v6[11] |= 1;
            v6[12] &= 0x7f;
            let v4 = Ipv4Addr::new(172, 16 | c & 15, c, d);
            Identity { short, domain, mac, v4, v6: v6.into(), token: format!("eyJ{token}") }
        },
    )
}

fn hex(bytes: &[u8]) -> String {
    xt::Hex(bytes.to_vec()).to_string()
}

impl Identity {
    fn mac(&self, between: &str) -> String {
        self.mac.map(|byte| format!("{byte:02x}")).join(between)
    }

    fn eui64(&self) -> Ipv6Addr {
        let m = self.mac;
        let low = [m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]];
        Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(u64::from_be_bytes(low)))
    }

    /// Ways to write parts of it into a text.
    fn written(&self) -> Vec<String> {
        let Self { short, domain, v4, v6, token, .. } = self;
        let reversed: Vec<String> = v4.octets().iter().rev().map(u8::to_string).collect();
        let mut back = v4.octets();
        back.reverse();
        vec![
            short.clone(),
            format!("{short}.{domain}"),
            short.to_uppercase(),
            format!("etcd-{short}x"),
            domain.clone(),
            hex(short.as_bytes()),
            hex(short.to_uppercase().as_bytes()).to_uppercase(),
            hex(format!("{short}.{domain}").as_bytes()),
            self.mac(":"),
            format!("{}.", self.mac(":").to_uppercase()),
            self.mac("-"),
            self.mac(""),
            self.eui64().to_string(),
            v4.to_string(),
            format!("x{v4}."),
            format!("{v4}:80"),
            format!("::ffff:{v4}"),
            format!("64:ff9b::{v4}"),
            hex(&v4.octets()),
            hex(&back),
            v4.to_string().replace('.', "-"),
            format!("{}.in-addr.arpa", reversed.join(".")),
            v6.to_string(),
            hex(&v6.octets()),
            v6.segments().map(|part| format!("{part:04x}")).join(":"),
            token.clone(),
            hex(token.as_bytes()),
            format!("password={token}"),
        ]
    }

    /// What must not be found in any text, in lower case.
    fn traces(&self) -> Vec<String> {
        let Self { short, domain, v4, v6, token, .. } = self;
        let mut traces = vec![short.clone(), domain.clone(), token.to_lowercase(), v4.to_string()];
        let long = format!("{short}.{domain}");
        traces.extend([short, domain, &long, token].map(|text| hex(text.as_bytes())));
        traces.push(hex(short.to_uppercase().as_bytes()));
        traces.extend([":", "-", ""].map(|between| self.mac(between)));
        let eui = self.eui64().segments();
        traces.push(eui[4..].iter().map(|part| format!("{part:x}")).collect::<Vec<_>>().join(":"));
        let mut back = v4.octets();
        back.reverse();
        traces.extend([hex(&v4.octets()), hex(&back), v4.to_string().replace('.', "-")]);
        traces.push(back.map(|octet| octet.to_string()).join(".") + ".in-addr");
        traces.extend([v6.to_string(), hex(&v6.octets())]);
        traces
    }
}

/// A node with this identity written wherever somebody can write something.
fn node(identity: &Identity, picks: &[usize]) -> Snapshot {
    let written = identity.written();
    let pick = |number: usize| written[picks[number % picks.len()] % written.len()].as_str();
    let Identity { short, domain, v4, v6, .. } = identity;
    let mut save = String::from("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n");
    writeln!(save, ":K-{short}-chain - [0:0]\n-A FORWARD -j K-{short}-chain").unwrap();
    writeln!(save, "-A FORWARD -i {short} -j ACCEPT\n-A INPUT -s {v4}/32 -j DROP").unwrap();
    for number in 0..written.len() {
        let text = pick(number);
        writeln!(save, "-A INPUT -m comment --comment \"a {text} b\" -j ACCEPT").unwrap();
        writeln!(save, "-A INPUT -m comment --comment \"a{text}b\" -j LOG --log-prefix \"{text}\"")
            .unwrap();
        writeln!(
            save,
            "-A INPUT -m unheard --of {text} -m set --match-set s{text} src -j UNHEARD --of {text}"
        )
        .unwrap();
    }
    save.push_str("COMMIT\n");
    let mut nft = format!(
        "table inet t-{short} {{\n\tset s {{\n\t\ttype ipv4_addr\n\t\telements = {{ {v4} }}\n\t}}\n\tchain c {{\n"
    );
    for number in 0..written.len() {
        let text = pick(number + 7);
        writeln!(nft, "\t\tip saddr {v4} accept comment \"{text}\"\n\t\t@ll,0,48 0x{text} drop")
            .unwrap();
    }
    nft.push_str("\t}\n}\n");
    let mac = identity.mac(":");
    let addr = format!(
        "1: lo: <LOOPBACK,UP> mtu 65536\n2: eth0: <BROADCAST,UP> mtu 1500 state UP\n    link/ether {mac} brd ff:ff:ff:ff:ff:ff\n    \
         inet {v4}/24 scope global eth0\n    inet6 {v6}/64 scope global\n    inet6 {}/64 scope link\n",
        identity.eui64()
    );
    let texts = picks.iter().map(|at| format!("\"k{0}\":\"v{0}\",", written[at % written.len()]));
    let agent =
        format!("{{{}\"npl\":[],\"apiToken\":\"{}\"}}", texts.collect::<String>(), identity.token);
    let files = [
        ("iptables-nft-save", save),
        ("nft-list-ruleset", nft),
        ("ip-addr", addr),
        ("ip-route", format!("default via {v4} dev eth0\n{v4} dev eth0 src {v4}\n")),
        ("ip-neigh", format!("{v4} dev eth0 lladdr {mac} STALE\n")),
        ("ipset-save", format!("create s{short} hash:ip maxelem 9\nadd s{short} {v4}\n")),
        (
            "sysctl",
            format!("kernel.hostname = {short}.{domain}\nnet.ipv4.conf.{short}.forwarding = 1\n"),
        ),
        ("agent.json", agent),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
    let mut snapshot = dumps::of_files(&files);
    snapshot.node = Some(format!("{short}.{domain}"));
    // the kernel has extensions that nobody here has a type for
    let bytes = |at: usize| {
        let text = pick(at).bytes().chain([0]).chain(v4.octets()).chain(identity.mac);
        let text = text.chain(v6.octets()).chain(short.bytes());
        xt::Hex(text.collect())
    };
    if let doctor::Part::Known(rules) = &mut snapshot.rules.nft_v4 {
        let rule = &mut rules.tables[0].chains[0].rules[0];
        rule.matches.push(xt::Match::Unknown { name: "x".into(), revision: 0, bytes: bytes(3) });
        rule.target = Some(xt::Target::Unknown { name: "Y".into(), revision: 1, bytes: bytes(5) });
    }
    snapshot
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_of_the_node_is_left(
        identity in identity(),
        picks in proptest::collection::vec(0..1_000_usize, 28),
        salt in any::<u64>(),
    ) {
        let node = node(&identity, &picks);
        let redacted = node.redacted(salt).unwrap();
        let text = serde_json::to_string(&redacted).unwrap().to_lowercase();
        for trace in identity.traces() {
            let at = text.find(&trace);
            let around = at.map(|at| text.get(at.saturating_sub(60)..(at + 90).min(text.len())));
            prop_assert!(at.is_none(), "{trace}: {around:?}\n{identity:?}");
        }
        // it is still a snapshot, of as many rules
        let back: Snapshot = serde_json::from_str(&serde_json::to_string(&redacted).unwrap()).unwrap();
        prop_assert_eq!(&back, &redacted);
        let count = |snapshot: &Snapshot| snapshot.rules.nft_v4.known().unwrap().rule_count();
        prop_assert_eq!(count(&back), count(&node));
        prop_assert!(doctor::diff::diff(&redacted, &node.redacted(salt).unwrap()).is_empty());
    }
}

#[test]
fn the_same_is_found_and_two_redacted_snapshots_differ_in_what_differs() {
    let codes = |snapshot: &Snapshot| {
        doctor::run(snapshot).findings.into_iter().map(|found| found.code).collect::<BTreeSet<_>>()
    };
    for name in dumps::names() {
        let node = dumps::snapshot(&name);
        let redacted = node.redacted(0x5eed).unwrap();
        assert_eq!(codes(&redacted), codes(&node), "{name}");
        // another salt, another time: what is the node's own does not count
        let again = node.redacted(0x0dd5_a17d).unwrap();
        let diff = doctor::diff::diff(&redacted, &again);
        assert!(diff.is_empty(), "{name}: {}", diff.text());
    }
    let before = dumps::snapshot("r25a-before").redacted(1).unwrap();
    let after = dumps::snapshot("r25b-after-delete-by-position").redacted(2).unwrap();
    let text = doctor::diff::diff(&before, &after).text();
    assert!(text.contains("- -A PREROUTING -j KUBE-SERVICES"), "{text}");
}

#[test]
fn names_of_services_and_words_of_the_system_stay() {
    let mut snapshot = dumps::of_files(&[(
        "iptables-nft-save",
        "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m comment --comment \"vault/token:http cert-manager/web:tls\" -j ACCEPT\nCOMMIT\n",
    )]);
    // a host that is called as a table is
    for name in ["nat", "n1", "a"] {
        snapshot.node = Some(name.to_owned());
        let redacted = snapshot.redacted(3).unwrap();
        let text = serde_json::to_string(&redacted).unwrap();
        assert!(text.contains("vault/token:http cert-manager/web:tls"), "{name}: {text}");
        assert!(redacted.rules.nft_v4.known().unwrap().table("nat").is_some(), "{name}");
    }
}

/// Words of a document: of keys, values, and parts of them.
fn words_of(text: &str) -> BTreeSet<String> {
    let letter = |c: char| c.is_ascii_alphanumeric();
    let whole = text.split(|c: char| !letter(c) && !"-_.".contains(c));
    let parts = text.split(|c: char| !letter(c));
    let parts_of_parts = parts.clone().map(|word| word.get(..3).unwrap_or(word));
    whole.chain(parts).chain(parts_of_parts).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// A snapshot of a node that is called so.
fn called(name: &str, of: &Snapshot) -> Snapshot {
    let mut node = of.clone();
    node.node = Some(name.to_owned());
    if let doctor::Part::Known(sysctls) = &mut node.sysctls {
        sysctls.insert("kernel.hostname".to_owned(), name.to_owned());
    }
    node
}

fn found(snapshot: &Snapshot) -> Vec<(String, String)> {
    let found = doctor::run(snapshot).findings.into_iter();
    found.map(|found| (found.code.to_string(), format!("{:?}", found.severity))).collect()
}

#[test]
fn a_node_that_is_called_by_a_word_of_the_format_or_of_a_system_is_diagnosed_as_it_was() {
    let words = "v4 v6 nft docker kube eth0 eth filter tcp udp info nat known absent user builtin accept \
        cali flannel cni0 cni veth br0 node host 1 10 80 a cafe fd00 10.0.0.1 main default kernel rule chain \
        kubernetes services postrouting forward FORWARD conn masq KUBE-SERVICES kube-proxy comment drop \
        docker0 iptables set true false null legacy nft-compat whole text name port ports label";
    for name in dumps::names() {
        let node = dumps::snapshot(&name);
        let before = found(&node);
        for word in words.split_ascii_whitespace() {
            let redacted =
                called(word, &node).redacted(7).unwrap_or_else(|e| panic!("{word}: {e}"));
            assert_eq!(found(&redacted), before, "{name} of a node called {word}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_word_of_its_own_a_node_is_called_by_the_same_is_found(
        dump in any::<prop::sample::Index>(),
        word in any::<prop::sample::Index>(),
        salt in any::<u64>(),
    ) {
        let name = &dumps::names()[dump.index(dumps::names().len())];
        let node = dumps::snapshot(name);
        let words: Vec<String> =
            words_of(&serde_json::to_string(&node).unwrap()).into_iter().collect();
        let word = &words[word.index(words.len())];
        let redacted = called(word, &node).redacted(salt);
        prop_assert!(redacted.is_ok(), "{name} of a node called {word}: {redacted:?}");
        prop_assert_eq!(found(&redacted.unwrap()), found(&node), "{} of a node called {}", name, word);
    }
}

#[test]
fn a_name_that_is_a_word_goes_where_it_stands_alone_in_what_is_written_for_people() {
    let text = "*filter\n:INPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n-A INPUT -j DOCKER\n\
        -A INPUT -i docker -m comment --comment \"of docker: a/docker:web\" -j LOG --log-prefix \"docker \"\n\
        COMMIT\n";
    let node = called(
        "docker",
        &dumps::of_files(&[
            ("iptables-nft-save", text),
            ("sysctl", "kernel.hostname = docker\n"),
            ("agent.json", "{\"node\":\"docker\",\"npl\":[]}"),
        ]),
    );
    let redacted = node.redacted(1).unwrap();
    let told = serde_json::to_string(&redacted).unwrap();
    assert!(told.contains("of node: a/docker:web") && told.contains("\"node \""), "{told}");
    assert!(told.contains("{\"node\":\"node\"") || told.contains("\"node\":\"node\""), "{told}");
    assert!(told.contains("\"kernel.hostname\":\"node\""), "{told}");
    // the chain of a system, and a link
    let table = redacted.rules.nft_v4.known().unwrap().table("filter").unwrap();
    assert!(table.chain("DOCKER").is_some());
}
