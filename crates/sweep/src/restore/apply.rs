//! Owns putting rules back into either backend.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::{Duration, Instant};

use nfnl::{BaseChain, Batch, BatchError, Chain, ChangeIndex, Hook, Socket, Table};
use xt::legacy::XtablesLock;
use xt::{Backend, Policy};

use super::{Course, Impossible, is_of, plan::Plan, plan::plan};
use crate::{
    anonymous,
    backup::{Origin, TableRecord},
    error::SweepError,
    image::Image,
    legacy,
    nft::{self, Outcome},
    raw::{Raw, nft_family},
};

fn impossible(record: &TableRecord, why: String) -> Impossible {
    let (chain, rule) = (String::new(), String::new());
    Impossible { family: record.family, table: record.name.clone(), chain, rule, why }
}

/// An error with all that caused it, in one line.
fn told(error: &SweepError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Attempts until a moment.
struct Attempts {
    end: Instant,
    made: u32,
}

impl Attempts {
    fn new(patience: Duration) -> Self {
        Self { end: Instant::now() + patience, made: 0 }
    }

    fn next(&mut self) -> Result<(), SweepError> {
        self.made += 1;
        if self.made > 1 && Instant::now() > self.end {
            return Err(SweepError::Unsettled { attempts: self.made - 1 });
        }
        Ok(())
    }
}

pub(super) fn legacy(
    record: &TableRecord,
    lock: &XtablesLock,
    course: &mut Course<'_>,
) -> Result<(), SweepError> {
    let mut attempts = Attempts::new(course.options.patience);
    loop {
        attempts.next()?;
        // makes the table if it is not there
        let table = match legacy::read_one(record.family, &record.name, &mut course.names) {
            Ok(table) => table,
            Err(error) => {
                course.all.impossible.push(impossible(record, told(&error)));
                return Ok(());
            }
        };
        let plan = plan(Backend::Legacy, record, Some(&table.image), &mut course.names);
        if plan.is_empty() {
            course.all.add(record, &plan);
            return Ok(());
        }
        course.refuse_lockout(Backend::Legacy, record, Some(&table.image), &plan)?;
        let expected = plan.expected(&table.image);
        let done = legacy::change(&table, lock, &expected, |edit| {
            plan.chains.iter().try_for_each(|(chain, _)| edit.add_chain(chain))?;
            for insertion in &plan.insertions {
                if let Raw::Legacy(raw) = &insertion.raw {
                    edit.insert(&insertion.chain, insertion.place as u32 + 1, raw)?;
                }
            }
            Ok(())
        });
        match done {
            Ok(legacy::Outcome::Changed) => {}
            Ok(legacy::Outcome::Done(notes)) => {
                course.all.add(record, &plan);
                course.all.notes.extend(notes);
                return Ok(());
            }
            Err(error @ (SweepError::Edit { .. } | SweepError::Replace { .. })) => {
                course.all.impossible.push(impossible(record, told(&error)));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

pub(super) fn nft(
    record: &TableRecord,
    socket: &mut Socket,
    course: &mut Course<'_>,
) -> Result<(), SweepError> {
    let mut attempts = Attempts::new(course.options.patience);
    // numbers of rules, counted over all of the table, that the kernel refused
    let mut refused: BTreeMap<usize, String> = BTreeMap::new();
    loop {
        attempts.next()?;
        let read = match nft::read(socket, &mut course.names) {
            Ok(read) => read,
            Err(SweepError::Unsettled { .. }) => continue,
            Err(error) => return Err(error),
        };
        let Some(image) = read.images.iter().find(|image| is_of(image, record)) else {
            make_table(record, socket)?;
            continue;
        };
        let mut plan = plan(Backend::NftCompat, record, Some(image), &mut course.names);
        leave_out(record, &mut plan, &refused);
        if plan.is_empty() {
            course.all.add(record, &plan);
            return Ok(());
        }
        course.refuse_lockout(Backend::NftCompat, record, Some(image), &plan)?;
        let mut batch = Batch::new();
        batch.expect_generation(read.generation);
        let of_rules = fill(&mut batch, record, image, &plan)?;
        let key = (record.family, record.name.clone());
        let expected = BTreeMap::from([(key, plan.expected(image))]);
        match nft::commit(socket, &mut batch, read.generation, &expected) {
            Ok(Outcome::Changed | Outcome::Unknown) => {}
            Ok(Outcome::Done(notes)) => {
                course.all.add(record, &plan);
                course.all.notes.extend(notes);
                return Ok(());
            }
            Err(SweepError::Commit(error)) => {
                let first = error.rejections().first().cloned();
                let rule = first.and_then(|first| {
                    let number = *of_rules.get(&first.change)?;
                    Some((number, first.errno.to_string()))
                });
                let Some((number, why)) = rule else {
                    course
                        .all
                        .impossible
                        .push(impossible(record, told(&SweepError::Commit(error))));
                    return Ok(());
                };
                // counted among those that were asked for this time
                let shift = refused.keys().fold(number, |at, gone| at + usize::from(*gone <= at));
                refused.insert(shift, format!("the kernel refuses it: {why}"));
            }
            Err(error) => return Err(error),
        }
    }
}

fn leave_out(record: &TableRecord, plan: &mut Plan, refused: &BTreeMap<usize, String>) {
    let mut number = 0;
    let (impossible, insertions) = (&mut plan.impossible, &mut plan.insertions);
    insertions.retain(|insertion| {
        let why = refused.get(&number);
        number += 1;
        if let Some(why) = why {
            impossible.push(Impossible {
                family: record.family,
                table: record.name.clone(),
                chain: insertion.chain.clone(),
                rule: format!("-A {} {}", insertion.chain, insertion.line),
                why: why.clone(),
            });
        }
        why.is_none()
    });
}

fn make_table(record: &TableRecord, socket: &mut Socket) -> Result<(), SweepError> {
    let mut batch = Batch::new();
    batch.add(&Table::new(nft_family(record.family), &record.name))?;
    match socket.commit(&mut batch) {
        Err(error) if error.is_unapplied() && !matches!(error, BatchError::Stale) => {
            Err(SweepError::Commit(error))
        }
        _ => Ok(()),
    }
}

/// Chains first; then rules, each behind its own sets. Answers which change is for which rule.
fn fill(
    batch: &mut Batch,
    record: &TableRecord,
    image: &Image,
    plan: &Plan,
) -> Result<BTreeMap<ChangeIndex, usize>, SweepError> {
    let family = nft_family(record.family);
    for (name, origin) in &plan.chains {
        let mut chain = Chain::new(family, &record.name, name);
        if let Origin::Builtin { policy, base: Some(base) } = origin {
            let policy = match policy {
                Policy::Drop => nfnl::Policy::Drop,
                Policy::Accept | Policy::Queue => nfnl::Policy::Accept,
            };
            chain = chain.with_base(BaseChain {
                policy: Some(policy),
                ..BaseChain::new(&base.kind, Hook::from(base.hook), base.priority)
            });
        }
        batch.create(&chain)?;
    }
    // From the end, each behind the rule that was before it: the kernel finds that rule by walking the
    // chain from the front, and so what is put in makes no way longer.
    let mut of_rules = BTreeMap::new();
    let mut numbers = 1..;
    for (number, insertion) in plan.insertions.iter().enumerate().rev() {
        // `plan` has decoded all of it already
        let Ok(rule) = insertion.raw.to_nft(record.family) else { continue };
        let made = insertion
            .anonymous
            .iter()
            .zip(&mut numbers)
            .map(|(set, id)| Some((set, set.to_set(record.family, &record.name, id).ok()?)));
        let Some(made) = made.collect::<Option<Vec<_>>>() else { continue };
        for (set, ready) in &made {
            of_rules.extend(set.put(ready, batch)?.into_iter().map(|change| (change, number)));
        }
        let made = made.iter().map(|(set, ready)| (set.name.as_str(), ready)).collect();
        let mut rule = anonymous::with_sets(rule, &made);
        let rules = image.table.chain(&insertion.chain).map(|chain| chain.rules.as_slice());
        let before = insertion.place.checked_sub(1);
        rule.position = before.and_then(|before| rules?.get(before)?.handle);
        let change = match rule.position {
            Some(_) => batch.add(&rule)?,
            None => batch.insert_rule(&rule)?,
        };
        of_rules.insert(change, number);
    }
    Ok(of_rules)
}
