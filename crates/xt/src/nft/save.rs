//! Owns printing the tables of iptables-nft as they come from the kernel: memory for the text, and
//! none for the view.

use nfnl::{Error, Socket};

use super::{
    base, native,
    read::{listed, nft_family, table},
};
use crate::{
    sets::{SetNames, resolve_rule},
    text::{Shown, print},
    view::Family,
};

/// What [`text::save`](crate::text::save) prints of [`read`](super::read), of one generation. It is
/// kept until it is known to be whole: the text of a rule takes less than its view.
///
/// # Errors
/// Of the kernel.
pub fn save(
    socket: &mut Socket,
    family: Family,
    sets: &mut dyn SetNames,
    shown: Shown,
) -> Result<Vec<u8>, Error> {
    let (text, _) = socket.read_consistent(|socket| {
        // writing to it does not fail
        let mut text = Vec::new();
        for (name, chains) in listed(socket, family, &base::TABLES)? {
            // those that are not there, and shown nevertheless, have no rules
            let there: Vec<String> = chains
                .iter()
                .filter(|chain| chain.base.is_some())
                .map(|chain| chain.name.clone())
                .collect();
            let table = table(name, chains, Vec::new());
            let _ = print::begin(&table.name, &mut text);
            for chain in &table.chains {
                let _ = print::head(chain, &mut text);
            }
            for chain in &table.chains {
                if chain.kind.policy().is_some() && !there.contains(&chain.name) {
                    continue;
                }
                // a dump that ran across a change begins again
                let lines = socket.fold_chain_rules(
                    nft_family(family),
                    &table.name,
                    &chain.name,
                    Vec::new,
                    |lines, rule| {
                        let mut rule = native::rule(&rule, family);
                        resolve_rule(&mut rule, sets);
                        let _ = print::rule(chain, &rule, shown, lines);
                    },
                )?;
                text.extend(lines);
            }
            let _ = print::end(&mut text);
        }
        Ok(text)
    })?;
    Ok(text)
}
