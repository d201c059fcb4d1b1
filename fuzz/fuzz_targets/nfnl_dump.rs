//! Answers of the kernel about nf_tables: any bytes are decoded or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nfnl::{
    Chain, ElementList, Generation, Rule, Set, Stateful, Table, userdata,
    wire::{Attributes, Messages},
};

fuzz_target!(|bytes: &[u8]| {
    for message in Messages::new(bytes).flatten() {
        let Ok((nf, attributes)) = message.netfilter() else { continue };
        decode(nf, &attributes);
    }
    decode(Default::default(), &Attributes::new(bytes));
    userdata::triples(bytes).for_each(drop);
});

fn decode(nf: nfnl::wire::NfHeader, attributes: &Attributes<'_>) {
    let _ = Table::decode(nf, attributes.clone());
    let _ = Chain::decode(nf, attributes.clone());
    let _ = Rule::decode(nf, attributes.clone());
    let _ = Set::decode(nf, attributes.clone());
    let _ = Stateful::decode(nf, attributes.clone());
    let _ = Generation::decode(attributes.clone());
    if let Ok(list) = ElementList::decode(nf, attributes.clone()) {
        list.elements().flatten().for_each(|element| drop(element.to_element()));
    }
}
