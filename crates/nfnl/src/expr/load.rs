//! Owns the expressions that put something into a register: payload, meta, ct, fib, immediate, numgen.

use super::{
    Register,
    field::{expression, numbers},
};
use crate::Data;

numbers! {
    /// Where in the packet an offset starts.
    PayloadBase:
    /// Link layer header.
    Link = NFT_PAYLOAD_LL_HEADER,
    /// IP header.
    Network = NFT_PAYLOAD_NETWORK_HEADER,
    /// TCP, UDP, … header (`th` in nft).
    Transport = NFT_PAYLOAD_TRANSPORT_HEADER,
    /// Behind the transport header.
    Inner = NFT_PAYLOAD_INNER_HEADER,
}

expression! {
    /// Loads packet bytes into `dreg`, or writes `sreg` into the packet. Exactly one of the two is set.
    Payload = "payload", pad 0 {
        /// Register to load into.
        dreg: Option<Register> = NFTA_PAYLOAD_DREG,
        /// Header the offset counts from.
        base: PayloadBase = NFTA_PAYLOAD_BASE,
        /// Bytes from the start of the header.
        offset: u32 = NFTA_PAYLOAD_OFFSET,
        /// Bytes.
        len: u32 = NFTA_PAYLOAD_LEN,
        /// Register to write from.
        sreg: Option<Register> = NFTA_PAYLOAD_SREG,
        /// Checksum to mend after a write, `NFT_PAYLOAD_CSUM_*`.
        csum_type: Option<u32> = NFTA_PAYLOAD_CSUM_TYPE,
        /// Where that checksum is.
        csum_offset: Option<u32> = NFTA_PAYLOAD_CSUM_OFFSET,
        /// `NFT_PAYLOAD_L4CSUM_*`.
        csum_flags: Option<u32> = NFTA_PAYLOAD_CSUM_FLAGS,
    }
}

impl Payload {
    /// Loads `len` bytes at `offset`.
    pub const fn load(base: PayloadBase, offset: u32, len: u32, dreg: Register) -> Self {
        Self {
            dreg: Some(dreg),
            base,
            offset,
            len,
            sreg: None,
            csum_type: None,
            csum_offset: None,
            csum_flags: None,
        }
    }

    /// The IPv4 source address (4 bytes).
    pub const fn ip_saddr(dreg: Register) -> Self {
        Self::load(PayloadBase::Network, 12, 4, dreg)
    }

    /// The IPv4 destination address (4 bytes).
    pub const fn ip_daddr(dreg: Register) -> Self {
        Self::load(PayloadBase::Network, 16, 4, dreg)
    }

    /// The IPv6 source address (16 bytes).
    pub const fn ip6_saddr(dreg: Register) -> Self {
        Self::load(PayloadBase::Network, 8, 16, dreg)
    }

    /// The IPv6 destination address (16 bytes).
    pub const fn ip6_daddr(dreg: Register) -> Self {
        Self::load(PayloadBase::Network, 24, 16, dreg)
    }

    /// The source port (2 bytes, `th sport`).
    pub const fn th_sport(dreg: Register) -> Self {
        Self::load(PayloadBase::Transport, 0, 2, dreg)
    }

    /// The destination port (2 bytes, `th dport`).
    pub const fn th_dport(dreg: Register) -> Self {
        Self::load(PayloadBase::Transport, 2, 2, dreg)
    }
}

expression! {
    /// Loads `data` into `dreg`; with [`Register::VERDICT`] it ends the rule with a verdict.
    Immediate = "immediate", pad 0 {
        /// Register to load into.
        dreg: Register = NFTA_IMMEDIATE_DREG,
        /// What to load.
        data: Data = NFTA_IMMEDIATE_DATA,
    }
}

impl Immediate {
    /// Loads a value.
    pub fn value(dreg: Register, value: impl Into<crate::Value>) -> Self {
        Self { dreg, data: Data::Value(value.into()) }
    }
}

numbers! {
    /// What `meta` reads or sets.
    MetaKey:
    /// Packet length.
    Len = NFT_META_LEN,
    /// Ethertype.
    Protocol = NFT_META_PROTOCOL,
    /// Packet priority.
    Priority = NFT_META_PRIORITY,
    /// Packet mark (host order).
    Mark = NFT_META_MARK,
    /// Input interface index.
    Iif = NFT_META_IIF,
    /// Output interface index.
    Oif = NFT_META_OIF,
    /// Input interface name (16 bytes).
    IifName = NFT_META_IIFNAME,
    /// Output interface name (16 bytes).
    OifName = NFT_META_OIFNAME,
    /// Input interface type.
    IifType = NFT_META_IFTYPE,
    /// Output interface type.
    OifType = NFT_META_OIFTYPE,
    /// User of the socket.
    SkUid = NFT_META_SKUID,
    /// Group of the socket.
    SkGid = NFT_META_SKGID,
    /// Tracing of this packet.
    NfTrace = NFT_META_NFTRACE,
    /// `NFPROTO_*` of the packet (1 byte).
    NfProto = NFT_META_NFPROTO,
    /// Transport protocol (1 byte).
    L4Proto = NFT_META_L4PROTO,
    /// Input bridge name.
    BridgeIifName = NFT_META_BRI_IIFNAME,
    /// Output bridge name.
    BridgeOifName = NFT_META_BRI_OIFNAME,
    /// Unicast, broadcast, multicast.
    PktType = NFT_META_PKTTYPE,
    /// CPU that handles the packet.
    Cpu = NFT_META_CPU,
    /// Input interface group.
    IifGroup = NFT_META_IIFGROUP,
    /// Output interface group.
    OifGroup = NFT_META_OIFGROUP,
    /// Cgroup class id.
    Cgroup = NFT_META_CGROUP,
    /// A random number.
    Random = NFT_META_PRANDOM,
}

expression! {
    /// Loads packet metadata into `dreg`, or sets it from `sreg`. Exactly one of the two is set.
    Meta = "meta", pad 0 {
        /// Register to load into.
        dreg: Option<Register> = NFTA_META_DREG,
        /// What.
        key: MetaKey = NFTA_META_KEY,
        /// Register to set from.
        sreg: Option<Register> = NFTA_META_SREG,
    }
}

impl Meta {
    /// Loads.
    pub const fn load(key: MetaKey, dreg: Register) -> Self {
        Self { dreg: Some(dreg), key, sreg: None }
    }

    /// Sets.
    pub const fn set(key: MetaKey, sreg: Register) -> Self {
        Self { dreg: None, key, sreg: Some(sreg) }
    }
}

numbers! {
    /// What `ct` reads or sets.
    CtKey:
    /// Bit set of new, established, …
    State = NFT_CT_STATE,
    /// Original or reply.
    Direction = NFT_CT_DIRECTION,
    /// `IPS_*` bits.
    Status = NFT_CT_STATUS,
    /// Connection mark (host order).
    Mark = NFT_CT_MARK,
    /// Time left.
    Expiration = NFT_CT_EXPIRATION,
    /// Helper name.
    Helper = NFT_CT_HELPER,
    /// `NFPROTO_*`.
    L3Protocol = NFT_CT_L3PROTOCOL,
    /// Source address.
    Src = NFT_CT_SRC,
    /// Destination address.
    Dst = NFT_CT_DST,
    /// Transport protocol.
    Protocol = NFT_CT_PROTOCOL,
    /// Source port.
    ProtoSrc = NFT_CT_PROTO_SRC,
    /// Destination port.
    ProtoDst = NFT_CT_PROTO_DST,
    /// 128 label bits.
    Labels = NFT_CT_LABELS,
    /// Packets.
    Packets = NFT_CT_PKTS,
    /// Bytes.
    Bytes = NFT_CT_BYTES,
    /// Zone.
    Zone = NFT_CT_ZONE,
    /// IPv4 source address.
    SrcIp = NFT_CT_SRC_IP,
    /// IPv4 destination address.
    DstIp = NFT_CT_DST_IP,
    /// IPv6 source address.
    SrcIp6 = NFT_CT_SRC_IP6,
    /// IPv6 destination address.
    DstIp6 = NFT_CT_DST_IP6,
    /// Id.
    Id = NFT_CT_ID,
}

expression! {
    /// Loads conntrack data into `dreg`, or sets it from `sreg`. Exactly one of the two is set.
    Ct = "ct", pad 0 {
        /// Register to load into.
        dreg: Option<Register> = NFTA_CT_DREG,
        /// What.
        key: CtKey = NFTA_CT_KEY,
        /// 0 original, 1 reply; only for keys that have one.
        direction: Option<u8> = NFTA_CT_DIRECTION,
        /// Register to set from.
        sreg: Option<Register> = NFTA_CT_SREG,
    }
}

impl Ct {
    /// Loads.
    pub const fn load(key: CtKey, dreg: Register) -> Self {
        Self { dreg: Some(dreg), key, direction: None, sreg: None }
    }

    /// Sets.
    pub const fn set(key: CtKey, sreg: Register) -> Self {
        Self { dreg: None, key, direction: None, sreg: Some(sreg) }
    }
}

numbers! {
    /// What `fib` answers.
    FibResult:
    /// Output interface index.
    Oif = NFT_FIB_RESULT_OIF,
    /// Output interface name.
    OifName = NFT_FIB_RESULT_OIFNAME,
    /// Address type (`RTN_*`, host order; 2 is local).
    AddrType = NFT_FIB_RESULT_ADDRTYPE,
}

expression! {
    /// Asks the routing table.
    Fib = "fib", pad 0 {
        /// Register to load into.
        dreg: Register = NFTA_FIB_DREG,
        /// What to answer.
        result: FibResult = NFTA_FIB_RESULT,
        /// `NFTA_FIB_F_*`: what to look up by.
        flags: u32 = NFTA_FIB_FLAGS,
    }
}

impl Fib {
    /// `fib daddr type`: loads the address type of the destination.
    pub const fn daddr_type(dreg: Register) -> Self {
        Self { dreg, result: FibResult::AddrType, flags: crate::consts::NFTA_FIB_F_DADDR }
    }
}

numbers! {
    /// How `numgen` counts.
    NumgenType:
    /// Round robin.
    Incremental = NFT_NG_INCREMENTAL,
    /// Random.
    Random = NFT_NG_RANDOM,
}

expression! {
    /// Loads `offset` plus a number below `modulus`.
    Numgen = "numgen", pad 0 {
        /// Register to load into.
        dreg: Register = NFTA_NG_DREG,
        /// One more than the largest number.
        modulus: u32 = NFTA_NG_MODULUS,
        /// How.
        kind: NumgenType = NFTA_NG_TYPE,
        /// Added to the number.
        offset: u32 = NFTA_NG_OFFSET,
    }
}
