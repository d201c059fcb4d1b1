//! Owns the numbers of netlink and nfnetlink: `linux/netlink.h`, `linux/netfilter/nfnetlink.h`, `linux/netfilter.h`.
//!
//! Each name is the kernel's; a test compares every value with the installed header.

super::constants! {
    // netlink.h
    NETLINK_NETFILTER: i32 = 12;
    NETLINK_ADD_MEMBERSHIP: i32 = 1;
    NETLINK_DROP_MEMBERSHIP: i32 = 2;
    NETLINK_CAP_ACK: i32 = 10;
    NETLINK_EXT_ACK: i32 = 11;
    NETLINK_GET_STRICT_CHK: i32 = 12;
    NLMSG_NOOP: u16 = 1;
    NLMSG_ERROR: u16 = 2;
    NLMSG_DONE: u16 = 3;
    NLMSG_OVERRUN: u16 = 4;
    NLMSG_MIN_TYPE: u16 = 16;
    NLM_F_REQUEST: u16 = 0x1;
    NLM_F_MULTI: u16 = 0x2;
    NLM_F_ACK: u16 = 0x4;
    NLM_F_ECHO: u16 = 0x8;
    NLM_F_DUMP_INTR: u16 = 0x10;
    NLM_F_DUMP_FILTERED: u16 = 0x20;
    NLM_F_ROOT: u16 = 0x100;
    NLM_F_MATCH: u16 = 0x200;
    NLM_F_DUMP: u16 = 0x300;
    NLM_F_REPLACE: u16 = 0x100;
    NLM_F_EXCL: u16 = 0x200;
    NLM_F_CREATE: u16 = 0x400;
    NLM_F_APPEND: u16 = 0x800;
    NLM_F_NONREC: u16 = 0x100;
    NLM_F_CAPPED: u16 = 0x100;
    NLM_F_ACK_TLVS: u16 = 0x200;
    NLMSGERR_ATTR_MSG: u16 = 1;
    NLMSGERR_ATTR_OFFS: u16 = 2;
    NLA_F_NESTED: u16 = 0x8000;
    NLA_F_NET_BYTEORDER: u16 = 0x4000;
    // nfnetlink.h
    NFNL_MSG_BATCH_BEGIN: u16 = 16;
    NFNL_MSG_BATCH_END: u16 = 17;
    NFNL_BATCH_GENID: u16 = 1;
    NFNL_SUBSYS_CTNETLINK: u8 = 1;
    NFNL_SUBSYS_NFTABLES: u8 = 10;
    NFNLGRP_CONNTRACK_NEW: u32 = 1;
    NFNLGRP_CONNTRACK_UPDATE: u32 = 2;
    NFNLGRP_CONNTRACK_DESTROY: u32 = 3;
    NFNLGRP_NFTABLES: u32 = 7;
    NFNLGRP_NFTRACE: u32 = 9;
    // netfilter.h
    NFPROTO_UNSPEC: u8 = 0;
    NFPROTO_INET: u8 = 1;
    NFPROTO_IPV4: u8 = 2;
    NFPROTO_ARP: u8 = 3;
    NFPROTO_NETDEV: u8 = 5;
    NFPROTO_BRIDGE: u8 = 7;
    NFPROTO_IPV6: u8 = 10;
    NF_INET_PRE_ROUTING: u32 = 0;
    NF_INET_LOCAL_IN: u32 = 1;
    NF_INET_FORWARD: u32 = 2;
    NF_INET_LOCAL_OUT: u32 = 3;
    NF_INET_POST_ROUTING: u32 = 4;
    NF_INET_INGRESS: u32 = 5;
    NF_NETDEV_INGRESS: u32 = 0;
    NF_NETDEV_EGRESS: u32 = 1;
    NF_DROP: i32 = 0;
    NF_ACCEPT: i32 = 1;
    NF_STOLEN: i32 = 2;
    NF_QUEUE: i32 = 3;
    NF_REPEAT: i32 = 4;
}
