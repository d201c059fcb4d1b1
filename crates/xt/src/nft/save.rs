//! Owns printing the tables of iptables-nft as they come from the kernel: memory for the text and one
//! chain, and none for the view.

use nfnl::{Error, Socket};

use super::{
    base,
    read::{chain_rules, listed, table},
};
use crate::{
    sets::{SetNames, resolve_chain},
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
            let mut table = table(name, chains, Vec::new());
            let _ = print::begin(&table.name, &mut text);
            for chain in &table.chains {
                let _ = print::head(chain, &mut text);
            }
            for chain in &mut table.chains {
                if chain.kind.policy().is_some() && !there.contains(&chain.name) {
                    continue;
                }
                chain.rules = chain_rules(socket, family, &table.name, &chain.name)?;
                resolve_chain(chain, sets);
                let _ = print::rules(chain, shown, &mut text);
                chain.rules = Vec::new();
            }
            let _ = print::end(&mut text);
        }
        Ok(text)
    })?;
    Ok(text)
}
