//! Owns reading set elements: all of them, or single ones by key.

use super::{Exchange, Request, Socket, Style, generation::ComparedBy};
use crate::{
    Element, ElementList, ElementRef, Error, SetId,
    consts::{
        NFT_MSG_GETSETELEM, NFTA_LIST_ELEM, NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET,
        NFTA_SET_ELEM_LIST_TABLE,
    },
    wire::Writer,
};

/// Kernel memory that one answer to a single read takes from the receive buffer, at most.
const ANSWER_MEMORY: usize = 9 << 10;

/// Whether the ruleset moved during a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It did not: what was read is one state.
    No,
    /// It did: elements may be missing, or be there twice.
    Yes,
}

impl Socket {
    /// All elements of a set.
    ///
    /// # Errors
    /// [`Error`]; [`Error::is_not_found`] if there is no such set.
    pub fn elements(&mut self, set: &SetId) -> Result<Vec<Element>, Error> {
        let collected = self.fold_elements(
            set,
            || Ok(Vec::new()),
            |all, element| {
                if let Ok(list) = all {
                    match element.to_element() {
                        Ok(element) => list.push(element),
                        Err(error) => *all = Err(error),
                    }
                }
            },
        )?;
        Ok(collected?)
    }

    /// Feeds every element of a set to `step` without allocating. A dump that ran across a change is done again from a
    /// fresh `start`.
    ///
    /// ```no_run
    /// # let mut socket = nfnl::Socket::open()?;
    /// # let set = nfnl::SetId::new(nfnl::Family::Inet, "t", "s");
    /// let count = socket.fold_elements(&set, || 0, |count, _| *count += 1)?;
    /// # Ok::<(), nfnl::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error`]; [`Error::is_not_found`] if there is no such set.
    pub fn fold_elements<T>(
        &mut self,
        set: &SetId,
        start: impl FnMut() -> T,
        mut step: impl FnMut(&mut T, &ElementRef<'_>),
    ) -> Result<T, Error> {
        self.retry(start, |socket, state| socket.dump_elements(set, state, &mut step))
    }

    /// As [`Socket::fold_elements`], but one attempt only, for when an incomplete answer is of use: beside the result it
    /// says whether the ruleset of the namespace moved meanwhile. In a table with an owner, moves caused by others do
    /// not concern the elements. As a part of a [`Socket::read_consistent`] it leaves it to that to look for moves.
    ///
    /// # Errors
    /// [`Error`]; [`Error::is_not_found`] if there is no such set.
    pub fn fold_elements_once<T>(
        &mut self,
        set: &SetId,
        mut state: T,
        mut step: impl FnMut(&mut T, &ElementRef<'_>),
    ) -> Result<(T, Moved), Error> {
        let alone = self.compared_by == ComparedBy::Itself;
        let before = if alone { Some(self.generation_id()?) } else { None };
        let exchange = self.dump_elements(set, &mut state, &mut step)?;
        let after = if alone { Some(self.generation_id()?) } else { None };
        let moved = match exchange {
            Exchange::Done if before == after => Moved::No,
            _ => Moved::Yes,
        };
        Ok((state, moved))
    }

    fn dump_elements<T>(
        &mut self,
        set: &SetId,
        state: &mut T,
        step: &mut impl FnMut(&mut T, &ElementRef<'_>),
    ) -> Result<Exchange, Error> {
        let request = Request::new("list elements", set.family.number(), Style::Dump);
        self.nft(
            NFT_MSG_GETSETELEM,
            &request,
            |w| put_set(w, set),
            |message| {
                let (nf, attributes) = message.netfilter()?;
                for element in ElementList::decode(nf, attributes)?.elements() {
                    step(state, &element?);
                }
                Ok(())
            },
        )
    }

    /// The element that has (in a set of ranges: contains) this key, or nothing.
    ///
    /// # Errors
    /// [`Error`]; [`Error::is_not_found`] if there is no such set.
    pub fn element(&mut self, set: &SetId, key: &[u8]) -> Result<Option<Element>, Error> {
        let found = self.elements_by_key(set, &[ElementRef::new(key)])?;
        Ok(found.into_iter().next().flatten())
    }

    /// Reads many elements by key, in the order of the keys: as few requests as possible, one answer each.
    ///
    /// # Errors
    /// [`Error`]; [`Error::is_not_found`] if there is no such set.
    pub fn elements_by_key(
        &mut self,
        set: &SetId,
        keys: &[ElementRef<'_>],
    ) -> Result<Vec<Option<Element>>, Error> {
        let most = (self.receive_buffer / ANSWER_MEMORY).clamp(1, 512);
        let mut found = Vec::with_capacity(keys.len());
        let mut next = most;
        while found.len() < keys.len() {
            let rest = &keys[found.len()..];
            let chunk = &rest[..rest.len().min(next)];
            let before = found.len();
            match self.read_chunk(set, chunk, &mut found) {
                Ok(_) => next = (next * 2).min(most),
                // the kernel stops at the first absent element: its place is behind those that were found
                Err(Error::Refused { errno: crate::Errno::NOT_FOUND, offset, .. })
                    if found.len() - before < chunk.len() && self.is_element(offset) =>
                {
                    found.push(None);
                    // what was deleted together is absent together: the rest of a request is in vain
                    next = 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn read_chunk(
        &mut self,
        set: &SetId,
        chunk: &[ElementRef<'_>],
        found: &mut Vec<Option<Element>>,
    ) -> Result<Exchange, Error> {
        let style = if chunk.len() == 1 { Style::Single } else { Style::Acked };
        let request = Request::new("read elements", set.family.number(), style);
        let put = |w: &mut Writer| {
            put_set(w, set);
            w.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |w| {
                for key in chunk {
                    w.nest(NFTA_LIST_ELEM, |w| key.put(w));
                }
            });
        };
        self.nft(NFT_MSG_GETSETELEM, &request, put, |message| {
            let (nf, attributes) = message.netfilter()?;
            for element in ElementList::decode(nf, attributes)?.elements() {
                found.push(Some(element?.to_element()?));
            }
            Ok(())
        })
    }

    /// The offset of a refusal lies in the list of elements of the last request, not at its table or set.
    fn is_element(&self, offset: Option<u32>) -> bool {
        crate::batch::element_at(self.request.bytes(), offset).is_some()
    }
}

fn put_set(w: &mut Writer, set: &SetId) {
    w.put_str(NFTA_SET_ELEM_LIST_TABLE, &set.table);
    w.put_str(NFTA_SET_ELEM_LIST_SET, &set.name);
}
