//! Owns every system call of this crate, and with them all of its `unsafe`.
//!
//! Deliberately knows nothing of messages: it moves bytes and sets options.
#![allow(unsafe_code)] // socket calls have no safe form in std

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use crate::consts::NETLINK_NETFILTER;

/// Whether a call may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until there is something.
    Block,
    /// Not at all: `WouldBlock` instead.
    Poll,
}

/// Opens and binds an nfnetlink socket; the kernel picks the port id, which is returned.
pub(crate) fn open() -> io::Result<(OwnedFd, u32)> {
    // SAFETY: no pointers are passed.
    let raw = unsafe {
        libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, NETLINK_NETFILTER)
    };
    check(raw)?;
    // SAFETY: `raw` is a descriptor that was just opened and that nothing else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    let mut address = address();
    let mut len = mem::size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    // SAFETY: `address` is a valid sockaddr_nl of `len` bytes and outlives the call.
    check(unsafe { libc::bind(raw, (&raw const address).cast(), len) })?;
    // SAFETY: `address` and `len` are valid for writes, and `len` says how much room there is.
    check(unsafe { libc::getsockname(raw, (&raw mut address).cast(), &raw mut len) })?;
    Ok((fd, address.nl_pid))
}

fn address() -> libc::sockaddr_nl {
    // SAFETY: sockaddr_nl is plain integers; all zeros is a valid value.
    let mut address: libc::sockaddr_nl = unsafe { mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn check_len(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Sets an integer option.
pub(crate) fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let len = mem::size_of::<i32>() as libc::socklen_t;
    // SAFETY: `value` is an int that lives through the call and `len` is its size.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), len) })
}

/// Reads an integer option.
pub(crate) fn option(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    let mut value = 0_i32;
    let mut len = mem::size_of::<i32>() as libc::socklen_t;
    // SAFETY: `value` has room for the `len` bytes that are announced, both live through the call.
    check(unsafe {
        libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut len)
    })?;
    Ok(value)
}

/// Sends these parts as one datagram to the kernel.
pub(crate) fn send(fd: BorrowedFd<'_>, parts: [&[u8]; 3]) -> io::Result<()> {
    let mut address = address();
    let mut vectors = parts
        .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
    // SAFETY: msghdr is integers and pointers; all zeros is a valid value.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = (&raw mut address).cast();
    header.msg_namelen = mem::size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    header.msg_iov = vectors.as_mut_ptr();
    header.msg_iovlen = vectors.len() as _;
    loop {
        // SAFETY: `header` points at `address` and at three vectors, which point at `parts`; all of them live through
        // the call, and sendmsg only reads them.
        match check_len(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const header, 0) }) {
            Ok(_) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Receives one datagram into `buffer` and returns its true length, which is larger than the buffer if it was cut.
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
    let flags = libc::MSG_TRUNC
        | match wait {
            Wait::Block => 0,
            Wait::Poll => libc::MSG_DONTWAIT,
        };
    loop {
        // SAFETY: `buffer` is valid for writes of its length, which is passed.
        let result =
            unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
        match check_len(result) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
