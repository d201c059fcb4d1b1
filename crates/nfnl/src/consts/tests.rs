//! Compares the constants with the installed kernel headers.

use std::collections::BTreeMap;

/// Names this crate knows from newer kernels than the oldest supported headers, or that are not exported at all.
const MAY_BE_MISSING: &[&str] = &[
    "NFT_TABLE_F_PERSIST",
    "NFTA_SET_COUNT",
    "NFT_MSG_DESTROYTABLE",
    "NFT_MSG_DESTROYCHAIN",
    "NFT_MSG_DESTROYRULE",
    "NFT_MSG_DESTROYSET",
    "NFT_MSG_DESTROYSETELEM",
    "NFT_MSG_DESTROYOBJ",
    "NFT_MSG_DESTROYFLOWTABLE",
    "CTA_FILTER_F_CTA_IP_SRC",
    "CTA_FILTER_F_CTA_IP_DST",
    "CTA_FILTER_F_CTA_TUPLE_ZONE",
    "CTA_FILTER_F_CTA_PROTO_NUM",
    "CTA_FILTER_F_CTA_PROTO_SRC_PORT",
    "CTA_FILTER_F_CTA_PROTO_DST_PORT",
];

const HEADERS: &[&str] = &[
    "netlink.h",
    "netfilter.h",
    "netfilter/nfnetlink.h",
    "netfilter/nf_tables.h",
    "netfilter/nf_nat.h",
    "netfilter/nfnetlink_conntrack.h",
    "netfilter/nf_conntrack_common.h",
    "netfilter/nf_conntrack_tuple_common.h",
    "netfilter/ipset/ip_set.h",
];

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        out.push_str(&rest[..start]);
        rest = rest[start..].split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out.replace("\\\n", " ")
}

/// A name or a number of a C expression such as `(1 << 3)`, `A | B`, `NLMSG_MIN_TYPE+1`, `0xffffff00U`, `-1`.
fn value(expression: &str, known: &BTreeMap<String, i64>) -> Option<i64> {
    let e = expression.trim();
    if let Some(inner) = e.strip_prefix('(').and_then(|e| e.strip_suffix(')')) {
        return value(inner, known);
    }
    if let Some((l, r)) = e.split_once('|') {
        return Some(value(l, known)? | value(r, known)?);
    }
    if let Some((l, r)) = e.split_once("<<") {
        return Some(value(l, known)? << value(r, known)?);
    }
    if let Some((l, r)) = e.split_once('+') {
        return Some(value(l, known)? + value(r, known)?);
    }
    let number = e.trim_end_matches(['U', 'L']);
    if let Some(hex) = number.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok();
    }
    number.parse().ok().or_else(|| known.get(e).copied())
}

fn read_enum(body: &str, known: &mut BTreeMap<String, i64>) {
    let mut next = 0;
    let members = body.lines().filter(|l| !l.trim_start().starts_with('#')).collect::<String>();
    for member in members.split(',') {
        let (name, explicit) = match member.split_once('=') {
            Some((name, e)) => (name.trim(), Some(e)),
            None => (member.trim(), None),
        };
        if name.is_empty() {
            continue;
        }
        if let Some(explicit) = explicit {
            let Some(v) = value(explicit, known) else { return };
            next = v;
        }
        known.insert(name.to_owned(), next);
        next += 1;
    }
}

fn installed() -> BTreeMap<String, i64> {
    let mut known = BTreeMap::new();
    for header in HEADERS {
        let path = format!("/usr/include/linux/{header}");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{path}: {e} (install linux-libc-dev)"));
        let text = without_comments(&text);
        for line in text.lines() {
            let mut words = line.trim().splitn(3, [' ', '\t']);
            if words.next() == Some("#define")
                && let (Some(name), Some(e)) = (words.next(), words.next())
                && name != e.trim()
                && let Some(v) = value(e, &known)
            {
                known.insert(name.to_owned(), v);
            }
        }
        for part in text.split("enum ").skip(1).chain(text.split("enum\t").skip(1)) {
            if let Some((_, body)) = part.split_once('{')
                && let Some((body, _)) = body.split_once('}')
            {
                read_enum(body, &mut known);
            }
        }
    }
    known
}

#[test]
fn every_constant_has_the_value_of_the_installed_headers() {
    let known = installed();
    let all =
        [super::ct::ALL, super::expr::ALL, super::ipset::ALL, super::nft::ALL, super::nl::ALL]
            .concat();
    let mut wrong = Vec::new();
    for (name, ours) in &all {
        match known.get(*name) {
            // enum members of type int and u32 constants meet in the low 32 bits
            Some(theirs) if (theirs ^ ours).trailing_zeros() >= 32 => {}
            Some(theirs) => wrong.push(format!("{name}: ours {ours}, header {theirs}")),
            None if MAY_BE_MISSING.contains(name) => {}
            None => wrong.push(format!("{name}: not in the headers")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(all.len() > 400, "only {} constants compared", all.len());
}
