//! Owns which TCP ports other machines may be served on: sockets that listen in this network namespace,
//! on an address that is no loopback's. What listens does not matter: an sshd need not be on port 22.
//!
//! Read of /proc/thread-self/net, which is of the calling thread's namespace and names every socket of
//! it, whoever owns it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

use doctor::proc_net::{self, Socket};
use xt::Family;

/// TCP ports with a listener, by family.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listening {
    v4: BTreeSet<u16>,
    v6: BTreeSet<u16>,
}

/// `TCP_LISTEN`.
const LISTENS: &str = "0A";

impl Listening {
    /// Of the calling thread's network namespace. A kernel without IPv6 has no list of it.
    pub(crate) fn read() -> io::Result<Self> {
        let mut found = Self::default();
        for file in ["tcp", "tcp6"] {
            match fs::read_to_string(format!("/proc/thread-self/net/{file}")) {
                Ok(text) => found.take(&text),
                Err(error) if file == "tcp6" && error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Of one family.
    pub(super) const fn of(&self, family: Family) -> &BTreeSet<u16> {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// `0: 00000000:08AE 00000000:0000 0A 00000000:00000000 …`, line by line.
    fn take(&mut self, text: &str) {
        for (address, port) in text.lines().filter_map(listener) {
            // a socket of [::] serves IPv4 too, unless it was told not to
            let both = address == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            match address.to_canonical() {
                address if address.is_loopback() => {}
                IpAddr::V4(_) => drop(self.v4.insert(port)),
                IpAddr::V6(_) => {
                    self.v6.insert(port);
                    if both {
                        self.v4.insert(port);
                    }
                }
            }
        }
    }
}

fn listener(line: &str) -> Option<(IpAddr, u16)> {
    let Socket { address, port, state, .. } = proc_net::socket(line)?;
    (state == LISTENS && port != 0).then_some((address, port))
}

#[cfg(test)]
impl Listening {
    /// On every address of both families.
    pub(super) fn on(ports: &[u16]) -> Self {
        let ports: BTreeSet<u16> = ports.iter().copied().collect();
        Self { v4: ports.clone(), v6: ports }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(address: IpAddr, port: u16, state: &str) -> String {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let words = octets.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap()));
        let hex = words.map(|word| format!("{word:08X}")).collect::<Vec<_>>().concat();
        format!("   0: {hex}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000\n")
    }

    #[test]
    fn ports_that_other_machines_can_reach_are_taken_of_each_family() {
        let mut text = "  sl  local_address rem_address   st tx_queue rx_queue\n".to_owned();
        for (address, port, state) in [
            ("0.0.0.0", 1, "0A"),
            ("192.0.2.1", 2, "0A"),
            ("127.0.0.53", 3, "0A"),
            ("::1", 4, "0A"),
            ("::ffff:127.0.0.1", 5, "0A"),
            ("::ffff:192.0.2.1", 6, "0A"),
            ("::", 7, "0A"),
            ("2001:db8::1", 8, "0A"),
            ("0.0.0.0", 9, "01"),
        ] {
            text.push_str(&line(address.parse().unwrap(), port, state));
        }
        let mut found = Listening::default();
        found.take(&text);
        assert_eq!(*found.of(Family::V4), [1, 2, 6, 7].into());
        assert_eq!(*found.of(Family::V6), [7, 8].into());
    }
}
