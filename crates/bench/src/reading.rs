//! `netkeep-bench --read legacy|nft`: what the library does where people start iptables-save, as a
//! process of its own, so that process is compared with process.

use std::io::{self, BufWriter, Write};

use anyhow::{Result, bail};
use nfnl::Socket;
use xt::text::Shown;
use xt::{Family, KernelNames};

/// Prints the IPv4 rules of the namespace as iptables-save does.
pub(crate) fn print(backend: &str) -> Result<()> {
    let mut names = KernelNames::default();
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    match backend {
        "legacy" => xt::legacy::save(Family::V4, &mut names, Shown::Plain, &mut out)?,
        "nft" => {
            let mut socket = Socket::open()?;
            let text = xt::nft::save(&mut socket, Family::V4, &mut names, Shown::Plain)?;
            out.write_all(&text)?;
        }
        _ => bail!("--read legacy|nft, not {backend:?}"),
    }
    Ok(out.flush()?)
}
