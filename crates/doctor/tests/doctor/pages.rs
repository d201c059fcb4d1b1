//! Every code has its page, and every page its code.

use std::collections::BTreeSet;

use model::FindingCode;

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating/findings");
    let pages: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let codes: BTreeSet<String> =
        FindingCode::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    assert_eq!(pages, codes);
}

#[test]
fn a_page_says_what_how_to_confirm_how_to_mend_and_where_it_comes_from() {
    for code in FindingCode::ALL {
        let page = doctor::page(*code);
        assert!(page.starts_with(&format!("# {code}\n")), "{code}");
        for title in ["## How to confirm", "## How to mend", "## Where it comes from"] {
            assert!(page.contains(title), "{code}: {title}");
        }
    }
}
