//! `ct_cleanup`: taking a mapping away while conntrack holds many flows.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::{Context, Result};
use drivers::flows::{Cutter, Route};
use model::Protocol;

use crate::args::Args;
use crate::contest::{Contender, Contest, Sample, Scene, time};
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::peers;
use crate::product;

/// G14: on the way of a change, in milliseconds, however many flows there are.
const APPLY_MS: f64 = 1.0;

const CUTTER: &str = "netkeep, cut off the path";
const TOOL: &str = "conntrack -D";
const APPLY: &str = "netkeep, delete the mapping";

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for flows in [1_000, 100_000] {
        let contenders = [
            Contender::new(TOOL, move |scene| of_tool(scene, flows)),
            Contender::new(CUTTER, move |_| of_cutter(flows)),
            Contender::new(APPLY, move |_| of_apply(flows)),
        ];
        let contest = Contest::run(args, "flows", flows, &contenders)?;
        contest.write_figures(&mut outcome);
        let what = format!("delete a mapping with {flows} flows: ms");
        contest.judge(&mut outcome, "G14", what, contest.median(APPLY) / 1e6, APPLY_MS);
        contest.limit(&mut outcome, "G14", (CUTTER, TOOL), 2.0);
    }
    Ok(outcome)
}

/// Loads a few mappings, so that conntrack is at work, and makes flows within the namespace.
fn prepare(flows: usize) -> Result<(drivers::nft::NftDriver, Vec<Mapping>)> {
    let mappings = Mapping::first(10);
    let driver = product::loaded(&mappings)?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("a socket")?;
    for index in 0..flows as u32 {
        let to = Ipv4Addr::from(0x7f00_0100 + index % 50_000);
        // Refused each time (nobody listens), which conntrack does not mind.
        let _ = socket.send_to(b"x", (to, 20_000 + (index / 50_000) as u16));
    }
    Ok((driver, mappings))
}

fn of_tool(scene: &Scene, flows: usize) -> Result<Sample> {
    let _prepared = prepare(flows)?;
    let args = ["-D", "-p", "udp", "--orig-port-dst", "20000", "--orig-dst", "127.0.1.9"];
    Ok(Sample::of(&[time(|| peers::ask(scene, "conntrack", &args).map(drop))?]))
}

fn of_cutter(flows: usize) -> Result<Sample> {
    let (_driver, mappings) = prepare(flows)?;
    let last = mappings.last().context("no mapping")?;
    let route = Route {
        protocol: Protocol::Tcp,
        node_port: i64::from(last.port).try_into()?,
        ip: last.ip.into(),
        pod_port: i64::from(last.pod_port).try_into()?,
    };
    let mut cutter = Cutter::new();
    Ok(Sample::of(&[time(|| Ok(cutter.cut(&[route], &[]).map(drop)?))?]))
}

fn of_apply(flows: usize) -> Result<Sample> {
    let (mut driver, mappings) = prepare(flows)?;
    let plan = product::single_plan(mappings.last(), None)?;
    Ok(Sample::of(&[time(|| product::commit(&mut driver, &plan))?]))
}
