//! As much of SCTP (RFC 9260) as a question and an answer take: INIT, INIT ACK and ABORT.
//!
//! Many kernels have no SCTP sockets, while netfilter tracks and translates SCTP all the same, and
//! drops packets with a wrong checksum. So the lab speaks it over raw sockets. The answer travels
//! in the INIT ACK's State Cookie, which is the server's to fill.

/// INIT chunk (RFC 9260, 3.2).
const INIT: u8 = 1;
/// INIT ACK chunk.
const INIT_ACK: u8 = 2;
/// ABORT chunk.
const ABORT: u8 = 6;
/// State Cookie parameter of INIT ACK (RFC 9260, 3.3.3.1).
const STATE_COOKIE: u16 = 7;
/// Common header: two ports, verification tag, checksum.
const HEADER: usize = 12;
/// Chunk header and the fixed fields of INIT and INIT ACK.
const INIT_FIXED: usize = 20;

/// What a packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// Asks for an association; answers carry this tag.
    Init { tag: u32 },
    /// Grants it.
    InitAck { cookie: Vec<u8> },
    /// Refuses it.
    Abort,
    /// Anything else.
    Other,
}

/// A packet with one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) source: u16,
    pub(crate) destination: u16,
    pub(crate) verification: u32,
    pub(crate) chunk: Chunk,
}

impl Packet {
    /// The bytes on the wire, behind the IP header.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend(self.source.to_be_bytes());
        bytes.extend(self.destination.to_be_bytes());
        bytes.extend(self.verification.to_be_bytes());
        bytes.extend([0; 4]);
        match &self.chunk {
            Chunk::Init { tag } => init(&mut bytes, INIT, *tag, &[]),
            Chunk::InitAck { cookie } => init(&mut bytes, INIT_ACK, self.verification, cookie),
            Chunk::Abort | Chunk::Other => bytes.extend([ABORT, 0, 0, 4]),
        }
        // RFC 9260, appendix A: the checksum is transferred least significant byte first.
        let checksum = crc32c(&bytes).to_le_bytes();
        bytes[8..HEADER].copy_from_slice(&checksum);
        bytes
    }

    /// Reads a packet; none if it is cut short or its checksum is wrong.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, chunk) = bytes.split_at_checked(HEADER)?;
        let mut zeroed = bytes.to_vec();
        zeroed[8..HEADER].fill(0);
        if crc32c(&zeroed).to_le_bytes() != header[8..HEADER] {
            return None;
        }
        Some(Self {
            source: u16_at(header, 0)?,
            destination: u16_at(header, 2)?,
            verification: u32_at(header, 4)?,
            chunk: match *chunk.first()? {
                INIT => Chunk::Init { tag: u32_at(chunk, 4)? },
                INIT_ACK => Chunk::InitAck { cookie: cookie(chunk)? },
                ABORT => Chunk::Abort,
                _ => Chunk::Other,
            },
        })
    }
}

/// An INIT or INIT ACK chunk: tag, receive window, streams out and in, first TSN, parameters.
fn init(bytes: &mut Vec<u8>, kind: u8, tag: u32, cookie: &[u8]) {
    let parameter = if cookie.is_empty() { 0 } else { 4 + cookie.len() };
    bytes.extend([kind, 0]);
    bytes.extend(((INIT_FIXED + parameter) as u16).to_be_bytes());
    bytes.extend(tag.to_be_bytes());
    bytes.extend(65_536_u32.to_be_bytes());
    bytes.extend([0, 1, 0, 1]);
    bytes.extend(tag.to_be_bytes());
    if !cookie.is_empty() {
        bytes.extend(STATE_COOKIE.to_be_bytes());
        bytes.extend((parameter as u16).to_be_bytes());
        bytes.extend(cookie);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
}

fn cookie(chunk: &[u8]) -> Option<Vec<u8>> {
    let mut rest = chunk.get(INIT_FIXED..)?;
    while rest.len() >= 4 {
        let (kind, length) = (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?));
        let value = rest.get(4..length)?;
        if kind == STATE_COOKIE {
            return Some(value.to_vec());
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// CRC32c (Castagnoli), bit by bit, reflected: polynomial 0x1EDC6F41 (RFC 9260, appendix A).
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnoli() {
        // The check value of CRC-32C.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn packets_survive_the_wire_and_damaged_ones_do_not() {
        for chunk in [
            Chunk::Init { tag: 7 },
            Chunk::InitAck { cookie: b"web-0\t192.0.2.2:1\t?".to_vec() },
            Chunk::Abort,
        ] {
            let packet = Packet { source: 1, destination: 65_535, verification: 9, chunk };
            let bytes = packet.encode();
            assert_eq!(bytes.len() % 4, 0);
            assert_eq!(Packet::decode(&bytes), Some(packet));
            for end in 0..bytes.len() {
                assert_eq!(Packet::decode(&bytes[..end]), None);
            }
            let mut damaged = bytes;
            damaged[0] ^= 1;
            assert_eq!(Packet::decode(&damaged), None);
        }
    }
}
