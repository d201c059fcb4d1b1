//! Owns whether a chain keeps every packet that a jump sends into it: it ends the table or translates
//! them, and none comes back.

use super::{Space, TableView, Trait};

/// Chains with more rules are not looked into: dispatchers, which send packets back.
pub(super) const LONGEST: usize = 24;
/// Deeper calls are not followed.
const DEEPEST: u32 = 4;

/// Whether every packet of `space` that is sent into the chain of this number surely stays there.
pub(crate) fn captures(view: &TableView<'_>, chain: usize, space: &Space) -> bool {
    captured(view, chain, space, DEEPEST)
}

fn captured(view: &TableView<'_>, number: usize, space: &Space, depth: u32) -> bool {
    let Some(chain) = view.table.chains.get(number) else { return false };
    if depth == 0 || chain.rules.len() > LONGEST {
        return false;
    }
    for (rule, facts) in chain.rules.iter().zip(view.facts(number)) {
        // what a rule asks is looked at only if it matters and is not known from its traits
        let takes_all = || {
            facts.has(Trait::ASKS_NOTHING)
                || !facts.has(Trait::UNCERTAIN) && space.is_within(&Space::of(rule))
        };
        match facts.leads() {
            _ if facts.has(Trait::RETURNS) => return false,
            next if facts.has(Trait::GOES) => {
                let keeps = |next| captured(view, next, space, depth - 1);
                return takes_all() && next.is_some_and(keeps);
            }
            Some(next)
                if view.may_keep(next) && takes_all() && captured(view, next, space, depth - 1) =>
            {
                return true;
            }
            None if facts.has(Trait::FINAL) && takes_all() => return true,
            _ => {}
        }
    }
    false
}
