//! The world: a node between an outside client and its Pods.
//!
//! ```text
//!   client 192.0.2.2, 2001:db8::2 --- eth0 192.0.2.1, 2001:db8::1 node --- pod1 ... podN
//! ```
//!
//! Owns: the namespaces, and the links and routes between them. Node and client share a subnet;
//! each Pod hangs on a link of its own with a host route for each of its addresses, as with most
//! container network plugins. The client's default route leads through the node.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use model::IpFamily;
use netns::Namespace;

use crate::netlink::{End, Mac, Route, Step, configure};
use crate::{LabError, sysctl};

mod pod;

pub use pod::Pod;

/// The node's IPv4 address.
pub const NODE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The node's IPv6 address.
pub const NODE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// The outside client's IPv4 address.
pub const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The outside client's IPv6 address.
pub const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

/// The name of the first link of every namespace of the lab.
const UPLINK: &str = "eth0";

/// A running world. Dropping it drops every namespace in it that nobody else holds.
#[derive(Debug)]
pub struct Lab {
    node: Arc<Namespace>,
    client: Arc<Namespace>,
    pods: Mutex<Pods>,
}

#[derive(Debug, Default)]
struct Pods {
    by_name: BTreeMap<String, Arc<Pod>>,
    /// How many links the node has had; link names and Ethernet addresses are never reused.
    links: u16,
}

impl Lab {
    /// A node and an outside client, and no Pods yet.
    pub fn new() -> Result<Self, LabError> {
        let (node, client) = (namespace()?, namespace()?);
        sysctl::write(&node, sysctl::NODE)?;
        let (node_mac, client_mac) = macs(0);
        let (near, far) =
            (End { name: UPLINK, mac: node_mac }, End { name: UPLINK, mac: client_mac });
        let mut on_node = vec![Step::Veth { near, far, far_namespace: &client }];
        let mut on_client = vec![Step::Up(UPLINK)];
        for family in IpFamily::ALL {
            let (here, there) = (node_ip(family), client_ip(family));
            let prefix = if family == IpFamily::V4 { 24 } else { 64 };
            on_node.push(Step::Address { link: UPLINK, ip: here, prefix });
            on_node.push(Step::Neighbour { link: UPLINK, ip: there, mac: client_mac });
            on_client.push(Step::Address { link: UPLINK, ip: there, prefix });
            on_client.push(Step::Neighbour { link: UPLINK, ip: here, mac: node_mac });
            on_client.push(Step::Route(default_route(here)));
        }
        configure(&node, &on_node)?;
        on_client.push(Step::Ready(UPLINK));
        configure(&client, &on_client)?;
        configure(&node, &[Step::Ready(UPLINK)])?;
        Ok(Self { node: Arc::new(node), client: Arc::new(client), pods: Mutex::default() })
    }

    /// The node's namespace: where netkeep runs.
    pub const fn node(&self) -> &Arc<Namespace> {
        &self.node
    }

    /// The outside client's namespace.
    pub const fn client(&self) -> &Arc<Namespace> {
        &self.client
    }

    /// The node's address of a family.
    pub const fn node_ip(&self, family: IpFamily) -> IpAddr {
        node_ip(family)
    }

    /// The outside client's address of a family.
    pub const fn client_ip(&self, family: IpFamily) -> IpAddr {
        client_ip(family)
    }

    /// A new Pod with these addresses, of either or both families. An address that another Pod
    /// has is allowed: from now on the node's route for it leads to the new one.
    pub fn pod(&self, name: &str, ips: &[IpAddr]) -> Result<Arc<Pod>, LabError> {
        let number = {
            let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
            if pods.by_name.contains_key(name) {
                return Err(LabError::NameTaken(name.to_owned()));
            }
            pods.links += 1;
            pods.links
        };
        let pod = Arc::new(Pod::create(&self.node, name, number, ips)?);
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.by_name.insert(name.to_owned(), Arc::clone(&pod));
        Ok(pod)
    }

    /// Takes a Pod off the node: its link goes, and with it every route to it. Whoever still holds
    /// the Pod holds a namespace that leads nowhere.
    pub fn remove_pod(&self, name: &str) -> Result<(), LabError> {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let pod = pods.by_name.remove(name).ok_or_else(|| LabError::NoPod(name.to_owned()))?;
        pod.unplug()
    }

    /// The Pods that are on the node, by name.
    pub fn pods(&self) -> Vec<Arc<Pod>> {
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.by_name.values().cloned().collect()
    }
}

/// A namespace as every member of the lab starts.
fn namespace() -> Result<Namespace, LabError> {
    let namespace = Namespace::create()?;
    sysctl::write(&namespace, sysctl::EVERYWHERE)?;
    Ok(namespace)
}

const fn node_ip(family: IpFamily) -> IpAddr {
    match family {
        IpFamily::V4 => IpAddr::V4(NODE_V4),
        IpFamily::V6 => IpAddr::V6(NODE_V6),
    }
}

const fn client_ip(family: IpFamily) -> IpAddr {
    match family {
        IpFamily::V4 => IpAddr::V4(CLIENT_V4),
        IpFamily::V6 => IpAddr::V6(CLIENT_V6),
    }
}

/// The default route of a namespace's uplink.
const fn default_route(gateway: IpAddr) -> Route<'static> {
    let destination = match gateway {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    Route { destination, prefix: 0, via: Some(gateway), link: UPLINK, source: None }
}

/// The Ethernet addresses of the pair with this number, the node's end first: locally administered
/// (the second bit of the first byte), unique in the lab.
const fn macs(pair: u16) -> (Mac, Mac) {
    let [high, low] = pair.to_be_bytes();
    ([0x02, 0x6e, 0x6b, 0, high, low], [0x02, 0x6e, 0x6b, 1, high, low])
}
