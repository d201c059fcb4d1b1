//! Owns the way from a builtin chain to the chain of a system: whether it is open to every packet, and
//! what stands in it.
//!
//! Deliberately not here: whether there is a jump at all (the parent).

use xt::{Chain, Match, Rule, Target, Test};

use crate::host::{Space, TableView, captures, ends, ends_all};

/// Deeper calls are not followed.
const DEEPEST: u32 = 4;
/// Jumps to one chain that are looked at; copies of one are alike.
const MOST_JUMPS: usize = 64;
/// Rules before a jump, and rules of its chain, that are held against each other.
const MOST_EARLIER: usize = 64;
const MOST_RULES: usize = 1_000;

/// What keeps packets from a chain.
pub(super) enum Obstacle<'a> {
    /// The jump asks something that the system does not ask.
    Asks { chain: &'a Chain, jump: &'a Rule },
    /// Before the jump stands a rule from which no packet comes back.
    Behind { chain: &'a Chain, jump: &'a Rule, by: &'a Rule },
}

/// Why not every packet of `builtin` comes to the chain; nothing if all do, or if no jump leads there.
pub(super) fn obstacle<'a>(
    view: &TableView<'a>,
    chain: &'a Chain,
    builtin: &str,
) -> Option<Obstacle<'a>> {
    way(view, chain, builtin, &chain.name, DEEPEST).err().flatten()
}

/// Nothing in the way, or what is; nothing in the way of no way.
fn way<'a>(
    view: &TableView<'a>,
    to: &'a Chain,
    builtin: &str,
    anchor: &str,
    depth: u32,
) -> Result<(), Option<Obstacle<'a>>> {
    let Some(number) = view.number(&to.name).filter(|_| depth > 0) else { return Err(None) };
    let mut worst = None;
    for (chain, jump) in view.callers(number).take(MOST_JUMPS) {
        let before = chain.rules.iter().take_while(|rule| rule.position < jump.position);
        let mut before = before.filter(|rule| takes_all(view, rule));
        let found = if chain.name != builtin && !is_user(chain) {
            Err(None)
        } else if let Some(by) = before.next() {
            Err(Some(Obstacle::Behind { chain, jump, by }))
        } else if !is_own(anchor, jump) {
            Err(Some(Obstacle::Asks { chain, jump }))
        } else if chain.name == builtin {
            Ok(())
        } else {
            way(view, chain, builtin, anchor, depth - 1)
        };
        match found {
            Ok(()) => return Ok(()),
            Err(found) => worst = worst.or(found.filter(|_| leads_from(view, chain, builtin))),
        }
    }
    Err(worst)
}

fn is_user(chain: &Chain) -> bool {
    chain.kind == xt::ChainKind::User
}

fn leads_from(view: &TableView<'_>, chain: &Chain, builtin: &str) -> bool {
    view.number(&chain.name).is_some_and(|number| view.is_reached_from(number, builtin))
}

/// Whether no packet comes past a rule: a verdict for all, or a jump for all into a chain that keeps
/// them.
fn takes_all(view: &TableView<'_>, rule: &Rule) -> bool {
    // most rules ask something, and nothing more needs to be known of them
    if !rule.selector.is_any() {
        return false;
    }
    match &rule.target {
        Some(Target::Jump(next)) => {
            let space = Space::of(rule);
            space.is_all() && keeps(view, next, &space)
        }
        _ => ends_all(rule) || ends(rule) && asks_for_every_state(rule),
    }
}

/// Whether all that is asked is a state that every packet has which conntrack can place.
fn asks_for_every_state(rule: &Rule) -> bool {
    let every = |states: &Test<xt::CtStates>| {
        let each = ["NEW", "ESTABLISHED", "RELATED"];
        match states {
            Test::Is(states) => each.iter().all(|state| states.has(state)),
            Test::Not(states) => !each.iter().chain(&["UNTRACKED"]).any(|state| states.has(state)),
        }
    };
    rule.selector.is_any()
        && rule.matches.iter().all(|found| match found {
            Match::Comment(_) | Match::Nfacct(_) => true,
            Match::State(states) => every(states),
            Match::Conntrack(test) => {
                let only = xt::matches::Conntrack {
                    state: test.state,
                    ..xt::matches::Conntrack::default()
                };
                **test == only && test.state.as_ref().is_some_and(every)
            }
            _ => false,
        })
}

/// Whether every packet of `space` that is sent into the chain of this name stays there.
fn keeps(view: &TableView<'_>, name: &str, space: &Space) -> bool {
    view.number(name).is_some_and(|number| captures(view, number, space))
}

/// Whether a jump to the chain asks nothing, or only what the system that made it asks. Sources:
/// kube-proxy's `iptablesJumpChains` (new connections), portmap and Docker (addresses of the node, not
/// of the loopback network), Weave (its bridge).
fn is_own(anchor: &str, jump: &Rule) -> bool {
    let selector = &jump.selector;
    let of_host_ports = matches!(anchor, "CNI-HOSTPORT-DNAT" | "DOCKER");
    let destination = match &selector.destination {
        None => true,
        Some(Test::Not(net)) => of_host_ports && net.address.is_loopback(),
        Some(Test::Is(_)) => false,
    };
    let of_weave = |test: Option<&Test<xt::Iface>>| {
        test.is_none_or(|test| anchor == "WEAVE-NPC" && !test.is_not() && test.value().0 == "weave")
    };
    let links = of_weave(selector.input.as_ref()) && of_weave(selector.output.as_ref());
    let rest =
        selector.source.is_none() && selector.protocol.is_none() && selector.fragment.is_none();
    let matches = jump.matches.iter().all(|found| match found {
        Match::Comment(_) | Match::Nfacct(_) => true,
        Match::State(state) => !state.is_not() && state.value().has("NEW"),
        Match::Conntrack(test) => {
            let new = test.state.is_some_and(|state| !state.is_not() && state.value().has("NEW"));
            let only =
                xt::matches::Conntrack { state: test.state, ..xt::matches::Conntrack::default() };
            new && **test == only
        }
        Match::Addrtype(kind) => {
            of_host_ports
                && kind.source.is_none()
                && kind.destination.as_ref().is_some_and(|d| !d.is_not() && d.value().has("LOCAL"))
        }
        _ => false,
    });
    destination && links && rest && matches
}

/// A rule before the jump that takes packets the chain has rules for.
pub(super) struct Taken<'a> {
    /// The rule.
    pub(super) by: &'a Rule,
    /// Rules of the chain of which it takes every packet; none if it takes packets by their link or
    /// protocol alone, and so a part of all.
    pub(super) rules: Vec<&'a Rule>,
}

/// Rules of the builtin chain before the jump to the chain that take its packets.
pub(super) fn taken<'a>(view: &TableView<'a>, builtin: &str, chain: &'a Chain) -> Vec<Taken<'a>> {
    let Some(start) = view.chain(builtin) else { return Vec::new() };
    let leads = |rule: &&Rule| rule.target.as_ref().and_then(Target::chain) == Some(&chain.name);
    let Some(jump) = start.rules.iter().find(leads) else { return Vec::new() };
    let earlier = start.rules.iter().take_while(|rule| rule.position < jump.position);
    let earlier = earlier.take(MOST_RULES);
    let earlier = earlier.filter_map(|rule| {
        let space = Space::of(rule);
        let takes = match &rule.target {
            Some(Target::Jump(next)) => keeps(view, next, &space),
            _ => ends(rule),
        };
        (takes && !space.is_uncertain && !space.is_all()).then_some((rule, space))
    });
    let earlier: Vec<(&Rule, Space)> = earlier.take(MOST_EARLIER).collect();
    if earlier.is_empty() {
        return Vec::new();
    }
    // what the chain lets pass is no loss
    let works = |rule: &&Rule| !matches!(rule.target, None | Some(Target::Accept | Target::Return));
    let rules = chain.rules.iter().filter(works).take(MOST_RULES);
    let rules: Vec<(&Rule, Space)> = rules.map(|rule| (rule, Space::of(rule))).collect();
    let mut found = Vec::new();
    for (by, space) in earlier {
        let within = rules.iter().filter(|(_, own)| !own.is_all() && own.is_within(&space));
        let within: Vec<&Rule> =
            within.map(|(rule, _)| *rule).filter(|rule| rule.target != by.target).collect();
        if !within.is_empty() || is_by_link_or_protocol(&space, builtin) {
            found.push(Taken { by, rules: within });
        }
    }
    found
}

/// Whether packets of a link of the node, or of a protocol of Services, are taken and nothing else is
/// asked.
fn is_by_link_or_protocol(space: &Space, builtin: &str) -> bool {
    let link = |name: &xt::Iface| {
        name.0 != "lo" && !crate::owners::is_pod_side_name(&name.0) && builtin != "OUTPUT"
    };
    let protocol = |number: u16| matches!(number, 6 | 17 | 132);
    let only = Space { input: space.input.clone(), protocol: space.protocol, ..Space::default() };
    *space == only && space.input.as_ref().is_none_or(link) && space.protocol.is_none_or(protocol)
}
