//! `restart_adopt`: a restart writes nothing, loses no packet, and reads no more than it must.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drivers::Driver;
use lab::{Lab, Question, traffic};
use model::Protocol;

use super::{agents, floor};
use crate::agent::{Agent, Folder, MAP, TABLE, Table};
use crate::args::Args;
use crate::contest::{Contender, Contest, FLOOR, PRODUCT, Sample, time};
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::product;
use crate::raw::{self, Elements, Raw};

/// G7: times a bare dump.
const TO_FLOOR: f64 = 2.0;
/// How long traffic runs before, between and after.
const PHASE: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for n in args.sizes.iter().copied() {
        let mappings = Mapping::first(n);
        let contenders = [
            Contender::new(FLOOR, |_| {
                // As after a restart: by another socket, after the one that wrote was closed. What
                // was just written would still be in the processor's caches.
                drop(floor::built(&mappings)?);
                let mut raw = Raw::open()?;
                let request = Elements::dump(raw::TABLE, raw::MAP);
                Ok(Sample::of(&[time(|| raw.dump(&request).map(drop))?]))
            }),
            Contender::new(PRODUCT, |_| {
                drop(product::loaded(&mappings)?);
                // Closing a netlink socket waits for the kernel, and what was read stays the agent's: neither
                // ends while the clock runs.
                let mut kept = None;
                let mut observed = None;
                let sample = Sample::of(&[time(|| {
                    observed = Some(kept.insert(product::driver(n)?).observe()?);
                    Ok(())
                })?]);
                let read = observed.map(|observed| observed.elements.len());
                ensure!(read == Some(mappings.len()), "not everything was read");
                Ok(sample)
            }),
        ];
        // A thousand are read in a fifth of a millisecond: of a few such times even the median is chance.
        let rounds = args.rounds * (10_000 / n).clamp(1, 10);
        let args = Args { rounds, ..args.clone() };
        let contest = Contest::run(&args, "observe", n, &contenders)?;
        contest.write_figures(&mut outcome);
        contest.limit(&mut outcome, "G7", (PRODUCT, FLOOR), TO_FLOOR);
    }
    agents::restart(args, &mut outcome)?;
    under_traffic(&mut outcome)?;
    Ok(outcome)
}

/// One Pod behind a mapping; its agent is killed and started again while clients talk.
fn under_traffic(outcome: &mut Outcome) -> Result<()> {
    let world = Lab::new()?;
    let ip = Ipv4Addr::new(10, 244, 1, 7);
    let pod = world.pod("web", &[IpAddr::V4(ip)])?;
    let _server = pod.serve(Protocol::Tcp, 8080_i64.try_into()?)?;
    let folder = Folder::new()?;
    folder.write_all(&[Mapping { ip, ..Mapping::number(0) }])?;
    let agent = Agent::settled(world.node(), &folder, Table::Exclusive, 1)?;
    let mut raw = world.node().run(Raw::open)??;
    let key = *raw.keys(&Elements::dump(TABLE, MAP))?.first().context("no mapping")?;
    let port = u16::from_be_bytes([key[4], key[5]]);
    let target = SocketAddr::from((lab::NODE_V4, port));

    let every = Duration::from_millis(5);
    let stream = traffic::stream(world.client(), target, every)?;
    let question = Question::new(Protocol::Tcp, target);
    let connects = traffic::connects(world.client(), question, every)?;
    std::thread::sleep(PHASE);
    agent.kill()?;
    std::thread::sleep(PHASE);
    let agent = Agent::settled(world.node(), &folder, Table::Exclusive, 1)?;
    std::thread::sleep(PHASE);
    drop(agent);
    for (what, counters) in [("stream", stream.stop()), ("new connections", connects.stop())] {
        outcome.figure(1, "netkeep agent", &format!("{what}: answered"), counters.answered as f64);
        let what = format!("restart under traffic, {what}: lost or refused");
        let bad = counters.lost + counters.refused;
        outcome.at_most("G7", what, bad as f64, 0.0);
    }
    Ok(())
}
