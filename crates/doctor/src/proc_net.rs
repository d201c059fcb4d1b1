//! Owns the lines of /proc/net/{tcp,tcp6,udp,udp6} (Linux, `net/ipv4/tcp_ipv4.c`, `get_tcp4_sock`): one
//! socket each.
//!
//! Deliberately not here: reading the files, and which state of a socket matters.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a line says of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket<'a> {
    /// Its own address.
    pub address: IpAddr,
    /// Its own port.
    pub port: u16,
    /// Two hexadecimal digits (Linux, `tcp_states.h`).
    pub state: &'a str,
    /// Its inode, where the line goes so far.
    pub inode: Option<u64>,
}

/// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 …`; none of a
/// heading.
pub fn socket(line: &str) -> Option<Socket<'_>> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (address, port) = words.next()?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let state = words.nth(1)?;
    let inode = words.nth(5).and_then(|word| word.parse().ok());
    Some(Socket { address: address_of(address)?, port, state, inode })
}

/// Words of 32 bits, each printed as a number of this machine.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from_octets(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let octets = words.as_flattened().first_chunk().copied()?;
            Some(Ipv6Addr::from_octets(octets).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_words_and_what_is_none_is_none() {
        assert_eq!(address_of("00000000000000000000000000000000"), Some("::".parse().unwrap()));
        assert_eq!(address_of("zz"), None);
        assert_eq!(socket("  sl  local_address rem_address st"), None);
    }
}
