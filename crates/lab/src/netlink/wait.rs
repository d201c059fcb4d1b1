//! What the kernel says is done before it is: waiting until packets really pass.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::link::{LinkAttribute, State};
use rtnetlink::packet_route::route::RouteType;
use rtnetlink::{Error, Handle};

use super::{Route, message};

/// How long to wait at most. It takes milliseconds on an idle machine.
const MAX: Duration = Duration::from_secs(10);
/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Waits until the link passes packets. The kernel joins the queues of a link whose peer came up
/// later in a worker of its own (linkwatch), and drops what is sent before.
pub(super) async fn link_passes(handle: &Handle, link: &str) -> Result<(), Error> {
    until(async || {
        let found = handle.link().get().match_name(link).execute().try_next().await?;
        let attributes = found.map(|link| link.attributes).unwrap_or_default();
        Ok(attributes.contains(&LinkAttribute::OperState(State::Up)))
    })
    .await
}

/// Waits until packets to the address are taken in. The kernel adds the local route of an IPv6
/// address in a worker of its own (addrconf_dad_work), even without duplicate address detection.
pub(super) async fn address_is_local(handle: &Handle, ip: IpAddr) -> Result<(), Error> {
    let prefix = if ip.is_ipv4() { 32 } else { 128 };
    let lookup = Route { destination: ip, prefix, via: None, link: "", source: None };
    until(async || {
        let answer = handle.route().get(message(lookup, None)).execute().try_next().await;
        match answer {
            Ok(route) => Ok(route.is_some_and(|route| route.header.kind == RouteType::Local)),
            // No route at all, not even a wrong one.
            Err(Error::NetlinkError(_)) => Ok(false),
            Err(error) => Err(error),
        }
    })
    .await
}

async fn until(holds: impl AsyncFn() -> Result<bool, Error>) -> Result<(), Error> {
    let polled = async {
        while !holds().await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    };
    tokio::time::timeout(MAX, polled).await.unwrap_or(Err(Error::RequestFailed))
}
