//! Rows about rules of iptables that others made: reading, diagnosing and sweeping them, and what an
//! agent that watches them costs.

mod doctor;
mod host_checks;
mod process;
mod read;
mod shape;
mod sweep;

use anyhow::Result;
use xt::Backend;

use crate::contest::Scene;
use crate::peers::{self, Input};

pub(crate) use doctor::run as doctor_rules;
pub(crate) use host_checks::run as host_checks;
pub(crate) use read::run as read_iptables;
pub(crate) use sweep::run as sweep_rules;

/// A backend, by the words and the programs that stand for it.
#[derive(Debug, Clone, Copy)]
struct Side {
    backend: Backend,
    /// As `netkeep sweep --backend` and `netkeep-read` want it.
    word: &'static str,
    save: &'static str,
    restore: &'static str,
}

const LEGACY: Side = Side {
    backend: Backend::Legacy,
    word: "legacy",
    save: "iptables-legacy-save",
    restore: "iptables-legacy-restore",
};
const NFT: Side = Side {
    backend: Backend::NftCompat,
    word: "nft",
    save: "iptables-nft-save",
    restore: "iptables-nft-restore",
};

impl Side {
    /// Loads a text of iptables-save into the namespace of the calling thread.
    fn load(self, scene: &Scene, text: &str) -> Result<()> {
        let input = Input::write(scene, "rules", text)?;
        peers::feed(scene, self.restore, &[], &input)
    }
}
