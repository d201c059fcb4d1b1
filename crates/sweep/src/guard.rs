//! Owns the question whether somebody would write the rules again: programs that run, and rules that
//! change while one looks.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use doctor::{owners::Owner, spell};
use serde::Serialize;
use xt::Backend;

use crate::{
    error::SweepError,
    lockout::Lockout,
    select::{NotToReturn, Picked, Referrer, Selection},
    sweep::look,
    what::{What, processes},
};

/// A program that writes rules of a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Program {
    /// Its process.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// The system whose rules it writes.
    pub owner: Owner,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Rules of others lead to chains that should go.
    #[error("{}", spell::one_line(&referred(.0)))]
    Referred(Vec<Referrer>),
    /// The node would be cut off.
    #[error("{}", spell::one_line(&cut_off(.0)))]
    Lockout(Vec<Lockout>),
    /// A backup could not bring some back.
    #[error("{}", spell::one_line(&not_to_return(.0)))]
    NotToReturn(Vec<NotToReturn>),
    /// A program would write them again.
    #[error("{}", running(.programs, *.elsewhere))]
    Running {
        /// Who.
        programs: Vec<Program>,
        /// The other backend, if it has rules of the same systems.
        elsewhere: Option<Backend>,
    },
    /// They change while one looks.
    #[error(
        "somebody writes these rules right now, first in chain {chain}: find and stop who does, or \
         use --force"
    )]
    Changing {
        /// Where a change was seen.
        chain: String,
    },
}

fn referred(referrers: &[Referrer]) -> String {
    let first = referrers.first().map(|referrer| {
        let Referrer { family, table, position, rule, to, .. } = referrer;
        format!(
            "a rule that is not among them leads to chain {to}: {family} {table}, rule {position}, \
             {rule}"
        )
    });
    let more = match referrers.len() {
        0 | 1 => String::new(),
        many => format!(" (and {} more)", many - 1),
    };
    format!("{}{more}; take out that rule first", first.unwrap_or_default())
}

fn cut_off(lockouts: &[Lockout]) -> String {
    let each = lockouts.iter().map(|lockout| {
        let Lockout { family, table, chain, traffic, by, .. } = lockout;
        format!("{family} {table} {chain} would drop {} ({by})", traffic.join(", "))
    });
    let mut first: Vec<&str> = lockouts.iter().map(|lockout| lockout.first.as_str()).collect();
    first.dedup();
    format!(
        "this would cut the node off: {}; run first: {}; --force does it all the same",
        each.collect::<Vec<_>>().join("; "),
        first.join("; ")
    )
}

fn not_to_return(rules: &[NotToReturn]) -> String {
    let each = rules.iter().map(|rule| format!("{} ({})", rule.rule, rule.why));
    format!(
        "a restore could not put these back as they are: {}; --force takes them out all the same",
        each.collect::<Vec<_>>().join("; ")
    )
}

fn running(programs: &[Program], elsewhere: Option<Backend>) -> String {
    let names: Vec<String> =
        programs.iter().map(|program| format!("{} (pid {})", program.name, program.pid)).collect();
    let what = match elsewhere {
        Some(other) => format!(
            "it has rules in {other} too, and if it keeps those, the ones here are leftovers: then \
             use --force; else stop it first"
        ),
        None => "stop it first, or it writes them again; --force does it all the same".to_owned(),
    };
    format!("{} is running and writes such rules: {what}", names.join(", "))
}

/// Programs of these systems in the calling thread's network namespace. A process whose namespace
/// cannot be seen counts.
pub fn programs(owners: &BTreeSet<Owner>) -> Vec<Program> {
    let namespace = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let here = namespace(Path::new("/proc/thread-self/ns/net"));
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let names = names_of(&entry.path());
        let of = |owner: &&Owner| {
            processes(**owner).iter().any(|wanted| names.iter().any(|name| is_cut(wanted, name)))
        };
        let Some(owner) = owners.iter().find(of) else { continue };
        let there = namespace(&entry.path().join("ns/net"));
        if there.is_some() && here.is_some() && there != here {
            continue;
        }
        let name = names.into_iter().next().unwrap_or_default();
        found.push(Program { pid, name, owner: *owner });
    }
    found.sort_by_key(|program| program.pid);
    found
}

/// `comm` holds 15 letters.
fn is_cut(wanted: &str, name: &str) -> bool {
    wanted == name || (name.len() == 15 && wanted.starts_with(name))
}

/// How many words of a command line may be the program: an interpreter stands before a script.
const WORDS: usize = 2;

/// The names a process goes by: its own, and the files that it was started as.
fn names_of(process: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let command = fs::read(process.join("cmdline")).unwrap_or_default();
    // a kernel thread has none, a zombie neither
    if command.is_empty() {
        return names;
    }
    names.extend(fs::read_to_string(process.join("comm")).map(|name| name.trim().to_owned()));
    for word in command.split(|byte| *byte == 0).take(WORDS) {
        let word = String::from_utf8_lossy(word);
        // `sh -c "kube-proxy …"` is no kube-proxy; a word with spaces is no file
        let name = word.rsplit('/').next().unwrap_or_default();
        if !name.is_empty() && !name.contains(' ') && !name.starts_with('-') {
            names.push(name.to_owned());
        }
    }
    names
}

/// Refuses if a rule of somebody else stands in the way, a program runs that would write the rules
/// again, or they change within `watch`. The last two can be overruled. `generation` is that of nf_tables
/// before the selection was read: if it is still the same, nothing has changed and nothing is read.
///
/// # Errors
/// [`SweepError::Refused`], or of reading.
pub fn guard(
    backend: Backend,
    what: &What,
    selection: &Selection,
    generation: Option<u32>,
    watch: Duration,
) -> Result<(), SweepError> {
    let programs = programs(&selection.owners());
    if !programs.is_empty() {
        let elsewhere = has_rules_elsewhere(backend, &programs);
        return Err(Refusal::Running { programs, elsewhere }.into());
    }
    std::thread::sleep(watch);
    if generation.is_some() && generation == self::generation(backend) {
        return Ok(());
    }
    let later = look(backend, what)?;
    match changed(selection, &later) {
        Some(chain) => Err(Refusal::Changing { chain: chain.to_owned() }.into()),
        None => Ok(()),
    }
}

/// The generation of nf_tables; legacy rules have none.
pub(crate) fn generation(backend: Backend) -> Option<u32> {
    match backend {
        Backend::Legacy => None,
        Backend::NftCompat => nfnl::Socket::open().ok()?.generation_id().ok(),
    }
}

fn has_rules_elsewhere(backend: Backend, programs: &[Program]) -> Option<Backend> {
    let other = match backend {
        Backend::Legacy => Backend::NftCompat,
        Backend::NftCompat => Backend::Legacy,
    };
    let has = |program: &Program| {
        look(other, &What::Of(program.owner)).is_ok_and(|selection| !selection.is_empty())
    };
    programs.iter().any(has).then_some(other)
}

/// The chain of the first rule that came, went, or was written again (nft).
fn changed<'a>(before: &'a Selection, after: &'a Selection) -> Option<&'a str> {
    let name = |picked: &'a Picked| {
        (picked.family, &picked.table, &picked.chain, &picked.rule, picked.handle)
    };
    let sorted = |selection: &'a Selection| {
        let mut names: Vec<_> = selection.rules.iter().map(name).collect();
        names.sort();
        names
    };
    let (before_rules, after_rules) = (sorted(before), sorted(after));
    let differ = before_rules.iter().zip(&after_rules).find(|(one, other)| one != other);
    let longer = if before_rules.len() > after_rules.len() { &before_rules } else { &after_rules };
    let rest = longer.get(before_rules.len().min(after_rules.len()));
    let rule = differ.map(|(one, other)| one.min(other)).or(rest).map(|rule| rule.2.as_str());
    let chain = || before.chains.iter().find(|chain| !after.chains.contains(chain));
    let new_chain = || after.chains.iter().find(|chain| !before.chains.contains(chain));
    rule.or_else(|| chain().or_else(new_chain).map(|chain| chain.chain.as_str()))
}
