//! Owns whether a chain keeps every packet that a jump sends into it: it ends the table or translates
//! them, and none comes back.

use xt::Target;

use super::{Space, TableView, ends, is_final};

/// Chains with more rules are not looked into: dispatchers, which send packets back.
const LONGEST: usize = 24;
/// Deeper calls are not followed.
const DEEPEST: u32 = 4;

/// Whether every packet of `space` that is sent into the chain surely stays there.
pub fn captures(view: &TableView<'_>, chain: &str, space: &Space) -> bool {
    captured(view, chain, space, DEEPEST)
}

fn captured(view: &TableView<'_>, chain: &str, space: &Space, depth: u32) -> bool {
    let Some(chain) = view.chain(chain) else { return false };
    if depth == 0 || chain.rules.len() > LONGEST {
        return false;
    }
    for rule in &chain.rules {
        let own = Space::of(rule);
        let takes_all = space.is_within(&own);
        match &rule.target {
            Some(Target::Return) => return false,
            Some(Target::Goto(next)) => {
                return takes_all && captured(view, next, space, depth - 1);
            }
            Some(Target::Jump(next)) if takes_all && captured(view, next, space, depth - 1) => {
                return true;
            }
            _ if ends(rule) && is_final(rule) && takes_all => return true,
            _ => {}
        }
    }
    false
}
