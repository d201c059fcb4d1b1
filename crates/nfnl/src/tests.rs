//! Every type: what is encoded is decoded, and arbitrary bytes are decoded to something or refused, never a panic.

mod generators;

use proptest::prelude::*;

use crate::{
    Chain, ElementExpressions, ElementList, ElementRef, Event, Generation, Rule, Set, Stateful,
    Table,
    conntrack::Entry,
    consts::{
        NFTA_LIST_ELEM, NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET,
        NFTA_SET_ELEM_LIST_TABLE,
    },
    expr::{Depth, decode_list, encode_list},
    object::{Named, Object},
    wire::{Attributes, DecodeError, Messages, NfHeader, Writer},
};

fn recode<T>(
    family: u8,
    put: impl FnOnce(&mut Writer),
    decode: impl FnOnce(NfHeader, Attributes<'_>) -> Result<T, DecodeError>,
) -> T {
    let mut w = Writer::new();
    let mark = w.begin_message(0xa00, 0, 1, NfHeader { family, ..NfHeader::default() });
    put(&mut w);
    w.end_message(mark);
    let bytes = w.finish().unwrap();
    let message = Messages::new(&bytes).next().unwrap().unwrap();
    let (nf, attributes) = message.netfilter().unwrap();
    decode(nf, attributes).unwrap()
}

fn recode_object<T: Object>(
    object: &T,
    decode: impl FnOnce(NfHeader, Attributes<'_>) -> Result<T, DecodeError>,
) -> T {
    recode(object.family().number(), |w| object.put_new(w), decode)
}

proptest! {
    #[test]
    fn tables_survive(table in generators::table()) {
        prop_assert_eq!(recode_object(&table, Table::decode), table);
    }

    #[test]
    fn chains_survive(chain in generators::chain()) {
        prop_assert_eq!(recode_object(&chain, Chain::decode), chain);
    }

    #[test]
    fn rules_survive(rule in generators::rule()) {
        prop_assert_eq!(recode_object(&rule, Rule::decode), rule);
    }

    #[test]
    fn sets_survive(set in generators::set()) {
        prop_assert_eq!(recode_object(&set, Set::decode), set);
    }

    #[test]
    fn stateful_objects_survive(object in generators::stateful()) {
        prop_assert_eq!(recode_object(&object, Stateful::decode), object);
    }

    #[test]
    fn elements_survive(element in generators::element()) {
        let expressions = element.encode_expressions().unwrap();
        let borrowed = ElementRef {
            expressions: match element.expressions.len() {
                0 => ElementExpressions::None,
                _ => ElementExpressions::Many(&expressions),
            },
            ..element.as_ref()
        };
        let put = |w: &mut Writer| {
            w.put_str(NFTA_SET_ELEM_LIST_TABLE, "t");
            w.put_str(NFTA_SET_ELEM_LIST_SET, "s");
            w.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |w| {
                w.nest(NFTA_LIST_ELEM, |w| borrowed.put(w));
            });
        };
        let read = recode(1, put, |nf, attributes| {
            let list = ElementList::decode(nf, attributes)?;
            assert_eq!((list.table, list.set), ("t", "s"));
            list.elements().next().unwrap()?.to_element()
        });
        prop_assert_eq!(read, element);
    }

    #[test]
    fn conntrack_entries_survive(entry in generators::entry()) {
        prop_assert_eq!(recode(2, |w| entry.put(w), Entry::decode), entry);
    }

    #[test]
    fn arbitrary_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
        decode_everything(&bytes);
    }

    #[test]
    fn valid_messages_with_flipped_bytes_are_decoded_or_refused(
        rule in generators::rule(),
        set in generators::set(),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut w = Writer::new();
        rule.put_new(&mut w);
        set.put_new(&mut w);
        let mut bytes = w.finish().unwrap();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        decode_everything(&bytes);
    }
}

fn decode_everything(bytes: &[u8]) {
    let nf = NfHeader::default();
    let a = || Attributes::new(bytes);
    let _ = Table::decode(nf, a());
    let _ = Chain::decode(nf, a());
    let _ = Rule::decode(nf, a());
    let _ = Set::decode(nf, a());
    let _ = Stateful::decode(nf, a());
    let _ = Generation::decode(a());
    let _ = Entry::decode(nf, a());
    let _ = decode_list(a(), Depth::Outer);
    if let Ok(list) = ElementList::decode(nf, a()) {
        list.elements().flatten().for_each(|element| drop(element.to_element()));
    }
    Event::all(bytes).for_each(drop);
    let _ = crate::batch::element_at(bytes, Some(40));
    crate::userdata::triples(bytes).for_each(drop);
}

#[test]
fn expressions_in_expressions_are_bounded_however_deep_the_bytes_go() {
    let mut expr = crate::Expr::from(crate::expr::Counter::default());
    for _ in 0..1_000 {
        expr = crate::expr::Dynset {
            set: "s".into(),
            set_id: None,
            op: crate::expr::DynsetOp::Add,
            sreg_key: crate::expr::Register::R1,
            sreg_data: None,
            timeout_ms: None,
            flags: crate::expr::Flags::default(),
            expression: Some(crate::expr::Single(Box::new(expr))),
            expressions: Vec::new(),
        }
        .into();
    }
    let mut w = Writer::new();
    encode_list(std::slice::from_ref(&expr), &mut w, 1);
    drop_deep(expr);
    let bytes = w.finish().unwrap();
    let outer = Attributes::new(&bytes).next().unwrap().unwrap();
    assert_eq!(decode_list(outer.nested(), Depth::Outer).unwrap().len(), 1);
}

/// Takes a deep expression apart without recursion.
fn drop_deep(mut expr: crate::Expr) {
    while let crate::Expr::Dynset(crate::expr::Dynset { expression: Some(inner), .. }) = expr {
        expr = *inner.0;
    }
}

#[test]
fn a_delete_of_a_rule_without_a_handle_can_never_empty_its_chain() {
    let rule = Rule::new(crate::Family::Inet, "t", "c", []);
    let mut w = Writer::new();
    rule.put_key(&mut w);
    let kinds: Vec<_> = Attributes::new(w.bytes()).map(|a| a.unwrap().kind).collect();
    assert!(kinds.contains(&crate::consts::NFTA_RULE_HANDLE));
}
