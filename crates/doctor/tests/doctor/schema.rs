//! The published schema says what the types write, key by key, and no more.

use crate::dumps;
use std::collections::BTreeSet;
use std::net::IpAddr;

use doctor::snapshot::{
    Address, Conntrack, Flow, IpSet, LegacyTables, Link, Listener, LockHolder, Neighbour, NftBase,
    NftChain, NftRule, NftRuleset, NftSet, NftTable, Ovs, OvsPort, PartName, Partial, Route,
    RoutingRule, SkippedInput, Tool, ToolMessage, Tuple, Verdict,
};
use doctor::{Part, Snapshot};
use serde_json::Value;

const SCHEMA: &str = include_str!("../../../../docs/snapshot.schema.json");

/// The part of JSON Schema that the schema uses.
struct Checker {
    root: Value,
    /// Properties that a value had, by the place in the schema.
    used: BTreeSet<String>,
}

impl Checker {
    fn check(&mut self, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        let fail = |why: String| Err(format!("{place}: {why}: {value}"));
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let name = name.rsplit('/').next().unwrap();
            let found = self.root["$defs"][name].clone();
            assert!(found.is_object(), "the schema has no {name}");
            return self.check(&found, value, name);
        }
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            let right = choices.iter().filter(|one| self.check(one, value, place).is_ok()).count();
            return if right == 1 { Ok(()) } else { fail(format!("{right} choices hold")) };
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return if words.contains(value) { Ok(()) } else { fail(format!("not of {words:?}")) };
        }
        if let Some(only) = schema.get("const") {
            return if only == value { Ok(()) } else { fail(format!("not {only}")) };
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        match schema.get("type") {
            Some(Value::String(one)) if one != kind => return fail(format!("not {one}")),
            Some(Value::Array(all)) if !all.iter().any(|one| one == kind) => {
                return fail(format!("not of {all:?}"));
            }
            _ => {}
        }
        if let (Some(items), Value::Array(values)) = (schema.get("items"), value) {
            for value in values {
                self.check(items, value, place)?;
            }
        }
        if let Value::Object(fields) = value {
            self.fields(schema, fields, place)?;
        }
        Ok(())
    }

    fn fields(
        &mut self,
        schema: &Value,
        fields: &serde_json::Map<String, Value>,
        place: &str,
    ) -> Result<(), String> {
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !fields.contains_key(key.as_str().unwrap()) {
                return Err(format!("{place}: {key} is missing"));
            }
        }
        let Some(properties) = schema.get("properties") else {
            if let Some(of_all) = schema.get("additionalProperties") {
                for value in fields.values() {
                    self.check(of_all, value, place)?;
                }
            }
            return Ok(());
        };
        for (key, value) in fields {
            let Some(property) = properties.get(key) else {
                return Err(format!("{place}: {key} is not in the schema"));
            };
            self.used.insert(format!("{place}.{key}"));
            self.check(property, value, &format!("{place}.{key}"))?;
        }
        Ok(())
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "most fields are optional")]
fn some(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn rules() -> doctor::snapshot::Rules {
    let save = "*filter\n:INPUT DROP [1:60]\n:X - [0:0]\n[1:60] -A INPUT -p tcp -m tcp --dport 1 -j X\n-A X -j REJECT\n-A X -j DROP\nCOMMIT\n";
    let mut files = Vec::new();
    for name in ["iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft"] {
        files.push((name, save));
    }
    let mut rules = dumps::of_files(&files).rules;
    if let Part::Known(ruleset) = &mut rules.legacy_v4 {
        ruleset.notes.push(text("a note"));
        let chain = &mut ruleset.tables[0].chains[1];
        chain.rules[0].handle = Some(7);
        chain.kind =
            xt::ChainKind::Foreign { policy: xt::Policy::Accept, hook: text("filter input -5") };
    }
    rules
}

fn nft() -> NftRuleset {
    let verdicts = [
        Verdict::Accept,
        Verdict::Jump(text("c")),
        Verdict::Goto(text("c")),
        Verdict::Map(text("m")),
        Verdict::Dnat(text("10.0.0.1:80")),
        Verdict::Snat(text("10.0.0.1")),
        Verdict::Redirect(text(":80")),
    ];
    let rule = |verdict: &Verdict| NftRule {
        text: text("ip saddr @s accept"),
        comment: some("c"),
        handle: Some(1),
        packets: Some(2),
        conditions: 1,
        verdict: Some(verdict.clone()),
        sets: vec![text("s")],
        targets: vec![text("c")],
        native: true,
    };
    let base = NftBase {
        kind: text("filter"),
        hook: text("input"),
        priority: -10,
        policy: some("accept"),
    };
    let set = NftSet {
        name: text("s"),
        key: text("ipv4_addr"),
        data: some("verdict"),
        flags: vec![text("interval")],
        auto_merge: true,
        size: Some(8),
        count: 1,
        elements: vec![text("10.0.0.1")],
        targets: vec![text("c")],
    };
    let chain =
        NftChain { name: text("c"), base: Some(base), rules: verdicts.iter().map(rule).collect() };
    NftRuleset {
        tables: vec![NftTable {
            family: text("inet"),
            name: text("t"),
            flags: vec![text("owner")],
            chains: vec![chain],
            sets: vec![set],
        }],
    }
}

/// A snapshot in which everything is there that can be.
#[expect(clippy::too_many_lines, reason = "one line a field")]
fn full() -> Snapshot {
    let link = Link {
        index: 2,
        name: text("eth0"),
        flags: vec![text("UP")],
        kind: some("vxlan"),
        master: some("br0"),
        lower: some("eth1"),
        mtu: Some(1500),
        state: some("UP"),
        mac: some("02:00:00:00:00:01"),
        other_names: vec![text("enp1s0")],
        addresses: vec![Address {
            prefix: "192.0.2.1/24".parse().unwrap(),
            scope: text("global"),
            flags: vec![text("dynamic")],
        }],
    };
    let route = Route {
        kind: text("unicast"),
        to: Some("192.0.2.0/24".parse().unwrap()),
        family: xt::Family::V4,
        via: vec![ip("192.0.2.2")],
        links: vec![text("eth0")],
        table: text("main"),
        protocol: some("static"),
        metric: Some(100),
        source: Some(ip("192.0.2.1")),
        flags: vec![text("onlink")],
    };
    let rule = RoutingRule {
        priority: 0,
        asks: text("from all"),
        does: text("lookup local"),
        protocol: some("kernel"),
    };
    let tuple = Tuple {
        source: ip("10.0.0.1"),
        destination: ip("10.0.0.2"),
        source_port: Some(1),
        destination_port: Some(2),
    };
    let flow = Flow {
        protocol: text("tcp"),
        state: some("ESTABLISHED"),
        original: tuple,
        reply: tuple,
        replied: true,
        timeout: Some(3),
    };
    let mut snapshot = Snapshot {
        taken: some("2024-01-01T00:00:00Z"),
        node: some("n1"),
        rules: rules(),
        nft: Part::Known(nft()),
        ipsets: Part::Known(vec![IpSet {
            name: text("s"),
            kind: text("hash:ip"),
            family: some("inet"),
            limit: Some(65_536),
            count: 1,
            references: Some(1),
            elements: vec![text("10.0.0.1")],
        }]),
        links: Part::Known(vec![link]),
        routes: Part::Known(vec![route]),
        neighbours: Part::Known(vec![Neighbour {
            address: ip("192.0.2.2"),
            link: text("eth0"),
            mac: some("02:00:00:00:00:02"),
            state: some("STALE"),
        }]),
        ovs: Part::Known(Ovs {
            flow_restore_wait: Some(false),
            version: some("2.17.9"),
            ports: vec![OvsPort {
                bridge: text("br-int"),
                name: text("p"),
                kind: some("internal"),
                error: some("could not open network device p"),
            }],
        }),
        conntrack: Part::Known(Conntrack { count: 1, limit: Some(2), flows: vec![flow] }),
        sysctls: Part::Known([(text("net.ipv4.ip_forward"), text("1"))].into()),
        xtables_lock: Part::Known(vec![LockHolder {
            pid: Some(7),
            process: some("iptables"),
            command: some("iptables -w"),
            seconds: Some(9),
        }]),
        legacy_tables: Part::Known(LegacyTables { v4: vec![text("nat")], v6: vec![text("nat")] }),
        listeners: Part::Known(vec![Listener {
            protocol: text("tcp"),
            address: Some(ip("127.0.0.1")),
            port: 22,
            process: some("sshd"),
        }]),
        tools: Part::Known(vec![Tool { name: text("nft"), version: some("1.0.6") }]),
        kernel: Part::Known(text("6.1.0")),
        agent: Part::Known(serde_json::json!({"npl": []})),
        messages: vec![ToolMessage { place: text("a line 1"), text: text("no") }],
        redacted: true,
        partial: vec![Partial { part: PartName::Routes, place: text("f"), why: text("cut") }],
        skipped: vec![SkippedInput { place: text("a line 2"), why: text("no") }],
        ..Snapshot::default()
    };
    snapshot.routing_rules.v4 = Part::Known(vec![rule.clone()]);
    snapshot.routing_rules.v6 = Part::Known(vec![rule]);
    snapshot
}

fn checker() -> Checker {
    Checker { root: serde_json::from_str(SCHEMA).unwrap(), used: BTreeSet::new() }
}

fn check(checker: &mut Checker, snapshot: &Snapshot) {
    let value = serde_json::to_value(snapshot).unwrap();
    let root = checker.root.clone();
    checker.check(&root, &value, "snapshot").unwrap();
}

/// Every property of the schema, by the place that the checker notes.
fn properties(schema: &Value, place: &str, all: &mut BTreeSet<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (key, property) in properties {
            all.insert(format!("{place}.{key}"));
            self::properties(property, &format!("{place}.{key}"), all);
        }
    }
    for choice in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        self::properties(choice, place, all);
    }
    if let Some(items) = schema.get("items") {
        self::properties(items, place, all);
    }
}

#[test]
fn the_schema_has_every_key_that_the_types_write_and_no_other() {
    let mut checker = checker();
    check(&mut checker, &full());
    check(&mut checker, &Snapshot::default());
    let mut all = BTreeSet::new();
    properties(&checker.root, "snapshot", &mut all);
    for (name, schema) in checker.root["$defs"].as_object().unwrap() {
        properties(schema, name, &mut all);
    }
    let unused: Vec<_> = all.difference(&checker.used).collect();
    assert!(unused.is_empty(), "in the schema only: {unused:?}");
}

#[test]
fn every_fixture_is_as_the_schema_says_and_comes_back_from_json() {
    let mut checker = checker();
    for name in dumps::names() {
        let snapshot = dumps::snapshot(&name);
        check(&mut checker, &snapshot);
        let text = serde_json::to_string(&snapshot).unwrap();
        let back: Snapshot = serde_json::from_str(&text).unwrap();
        assert_eq!(back, snapshot, "{name}");
        // a snapshot is a dump too, and gives the same report
        let again = dumps::of_files(&[("snapshot.json", &text)]);
        assert_eq!(doctor::run(&again), doctor::run(&snapshot), "{name}");
    }
}

#[test]
fn a_redacted_snapshot_gives_the_same_findings() {
    for name in dumps::names() {
        let snapshot = dumps::snapshot(&name);
        let codes = |snapshot: &Snapshot| -> Vec<_> {
            doctor::run(snapshot).findings.iter().map(|f| (f.code, f.severity)).collect()
        };
        let redacted = snapshot.redacted(0x5eed).unwrap();
        assert_eq!(codes(&redacted), codes(&snapshot), "{name}");
    }
}
