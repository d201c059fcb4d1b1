//! Owns the rules of all backends: legacy tables over sockets, nf_tables over netlink in one
//! generation, read again if somebody writes meanwhile.

use doctor::snapshot::{NftRuleset, Part, Snapshot};
use nfnl::Socket;
use xt::{Backend, Family, KernelNames, Ruleset};

use crate::part::{Looker, why};
use crate::{Found, Limits, links::Route, module, nft};

/// How often nf_tables is read again if it changes meanwhile.
const ATTEMPTS: u32 = 4;

/// nf_tables in both views.
struct Both {
    native: NftRuleset,
    compat: [Result<Ruleset, String>; 2],
}

pub(crate) fn take(looker: &mut Looker, limits: Limits, snapshot: &mut Snapshot) {
    for family in Family::BOTH {
        let name = format!("iptables-legacy, {family}");
        *snapshot.rules.of_mut(Backend::Legacy, family) =
            looker.look(&name, move || legacy(family));
    }
    let (native, compat) = match looker.look("nf_tables", move || both(limits)) {
        Part::Known(Both { native, compat }) => (Part::Known(native), compat),
        Part::Absent(why) => (Part::Absent(why.clone()), [Err(why.clone()), Err(why)]),
    };
    snapshot.nft = native;
    for (family, rules) in Family::BOTH.into_iter().zip(compat) {
        *snapshot.rules.of_mut(Backend::NftCompat, family) = match rules {
            Ok(rules) => Part::Known(rules),
            Err(why) => Part::Absent(why),
        };
    }
}

fn legacy(family: Family) -> Result<Found<Ruleset>, String> {
    let read = xt::legacy::read(family, &mut KernelNames::default());
    read.map(Found::from).map_err(|error| why(&error))
}

fn both(limits: Limits) -> Result<Found<Both>, String> {
    module::NF_TABLES.need()?;
    // rules name links by number; without the names the numbers do
    let links = Route::open().and_then(|mut route| route.names(limits.entries)).unwrap_or_default();
    let mut socket = Socket::open().map_err(|error| why(&error))?;
    for attempt in 1.. {
        let (both, left_out, moment) = once(&mut socket, limits, &links)?;
        if moment == Moment::Several && attempt < ATTEMPTS {
            continue;
        }
        let mut notes = Vec::new();
        if moment == Moment::Several {
            notes.push(format!(
                "the ruleset changed under each of {ATTEMPTS} attempts to read it: its parts may \
                 be of different moments"
            ));
        }
        if left_out > 0 {
            notes.push(format!("{left_out} rules over {} are left out", limits.rules));
        }
        return Ok(Found { value: both, notes });
    }
    Err("it was not read".to_owned())
}

/// Whether all of it was so at one moment. Each list by itself is of one moment in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    One,
    Several,
}

/// Both views, and how many rules were over the limit.
fn once(
    socket: &mut Socket,
    limits: Limits,
    links: &nft::Links,
) -> Result<(Both, usize, Moment), String> {
    let told = |error: nfnl::Error| why(&error);
    let before = socket.generation_id().map_err(told)?;
    let (read, compat) = std::thread::scope(|scope| {
        // the two views are read at once: each takes as long as the other
        let compat = std::thread::Builder::new().spawn_scoped(scope, compat);
        let read = nft::read(socket, limits, links);
        (read, compat.map(std::thread::ScopedJoinHandle::join))
    });
    let read = read.map_err(told)?;
    let compat = match compat {
        Ok(Ok(compat)) => compat,
        Ok(Err(_)) => return Err("looking at it failed".to_owned()),
        Err(error) => return Err(format!("no thread to look with: {error}")),
    };
    let same = socket.generation_id().map_err(told)? == before;
    let both = Both { native: read.ruleset, compat };
    Ok((both, read.left_out, if same { Moment::One } else { Moment::Several }))
}

/// The tables of iptables-nft, over a socket of their own.
fn compat() -> [Result<Ruleset, String>; 2] {
    let mut names = KernelNames::default();
    Family::BOTH.map(|family| {
        let mut socket = Socket::open().map_err(|error| why(&error))?;
        let read = xt::nft::read(&mut socket, family, &mut names);
        read.map(|read| read.ruleset).map_err(|error| why(&error))
    })
}
