//! A Pod: a namespace on a link of its own, with host routes from the node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use model::{IpFamily, PodPort, Protocol};
use netns::Namespace;

use super::{UPLINK, default_route, macs, namespace, node_ip};
use crate::netlink::{End, Mac, Route, Step, configure};
use crate::{LabError, Server};

/// The gateways of every Pod: link-local addresses that nobody has. A permanent neighbour entry
/// leads them to the node's end of the link.
const GATEWAYS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
];

/// A Pod of the lab.
#[derive(Debug)]
pub struct Pod {
    name: String,
    namespace: Arc<Namespace>,
    node: Arc<Namespace>,
    /// The node's end.
    link: String,
    /// The node's and the Pod's Ethernet address.
    macs: (Mac, Mac),
    ips: Mutex<Vec<IpAddr>>,
}

impl Pod {
    pub(super) fn create(
        node: &Arc<Namespace>,
        name: &str,
        number: u16,
        ips: &[IpAddr],
    ) -> Result<Self, LabError> {
        let namespace = namespace()?;
        let link = format!("pod{number}");
        let (node_mac, mac) = macs(number);
        let (near, far) = (End { name: &link, mac: node_mac }, End { name: UPLINK, mac });
        configure(node, &[Step::Veth { near, far, far_namespace: &namespace }])?;
        configure(&namespace, &[Step::Up(UPLINK), Step::Ready(UPLINK)])?;
        configure(node, &[Step::Ready(&link)])?;
        let pod = Self {
            name: name.to_owned(),
            namespace: Arc::new(namespace),
            node: Arc::clone(node),
            link,
            macs: (node_mac, mac),
            ips: Mutex::default(),
        };
        pod.set_ips(ips)?;
        Ok(pod)
    }

    /// The name; its servers answer with it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its network namespace.
    pub const fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// The node's end of its link, such as `pod1`.
    pub fn link(&self) -> &str {
        &self.link
    }

    /// Its addresses.
    pub fn ips(&self) -> Vec<IpAddr> {
        self.ips.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its first address of a family.
    pub fn ip(&self, family: IpFamily) -> Option<IpAddr> {
        self.ips().into_iter().find(|ip| IpFamily::of(ip) == family)
    }

    /// Gives the Pod these addresses instead of those it has.
    pub fn set_ips(&self, ips: &[IpAddr]) -> Result<(), LabError> {
        let mut current = self.ips.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut inside, mut on_node) = (Vec::new(), Vec::new());
        for &ip in current.iter().filter(|ip| !ips.contains(ip)) {
            on_node.push(Step::NoRoute(self.route(ip)));
            on_node.push(Step::NoNeighbour { link: &self.link, ip });
            inside.push(Step::NoAddress { link: UPLINK, ip, prefix: width(ip) });
        }
        for &ip in ips {
            inside.push(Step::Address { link: UPLINK, ip, prefix: width(ip) });
            on_node.push(Step::Neighbour { link: &self.link, ip, mac: self.macs.1 });
            on_node.push(Step::Route(self.route(ip)));
        }
        // With the last IPv4 address of a link the kernel removes its IPv4 routes and neighbours
        // (fib_disable_ip), so the way out is laid anew each time.
        for ip in GATEWAYS {
            inside.push(Step::Neighbour { link: UPLINK, ip, mac: self.macs.0 });
            inside.push(Step::Route(default_route(ip)));
        }
        configure(&self.namespace, &inside)?;
        configure(&self.node, &on_node)?;
        ips.clone_into(&mut current);
        Ok(())
    }

    /// Leads the node's routes for its addresses to this Pod, whichever had them before.
    pub fn take_routes(&self) -> Result<(), LabError> {
        let routes: Vec<Step<'_>> =
            self.ips().into_iter().map(|ip| Step::Route(self.route(ip))).collect();
        configure(&self.node, &routes)
    }

    /// Starts a server in the Pod that answers with the Pod's name.
    pub fn serve(&self, protocol: Protocol, port: PodPort) -> Result<Server, LabError> {
        Server::start(&self.namespace, protocol, port.get(), &self.name)
    }

    pub(super) fn unplug(&self) -> Result<(), LabError> {
        configure(&self.node, &[Step::NoLink(&self.link)])
    }

    fn route(&self, ip: IpAddr) -> Route<'_> {
        Route {
            destination: ip,
            prefix: width(ip),
            via: None,
            link: &self.link,
            source: Some(node_ip(IpFamily::of(&ip))),
        }
    }
}

/// The prefix length of a single address.
const fn width(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}
