//! Owns the course of a sweep: look, guard, back up, change, read back; again if others changed
//! something in between.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nfnl::Socket;
use xt::legacy::XtablesLock;
use xt::{Backend, KernelNames};

use crate::{
    backup::{Backup, BackupError, TableRecord},
    error::SweepError,
    guard::{Refusal, guard},
    image::{Image, Part},
    legacy,
    lockout::Listening,
    nft,
    select::{Selection, select_in},
    what::What,
};

/// Whether programs that run count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Refuse when a program would write the rules again.
    No,
    /// Do it all the same.
    Yes,
}

/// How to do it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether programs that run count.
    pub force: Force,
    /// The lock of legacy iptables: [`xt::legacy::LOCK_PATH`] unless the system has another one.
    pub lock: PathBuf,
    /// How long to wait for the lock, and to try again while others write.
    pub patience: Duration,
    /// How long to look whether the rules change.
    pub watch: Duration,
    /// Where the backup goes.
    pub backup: PathBuf,
    /// What the backup says when it was made.
    pub created: String,
}

/// Where a sweep has come to; a test may end the process there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The backup is on disk; nothing is changed.
    BackedUp,
    /// Something is changed; nothing is read back or said.
    Changed,
}

/// What a sweep did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// What went.
    pub selection: Selection,
    /// What undoes it; none if there was nothing to do.
    pub backup: Option<PathBuf>,
    /// What a person may want to know.
    pub notes: Vec<String>,
}

/// What would go, in the calling thread's network namespace. Changes nothing.
///
/// # Errors
/// Of reading.
pub fn look(backend: Backend, what: &What) -> Result<Selection, SweepError> {
    look_at(backend, what, &Listening::read().map_err(SweepError::Listening)?)
}

fn look_at(backend: Backend, what: &What, listening: &Listening) -> Result<Selection, SweepError> {
    let mut names = KernelNames::default();
    let images: Vec<Image> = match backend {
        Backend::Legacy => legacy::read(&mut names)?.into_iter().map(|table| table.image).collect(),
        Backend::NftCompat => nft::read(&mut Socket::open()?, &mut names)?.images,
    };
    let mut selection = Selection::default();
    for image in &images {
        selection.add(select_in_image(image, backend, what, listening));
    }
    Ok(selection)
}

/// Takes out what is asked for, and writes a backup first. `step` is told how far it is.
///
/// # Errors
/// [`SweepError`]; [`SweepError::backup`] says what undoes the part that was done.
pub fn sweep(
    backend: Backend,
    what: &What,
    options: &Options,
    step: &mut dyn FnMut(Step),
) -> Result<Swept, SweepError> {
    let generation = crate::guard::generation(backend);
    let listening = Listening::read().map_err(SweepError::Listening)?;
    let selection = look_at(backend, what, &listening)?;
    refuse_referred(&selection)?;
    if selection.is_empty() {
        return Ok(Swept { selection, ..Swept::default() });
    }
    refuse_lockout(&selection, options.force)?;
    refuse_lost(&selection, options.force)?;
    if options.force == Force::No {
        guard(backend, what, &selection, generation, options.watch)?;
    }
    if options.backup.exists() {
        return Err(BackupError::Exists { path: options.backup.clone() }.into());
    }
    let mut course = Course::new(backend, what, options, &listening, step);
    let result = match backend {
        Backend::Legacy => course.legacy(),
        Backend::NftCompat => course.nft(),
    };
    let Course { swept, written, .. } = course;
    match (result, written) {
        (Ok(()), Some(_)) => Ok(Swept { backup: Some(options.backup.clone()), ..swept }),
        // others took it out first
        (Ok(()), None) => Ok(swept),
        (Err(error), Some(_)) => Err(error.after(&options.backup)),
        (Err(error), None) => Err(error),
    }
}

fn refuse_referred(selection: &Selection) -> Result<(), SweepError> {
    if selection.referrers.is_empty() {
        return Ok(());
    }
    Err(Refusal::Referred(selection.referrers.clone()).into())
}

fn refuse_lockout(selection: &Selection, force: Force) -> Result<(), SweepError> {
    if selection.lockouts.is_empty() || force == Force::Yes {
        return Ok(());
    }
    Err(Refusal::Lockout(selection.lockouts.clone()).into())
}

fn refuse_lost(selection: &Selection, force: Force) -> Result<(), SweepError> {
    if selection.not_to_return.is_empty() || force == Force::Yes {
        return Ok(());
    }
    Err(Refusal::NotToReturn(selection.not_to_return.clone()).into())
}

fn select_in_image(
    image: &Image,
    backend: Backend,
    what: &What,
    listening: &Listening,
) -> Selection {
    let (family, table) = (image.family, &image.table);
    select_in(family, table, what)
        .with_lockouts(family, backend, table, what, listening)
        .with_lost(image)
}

struct Course<'a> {
    backend: Backend,
    what: &'a What,
    options: &'a Options,
    listening: &'a Listening,
    step: &'a mut dyn FnMut(Step),
    names: KernelNames,
    /// Tables that were changed, or may have been.
    done: Vec<TableRecord>,
    backup: Backup,
    /// Tables of the backup that is on disk.
    written: Option<Vec<TableRecord>>,
    swept: Swept,
    end: Instant,
    attempts: u32,
}

/// A table of which something goes: its number, what goes, and that in words.
type Planned = (BTreeMap<usize, Part>, Selection);

impl<'a> Course<'a> {
    fn new(
        backend: Backend,
        what: &'a What,
        options: &'a Options,
        listening: &'a Listening,
        step: &'a mut dyn FnMut(Step),
    ) -> Self {
        Self {
            backend,
            what,
            options,
            listening,
            step,
            names: KernelNames::default(),
            done: Vec::new(),
            backup: Backup::new(backend, what.to_string(), options.created.clone()),
            written: None,
            swept: Swept::default(),
            end: Instant::now() + options.patience,
            attempts: 0,
        }
    }

    /// One more attempt, if there is time.
    fn again(&mut self) -> Result<(), SweepError> {
        self.attempts += 1;
        if self.attempts > 1 && Instant::now() > self.end {
            return Err(SweepError::Unsettled { attempts: self.attempts - 1 });
        }
        Ok(())
    }

    fn plan<'i>(&self, images: impl Iterator<Item = &'i Image>) -> Result<Planned, SweepError> {
        let (mut parts, mut all) = (BTreeMap::new(), Selection::default());
        for (number, image) in images.enumerate() {
            let selection = select_in_image(image, self.backend, self.what, self.listening);
            let part = Part::of(&selection, image.family, &image.table.name);
            if !part.is_empty() {
                parts.insert(number, part);
            }
            all.add(selection);
        }
        refuse_referred(&all)?;
        refuse_lockout(&all, self.options.force)?;
        refuse_lost(&all, self.options.force)?;
        Ok((parts, all))
    }

    /// Writes the backup unless the one on disk is the same.
    fn back_up(
        &mut self,
        images: &[&Image],
        parts: &BTreeMap<usize, Part>,
    ) -> Result<(), SweepError> {
        let mut tables = self.done.clone();
        for (number, part) in parts {
            if let Some(image) = images.get(*number) {
                tables.push(image.record(part, &mut self.names));
            }
        }
        if self.written.as_ref() == Some(&tables) {
            return Ok(());
        }
        self.backup.tables.clone_from(&tables);
        self.backup.write(&self.options.backup)?;
        self.written = Some(tables);
        (self.step)(Step::BackedUp);
        Ok(())
    }

    fn note(&mut self, selection: Selection, notes: Vec<String>) {
        self.swept.selection.add(selection);
        self.swept.notes.extend(notes);
    }

    fn legacy(&mut self) -> Result<(), SweepError> {
        let lock = XtablesLock::acquire(&self.options.lock, self.options.patience)?;
        'again: loop {
            self.again()?;
            let tables = legacy::read(&mut self.names)?;
            let images: Vec<&Image> = tables.iter().map(|table| &table.image).collect();
            let (parts, mut selection) = self.plan(images.iter().copied())?;
            if parts.is_empty() {
                return Ok(());
            }
            self.back_up(&images, &parts)?;
            for (number, part) in &parts {
                let Some(table) = tables.get(*number) else { continue };
                let record = table.image.record(part, &mut self.names);
                match legacy::take_out(table, part, &lock)? {
                    legacy::Outcome::Changed => continue 'again,
                    legacy::Outcome::Done(notes) => {
                        (self.step)(Step::Changed);
                        self.done.push(record);
                        let (family, name) = (table.image.family, &table.image.table.name);
                        let done = selection.split_off(family, name);
                        self.note(done, notes);
                    }
                }
            }
            return Ok(());
        }
    }

    fn nft(&mut self) -> Result<(), SweepError> {
        let mut socket = Socket::open()?;
        // what attempts asked for whose end is not known, or that came through a part only
        let mut asked = Selection::default();
        loop {
            self.again()?;
            let read = match nft::read(&mut socket, &mut self.names) {
                Ok(read) => read,
                // others write all the time: as long as there is patience
                Err(
                    SweepError::Unsettled { .. } | SweepError::Nft(nfnl::Error::Changing { .. }),
                ) => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let (parts, selection) = self.plan(read.images.iter())?;
            if parts.is_empty() {
                self.note(asked.gone_before(&selection), Vec::new());
                return Ok(());
            }
            let images: Vec<&Image> = read.images.iter().collect();
            self.back_up(&images, &parts)?;
            let pace = match self.what {
                // with some copies gone already it means what it means with all of them
                What::Duplicates => nft::Pace::Steps(nft::STEP),
                What::Of(_) | What::Match(_) => nft::Pace::AtOnce,
            };
            let mut between = || (self.step)(Step::Changed);
            match nft::take_out(&mut socket, &read, &parts, pace, &mut between)? {
                nft::Outcome::Done(notes) => {
                    (self.step)(Step::Changed);
                    self.note(asked.gone_before(&selection), Vec::new());
                    self.note(selection, notes);
                    return Ok(());
                }
                nft::Outcome::Changed => {}
                // it may have happened, or a part of it: what it took out stays in the backup
                nft::Outcome::Unknown => {
                    self.done = self.written.clone().unwrap_or_default();
                    let before = std::mem::replace(&mut asked, selection);
                    let gone = before.gone_before(&asked);
                    asked.add(gone);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use xt::text;

    use super::*;
    use crate::{Pattern, image::Held, raw::NftRule, raw::Raw};

    #[test]
    fn a_rule_that_could_not_be_put_back_is_named_and_not_taken_out_unless_forced() {
        let lines = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -s 1.1.1.1/32 -j ACCEPT\n\
            -A FORWARD -s 1.1.1.2/32 -j ACCEPT\nCOMMIT\n";
        let mut ruleset = text::parse_str(Backend::NftCompat, xt::Family::V4, lines).unwrap();
        let raw = Raw::Nft(NftRule { attributes: xt::Hex::default(), protocol: None });
        let held = |lost: Option<&str>| Held {
            lost: lost.map(str::to_owned),
            ..Held::new(raw.clone(), Vec::new(), Vec::new())
        };
        let rules = vec![held(None), held(Some("its set forgets"))];
        let image = Image {
            family: xt::Family::V4,
            table: ruleset.tables.remove(0),
            held: BTreeMap::from([("FORWARD".to_owned(), rules)]),
            bases: BTreeMap::new(),
        };
        let what = What::Match(Pattern::new("*-s 1.1.1.*"));
        let all = select_in_image(&image, Backend::NftCompat, &what, &Listening::default());
        let lost: Vec<u32> = all.not_to_return.iter().map(|rule| rule.position).collect();
        assert_eq!((all.rules.len(), lost.as_slice()), (2, &[2][..]));
        let error = refuse_lost(&all, Force::No).unwrap_err().to_string();
        for part in ["-A FORWARD -s 1.1.1.2/32 -j ACCEPT (its set forgets)", "--force"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        refuse_lost(&all, Force::Yes).unwrap();
        let first = What::Match(Pattern::new("*-s 1.1.1.1*"));
        let one = select_in_image(&image, Backend::NftCompat, &first, &Listening::default());
        refuse_lost(&one, Force::No).unwrap();
    }
}
