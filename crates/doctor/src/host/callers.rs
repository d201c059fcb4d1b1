//! Owns who jumps to each chain of a table: all jumps in one list, ordered by where they lead.

/// Who jumps to each chain.
#[derive(Debug, Default)]
pub(super) struct Callers {
    /// Of each chain, where its callers begin.
    first: Vec<u32>,
    /// Chain and index of the rule.
    all: Vec<(u32, u32)>,
}

impl Callers {
    /// Of jumps from a chain and a rule to a chain, in the order of the rules.
    pub(super) fn new(
        chains: usize,
        jumps: impl Iterator<Item = (u32, u32, usize)> + Clone,
    ) -> Self {
        let mut first = vec![0_u32; chains + 1];
        for (_, _, to) in jumps.clone() {
            first[to + 1] += 1;
        }
        for at in 0..chains {
            first[at + 1] += first[at];
        }
        let mut free = first.clone();
        let mut all = vec![(0, 0); first[chains] as usize];
        for (chain, rule, to) in jumps {
            all[free[to] as usize] = (chain, rule);
            free[to] += 1;
        }
        Self { first, all }
    }

    pub(super) fn of(&self, chain: usize) -> &[(u32, u32)] {
        let end = |at: usize| self.first.get(at).map(|end| *end as usize);
        let span = end(chain).zip(end(chain + 1));
        span.and_then(|(from, to)| self.all.get(from..to)).unwrap_or_default()
    }
}
