//! `inc_npl`: one mapping more, less, or leading elsewhere, when N exist.

use anyhow::Result;

use super::floor;
use crate::args::Args;
use crate::contest::{Contender, Contest, FLOOR, PRODUCT, Sample, Scene, times};
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::peers::{self, Input, text};
use crate::product;
use crate::raw::Elements;

/// G3: times the floor at most, typically and at the 99th percentile.
const TO_FLOOR: f64 = 3.0;
const P99_TO_FLOOR: f64 = 20.0;
/// G3: at most this share of one `nft` process, and of one `iptables-legacy -A` at N = 50,000.
const TO_NFT: f64 = 1.0 / 200.0;
const TO_LEGACY: f64 = 1.0 / 5_000.0;
/// G3: t(largest N) / t(smallest N).
const GROWTH: f64 = 1.5;

/// Repetitions in a round: of what takes microseconds, and of what starts a process.
const MANY: usize = 200;
const FEW: usize = 3;

/// What happens to one mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Delete,
    Change,
}

const OPS: [(Op, &str); 3] = [(Op::Add, "add"), (Op::Delete, "delete"), (Op::Change, "change")];

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (op, name) in OPS {
        for n in args.sizes.iter().copied() {
            let mappings = Mapping::first(n);
            let contest = Contest::run(args, name, n, &contenders(op, &mappings))?;
            contest.write_figures(&mut outcome);
            judge(&contest, name, &mut outcome);
        }
        let measure = |n| of_product(op, &Mapping::first(n));
        Contest::growth(args, &mut outcome, ("G3", name), &measure, GROWTH)?;
    }
    Ok(outcome)
}

fn judge(contest: &Contest, name: &str, outcome: &mut Outcome) {
    contest.limit(outcome, "G3", (PRODUCT, FLOOR), TO_FLOOR);
    contest.limit(outcome, "G3", (PRODUCT, "nft"), TO_NFT);
    if contest.n() >= 50_000 {
        contest.limit(outcome, "G3", (PRODUCT, "iptables-legacy"), TO_LEGACY);
    }
    if contest.has(PRODUCT) {
        let what = format!("{name} at {}: p99 of {PRODUCT} / median of {FLOOR}", contest.n());
        let value = contest.p99(PRODUCT) / contest.median(FLOOR);
        contest.judge(outcome, "G3", what, value, P99_TO_FLOOR);
    }
}

fn contenders(op: Op, mappings: &[Mapping]) -> Vec<Contender<'_>> {
    let mut all = vec![
        Contender::new(FLOOR, move |_| of_floor(op, mappings)),
        Contender::new(PRODUCT, move |_| of_product(op, mappings)),
        Contender::new("nft", move |scene| of_nft(op, scene, mappings)),
    ];
    // The others have no values to change in place.
    if op != Op::Change {
        all.push(Contender::new("ipset (no values)", move |scene| of_ipset(op, scene, mappings)));
        for (name, program) in
            [("iptables-legacy", "iptables-legacy"), ("iptables-nft", "iptables-nft")]
        {
            all.push(Contender::new(name, move |scene| of_iptables(op, scene, program, mappings)));
        }
    }
    if op == Op::Add {
        for (name, program) in [
            ("legacy-restore --noflush", "iptables-legacy-restore"),
            ("nft-restore --noflush", "iptables-nft-restore"),
        ] {
            all.push(Contender::new(name, move |scene| of_restore(scene, program, mappings)));
        }
        for (name, program) in
            [("-C then -A, legacy", "iptables-legacy"), ("-C then -A, nft", "iptables-nft")]
        {
            all.push(Contender::new(name, move |scene| {
                of_check_then_add(scene, program, mappings)
            }));
        }
    }
    all
}

fn of_floor(op: Op, mappings: &[Mapping]) -> Result<Sample> {
    let mut raw = floor::built(mappings)?;
    times(MANY, |index| {
        raw.acknowledged(&match op {
            Op::Add => Elements::add(&[Mapping::number(mappings.len() + index)]),
            Op::Delete => Elements::delete(&mappings[index..=index]),
            Op::Change => Elements::replace(&mappings[index], &mappings[index].repointed()),
        })
    })
}

fn of_product(op: Op, mappings: &[Mapping]) -> Result<Sample> {
    let mut driver = product::loaded(mappings)?;
    let plans: Result<Vec<_>> = (0..MANY)
        .map(|index| match op {
            Op::Add => product::single_plan(None, Some(&Mapping::number(mappings.len() + index))),
            Op::Delete => product::single_plan(Some(&mappings[index]), None),
            Op::Change => {
                product::single_plan(Some(&mappings[index]), Some(&mappings[index].repointed()))
            }
        })
        .collect();
    let plans = plans?;
    times(MANY, |index| product::commit(&mut driver, &plans[index]))
}

fn of_nft(op: Op, scene: &Scene, mappings: &[Mapping]) -> Result<Sample> {
    let all = text::nft_structure(mappings.len()) + &text::nft_elements(mappings);
    peers::feed(scene, "nft", &["-f", "-"], &Input::write(scene, "all", &all)?)?;
    let key = |mapping: &Mapping| format!("{{ tcp . {} }}", mapping.port);
    let whole = |mapping: &Mapping| format!("{{ {} }}", text::nft_element(mapping));
    times(FEW, |index| {
        let map = "inet peer npl4";
        let command = match op {
            Op::Add => {
                format!("add element {map} {}", whole(&Mapping::number(mappings.len() + index)))
            }
            Op::Delete => format!("delete element {map} {}", key(&mappings[index])),
            Op::Change => format!(
                "delete element {map} {}; add element {map} {}",
                key(&mappings[index]),
                whole(&mappings[index].repointed())
            ),
        };
        peers::run(scene, "nft", &[&command])
    })
}

fn of_ipset(op: Op, scene: &Scene, mappings: &[Mapping]) -> Result<Sample> {
    let all = text::ipset_restore(mappings);
    peers::feed(scene, "ipset", &["restore"], &Input::write(scene, "all", &all)?)?;
    times(FEW, |index| {
        let (verb, mapping) = match op {
            Op::Delete => ("del", mappings[index].clone()),
            Op::Add | Op::Change => ("add", Mapping::number(mappings.len() + index)),
        };
        peers::run(scene, "ipset", &[verb, "npl", &text::ipset_entry(&mapping)])
    })
}

fn of_iptables(op: Op, scene: &Scene, program: &str, mappings: &[Mapping]) -> Result<Sample> {
    restore_all(scene, program, mappings)?;
    times(FEW, |index| match op {
        Op::Delete => rule(scene, program, "-D", &mappings[index]),
        Op::Add | Op::Change => {
            rule(scene, program, "-A", &Mapping::number(mappings.len() + index))
        }
    })
}

fn of_restore(scene: &Scene, program: &str, mappings: &[Mapping]) -> Result<Sample> {
    restore_all(scene, program.trim_end_matches("-restore"), mappings)?;
    let more = Mapping::number(mappings.len());
    let line = text::iptables_rule(&more).join(" ");
    let one = Input::write(scene, "one", &format!("*nat\n-A {} {line}\nCOMMIT\n", text::CHAIN))?;
    times(FEW, |_| peers::feed(scene, program, &["--noflush"], &one))
}

/// Two processes a rule: is it there, if not add it.
fn of_check_then_add(scene: &Scene, program: &str, mappings: &[Mapping]) -> Result<Sample> {
    restore_all(scene, program, mappings)?;
    times(FEW, |index| {
        let more = Mapping::number(mappings.len() + index);
        if !peers::has_rule(scene, program, &more)? {
            rule(scene, program, "-A", &more)?;
        }
        Ok(())
    })
}

/// Fills the chain of an `iptables` variant.
pub(super) fn restore_all(scene: &Scene, program: &str, mappings: &[Mapping]) -> Result<()> {
    let all = Input::write(scene, "all", &text::iptables_restore(mappings))?;
    peers::feed(scene, &format!("{program}-restore"), &[], &all)
}

fn rule(scene: &Scene, program: &str, verb: &str, mapping: &Mapping) -> Result<()> {
    peers::run(
        scene,
        program,
        &peers::rule_args(verb, mapping).iter().map(String::as_str).collect::<Vec<_>>(),
    )
}
