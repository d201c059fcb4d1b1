//! Owns the numbers of nf_tables expressions: `linux/netfilter/nf_tables.h`, `nf_nat.h`.
//!
//! Each name is the kernel's; a test compares every value with the installed header.

super::constants! {
    // nft_immediate_attributes
    NFTA_IMMEDIATE_DREG: u16 = 1;
    NFTA_IMMEDIATE_DATA: u16 = 2;
    // nft_bitwise_ops
    NFT_BITWISE_MASK_XOR: u32 = 0;
    NFT_BITWISE_LSHIFT: u32 = 1;
    NFT_BITWISE_RSHIFT: u32 = 2;
    // nft_bitwise_attributes
    NFTA_BITWISE_SREG: u16 = 1;
    NFTA_BITWISE_DREG: u16 = 2;
    NFTA_BITWISE_LEN: u16 = 3;
    NFTA_BITWISE_MASK: u16 = 4;
    NFTA_BITWISE_XOR: u16 = 5;
    NFTA_BITWISE_OP: u16 = 6;
    NFTA_BITWISE_DATA: u16 = 7;
    // nft_byteorder_ops
    NFT_BYTEORDER_NTOH: u32 = 0;
    NFT_BYTEORDER_HTON: u32 = 1;
    // nft_byteorder_attributes
    NFTA_BYTEORDER_SREG: u16 = 1;
    NFTA_BYTEORDER_DREG: u16 = 2;
    NFTA_BYTEORDER_OP: u16 = 3;
    NFTA_BYTEORDER_LEN: u16 = 4;
    NFTA_BYTEORDER_SIZE: u16 = 5;
    // nft_cmp_ops
    NFT_CMP_EQ: u32 = 0;
    NFT_CMP_NEQ: u32 = 1;
    NFT_CMP_LT: u32 = 2;
    NFT_CMP_LTE: u32 = 3;
    NFT_CMP_GT: u32 = 4;
    NFT_CMP_GTE: u32 = 5;
    // nft_cmp_attributes
    NFTA_CMP_SREG: u16 = 1;
    NFTA_CMP_OP: u16 = 2;
    NFTA_CMP_DATA: u16 = 3;
    // nft_range_ops
    NFT_RANGE_EQ: u32 = 0;
    NFT_RANGE_NEQ: u32 = 1;
    // nft_range_attributes
    NFTA_RANGE_SREG: u16 = 1;
    NFTA_RANGE_OP: u16 = 2;
    NFTA_RANGE_FROM_DATA: u16 = 3;
    NFTA_RANGE_TO_DATA: u16 = 4;
    // nft_lookup_flags
    NFT_LOOKUP_F_INV: u32 = 0x1;
    // nft_lookup_attributes
    NFTA_LOOKUP_SET: u16 = 1;
    NFTA_LOOKUP_SREG: u16 = 2;
    NFTA_LOOKUP_DREG: u16 = 3;
    NFTA_LOOKUP_SET_ID: u16 = 4;
    NFTA_LOOKUP_FLAGS: u16 = 5;
    // nft_dynset_ops
    NFT_DYNSET_OP_ADD: u32 = 0;
    NFT_DYNSET_OP_UPDATE: u32 = 1;
    NFT_DYNSET_OP_DELETE: u32 = 2;
    // nft_dynset_flags
    NFT_DYNSET_F_INV: u32 = 0x1;
    NFT_DYNSET_F_EXPR: u32 = 0x2;
    // nft_dynset_attributes
    NFTA_DYNSET_SET_NAME: u16 = 1;
    NFTA_DYNSET_SET_ID: u16 = 2;
    NFTA_DYNSET_OP: u16 = 3;
    NFTA_DYNSET_SREG_KEY: u16 = 4;
    NFTA_DYNSET_SREG_DATA: u16 = 5;
    NFTA_DYNSET_TIMEOUT: u16 = 6;
    NFTA_DYNSET_EXPR: u16 = 7;
    NFTA_DYNSET_FLAGS: u16 = 9;
    NFTA_DYNSET_EXPRESSIONS: u16 = 10;
    // nft_payload_bases
    NFT_PAYLOAD_LL_HEADER: u32 = 0;
    NFT_PAYLOAD_NETWORK_HEADER: u32 = 1;
    NFT_PAYLOAD_TRANSPORT_HEADER: u32 = 2;
    NFT_PAYLOAD_INNER_HEADER: u32 = 3;
    // nft_payload_csum_types
    NFT_PAYLOAD_CSUM_NONE: u32 = 0;
    NFT_PAYLOAD_CSUM_INET: u32 = 1;
    NFT_PAYLOAD_CSUM_SCTP: u32 = 2;
    // nft_payload_attributes
    NFTA_PAYLOAD_DREG: u16 = 1;
    NFTA_PAYLOAD_BASE: u16 = 2;
    NFTA_PAYLOAD_OFFSET: u16 = 3;
    NFTA_PAYLOAD_LEN: u16 = 4;
    NFTA_PAYLOAD_SREG: u16 = 5;
    NFTA_PAYLOAD_CSUM_TYPE: u16 = 6;
    NFTA_PAYLOAD_CSUM_OFFSET: u16 = 7;
    NFTA_PAYLOAD_CSUM_FLAGS: u16 = 8;
    // nft_meta_keys
    NFT_META_LEN: u32 = 0;
    NFT_META_PROTOCOL: u32 = 1;
    NFT_META_PRIORITY: u32 = 2;
    NFT_META_MARK: u32 = 3;
    NFT_META_IIF: u32 = 4;
    NFT_META_OIF: u32 = 5;
    NFT_META_IIFNAME: u32 = 6;
    NFT_META_OIFNAME: u32 = 7;
    NFT_META_IFTYPE: u32 = 8;
    NFT_META_OIFTYPE: u32 = 9;
    NFT_META_SKUID: u32 = 10;
    NFT_META_SKGID: u32 = 11;
    NFT_META_NFTRACE: u32 = 12;
    NFT_META_RTCLASSID: u32 = 13;
    NFT_META_SECMARK: u32 = 14;
    NFT_META_NFPROTO: u32 = 15;
    NFT_META_L4PROTO: u32 = 16;
    NFT_META_BRI_IIFNAME: u32 = 17;
    NFT_META_BRI_OIFNAME: u32 = 18;
    NFT_META_PKTTYPE: u32 = 19;
    NFT_META_CPU: u32 = 20;
    NFT_META_IIFGROUP: u32 = 21;
    NFT_META_OIFGROUP: u32 = 22;
    NFT_META_CGROUP: u32 = 23;
    NFT_META_PRANDOM: u32 = 24;
    NFT_META_SECPATH: u32 = 25;
    NFT_META_IIFKIND: u32 = 26;
    NFT_META_OIFKIND: u32 = 27;
    NFT_META_BRI_IIFPVID: u32 = 28;
    NFT_META_BRI_IIFVPROTO: u32 = 29;
    NFT_META_TIME_NS: u32 = 30;
    NFT_META_TIME_DAY: u32 = 31;
    NFT_META_TIME_HOUR: u32 = 32;
    NFT_META_SDIF: u32 = 33;
    NFT_META_SDIFNAME: u32 = 34;
    // nft_meta_attributes
    NFTA_META_DREG: u16 = 1;
    NFTA_META_KEY: u16 = 2;
    NFTA_META_SREG: u16 = 3;
    // nft_ct_keys
    NFT_CT_STATE: u32 = 0;
    NFT_CT_DIRECTION: u32 = 1;
    NFT_CT_STATUS: u32 = 2;
    NFT_CT_MARK: u32 = 3;
    NFT_CT_SECMARK: u32 = 4;
    NFT_CT_EXPIRATION: u32 = 5;
    NFT_CT_HELPER: u32 = 6;
    NFT_CT_L3PROTOCOL: u32 = 7;
    NFT_CT_SRC: u32 = 8;
    NFT_CT_DST: u32 = 9;
    NFT_CT_PROTOCOL: u32 = 10;
    NFT_CT_PROTO_SRC: u32 = 11;
    NFT_CT_PROTO_DST: u32 = 12;
    NFT_CT_LABELS: u32 = 13;
    NFT_CT_PKTS: u32 = 14;
    NFT_CT_BYTES: u32 = 15;
    NFT_CT_AVGPKT: u32 = 16;
    NFT_CT_ZONE: u32 = 17;
    NFT_CT_EVENTMASK: u32 = 18;
    NFT_CT_SRC_IP: u32 = 19;
    NFT_CT_DST_IP: u32 = 20;
    NFT_CT_SRC_IP6: u32 = 21;
    NFT_CT_DST_IP6: u32 = 22;
    NFT_CT_ID: u32 = 23;
    // nft_ct_attributes
    NFTA_CT_DREG: u16 = 1;
    NFTA_CT_KEY: u16 = 2;
    NFTA_CT_DIRECTION: u16 = 3;
    NFTA_CT_SREG: u16 = 4;
    // nft_limit_type
    NFT_LIMIT_PKTS: u32 = 0;
    NFT_LIMIT_PKT_BYTES: u32 = 1;
    // nft_limit_flags
    NFT_LIMIT_F_INV: u32 = 0x1;
    // nft_limit_attributes
    NFTA_LIMIT_RATE: u16 = 1;
    NFTA_LIMIT_UNIT: u16 = 2;
    NFTA_LIMIT_BURST: u16 = 3;
    NFTA_LIMIT_TYPE: u16 = 4;
    NFTA_LIMIT_FLAGS: u16 = 5;
    // nft_log_attributes
    NFTA_LOG_GROUP: u16 = 1;
    NFTA_LOG_PREFIX: u16 = 2;
    NFTA_LOG_SNAPLEN: u16 = 3;
    NFTA_LOG_QTHRESHOLD: u16 = 4;
    NFTA_LOG_LEVEL: u16 = 5;
    NFTA_LOG_FLAGS: u16 = 6;
    // nft_reject_types
    NFT_REJECT_ICMP_UNREACH: u32 = 0;
    NFT_REJECT_TCP_RST: u32 = 1;
    NFT_REJECT_ICMPX_UNREACH: u32 = 2;
    // nft_reject_inet_code
    NFT_REJECT_ICMPX_NO_ROUTE: u32 = 0;
    NFT_REJECT_ICMPX_PORT_UNREACH: u32 = 1;
    NFT_REJECT_ICMPX_HOST_UNREACH: u32 = 2;
    NFT_REJECT_ICMPX_ADMIN_PROHIBITED: u32 = 3;
    // nft_reject_attributes
    NFTA_REJECT_TYPE: u16 = 1;
    NFTA_REJECT_ICMP_CODE: u16 = 2;
    // nft_nat_types
    NFT_NAT_SNAT: u32 = 0;
    NFT_NAT_DNAT: u32 = 1;
    // nft_nat_attributes
    NFTA_NAT_TYPE: u16 = 1;
    NFTA_NAT_FAMILY: u16 = 2;
    NFTA_NAT_REG_ADDR_MIN: u16 = 3;
    NFTA_NAT_REG_ADDR_MAX: u16 = 4;
    NFTA_NAT_REG_PROTO_MIN: u16 = 5;
    NFTA_NAT_REG_PROTO_MAX: u16 = 6;
    NFTA_NAT_FLAGS: u16 = 7;
    // nft_tproxy_attributes
    NFTA_TPROXY_FAMILY: u16 = 1;
    NFTA_TPROXY_REG_ADDR: u16 = 2;
    NFTA_TPROXY_REG_PORT: u16 = 3;
    // nft_masq_attributes
    NFTA_MASQ_FLAGS: u16 = 1;
    NFTA_MASQ_REG_PROTO_MIN: u16 = 2;
    NFTA_MASQ_REG_PROTO_MAX: u16 = 3;
    // nft_redir_attributes
    NFTA_REDIR_REG_PROTO_MIN: u16 = 1;
    NFTA_REDIR_REG_PROTO_MAX: u16 = 2;
    NFTA_REDIR_FLAGS: u16 = 3;
    // nft_objref_attributes
    NFTA_OBJREF_IMM_TYPE: u16 = 1;
    NFTA_OBJREF_IMM_NAME: u16 = 2;
    NFTA_OBJREF_SET_SREG: u16 = 3;
    NFTA_OBJREF_SET_NAME: u16 = 4;
    NFTA_OBJREF_SET_ID: u16 = 5;
    // nft_fib_attributes
    NFTA_FIB_DREG: u16 = 1;
    NFTA_FIB_RESULT: u16 = 2;
    NFTA_FIB_FLAGS: u16 = 3;
    // nft_fib_result
    NFT_FIB_RESULT_OIF: u32 = 1;
    NFT_FIB_RESULT_OIFNAME: u32 = 2;
    NFT_FIB_RESULT_ADDRTYPE: u32 = 3;
    // nft_fib_flags
    NFTA_FIB_F_SADDR: u32 = 0x1;
    NFTA_FIB_F_DADDR: u32 = 0x2;
    NFTA_FIB_F_MARK: u32 = 0x4;
    NFTA_FIB_F_IIF: u32 = 0x8;
    NFTA_FIB_F_OIF: u32 = 0x10;
    NFTA_FIB_F_PRESENT: u32 = 0x20;
    // nft_ng_attributes
    NFTA_NG_DREG: u16 = 1;
    NFTA_NG_MODULUS: u16 = 2;
    NFTA_NG_TYPE: u16 = 3;
    NFTA_NG_OFFSET: u16 = 4;
    NFTA_NG_SET_NAME: u16 = 5;
    NFTA_NG_SET_ID: u16 = 6;
    // nft_ng_types
    NFT_NG_INCREMENTAL: u32 = 0;
    NFT_NG_RANDOM: u32 = 1;
    // registers
    NFT_REG_VERDICT: u32 = 0;
    NFT_REG_1: u32 = 1;
    NFT_REG_2: u32 = 2;
    NFT_REG_3: u32 = 3;
    NFT_REG_4: u32 = 4;
    NFT_REG32_00: u32 = 8;
    NFT_REG32_15: u32 = 23;
    // nf_nat.h
    NF_NAT_RANGE_MAP_IPS: u32 = 0x1;
    NF_NAT_RANGE_PROTO_SPECIFIED: u32 = 0x2;
    NF_NAT_RANGE_PROTO_RANDOM: u32 = 0x4;
    NF_NAT_RANGE_PERSISTENT: u32 = 0x8;
    NF_NAT_RANGE_PROTO_RANDOM_FULLY: u32 = 0x10;
    NF_NAT_RANGE_PROTO_OFFSET: u32 = 0x20;
    NF_NAT_RANGE_NETMAP: u32 = 0x40;
}
