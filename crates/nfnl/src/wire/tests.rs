//! Writing and reading of bytes: nothing wraps, nothing panics.

use proptest::prelude::*;

use super::{Attributes, DecodeError, Messages, NfHeader, TooLong, Writer};
use crate::consts::NLA_F_NESTED;

#[test]
fn a_nest_over_64_kib_is_a_fault_and_leaves_nothing_behind() {
    let mut w = Writer::new();
    w.put_u8(1, 1);
    let before = w.len();
    w.nest(2, |w| (0..20).for_each(|_| w.put(3, &[0; 4000])));
    assert_eq!(w.len(), before);
    assert_eq!(w.take_fault(), Some(TooLong { kind: 2, bytes: 80_084 }));
    assert_eq!(w.take_fault(), None);
}

#[test]
fn an_attribute_over_64_kib_is_a_fault_and_is_not_written() {
    let mut w = Writer::new();
    w.put(7, &vec![0; 65_531]);
    let full = w.len();
    assert_eq!(w.take_fault(), None);
    w.put(7, &vec![0; 65_532]);
    assert_eq!(w.len(), full);
    assert_eq!(w.finish(), Err(TooLong { kind: 7, bytes: 65_536 }));
}

#[test]
fn a_length_over_the_end_is_an_error_and_ends_the_iteration() {
    let mut attributes = Attributes::new(&[9, 0, 1, 0, 1, 2, 3, 4]);
    assert_eq!(attributes.next(), Some(Err(DecodeError::Short { need: 9, have: 8 })));
    assert_eq!(attributes.next(), None);
}

#[test]
fn a_length_under_the_header_is_an_error_and_not_an_endless_loop() {
    assert_eq!(Attributes::new(&[0; 8]).count(), 1);
    assert_eq!(Messages::new(&[0; 64]).count(), 1);
}

proptest! {
    #[test]
    fn what_is_written_is_read(list in proptest::collection::vec((0_u16..0x3fff, any::<Vec<u8>>()), 0..20)) {
        let mut w = Writer::new();
        for (kind, payload) in &list {
            w.nest(*kind, |w| w.put(*kind, payload));
        }
        let bytes = w.finish().unwrap();
        let read: Vec<_> = Attributes::new(&bytes)
            .map(|a| {
                let a = a.unwrap();
                let inner = a.nested().next().unwrap().unwrap();
                assert_eq!(a.kind, inner.kind);
                (a.kind, inner.payload.to_vec())
            })
            .collect();
        prop_assert_eq!(read, list);
    }

    #[test]
    fn messages_are_split_where_they_were_joined(bodies in proptest::collection::vec(any::<Vec<u8>>(), 0..9)) {
        let mut w = Writer::new();
        for (body, i) in bodies.iter().zip(0..) {
            let nf = NfHeader { family: 1, version: 2, resource: 3 };
            let mark = w.begin_message(0xa00 + i as u16, 5, i, nf);
            w.put(4 | NLA_F_NESTED, body);
            w.end_message(mark);
        }
        let bytes = w.finish().unwrap();
        for (message, i) in Messages::new(&bytes).zip(0..) {
            let message = message.unwrap();
            prop_assert_eq!(message.header.sequence, i);
            prop_assert_eq!(u32::from(message.header.kind), 0xa00 + i);
            let (nf, mut attributes) = message.netfilter().unwrap();
            prop_assert_eq!(nf.resource, 3);
            let attribute = attributes.next().unwrap().unwrap();
            prop_assert_eq!((attribute.kind, attribute.payload), (4, &bodies[i as usize][..]));
        }
        prop_assert_eq!(Messages::new(&bytes).count(), bodies.len());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        for message in Messages::new(&bytes).flatten() {
            let _ = message.ack();
            let _ = message.netfilter().map(|(_, attributes)| attributes.count());
        }
        for a in Attributes::new(&bytes).flatten() {
            let _ = (a.u8(), a.be16(), a.be32(), a.be64(), a.ne32(), a.string(), a.str());
        }
    }
}
