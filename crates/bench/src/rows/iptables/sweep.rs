//! `sweep_rules`: leftovers out, verified, with a backup; beside what people do: save, filter the
//! text, restore.

use anyhow::{Context, Result, ensure};
use xt::{Family, KernelNames};

use super::process::Program;
use super::{LEGACY, NFT, Side, shape};
use crate::agent;
use crate::args::Args;
use crate::contest::{Contender, Contest, PRODUCT, Sample, Scene};
use crate::outcome::Outcome;

/// How many rules there are.
const RULES: usize = 20_000;
const PEER: &str = "save | filter | restore";

/// What is swept, and what may be left.
struct Case {
    name: &'static str,
    select: &'static [&'static str],
    filter: &'static str,
    text: fn(usize) -> String,
    left: usize,
}

const CASES: [Case; 2] = [
    Case {
        name: "duplicates",
        select: &["--duplicates"],
        filter: "awk '!/^-A/ || !seen[$0]++'",
        text: shape::copies,
        left: 3,
    },
    Case {
        name: "of kube-proxy",
        select: &["--of", "kube-proxy"],
        filter: "grep -v KUBE-",
        text: shape::kube_proxy,
        left: 0,
    },
];

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let binary = agent::binary()?;
    let path = binary.to_str().context("a path that is no text")?;
    for (case, side) in CASES.iter().flat_map(|case| [(case, LEGACY), (case, NFT)]) {
        let n = args.largest().min(RULES);
        let text = (case.text)(n);
        let words = [&["sweep", "--backend", side.word, "--yes"][..], case.select].concat();
        let ours = Program { path, args: &words, codes: &[0] };
        let pipe = format!("{} | {} | {}", side.save, case.filter, side.restore);
        let theirs = Program { path: "sh", args: &["-c", &pipe], codes: &[0] };
        let measure = |program: &Program<'_>, scene: &Scene| -> Result<Sample> {
            side.load(scene, &text)?;
            let sample = program.wall(scene)?;
            let left = rules(side)?;
            ensure!(left == case.left, "{left} rules are left, not {}", case.left);
            Ok(sample)
        };
        let contenders = [
            Contender::new(PRODUCT, |scene| measure(&ours, scene)),
            Contender::new(PEER, |scene| measure(&theirs, scene)),
        ];
        let what = format!("sweep {}, {}", case.name, side.word);
        Contest::run(args, &what, n, &contenders)?.write_figures(&mut outcome);
    }
    let note = "a sweep looks for one second whether somebody writes, and reads its work back";
    outcome.notes.push(note.to_owned());
    Ok(outcome)
}

/// How many rules there are now.
fn rules(side: Side) -> Result<usize> {
    let mut names = KernelNames::default();
    let ruleset = match side.backend {
        xt::Backend::Legacy => xt::legacy::read(Family::V4, &mut names)?,
        xt::Backend::NftCompat => {
            xt::nft::read(&mut nfnl::Socket::open()?, Family::V4, &mut names)?.ruleset
        }
    };
    Ok(ruleset.rule_count())
}
