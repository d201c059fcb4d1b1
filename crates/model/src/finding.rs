//! Findings: what a person should know. The codes are a contract: a slug never changes its meaning.

use std::fmt;

use serde::{Serialize, Serializer};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something is not as asked, or will break.
    Warning,
    /// Something does not work.
    Error,
}

impl Severity {
    /// `info`, `warning` or `error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $slug:literal,)*) => {
        /// The stable slug of a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FindingCode { $($(#[$doc])* $name,)* }

        impl FindingCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The slug, as scripts match it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// The code of this slug.
            pub fn from_slug(slug: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == slug)
            }
        }
    };
}

codes! {
    /// Two live owners claim one IP; the newer has it.
    AddressConflict = "address-conflict",
    /// A family could not be served though it was asked for.
    DualStackAsymmetry = "dual-stack-asymmetry",
    /// Somebody else wrote to our table; it was repaired.
    ForeignWrite = "foreign-write",
    /// An object, or a file of objects, cannot be understood.
    InvalidObject = "invalid-object",
    /// A part of the table that packets must pass is missing or altered.
    MissingAnchor = "missing-anchor",
    /// A node port could not be had: another process holds it.
    PortConflict = "port-conflict",
    /// The port range has no free port left.
    RangeExhausted = "range-exhausted",
    /// The kernel refused a change.
    RejectedByKernel = "rejected-by-kernel",
    /// A finished Pod still shows an IP that a live Pod has.
    ReusedIp = "reused-ip",
    /// A kernel set is full.
    SetFull = "set-full",
    /// A source of objects cannot be read; nothing is deleted meanwhile.
    SourceUnavailable = "source-unavailable",
    /// A Service port names a container port that its Pod does not have.
    UnresolvedPort = "unresolved-port",
    /// The process may not open the sockets it needs (for example the limit of open files).
    ReservationFailed = "reservation-failed",
    /// What is said could not be written where it is read (annotation, published file).
    PublishFailed = "publish-failed",
    /// Rules of one system live in both iptables backends, or in one while another rules in the other.
    SplitBackends = "split-backends",
    /// Legacy tables exist, and their rules could not be looked at.
    UnseenLegacyRules = "unseen-legacy-rules",
    /// Legacy rules are in force, and there is no iptables-legacy to see or remove them with.
    LegacyWithoutBinary = "legacy-without-binary",
    /// The same rule more than once in a chain.
    DuplicateRules = "duplicate-rules",
    /// Rules of a system, an interface or an endpoint that is not there any more.
    StaleRules = "stale-rules",
    /// Rules that are all there, in an order that makes them mean something else.
    WrongOrder = "wrong-order",
    /// A rule that no packet can reach: an earlier one takes all of its packets.
    ShadowedRule = "shadowed-rule",
    /// A node port that an annotation names has no rule.
    NplRuleLost = "npl-rule-lost",
    /// A rule sends packets to an address where nobody is.
    DanglingDnat = "dangling-dnat",
    /// A NAT gateway has its addresses and not its rules.
    GatewayStateLost = "gateway-state-lost",
    /// A NAT gateway is not able to serve yet.
    GatewayNotReady = "gateway-not-ready",
    /// Open vSwitch waits for flows that nobody will bring: it forwards nothing.
    FlowRestoreWait = "flow-restore-wait",
    /// The link that is a port of a bridge is the one the node is reached by.
    UplinkIsPrimary = "uplink-is-primary",
    /// An address is on a link that is the port of a bridge.
    IpOnEnslavedNic = "ip-on-enslaved-nic",
    /// Forwarded packets of Pods are dropped.
    ForwardDrop = "forward-drop",
    /// A process holds the lock of iptables.
    LockHeld = "lock-held",
    /// A native rule in a table of iptables-nft, which the tools of iptables cannot show.
    IncompatibleNativeRule = "incompatible-native-rule",
    /// The tools show a rule without a condition that the kernel has.
    MisreadRule = "misread-rule",
    /// A tracked connection goes where the rules do not send it any more.
    StaleConntrack = "stale-conntrack",
    /// Intervals of a set overlap.
    IntervalOverlap = "interval-overlap",
    /// Packets are masqueraded by a mark that they keep, so that a tunnel masquerades them again.
    MasqueradeWithoutMarkClear = "masquerade-without-mark-clear",
    /// Packets are marked for masquerading, and nothing masquerades them.
    MarkWithoutMasquerade = "mark-without-masquerade",
    /// An uplink has an address, and no routing table leads out.
    DefaultRouteLost = "default-route-lost",
    /// No routing rule looks up a table without which nothing can be reached.
    RoutingRulesLost = "routing-rules-lost",
    /// The table of the node's own addresses is not asked first.
    LocalTableMoved = "local-table-moved",
    /// Routing rules that say the same.
    DuplicateRoutingRules = "duplicate-routing-rules",
    /// A restore of rules stopped in the middle.
    PartialRestore = "partial-restore",
    /// Packets between ports of a bridge do not pass the rules that are made for them.
    BridgeNfCallOff = "bridge-nf-call-off",
    /// The kernel drops packets that come by another link than the answer would leave by.
    RpFilterStrict = "rp-filter-strict",
    /// The table of tracked connections is nearly full.
    ConntrackFull = "conntrack-full",
    /// Neighbours can reach what listens on 127.0.0.1 only.
    RouteLocalnet = "route-localnet",
    /// The node forwards no packets between links.
    ForwardingOff = "forwarding-off",
    /// A chain drops what it does not know, and does not accept answers.
    DropWithoutEstablished = "drop-without-established",
    /// A chain with rules that nothing leads to.
    OrphanChain = "orphan-chain",
    /// A jump into a chain without rules, where there should be some.
    EmptyChain = "empty-chain",
    /// A rule of one program was removed by another that meant a place, not a rule.
    PositionDeletedRule = "position-deleted-rule",
    /// A link was being moved into a bridge, and nobody finished it.
    UplinkHalfMoved = "uplink-half-moved",
    /// A tunnel takes larger packets than its underlay can carry.
    OverlayMtu = "overlay-mtu",
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FindingCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something a person should know; the JSON keys are a contract.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub code: FindingCode,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about: `Pod ns/name`, `file pods.yaml`, `tcp 61000`.
    pub subject: String,
    /// What is wrong, in one line.
    pub message: String,
    /// What shows it.
    pub evidence: Vec<String>,
    /// What to do.
    pub advice: String,
    /// Whether netkeep can mend it by itself.
    pub fixable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_and_spelled_as_slugs() {
        let mut slugs: Vec<_> = FindingCode::ALL.iter().map(|code| code.as_str()).collect();
        assert!(slugs.iter().all(|s| s.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), FindingCode::ALL.len());
    }

    #[test]
    fn a_slug_leads_back_to_its_code() {
        for code in FindingCode::ALL {
            assert_eq!(FindingCode::from_slug(code.as_str()), Some(*code));
        }
        assert_eq!(FindingCode::from_slug("no-such-code"), None);
    }
}
