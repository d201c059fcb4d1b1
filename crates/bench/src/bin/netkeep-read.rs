//! `netkeep-read legacy|nft|legacy-floor`: what the library does where people start iptables-save, as
//! a program of nothing else, so that process is compared with process.

#![forbid(unsafe_code)]

use std::io::{self, BufWriter, Write};

use anyhow::{Result, bail};
use nfnl::Socket;
use xt::text::Shown;
use xt::{Family, KernelNames, legacy};

/// Prints the IPv4 rules of the namespace as iptables-save does.
fn main() -> Result<()> {
    let what = std::env::args().nth(1).unwrap_or_default();
    let mut names = KernelNames::default();
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    match what.as_str() {
        "legacy" => legacy::save(Family::V4, &mut names, Shown::Plain, &mut out)?,
        "nft" => {
            let mut socket = Socket::open()?;
            out.write_all(&xt::nft::save(&mut socket, Family::V4, &mut names, Shown::Plain)?)?;
        }
        // the kernel's answer and nothing else
        "legacy-floor" => {
            for table in legacy::table_names(Family::V4)? {
                drop(legacy::read_blob(Family::V4, &table)?);
            }
        }
        _ => bail!("legacy, nft or legacy-floor, not {what:?}"),
    }
    Ok(out.flush()?)
}
