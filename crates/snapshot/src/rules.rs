//! Owns the rules of all backends: legacy tables over sockets, nf_tables over netlink in one
//! generation, read again if somebody writes meanwhile.

use doctor::snapshot::{NftRuleset, Part, Snapshot};
use nfnl::Socket;
use xt::{Family, KernelNames, Ruleset};

use crate::part::{Looker, why};
use crate::{Found, Limits, links::Route, module, nft};

/// How often nf_tables is read again if it changes meanwhile.
const ATTEMPTS: u32 = 4;

/// nf_tables in both views.
struct Both {
    native: NftRuleset,
    v4: Ruleset,
    v6: Ruleset,
}

pub(crate) fn take(looker: &mut Looker, limits: Limits, snapshot: &mut Snapshot) {
    for family in Family::BOTH {
        let name = format!("iptables-legacy, {family}");
        *snapshot.rules.of_mut(xt::Backend::Legacy, family) =
            looker.look(&name, move || legacy(family));
    }
    match looker.look("nf_tables", move || both(limits)) {
        Part::Known(Both { native, v4, v6 }) => {
            snapshot.nft = Part::Known(native);
            snapshot.rules.nft_v4 = Part::Known(v4);
            snapshot.rules.nft_v6 = Part::Known(v6);
        }
        Part::Absent(why) => {
            snapshot.nft = Part::Absent(why.clone());
            snapshot.rules.nft_v4 = Part::Absent(why.clone());
            snapshot.rules.nft_v6 = Part::Absent(why);
        }
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
    let mut notes = Vec::new();
    for attempt in 1.. {
        let whole = once(&mut socket, limits, &links).map_err(|error| why(&error))?;
        let (both, left_out, calm) = whole;
        if !calm && attempt < ATTEMPTS {
            continue;
        }
        if !calm {
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

/// Both views, how many rules were over the limit, and whether nothing moved meanwhile. Each view
/// by itself is of one generation.
fn once(
    socket: &mut Socket,
    limits: Limits,
    links: &nft::Links,
) -> Result<(Both, usize, bool), nfnl::Error> {
    let (read, generation) = socket.read_consistent(|socket| nft::read(socket, limits, links))?;
    let mut names = KernelNames::default();
    let v4 = xt::nft::read(socket, Family::V4, &mut names)?;
    let v6 = xt::nft::read(socket, Family::V6, &mut names)?;
    let calm = v4.generation == generation.id && v6.generation == generation.id;
    let both = Both { native: read.ruleset, v4: v4.ruleset, v6: v6.ruleset };
    Ok((both, read.left_out, calm))
}
