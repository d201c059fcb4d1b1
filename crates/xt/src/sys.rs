//! Owns the system calls: the sockets that x_tables and ipset are asked through, and the pages under
//! large answers.
//!
//! Sockets belong to the network namespace of the thread that opens them.
#![allow(unsafe_code)] // getsockopt and setsockopt with structures of x_tables, madvise: no safe wrapper has them

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::view::Family;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the layouts of x_tables here are those of 64-bit machines");

/// A socket that takes x_tables' options of one family.
#[derive(Debug)]
pub(crate) struct TableSocket {
    fd: OwnedFd,
    level: libc::c_int,
}

impl TableSocket {
    pub(crate) fn open(family: Family) -> io::Result<Self> {
        let (domain, level) = match family {
            Family::V4 => (AddressFamily::INET, libc::IPPROTO_IP),
            Family::V6 => (AddressFamily::INET6, libc::IPPROTO_IPV6),
        };
        Ok(Self { fd: raw_socket(domain)?, level })
    }

    /// `getsockopt`; the kernel's answer replaces `buffer`. Returns its length.
    pub(crate) fn get(&self, option: libc::c_int, buffer: &mut [u8]) -> io::Result<usize> {
        get(self.fd.as_fd(), self.level, option, buffer)
    }

    /// As [`TableSocket::get`], for an answer that may have tens of megabytes. A quarter of its time would
    /// be the page faults of small pages and another one clearing them: large ones are asked for, and
    /// another thread has them made while the kernel counts. Whatever comes of that, the answer is the
    /// same.
    pub(crate) fn get_large(&self, option: libc::c_int, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(pages) = LargePages::under(buffer) else { return self.get(option, buffer) };
        thread::scope(|scope| {
            let make = thread::Builder::new().name("pages".to_owned());
            // Without the thread the kernel makes them as it comes to them.
            let _ = make.spawn_scoped(scope, || pages.make());
            self.get(option, buffer)
        })
    }

    /// `setsockopt`
    pub(crate) fn set(&self, option: libc::c_int, value: &[u8]) -> io::Result<()> {
        set(self.fd.as_fd(), self.level, option, value)
    }

    /// `IPT_SO_SET_REPLACE`: a structure that holds the address of `counters` at `pointer_at`, where
    /// the kernel writes the counters of the old rules, 16 bytes each.
    pub(crate) fn replace(
        &self,
        option: libc::c_int,
        value: &mut [u8],
        pointer_at: usize,
        counters: &mut [u64],
    ) -> io::Result<()> {
        let pointer = counters.as_mut_ptr().expose_provenance().to_ne_bytes();
        let end = pointer_at + pointer.len();
        let too_short = || io::Error::from(io::ErrorKind::InvalidInput);
        value.get_mut(pointer_at..end).ok_or_else(too_short)?.copy_from_slice(&pointer);
        // The kernel writes to `counters` during this call only; the caller sized it by the number
        // of counters it put into `value`, which `replace.rs` does in one place.
        set(self.fd.as_fd(), self.level, option, value)
    }
}

/// The large pages that lie wholly under a buffer.
struct LargePages {
    start: usize,
    length: usize,
}

impl LargePages {
    /// Of most machines; of others this is less than one page, or several.
    const SIZE: usize = 2 << 20;

    /// Asks the kernel for large pages where there are none yet; nothing under a small buffer.
    fn under(buffer: &mut [u8]) -> Option<Self> {
        let start = buffer.as_mut_ptr();
        let before = start.align_offset(Self::SIZE);
        let length = buffer.len().saturating_sub(before) / Self::SIZE * Self::SIZE;
        if length == 0 {
            return None;
        }
        let pages = start.wrapping_add(before);
        // SAFETY: `length` bytes from `pages` on are inside of `buffer`, which is exclusively borrowed;
        // the advice changes what is under it, not what it holds.
        let _ = unsafe { libc::madvise(pages.cast(), length, libc::MADV_HUGEPAGE) };
        Some(Self { start: pages.expose_provenance(), length })
    }

    /// Has the kernel make them now (`MADV_POPULATE_WRITE`, Linux 5.14; an older kernel refuses).
    fn make(&self) {
        let pages = std::ptr::with_exposed_provenance_mut(self.start);
        // SAFETY: the advice makes pages where there are none and leaves all bytes as they are, so it may
        // be given while another thread, or the kernel for it, writes there. The memory is there as
        // long as `self`: who borrows it waits for this thread.
        let _ = unsafe { libc::madvise(pages, self.length, libc::MADV_POPULATE_WRITE) };
    }
}

fn raw_socket(domain: AddressFamily) -> io::Result<OwnedFd> {
    // IPPROTO_RAW cannot receive: no packet of the machine is copied to it
    let raw = rustix::net::ipproto::RAW;
    Ok(socket_with(domain, SocketType::RAW, SocketFlags::CLOEXEC, Some(raw))?)
}

fn get(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let mut length = libc::socklen_t::try_from(buffer.len()).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `length` bytes to `buffer`, which is that long, and the new
    // length to `length`.
    let result = unsafe {
        libc::getsockopt(fd.as_raw_fd(), level, option, buffer.as_mut_ptr().cast(), &raw mut length)
    };
    if result == 0 { Ok(length as usize) } else { Err(io::Error::last_os_error()) }
}

fn set(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: &[u8],
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads `length` bytes of `value`, which is that long. A pointer inside (see
    // `TableSocket::replace`) leads to memory that is exclusively borrowed until after the call.
    let result =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, value.as_ptr().cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A socket that takes ipset's option.
#[derive(Debug)]
pub(crate) struct SetSocket {
    fd: OwnedFd,
    version: u32,
}

/// `SO_IP_SET` and its operations, linux/netfilter/ipset/ip_set.h.
const SO_IP_SET: libc::c_int = 83;
const OP_GET_BYNAME: u32 = 6;
const OP_GET_BYINDEX: u32 = 7;
/// `IPSET_INVALID_ID`
const NO_SET: u16 = u16::MAX;
const OP_VERSION: u32 = 0x100;
/// `struct ip_set_req_get_set`: operation, version, and the name (32) or number of the set.
const REQUEST: usize = 40;

impl SetSocket {
    pub(crate) fn open() -> io::Result<Self> {
        let fd = raw_socket(AddressFamily::INET)?;
        // struct ip_set_req_version
        let mut request = [0; 8];
        request[..4].copy_from_slice(&OP_VERSION.to_ne_bytes());
        get(fd.as_fd(), libc::IPPROTO_IP, SO_IP_SET, &mut request)?;
        let [_, _, _, _, a, b, c, d] = request;
        Ok(Self { fd, version: u32::from_ne_bytes([a, b, c, d]) })
    }

    pub(crate) fn index(&self, name: &str) -> io::Result<u16> {
        let mut request = [0; REQUEST];
        request[..4].copy_from_slice(&OP_GET_BYNAME.to_ne_bytes());
        request[4..8].copy_from_slice(&self.version.to_ne_bytes());
        // 31 letters and a NUL
        for (place, byte) in request.iter_mut().skip(8).take(31).zip(name.bytes()) {
            *place = byte;
        }
        get(self.fd.as_fd(), libc::IPPROTO_IP, SO_IP_SET, &mut request)?;
        let [_, _, _, _, _, _, _, _, a, b, ..] = request;
        match u16::from_ne_bytes([a, b]) {
            NO_SET => Err(io::ErrorKind::NotFound.into()),
            index => Ok(index),
        }
    }

    pub(crate) fn name(&self, index: u16) -> io::Result<String> {
        let mut request = [0; REQUEST];
        request[..4].copy_from_slice(&OP_GET_BYINDEX.to_ne_bytes());
        request[4..8].copy_from_slice(&self.version.to_ne_bytes());
        request[8..10].copy_from_slice(&index.to_ne_bytes());
        let length = get(self.fd.as_fd(), libc::IPPROTO_IP, SO_IP_SET, &mut request)?;
        let name = request.get(8..length.min(REQUEST)).unwrap_or_default();
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        match name.get(..end) {
            Some([]) | None => Err(io::ErrorKind::NotFound.into()),
            Some(name) => Ok(String::from_utf8_lossy(name).into_owned()),
        }
    }
}
