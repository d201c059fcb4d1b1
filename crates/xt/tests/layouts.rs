//! The sizes and offsets that the decoders use, against the installed kernel headers: a small C
//! program prints them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // clippy sees only the #[test] functions as tests

use std::fmt::Write as _;
use std::process::Command;

const HEADERS: [&str; 31] = [
    "stddef.h",
    "stdio.h",
    "sys/socket.h",
    "netinet/in.h",
    "linux/netfilter.h",
    "linux/netfilter/x_tables.h",
    "linux/netfilter_ipv4/ip_tables.h",
    "linux/netfilter_ipv6/ip6_tables.h",
    "linux/netfilter/xt_tcpudp.h",
    "linux/netfilter/xt_sctp.h",
    "linux/netfilter/xt_multiport.h",
    "linux/netfilter/xt_comment.h",
    "linux/netfilter/xt_addrtype.h",
    "linux/netfilter/nf_conntrack_common.h",
    "linux/netfilter/xt_conntrack.h",
    "linux/netfilter/xt_state.h",
    "linux/netfilter/xt_mark.h",
    "linux/netfilter/xt_connmark.h",
    "linux/netfilter/xt_set.h",
    "linux/netfilter/xt_statistic.h",
    "linux/netfilter/xt_physdev.h",
    "linux/netfilter/xt_limit.h",
    "linux/netfilter/nf_nat.h",
    "linux/netfilter/xt_LOG.h",
    "linux/netfilter/xt_NFLOG.h",
    "linux/netfilter/xt_CT.h",
    "linux/netfilter/xt_TPROXY.h",
    "linux/netfilter/xt_recent.h",
    "linux/netfilter/xt_nfacct.h",
    "linux/netfilter/xt_TCPMSS.h",
    "linux/netfilter/xt_CHECKSUM.h",
];

/// Structure, its size, and the fields that are read with their offsets.
type Layout = (&'static str, usize, &'static [(&'static str, usize)]);

#[rustfmt::skip]
const LAYOUTS: &[Layout] = &[
    ("struct xt_entry_match", 32, &[("u.user.name", 2), ("u.user.revision", 31), ("data", 32)]),
    ("struct xt_entry_target", 32, &[("u.user.name", 2), ("u.user.revision", 31), ("data", 32)]),
    ("struct xt_standard_target", 40, &[("verdict", 32)]),
    ("struct xt_error_target", 64, &[("errorname", 32)]),
    ("struct xt_counters_info", 40, &[("num_counters", 32), ("counters", 40)]),
    ("struct ipt_ip", 84, &[("src", 0), ("dst", 4), ("smsk", 8), ("dmsk", 12), ("iniface", 16),
        ("outiface", 32), ("iniface_mask", 48), ("outiface_mask", 64), ("proto", 80), ("flags", 82),
        ("invflags", 83)]),
    ("struct ipt_entry", 112, &[("target_offset", 88), ("next_offset", 90), ("counters", 96)]),
    ("struct ip6t_ip6", 136, &[("src", 0), ("dst", 16), ("smsk", 32), ("dmsk", 48), ("iniface", 64),
        ("outiface", 80), ("iniface_mask", 96), ("outiface_mask", 112), ("proto", 128), ("tos", 130),
        ("flags", 131), ("invflags", 132)]),
    ("struct ip6t_entry", 168, &[("target_offset", 140), ("next_offset", 142), ("counters", 152)]),
    ("struct ipt_getinfo", 84, &[("valid_hooks", 32), ("hook_entry", 36), ("underflow", 56),
        ("num_entries", 76), ("size", 80)]),
    ("struct ip6t_getinfo", 84, &[("valid_hooks", 32), ("hook_entry", 36), ("underflow", 56),
        ("num_entries", 76), ("size", 80)]),
    ("struct ipt_get_entries", 40, &[("size", 32), ("entrytable", 40)]),
    ("struct ip6t_get_entries", 40, &[("size", 32), ("entrytable", 40)]),
    ("struct ipt_replace", 96, &[("valid_hooks", 32), ("num_entries", 36), ("size", 40),
        ("hook_entry", 44), ("underflow", 64), ("num_counters", 84), ("counters", 88),
        ("entries", 96)]),
    ("struct ip6t_replace", 96, &[("num_counters", 84), ("counters", 88), ("entries", 96)]),
    ("struct xt_tcp", 12, &[("spts", 0), ("dpts", 4), ("option", 8), ("flg_mask", 9),
        ("flg_cmp", 10), ("invflags", 11)]),
    ("struct xt_udp", 10, &[("spts", 0), ("dpts", 4), ("invflags", 8)]),
    ("struct xt_sctp_info", 292, &[("dpts", 0), ("spts", 4), ("chunkmap", 8),
        ("chunk_match_type", 264), ("flag_info", 268), ("flag_count", 280), ("flags", 284),
        ("invflags", 288)]),
    ("struct xt_sctp_flag_info", 3, &[("chunktype", 0), ("flag", 1), ("flag_mask", 2)]),
    ("struct ipt_icmp", 4, &[("type", 0), ("code", 1), ("invflags", 3)]),
    ("struct ip6t_icmp", 4, &[("type", 0), ("code", 1), ("invflags", 3)]),
    ("struct xt_multiport", 32, &[("flags", 0), ("count", 1), ("ports", 2)]),
    ("struct xt_multiport_v1", 48, &[("ports", 2), ("pflags", 32), ("invert", 47)]),
    ("struct xt_comment_info", 256, &[("comment", 0)]),
    ("struct xt_addrtype_info", 12, &[("source", 0), ("dest", 2), ("invert_source", 4),
        ("invert_dest", 8)]),
    ("struct xt_addrtype_info_v1", 8, &[("source", 0), ("dest", 2), ("flags", 4)]),
    ("struct xt_conntrack_mtinfo1", 152, &[("origsrc_port", 138), ("match_flags", 146),
        ("state_mask", 150), ("status_mask", 151)]),
    ("struct xt_conntrack_mtinfo2", 156, &[("origsrc_port", 138), ("match_flags", 146),
        ("state_mask", 150), ("status_mask", 152)]),
    ("struct xt_conntrack_mtinfo3", 164, &[("origsrc_addr", 0), ("origsrc_mask", 16),
        ("origdst_addr", 32), ("replsrc_addr", 64), ("repldst_addr", 96), ("repldst_mask", 112),
        ("expires_min", 128), ("expires_max", 132), ("l4proto", 136), ("origsrc_port", 138),
        ("origdst_port", 140), ("replsrc_port", 142), ("repldst_port", 144), ("match_flags", 146),
        ("invert_flags", 148), ("state_mask", 150), ("status_mask", 152),
        ("origsrc_port_high", 154), ("origdst_port_high", 156), ("replsrc_port_high", 158),
        ("repldst_port_high", 160)]),
    ("struct xt_state_info", 4, &[("statemask", 0)]),
    ("struct xt_mark_mtinfo1", 12, &[("mark", 0), ("mask", 4), ("invert", 8)]),
    ("struct xt_connmark_mtinfo1", 12, &[("mark", 0), ("mask", 4), ("invert", 8)]),
    ("struct xt_set_info_match_v0", 32, &[("match_set.index", 0), ("match_set.u.flags", 4)]),
    ("struct xt_set_info_match_v1", 4, &[("match_set.index", 0), ("match_set.dim", 2),
        ("match_set.flags", 3)]),
    ("struct xt_set_info_match_v3", 48, &[("packets.op", 8), ("packets.value", 16),
        ("bytes.op", 24), ("bytes.value", 32), ("flags", 40)]),
    ("struct xt_set_info_match_v4", 48, &[("packets.value", 8), ("packets.op", 16),
        ("bytes.value", 24), ("bytes.op", 32), ("flags", 40)]),
    ("struct ip_set_req_get_set", 40, &[("op", 0), ("version", 4), ("set", 8)]),
    ("struct ip_set_req_version", 8, &[("op", 0), ("version", 4)]),
    ("struct xt_statistic_info", 24, &[("mode", 0), ("flags", 2), ("u.random.probability", 4),
        ("u.nth.every", 4), ("u.nth.packet", 8)]),
    ("struct xt_physdev_info", 66, &[("physindev", 0), ("in_mask", 16), ("physoutdev", 32),
        ("out_mask", 48), ("invert", 64), ("bitmask", 65)]),
    ("struct xt_rateinfo", 40, &[("avg", 0), ("burst", 4)]),
    ("struct xt_recent_mtinfo", 212, &[("seconds", 0), ("hit_count", 4), ("check_set", 8),
        ("invert", 9), ("name", 10), ("side", 210)]),
    ("struct xt_recent_mtinfo_v1", 228, &[("side", 210), ("mask", 212)]),
    ("struct xt_nfacct_match_info", 40, &[("name", 0)]),
    ("struct xt_tcpmss_info", 2, &[("mss", 0)]),
    ("struct xt_CHECKSUM_info", 1, &[("operation", 0)]),
    ("struct xt_mark_tginfo2", 8, &[("mark", 0), ("mask", 4)]),
    ("struct xt_connmark_tginfo1", 16, &[("ctmark", 0), ("ctmask", 4), ("nfmask", 8), ("mode", 12)]),
    ("struct xt_connmark_tginfo2", 16, &[("shift_dir", 12), ("shift_bits", 13), ("mode", 14)]),
    ("struct nf_nat_ipv4_multi_range_compat", 20, &[("rangesize", 0), ("range[0].flags", 4),
        ("range[0].min_ip", 8), ("range[0].max_ip", 12), ("range[0].min", 16),
        ("range[0].max", 18)]),
    ("struct nf_nat_range", 40, &[("flags", 0), ("min_addr", 4), ("max_addr", 20),
        ("min_proto", 36), ("max_proto", 38)]),
    ("struct nf_nat_range2", 44, &[("max_proto", 38), ("base_proto", 40)]),
    ("struct xt_log_info", 32, &[("level", 0), ("logflags", 1), ("prefix", 2)]),
    ("struct xt_nflog_info", 76, &[("len", 0), ("group", 4), ("threshold", 6), ("flags", 8),
        ("prefix", 12)]),
    ("struct xt_ct_target_info", 40, &[("flags", 0), ("zone", 2), ("ct_events", 4),
        ("exp_events", 8), ("helper", 12)]),
    ("struct xt_ct_target_info_v1", 72, &[("helper", 12), ("timeout", 28)]),
    ("struct xt_tproxy_target_info", 16, &[("mark_mask", 0), ("mark_value", 4), ("laddr", 8),
        ("lport", 12)]),
    ("struct xt_tproxy_target_info_v1", 28, &[("mark_mask", 0), ("mark_value", 4), ("laddr", 8),
        ("lport", 24)]),
];

/// Numbers that are no layout.
#[rustfmt::skip]
const NUMBERS: &[(&str, i64)] = &[
    ("IPT_SO_SET_REPLACE", 64), ("IPT_SO_SET_ADD_COUNTERS", 65), ("IPT_SO_GET_INFO", 64),
    ("IPT_SO_GET_ENTRIES", 65), ("IP6T_SO_SET_REPLACE", 64), ("IP6T_SO_SET_ADD_COUNTERS", 65),
    ("IP6T_SO_GET_INFO", 64), ("IP6T_SO_GET_ENTRIES", 65), ("SO_IP_SET", 83),
    ("IP_SET_OP_GET_BYINDEX", 7), ("IP_SET_OP_VERSION", 0x100), ("XT_RETURN", -5),
    ("NF_INET_NUMHOOKS", 5), ("XT_ALIGN(1)", 8), ("XT_EXTENSION_MAXNAMELEN", 29),
    ("XT_FUNCTION_MAXNAMELEN", 30), ("XT_TABLE_MAXNAMELEN", 32), ("IPT_F_FRAG", 1), ("IPT_F_GOTO", 2),
    ("IPT_INV_VIA_IN", 1), ("IPT_INV_VIA_OUT", 2), ("IPT_INV_SRCIP", 8), ("IPT_INV_DSTIP", 16),
    ("IPT_INV_FRAG", 32), ("IPT_INV_PROTO", 64), ("IP6T_F_TOS", 2), ("IP6T_F_GOTO", 4),
    ("IP6T_INV_VIA_IN", 1), ("IP6T_INV_VIA_OUT", 2), ("IP6T_INV_SRCIP", 8), ("IP6T_INV_DSTIP", 16),
    ("IP6T_INV_PROTO", 64), ("XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED)", 2),
    ("XT_CONNTRACK_STATE_BIT(IP_CT_RELATED)", 4), ("XT_CONNTRACK_STATE_BIT(IP_CT_NEW)", 8),
    ("XT_CONNTRACK_STATE_SNAT", 64), ("XT_CONNTRACK_STATE_DNAT", 128),
    ("XT_CONNTRACK_STATE_UNTRACKED", 256), ("XT_STATE_UNTRACKED", 64),
    ("XT_CONNTRACK_STATE_ALIAS", 1 << 13), ("IPSET_DIM_MAX", 6), ("XT_MULTI_PORTS", 15),
    ("XT_LIMIT_SCALE", 10000), ("XT_NUM_SCTP_FLAGS", 4), ("NF_NAT_RANGE_PROTO_OFFSET", 1 << 5),
];

#[test]
fn every_layout_is_that_of_the_headers() {
    let mut source = String::new();
    for header in HEADERS {
        writeln!(source, "#include <{header}>").unwrap();
    }
    source += "int main(void) {\n";
    let mut expected = Vec::new();
    for (name, size, fields) in LAYOUTS {
        writeln!(source, "printf(\"%zu\\n\", sizeof({name}));").unwrap();
        expected.push((format!("sizeof({name})"), i64::try_from(*size).unwrap()));
        for (field, offset) in *fields {
            writeln!(source, "printf(\"%zu\\n\", offsetof({name}, {field}));").unwrap();
            expected.push((format!("offsetof({name}, {field})"), i64::try_from(*offset).unwrap()));
        }
    }
    for (name, number) in NUMBERS {
        writeln!(source, "printf(\"%lld\\n\", (long long)({name}));").unwrap();
        expected.push(((*name).to_owned(), *number));
    }
    source += "return 0; }\n";
    let directory = tempfile::tempdir().unwrap();
    let (file, program) = (directory.path().join("layouts.c"), directory.path().join("layouts"));
    std::fs::write(&file, source).unwrap();
    let built = Command::new("cc").arg("-w").arg("-o").arg(&program).arg(&file).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let output = Command::new(&program).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<i64> = printed.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(numbers.len(), expected.len());
    for ((what, number), real) in expected.into_iter().zip(numbers) {
        assert_eq!(number, real, "{what}");
    }
}
