//! The plans that were carried out last, for whoever has to understand them later.
//!
//! Invariant: bounded, whatever happens: so many plans, of each so many changes.

use std::collections::VecDeque;
use std::time::SystemTime;

use model::{Change, Plan};

/// Plans kept.
const PLANS: usize = 16;
/// Changes kept of each.
const CHANGES: usize = 32;

/// A plan that was carried out.
#[derive(Debug, Clone)]
pub struct Performed {
    /// When.
    pub at: SystemTime,
    /// Its first changes, in order.
    pub changes: Vec<Change>,
    /// How many changes it had.
    pub total: usize,
    /// How many of them the kernel refused.
    pub refused: usize,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct History {
    plans: VecDeque<Performed>,
}

impl History {
    pub(super) fn note(&mut self, plan: &Plan, refused: usize) {
        if self.plans.len() == PLANS {
            self.plans.pop_front();
        }
        self.plans.push_back(Performed {
            at: SystemTime::now(),
            changes: plan.changes.iter().take(CHANGES).cloned().collect(),
            total: plan.changes.len(),
            refused,
        });
    }

    /// Oldest first.
    pub fn plans(&self) -> impl Iterator<Item = &Performed> {
        self.plans.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{ChangeOp, Owner, Reason};

    use super::*;

    #[test]
    fn only_the_last_plans_and_their_first_changes_are_kept() {
        let change = Change::Structure {
            op: ChangeOp::Add,
            owner: Arc::new(Owner::netkeep()),
            reason: Reason::Wanted,
        };
        let mut history = History::default();
        for total in 1..=100 {
            let plan = Plan { changes: vec![change.clone(); total], ..Plan::default() };
            history.note(&plan, 0);
        }
        let totals: Vec<_> = history.plans().map(|plan| plan.total).collect();
        assert_eq!(totals, (85..=100).collect::<Vec<_>>());
        assert!(history.plans().all(|plan| plan.changes.len() == CHANGES));
    }
}
