//! Which IP addresses are assigned in the calling thread's network namespace.
#![allow(unsafe_code, reason = "getifaddrs(3) has no safe wrapper among our dependencies")]

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

/// The list that getifaddrs(3) allocated; freed on drop.
struct Allocated(*mut libc::ifaddrs);

impl Drop for Allocated {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a successful getifaddrs and is freed once, here.
        unsafe { libc::freeifaddrs(self.0) }
    }
}

/// All IPv4 and IPv6 addresses of all links, loopback and link-local ones included, in the network
/// namespace of the calling thread (getifaddrs asks over a netlink socket that it opens anew).
pub fn addresses() -> io::Result<BTreeSet<IpAddr>> {
    let mut first = ptr::null_mut();
    // SAFETY: `first` is a valid place for the list's head.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let list = Allocated(first);
    let mut found = BTreeSet::new();
    let mut next = list.0;
    // SAFETY: every node is null or a valid `ifaddrs` until `list` is dropped.
    while let Some(node) = unsafe { next.as_ref() } {
        // SAFETY: `ifa_addr` is null or points to a socket address of the family it names.
        found.extend(unsafe { ip_of(node.ifa_addr) });
        next = node.ifa_next;
    }
    Ok(found)
}

/// The IP in a socket address; none in null and in link-layer addresses.
///
/// # Safety
/// `address` is null or points to a socket address as large as its family says.
unsafe fn ip_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: as the caller promises; unaligned reads ask nothing of the allocation.
    unsafe {
        match i32::from(address.as_ref()?.sa_family) {
            libc::AF_INET => {
                let v4 = address.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
            }
            libc::AF_INET6 => {
                let v6 = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Namespace;

    #[test]
    fn a_new_namespace_has_the_loopback_addresses_only() {
        let found = Namespace::create().unwrap().run(addresses).unwrap().unwrap();
        let expected: [IpAddr; 2] = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(found, BTreeSet::from(expected));
    }
}
