//! Owns the list of checks. Each is a module of its own: a pure function of the [`Host`] that gives
//! findings, or the reason why it could not look.

mod address_conflict;
mod bridge_nf_call_off;
mod conntrack_full;
mod dangling_dnat;
mod default_route_lost;
mod drop_without_established;
mod dual_stack_asymmetry;
mod duplicate_routing_rules;
mod duplicate_rules;
mod empty_chain;
mod flow_restore_wait;
mod forward_drop;
mod forwarding_off;
mod gateway_state_lost;
mod incompatible_native_rule;
mod interval_overlap;
mod ip_on_enslaved_nic;
mod legacy_without_binary;
mod local_table_moved;
mod lock_held;
mod mark_without_masquerade;
mod masquerade_without_mark_clear;
mod misread_rule;
mod missing_anchor;
mod npl_rule_lost;
mod orphan_chain;
mod overlay_mtu;
mod partial_restore;
mod port_conflict;
mod position_deleted_rule;
mod reused_ip;
mod route_localnet;
mod routing_rules_lost;
mod rp_filter_strict;
mod set_full;
mod shadowed_rule;
mod split_backends;
mod stale_conntrack;
mod stale_rules;
mod unseen_legacy_rules;
mod uplink_half_moved;
mod uplink_is_primary;
mod wrong_order;

use model::{Finding, FindingCode, Severity};

use crate::host::{Host, TableView};
use crate::snapshot::Part;

/// A check.
pub(crate) struct Check {
    /// What it finds.
    pub(crate) code: FindingCode,
    /// Looks.
    pub(crate) run: fn(&Host<'_>) -> Outcome,
}

/// What a check gives: findings, or why it could not look.
pub(crate) type Outcome = Result<Vec<Finding>, String>;

macro_rules! checks {
    ($($module:ident $code:ident,)*) => {
        /// All checks.
        pub(crate) const CHECKS: &[Check] =
            &[$(Check { code: FindingCode::$code, run: $module::check },)*];
    };
}

checks! {
    split_backends SplitBackends,
    unseen_legacy_rules UnseenLegacyRules,
    legacy_without_binary LegacyWithoutBinary,
    duplicate_rules DuplicateRules,
    position_deleted_rule PositionDeletedRule,
    stale_rules StaleRules,
    missing_anchor MissingAnchor,
    wrong_order WrongOrder,
    shadowed_rule ShadowedRule,
    npl_rule_lost NplRuleLost,
    dangling_dnat DanglingDnat,
    forward_drop ForwardDrop,
    drop_without_established DropWithoutEstablished,
    dual_stack_asymmetry DualStackAsymmetry,
    lock_held LockHeld,
    incompatible_native_rule IncompatibleNativeRule,
    misread_rule MisreadRule,
    partial_restore PartialRestore,
    set_full SetFull,
    interval_overlap IntervalOverlap,
    masquerade_without_mark_clear MasqueradeWithoutMarkClear,
    mark_without_masquerade MarkWithoutMasquerade,
    orphan_chain OrphanChain,
    empty_chain EmptyChain,
    stale_conntrack StaleConntrack,
    conntrack_full ConntrackFull,
    reused_ip ReusedIp,
    address_conflict AddressConflict,
    port_conflict PortConflict,
    ip_on_enslaved_nic IpOnEnslavedNic,
    uplink_is_primary UplinkIsPrimary,
    uplink_half_moved UplinkHalfMoved,
    flow_restore_wait FlowRestoreWait,
    gateway_state_lost GatewayStateLost,
    default_route_lost DefaultRouteLost,
    local_table_moved LocalTableMoved,
    routing_rules_lost RoutingRulesLost,
    duplicate_routing_rules DuplicateRoutingRules,
    bridge_nf_call_off BridgeNfCallOff,
    rp_filter_strict RpFilterStrict,
    route_localnet RouteLocalnet,
    forwarding_off ForwardingOff,
    overlay_mtu OverlayMtu,
}

/// Lines of evidence shown of one finding.
const MOST_EVIDENCE: usize = 12;
/// Findings of one check; more are counted in one.
const MOST_FINDINGS: usize = 50;

/// What a part says, or why the check cannot look.
fn need<'a, T>(part: &'a Part<T>, what: &str) -> Result<&'a T, String> {
    match part {
        Part::Known(value) => Ok(value),
        Part::Absent(why) => Err(format!("{what}: {why}")),
    }
}

/// That there are rules of iptables to look at.
fn need_rules(host: &Host<'_>) -> Result<(), String> {
    if host.has_rules() { Ok(()) } else { Err(rules_unknown(host)) }
}

/// Why there are no rules of iptables to look at.
fn rules_unknown(host: &Host<'_>) -> String {
    let rules = &host.snapshot.rules;
    let parts = [&rules.nft_v4, &rules.legacy_v4, &rules.nft_v6, &rules.legacy_v6];
    let why = parts.into_iter().find_map(Part::absent).unwrap_or("there are none");
    format!("rules of iptables: {why}")
}

/// Why a check cannot look that any of two parts would do for.
fn unknown<T>(what: &str, part: &Part<T>) -> String {
    format!("{what}: {}", part.absent().unwrap_or("not known"))
}

/// A finding while it is put together.
struct Found(Finding);

impl Found {
    fn new(
        code: FindingCode,
        severity: Severity,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self(Finding {
            code,
            severity,
            subject: subject.into(),
            message: message.into(),
            evidence: Vec::new(),
            advice: String::new(),
            fixable: false,
        })
    }

    /// Adds what shows it; of much only the beginning.
    fn evidence(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        let mut more = 0;
        for line in lines {
            if self.0.evidence.len() < MOST_EVIDENCE {
                self.0.evidence.push(line);
            } else {
                more += 1;
            }
        }
        if more > 0 {
            self.0.evidence.push(format!("and {more} more"));
        }
        self
    }

    /// That netkeep can mend it.
    fn fixable(mut self) -> Self {
        self.0.fixable = true;
        self
    }

    fn advice(mut self, advice: impl Into<String>) -> Finding {
        self.0.advice = advice.into();
        self.0
    }
}

/// Keeps the first findings of many, and says how many there are.
fn limited(mut findings: Vec<Finding>) -> Vec<Finding> {
    let more = findings.len().saturating_sub(MOST_FINDINGS);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings.truncate(MOST_FINDINGS);
    if let (true, Some(last)) = (more > 0, findings.last_mut()) {
        last.message = format!("{} (and {more} more findings of this kind)", last.message);
    }
    findings
}

/// `1 rule`, `2 rules`
fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// How tools and options call the backend of a table.
fn backend_word(view: &TableView<'_>) -> &'static str {
    match view.backend {
        xt::Backend::Legacy => "legacy",
        xt::Backend::NftCompat => "nft",
    }
}

/// The tool that shows and changes a table, whatever the plain `iptables` of the node is.
fn tool(view: &TableView<'_>) -> String {
    let name = match view.family {
        xt::Family::V4 => "iptables",
        xt::Family::V6 => "ip6tables",
    };
    format!("{name}-{}", backend_word(view))
}

/// The command that deletes a rule: by its text, since numbers move.
fn deletion(view: &TableView<'_>, chain: &xt::Chain, rule: &xt::Rule) -> String {
    let line = xt::text::save_rule(&chain.name, rule);
    let line = line.strip_prefix("-A").unwrap_or(&line);
    format!("{} -t {} -D{line}", tool(view), view.name())
}
