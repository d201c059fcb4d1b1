//! Owns the numbers of conntrack: `linux/netfilter/nfnetlink_conntrack.h` and `nf_conntrack_common.h`.
//!
//! Each name is the kernel's; a test compares every value with the installed header.

super::constants! {
    // cntl_msg_types
    IPCTNL_MSG_CT_NEW: u8 = 0;
    IPCTNL_MSG_CT_GET: u8 = 1;
    IPCTNL_MSG_CT_DELETE: u8 = 2;
    IPCTNL_MSG_CT_GET_CTRZERO: u8 = 3;
    IPCTNL_MSG_CT_GET_STATS_CPU: u8 = 4;
    IPCTNL_MSG_CT_GET_STATS: u8 = 5;
    IPCTNL_MSG_CT_GET_DYING: u8 = 6;
    IPCTNL_MSG_CT_GET_UNCONFIRMED: u8 = 7;
    // ctattr_type
    CTA_TUPLE_ORIG: u16 = 1;
    CTA_TUPLE_REPLY: u16 = 2;
    CTA_STATUS: u16 = 3;
    CTA_PROTOINFO: u16 = 4;
    CTA_HELP: u16 = 5;
    CTA_NAT_SRC: u16 = 6;
    CTA_TIMEOUT: u16 = 7;
    CTA_MARK: u16 = 8;
    CTA_COUNTERS_ORIG: u16 = 9;
    CTA_COUNTERS_REPLY: u16 = 10;
    CTA_USE: u16 = 11;
    CTA_ID: u16 = 12;
    CTA_NAT_DST: u16 = 13;
    CTA_TUPLE_MASTER: u16 = 14;
    CTA_SEQ_ADJ_ORIG: u16 = 15;
    CTA_NAT_SEQ_ADJ_ORIG: u16 = 15;
    CTA_SEQ_ADJ_REPLY: u16 = 16;
    CTA_NAT_SEQ_ADJ_REPLY: u16 = 16;
    CTA_SECMARK: u16 = 17;
    CTA_ZONE: u16 = 18;
    CTA_SECCTX: u16 = 19;
    CTA_TIMESTAMP: u16 = 20;
    CTA_MARK_MASK: u16 = 21;
    CTA_LABELS: u16 = 22;
    CTA_LABELS_MASK: u16 = 23;
    CTA_SYNPROXY: u16 = 24;
    CTA_FILTER: u16 = 25;
    CTA_STATUS_MASK: u16 = 26;
    // ctattr_tuple
    CTA_TUPLE_IP: u16 = 1;
    CTA_TUPLE_PROTO: u16 = 2;
    CTA_TUPLE_ZONE: u16 = 3;
    // ctattr_ip
    CTA_IP_V4_SRC: u16 = 1;
    CTA_IP_V4_DST: u16 = 2;
    CTA_IP_V6_SRC: u16 = 3;
    CTA_IP_V6_DST: u16 = 4;
    // ctattr_l4proto
    CTA_PROTO_NUM: u16 = 1;
    CTA_PROTO_SRC_PORT: u16 = 2;
    CTA_PROTO_DST_PORT: u16 = 3;
    CTA_PROTO_ICMP_ID: u16 = 4;
    CTA_PROTO_ICMP_TYPE: u16 = 5;
    CTA_PROTO_ICMP_CODE: u16 = 6;
    CTA_PROTO_ICMPV6_ID: u16 = 7;
    CTA_PROTO_ICMPV6_TYPE: u16 = 8;
    CTA_PROTO_ICMPV6_CODE: u16 = 9;
    // ctattr_protoinfo
    CTA_PROTOINFO_TCP: u16 = 1;
    CTA_PROTOINFO_DCCP: u16 = 2;
    CTA_PROTOINFO_SCTP: u16 = 3;
    // ctattr_protoinfo_tcp
    CTA_PROTOINFO_TCP_STATE: u16 = 1;
    CTA_PROTOINFO_TCP_WSCALE_ORIGINAL: u16 = 2;
    CTA_PROTOINFO_TCP_WSCALE_REPLY: u16 = 3;
    CTA_PROTOINFO_TCP_FLAGS_ORIGINAL: u16 = 4;
    CTA_PROTOINFO_TCP_FLAGS_REPLY: u16 = 5;
    // ctattr_stats_global
    CTA_STATS_GLOBAL_ENTRIES: u16 = 1;
    CTA_STATS_GLOBAL_MAX_ENTRIES: u16 = 2;
    // ctattr_filter
    CTA_FILTER_ORIG_FLAGS: u16 = 1;
    CTA_FILTER_REPLY_FLAGS: u16 = 2;
    // ip_conntrack_status
    IPS_EXPECTED: u32 = 0x1;
    IPS_SEEN_REPLY: u32 = 0x2;
    IPS_ASSURED: u32 = 0x4;
    IPS_CONFIRMED: u32 = 0x8;
    IPS_SRC_NAT: u32 = 0x10;
    IPS_DST_NAT: u32 = 0x20;
    IPS_NAT_MASK: u32 = 0x30;
    IPS_SEQ_ADJUST: u32 = 0x40;
    IPS_SRC_NAT_DONE: u32 = 0x80;
    IPS_DST_NAT_DONE: u32 = 0x100;
    IPS_NAT_DONE_MASK: u32 = 0x180;
    IPS_DYING: u32 = 0x200;
    IPS_FIXED_TIMEOUT: u32 = 0x400;
    IPS_TEMPLATE: u32 = 0x800;
    IPS_UNTRACKED: u32 = 0x1000;
    IPS_HELPER: u32 = 0x2000;
    IPS_OFFLOAD: u32 = 0x4000;
    IPS_HW_OFFLOAD: u32 = 0x8000;
    IPS_UNCHANGEABLE_MASK: u32 = 0xdbf9;
    // ctattr_counters
    CTA_COUNTERS_PACKETS: u16 = 1;
    CTA_COUNTERS_BYTES: u16 = 2;
    CTA_COUNTERS32_PACKETS: u16 = 3;
    CTA_COUNTERS32_BYTES: u16 = 4;
    // net/netfilter/nf_internals.h, not exported: bits of the CTA_FILTER_*_FLAGS words, since 5.8
    CTA_FILTER_F_CTA_IP_SRC: u32 = 0x1;
    CTA_FILTER_F_CTA_IP_DST: u32 = 0x2;
    CTA_FILTER_F_CTA_TUPLE_ZONE: u32 = 0x4;
    CTA_FILTER_F_CTA_PROTO_NUM: u32 = 0x8;
    CTA_FILTER_F_CTA_PROTO_SRC_PORT: u32 = 0x10;
    CTA_FILTER_F_CTA_PROTO_DST_PORT: u32 = 0x20;
}
