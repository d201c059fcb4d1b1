//! `check_npl`: is one mapping there, when N exist? `resync_noop`: is everything as it was?

use anyhow::{Result, ensure};

use super::{floor, single};
use crate::args::Args;
use crate::contest::{Contender, Contest, FLOOR, PRODUCT, Sample, Scene, times};
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::peers::{self, Input, text};
use crate::product;
use crate::raw::{Elements, MAP, Raw, TABLE};

/// G5: times one bare generation request, and growth from the smallest to the largest N.
const TO_FLOOR: f64 = 8.0;
const GROWTH: f64 = 1.3;
/// G5: the sanity ceiling of one resync.
const MICROSECONDS: f64 = 10.0;

const MANY: usize = 500;
const FEW: usize = 3;

pub(crate) fn one(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for n in args.sizes.iter().copied() {
        let mappings = Mapping::first(n);
        let last = &mappings[n - 1];
        let contenders = [
            Contender::new(FLOOR, |_| {
                let mut raw = floor::built(&mappings)?;
                let request = Elements::get(TABLE, MAP, last.key());
                times(MANY, |_| raw.acknowledged(&request))
            }),
            Contender::new("nft get element", |scene| {
                let all = text::nft_structure(mappings.len()) + &text::nft_elements(&mappings);
                peers::feed(scene, "nft", &["-f", "-"], &Input::write(scene, "all", &all)?)?;
                let command = format!("get element inet peer npl4 {{ tcp . {} }}", last.port);
                times(FEW, |_| peers::run(scene, "nft", &[&command]))
            }),
            Contender::new("ipset test", |scene| {
                let all = text::ipset_restore(&mappings);
                peers::feed(scene, "ipset", &["restore"], &Input::write(scene, "all", &all)?)?;
                let entry = text::ipset_entry(last);
                times(FEW, |_| peers::run(scene, "ipset", &["test", "npl", &entry]))
            }),
            Contender::new("iptables-legacy -C", |scene| {
                of_iptables(scene, "iptables-legacy", &mappings)
            }),
            Contender::new("iptables-nft -C", |scene| {
                of_iptables(scene, "iptables-nft", &mappings)
            }),
        ];
        Contest::run(args, "check one", n, &contenders)?.write_figures(&mut outcome);
    }
    Ok(outcome)
}

fn of_iptables(scene: &Scene, program: &str, mappings: &[Mapping]) -> Result<Sample> {
    single::restore_all(scene, program, mappings)?;
    let last = &mappings[mappings.len() - 1];
    times(FEW, |_| {
        ensure!(peers::has_rule(scene, program, last)?, "{program} -C: not there");
        Ok(())
    })
}

pub(crate) fn all(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for n in args.sizes.iter().copied() {
        let mappings = Mapping::first(n);
        let contest = Contest::run(args, "resync", n, &resyncers(&mappings))?;
        contest.write_figures(&mut outcome);
        contest.limit(&mut outcome, "G5", (PRODUCT, FLOOR), TO_FLOOR);
        let (what, mine) = (format!("resync at {n}: us"), contest.median(PRODUCT));
        contest.judge(&mut outcome, "G5", what, mine / 1e3, MICROSECONDS);
    }
    let measure = |n| of_product(&Mapping::first(n));
    Contest::growth(args, &mut outcome, ("G5", "resync"), &measure, GROWTH)?;
    Ok(outcome)
}

fn resyncers(mappings: &[Mapping]) -> Vec<Contender<'_>> {
    let listed = |program: &'static str, args: &'static [&'static str]| {
        move |scene: &Scene| {
            if program == "nft" {
                let all = text::nft_structure(mappings.len()) + &text::nft_elements(mappings);
                peers::feed(scene, "nft", &["-f", "-"], &Input::write(scene, "all", &all)?)?;
            } else {
                single::restore_all(scene, program.trim_end_matches("-save"), mappings)?;
            }
            times(FEW, |_| peers::run(scene, program, args))
        }
    };
    vec![
        Contender::new(FLOOR, move |_| {
            floor::built(mappings)?;
            let mut raw = Raw::open()?;
            times(MANY, |_| raw.generation().map(drop))
        }),
        Contender::new(PRODUCT, move |_| of_product(mappings)),
        Contender::new("nft -j list ruleset", listed("nft", &["-j", "list", "ruleset"])),
        Contender::new("nft -j -t list ruleset", listed("nft", &["-j", "-t", "list", "ruleset"])),
        Contender::new("iptables-legacy-save", listed("iptables-legacy-save", &["-t", "nat"])),
        Contender::new("iptables-nft-save", listed("iptables-nft-save", &["-t", "nat"])),
    ]
}

fn of_product(mappings: &[Mapping]) -> Result<Sample> {
    let mut driver = product::loaded(mappings)?;
    times(MANY, |_| {
        ensure!(!driver.drifted()?, "the ruleset changed");
        Ok(())
    })
}
