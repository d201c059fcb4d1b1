//! `netkeep sweep`: leftovers of iptables out, and back.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value as Json, json};
use sweep::{
    Backend, Backup, Family, Force, Lockout, Options, Pattern, Restored, ReturnOptions, Selection,
    What,
};

use crate::args::{BackendArg, Format, SweepArgs};
use crate::output;

/// How long to wait for the lock, and to try again while others write.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to look whether somebody writes the rules.
const WATCH: Duration = Duration::from_secs(1);
/// There is something to do.
const SOMETHING: u8 = 2;

pub(super) fn run(args: &SweepArgs) -> Result<ExitCode> {
    if let Some(path) = &args.restore {
        return restore(args, path);
    }
    let backend = match args.backend {
        Some(BackendArg::Nft) => Backend::NftCompat,
        // the command line asks for one
        Some(BackendArg::Legacy) | None => Backend::Legacy,
    };
    let what = match (args.of, &args.matching) {
        (Some(owner), _) => What::Of(owner),
        (None, Some(pattern)) => What::Match(Pattern::new(pattern)),
        (None, None) => What::Duplicates,
    };
    if args.yes { do_it(args, backend, &what) } else { look(args, backend, &what) }
}

const fn force(args: &SweepArgs) -> Force {
    if args.force { Force::Yes } else { Force::No }
}

fn look(args: &SweepArgs, backend: Backend, what: &What) -> Result<ExitCode> {
    let selection = ::sweep::look(backend, what)?;
    let programs = ::sweep::programs(&selection.owners());
    match args.output {
        Format::Json => {
            let mut told = told(backend, what, &selection);
            told.insert("applied".to_owned(), false.into());
            told.insert("running".to_owned(), json!(programs));
            output::json(&told)?;
        }
        Format::Text => {
            print_selection(backend, &selection, "would go");
            print_lockouts(&selection.lockouts);
            for rule in &selection.not_to_return {
                output::line(&format!(
                    "a restore could not put this back as it is: {} ({}): --yes will refuse without \
                     --force",
                    rule.rule, rule.why
                ));
            }
            for program in &programs {
                let (name, pid) = (&program.name, program.pid);
                output::line(&format!(
                    "{name} (pid {pid}) runs and may write them again: --yes will refuse without \
                     --force"
                ));
            }
            if !selection.is_empty() {
                output::line("nothing was changed; run again with --yes");
            }
        }
    }
    for referrer in &selection.referrers {
        output::say(&format!(
            "in the way, because it leads to chain {} and is not among them: {} {} rule \
             {}: {}",
            referrer.to, referrer.family, referrer.table, referrer.position, referrer.rule
        ));
    }
    Ok(match (selection.referrers.is_empty(), selection.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(SOMETHING),
    })
}

fn print_lockouts(lockouts: &[Lockout]) {
    for Lockout { family, table, chain, traffic, by, first } in lockouts {
        output::line(&format!(
            "this would cut the node off: {family} {table} {chain} would drop {} ({by}): --yes will \
             refuse without --force; run first: {first}",
            traffic.join(", ")
        ));
    }
}

fn do_it(args: &SweepArgs, backend: Backend, what: &What) -> Result<ExitCode> {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let file = || args.state_dir.join(now.strftime("sweep-%Y%m%dT%H%M%S.%3fZ.json").to_string());
    let options = Options {
        force: force(args),
        lock: args.lock.clone(),
        patience: PATIENCE,
        watch: WATCH,
        backup: args.backup.clone().unwrap_or_else(file),
        created: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    };
    let swept = ::sweep::sweep(backend, what, &options, &mut |_| {})?;
    match args.output {
        Format::Json => {
            let mut told = told(backend, what, &swept.selection);
            told.insert("applied".to_owned(), (!swept.selection.is_empty()).into());
            // a path need not be text, JSON is
            let backup = swept.backup.as_ref().map(|path| path.display().to_string());
            told.insert("backup".to_owned(), json!(backup));
            told.insert("notes".to_owned(), json!(swept.notes));
            output::json(&told)?;
        }
        Format::Text => {
            print_selection(backend, &swept.selection, "are gone, verified");
            swept.notes.iter().for_each(|note| output::line(&format!("note: {note}")));
            if let Some(backup) = &swept.backup {
                let backup = backup.display();
                output::line(&format!("back with: netkeep sweep --restore {backup} --yes"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn restore(args: &SweepArgs, path: &Path) -> Result<ExitCode> {
    let backup = Backup::read(path)?;
    let restored = if args.yes {
        let options =
            ReturnOptions { force: force(args), lock: args.lock.clone(), patience: PATIENCE };
        ::sweep::restore(&backup, &options)
            .with_context(|| format!("cannot restore {}", path.display()))?
    } else {
        ::sweep::what_is_missing(&backup)?
    };
    match args.output {
        Format::Json => output::json(&json!({
            "backend": backend_word(backup.backend),
            "applied": args.yes,
            "rules": restored.rules,
            "chains": restored.chains,
            "present": restored.present,
            "impossible": restored.impossible,
            "cutsOff": restored.lockouts,
            "notes": restored.notes,
        }))?,
        Format::Text => print_restored(&restored, args.yes),
    }
    Ok(match (restored.impossible.is_empty(), args.yes || restored.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(SOMETHING),
    })
}

fn print_restored(restored: &Restored, done: bool) {
    let verb = if done { "restored" } else { "would restore" };
    for chain in &restored.chains {
        output::line(&format!("{verb} {} {} chain {}", chain.family, chain.table, chain.chain));
    }
    for rule in &restored.rules {
        let (family, table, at) = (rule.family, &rule.table, rule.position);
        output::line(&format!("{verb} {family} {table} {at} {}", rule.rule));
    }
    for lost in &restored.impossible {
        let (family, table) = (lost.family, &lost.table);
        output::line(&format!("cannot restore {family} {table} {}: {}", lost.rule, lost.why));
    }
    restored.notes.iter().for_each(|note| output::line(&format!("note: {note}")));
    output::line(&format!(
        "{} rules and {} chains {}, {} are there already, {} cannot be restored",
        restored.rules.len(),
        restored.chains.len(),
        if done { "restored, verified" } else { "are missing" },
        restored.present,
        restored.impossible.len()
    ));
    if !done && !restored.is_empty() {
        print_lockouts(&restored.lockouts);
        output::line("nothing was changed; run again with --yes");
    }
}

const fn backend_word(backend: Backend) -> &'static str {
    match backend {
        Backend::Legacy => "legacy",
        Backend::NftCompat => "nft",
    }
}

fn told(backend: Backend, what: &What, selection: &Selection) -> serde_json::Map<String, Json> {
    let mut told = serde_json::Map::new();
    let mut say = |key: &str, value: Json| drop(told.insert(key.to_owned(), value));
    say("backend", backend_word(backend).into());
    say("what", what.to_string().into());
    say("rules", json!(selection.rules));
    say("chains", json!(selection.chains));
    say("kept", json!(selection.kept));
    say("inTheWay", json!(selection.referrers));
    say("cutsOff", json!(selection.lockouts));
    say("notRestorable", json!(selection.not_to_return));
    told
}

/// Rules by table, as iptables-save prints them, each behind its position in its chain.
fn print_selection(backend: Backend, selection: &Selection, verb: &str) {
    let mut table: Option<(Family, &str)> = None;
    let mut head = |family: Family, name| {
        if table != Some((family, name)) {
            table = Some((family, name));
            output::line(&format!("*{name} ({family}, {backend})"));
        }
    };
    for rule in &selection.rules {
        head(rule.family, &rule.table);
        let (packets, bytes) = (rule.counters.packets, rule.counters.bytes);
        output::line(&format!("{:>7} [{packets}:{bytes}] {}", rule.position, rule.rule));
    }
    for chain in &selection.chains {
        head(chain.family, &chain.table);
        output::line(&format!("  chain :{}", chain.chain));
    }
    for kept in &selection.kept {
        head(kept.family, &kept.table);
        output::line(&format!("   stays {:>5} {} ({})", kept.position, kept.rule, kept.why));
    }
    let (rules, chains) = (selection.rules.len(), selection.chains.len());
    if selection.is_empty() {
        output::line("there is nothing to sweep");
    } else {
        output::line(&format!("{rules} rules and {chains} chains {verb}"));
    }
}
