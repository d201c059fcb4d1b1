//! Owns the numbers of ipset: `linux/netfilter/ipset/ip_set.h`.
//!
//! Each name is the kernel's; a test compares every value with the installed header.

super::constants! {
    NFNL_SUBSYS_IPSET: u8 = 6;
    // ipset_cmd
    IPSET_CMD_LIST: u8 = 7;
    // command attributes
    IPSET_ATTR_PROTOCOL: u16 = 1;
    IPSET_ATTR_SETNAME: u16 = 2;
    IPSET_ATTR_TYPENAME: u16 = 3;
    IPSET_ATTR_REVISION: u16 = 4;
    IPSET_ATTR_FAMILY: u16 = 5;
    IPSET_ATTR_DATA: u16 = 7;
    IPSET_ATTR_ADT: u16 = 8;
    // attributes of sets and entries
    IPSET_ATTR_IP: u16 = 1;
    IPSET_ATTR_CIDR: u16 = 3;
    IPSET_ATTR_PORT: u16 = 4;
    IPSET_ATTR_PROTO: u16 = 7;
    IPSET_ATTR_CADT_FLAGS: u16 = 8;
    IPSET_ATTR_MARK: u16 = 10;
    IPSET_ATTR_MAXELEM: u16 = 19;
    IPSET_ATTR_REFERENCES: u16 = 25;
    IPSET_ATTR_ETHER: u16 = 17;
    IPSET_ATTR_NAME: u16 = 18;
    IPSET_ATTR_IP2: u16 = 20;
    IPSET_ATTR_CIDR2: u16 = 21;
    IPSET_ATTR_IFACE: u16 = 23;
    IPSET_ATTR_IPADDR_IPV4: u16 = 1;
    IPSET_ATTR_IPADDR_IPV6: u16 = 2;
    // cadt_flags
    IPSET_FLAG_PHYSDEV: u32 = 1 << 1;
    IPSET_FLAG_NOMATCH: u32 = 1 << 2;
}
