//! Owns which copies of a rule go: later ones of the same chain, equal in everything but counters and
//! place, as long as nothing can tell that they are gone.

use std::collections::BTreeMap;

use xt::{ChainKind, Family, Table, text};

use super::{Kept, Selection, effect::Effects, picked};

/// The last two different rules that change one thing, by place and first copy.
#[derive(Debug, Clone, Copy, Default)]
struct Writers {
    last: Option<(usize, usize)>,
    other: Option<(usize, usize)>,
}

impl Writers {
    fn note(&mut self, at: usize, group: usize) {
        if self.last.is_some_and(|(_, last)| last != group) {
            self.other = self.last;
        }
        self.last = Some((at, group));
    }

    /// Whether a rule of another group wrote behind `first`.
    fn between(&self, first: usize, group: usize) -> bool {
        [self.last, self.other].iter().flatten().any(|(at, of)| *of != group && *at > first)
    }
}

pub(super) fn select(family: Family, table: &Table) -> Selection {
    let effects = Effects::of(table);
    let mut selection = Selection::default();
    for chain in &table.chains {
        if matches!(chain.kind, ChainKind::Foreign { .. }) {
            continue;
        }
        let mut first_of: BTreeMap<String, usize> = BTreeMap::new();
        let mut writers = [Writers::default(); Effects::KINDS];
        for (at, rule) in chain.rules.iter().enumerate() {
            let line = text::save_rule(&chain.name, rule);
            let touches = effects.touches(rule);
            let first = *first_of.entry(line.clone()).or_insert(at);
            let copy = first != at
                && chain.rules.get(first).is_some_and(|original| original.says_the_same(rule));
            if copy {
                let changed = |kind: usize| {
                    touches.any(kind)
                        && writers.get(kind).is_some_and(|kind| kind.between(first, first))
                };
                let why = effects.of_repetition(chain, rule).or_else(|| {
                    let changed = (0..Effects::KINDS).find(|kind| changed(*kind))?;
                    let name = Effects::name(changed);
                    Some(format!("{name} may have been changed since the first copy"))
                });
                match why {
                    None => selection.rules.push(picked(family, table, chain, rule)),
                    Some(why) => selection.kept.push(Kept {
                        family,
                        table: table.name.clone(),
                        chain: chain.name.clone(),
                        position: rule.position,
                        rule: line,
                        why,
                    }),
                }
            }
            for (kind, writers) in writers.iter_mut().enumerate() {
                if touches.writes(kind) {
                    writers.note(at, first);
                }
            }
        }
    }
    selection
}
