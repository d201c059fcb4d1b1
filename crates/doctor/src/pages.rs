//! Owns the page of each code: what it means, how to confirm it by hand, how to mend it.

use model::FindingCode;

macro_rules! pages {
    ($($code:ident $slug:literal,)*) => {
        /// The page of a code, in Markdown.
        pub const fn page(code: FindingCode) -> &'static str {
            match code {
                $(FindingCode::$code =>
                    include_str!(concat!("../../../docs/operating/findings/", $slug, ".md")),)*
            }
        }
    };
}

pages! {
    AddressConflict "address-conflict",
    DualStackAsymmetry "dual-stack-asymmetry",
    ForeignWrite "foreign-write",
    InvalidObject "invalid-object",
    MissingAnchor "missing-anchor",
    PortConflict "port-conflict",
    RangeExhausted "range-exhausted",
    RejectedByKernel "rejected-by-kernel",
    ReusedIp "reused-ip",
    SetFull "set-full",
    SourceUnavailable "source-unavailable",
    UnresolvedPort "unresolved-port",
    ReservationFailed "reservation-failed",
    PublishFailed "publish-failed",
    SplitBackends "split-backends",
    UnseenLegacyRules "unseen-legacy-rules",
    LegacyWithoutBinary "legacy-without-binary",
    DuplicateRules "duplicate-rules",
    StaleRules "stale-rules",
    WrongOrder "wrong-order",
    ShadowedRule "shadowed-rule",
    NplRuleLost "npl-rule-lost",
    DanglingDnat "dangling-dnat",
    GatewayStateLost "gateway-state-lost",
    GatewayNotReady "gateway-not-ready",
    FlowRestoreWait "flow-restore-wait",
    UplinkIsPrimary "uplink-is-primary",
    IpOnEnslavedNic "ip-on-enslaved-nic",
    ForwardDrop "forward-drop",
    LockHeld "lock-held",
    IncompatibleNativeRule "incompatible-native-rule",
    MisreadRule "misread-rule",
    StaleConntrack "stale-conntrack",
    IntervalOverlap "interval-overlap",
    MasqueradeWithoutMarkClear "masquerade-without-mark-clear",
    MarkWithoutMasquerade "mark-without-masquerade",
    DefaultRouteLost "default-route-lost",
    LocalTableMoved "local-table-moved",
    RoutingRulesLost "routing-rules-lost",
    DuplicateRoutingRules "duplicate-routing-rules",
    PartialRestore "partial-restore",
    BridgeNfCallOff "bridge-nf-call-off",
    RpFilterStrict "rp-filter-strict",
    ConntrackFull "conntrack-full",
    RouteLocalnet "route-localnet",
    ForwardingOff "forwarding-off",
    DropWithoutEstablished "drop-without-established",
    OrphanChain "orphan-chain",
    EmptyChain "empty-chain",
    PositionDeletedRule "position-deleted-rule",
    UplinkHalfMoved "uplink-half-moved",
    OverlayMtu "overlay-mtu",
}
