//! What `netkeep sweep` is told.

use std::path::PathBuf;

use agent::config::STATE_DIR_DEFAULT;
use clap::{ArgGroup, Args, ValueEnum};
use doctor::owners::Owner;

use super::Format;

/// Examples and exit codes.
pub(crate) const HELP: &str = "\
Without --yes it only prints what would go. With it, everything needed to put the rules back is
written to a file first; each table is changed at once, read back and compared. Rules that others
write meanwhile are not lost. Nothing of iptables needs to be installed.

It refuses chains that a running program keeps, and what would cut the node off from SSH, the API
server or its own connections, also if it is a restore (--force overrules both), and chains that rules
of others lead to. Copies whose repetition means something stay, and it says why.

EXAMPLES:
    netkeep sweep --of calico --backend legacy
    netkeep sweep --of kube-router --backend nft --yes
    netkeep sweep --duplicates --backend nft --yes
    netkeep sweep --match '*10.244.3.*' --backend legacy -o json | jq '.rules[].rule'
    netkeep sweep --restore /var/lib/netkeep/sweep-20260102T030405.678Z.json --yes

EXIT CODES: 0 nothing to do, or done and verified; 2 there is something to do (without --yes);
1 error, refused, not everything could be restored";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendArg {
    /// x_tables, what iptables-legacy writes
    Legacy,
    /// nf_tables, what iptables-nft writes
    Nft,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["of", "matching", "duplicates", "restore"]))]
pub(crate) struct SweepArgs {
    /// Rules and chains of this system, such as kube-router, calico, flannel, kube-proxy
    #[arg(long, value_name = "NAME", value_parser = system, requires = "backend")]
    pub(crate) of: Option<Owner>,
    /// Chains whose name, and rules whose text as iptables-save prints it, is like this: * is
    /// anything, ? one letter
    #[arg(long = "match", value_name = "PATTERN", requires = "backend")]
    pub(crate) matching: Option<String>,
    /// Later copies of a rule in one chain; the first one stays
    #[arg(long, requires = "backend")]
    pub(crate) duplicates: bool,
    /// Put back what a sweep took out, as far as it is not there
    #[arg(long, value_name = "FILE", conflicts_with_all = ["backend", "backup"])]
    pub(crate) restore: Option<PathBuf>,
    /// Where the rules are, in both families
    #[arg(long, value_enum)]
    pub(crate) backend: Option<BackendArg>,
    /// Do it, do not only print it
    #[arg(long)]
    pub(crate) yes: bool,
    /// Also if a program that runs would write the rules again, or if the node would be cut off
    #[arg(long)]
    pub(crate) force: bool,
    /// What undoes the sweep is written here; must not exist [default: sweep-<time>.json in the
    /// state directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) backup: Option<PathBuf>,
    /// Where backups are kept
    #[arg(long, env = "NETKEEP_STATE_DIR", value_name = "DIR", default_value = STATE_DIR_DEFAULT)]
    pub(crate) state_dir: PathBuf,
    /// The lock of legacy iptables
    #[arg(long, env = "XTABLES_LOCKFILE", value_name = "FILE",
          default_value = ::sweep::LOCK_PATH, hide = true)]
    pub(crate) lock: PathBuf,
    /// For people or for scripts
    #[arg(short, long, value_enum, default_value = "text")]
    pub(crate) output: Format,
}

fn system(name: &str) -> Result<Owner, ::sweep::UnknownSystem> {
    ::sweep::system(name)
}
