//! Transactions and requests on the NodePortLocal table as bytes.

use super::bytes::{
    Bytes, DELSETELEM, GETSETELEM, NEWSETELEM, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP,
};
use super::structure;
use crate::mapping::Mapping;

/// The table's name in every namespace of the floor.
pub(crate) const TABLE: &str = "floor";
/// Its map.
pub(crate) const MAP: &str = "npl4";

/// As many elements as fit well below the 65,535 bytes of one nested attribute.
const PER_MESSAGE: usize = 500;

/// Which part of the fixed structure a transaction lays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// None of it: elements only.
    Nothing,
    /// Table and maps before the elements.
    Maps,
    /// Chains and rules after the elements.
    Chains,
    /// Both.
    Whole,
}

/// One transaction of a first load: a part of the structure and some of the elements.
pub(crate) fn load(part: Part, mappings: &[Mapping]) -> Vec<u8> {
    let mut bytes = Bytes(Vec::with_capacity(mappings.len() * 100 + 8_192));
    bytes.batch_begin();
    if matches!(part, Part::Maps | Part::Whole) {
        // The maps alone are those of a load that takes several transactions.
        let whole = part == Part::Whole;
        let size = Mapping::map_size(if whole { mappings.len() } else { usize::MAX });
        structure::maps(&mut bytes, size, !whole && mappings.is_empty());
    }
    let last = matches!(part, Part::Nothing | Part::Maps);
    Elements::change(NEWSETELEM, NLM_F_CREATE, mappings, last, &mut bytes);
    if matches!(part, Part::Chains | Part::Whole) {
        structure::chains(&mut bytes);
    }
    bytes.batch_end();
    bytes.0
}

/// Transactions and requests on elements of the map.
pub(crate) struct Elements;

impl Elements {
    /// One transaction that adds all; the last message asks for the acknowledgement.
    pub(crate) fn add(mappings: &[Mapping]) -> Vec<u8> {
        let mut bytes = Bytes(Vec::with_capacity(mappings.len() * 100 + 200));
        bytes.batch_begin();
        Self::change(NEWSETELEM, NLM_F_CREATE, mappings, true, &mut bytes);
        bytes.batch_end();
        bytes.0
    }

    /// One transaction that deletes all.
    pub(crate) fn delete(mappings: &[Mapping]) -> Vec<u8> {
        let mut bytes = Bytes(Vec::with_capacity(mappings.len() * 40 + 200));
        bytes.batch_begin();
        Self::change(DELSETELEM, 0, mappings, true, &mut bytes);
        bytes.batch_end();
        bytes.0
    }

    /// One transaction that gives one key another value.
    pub(crate) fn replace(before: &Mapping, after: &Mapping) -> Vec<u8> {
        let mut bytes = Bytes(Vec::with_capacity(400));
        bytes.batch_begin();
        Self::change(DELSETELEM, 0, std::slice::from_ref(before), false, &mut bytes);
        let after = std::slice::from_ref(after);
        Self::change(NEWSETELEM, NLM_F_CREATE, after, true, &mut bytes);
        bytes.batch_end();
        bytes.0
    }

    /// `acked` says whether the last message asks for the acknowledgement.
    fn change(kind: u16, flags: u16, mappings: &[Mapping], acked: bool, into: &mut Bytes) {
        let chunks = mappings.len().div_ceil(PER_MESSAGE);
        for (number, chunk) in mappings.chunks(PER_MESSAGE).enumerate() {
            let ack = if acked && number + 1 == chunks { NLM_F_ACK } else { 0 };
            let message = into.message(kind, flags | ack, 1);
            into.text(1, TABLE);
            into.text(2, MAP);
            let list = into.open(3);
            for mapping in chunk {
                element(into, mapping, kind == NEWSETELEM);
            }
            into.close(list);
            into.end(message);
        }
    }

    /// The request for one element of any table's map.
    pub(crate) fn get(table: &str, map: &str, key: [u8; 8]) -> Vec<u8> {
        let mut bytes = Bytes(Vec::with_capacity(100));
        one(&mut bytes, GETSETELEM, (table, map), key);
        bytes.0
    }

    /// The request for all elements of any table's map.
    pub(crate) fn dump(table: &str, map: &str) -> Vec<u8> {
        let mut bytes = Bytes::default();
        let message = bytes.message(GETSETELEM, NLM_F_DUMP, 1);
        bytes.text(1, table);
        bytes.text(2, map);
        bytes.end(message);
        bytes.0
    }

    /// A transaction that deletes one element of somebody else's map: a foreign writer.
    pub(crate) fn foreign_delete(table: &str, map: &str, key: [u8; 8]) -> Vec<u8> {
        let mut bytes = Bytes::default();
        bytes.batch_begin();
        one(&mut bytes, DELSETELEM, (table, map), key);
        bytes.batch_end();
        bytes.0
    }
}

fn one(into: &mut Bytes, kind: u16, (table, map): (&str, &str), key: [u8; 8]) {
    let message = into.message(kind, NLM_F_ACK, 1);
    into.text(1, table);
    into.text(2, map);
    let list = into.open(3);
    let element = into.open(1);
    let nest = into.open(1);
    into.attribute(1, &key);
    into.close(nest);
    into.close(element);
    into.close(list);
    into.end(message);
}

fn element(into: &mut Bytes, mapping: &Mapping, whole: bool) {
    let element = into.open(1);
    let key = into.open(1);
    into.attribute(1, &mapping.key());
    into.close(key);
    if whole {
        let data = into.open(2);
        into.attribute(1, &mapping.data());
        into.close(data);
        into.attribute(6, &mapping.mark);
    }
    into.close(element);
}
