//! Bringing `lo` up, which every new network namespace needs before anything can talk in it.
#![allow(unsafe_code, reason = "the interface ioctls have no safe wrapper among our dependencies")]

use std::io;
use std::os::fd::AsRawFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// Sets `lo` up in the network namespace of the calling thread; a `lo` that is up stays as it is.
pub fn loopback_up() -> io::Result<()> {
    // Any socket carries interface ioctls (netdevice(7)); a unix one needs no IP family.
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: `ifreq` is plain old data, for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let descriptor = socket.as_raw_fd();
    // SAFETY: the request is an `ifreq` with a NUL-terminated name, which the kernel fills in.
    if unsafe { libc::ioctl(descriptor, libc::SIOCGIFFLAGS, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: SIOCGIFFLAGS has set the `ifru_flags` member; IFF_UP (1) fits its 16 bits.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    // SAFETY: as above; the kernel only reads the request.
    if unsafe { libc::ioctl(descriptor, libc::SIOCSIFFLAGS, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
