//! Links, addresses, neighbours and routes of one namespace, as steps.
//!
//! Owns: everything that touches the rtnetlink crate, so that its frequent new versions meet one
//! file. Each call opens a connection inside the namespace on a thread of its own, with a runtime
//! of its own, so it can be called from anywhere.
//!
//! Invariant: a removing step whose object is gone already is done.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use futures_util::TryStreamExt;
use netns::Namespace;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use rtnetlink::packet_route::route::{RouteAttribute, RouteFlags, RouteMessage, RouteScope};
use rtnetlink::{
    AddressMessageBuilder, Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder,
};
use rustix::io::Errno;

use crate::LabError;

mod wait;

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

/// One end of a veth pair.
#[derive(Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) name: &'a str,
    pub(crate) mac: Mac,
}

/// A route: to `destination/prefix`, by a gateway or straight on the link.
#[derive(Clone, Copy)]
pub(crate) struct Route<'a> {
    pub(crate) destination: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) via: Option<IpAddr>,
    pub(crate) link: &'a str,
    /// The source address that the node's own packets take.
    pub(crate) source: Option<IpAddr>,
}

/// One thing to do.
pub(crate) enum Step<'a> {
    /// A pair of links; `far` is in another namespace from the start. Only `near` is up: veth_open
    /// of the kernel refuses an end that has no peer yet, as `far` has none while it is made.
    Veth { near: End<'a>, far: End<'a>, far_namespace: &'a Namespace },
    /// The link is up.
    Up(&'a str),
    /// The link passes packets: waits for it.
    Ready(&'a str),
    /// The link, and with it its peer, addresses, neighbours and routes, is gone.
    NoLink(&'a str),
    /// The link has the address, and packets to it are taken in.
    Address { link: &'a str, ip: IpAddr, prefix: u8 },
    /// The link has it no more.
    NoAddress { link: &'a str, ip: IpAddr, prefix: u8 },
    /// The address is at this Ethernet address, for good: nothing needs to be asked for.
    Neighbour { link: &'a str, ip: IpAddr, mac: Mac },
    /// No longer.
    NoNeighbour { link: &'a str, ip: IpAddr },
    /// The route leads so, whatever it was before.
    Route(Route<'a>),
    /// There is no such route over this link.
    NoRoute(Route<'a>),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Veth { near, far, .. } => write!(f, "add links {} and {}", near.name, far.name),
            Self::Up(link) => write!(f, "set link {link} up"),
            Self::Ready(link) => write!(f, "wait for link {link} to pass packets"),
            Self::NoLink(link) => write!(f, "remove link {link}"),
            Self::Address { link, ip, prefix } => write!(f, "add {ip}/{prefix} to {link}"),
            Self::NoAddress { link, ip, .. } => write!(f, "remove {ip} from {link}"),
            Self::Neighbour { link, ip, .. } => write!(f, "add neighbour {ip} on {link}"),
            Self::NoNeighbour { link, ip } => write!(f, "remove neighbour {ip} on {link}"),
            Self::Route(Route { destination, prefix, link, .. }) => {
                write!(f, "route {destination}/{prefix} over {link}")
            }
            Self::NoRoute(Route { destination, prefix, link, .. }) => {
                write!(f, "remove the route {destination}/{prefix} over {link}")
            }
        }
    }
}

/// Does the steps in order, inside the namespace.
pub(crate) fn configure(namespace: &Namespace, steps: &[Step<'_>]) -> Result<(), LabError> {
    namespace.run(|| {
        let no_socket =
            |source| LabError::Link { step: "open a netlink socket".to_owned(), source };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(no_socket)?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection().map_err(no_socket)?;
            tokio::spawn(connection);
            for step in steps {
                take(&handle, step).await.map_err(|error| LabError::Link {
                    step: step.to_string(),
                    source: io(error),
                })?;
            }
            Ok(())
        })
    })?
}

async fn take(handle: &Handle, step: &Step<'_>) -> Result<(), rtnetlink::Error> {
    match *step {
        Step::Veth { near, far, far_namespace } => {
            let peer = LinkUnspec::new_with_name(far.name)
                .address(far.mac.to_vec())
                .setns_by_fd(far_namespace.as_fd().as_raw_fd())
                .build();
            let pair = LinkMessageBuilder::<LinkVeth>::new(near.name, far.name)
                .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
                .address(near.mac.to_vec())
                .up()
                .build();
            handle.link().add(pair).execute().await
        }
        Step::Up(link) => {
            handle.link().change(LinkUnspec::new_with_name(link).up().build()).execute().await
        }
        Step::Ready(link) => wait::link_passes(handle, link).await,
        Step::NoLink(link) => match index(handle, link).await {
            Ok(index) => or_gone(handle.link().del(index).execute().await),
            error => or_gone(error.map(drop)),
        },
        Step::Address { link, ip, prefix } => {
            let index = index(handle, link).await?;
            let mut request = handle.address().add(index, ip, prefix).replace();
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
            request.execute().await?;
            wait::address_is_local(handle, ip).await
        }
        Step::NoAddress { link, ip, prefix } => {
            let index = index(handle, link).await?;
            or_gone(handle.address().del(address(index, ip, prefix)).execute().await)
        }
        Step::Neighbour { link, ip, mac } => {
            let index = index(handle, link).await?;
            handle.neighbours().add(index, ip).link_layer_address(&mac).replace().execute().await
        }
        Step::NoNeighbour { link, ip } => {
            let index = index(handle, link).await?;
            or_gone(handle.neighbours().del(neighbour(index, ip)).execute().await)
        }
        Step::Route(route) => {
            let message = message(route, Some(index(handle, route.link).await?));
            handle.route().add(message).replace().execute().await
        }
        Step::NoRoute(route) => {
            let message = message(route, Some(index(handle, route.link).await?));
            or_gone(handle.route().del(message).execute().await)
        }
    }
}

async fn index(handle: &Handle, link: &str) -> Result<u32, rtnetlink::Error> {
    let found = handle.link().get().match_name(link).execute().try_next().await?;
    found.map(|link| link.header.index).ok_or(rtnetlink::Error::RequestFailed)
}

fn address(index: u32, ip: IpAddr, prefix: u8) -> AddressMessage {
    match ip {
        IpAddr::V4(ip) => {
            AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(ip, prefix).build()
        }
        IpAddr::V6(ip) => {
            AddressMessageBuilder::<Ipv6Addr>::new().index(index).address(ip, prefix).build()
        }
    }
}

fn neighbour(index: u32, ip: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = index;
    let (family, destination) = match ip {
        IpAddr::V4(ip) => (AddressFamily::Inet, NeighbourAddress::Inet(ip)),
        IpAddr::V6(ip) => (AddressFamily::Inet6, NeighbourAddress::Inet6(ip)),
    };
    message.header.family = family;
    message.attributes.push(NeighbourAttribute::Destination(destination));
    message
}

/// The route's message; without a link's index it is a question.
fn message(route: Route<'_>, index: Option<u32>) -> RouteMessage {
    let Route { destination, prefix, via, source, .. } = route;
    let mut builder = RouteMessageBuilder::<IpAddr>::new();
    if let Some(index) = index {
        builder = builder.output_interface(index);
    }
    let message = builder.get_mut();
    message.header.address_family = match destination {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.destination_prefix_length = prefix;
    message.attributes.push(RouteAttribute::Destination(destination.into()));
    match via {
        // The gateway need not be in any subnet of ours.
        Some(gateway) => {
            message.attributes.push(RouteAttribute::Gateway(gateway.into()));
            message.header.flags.insert(RouteFlags::Onlink);
        }
        None if destination.is_ipv4() => message.header.scope = RouteScope::Link,
        None => {}
    }
    if let Some(source) = source {
        message.attributes.push(RouteAttribute::PrefSource(source.into()));
    }
    builder.build()
}

fn or_gone(outcome: Result<(), rtnetlink::Error>) -> Result<(), rtnetlink::Error> {
    match outcome {
        Err(rtnetlink::Error::NetlinkError(error))
            if [Errno::NODEV, Errno::SRCH, Errno::NOENT, Errno::ADDRNOTAVAIL]
                .iter()
                .any(|gone| error.to_io().raw_os_error() == Some(gone.raw_os_error())) =>
        {
            Ok(())
        }
        other => other,
    }
}

fn io(error: rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other),
    }
}
