//! Cutting flows that no mapping stands for any more.
//!
//! NAT is decided once per flow, so a flow outlives the mapping that sent it where it goes. Two
//! kinds are cut: flows that entered at a node port and were sent to an endpoint where it does not
//! lead any more (a [`Route`]), and flows that began at a mapped port before it was mapped and pass
//! the mapping by.
//!
//! Invariants: a flow is cut only if node port, protocol, endpoint or locality say that it is that
//! mapping's: nobody else's flows are touched. It is named to the kernel by its tuple and its id,
//! so that a flow that took its place in the meantime survives.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};

use model::{NodePort, PodPort, Protocol};
use nfnl::Socket;
use nfnl::conntrack::{Entry, Filter, L4, TupleFilter};
use thiserror::Error;

/// Up to so many ports the kernel filters, one walk each; beyond it one walk brings everything.
const FILTERED_MAX: usize = 4;

/// Where a mapping led.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The protocol.
    pub protocol: Protocol,
    /// The port on the node.
    pub node_port: NodePort,
    /// The Pod's IP.
    pub ip: IpAddr,
    /// The port in the Pod.
    pub pod_port: PodPort,
}

/// Flows could not be looked at or cut.
#[derive(Debug, Error)]
pub enum FlowsError {
    /// The addresses of this node could not be read.
    #[error("cannot read the addresses of this node")]
    Addresses(#[source] io::Error),
    /// The connection tracking table could not be read or written.
    #[error("cannot {action} connection tracking entries")]
    Conntrack {
        /// What was tried.
        action: &'static str,
        /// The kernel's answer.
        #[source]
        source: nfnl::Error,
    },
}

fn failed(action: &'static str) -> impl FnOnce(nfnl::Error) -> FlowsError {
    move |source| FlowsError::Conntrack { action, source }
}

/// Cuts flows; opens its socket when it is first needed.
#[derive(Debug, Default)]
pub struct Cutter {
    conntrack: Option<Socket>,
}

impl Cutter {
    /// A cutter with no socket yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the flows of these routes, and those that pass these mapped ports by. Answers how many.
    pub fn cut(
        &mut self,
        routes: &[Route],
        mapped: &[(Protocol, NodePort)],
    ) -> Result<usize, FlowsError> {
        if routes.is_empty() && mapped.is_empty() {
            return Ok(0);
        }
        let local = netns::addresses().map_err(FlowsError::Addresses)?;
        let routes: BTreeSet<Route> = routes.iter().copied().collect();
        let mapped: BTreeSet<(Protocol, NodePort)> = mapped.iter().copied().collect();
        let ports: BTreeSet<(Protocol, NodePort)> = routes
            .iter()
            .map(|route| (route.protocol, route.node_port))
            .chain(mapped.iter().copied())
            .collect();
        let stale = |entry: &Entry| is_stale(entry, &routes, &mapped, &local);

        let conntrack = match &mut self.conntrack {
            Some(conntrack) => conntrack,
            None => self.conntrack.insert(Socket::open().map_err(failed("read"))?),
        };
        let mut found = Vec::new();
        for filter in filters(&ports) {
            found = conntrack
                .fold_conntrack(&filter, found, |found, entry| {
                    found.extend(stale(entry).then_some(*entry));
                })
                .map_err(failed("read"))?;
        }
        let mut cut = 0;
        for entry in found {
            // Gone by itself meanwhile, or replaced by another: both are fine.
            cut += usize::from(conntrack.conntrack_delete(&entry).map_err(failed("delete"))?);
        }
        Ok(cut)
    }
}

fn is_stale(
    entry: &Entry,
    routes: &BTreeSet<Route>,
    mapped: &BTreeSet<(Protocol, NodePort)>,
    local: &BTreeSet<IpAddr>,
) -> bool {
    let Some((protocol, entered, answered)) = ends(entry) else { return false };
    let Ok(node_port) = NodePort::try_from(i64::from(entered.port())) else { return false };
    if !local.contains(&entered.ip()) {
        // A Service may have the same port on its own address, and lead to the same Pod.
        return false;
    }
    if entered == answered {
        return mapped.contains(&(protocol, node_port));
    }
    let Ok(pod_port) = PodPort::try_from(i64::from(answered.port())) else { return false };
    routes.contains(&Route { protocol, node_port, ip: answered.ip(), pod_port })
}

/// For few ports one filtered walk each; beyond that one walk that brings everything.
fn filters(ports: &BTreeSet<(Protocol, NodePort)>) -> Vec<Filter> {
    if ports.len() > FILTERED_MAX {
        return vec![Filter::default()];
    }
    let of = |(protocol, port): &(Protocol, NodePort)| Filter {
        orig: TupleFilter {
            protocol: Some(protocol.number()),
            dst_port: Some(port.get()),
            ..TupleFilter::default()
        },
        ..Filter::default()
    };
    ports.iter().map(of).collect()
}

/// Protocol, where the flow entered (original destination), and who answers it (reply source).
fn ends(entry: &Entry) -> Option<(Protocol, SocketAddr, SocketAddr)> {
    let protocol = Protocol::from_number(entry.orig.protocol)?;
    let (L4::Ports { dst, .. }, L4::Ports { src, .. }) = (entry.orig.l4, entry.reply.l4) else {
        return None;
    };
    Some((protocol, (entry.orig.dst, dst).into(), (entry.reply.src, src).into()))
}
