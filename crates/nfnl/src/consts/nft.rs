//! Owns the numbers of nf_tables messages and objects: `linux/netfilter/nf_tables.h`.
//!
//! Each name is the kernel's; a test compares every value with the installed header.

super::constants! {
    // nft_verdicts
    NFT_CONTINUE: i32 = -1;
    NFT_BREAK: i32 = -2;
    NFT_JUMP: i32 = -3;
    NFT_GOTO: i32 = -4;
    NFT_RETURN: i32 = -5;
    // nf_tables_msg_types
    NFT_MSG_NEWTABLE: u8 = 0;
    NFT_MSG_GETTABLE: u8 = 1;
    NFT_MSG_DELTABLE: u8 = 2;
    NFT_MSG_NEWCHAIN: u8 = 3;
    NFT_MSG_GETCHAIN: u8 = 4;
    NFT_MSG_DELCHAIN: u8 = 5;
    NFT_MSG_NEWRULE: u8 = 6;
    NFT_MSG_GETRULE: u8 = 7;
    NFT_MSG_DELRULE: u8 = 8;
    NFT_MSG_NEWSET: u8 = 9;
    NFT_MSG_GETSET: u8 = 10;
    NFT_MSG_DELSET: u8 = 11;
    NFT_MSG_NEWSETELEM: u8 = 12;
    NFT_MSG_GETSETELEM: u8 = 13;
    NFT_MSG_DELSETELEM: u8 = 14;
    NFT_MSG_NEWGEN: u8 = 15;
    NFT_MSG_GETGEN: u8 = 16;
    NFT_MSG_TRACE: u8 = 17;
    NFT_MSG_NEWOBJ: u8 = 18;
    NFT_MSG_GETOBJ: u8 = 19;
    NFT_MSG_DELOBJ: u8 = 20;
    NFT_MSG_GETOBJ_RESET: u8 = 21;
    NFT_MSG_NEWFLOWTABLE: u8 = 22;
    NFT_MSG_GETFLOWTABLE: u8 = 23;
    NFT_MSG_DELFLOWTABLE: u8 = 24;
    NFT_MSG_DESTROYTABLE: u8 = 26; // since 6.3, as the other DESTROY messages
    NFT_MSG_DESTROYCHAIN: u8 = 27;
    NFT_MSG_DESTROYRULE: u8 = 28;
    NFT_MSG_DESTROYSET: u8 = 29;
    NFT_MSG_DESTROYSETELEM: u8 = 30;
    NFT_MSG_DESTROYOBJ: u8 = 31;
    NFT_MSG_DESTROYFLOWTABLE: u8 = 32;
    // nft_list_attributes
    NFTA_LIST_ELEM: u16 = 1;
    // nft_hook_attributes
    NFTA_HOOK_HOOKNUM: u16 = 1;
    NFTA_HOOK_PRIORITY: u16 = 2;
    NFTA_HOOK_DEV: u16 = 3;
    NFTA_HOOK_DEVS: u16 = 4;
    // nft_table_flags
    NFT_TABLE_F_DORMANT: u32 = 0x1;
    NFT_TABLE_F_OWNER: u32 = 0x2;
    NFT_TABLE_F_PERSIST: u32 = 0x4; // since 6.9
    // nft_table_attributes
    NFTA_TABLE_NAME: u16 = 1;
    NFTA_TABLE_FLAGS: u16 = 2;
    NFTA_TABLE_USE: u16 = 3;
    NFTA_TABLE_HANDLE: u16 = 4;
    NFTA_TABLE_USERDATA: u16 = 6;
    NFTA_TABLE_OWNER: u16 = 7;
    // nft_chain_flags
    NFT_CHAIN_BASE: u32 = 0x1;
    NFT_CHAIN_HW_OFFLOAD: u32 = 0x2;
    NFT_CHAIN_BINDING: u32 = 0x4;
    // nft_chain_attributes
    NFTA_CHAIN_TABLE: u16 = 1;
    NFTA_CHAIN_HANDLE: u16 = 2;
    NFTA_CHAIN_NAME: u16 = 3;
    NFTA_CHAIN_HOOK: u16 = 4;
    NFTA_CHAIN_POLICY: u16 = 5;
    NFTA_CHAIN_USE: u16 = 6;
    NFTA_CHAIN_TYPE: u16 = 7;
    NFTA_CHAIN_COUNTERS: u16 = 8;
    NFTA_CHAIN_FLAGS: u16 = 10;
    NFTA_CHAIN_ID: u16 = 11;
    NFTA_CHAIN_USERDATA: u16 = 12;
    // nft_rule_attributes
    NFTA_RULE_TABLE: u16 = 1;
    NFTA_RULE_CHAIN: u16 = 2;
    NFTA_RULE_HANDLE: u16 = 3;
    NFTA_RULE_EXPRESSIONS: u16 = 4;
    NFTA_RULE_COMPAT: u16 = 5;
    NFTA_RULE_POSITION: u16 = 6;
    NFTA_RULE_USERDATA: u16 = 7;
    NFTA_RULE_ID: u16 = 9;
    NFTA_RULE_POSITION_ID: u16 = 10;
    NFTA_RULE_CHAIN_ID: u16 = 11;
    // nft_rule_compat_attributes, nft_rule_compat_flags
    NFTA_RULE_COMPAT_PROTO: u16 = 1;
    NFTA_RULE_COMPAT_FLAGS: u16 = 2;
    NFT_RULE_COMPAT_F_INV: u32 = 2;
    // nft_set_flags
    NFT_SET_ANONYMOUS: u32 = 0x1;
    NFT_SET_CONSTANT: u32 = 0x2;
    NFT_SET_INTERVAL: u32 = 0x4;
    NFT_SET_MAP: u32 = 0x8;
    NFT_SET_TIMEOUT: u32 = 0x10;
    NFT_SET_EVAL: u32 = 0x20;
    NFT_SET_OBJECT: u32 = 0x40;
    NFT_SET_CONCAT: u32 = 0x80;
    NFT_SET_EXPR: u32 = 0x100;
    // nft_set_policies
    NFT_SET_POL_PERFORMANCE: u32 = 0;
    NFT_SET_POL_MEMORY: u32 = 1;
    // nft_set_desc_attributes
    NFTA_SET_DESC_SIZE: u16 = 1;
    NFTA_SET_DESC_CONCAT: u16 = 2;
    // nft_set_field_attributes
    NFTA_SET_FIELD_LEN: u16 = 1;
    // nft_set_attributes
    NFTA_SET_TABLE: u16 = 1;
    NFTA_SET_NAME: u16 = 2;
    NFTA_SET_FLAGS: u16 = 3;
    NFTA_SET_KEY_TYPE: u16 = 4;
    NFTA_SET_KEY_LEN: u16 = 5;
    NFTA_SET_DATA_TYPE: u16 = 6;
    NFTA_SET_DATA_LEN: u16 = 7;
    NFTA_SET_POLICY: u16 = 8;
    NFTA_SET_DESC: u16 = 9;
    NFTA_SET_ID: u16 = 10;
    NFTA_SET_TIMEOUT: u16 = 11;
    NFTA_SET_GC_INTERVAL: u16 = 12;
    NFTA_SET_USERDATA: u16 = 13;
    NFTA_SET_OBJ_TYPE: u16 = 15;
    NFTA_SET_HANDLE: u16 = 16;
    NFTA_SET_EXPR: u16 = 17;
    NFTA_SET_EXPRESSIONS: u16 = 18;
    NFTA_SET_COUNT: u16 = 20;
    // nft_set_elem_flags
    NFT_SET_ELEM_INTERVAL_END: u32 = 1;
    NFT_SET_ELEM_CATCHALL: u32 = 2;
    // nft_set_elem_attributes
    NFTA_SET_ELEM_KEY: u16 = 1;
    NFTA_SET_ELEM_DATA: u16 = 2;
    NFTA_SET_ELEM_FLAGS: u16 = 3;
    NFTA_SET_ELEM_TIMEOUT: u16 = 4;
    NFTA_SET_ELEM_EXPIRATION: u16 = 5;
    NFTA_SET_ELEM_USERDATA: u16 = 6;
    NFTA_SET_ELEM_EXPR: u16 = 7;
    NFTA_SET_ELEM_OBJREF: u16 = 9;
    NFTA_SET_ELEM_KEY_END: u16 = 10;
    NFTA_SET_ELEM_EXPRESSIONS: u16 = 11;
    // nft_set_elem_list_attributes
    NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
    NFTA_SET_ELEM_LIST_SET: u16 = 2;
    NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
    NFTA_SET_ELEM_LIST_SET_ID: u16 = 4;
    // nft_data_types
    NFT_DATA_VALUE: u32 = 0;
    NFT_DATA_VERDICT: u32 = 0xffff_ff00;
    // nft_data_attributes
    NFTA_DATA_VALUE: u16 = 1;
    NFTA_DATA_VERDICT: u16 = 2;
    // nft_verdict_attributes
    NFTA_VERDICT_CODE: u16 = 1;
    NFTA_VERDICT_CHAIN: u16 = 2;
    NFTA_VERDICT_CHAIN_ID: u16 = 3;
    // nft_expr_attributes
    NFTA_EXPR_NAME: u16 = 1;
    NFTA_EXPR_DATA: u16 = 2;
    // nft_counter_attributes
    NFTA_COUNTER_BYTES: u16 = 1;
    NFTA_COUNTER_PACKETS: u16 = 2;
    // nft_quota_flags
    NFT_QUOTA_F_INV: u32 = 0x1;
    NFT_QUOTA_F_DEPLETED: u32 = 0x2;
    // nft_quota_attributes
    NFTA_QUOTA_BYTES: u16 = 1;
    NFTA_QUOTA_FLAGS: u16 = 2;
    NFTA_QUOTA_CONSUMED: u16 = 4;
    // nft_gen_attributes
    NFTA_GEN_ID: u16 = 1;
    NFTA_GEN_PROC_PID: u16 = 2;
    NFTA_GEN_PROC_NAME: u16 = 3;
    // nft_object_attributes
    NFTA_OBJ_TABLE: u16 = 1;
    NFTA_OBJ_NAME: u16 = 2;
    NFTA_OBJ_TYPE: u16 = 3;
    NFTA_OBJ_DATA: u16 = 4;
    NFTA_OBJ_USE: u16 = 5;
    NFTA_OBJ_HANDLE: u16 = 6;
    NFTA_OBJ_USERDATA: u16 = 8;
    // nft_devices_attributes
    NFTA_DEVICE_NAME: u16 = 1;
    // names and values
    NFT_NAME_MAXLEN: usize = 256;
    NFT_USERDATA_MAXLEN: usize = 256;
    NFT_DATA_VALUE_MAXLEN: usize = 64;
    NFT_OBJECT_UNSPEC: u32 = 0;
    NFT_OBJECT_COUNTER: u32 = 1;
    NFT_OBJECT_QUOTA: u32 = 2;
    NFT_OBJECT_CT_HELPER: u32 = 3;
    NFT_OBJECT_LIMIT: u32 = 4;
    NFT_OBJECT_CONNLIMIT: u32 = 5;
    NFT_OBJECT_TUNNEL: u32 = 6;
    NFT_OBJECT_CT_TIMEOUT: u32 = 7;
    NFT_OBJECT_SECMARK: u32 = 8;
    NFT_OBJECT_CT_EXPECT: u32 = 9;
    NFT_OBJECT_SYNPROXY: u32 = 10;
}
