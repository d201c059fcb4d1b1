//! Owns the expressions that act without a register: log, reject, notrack.

use super::{
    Flags,
    field::{expression, numbers},
};

expression! {
    /// Logs the packet: to a netlink group if `group` is set, else to the kernel log.
    #[derive(Default)]
    Log = "log", pad 0 {
        /// Netlink group.
        group: Option<u16> = NFTA_LOG_GROUP,
        /// Text before the packet.
        prefix: Option<String> = NFTA_LOG_PREFIX,
        /// Bytes of the packet to send to the group.
        snaplen: Option<u32> = NFTA_LOG_SNAPLEN,
        /// Packets to queue before sending.
        qthreshold: Option<u16> = NFTA_LOG_QTHRESHOLD,
        /// Syslog level, 0 (emergency) to 7 (debug).
        level: Option<u32> = NFTA_LOG_LEVEL,
        /// `NF_LOG_*`.
        flags: Flags = NFTA_LOG_FLAGS,
    }
}

numbers! {
    /// How to reject.
    RejectType:
    /// ICMP or ICMPv6 unreachable with a code of that family.
    Icmp = NFT_REJECT_ICMP_UNREACH,
    /// TCP reset.
    TcpReset = NFT_REJECT_TCP_RST,
    /// ICMP unreachable with a code that both families have (`icmpx`).
    Icmpx = NFT_REJECT_ICMPX_UNREACH,
}

expression! {
    /// Rejects the packet and tells the sender.
    Reject = "reject", pad 0 {
        /// How.
        kind: RejectType = NFTA_REJECT_TYPE,
        /// The ICMP code, or `NFT_REJECT_ICMPX_*`.
        code: Option<u8> = NFTA_REJECT_ICMP_CODE,
    }
}

expression! {
    /// Exempts the packet from connection tracking.
    #[derive(Default)]
    Notrack = "notrack", pad 0 {}
}
