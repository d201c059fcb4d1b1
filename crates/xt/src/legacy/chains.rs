//! Owns the chains of a blob: which entries are whose, as libiptc lays them out.
//!
//! Each hook's entries run from `hook_entry` to `underflow` (the policy). Every other chain begins
//! with an ERROR target that holds its name and ends with a RETURN; one more ERROR ends the table.

use std::ops::Range;

use super::blob::{Blob, BlobError, Entry, HOOKS, Role};
use crate::{
    target::Target,
    view::{Chain, ChainKind, Extent, Policy, Table},
};

/// Name of the chain at each hook.
pub(crate) const BUILTIN: [&str; HOOKS] =
    ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// One chain of a blob, by numbers of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where its name is.
    name: Range<usize>,
    /// The hook, for builtin chains.
    pub(crate) hook: Option<usize>,
    /// First rule.
    pub(crate) first: usize,
    /// The policy or the RETURN: the entry behind the last rule.
    pub(crate) foot: usize,
}

/// A blob taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) entries: Vec<Entry>,
    /// In the order of the blob.
    pub(crate) chains: Vec<Span>,
    /// Of all chains, one behind the other: they are compared, and printed with each rule.
    names: String,
}

impl Parts {
    pub(crate) fn of(blob: &Blob) -> Result<Self, BlobError> {
        Self::at_once(blob).map_err(|error| {
            // a hook that leads nowhere is the reason of whatever else is wrong
            blob.walk().and_then(|entries| hooks(blob, &entries)).err().unwrap_or(error)
        })
    }

    /// In one pass: each look at an entry brings it from far memory.
    fn at_once(blob: &Blob) -> Result<Self, BlobError> {
        let mut hooks = Hooks::of(blob);
        let mut entries = Vec::with_capacity(blob.entries_at_most());
        let mut chains: Vec<Span> = Vec::new();
        let mut names = String::new();
        let mut keep = |name: &str| {
            names.push_str(name);
            names.len() - name.len()..names.len()
        };
        // the chain whose entries are being passed
        let mut open: Option<Span> = None;
        for (index, entry) in blob.steps().enumerate() {
            let entry = entry?;
            entries.push(entry);
            let wrong = |what| BlobError::Chains { table: blob.table.clone(), at: entry.at, what };
            let head = match blob.role(entry) {
                Some(Role::Head(name)) => Some(name),
                Some(_) => None,
                None => return Err(wrong("its target is cut off")),
            };
            if let Some(name) = head {
                match open.take() {
                    Some(chain) if chain.hook.is_some() => {
                        return Err(wrong("a builtin chain has no policy"));
                    }
                    Some(chain) if chain.first == index => {
                        return Err(wrong("a chain has no end"));
                    }
                    Some(chain) => chains.push(Span { foot: index - 1, ..chain }),
                    None => {}
                }
                if entry.at + entry.length == blob.entries.len() {
                    return if hooks.all_passed() {
                        Ok(Self { entries, chains, names })
                    } else {
                        Err(wrong("a hook leads nowhere"))
                    };
                }
                let name = keep(&name);
                open = Some(Span { name, hook: None, first: index + 1, foot: index + 1 });
                continue;
            }
            if let Some(hook) = hooks.begin(entry.at) {
                if open.is_some() {
                    return Err(wrong("a hook begins inside a chain"));
                }
                let name = keep(BUILTIN.get(hook).copied().unwrap_or_default());
                open = Some(Span { name, hook: Some(hook), first: index, foot: index });
            }
            match &open {
                None => return Err(wrong("an entry belongs to no chain")),
                Some(Span { hook: Some(hook), .. }) if hooks.end(*hook, entry.at) => {
                    chains.extend(open.take().map(|chain| Span { foot: index, ..chain }));
                }
                Some(_) => {}
            }
        }
        let what = "it does not end with an ERROR target";
        Err(BlobError::Chains { table: blob.table.clone(), at: blob.entries.len(), what })
    }

    /// The name of one of its chains.
    pub(crate) fn name(&self, span: &Span) -> &str {
        self.names.get(span.name.clone()).unwrap_or_default()
    }

    /// By hook, then by name, as the tools print them; older ones wrote them in another order.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &Span> {
        let mut spans: Vec<&Span> = self.chains.iter().collect();
        spans.sort_by_key(|span| (span.hook.unwrap_or(HOOKS), self.name(span)));
        spans.into_iter()
    }

    /// Offsets at which jumps may arrive, and the chains there.
    pub(crate) fn landings(&self) -> Landings<'_> {
        let users = self.chains.iter().filter(|chain| chain.hook.is_none());
        let landings =
            users.filter_map(|chain| Some((self.entries.get(chain.first)?.at, self.name(chain))));
        // in the order of the blob
        let (offsets, names) = landings.unzip();
        Landings { offsets, names }
    }
}

/// Where jumps may arrive. Most rules jump: what is searched lies close together.
pub(crate) struct Landings<'a> {
    offsets: Vec<usize>,
    names: Vec<&'a str>,
}

impl<'a> Landings<'a> {
    /// The chain that begins at an offset.
    pub(crate) fn at(&self, offset: usize) -> Option<&'a str> {
        let found = self.offsets.binary_search(&offset).ok()?;
        self.names.get(found).copied()
    }
}

/// The hooks of a table while its entries are passed.
struct Hooks<'a> {
    blob: &'a Blob,
    /// Bit `n`: hook `n` has ended where it should.
    passed: u32,
}

impl<'a> Hooks<'a> {
    fn of(blob: &'a Blob) -> Self {
        Self { blob, passed: 0 }
    }

    /// The hook that begins with this entry.
    fn begin(&self, at: usize) -> Option<usize> {
        let begins = |hook: &usize| {
            self.blob.valid_hooks & 1 << hook != 0 && self.blob.hook_entry[*hook] as usize == at
        };
        (0..HOOKS).find(begins)
    }

    /// Whether the hook, which began, ends with this entry.
    fn end(&mut self, hook: usize, at: usize) -> bool {
        let ends = self.blob.underflow[hook] as usize == at;
        self.passed |= u32::from(ends) << hook;
        ends
    }

    fn all_passed(&self) -> bool {
        let hooks = (1 << HOOKS) - 1;
        self.passed == self.blob.valid_hooks & hooks
    }
}

/// Whether each hook begins and ends with an entry, in this order.
fn hooks(blob: &Blob, entries: &[Entry]) -> Result<(), BlobError> {
    let ends = blob.hook_entry.iter().zip(&blob.underflow).enumerate();
    for (hook, (first, last)) in ends.filter(|(hook, _)| blob.valid_hooks & 1 << hook != 0) {
        let index = |at: u32| {
            let found = entries.binary_search_by_key(&(at as usize), |entry| entry.at);
            found.map_err(|_| BlobError::Hook { table: blob.table.clone(), hook, at })
        };
        if index(*first)? > index(*last)? {
            return Err(BlobError::Hook {
                table: blob.table.clone(),
                hook,
                at: blob.underflow[hook],
            });
        }
    }
    Ok(())
}

impl Blob {
    /// The view of it. Sets are numbers; see [`crate::SetNames`].
    ///
    /// # Errors
    /// [`BlobError`]
    pub fn table(&self) -> Result<Table, BlobError> {
        let parts = Parts::of(self)?;
        let landings = parts.landings();
        let chains: Result<_, _> =
            parts.in_order().map(|span| self.chain(span, &parts, &landings)).collect();
        let chains = chains?;
        Ok(Table { name: self.table.clone(), chains, extent: Extent::Whole })
    }

    fn chain(
        &self,
        span: &Span,
        parts: &Parts,
        landings: &Landings<'_>,
    ) -> Result<Chain, BlobError> {
        let entries = parts.entries.get(span.first..span.foot).unwrap_or_default();
        let mut rules = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let mut rule = self.rule(*entry, |at| landings.at(at))?;
            rule.position = index as u32 + 1;
            rules.push(rule);
        }
        Ok(Chain { rules, ..self.head(span, parts)? })
    }

    /// A chain without its rules.
    pub(crate) fn head(&self, span: &Span, parts: &Parts) -> Result<Chain, BlobError> {
        let Some(foot) = parts.entries.get(span.foot) else {
            let what = "a chain has no end";
            return Err(BlobError::Chains { table: self.table.clone(), at: 0, what });
        };
        let kind = match span.hook {
            None => ChainKind::User,
            Some(_) => ChainKind::Builtin { policy: self.policy(*foot)? },
        };
        let counters =
            if span.hook.is_some() { self.counters(*foot) } else { crate::Counters::default() };
        Ok(Chain { name: parts.name(span).to_owned(), kind, counters, rules: Vec::new() })
    }

    fn policy(&self, foot: Entry) -> Result<Policy, BlobError> {
        let verdict = match self.role(foot) {
            Some(Role::Standard(verdict)) => Target::from_verdict(verdict),
            _ => None,
        };
        match verdict {
            Some(Target::Accept) => Ok(Policy::Accept),
            Some(Target::Drop) => Ok(Policy::Drop),
            Some(Target::Queue) => Ok(Policy::Queue),
            _ => {
                let what = "a builtin chain does not end with a policy";
                Err(BlobError::Chains { table: self.table.clone(), at: foot.at, what })
            }
        }
    }
}
