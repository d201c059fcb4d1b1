//! Owns the expressions that change addresses: nat, masq, redir, tproxy.

use super::{
    Flags, Register,
    field::{expression, numbers},
};
use crate::consts::{NF_NAT_RANGE_MAP_IPS, NF_NAT_RANGE_PROTO_SPECIFIED};

numbers! {
    /// Which end is translated.
    NatType:
    /// Source.
    Snat = NFT_NAT_SNAT,
    /// Destination.
    Dnat = NFT_NAT_DNAT,
}

expression! {
    /// Source or destination NAT to what the registers hold.
    Nat = "nat", pad 0 {
        /// Source or destination.
        kind: NatType = NFTA_NAT_TYPE,
        /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
        family: u32 = NFTA_NAT_FAMILY,
        /// First address.
        addr_min: Option<Register> = NFTA_NAT_REG_ADDR_MIN,
        /// Last address.
        addr_max: Option<Register> = NFTA_NAT_REG_ADDR_MAX,
        /// First port.
        proto_min: Option<Register> = NFTA_NAT_REG_PROTO_MIN,
        /// Last port.
        proto_max: Option<Register> = NFTA_NAT_REG_PROTO_MAX,
        /// `NF_NAT_RANGE_*`. The kernel adds the bits that follow from the registers.
        flags: Flags = NFTA_NAT_FLAGS,
    }
}

impl Nat {
    /// `dnat` to the address at `addr` and, if given, the port at `port`.
    ///
    /// `family` is `NFPROTO_IPV4` or `NFPROTO_IPV6`, in an inet table too.
    pub fn dnat(family: u8, addr: Register, port: Option<Register>) -> Self {
        Self::to(NatType::Dnat, family, addr, port)
    }

    /// `snat`, as [`Nat::dnat`].
    pub fn snat(family: u8, addr: Register, port: Option<Register>) -> Self {
        Self::to(NatType::Snat, family, addr, port)
    }

    fn to(kind: NatType, family: u8, addr: Register, port: Option<Register>) -> Self {
        // the kernel adds these bits and upper ends; with them, what is read back equals what was written
        let flags =
            NF_NAT_RANGE_MAP_IPS | if port.is_some() { NF_NAT_RANGE_PROTO_SPECIFIED } else { 0 };
        Self {
            kind,
            family: family.into(),
            addr_min: Some(addr),
            addr_max: Some(addr),
            proto_min: port,
            proto_max: port,
            flags: Flags(flags),
        }
    }
}

expression! {
    /// Source NAT to the address of the outgoing interface.
    #[derive(Default)]
    Masq = "masq", pad 0 {
        /// `NF_NAT_RANGE_*`.
        flags: Flags = NFTA_MASQ_FLAGS,
        /// First port.
        proto_min: Option<Register> = NFTA_MASQ_REG_PROTO_MIN,
        /// Last port.
        proto_max: Option<Register> = NFTA_MASQ_REG_PROTO_MAX,
    }
}

expression! {
    /// Destination NAT to the machine itself.
    #[derive(Default)]
    Redir = "redir", pad 0 {
        /// First port.
        proto_min: Option<Register> = NFTA_REDIR_REG_PROTO_MIN,
        /// Last port.
        proto_max: Option<Register> = NFTA_REDIR_REG_PROTO_MAX,
        /// `NF_NAT_RANGE_*`.
        flags: Flags = NFTA_REDIR_FLAGS,
    }
}

expression! {
    /// Hands the packet to a local transparent socket.
    Tproxy = "tproxy", pad 0 {
        /// `NFPROTO_*`.
        family: u32 = NFTA_TPROXY_FAMILY,
        /// Address of the socket.
        addr: Option<Register> = NFTA_TPROXY_REG_ADDR,
        /// Port of the socket.
        port: Option<Register> = NFTA_TPROXY_REG_PORT,
    }
}
