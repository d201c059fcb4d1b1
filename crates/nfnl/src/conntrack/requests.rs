//! Owns the conntrack requests of a socket.

use super::{Entry, Filter};
use crate::{
    Errno, Error, Socket,
    consts::{
        CTA_STATS_GLOBAL_ENTRIES, CTA_STATS_GLOBAL_MAX_ENTRIES, IPCTNL_MSG_CT_DELETE,
        IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_GET_STATS, IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK,
        NFPROTO_UNSPEC, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST,
    },
    socket::{Exchange, Request, Style},
    wire::{NfHeader, Writer},
};

/// Entries that are inserted or deleted with one send. Each may be refused, and the refusals must fit the smallest
/// receive buffer.
const CHUNK: usize = 128;

/// Size of the conntrack table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Entries in this network namespace.
    pub entries: u32,
    /// Most entries it may have, if the kernel says so (since 5.14).
    pub max_entries: Option<u32>,
}

impl Socket {
    /// Feeds every entry that matches to `step`. The kernel filters if it can; every entry is checked here as well, so
    /// an older kernel gives the same answer, only slower.
    ///
    /// # Errors
    /// [`Error`].
    pub fn fold_conntrack<T>(
        &mut self,
        filter: &Filter,
        mut state: T,
        mut step: impl FnMut(&mut T, &Entry),
    ) -> Result<T, Error> {
        let mut on = |entry: &Entry| {
            if filter.matches(entry) {
                step(&mut state, entry);
            }
        };
        let filtered = if filter.has_kernel_form() {
            self.dump_conntrack(filter.family(), |w| filter.put(w), &mut on)
        } else {
            self.dump_conntrack(NFPROTO_UNSPEC, |_| {}, &mut on)
        };
        match filtered {
            Err(error) if filter.has_kernel_form() && no_filter(&error) => {
                self.dump_conntrack(filter.family(), |_| {}, &mut on)?;
            }
            other => other?,
        }
        Ok(state)
    }

    fn dump_conntrack(
        &mut self,
        family: u8,
        put: impl FnOnce(&mut Writer),
        on: &mut impl FnMut(&Entry),
    ) -> Result<(), Error> {
        let request = Request::new("list conntrack entries", family, Style::Dump);
        // conntrack changes all the time and never marks a dump as interrupted
        self.exchange(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, &request, put, |message| {
            let (nf, attributes) = message.netfilter()?;
            on(&Entry::decode(nf, attributes)?);
            Ok(())
        })?;
        Ok(())
    }

    /// All entries that match.
    ///
    /// # Errors
    /// [`Error`].
    pub fn conntrack_matching(&mut self, filter: &Filter) -> Result<Vec<Entry>, Error> {
        self.fold_conntrack(filter, Vec::new(), |all, entry| all.push(*entry))
    }

    /// Deletes one entry by its original tuple, zone and (if set) id. With the id, a new connection that has reused the
    /// tuple is left alone. Returns whether there was such an entry.
    ///
    /// # Errors
    /// [`Error`].
    pub fn conntrack_delete(&mut self, entry: &Entry) -> Result<bool, Error> {
        let request = Request::new("delete a conntrack entry", entry.orig.family(), Style::Acked);
        let put = |w: &mut Writer| entry.put_key(w);
        let answer =
            self.exchange(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, &request, put, |_| Ok(()));
        match answer {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes all entries that match: in one request if the kernel can filter exactly, else one by one by tuple and id.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Invalid`] for a filter that matches everything (see [`Socket::conntrack_flush`]).
    pub fn conntrack_delete_matching(&mut self, filter: &Filter) -> Result<(), Error> {
        if filter.is_empty() {
            return Err(Error::Invalid(
                "a conntrack filter that matches everything is not a filter: use conntrack_flush",
            ));
        }
        if filter.has_kernel_form() && filter.is_exact_in_kernel() {
            match self.flush_request(filter.family(), |w| filter.put(w)) {
                Err(error) if no_filter(&error) => {}
                other => return other,
            }
        }
        let entries = self.conntrack_matching(filter)?;
        self.conntrack_delete_all(&entries)
    }

    /// Deletes these entries by tuple, zone and id, many with one send. Ones that are gone already are no error.
    ///
    /// # Errors
    /// [`Error`].
    pub fn conntrack_delete_all(&mut self, entries: &[Entry]) -> Result<(), Error> {
        let put = |w: &mut Writer, entry: &Entry| entry.put_key(w);
        self.many("delete conntrack entries", IPCTNL_MSG_CT_DELETE, 0, entries, put, |error| {
            error.is_not_found()
        })
    }

    /// Deletes every entry of the network namespace.
    ///
    /// # Errors
    /// [`Error`].
    pub fn conntrack_flush(&mut self) -> Result<(), Error> {
        self.flush_request(NFPROTO_UNSPEC, |_| {})
    }

    fn flush_request(&mut self, family: u8, put: impl FnOnce(&mut Writer)) -> Result<(), Error> {
        let mut request = Request::new("delete conntrack entries", family, Style::Acked);
        // only version 1 makes a flush obey the family
        request.nf.version = 1;
        self.exchange(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, &request, put, |_| Ok(()))?;
        Ok(())
    }

    /// Inserts entries, many with one send. Fails at the first that exists already or is malformed; those before it and
    /// possibly some behind it are in.
    ///
    /// # Errors
    /// [`Error`].
    pub fn conntrack_insert(&mut self, entries: &[Entry]) -> Result<(), Error> {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        let put = |w: &mut Writer, entry: &Entry| entry.put(w);
        self.many("insert conntrack entries", IPCTNL_MSG_CT_NEW, flags, entries, put, |_| false)
    }

    /// Size of the table.
    ///
    /// # Errors
    /// [`Error`].
    pub fn conntrack_stats(&mut self) -> Result<Stats, Error> {
        let action = "count conntrack entries";
        let request = Request::new(action, NFPROTO_UNSPEC, Style::Single);
        let mut stats = None;
        let on = |message: &crate::wire::Message<'_>| {
            let (mut entries, mut max_entries) = (0, None);
            for attribute in message.netfilter()?.1 {
                let a = attribute?;
                match a.kind {
                    CTA_STATS_GLOBAL_ENTRIES => entries = a.be32()?,
                    CTA_STATS_GLOBAL_MAX_ENTRIES => max_entries = Some(a.be32()?),
                    _ => {}
                }
            }
            stats = Some(Stats { entries, max_entries });
            Ok(())
        };
        self.exchange(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS, &request, |_| {}, on)?;
        stats.ok_or(Error::Lost { action })
    }

    /// One message an entry, [`CHUNK`] messages a send; only the last of a send is acked.
    fn many(
        &mut self,
        action: &'static str,
        operation: u8,
        flags: u16,
        entries: &[Entry],
        put: impl Fn(&mut Writer, &Entry),
        ignore: impl Fn(&Error) -> bool,
    ) -> Result<(), Error> {
        let kind = u16::from(NFNL_SUBSYS_CTNETLINK) << 8 | u16::from(operation);
        let mut w = Writer::new();
        for chunk in entries.chunks(CHUNK) {
            w.clear();
            let first = self.next_sequences(chunk.len() as u32);
            for (entry, i) in chunk.iter().zip(0..) {
                let ack = if i as usize == chunk.len() - 1 { NLM_F_ACK } else { 0 };
                let nf = NfHeader { family: entry.orig.family(), ..NfHeader::default() };
                let sequence = first.wrapping_add(i);
                let mark = w.begin_message(kind, NLM_F_REQUEST | flags | ack, sequence, nf);
                put(&mut w, entry);
                w.end_message(mark);
            }
            self.send([w.bytes(), &[], &[]]).map_err(Error::io(action))?;
            match self.answers(first, chunk.len() as u32, Style::Acked, action, |_| Ok(())) {
                Ok(Exchange::Done | Exchange::Interrupted) => {}
                Err(error) if ignore(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The kernel does not have this filter (before 5.8 for dumps, later for deletes).
fn no_filter(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::NOT_SUPPORTED | Errno::INVALID))
}
