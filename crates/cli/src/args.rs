//! The command line, as a type. `--help` of every command is part of the product: each has
//! examples and says its exit codes.

mod sweep;

use std::net::SocketAddr;
use std::path::PathBuf;

use agent::config::{SOCKET_DEFAULT, STATE_DIR_DEFAULT, SourceSpec};
use clap::{Args, Parser, Subcommand, ValueEnum};
use model::PortRange;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

pub(crate) use self::sweep::{BackendArg, SweepArgs};

/// Keeps a Kubernetes node's network rules: never lost, never duplicated, never the wrong Pod's.
#[derive(Debug, Parser)]
#[command(name = "netkeep", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep this node's rules, until stopped
    ///
    /// Reads objects, programs the kernel, repairs what others break. SIGTERM or SIGINT stops it
    /// within 5 seconds; what is in the kernel stays and goes on working.
    #[command(after_help = "\
EXAMPLES:
    netkeep agent --node n1 --source dir:/etc/netkeep/manifests
    netkeep agent --node n1 --source dir:./manifests --state-dir ./state --metrics 127.0.0.1:9105
    netkeep agent --node n1 --source kube --kubeconfig ~/.kube/config

EXIT CODES: 0 stopped by a signal, 1 error, 2 bad usage")]
    Agent(AgentArgs),
    /// Show what would change here, in order, each with its owner and reason
    #[command(after_help = "\
Works with and without a running agent, and changes nothing.

EXAMPLES:
    netkeep plan --node n1 --source dir:./manifests
    netkeep plan --node n1 --source dir:./manifests -o json | jq '.changes[].object'

EXIT CODES: 0 nothing to do, 2 there are changes, 1 error, or no changes as far as can be told: a hold,
as not everything could be read")]
    Plan(ReconcileArgs),
    /// Reconcile once, verify, exit
    #[command(after_help = "\
The sockets that keep other processes off the node ports end with the command: for lasting
protection run the agent.

EXAMPLES:
    netkeep apply --node n1 --source dir:./manifests

EXIT CODES: 0 converged and verified, 1 not")]
    Apply(ReconcileArgs),
    /// Show mappings, owners or findings
    #[command(after_help = "\
Asks the agent of this network namespace. With --kernel, reads the kernel instead and needs no
agent: netkeep's marks in the kernel name the owners.

EXAMPLES:
    netkeep show npl
    netkeep show npl -o json | jq '.[] | select(.state != \"programmed\")'
    netkeep show npl --kernel
    netkeep show findings")]
    Show(ShowArgs),
    /// Say which objects make this so, and why
    #[command(after_help = "\
EXAMPLES:
    netkeep explain default/web-0
    netkeep explain 10.244.1.7
    netkeep explain 'tcp 61000'
    netkeep explain '198.51.100.7 -> 192.0.2.10 tcp 61000'")]
    Explain(ExplainArgs),
    /// Show or change what the running agent logs
    ///
    /// Holds until the agent ends; the setting is --log-level.
    #[command(after_help = "\
EXAMPLES:
    netkeep log-level
    netkeep log-level debug")]
    LogLevel(LogLevelArgs),
    /// Take leftover rules of iptables out of one backend, or put them back
    #[command(after_help = self::sweep::HELP)]
    Sweep(SweepArgs),
    /// Leave nothing behind: the table, the published files, the state
    #[command(after_help = "\
Without --yes it only prints what it would remove. Stop the agent first.

EXAMPLES:
    netkeep uninstall
    netkeep uninstall --yes

EXIT CODES: 0 done (or nothing to do), 1 error")]
    Uninstall(UninstallArgs),
    /// Say what is wrong with a node's network, whichever CNI it runs
    ///
    /// Reads what the tools print (iptables-save of both backends, nft, ip, ipset, conntrack, sysctl,
    /// ss, ovs-vsctl) or a snapshot of netkeep; what a file holds is found by its content.
    #[command(after_help = "\
EXAMPLES:
    netkeep doctor --from ./dump-of-node-7
    netkeep doctor --from iptables-save.txt ip6tables-save.txt nft-ruleset.json
    netkeep doctor --from ./dump -o json | jq '.findings[] | select(.severity == \"error\")'
    netkeep doctor --explain split-backends

EXIT CODES: 0 clean, 1 findings of severity error or warning, 2 could not look")]
    Doctor(DoctorArgs),
    /// Compare two nodes, or two moments of one, by meaning
    ///
    /// Addresses and names that are particular to a node, handles and counters do not count; order
    /// counts where it matters.
    #[command(after_help = "\
EXAMPLES:
    netkeep diff ./dump-of-healthy-node ./dump-of-broken-node
    netkeep diff monday.json today.json -o json | jq '.groups[].owner'

EXIT CODES: 0 the same, 1 they differ, 2 could not look")]
    Diff(DiffArgs),
    /// Write down this node's network as it is: everything doctor reads, in one file
    ///
    /// Rules of both iptables backends and of nftables, sets, links, addresses, routes, neighbours,
    /// Open vSwitch, conntrack, sysctls, sockets, and the state of the agent if one runs. Looks only:
    /// no tool is started, no table made, no kernel module loaded. What cannot be seen says why.
    #[command(after_help = "\
EXAMPLES:
    netkeep snapshot -o node7.json
    netkeep snapshot --redact -o for-the-report.json
    netkeep snapshot | jq '.rules.nftV4.known.tables[].name'
    netkeep doctor --from node7.json

EXIT CODES: 0 taken, 1 cannot be written")]
    Snapshot(SnapshotArgs),
    /// A lab of network namespaces with real traffic: no root, no cluster, no other tool needed
    #[command(after_help = "\
EXAMPLES:
    netkeep demo
    netkeep demo ip-reuse")]
    Demo(DemoArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For scripts
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// For people
    Table,
    /// For scripts
    Json,
}

/// What every command that reads objects is told. All of it may stand in the file of `--config`
/// too; a flag beats the environment, which beats the file, which beats the default.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// A YAML file with any of these settings, keys as the flags in camelCase
    #[arg(long, env = "NETKEEP_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The name of this node: only its Pods count
    #[arg(long, env = "NETKEEP_NODE", value_name = "NAME", value_parser = node_name)]
    pub(crate) node: Option<String>,
    /// Where objects come from: dir:PATH, a folder of manifests, or kube, the API server
    #[arg(long, env = "NETKEEP_SOURCE", value_name = "dir:PATH|kube")]
    pub(crate) source: Option<SourceSpec>,
    /// How to reach the API server [default: the service account of the Pod that this runs in,
    /// else as kubectl does]
    #[arg(long, env = "NETKEEP_KUBECONFIG", value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Seconds without a word from a watch, not even a bookmark, until what it told counts as
    /// stale and nothing is deleted because of it [default: 100]
    #[arg(long, env = "NETKEEP_KUBE_STALE_AFTER", value_name = "SECONDS",
          value_parser = limits::within(limits::STALE_AFTER))]
    pub(crate) kube_stale_after: Option<u32>,
    /// Believe a folder or a list without objects (otherwise it counts as unavailable and nothing
    /// is deleted)
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// Where the journal and the published annotations are kept [default: /var/lib/netkeep]
    #[arg(long, env = "NETKEEP_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Node ports to hand out, both ends included [default: 61000-62000]
    #[arg(long, env = "NETKEEP_NPL_PORT_RANGE", value_name = "FIRST-LAST")]
    pub(crate) npl_port_range: Option<PortRange>,
    /// Elements that each mapping map can hold [default: what the port range needs]
    #[arg(long, env = "NETKEEP_NPL_MAP_SIZE", value_name = "N",
          value_parser = limits::within(limits::MAP_SIZE))]
    pub(crate) npl_map_size: Option<u32>,
    /// Whether the kernel refuses other writers to our table (exclusive needs Linux 6.9; older
    /// kernels get shared: what others change is repaired) [default: exclusive]
    #[arg(long, env = "NETKEEP_TABLE", value_enum)]
    pub(crate) table: Option<TableArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TableArg {
    /// Take the table with the owner flag
    Exclusive,
    /// Leave it open to others
    Shared,
}

#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Where to answer `netkeep show` [default: /run/netkeep/agent.sock if it can be had]
    #[arg(long, env = "NETKEEP_SOCKET", value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Where to serve /metrics, /healthz, /livez and /readyz
    #[arg(long, env = "NETKEEP_METRICS", value_name = "ADDR:PORT")]
    pub(crate) metrics: Option<SocketAddr>,
    /// What to log: error, warn, info, debug or trace [default: info]
    #[arg(long, env = "NETKEEP_LOG", value_name = "LEVEL", value_parser = log_level)]
    pub(crate) log_level: Option<LevelFilter>,
    /// How often at most the rules of everybody on this node are checked, as `netkeep doctor` does;
    /// 0 is never. Nothing is checked while nothing changes [default: 30]
    #[arg(long, env = "NETKEEP_HOST_CHECKS", value_name = "SECONDS",
          value_parser = limits::within(limits::HOST_CHECKS))]
    pub(crate) host_checks: Option<u32>,
    /// Seconds that deletions may be held until /healthz is red, because what the source says cannot
    /// be believed; 0 is for ever [default: 600]
    #[arg(long, env = "NETKEEP_HOLD_TOLERANCE", value_name = "SECONDS",
          value_parser = limits::within(limits::HOLD_TOLERANCE))]
    pub(crate) hold_tolerance: Option<u32>,
    /// Print the settings that would hold, as a file for --config, and exit
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// For people or for scripts
    #[arg(short, long, value_enum, default_value = "text")]
    pub(crate) output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// NodePortLocal mappings
    Npl,
    /// Owners and what they hold
    Owners,
    /// What a person should know
    Findings,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// What to show
    #[arg(value_enum)]
    pub(crate) what: What,
    /// For people or for scripts
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: TableFormat,
    /// Read the kernel of this network namespace, not the agent
    #[arg(long)]
    pub(crate) kernel: bool,
    #[command(flatten)]
    pub(crate) socket: SocketArg,
}

#[derive(Debug, Args)]
pub(crate) struct SocketArg {
    /// The agent's socket [default: that of the agent of this network namespace]
    #[arg(long, env = "NETKEEP_SOCKET", value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

impl SocketArg {
    /// Where the agent of this namespace listens too, if the name of its lock is another's.
    pub(crate) fn fallback() -> PathBuf {
        SOCKET_DEFAULT.into()
    }
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A Pod (ns/name), an IP, 'tcp 61000', or 'SRC -> DST tcp 80'
    #[arg(value_name = "WHAT", required = true, num_args = 1..)]
    pub(crate) what: Vec<String>,
    /// For people or for scripts
    #[arg(short, long, value_enum, default_value = "text")]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) socket: SocketArg,
}

#[derive(Debug, Args)]
pub(crate) struct LogLevelArgs {
    /// error, warn, info, debug or trace; without it, what it is now
    #[arg(value_name = "LEVEL", value_parser = log_level)]
    pub(crate) level: Option<LevelFilter>,
    #[command(flatten)]
    pub(crate) socket: SocketArg,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// Do it, do not only print it
    #[arg(long)]
    pub(crate) yes: bool,
    /// The state directory to remove
    #[arg(long, env = "NETKEEP_STATE_DIR", value_name = "DIR", default_value = STATE_DIR_DEFAULT)]
    pub(crate) state_dir: PathBuf,
    /// For people or for scripts
    #[arg(short, long, value_enum, default_value = "text")]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Files or folders with what the tools printed, or a snapshot [default: this node]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) from: Vec<PathBuf>,
    /// For people or for scripts
    #[arg(short, long, value_enum, default_value = "text")]
    pub(crate) output: Format,
    /// Show the page of a finding code
    #[arg(long, value_name = "CODE", conflicts_with = "from")]
    pub(crate) explain: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// Where to write it, readable for its owner only [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Without secrets, and with addresses and names that identify the node replaced
    #[arg(long)]
    pub(crate) redact: bool,
    #[command(flatten)]
    pub(crate) socket: SocketArg,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A file or folder: the node that is well, or the earlier moment
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// A file or folder: the other one
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    /// For people or for scripts
    #[arg(short, long, value_enum, default_value = "text")]
    pub(crate) output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// A finished Pod's IP goes to a live Pod; then a flush, a restart, a repair
    IpReuse,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The story to tell
    #[arg(value_enum, default_value = "ip-reuse")]
    pub(crate) scenario: Scenario,
}

/// What numbers may be, both ends included, on the command line and in the file of `--config`.
pub(crate) mod limits {
    use clap::builder::RangedU64ValueParser;

    /// Seconds without a word until a watch is stale.
    pub(crate) const STALE_AFTER: (u32, u32) = (1, 3_600);
    /// Seconds between two checks of the node.
    pub(crate) const HOST_CHECKS: (u32, u32) = (0, 86_400);
    /// Seconds that deletions may be held.
    pub(crate) const HOLD_TOLERANCE: (u32, u32) = (0, 86_400);
    /// Elements of a map.
    pub(crate) const MAP_SIZE: (u32, u32) = (1, 1 << 24);

    /// A number within these limits.
    pub(super) fn within((min, max): (u32, u32)) -> RangedU64ValueParser<u32> {
        RangedU64ValueParser::new().range(u64::from(min)..=u64::from(max))
    }
}

/// A level of logging by its word. An agent that logs nothing, or by numbers, is not to be had.
pub(crate) fn log_level(text: &str) -> Result<LevelFilter, String> {
    Ok(match text {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return Err("a log level is error, warn, info, debug or trace".to_owned()),
    })
}

/// A node name is a DNS-1123 subdomain, as in Kubernetes.
pub(crate) fn node_name(text: &str) -> Result<String, String> {
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        Ok(text.to_owned())
    } else {
        Err("a node name is lower-case letters, digits, '-' and '.'".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_log_level_is_one_of_five_words() {
        for word in ["error", "warn", "info", "debug", "trace"] {
            assert_eq!(log_level(word).unwrap().to_string(), word);
        }
        for bad in ["off", "3", "0", "INFO", "", "warning"] {
            assert!(log_level(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_node_name_is_a_dns_subdomain() {
        assert!(node_name("ip-10-0-0-1.ec2.internal").is_ok());
        for bad in ["", "N1", "a..b", "-a", "a/b", "a b"] {
            assert!(node_name(bad).is_err(), "{bad}");
        }
    }
}
