//! The naive way, for contrast: a controller that remembers Pod names by IP and keys its rules by
//! IP. Its rules are as good as ours; its memory is what fails (antrea-io/antrea#6527).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::Result;
use nfnl::expr::{Fib, Lookup, Meta, MetaKey, Nat, Payload, Register};
use nfnl::{
    BaseChain, Batch, Chain, DataType, ElementRef, Expr, Family, Hook, Rule, Set, SetId, Socket,
    Table, TypeSpec,
};

const TABLE: &str = "naive";
const MAP: &str = "dnat";

/// Rules by Pod IP, and which IP each Pod was last seen with.
pub(super) struct Naive {
    socket: Socket,
    ip_of_pod: BTreeMap<String, Ipv4Addr>,
    ports_of_ip: BTreeMap<Ipv4Addr, Vec<u16>>,
}

impl Naive {
    /// Builds its table in the calling thread's namespace.
    pub(super) fn new() -> Result<Self> {
        let mut socket = Socket::open()?;
        let mut batch = Batch::new();
        batch.add(&Table::new(Family::Inet, TABLE))?;
        let key = TypeSpec::concat(&[DataType::INET_PROTO, DataType::INET_SERVICE]);
        let value = TypeSpec::concat(&[DataType::IPV4_ADDR, DataType::INET_SERVICE]);
        batch.add(&Set::map(Family::Inet, TABLE, MAP, &key, &value).with_size(1024))?;
        let chain = Chain::new(Family::Inet, TABLE, "prerouting");
        batch.add(&chain.with_base(BaseChain::new("nat", Hook::Prerouting, -100)))?;
        let local = 2_u32.to_ne_bytes();
        let expressions: [Expr; 6] = [
            Fib::daddr_type(Register::R1).into(),
            nfnl::expr::Cmp::eq(Register::R1, local).into(),
            Meta::load(MetaKey::L4Proto, Register::R1).into(),
            Payload::th_dport(Register::word(1)).into(),
            Lookup::map(MAP, Register::R1, Register::R1).into(),
            Nat::dnat(2, Register::R1, Some(Register::word(1))).into(),
        ];
        batch.add(&Rule::new(Family::Inet, TABLE, "prerouting", expressions))?;
        socket.commit(&mut batch)?;
        Ok(Self { socket, ip_of_pod: BTreeMap::new(), ports_of_ip: BTreeMap::new() })
    }

    /// A Pod is there, with this IP.
    pub(super) fn pod_seen(&mut self, name: &str, ip: Ipv4Addr) {
        self.ip_of_pod.insert(name.to_owned(), ip);
    }

    /// A Pod is to be reached through a node port.
    pub(super) fn map(&mut self, name: &str, node_port: u16, pod_port: u16) -> Result<()> {
        let Some(ip) = self.ip_of_pod.get(name).copied() else { return Ok(()) };
        let [a, b, c, d] = ip.octets();
        let [high, low] = pod_port.to_be_bytes();
        let mut batch = Batch::new();
        let (key, value) = (key(node_port), [a, b, c, d, high, low, 0, 0]);
        batch.add_elements(&set(), [ElementRef::new(&key).with_value(&value)])?;
        self.socket.commit(&mut batch)?;
        self.ports_of_ip.entry(ip).or_default().push(node_port);
        Ok(())
    }

    /// A Pod's object is gone: so are the rules of its IP. This is the mistake.
    pub(super) fn pod_deleted(&mut self, name: &str) -> Result<()> {
        let Some(ip) = self.ip_of_pod.remove(name) else { return Ok(()) };
        for port in self.ports_of_ip.remove(&ip).unwrap_or_default() {
            let mut batch = Batch::new();
            batch.delete_elements(&set(), [ElementRef::new(&key(port))])?;
            self.socket.commit(&mut batch)?;
        }
        Ok(())
    }
}

fn set() -> SetId {
    SetId::new(Family::Inet, TABLE, MAP)
}

fn key(port: u16) -> [u8; 8] {
    let [high, low] = port.to_be_bytes();
    [6, 0, 0, 0, high, low, 0, 0]
}
