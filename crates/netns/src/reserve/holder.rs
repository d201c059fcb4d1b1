//! Who has a port that we could not have: best effort, for people to read.
//!
//! Reads `/proc/thread-self/net/{tcp,tcp6,udp,udp6}` and looks for the socket's inode among the
//! descriptors of all processes. It costs time by the number of sockets and processes, so it is
//! asked for by name and not part of every refusal.
//!
//! Not seen: sockets that are bound but neither listen nor are connected (TCP), SCTP, and
//! processes outside our PID namespace.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::{IpFamily, NodePort, Protocol};

/// A socket that has a port, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The address it is bound to.
    pub address: IpAddr,
    /// The user that made it.
    pub uid: u32,
    /// The socket's inode.
    pub inode: u64,
    /// The process that has it open, if we may look into it.
    pub process: Option<Process>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its name, as in `/proc/PID/comm`.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(Process { pid, name }) => write!(f, "{name} (pid {pid}, uid {})", self.uid)?,
            None => write!(f, "a process of uid {}", self.uid)?,
        }
        write!(f, " on {}", self.address)
    }
}

/// Who in the calling thread's network namespace has this port, or stands in the way of reserving
/// it: for IPv4 also sockets on `[::]` that take both families.
pub fn holder(family: IpFamily, protocol: Protocol, port: NodePort) -> Option<Holder> {
    let files: &[&str] = match (protocol, family) {
        (Protocol::Tcp, IpFamily::V4) => &["tcp", "tcp6"],
        (Protocol::Tcp, IpFamily::V6) => &["tcp6"],
        (Protocol::Udp, IpFamily::V4) => &["udp", "udp6"],
        (Protocol::Udp, IpFamily::V6) => &["udp6"],
        (Protocol::Sctp, _) => &[],
    };
    let mut found = files.iter().find_map(|file| {
        let table = fs::read_to_string(format!("/proc/thread-self/net/{file}")).ok()?;
        table.lines().find_map(|line| parse_line(line, port.get()))
    })?;
    found.process = process_with(found.inode);
    Some(found)
}

/// A line of the table, if its local port is this one. The fields are those that tcp4_seq_show of
/// the kernel prints: the address in hex, as the machine stores its words, then `:port`.
fn parse_line(line: &str, port: u16) -> Option<Holder> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, local_port) = fields.get(1)?.split_once(':')?;
    if u16::from_str_radix(local_port, 16).ok()? != port {
        return None;
    }
    let inode = fields.get(9)?.parse().ok()?;
    // Inode 0: a connection that waits in TIME_WAIT or for accept(), of no process.
    (inode != 0).then_some(())?;
    let uid = fields.get(7)?.parse().ok()?;
    Some(Holder { address: parse_address(address)?, uid, inode, process: None })
}

fn parse_address(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for word in hex.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

/// The first process that has the socket open.
fn process_with(inode: u64) -> Option<Process> {
    let target = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let has_it = fs::read_dir(entry.path().join("fd"))
            .ok()?
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|link| link.as_os_str() == &*target));
        has_it.then(|| {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            Process { pid, name: name.trim_end().to_owned() }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_line_of_the_kernel_is_read() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  \
                    1000        0 4242 1 0000000000000000 100 0 0 10 0";
        let holder = parse_line(line, 8080).unwrap();
        assert_eq!(holder.address, IpAddr::from([127, 0, 0, 1]));
        assert_eq!((holder.uid, holder.inode), (1000, 4242));
        assert_eq!(holder.to_string(), "a process of uid 1000 on 127.0.0.1");
        assert_eq!(parse_line(line, 8081), None);
        let v6 = parse_address("0000000000000000FFFF00000100007F").unwrap();
        assert_eq!(v6, "::ffff:127.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn the_heading_and_broken_lines_are_passed_over() {
        for line in ["  sl  local_address rem_address st", "", "0: zz:1F90", "0: 0100007F:1F90 x"] {
            assert_eq!(parse_line(line, 8080), None);
        }
    }
}
