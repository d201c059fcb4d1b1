//! Owns links, addresses, routes, routing rules and neighbours, asked for over rtnetlink.
//!
//! The words are those of `ip -j`, so that a live snapshot and one of dumps say the same.

mod link;
mod neighbour;
mod route;
mod rule;
mod words;

use std::collections::BTreeMap;
use std::io;

use doctor::snapshot::{Link, Neighbour, RoutingRule};
use futures_util::StreamExt;
use rtnetlink::Handle;
use rtnetlink::packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::neighbour::NeighbourMessage;
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::packet_route::rule::RuleMessage;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::{Found, Limits};

/// How often a list that changes meanwhile is read again.
const ATTEMPTS: u32 = 8;

/// A connection to rtnetlink in the network namespace of the thread that opened it.
pub(crate) struct Route {
    runtime: tokio::runtime::Runtime,
    handle: Handle,
}

/// One list.
struct Dump<T> {
    items: Vec<T>,
    notes: Vec<String>,
}

impl Route {
    pub(crate) fn open() -> Result<Self, String> {
        let failed = |error: io::Error| format!("no netlink socket: {error}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let opened = runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection()?;
            tokio::spawn(connection);
            Ok(handle)
        });
        Ok(Self { handle: opened.map_err(failed)?, runtime })
    }

    /// Links with their addresses.
    pub(crate) fn links(mut self, limits: Limits) -> Result<Found<Vec<Link>>, String> {
        let Dump { items: messages, mut notes } = self.link_messages(limits.entries)?;
        let names: BTreeMap<u32, String> = messages.iter().map(link::name).collect();
        let mut links: BTreeMap<u32, Link> = messages
            .iter()
            .map(|message| (message.header.index, link::read(message, &names)))
            .collect();
        let ask = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let addresses = self.dump(&ask, limits.entries, "addresses", |answer| match answer {
            RouteNetlinkMessage::NewAddress(message) => link::address(&message),
            _ => None,
        })?;
        notes.extend(addresses.notes);
        for (index, address) in addresses.items {
            if let Some(link) = links.get_mut(&index) {
                link.addresses.push(address);
            }
        }
        Ok(Found { value: links.into_values().collect(), notes })
    }

    /// Routes of all tables and both families.
    pub(crate) fn routes(
        mut self,
        limits: Limits,
    ) -> Result<Found<Vec<doctor::snapshot::Route>>, String> {
        let names = self.names(limits.entries)?;
        let mut routes = Vec::new();
        let mut notes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            let ask = RouteNetlinkMessage::GetRoute(message);
            let found = self.dump(&ask, limits.entries, "routes", |answer| match answer {
                RouteNetlinkMessage::NewRoute(message) => route::read(&message, &names),
                _ => None,
            })?;
            routes.extend(found.items);
            notes.extend(found.notes);
        }
        Ok(Found { value: routes, notes })
    }

    /// Routing rules of a family, in the order they are asked.
    pub(crate) fn rules(
        mut self,
        family: xt::Family,
        limits: Limits,
    ) -> Result<Found<Vec<RoutingRule>>, String> {
        let mut message = RuleMessage::default();
        message.header.family = match family {
            xt::Family::V4 => AddressFamily::Inet,
            xt::Family::V6 => AddressFamily::Inet6,
        };
        let ask = RouteNetlinkMessage::GetRule(message);
        let found = self.dump(&ask, limits.entries, "routing rules", |answer| match answer {
            RouteNetlinkMessage::NewRule(message) => Some(rule::read(&message)),
            _ => None,
        })?;
        Ok(Found { value: found.items, notes: found.notes })
    }

    /// Neighbours of both families.
    pub(crate) fn neighbours(mut self, limits: Limits) -> Result<Found<Vec<Neighbour>>, String> {
        let names = self.names(limits.entries)?;
        let ask = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        let found = self.dump(&ask, limits.entries, "neighbours", |answer| match answer {
            RouteNetlinkMessage::NewNeighbour(message) => neighbour::read(&message, &names),
            _ => None,
        })?;
        Ok(Found { value: found.items, notes: found.notes })
    }

    /// Names of links by number.
    pub(crate) fn names(&mut self, most: usize) -> Result<BTreeMap<u32, String>, String> {
        Ok(self.link_messages(most)?.items.iter().map(link::name).collect())
    }

    fn link_messages(&mut self, most: usize) -> Result<Dump<LinkMessage>, String> {
        let ask = RouteNetlinkMessage::GetLink(LinkMessage::default());
        self.dump(&ask, most, "links", |answer| match answer {
            RouteNetlinkMessage::NewLink(message) => Some(message),
            _ => None,
        })
    }

    /// Asks for a list, again if it changed while it came. If it changes all the time, the last
    /// answer is better than none, and says so.
    fn dump<T>(
        &mut self,
        ask: &RouteNetlinkMessage,
        most: usize,
        what: &str,
        take: impl Fn(RouteNetlinkMessage) -> Option<T>,
    ) -> Result<Dump<T>, String> {
        for attempt in 1.. {
            let (dump, interrupted) = self.dump_once(ask, most, what, &take)?;
            let notes = dump.notes;
            if !interrupted {
                return Ok(Dump { items: dump.items, notes });
            }
            if attempt == ATTEMPTS {
                let note = format!(
                    "{what} changed under each of {ATTEMPTS} attempts to list them: \
                                    some may be missing, or there twice"
                );
                return Ok(Dump { items: dump.items, notes: [notes, vec![note]].concat() });
            }
        }
        Err(format!("{what} cannot be listed"))
    }

    fn dump_once<T>(
        &mut self,
        ask: &RouteNetlinkMessage,
        most: usize,
        what: &str,
        take: &impl Fn(RouteNetlinkMessage) -> Option<T>,
    ) -> Result<(Dump<T>, bool), String> {
        let mut request = NetlinkMessage::from(ask.clone());
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let failed = |error: &dyn std::error::Error| format!("{what} cannot be listed: {error}");
        let mut dump = Dump { items: Vec::new(), notes: Vec::new() };
        let (mut interrupted, mut left_out) = (false, 0);
        let handle = &mut self.handle;
        self.runtime.block_on(async {
            let mut answers = handle.request(request).map_err(|error| failed(&error))?;
            while let Some(answer) = answers.next().await {
                interrupted |= answer.header.flags & NLM_F_DUMP_INTR != 0;
                match answer.payload {
                    NetlinkPayload::InnerMessage(message) => match take(message) {
                        Some(_) if dump.items.len() >= most => left_out += 1,
                        Some(item) => dump.items.push(item),
                        None => {}
                    },
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(failed(&error.to_io()));
                    }
                    _ => {}
                }
            }
            Ok(())
        })?;
        if left_out > 0 {
            dump.notes.push(format!("{left_out} {what} over {most} are left out"));
        }
        Ok((dump, interrupted))
    }
}
