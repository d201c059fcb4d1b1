//! `connect_n` and `established_pps`: what a packet pays for N mappings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use lab::{Lab, NODE_V4};
use model::Protocol;
use netns::Namespace;
use rustix::net::sockopt::set_socket_linger;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{floor, single};
use crate::args::Args;
use crate::contest::{Contender, Contest, FLOOR, PRODUCT, Sample, Scene, time, times};
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::peers::{self, Input};
use crate::product;

/// G10: connecting at N against connecting with one mapping, and against one plain DNAT rule.
const TO_ONE: f64 = 1.1;
const TO_ONE_RULE: f64 = 1.2;
/// G10: packets of an established flow, as a share of those of the same flow on a node without
/// netkeep: past the mappings on a node that masquerades as every node of Kubernetes does, and through
/// one of them where one plain DNAT rule leads (ADR 10).
const ESTABLISHED: f64 = 0.95;
const BESIDE: &str = "netkeep, to the Pod";
const NODE: &str = "no netkeep, to the Pod";
const TRACKED: &str = "tracked, no NAT, to the Pod";
const UNTRACKED: &str = "not tracked, to the Pod";
const ONE_RULE: &str = "one legacy rule";

const CONNECTS: usize = 400;
const PACKETS: usize = 20_000;
/// Packets between two readings of the clock.
const BURST: usize = 500;

const POD: Ipv4Addr = Ipv4Addr::new(10, 244, 1, 7);
const POD_PORT: u16 = 8080;

/// Who translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Via {
    Nobody,
    /// Nobody, on a node that tracks connections.
    NobodyTracked,
    /// Nobody, on a node that masquerades what Pods send to the outside, as kube-proxy and network
    /// plugins make it.
    NobodyOnNode,
    Floor,
    Product,
    /// Nobody, on such a node with all of the product's mappings.
    NobodyBeside,
    Legacy,
}

pub(crate) fn connect(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for n in args.sizes.iter().copied() {
        let all = Mapping::first_to(n, Protocol::Tcp, POD);
        let connects = |via: Via, mappings: &[Mapping], scene: &Scene| {
            World::new(via, mappings, scene)?.connects(via, mappings)
        };
        let (all, one) = (&all[..], &all[..1]);
        let contenders = [
            Contender::new(FLOOR, move |scene| connects(Via::Floor, all, scene)),
            Contender::new(PRODUCT, move |scene| connects(Via::Product, all, scene)),
            Contender::new("netkeep, one mapping", move |scene| connects(Via::Product, one, scene)),
            Contender::new(ONE_RULE, move |scene| connects(Via::Legacy, one, scene)),
            Contender::new("legacy, last rule", move |scene| connects(Via::Legacy, all, scene)),
            Contender::new("no NAT", move |scene| connects(Via::Nobody, all, scene)),
        ];
        let contest = Contest::run(args, "connect", n, &contenders)?;
        contest.write_figures(&mut outcome);
        contest.limit(&mut outcome, "G10", (PRODUCT, "netkeep, one mapping"), TO_ONE);
        contest.limit(&mut outcome, "G10", (PRODUCT, ONE_RULE), TO_ONE_RULE);
    }
    Ok(outcome)
}

pub(crate) fn established(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let n = args.largest();
    let all = Mapping::first_to(n, Protocol::Udp, POD);
    let (all, one) = (&all[..], &all[..1]);
    let packets = |via: Via, mappings: &[Mapping], scene: &Scene| {
        World::new(via, mappings, scene)?.packets(via, mappings)
    };
    let contenders = [
        Contender::new(FLOOR, move |scene| packets(Via::Floor, one, scene)),
        Contender::new(PRODUCT, move |scene| packets(Via::Product, all, scene)),
        Contender::new(ONE_RULE, move |scene| packets(Via::Legacy, one, scene)),
        Contender::new(BESIDE, move |scene| packets(Via::NobodyBeside, all, scene)),
        Contender::new(NODE, move |scene| packets(Via::NobodyOnNode, all, scene)),
        Contender::new(TRACKED, move |scene| packets(Via::NobodyTracked, all, scene)),
        Contender::new(UNTRACKED, move |scene| packets(Via::Nobody, all, scene)),
    ];
    let contest = Contest::run(args, "established packet", n, &contenders)?;
    contest.write_figures(&mut outcome);
    for (who, whom) in [(BESIDE, TRACKED), (NODE, TRACKED), (PRODUCT, UNTRACKED)] {
        outcome.figure(n, who, &format!("times: {whom}"), contest.ratio(who, whom));
    }
    for (ours, theirs) in [(BESIDE, NODE), (PRODUCT, ONE_RULE)] {
        let what = format!("established packets at {n}: {ours} / {theirs}, time");
        contest.judge(&mut outcome, "G10", what, contest.ratio(ours, theirs), 1.0 / ESTABLISHED);
    }
    Ok(outcome)
}

/// The first and the last processor that may be used. Client and server stay on theirs: where the
/// scheduler puts them decides more about a connection than a map of any size.
fn processors() -> Result<(usize, usize)> {
    let allowed = sched_getaffinity(None).context("which processors may be used")?;
    let mut may = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let first = may.next().context("no processor may be used")?;
    Ok((first, may.next_back().unwrap_or(first)))
}

/// Keeps this thread on one processor.
fn stay_on(processor: usize) -> Result<()> {
    let mut one = CpuSet::new();
    one.set(processor);
    sched_setaffinity(None, &one).context("staying on one processor")
}

/// Makes the node track connections.
const TRACK: &str = "add table inet node\n\
    add chain inet node forward { type filter hook forward priority 0; }\n\
    add rule inet node forward ct state established,related accept\n";
/// The one rule that every node has on which Pods reach the outside.
const MASQUERADE: &str = "add table ip node\n\
    add chain ip node postrouting { type nat hook postrouting priority 100; }\n\
    add rule ip node postrouting ip saddr 10.244.0.0/16 ip daddr != 10.0.0.0/8 masquerade\n";

/// Gives the node rules of somebody else's.
fn prepare(lab: &Lab, scene: &Scene, rules: &str) -> Result<()> {
    let input = Input::write(scene, "node", rules)?;
    lab.node().run(|| peers::feed(scene, "nft", &["-f", "-"], &input))?
}

/// A laboratory whose node translates the mappings.
struct World {
    lab: Lab,
    pod: std::sync::Arc<lab::Pod>,
    /// Keeps the product's table owned.
    _driver: Option<drivers::nft::NftDriver>,
}

impl World {
    fn new(via: Via, mappings: &[Mapping], scene: &Scene) -> Result<Self> {
        let lab = Lab::new()?;
        let pod = lab.pod("web", &[IpAddr::V4(POD)])?;
        let driver = match via {
            Via::Nobody => None,
            Via::NobodyTracked => {
                prepare(&lab, scene, TRACK)?;
                None
            }
            Via::Floor => {
                lab.node().run(|| floor::built(mappings).map(drop))??;
                None
            }
            Via::Product => Some(lab.node().run(|| product::loaded(mappings))??),
            Via::NobodyOnNode => {
                prepare(&lab, scene, MASQUERADE)?;
                None
            }
            Via::NobodyBeside => {
                prepare(&lab, scene, MASQUERADE)?;
                Some(lab.node().run(|| product::loaded(mappings))??)
            }
            Via::Legacy => {
                lab.node().run(|| single::restore_all(scene, "iptables-legacy", mappings))??;
                None
            }
        };
        Ok(Self { lab, pod, _driver: driver })
    }

    /// Where the client speaks to: the last mapping's port on the node, or the Pod itself.
    fn target(via: Via, mappings: &[Mapping]) -> Result<SocketAddr> {
        let last = mappings.last().context("no mapping")?;
        Ok(match via {
            Via::Nobody | Via::NobodyTracked | Via::NobodyOnNode | Via::NobodyBeside => {
                SocketAddr::from((POD, POD_PORT))
            }
            _ => SocketAddr::from((NODE_V4, last.port)),
        })
    }

    /// Connections one after the other, each reset so that none is left.
    fn connects(&self, via: Via, mappings: &[Mapping]) -> Result<Sample> {
        let target = Self::target(via, mappings)?;
        let listener =
            self.pod.namespace().run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, POD_PORT)))??;
        let (first, last) = processors()?;
        std::thread::spawn(move || {
            // Where that cannot be had the figures are only less steady.
            let _ = stay_on(last);
            // Ends with the process: the namespace it listens in goes with the laboratory.
            for stream in listener.incoming() {
                drop(stream);
            }
        });
        self.client(|| {
            stay_on(first)?;
            let mut streams = Vec::with_capacity(CONNECTS);
            let sample = times(CONNECTS, |_| {
                let stream = TcpStream::connect_timeout(&target, Duration::from_secs(2))
                    .with_context(|| format!("connecting to {target}"))?;
                streams.push(stream);
                Ok(())
            });
            for stream in &streams {
                set_socket_linger(stream, Some(Duration::ZERO))?;
            }
            sample
        })
    }

    /// Datagrams of a flow that has been answered: conntrack calls it established.
    fn packets(&self, via: Via, mappings: &[Mapping]) -> Result<Sample> {
        let target = Self::target(via, mappings)?;
        let server =
            self.pod.namespace().run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, POD_PORT)))??;
        self.client(|| {
            // One processor does it all, as it also delivers what it sends.
            stay_on(processors()?.0)?;
            let client = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            client.connect(target)?;
            client.set_read_timeout(Some(Duration::from_secs(2)))?;
            server.set_read_timeout(Some(Duration::from_secs(2)))?;
            let mut buffer = [0; 64];
            for _ in 0..3 {
                client.send(&buffer)?;
                let (_, from) = server.recv_from(&mut buffer).context("the Pod hears nothing")?;
                server.send_to(&buffer, from)?;
                client.recv(&mut buffer).context("the client hears nothing")?;
            }
            let mut each = Vec::new();
            for _ in 0..PACKETS / BURST {
                let took = time(|| {
                    for _ in 0..BURST {
                        client.send(&buffer)?;
                    }
                    Ok(())
                })?;
                each.push(took / BURST as f64);
            }
            Ok(Sample::of(&each))
        })
    }

    fn client<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let client: &Namespace = self.lab.client();
        client.run(work)?
    }
}
