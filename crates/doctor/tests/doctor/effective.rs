//! Rules that are there and do not work: anchors that ask too much or stand behind others, flushed native
//! chains, drops that come after an accept, links that do not forward, a lock that is held.

use model::{FindingCode as Code, Severity};

use crate::dumps;

/// Messages of findings of a code at a severity.
fn found(files: &[(&str, &str)], code: Code, severity: Severity) -> Vec<String> {
    let report = doctor::run(&dumps::of_files(files));
    let of = |finding: &&model::Finding| finding.code == code && finding.severity == severity;
    let findings = report.findings.iter().filter(of);
    findings.map(|f| format!("{} {} {}", f.subject, f.message, f.evidence.join(" "))).collect()
}

/// A nat table where Services are reached as these rules of PREROUTING say.
fn nat(prerouting: &str) -> String {
    format!(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
         :KUBE-SERVICES - [0:0]\n:KUBE-SVC-A - [0:0]\n:MINE - [0:0]\n:KEEPS - [0:0]\n{prerouting}\
         -A OUTPUT -j KUBE-SERVICES\n\
         -A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m udp --dport 53 -j KUBE-SVC-A\n\
         -A KUBE-SERVICES -d 10.96.0.11/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-A\n\
         -A KUBE-SVC-A -p udp -j DNAT --to-destination 10.244.1.5:53\nCOMMIT\n"
    )
}

#[test]
fn an_anchor_that_asks_something_or_stands_behind_a_verdict_is_found() {
    for (prerouting, says) in [
        ("-A PREROUTING -i eth0 -j KUBE-SERVICES\n", "only some packets of PREROUTING"),
        ("-A PREROUTING -d 10.96.0.10/32 -j KUBE-SERVICES\n", "only some packets"),
        ("-A PREROUTING -m limit --limit 5/min -j KUBE-SERVICES\n", "only some packets"),
        ("-A PREROUTING -p tcp -j KUBE-SERVICES\n", "only some packets"),
        ("-A PREROUTING -m mark --mark 0x1 -j KUBE-SERVICES\n", "only some packets"),
        (
            "-A PREROUTING -m conntrack --ctstate ESTABLISHED -j KUBE-SERVICES\n",
            "only some packets",
        ),
        ("-A PREROUTING -j MINE\n-A MINE -s 10.0.0.0/8 -j KUBE-SERVICES\n", "only some packets"),
        // no packet comes back from before it
        ("-A PREROUTING -j RETURN\n-A PREROUTING -j KUBE-SERVICES\n", "takes every packet"),
        ("-A PREROUTING -g MINE\n-A PREROUTING -j KUBE-SERVICES\n", "takes every packet"),
        (
            "-A PREROUTING -j KEEPS\n-A PREROUTING -j KUBE-SERVICES\n-A KEEPS -j ACCEPT\n",
            "no packet comes back from rule 1 of PREROUTING",
        ),
        (
            "-A PREROUTING -j MINE\n-A MINE -j KEEPS\n-A MINE -j KUBE-SERVICES\n-A KEEPS -j ACCEPT\n",
            "no packet comes back from rule 1 of MINE",
        ),
        // a part of its packets is taken
        (
            "-A PREROUTING -d 10.96.0.0/12 -j RETURN\n-A PREROUTING -j KUBE-SERVICES\n",
            "takes every packet of 2 rules of it before they come to KUBE-SERVICES",
        ),
        (
            "-A PREROUTING -p udp -m udp --dport 53 -j DNAT --to-destination 10.0.0.1\n\
             -A PREROUTING -j KUBE-SERVICES\n",
            "takes every packet of 1 rule of it",
        ),
        (
            "-A PREROUTING -i eth0 -j ACCEPT\n-A PREROUTING -j KUBE-SERVICES\n",
            "takes packets of a link or a protocol before they come to KUBE-SERVICES",
        ),
        (
            "-A PREROUTING -p tcp -j KEEPS\n-A PREROUTING -j KUBE-SERVICES\n-A KEEPS -j ACCEPT\n",
            "takes every packet of 1 rule of it",
        ),
    ] {
        let text = nat(prerouting);
        let found = found(&[("iptables-nft-save", &text)], Code::MissingAnchor, Severity::Error);
        assert!(found.iter().any(|message| message.contains(says)), "{prerouting}: {found:?}");
    }
}

#[test]
fn an_anchor_as_its_system_makes_it_is_no_finding() {
    for prerouting in [
        "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n",
        "-A PREROUTING -m conntrack --ctstate NEW -j KUBE-SERVICES\n",
        "-A PREROUTING -j MINE\n-A MINE -j KUBE-SERVICES\n-A MINE -i eth0 -j KUBE-SERVICES\n",
        // one that asks and one that does not
        "-A PREROUTING -i eth0 -j KUBE-SERVICES\n-A PREROUTING -j KUBE-SERVICES\n",
        // packets of others are taken before
        "-A PREROUTING -d 192.0.2.10/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.1\n\
         -A PREROUTING -i docker0 -j RETURN\n-A PREROUTING -i lo -j ACCEPT\n\
         -A PREROUTING -p icmp -j ACCEPT\n-A PREROUTING -d 224.0.0.0/4 -j RETURN\n\
         -A PREROUTING -j KUBE-SERVICES\n",
        // a chain that packets come back from
        "-A PREROUTING -j KEEPS\n-A PREROUTING -j KUBE-SERVICES\n-A KEEPS -s 10.9.0.0/16 -j ACCEPT\n",
    ] {
        let text = nat(prerouting);
        let report = doctor::run(&dumps::of_files(&[("iptables-nft-save", &text)]));
        let found: Vec<_> =
            report.findings.iter().filter(|f| f.code == Code::MissingAnchor).collect();
        assert!(found.is_empty(), "{prerouting}: {found:#?}");
    }
    let others = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n\
        :CNI-HOSTPORT-DNAT - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n\
        -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n\
        -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\n\
        -A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80\n\
        -A CNI-HOSTPORT-DNAT -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.244.1.2:80\n\
        COMMIT\n";
    let report = doctor::run(&dumps::of_files(&[("iptables-nft-save", others)]));
    assert!(report.findings.iter().all(|f| f.code != Code::MissingAnchor), "{report:#?}");
}

#[test]
fn policies_that_an_accept_stands_before_are_a_warning() {
    let text = |before: &str| {
        format!(
            "*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-ROUTER-FORWARD - [0:0]\n:KUBE-POD-FW-A - [0:0]\n\
             {before}-A FORWARD -j KUBE-ROUTER-FORWARD\n\
             -A KUBE-ROUTER-FORWARD -s 10.244.1.5/32 -j KUBE-POD-FW-A\n\
             -A KUBE-POD-FW-A -j REJECT\nCOMMIT\n"
        )
    };
    for before in ["-A FORWARD -s 10.244.0.0/16 -j ACCEPT\n", "-A FORWARD -i eth0 -j ACCEPT\n"] {
        let text = text(before);
        let found = found(&[("iptables-nft-save", &text)], Code::MissingAnchor, Severity::Warning);
        assert!(found.iter().any(|f| f.contains("policies do not hold")), "{before}: {found:?}");
    }
    for before in [
        "",
        "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n",
        "-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT\n",
    ] {
        let text = text(before);
        let found = found(&[("iptables-nft-save", &text)], Code::MissingAnchor, Severity::Warning);
        assert!(found.is_empty(), "{before}: {found:?}");
    }
}

const PROXY: &str = include_str!("../fixtures/healthy-kube-proxy-nftables/nft-list-ruleset.txt");

/// kube-proxy's real table, without the rules of some chains or the elements of some maps.
fn flushed(chains: &[&str], maps: &[&str]) -> String {
    let (mut out, mut inside, mut elements) = (String::new(), None, false);
    for line in PROXY.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["chain", name, "{"] => inside = chains.contains(name).then_some("chain"),
            ["map" | "set", name, "{"] => inside = maps.contains(name).then_some("map"),
            ["}"] => inside = None,
            _ => {}
        }
        let first = words.first().copied().unwrap_or_default();
        let goes = match inside {
            Some("chain") => !matches!(first, "chain" | "type" | "comment"),
            Some(_) => {
                let begins = first == "elements";
                let goes = elements || begins;
                elements = goes && !line.contains('}');
                goes
            }
            None => false,
        };
        if !goes {
            out += line;
            out.push('\n');
        }
    }
    out
}

#[test]
fn flushed_chains_and_emptied_maps_of_kube_proxy_are_found() {
    let clean = flushed(&[], &[]);
    for (code, chains, maps, says) in [
        (Code::MissingAnchor, &["nat-prerouting"][..], &[][..], "nat-prerouting"),
        (Code::MissingAnchor, &["nat-output", "nat-postrouting"], &[], "nat-postrouting"),
        (Code::MissingAnchor, &["filter-forward"], &[], "cluster-ips-check"),
        (Code::EmptyChain, &["services"], &[], "chain services has no rule"),
        (Code::EmptyChain, &["masquerading"], &[], "chain masquerading has no rule"),
        (Code::EmptyChain, &[], &["service-ips", "service-nodeports"], "have no element"),
    ] {
        let text = flushed(chains, maps);
        assert!(text.len() < clean.len());
        let found = found(&[("nft-list-ruleset", &text)], code, Severity::Error);
        assert!(found.iter().any(|f| f.contains(says)), "{says}: {found:?}\n{text}");
    }
    // a rule in the chain that does not lead there
    let text = clean.replace("\t\tjump services\n", "\t\tcounter\n");
    let found = found(&[("nft-list-ruleset", &text)], Code::MissingAnchor, Severity::Error);
    // of both families
    assert_eq!(found.len(), 4, "{found:?}");
    // base chains that are gone, and such that have lost their hook
    let text = clean.replace("chain nat-prerouting", "chain other");
    let gone = self::found(&[("nft-list-ruleset", &text)], Code::MissingAnchor, Severity::Error);
    assert!(gone.iter().any(|f| f.contains("gone: nat-prerouting")), "{gone:?}");
    let report = doctor::run(&dumps::of_files(&[("nft-list-ruleset", &clean)]));
    assert!(report.findings.is_empty(), "{report:#?}");
}

#[test]
fn tables_of_other_systems_whose_base_chains_are_flushed_are_found() {
    let table = |base: &str| {
        format!(
            "table ip kube-router-filter-ipv4 {{\n\tchain FORWARD {{\n\t\ttype filter hook forward \
             priority filter; policy accept;\n{base}\t}}\n\tchain KUBE-ROUTER-FORWARD {{\n\t\tip saddr \
             10.244.1.5 drop\n\t}}\n}}\n"
        )
    };
    let of =
        |base| found(&[("nft-list-ruleset", &table(base))], Code::MissingAnchor, Severity::Error);
    assert_eq!(of("").len(), 1);
    assert_eq!(of("\t\tjump KUBE-ROUTER-FORWARD\n"), Vec::<String>::new());
}

/// A native filter table with these lines in its forward chain, beside kube-proxy.
fn forward(policy: &str, rules: &str, more: &str) -> String {
    format!(
        "table inet filter {{\n\tchain forward {{\n\t\ttype filter hook forward priority filter; policy \
         {policy};\n{rules}\t}}\n{more}}}\n{PROXY}"
    )
}

#[test]
fn a_drop_that_comes_after_an_accept_of_iptables_is_found_however_it_is_written() {
    const ADDR: &str =
        "4: cni0: <BROADCAST,UP> mtu 1450 state UP\n    inet 10.244.1.1/24 scope global cni0\n";
    for (policy, rules, more) in [
        ("drop", "\t\tct state established,related accept\n", ""),
        ("drop", "\t\tiifname \"lo\" accept\n\t\tip protocol icmp accept\n", ""),
        ("drop", "\t\ttcp dport 22 accept\n", ""),
        ("drop", "\t\tiifname \"docker0\" accept\n", ""),
        ("drop", "\t\tjump allowed\n", "\tchain allowed {\n\t\ttcp dport 22 accept\n\t}\n"),
        ("accept", "\t\tct state established,related accept\n\t\tdrop\n", ""),
        ("accept", "\t\tcounter packets 0 bytes 0 reject\n", ""),
        ("accept", "\t\tjump mine\n", "\tchain mine {\n\t\tdrop\n\t}\n"),
        ("accept", "\t\tgoto mine\n\t\taccept\n", "\tchain mine {\n\t\tdrop\n\t}\n"),
        ("accept", "\t\tiifname \"cni0\" drop\n", ""),
        ("accept", "\t\tip saddr 10.244.0.0/16 drop\n", ""),
    ] {
        let text = forward(policy, rules, more);
        let files = [("nft-list-ruleset", text.as_str()), ("ip-addr", ADDR)];
        let found = found(&files, Code::ForwardDrop, Severity::Error);
        assert_eq!(found.len(), 1, "{policy} {rules} {more}: {found:?}");
    }
    for (policy, rules, more) in [
        ("drop", "\t\tip saddr 10.244.0.0/16 accept\n", ""),
        ("drop", "\t\tiifname \"cni0\" accept\n", ""),
        ("drop", "\t\tjump allowed\n", "\tchain allowed {\n\t\tiifname \"cni*\" accept\n\t}\n"),
        ("drop", "\t\taccept\n", ""),
        ("accept", "\t\taccept\n\t\tdrop\n", ""),
        ("accept", "\t\tjump mine\n", "\tchain mine {\n\t\treturn\n\t\tdrop\n\t}\n"),
        (
            "accept",
            "\t\tjump mine\n",
            "\tchain mine {\n\t\tiifname \"cni0\" accept\n\t\tdrop\n\t}\n",
        ),
        ("accept", "\t\tjump mine\n", "\tchain mine {\n\t\tjump mine\n\t}\n"),
        ("accept", "\t\tip saddr 203.0.113.0/24 drop\n", ""),
        ("accept", "\t\tiifname \"eth1\" drop\n", ""),
        ("accept", "\t\tct state invalid drop\n", ""),
    ] {
        let text = forward(policy, rules, more);
        let files = [("nft-list-ruleset", text.as_str()), ("ip-addr", ADDR)];
        let found = found(&files, Code::ForwardDrop, Severity::Error);
        assert!(found.is_empty(), "{policy} {rules} {more}: {found:?}");
    }
}

/// What kube-proxy has everywhere, and in one table these lines.
fn beside_kube_proxy(table: &str, lines: &str) -> String {
    let chains = ":PREROUTING ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n";
    let filter = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        :KUBE-FORWARD - [0:0]\n:FLANNEL-FWD - [0:0]\n{own}-A FORWARD -j KUBE-FORWARD\n\
        -A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT\n\
        -A FLANNEL-FWD -s 10.244.0.0/16 -j ACCEPT\nCOMMIT\n";
    match table {
        "filter" => filter.replace("{own}", lines),
        table => format!("*{table}\n{chains}{lines}COMMIT\n{}", filter.replace("{own}", "")),
    }
}

#[test]
fn a_drop_of_all_packets_of_pods_is_found_in_every_table_that_they_pass() {
    let broken = [
        ("mangle", "-A FORWARD -j DROP\n"),
        ("raw", "-A PREROUTING -j DROP\n"),
        ("mangle", "-A POSTROUTING -j DROP\n"),
        ("mangle", "-A PREROUTING -s 10.244.0.0/16 -j DROP\n"),
        ("raw", "-A PREROUTING -d 10.244.0.0/16 -j DROP\n"),
        ("mangle", ":FORWARD DROP [0:0]\n"),
        ("mangle", ":MINE - [0:0]\n-A FORWARD -j MINE\n-A MINE -j DROP\n"),
        (
            "raw",
            ":A - [0:0]\n:B - [0:0]\n-A PREROUTING -j A\n-A A -s 1.1.1.1/32 -j LOG\n-A A -g B\n-A B -j DROP\n",
        ),
        (
            "filter",
            ":MINE - [0:0]\n-A FORWARD -j MINE\n-A MINE -m comment --comment x -j DROP\n-A FORWARD -j FLANNEL-FWD\n",
        ),
        (
            "filter",
            ":MINE - [0:0]\n-A FORWARD -j MINE\n-A MINE -j DROP\n-A FORWARD -s 10.244.0.0/16 -j ACCEPT\n",
        ),
        ("filter", "-A FORWARD -i cni0 -j REJECT --reject-with icmp-port-unreachable\n"),
        ("filter", "-A FORWARD -i eth0 -j ACCEPT\n-A FORWARD -i cni+ -j DROP\n"),
    ];
    for (table, lines) in broken {
        let mut text = beside_kube_proxy(table, lines);
        if lines.starts_with(':') {
            text = text.replacen(":FORWARD ACCEPT [0:0]\n", "", 1);
        }
        for dump in ["iptables-nft-save", "iptables-legacy-save"] {
            let files = [(dump, text.as_str()), ("ip-addr", LINKS)];
            let found = found(&files, Code::ForwardDrop, Severity::Error);
            assert_eq!(found.len(), 1, "{dump} {table} {lines}: {found:?}");
        }
    }
    for (table, lines) in [
        ("mangle", ""),
        ("mangle", "-A FORWARD -j ACCEPT\n-A FORWARD -j DROP\n"),
        ("mangle", ":MINE - [0:0]\n-A FORWARD -j MINE\n-A MINE -j RETURN\n-A MINE -j DROP\n"),
        (
            "mangle",
            ":MINE - [0:0]\n-A FORWARD -j MINE\n-A MINE -s 10.244.0.0/16 -j ACCEPT\n-A MINE -j DROP\n",
        ),
        (
            "mangle",
            ":MINE - [0:0]\n-A FORWARD -p tcp -m tcp --dport 111 -j MINE\n-A MINE -j DROP\n",
        ),
        ("mangle", ":A - [0:0]\n:B - [0:0]\n-A FORWARD -j A\n-A A -j B\n-A B -j A\n"),
        ("mangle", "-A PREROUTING -s 203.0.113.0/24 -j DROP\n"),
        ("mangle", "-A PREROUTING -i eth0 -s 10.0.0.0/8 -j DROP\n"),
        ("raw", "-A PREROUTING -m rpfilter --invert -j DROP\n"),
        ("raw", "-A PREROUTING -p tcp -m tcp --dport 111 -j DROP\n"),
        ("filter", "-A FORWARD -i cni0 -m conntrack --ctstate INVALID -j DROP\n"),
        ("filter", "-A FORWARD -i cni0 ! -s 10.244.1.0/24 -j DROP\n"),
        ("filter", "-A FORWARD -j FLANNEL-FWD\n-A FORWARD -i cni0 -j DROP\n"),
        ("filter", "-A FORWARD -s 10.244.1.7/32 -j DROP\n"),
        ("filter", "-A FORWARD -i cali0123456789a -j DROP\n"),
    ] {
        let text = beside_kube_proxy(table, lines);
        let files = [("iptables-nft-save", text.as_str()), ("ip-addr", LINKS)];
        let found = found(&files, Code::ForwardDrop, Severity::Error);
        assert!(found.is_empty(), "{table} {lines}: {found:?}");
    }
}

#[test]
fn the_advice_against_a_drop_names_the_tool_of_its_backend() {
    let text = beside_kube_proxy("mangle", "-A PREROUTING -s 10.244.0.0/16 -j DROP\n");
    let report =
        doctor::run(&dumps::of_files(&[("iptables-legacy-save", &text), ("ip-addr", LINKS)]));
    let found = report.findings.iter().find(|found| found.code == Code::ForwardDrop).unwrap();
    let line = "iptables-legacy -t mangle -D PREROUTING -s 10.244.0.0/16 -j DROP";
    assert!(found.advice.ends_with(line), "{found:?}");
}

#[test]
fn a_native_chain_that_drops_all_is_found_at_every_hook_that_forwarded_packets_pass() {
    let proxy = beside_kube_proxy("filter", "");
    for (hook, rules, is_found) in [
        ("prerouting", "drop", true),
        ("postrouting", "drop", true),
        ("forward", "drop", true),
        ("prerouting", "iifname \"cni0\" drop", true),
        ("prerouting", "accept", false),
        ("prerouting", "fib saddr . iif oif missing drop", false),
        ("prerouting", "iifname \"eth0\" ip saddr 10.0.0.0/8 drop", false),
        ("input", "drop", false),
    ] {
        let text = format!(
            "table ip foo {{\n\tchain c {{\n\t\ttype filter hook {hook} priority -300; policy accept;\n\
             \t\t{rules}\n\t}}\n}}\n"
        );
        let files = [
            ("iptables-nft-save", proxy.as_str()),
            ("nft-list-ruleset", text.as_str()),
            ("ip-addr", LINKS),
        ];
        let found = found(&files, Code::ForwardDrop, Severity::Error);
        assert_eq!(found.len(), usize::from(is_found), "{hook} {rules}: {found:?}");
    }
}

#[test]
fn rules_that_differ_in_the_comment_only_are_told_apart_from_copies() {
    let rule = |comment: &str| format!("-A INPUT -m comment --comment {comment} -j ACCEPT\n");
    let save = |rules: &[&str]| {
        let lines: String = rules.iter().map(|comment| rule(comment)).collect();
        format!("*filter\n:INPUT ACCEPT [0:0]\n{lines}COMMIT\n")
    };
    for (rules, severity, counts, sweeps, by_hand) in [
        (&["a", "b"][..], Severity::Info, "1 too many; 1 differs in the comment only", false, true),
        (&["a", "b", "c"], Severity::Info, "2 too many; 2 differ in the comment only", false, true),
        (&["a", "a"], Severity::Warning, "1 too many", true, false),
        (&["a", "a", "b", "b", "c"], Severity::Warning, "4 too many; 2 differ in the", true, true),
    ] {
        let report = doctor::run(&dumps::of_files(&[("iptables-nft-save", &save(rules))]));
        let found = report.findings.iter().find(|found| found.code == Code::DuplicateRules);
        let found = found.unwrap_or_else(|| panic!("{rules:?}: nothing"));
        assert_eq!(found.severity, severity, "{rules:?}: {found:?}");
        assert!(found.message.contains(counts), "{rules:?}: {found:?}");
        let advises = |what: &str| found.advice.contains(what);
        assert_eq!(advises("netkeep sweep --duplicates --backend nft"), sweeps, "{found:?}");
        assert_eq!(found.fixable, sweeps, "{found:?}");
        let by = if rules.len() == 5 { "b" } else { rules[1] };
        let line = format!("iptables-nft -t filter -D{}", rule(by)[2..].trim_end());
        assert_eq!(advises(&line), by_hand, "{line}: {found:?}");
    }
}

#[test]
fn only_a_masquerade_by_the_mark_asks_for_the_mark_to_be_cleared() {
    let by_set =
        "-A KUBE-POSTROUTING -m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE\n";
    let unmarked = "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n";
    let clear = "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0\n";
    let all = "-A KUBE-POSTROUTING -j MASQUERADE\n";
    let marked = "-A KUBE-POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE\n";
    for (rules, is_found) in [
        (vec![by_set, unmarked, clear, all], false),
        (vec![by_set], false),
        (vec![by_set, unmarked, all], true),
        (vec![by_set, marked], true),
    ] {
        let text = format!(
            "*nat\n:POSTROUTING ACCEPT [0:0]\n:KUBE-POSTROUTING - [0:0]\n\
             -A POSTROUTING -j KUBE-POSTROUTING\n{}COMMIT\n",
            rules.concat()
        );
        let files = [("iptables-nft-save", text.as_str()), ("ip-addr", LINKS)];
        let found = found(&files, Code::MasqueradeWithoutMarkClear, Severity::Info);
        assert_eq!(found.len(), usize::from(is_found), "{rules:?}: {found:?}");
    }
}

#[test]
fn a_comment_writes_no_line_of_its_own_in_what_is_found() {
    // as a rule of legacy iptables, and as nft shows it, can hold it
    let rule = "-A INPUT -m comment --comment \"a\nb\u{202e}c\u{2066}\" -j ACCEPT";
    let save =
        format!("*filter\n:INPUT ACCEPT [0:0]\n{0}\n{0}\nCOMMIT\n", rule.replace('\n', "LINE"));
    let mut snapshot = dumps::of_files(&[("iptables-nft-save", &save)]);
    let json = serde_json::to_string(&snapshot).unwrap().replace("LINE", "\\n");
    snapshot = serde_json::from_str(&json).unwrap();
    let report = doctor::run(&snapshot);
    let found = report.findings.iter().find(|found| found.code == Code::DuplicateRules).unwrap();
    let forges = |text: &String| text.contains(['\n', '\u{202e}', '\u{2066}']);
    assert!(!found.evidence.iter().any(forges), "{found:?}");
    assert!(found.evidence[0].contains("a\\nb\\u{202e}c\\u{2066}"), "{found:?}");
}

#[test]
fn an_accept_of_every_state_before_the_policies_takes_their_packets() {
    for (ask, is_found) in [
        ("-m conntrack --ctstate RELATED,ESTABLISHED,NEW", true),
        ("-m state --state NEW,RELATED,ESTABLISHED", true),
        ("-m conntrack ! --ctstate INVALID", true),
        ("-m conntrack --ctstate RELATED,ESTABLISHED", false),
        ("-m conntrack --ctstate INVALID", false),
        ("-m conntrack ! --ctstate NEW", false),
        ("-p tcp -m tcp --dport 22 -m conntrack --ctstate RELATED,ESTABLISHED,NEW", false),
    ] {
        let text = format!(
            "*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-ROUTER-FORWARD - [0:0]\n:KUBE-POD-FW-A - [0:0]\n\
             -A FORWARD {ask} -j ACCEPT\n-A FORWARD -j KUBE-ROUTER-FORWARD\n\
             -A KUBE-ROUTER-FORWARD -d 10.244.1.5/32 -j KUBE-POD-FW-A\n\
             -A KUBE-POD-FW-A -j REJECT\nCOMMIT\n"
        );
        let found = found(&[("iptables-nft-save", &text)], Code::MissingAnchor, Severity::Error);
        let says = "no packet comes back from rule 1 of FORWARD";
        assert_eq!(found.iter().any(|f| f.contains(says)), is_found, "{ask}: {found:?}");
    }
}

#[test]
fn what_differs_between_backends_is_told_of_the_system_that_translates() {
    let save = |to: &str| {
        format!(
            "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-SEP-A - [0:0]\n\
             -A PREROUTING -j KUBE-SERVICES\n\
             -A KUBE-SERVICES -d 10.96.0.11/32 -p tcp -m tcp --dport 80 -j KUBE-SEP-A\n\
             -A KUBE-SEP-A -p tcp -j DNAT --to-destination {to}:80\nCOMMIT\n\
             *filter\n:OUTPUT ACCEPT [0:0]\n:KUBE-FIREWALL - [0:0]\n-A OUTPUT -j KUBE-FIREWALL\n\
             -A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -j DROP\nCOMMIT\n"
        )
    };
    let (legacy, nft) = (save("10.244.1.5"), save("10.244.1.6"));
    let files = [("iptables-legacy-save", legacy.as_str()), ("iptables-nft-save", nft.as_str())];
    let found = found(&files, Code::SplitBackends, Severity::Error);
    let of = |owner: &str| found.iter().find(|f| f.starts_with(owner)).cloned().unwrap_or_default();
    let translated = "1 address translated differently";
    assert!(of("kube-proxy").contains(translated), "{found:?}");
    assert!(of("kubelet").contains("a DROP of either is final"), "{found:?}");
    assert!(!of("kubelet").contains(translated), "{found:?}");
}

const LINKS: &str = "1: lo: <LOOPBACK,UP> mtu 65536 state UNKNOWN\n    inet 127.0.0.1/8 scope host lo\n\
    2: eth0: <BROADCAST,UP> mtu 1500 state UP\n    inet 192.0.2.10/24 scope global eth0\n\
    3: eth1: <BROADCAST,UP> mtu 1500 state UP\n    inet 192.0.2.11/24 scope global eth1\n\
    4: cni0: <BROADCAST,UP> mtu 1450 state UP\n    inet 10.244.1.1/24 scope global cni0\n    inet6 fd00:10:244:1::1/64 scope global\n\
    5: veth1234abcd@if2: <BROADCAST,UP> mtu 1450 master cni0 state UP\n\
    6: cali0123456789a@if2: <BROADCAST,UP> mtu 1450 state UP\n";
const ROUTES: &str = "default via 192.0.2.1 dev eth0\n192.0.2.0/24 dev eth0 proto kernel scope link metric 100\n\
    192.0.2.0/24 dev eth1 proto kernel scope link metric 101\n";

#[test]
fn links_that_do_not_forward_are_found_by_name() {
    let all = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.forwarding = 1\n";
    for (sysctl, severity, says) in [
        ("net.ipv4.conf.cni0.forwarding = 0\n", Some(Severity::Error), "cni0"),
        ("net.ipv4.conf.eth0.forwarding = 0\n", Some(Severity::Error), "eth0"),
        ("net.ipv4.conf.default.forwarding = 0\n", Some(Severity::Error), "default"),
        ("net.ipv6.conf.all.forwarding = 0\n", Some(Severity::Error), "IPv6"),
        // the port of a bridge, a link of nothing that is forwarded, loopback
        ("net.ipv4.conf.veth1234abcd.forwarding = 0\n", None, ""),
        ("net.ipv4.conf.eth1.forwarding = 0\nnet.ipv4.conf.lo.forwarding = 0\n", None, ""),
        ("net.ipv4.conf.cni0.forwarding = 1\n", None, ""),
    ] {
        let text = format!("{all}{sysctl}");
        let files = [
            ("nft-list-ruleset", PROXY),
            ("ip-addr", LINKS),
            ("ip-route", ROUTES),
            ("sysctl", &text),
        ];
        let found = found(&files, Code::ForwardingOff, Severity::Error);
        assert_eq!(found.len(), usize::from(severity.is_some()), "{sysctl}: {found:?}");
        assert!(found.iter().all(|message| message.contains(says)), "{sysctl}: {found:?}");
    }
}

#[test]
fn strict_filtering_on_a_link_that_is_answered_by_another_is_found() {
    const RULES: &str = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n";
    let own = format!("{RULES}100:\tfrom 192.0.2.11 lookup 100\n");
    let two_ways =
        "default via 192.0.2.1 dev eth0 metric 100\ndefault via 198.51.100.1 dev eth1 metric 200\n";
    for (routes, rules, sysctl, finds) in [
        (ROUTES, RULES, "net.ipv4.conf.eth1.rp_filter = 1\n", true),
        (two_ways, RULES, "net.ipv4.conf.all.rp_filter = 1\n", true),
        (ROUTES, RULES, "net.ipv4.conf.eth1.rp_filter = 2\n", false),
        (
            ROUTES,
            RULES,
            "net.ipv4.conf.eth0.rp_filter = 1\nnet.ipv4.conf.eth1.rp_filter = 0\n",
            false,
        ),
        // sent from its own address it leaves by itself
        (ROUTES, own.as_str(), "net.ipv4.conf.eth1.rp_filter = 1\n", false),
        (
            "default via 192.0.2.1 dev eth0\n192.0.2.0/24 dev eth0 proto kernel\n",
            RULES,
            "net.ipv4.conf.all.rp_filter = 1\n",
            false,
        ),
    ] {
        let files =
            [("ip-addr", LINKS), ("ip-route", routes), ("ip-rule", rules), ("sysctl", sysctl)];
        let found = found(&files, Code::RpFilterStrict, Severity::Warning);
        assert_eq!(found.len(), usize::from(finds), "{routes} {sysctl}: {found:?}");
    }
}

#[test]
fn a_bridge_without_its_module_is_found_where_all_sysctls_are_known() {
    const ALL: &str = "net.core.somaxconn = 4096\nnet.ipv4.ip_local_reserved_ports = \n\
        net.ipv4.ip_nonlocal_bind = 0\n";
    let with = format!(
        "{ALL}net.bridge.bridge-nf-call-iptables = 1\nnet.bridge.bridge-nf-call-ip6tables = 1\n"
    );
    for (sysctl, finds) in [(ALL, true), ("net.ipv4.ip_forward = 1\n", false), (&with, false)] {
        let files = [("nft-list-ruleset", PROXY), ("ip-addr", LINKS), ("sysctl", sysctl)];
        let found = found(&files, Code::BridgeNfCallOff, Severity::Warning);
        assert_eq!(found.len(), usize::from(finds), "{sysctl}: {found:?}");
    }
}

#[test]
fn a_lock_that_is_held_for_long_names_process_and_command() {
    let held = |seconds: &str| {
        format!(
            r#"{{"version":1,"xtablesLock":{{"known":[{{"pid":4711,"process":"iptables","command":"iptables -w -A INPUT"{seconds}}}]}}}}"#
        )
    };
    let found =
        |seconds| found(&[("node.json", &held(seconds))], Code::LockHeld, Severity::Warning);
    let long = found(r#","seconds":9"#);
    assert!(
        long[0].contains("iptables (pid 4711) holds it for 9 s at least: iptables -w -A INPUT"),
        "{long:?}"
    );
    assert_eq!((found(r#","seconds":1"#), found("")), (vec![], vec![]));
}

#[test]
fn rules_behind_a_jump_to_a_chain_that_drops_all_are_shadowed_however_long_the_chain_is() {
    for more in [0, 40] {
        let own = "-A MINE -s 192.0.2.1/32 -j LOG\n".repeat(more);
        let text = format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:MINE - [0:0]\n-A INPUT -j MINE\n\
             -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -j REJECT\n{own}-A MINE -j DROP\nCOMMIT\n"
        );
        let found = found(&[("iptables-nft-save", &text)], Code::ShadowedRule, Severity::Warning);
        assert_eq!(found.len(), 1, "{more}: {found:?}");
        // one more refusal is none
        assert!(found[0].contains("1 rule behind rule 1"), "{more}: {found:?}");
        assert!(found[0].contains("--dport 22"), "{more}: {found:?}");
    }
}

#[test]
fn endpoints_behind_one_that_takes_every_packet_of_its_service_are_shadowed() {
    let service = |first: &str, second: &str, more: &str| {
        format!(
            "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-X - [0:0]\n\
             :KUBE-MARK-MASQ - [0:0]\n:KUBE-SEP-A - [0:0]\n:KUBE-SEP-B - [0:0]\n:KUBE-SEP-C - [0:0]\n\
             -A PREROUTING -j KUBE-SERVICES\n\
             -A KUBE-SERVICES -d 10.96.0.5/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-X\n\
             -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n\
             -A KUBE-SVC-X ! -s 10.244.0.0/16 -d 10.96.0.5/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ\n\
             {more}-A KUBE-SVC-X {first}-j KUBE-SEP-A\n-A KUBE-SVC-X {second}-j KUBE-SEP-B\n\
             -A KUBE-SVC-X -m comment --comment \"n/s -> 10.244.1.7:80\" -j KUBE-SEP-C\n\
             -A KUBE-SEP-A -s 10.244.1.5/32 -j KUBE-MARK-MASQ\n\
             -A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 10.244.1.5:80\n\
             -A KUBE-SEP-B -s 10.244.1.6/32 -j KUBE-MARK-MASQ\n\
             -A KUBE-SEP-B -p tcp -m tcp -j DNAT --to-destination 10.244.1.6:80\n\
             -A KUBE-SEP-C -s 10.244.1.7/32 -j KUBE-MARK-MASQ\n\
             -A KUBE-SEP-C -p tcp -m tcp -j DNAT --to-destination 10.244.1.7:80\nCOMMIT\n"
        )
    };
    let chance = |of| format!("-m statistic --mode random --probability {of} ");
    let (third, half) = (chance("0.33333333349"), chance("0.50000000000"));
    let shadowed = |text: &str| {
        let report = doctor::run(&dumps::of_files(&[("iptables-nft-save", text)]));
        report
            .findings
            .into_iter()
            .filter(|found| found.code == Code::ShadowedRule)
            .collect::<Vec<_>>()
    };
    let all = shadowed(&service("", "", ""));
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].severity, Severity::Error);
    assert!(all[0].message.starts_with("2 rules behind rule 2"), "{all:?}");
    assert!(all[0].message.contains("10.244.1.6:80 (KUBE-SEP-B) is not reached"), "{all:?}");
    let last = shadowed(&service(&third, "", ""));
    assert!(last.len() == 1 && last[0].message.contains("KUBE-SEP-C"), "{last:?}");
    assert_eq!(shadowed(&service(&third, &half, "")), []);
    let affinity = "-A KUBE-SVC-X -m recent --name KUBE-SEP-A --rcheck --seconds 10800 --reap --rsource -j KUBE-SEP-A\n";
    assert_eq!(shadowed(&service(&third, &half, affinity)), []);
    // of another protocol each
    let mixed =
        service("", "", "").replace("-A KUBE-SEP-B -p tcp -m tcp", "-A KUBE-SEP-B -p udp -m udp");
    let mixed = shadowed(&mixed);
    assert!(mixed.len() == 1 && mixed[0].message.contains("KUBE-SEP-C"), "{mixed:?}");
}

#[test]
fn a_flow_that_the_rules_would_take_today_and_nobody_answers_goes_past_them() {
    let text = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n\
        -A PREROUTING -d 10.96.0.10/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.244.1.5:53\n\
        -A PREROUTING -p udp -m addrtype --dst-type LOCAL -m udp --dport 30053 -j DNAT --to-destination 10.244.1.5:53\n\
        -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n\
        -A DOCKER ! -i docker0 -p udp -m udp --dport 5300 -j DNAT --to-destination 172.17.0.2:53\nCOMMIT\n";
    let addr =
        format!("1: lo: <LOOPBACK,UP> mtu 65536\n    inet 127.0.0.1/8 scope host lo\n{LINKS}");
    let own = "192.0.2.10";
    for (to, port, reply, is_found) in [
        ("10.96.0.10", 53, "[UNREPLIED] ", true),
        (own, 30_053, "[UNREPLIED] ", true),
        // answered: somebody serves it
        ("10.96.0.10", 53, "", false),
        (own, 30_053, "", false),
        // of other ports and addresses, of the node to itself, and from a link that the rule is not for
        ("10.96.0.10", 54, "[UNREPLIED] ", false),
        ("203.0.113.9", 53, "[UNREPLIED] ", false),
        ("203.0.113.9", 30_053, "[UNREPLIED] ", false),
        ("127.0.0.1", 30_053, "[UNREPLIED] ", false),
        (own, 5_300, "[UNREPLIED] ", false),
    ] {
        let flow = format!(
            "udp 17 20 src=10.244.1.9 dst={to} sport=4000 dport={port} {reply}src={to} dst=10.244.1.9 \
             sport={port} dport=4000 use=1\n"
        );
        let files = [("iptables-nft-save", text), ("ip-addr", &addr), ("conntrack", &flow)];
        let found = found(&files, Code::StaleConntrack, Severity::Error);
        assert_eq!(found.len(), usize::from(is_found), "{to} {port} {reply}: {found:?}");
    }
}

#[test]
fn a_system_with_each_family_in_another_backend_is_named_with_both() {
    let v4 = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:KUBE-FORWARD - [0:0]\n\
        -A FORWARD -j KUBE-FORWARD\n-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT\nCOMMIT\n";
    let split = |files: &[(&str, &str)]| found(files, Code::SplitBackends, Severity::Warning);
    let one = split(&[("iptables-legacy-save", v4), ("ip6tables-nft-save", v4)]);
    let says = "kube-proxy: IPv4 in iptables-legacy, IPv6 in iptables-nft: neither tool";
    assert!(one.len() == 1 && one[0].contains(says), "{one:?}");
    assert!(one[0].contains("IPv6: iptables-nft: rules of kube-proxy 2"), "{one:?}");
    let other = split(&[("iptables-nft-save", v4), ("ip6tables-legacy-save", v4)]);
    assert!(other.len() == 1 && other[0].contains("IPv4 in iptables-nft, IPv6"), "{other:?}");
    for healthy in [
        &[("iptables-nft-save", v4), ("ip6tables-nft-save", v4)][..],
        &[("iptables-legacy-save", v4), ("ip6tables-legacy-save", v4)],
        &[("iptables-legacy-save", v4)],
    ] {
        assert!(split(healthy).is_empty(), "{healthy:?}");
    }
}

#[test]
fn a_check_that_cannot_look_says_why_as_the_part_says_it() {
    let mut node = doctor::Snapshot::default();
    let why = "the kernel has no nf_tables";
    for part in [&mut node.rules.nft_v4, &mut node.rules.nft_v6] {
        *part = doctor::Part::Absent(why.to_owned());
    }
    node.rules.legacy_v4 = doctor::Part::Absent("no rights".to_owned());
    node.nft = doctor::Part::Absent(why.to_owned());
    let report = doctor::run(&node);
    for code in [Code::ShadowedRule, Code::ForwardDrop, Code::IncompatibleNativeRule] {
        let skipped = report.skipped.iter().find(|skipped| skipped.code == Some(code)).unwrap();
        assert!(skipped.why.ends_with(why), "{skipped:?}");
    }
}
