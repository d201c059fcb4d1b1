//! Owns `unseen-legacy-rules`: legacy tables exist, and what is in them could not be looked at.

use model::{FindingCode, Severity};
use xt::{Backend, Family};

use super::{Found, Outcome, split_backends};
use crate::host::Host;
use crate::owners::Owner;

pub(super) fn check(host: &Host<'_>) -> Outcome {
    let Some(sign) = sign(host) else {
        // whether there are legacy tables is known by their list or by their rules
        let rules = &host.snapshot.rules;
        let known = rules.legacy_v4.known().is_some() || rules.nft_v4.known().is_some();
        let listed = host.snapshot.legacy_tables.known().is_some();
        return if known || listed {
            Ok(Vec::new())
        } else {
            Err(super::unknown("legacy tables", &host.snapshot.legacy_tables))
        };
    };
    // with rules of systems in the other backend this is `split-backends`
    let counts = Family::BOTH.map(|family| split_backends::owned(host, Backend::NftCompat, family));
    if counts.iter().flat_map(|counts| counts.keys()).any(|owner| *owner != Owner::Host) {
        return Ok(Vec::new());
    }
    Ok(vec![
        Found::new(
            FindingCode::UnseenLegacyRules,
            Severity::Warning,
            "iptables-legacy",
            "legacy tables exist, and their rules could not be looked at: duplicates, order and \
             leftovers in them are unknown",
        )
        .evidence([sign])
        .advice(
            "they are in force all the same; run netkeep doctor on the node, which reads them without \
             iptables-legacy, or add iptables-legacy-save and ip6tables-legacy-save to the dump",
        ),
    ])
}

/// What says that there are legacy tables whose rules are not known.
pub(super) fn sign(host: &Host<'_>) -> Option<String> {
    let rules = &host.snapshot.rules;
    if rules.legacy_v4.known().is_some() || rules.legacy_v6.known().is_some() {
        return None;
    }
    if let Some(tables) = host.snapshot.legacy_tables.known() {
        let names: Vec<&str> = tables.v4.iter().chain(&tables.v6).map(String::as_str).collect();
        return (!names.is_empty()).then(|| format!("ip_tables_names: {}", names.join(" ")));
    }
    let messages = host.snapshot.messages.iter();
    let mut warnings = messages.filter(|m| m.text.contains("iptables-legacy tables present"));
    warnings.next().map(|message| format!("{}: {}", message.place, message.text))
}
