//! `shape_guard` and `list_guard`: what the table looks like to the kernel and to `nft`.

use anyhow::{Context, Result, ensure};
use netns::Namespace;
use serde_json::Value;

use super::same;
use crate::args::Args;
use crate::contest::{Contender, Contest, Sample, time};
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::peers;
use crate::product;

/// G11: chains of the whole table, both families.
const CHAINS: f64 = 64.0;

pub(crate) fn shape(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let few = Shape::at(10)?;
    let many = Shape::at(args.largest())?;
    let n = args.largest();
    for (what, few, many) in [
        ("chains", few.chains, many.chains),
        ("rules", few.rules, many.rules),
        ("sets and maps", few.sets, many.sets),
    ] {
        outcome.figure(n, "netkeep", what, many);
        let what = format!("{what} at {n} less those at 10");
        outcome.at_most("G11", what, many - few, 0.0);
    }
    outcome.at_most("G11", "chains".to_owned(), many.chains, CHAINS);
    outcome.at_most("G11", "anonymous sets".to_owned(), many.anonymous, 0.0);
    outcome.at_most("G11", "sets without a size hint".to_owned(), many.unsized_sets, 0.0);
    same::judge(&mut outcome)?;
    Ok(outcome)
}

/// What `nft` counts.
#[derive(Debug, Default)]
struct Shape {
    chains: f64,
    rules: f64,
    sets: f64,
    unsized_sets: f64,
    anonymous: f64,
}

impl Shape {
    fn at(n: usize) -> Result<Self> {
        let mappings = Mapping::first(n);
        let listing = Namespace::create()?.run(|| {
            let _driver = product::loaded(&mappings)?;
            let output = peers::plain("nft", &["-j", "-t", "list", "ruleset"])?;
            serde_json::from_slice::<Value>(&output.stdout).context("nft -j")
        })??;
        let mut shape = Self::default();
        for object in listing["nftables"].as_array().into_iter().flatten() {
            if object["chain"].is_object() {
                shape.chains += 1.0;
            }
            if object["rule"].is_object() {
                shape.rules += 1.0;
                // Anonymous sets have no object of their own: nft shows them inside their rule.
                shape.anonymous += object.to_string().matches("{\"set\":[").count() as f64;
            }
            for set in [&object["set"], &object["map"]] {
                if set.is_object() {
                    shape.sets += 1.0;
                    shape.unsized_sets += if set["size"].is_null() { 1.0 } else { 0.0 };
                }
            }
        }
        ensure!(shape.chains > 0.0, "nft shows no chain");
        Ok(shape)
    }
}

pub(crate) fn list(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let n = args.largest();
    let mappings = Mapping::first(n);
    for (what, options) in [
        ("nft list ruleset", &["list", "ruleset"][..]),
        ("nft -j list ruleset", &["-j", "list", "ruleset"]),
    ] {
        let output = Namespace::create()?.run(|| {
            let _driver = product::loaded(&mappings)?;
            peers::plain("nft", options)
        })??;
        let text = String::from_utf8_lossy(&output.stdout);
        let shown =
            mappings.iter().filter(|mapping| text.contains(&mapping.ip.to_string())).count();
        let code = output.status.code().unwrap_or(-1);
        outcome.at_most("G11", format!("{what} at {n}: exit code"), f64::from(code), 0.0);
        let errors = output.stderr.len() as f64;
        outcome.at_most("G11", format!("{what} at {n}: bytes of complaint"), errors, 0.0);
        outcome.at_least("G11", format!("{what} at {n}: mappings shown"), shown as f64, n as f64);
    }
    let contest = Contest::run(
        args,
        "list",
        n,
        &[Contender::new("nft list ruleset", |_| {
            let _driver = product::loaded(&mappings)?;
            Ok(Sample::of(&[time(|| peers::plain("nft", &["list", "ruleset"]).map(drop))?]))
        })],
    )?;
    contest.write_figures(&mut outcome);
    Ok(outcome)
}
