//! `netkeep-bench --read legacy|nft`: what the library does where people start iptables-save, as a
//! process of its own, so that process is compared with process.

use std::io::{self, BufWriter, Write};

use anyhow::{Result, bail};
use nfnl::Socket;
use xt::text::{Shown, save};
use xt::{Family, KernelNames};

/// Prints the IPv4 rules of the namespace as iptables-save does.
pub(crate) fn print(backend: &str) -> Result<()> {
    let mut names = KernelNames::default();
    let ruleset = match backend {
        "legacy" => xt::legacy::read(Family::V4, &mut names)?,
        "nft" => xt::nft::read(&mut Socket::open()?, Family::V4, &mut names)?.ruleset,
        _ => bail!("--read legacy|nft, not {backend:?}"),
    };
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    save(&ruleset, Shown::Plain, &mut out)?;
    Ok(out.flush()?)
}
