//! `connect_n` and `established_pps`: what a packet pays for N mappings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use lab::{Lab, NODE_V4};
use model::Protocol;
use netns::Namespace;
use rustix::net::sockopt::set_socket_linger;
use rustix::thread::{CpuSet, sched_setaffinity};

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
/// G10: packets of an established flow, as a share of those on a node that tracks connections and
/// has nothing of netkeep (ADR 5).
const ESTABLISHED: f64 = 0.95;
const TRACKED: &str = "no NAT, tracked";
const UNTRACKED: &str = "no rules, not tracked";

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
    /// Nobody, on a node that tracks connections, as kube-proxy and network plugins make it.
    NobodyTracked,
    Floor,
    Product,
    /// The product on such a node.
    ProductTracked,
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
            Contender::new("one legacy rule", move |scene| connects(Via::Legacy, one, scene)),
            Contender::new("legacy, last rule", move |scene| connects(Via::Legacy, all, scene)),
            Contender::new("no NAT", move |scene| connects(Via::Nobody, all, scene)),
        ];
        let contest = Contest::run(args, "connect", n, &contenders)?;
        contest.write_figures(&mut outcome);
        contest.limit(&mut outcome, "G10", (PRODUCT, "netkeep, one mapping"), TO_ONE);
        contest.limit(&mut outcome, "G10", (PRODUCT, "one legacy rule"), TO_ONE_RULE);
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
        Contender::new(PRODUCT, move |scene| packets(Via::ProductTracked, all, scene)),
        Contender::new("one legacy rule", move |scene| packets(Via::Legacy, one, scene)),
        Contender::new(TRACKED, move |scene| packets(Via::NobodyTracked, all, scene)),
        Contender::new(UNTRACKED, move |scene| packets(Via::Nobody, all, scene)),
    ];
    let contest = Contest::run(args, "established packet", n, &contenders)?;
    contest.write_figures(&mut outcome);
    let untracked = contest.ratio(PRODUCT, UNTRACKED);
    outcome.figure(n, PRODUCT, "times: not tracked", untracked);
    let what = format!("established packets at {n}: {PRODUCT} / {TRACKED}, time");
    let value = contest.ratio(PRODUCT, TRACKED);
    contest.judge(&mut outcome, "G10", what, value, 1.0 / ESTABLISHED);
    Ok(outcome)
}

/// Makes the node track connections, by the one rule that every such node has.
fn track(lab: &Lab, scene: &Scene) -> Result<()> {
    let rules = "add table inet node\n\
                 add chain inet node forward { type filter hook forward priority 0; }\n\
                 add rule inet node forward ct state established,related accept\n";
    let input = Input::write(scene, "tracked", rules)?;
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
                track(&lab, scene)?;
                None
            }
            Via::Floor => {
                lab.node().run(|| floor::built(mappings).map(drop))??;
                None
            }
            Via::Product => Some(lab.node().run(|| product::loaded(mappings))??),
            Via::ProductTracked => {
                track(&lab, scene)?;
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
            Via::Nobody | Via::NobodyTracked => SocketAddr::from((POD, POD_PORT)),
            _ => SocketAddr::from((NODE_V4, last.port)),
        })
    }

    /// Connections one after the other, each reset so that none is left.
    fn connects(&self, via: Via, mappings: &[Mapping]) -> Result<Sample> {
        let target = Self::target(via, mappings)?;
        let listener =
            self.pod.namespace().run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, POD_PORT)))??;
        std::thread::spawn(move || {
            // Ends with the process: the namespace it listens in goes with the laboratory.
            for stream in listener.incoming() {
                drop(stream);
            }
        });
        self.client(|| {
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
            let mut one = CpuSet::new();
            one.set(0);
            sched_setaffinity(None, &one).context("staying on one processor")?;
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
