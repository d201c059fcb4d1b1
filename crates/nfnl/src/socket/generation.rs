//! Owns the generation of a namespace's ruleset: reading it, and reading other things consistently by it.
//!
//! Invariant: every read is compared with the generation once: by itself, or by the [`Socket::read_consistent`] that it
//! is a part of.

use std::mem;

use super::{Exchange, Request, Socket, Style};
use crate::{
    Error,
    consts::{NFT_MSG_GETGEN, NFTA_GEN_ID, NFTA_GEN_PROC_NAME, NFTA_GEN_PROC_PID},
    wire::{Attributes, DecodeError},
};

/// How often a read is tried again when the ruleset changes under it.
pub(super) const ATTEMPTS: u32 = 16;

/// Who compares the generation before and after a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ComparedBy {
    /// The read itself.
    Itself,
    /// The consistent read that it is a part of.
    Whole,
}

/// The generation of a network namespace's ruleset. Every commit of anybody in the namespace moves it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Generation {
    /// Its number.
    pub id: u32,
    /// In an event: process (thread) id of the writer. In an answer to [`Socket::generation`]: of the asker.
    pub pid: Option<u32>,
    /// Name of that process.
    pub process: Option<String>,
}

impl Generation {
    /// Reads the attributes of a message about the generation.
    pub fn decode(attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        let (mut id, mut pid, mut process) = (None, None, None);
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                NFTA_GEN_ID => id = Some(a.be32()?),
                NFTA_GEN_PROC_PID => pid = Some(a.be32()?),
                NFTA_GEN_PROC_NAME => process = Some(a.string()),
                _ => {}
            }
        }
        let id = id.ok_or(DecodeError::Missing { of: "generation", kind: NFTA_GEN_ID })?;
        Ok(Self { id, pid, process })
    }
}

impl Socket {
    /// The current generation: one exchange, about a microsecond.
    ///
    /// # Errors
    /// [`Error`].
    pub fn generation(&mut self) -> Result<Generation, Error> {
        self.read_generation(Generation::decode)
    }

    /// The number of the current generation, without an allocation.
    ///
    /// # Errors
    /// [`Error`].
    pub fn generation_id(&mut self) -> Result<u32, Error> {
        self.read_generation(|attributes| {
            for attribute in attributes {
                let attribute = attribute?;
                if attribute.kind == NFTA_GEN_ID {
                    return attribute.be32();
                }
            }
            Err(DecodeError::Missing { of: "generation", kind: NFTA_GEN_ID })
        })
    }

    fn read_generation<T>(
        &mut self,
        decode: impl Fn(Attributes<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, Error> {
        let mut generation = None;
        let request = Request::new("read the generation", 0, Style::Single);
        self.nft(
            NFT_MSG_GETGEN,
            &request,
            |_| {},
            |message| {
                generation = Some(decode(message.netfilter()?.1)?);
                Ok(())
            },
        )?;
        generation.ok_or(Error::Lost { action: "read the generation" })
    }

    /// Runs `read` until the generation was the same before and after it, and returns what it read and that generation.
    /// Reads inside of it do not compare the generation again.
    ///
    /// ```no_run
    /// # let mut socket = nfnl::Socket::open()?;
    /// let ((tables, chains), generation) = socket.read_consistent(|socket| {
    ///     Ok((socket.tables(nfnl::Family::ANY)?, socket.chains(nfnl::Family::ANY, None)?))
    /// })?;
    /// # Ok::<(), nfnl::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Changing`] if the ruleset moved during every attempt, or what `read` returned.
    pub fn read_consistent<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<(T, Generation), Error> {
        let mut before = self.generation_id()?;
        for _ in 0..ATTEMPTS {
            let value = read(Part::of(self).0);
            let after = self.generation()?;
            if before == after.id {
                return Ok((value?, after));
            }
            before = after.id;
        }
        Err(Error::Changing { attempts: ATTEMPTS })
    }

    /// Runs one dump until the ruleset did not move under it; `start` makes a fresh collection for each attempt.
    pub(super) fn retry<T>(
        &mut self,
        mut start: impl FnMut() -> T,
        mut dump: impl FnMut(&mut Self, &mut T) -> Result<Exchange, Error>,
    ) -> Result<T, Error> {
        if self.compared_by == ComparedBy::Whole {
            let mut collected = start();
            return match dump(self, &mut collected)? {
                Exchange::Done => Ok(collected),
                // the generation has moved: the whole is read again
                Exchange::Interrupted => Err(Error::Changing { attempts: 1 }),
            };
        }
        let mut before = self.generation_id()?;
        for _ in 0..ATTEMPTS {
            let mut collected = start();
            let exchange = dump(self, &mut collected)?;
            let after = self.generation_id()?;
            // the kernel marks only some dumps as interrupted: not those of elements
            if let (Exchange::Done, true) = (exchange, before == after) {
                return Ok(collected);
            }
            before = after;
        }
        Err(Error::Changing { attempts: ATTEMPTS })
    }
}

/// A socket while parts of a consistent read are read from it; also a panic ends that.
struct Part<'s>(&'s mut Socket, ComparedBy);

impl<'s> Part<'s> {
    fn of(socket: &'s mut Socket) -> Self {
        let before = mem::replace(&mut socket.compared_by, ComparedBy::Whole);
        Self(socket, before)
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.0.compared_by = self.1;
    }
}
