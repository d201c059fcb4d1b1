//! Owns reading tables, chains, rules, sets and stateful objects.
//!
//! Every dump that ran across a change (`NLM_F_DUMP_INTR`, or another generation behind it) is done again, a bounded
//! number of times.

use super::{Request, Socket, Style};
use crate::{
    Chain, Error, Family, Rule, Set, Stateful, Table,
    consts::{
        NFT_MSG_GETCHAIN, NFT_MSG_GETOBJ, NFT_MSG_GETRULE, NFT_MSG_GETSET, NFT_MSG_GETTABLE,
        NFTA_OBJ_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_TABLE, NFTA_SET_TABLE,
    },
    wire::{Attributes, DecodeError, NfHeader, Writer},
};

impl Socket {
    fn collect<T>(
        &mut self,
        operation: u8,
        action: &'static str,
        family: Family,
        put: impl Fn(&mut Writer),
        decode: impl Fn(NfHeader, Attributes<'_>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, Error> {
        self.retry(Vec::new, |socket, all| {
            let request = Request::new(action, family.number(), Style::Dump);
            socket.nft(operation, &request, &put, |message| {
                let (nf, attributes) = message.netfilter()?;
                all.push(decode(nf, attributes)?);
                Ok(())
            })
        })
    }

    /// All tables of a family ([`Family::ANY`] for all).
    ///
    /// # Errors
    /// [`Error`].
    pub fn tables(&mut self, family: Family) -> Result<Vec<Table>, Error> {
        self.collect(NFT_MSG_GETTABLE, "list tables", family, |_| {}, Table::decode)
    }

    /// One table, or nothing if it does not exist.
    ///
    /// # Errors
    /// [`Error`].
    pub fn table(&mut self, id: &crate::TableId) -> Result<Option<Table>, Error> {
        let mut found = None;
        let request = Request::new("read a table", id.family.number(), Style::Single);
        let put = |w: &mut Writer| w.put_str(crate::consts::NFTA_TABLE_NAME, &id.name);
        let result = self.nft(NFT_MSG_GETTABLE, &request, put, |message| {
            let (nf, attributes) = message.netfilter()?;
            found = Some(Table::decode(nf, attributes)?);
            Ok(())
        });
        match result {
            Ok(_) => Ok(found),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All chains of a family, or of one table.
    ///
    /// # Errors
    /// [`Error`].
    pub fn chains(&mut self, family: Family, table: Option<&str>) -> Result<Vec<Chain>, Error> {
        let mut chains =
            self.collect(NFT_MSG_GETCHAIN, "list chains", family, |_| {}, Chain::decode)?;
        // the kernel has no filter for this
        chains.retain(|chain| table.is_none_or(|table| chain.table == table));
        Ok(chains)
    }

    /// All rules of a family, of one table, or of one chain, in order.
    ///
    /// # Errors
    /// [`Error`].
    pub fn rules(
        &mut self,
        family: Family,
        table: Option<&str>,
        chain: Option<&str>,
    ) -> Result<Vec<Rule>, Error> {
        let put = |w: &mut Writer| {
            if let Some(table) = table {
                w.put_str(NFTA_RULE_TABLE, table);
            }
            if let Some(chain) = chain {
                w.put_str(NFTA_RULE_CHAIN, chain);
            }
        };
        let mut rules = self.collect(NFT_MSG_GETRULE, "list rules", family, put, Rule::decode)?;
        rules.retain(|rule| {
            table.is_none_or(|table| rule.table == table)
                && chain.is_none_or(|chain| rule.chain == chain)
        });
        Ok(rules)
    }

    /// Feeds every rule of a table to `step`, in order, and keeps none: for tables with many. A dump that ran across a
    /// change is done again from a fresh `start`. A table that does not exist has no rules.
    ///
    /// # Errors
    /// [`Error`].
    pub fn fold_rules<T>(
        &mut self,
        family: Family,
        table: &str,
        start: impl FnMut() -> T,
        step: impl FnMut(&mut T, Rule),
    ) -> Result<T, Error> {
        self.fold_rules_of(family, table, None, start, step)
    }

    /// As [`Socket::fold_rules`] for one chain.
    ///
    /// A table of many chains and rules is read much faster chain by chain: the kernel answers in pieces of 32 KiB, and
    /// for each piece it passes again all rules that it has told already (`nf_tables_dump_rules`).
    ///
    /// # Errors
    /// [`Error`].
    pub fn fold_chain_rules<T>(
        &mut self,
        family: Family,
        table: &str,
        chain: &str,
        start: impl FnMut() -> T,
        step: impl FnMut(&mut T, Rule),
    ) -> Result<T, Error> {
        self.fold_rules_of(family, table, Some(chain), start, step)
    }

    fn fold_rules_of<T>(
        &mut self,
        family: Family,
        table: &str,
        chain: Option<&str>,
        start: impl FnMut() -> T,
        mut step: impl FnMut(&mut T, Rule),
    ) -> Result<T, Error> {
        let put = |w: &mut Writer| {
            w.put_str(NFTA_RULE_TABLE, table);
            if let Some(chain) = chain {
                w.put_str(NFTA_RULE_CHAIN, chain);
            }
        };
        self.retry(start, |socket, state| {
            let request = Request::new("list rules", family.number(), Style::Dump);
            socket.nft(NFT_MSG_GETRULE, &request, put, |message| {
                let (nf, attributes) = message.netfilter()?;
                let rule = Rule::decode(nf, attributes)?;
                // older kernels do not look at the filter
                if rule.table == table && chain.is_none_or(|chain| rule.chain == chain) {
                    step(state, rule);
                }
                Ok(())
            })
        })
    }

    /// All sets and maps of a family, or of one table.
    ///
    /// # Errors
    /// [`Error`].
    pub fn sets(&mut self, family: Family, table: Option<&str>) -> Result<Vec<Set>, Error> {
        let put = |w: &mut Writer| {
            if let Some(table) = table {
                w.put_str(NFTA_SET_TABLE, table);
            }
        };
        let sets = self.collect(NFT_MSG_GETSET, "list sets", family, put, Set::decode);
        none_if_missing(sets)
    }

    /// All stateful objects of a family, or of one table.
    ///
    /// # Errors
    /// [`Error`].
    pub fn objects(&mut self, family: Family, table: Option<&str>) -> Result<Vec<Stateful>, Error> {
        let put = |w: &mut Writer| {
            if let Some(table) = table {
                w.put_str(NFTA_OBJ_TABLE, table);
            }
        };
        self.collect(NFT_MSG_GETOBJ, "list objects", family, put, Stateful::decode)
    }
}

/// A table that does not exist has nothing in it.
fn none_if_missing<T>(result: Result<Vec<T>, Error>) -> Result<Vec<T>, Error> {
    match result {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        other => other,
    }
}
