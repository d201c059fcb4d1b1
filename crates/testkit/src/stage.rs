//! A node on which the program under test runs: a lab, a folder of manifests, a state directory,
//! and clients that count what they lose.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lab::{Counters, Lab, Question, Server, SourcePort, Traffic, traffic};
use model::{IpFamily, Protocol};
use netns::Namespace;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::{Cluster, by_api, objects_of_the_test};
use crate::manifest::{Node, Pod, Service, Target};
use crate::poll::DEADLINE;
use crate::program::{AgentProcess, Output, netkeep_for};
use crate::{Folder, eventually};

mod published;

/// The node's name.
pub const NODE: &str = "n1";
/// The port that every Pod serves, by TCP and by UDP.
pub const POD_PORT: u16 = 8080;
/// How often each client asks.
const EVERY: Duration = Duration::from_millis(20);
/// How long a command may take; only a failing one takes so long.
const COMMAND: Duration = Duration::from_mins(1);

/// See the module's documentation.
#[derive(Debug)]
pub struct Stage {
    program: PathBuf,
    flags: Vec<String>,
    // Dropped before the node that it is in.
    cluster: Option<Cluster>,
    lab: Lab,
    folder: Folder,
    state: TempDir,
}

/// A Pod that serves [`POD_PORT`], and its object.
#[derive(Debug)]
pub struct Web {
    /// The Pod in the lab.
    pub pod: Arc<lab::Pod>,
    /// Its object, as it is in the folder.
    pub manifest: Pod,
    servers: Vec<Server>,
}

impl Stage {
    /// A node with an empty folder but for its Node and the Service `default/web`, which asks for
    /// NodePortLocal by TCP and UDP for Pods labelled `app: web`.
    #[track_caller]
    pub fn new(program: &str) -> Self {
        Self::with(program, &[])
    }

    /// The same; the program is given these flags whenever it reads objects.
    #[track_caller]
    pub fn with(program: &str, flags: &[&str]) -> Self {
        Self::made(program, flags, by_api())
    }

    /// The same; the program watches an API server, whatever other stages do.
    #[track_caller]
    pub fn in_cluster(program: &str, flags: &[&str]) -> Self {
        Self::made(program, flags, true)
    }

    #[track_caller]
    fn made(program: &str, flags: &[&str], in_cluster: bool) -> Self {
        let lab = Lab::new().unwrap();
        let cluster = in_cluster.then(|| Cluster::new(objects_of_the_test(), lab.node()));
        let folder = match &cluster {
            Some(cluster) => Folder::mirrored(cluster.api().clone()),
            None => Folder::new(),
        };
        folder.put(Node::of_lab(NODE, &lab));
        folder.put(service());
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let state = tempfile::tempdir().unwrap();
        Self { program: program.into(), flags, cluster, lab, folder, state }
    }

    /// From now on the program is given these flags instead.
    pub fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// The lab.
    pub const fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The node restarts: namespaces are new and without Pods; folder and state are as they were.
    #[track_caller]
    pub fn reboot(&mut self) {
        let cluster = self.cluster.take();
        self.lab = Lab::new().unwrap();
        self.cluster = cluster.map(|cluster| Cluster::new(cluster.api().clone(), self.lab.node()));
    }

    /// The API server that the program watches, if it watches one.
    pub const fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// The namespace in which the program runs.
    pub const fn node(&self) -> &Arc<Namespace> {
        self.lab.node()
    }

    /// The folder of manifests.
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The state directory; it need not exist.
    pub fn state_dir(&self) -> PathBuf {
        self.state.path().join("state")
    }

    /// A new Pod `NAMESPACE/NAME` with this IP that serves, and is not in the folder yet.
    #[track_caller]
    pub fn pod(&self, name: &str, ip: &str) -> Web {
        let pod = self.lab.pod(name, &[ip.parse().unwrap()]).unwrap();
        let servers = [Protocol::Tcp, Protocol::Udp]
            .map(|protocol| pod.serve(protocol, i64::from(POD_PORT).try_into().unwrap()).unwrap());
        let manifest = Pod::of_lab(name, &pod)
            .node(NODE)
            .label("app", "web")
            .port(None, Protocol::Tcp, POD_PORT)
            .port(None, Protocol::Udp, POD_PORT);
        Web { pod, manifest, servers: servers.into() }
    }

    /// As [`Stage::pod`], and in the folder.
    #[track_caller]
    pub fn web(&self, name: &str, ip: &str) -> Web {
        let web = self.pod(name, ip);
        self.folder.put(&web.manifest);
        web
    }

    /// A command that reads objects (`agent`, `plan`, `apply`), ready to be run in the node.
    pub fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args([verb, "--node", NODE, "--source"]);
        match &self.cluster {
            Some(cluster) => command.arg("kube").arg("--kubeconfig").arg(cluster.kubeconfig()),
            None => command.arg(self.folder.source()),
        };
        command.arg("--state-dir").arg(self.state_dir()).args(&self.flags);
        if verb == "agent" {
            command.arg("--socket").arg(self.socket());
        }
        command
    }

    /// Runs a command line in the node to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Output {
        netkeep_for(COMMAND, &self.program, self.node(), args)
    }

    /// Runs a command that reads objects, with more arguments, to its end.
    #[track_caller]
    pub fn run_with_source(&self, verb: &str, args: &[&str]) -> Output {
        let command = self.command(verb);
        let all: Vec<&str> = command
            .get_args()
            .map(|arg| arg.to_str().unwrap())
            .chain(args.iter().copied())
            .collect();
        self.run(&all)
    }

    /// `plan -o json`: exit code and plan.
    #[track_caller]
    pub fn plan(&self) -> (i32, Value) {
        let output = self.run_with_source("plan", &["-o", "json"]);
        (output.code.unwrap(), output.json())
    }

    /// Panics unless `plan` finds nothing to do.
    #[track_caller]
    pub fn nothing_to_do(&self) {
        let (code, plan) = self.plan();
        assert_eq!(code, 0, "{plan:#}");
        assert_eq!(plan["changes"], json!([]), "{plan:#}");
    }

    /// Starts an agent and waits until it has made everything so, or found out why it cannot.
    #[track_caller]
    pub fn agent(&self) -> AgentProcess {
        let mut agent = self.start();
        self.ready(&mut agent);
        agent
    }

    /// Starts an agent.
    #[track_caller]
    pub fn start(&self) -> AgentProcess {
        AgentProcess::start(self.node(), &mut self.command("agent"))
    }

    /// Waits until an agent is ready.
    #[track_caller]
    pub fn ready(&self, agent: &mut AgentProcess) {
        agent.ready(DEADLINE, || match self.ask("health")? {
            health if health["ready"] == true => Ok(()),
            health => Err(health.to_string()),
        });
    }

    /// The path of the agent's socket.
    pub fn socket(&self) -> PathBuf {
        self.state.path().join("agent.sock")
    }

    /// Asks the agent, on its socket: `npl`, `findings`, `owners`, `health`. What `show` prints.
    pub fn ask(&self, what: &str) -> Result<Value, String> {
        Ok(answer(&self.socket(), what)?["data"]["json"].clone())
    }

    /// The agent's metrics.
    #[track_caller]
    pub fn metrics(&self) -> String {
        // A loop that loads ten thousand mappings on a busy machine answers a moment later.
        eventually(DEADLINE, || {
            let answer = answer(&self.socket(), "metrics")?;
            answer["data"]["text"].as_str().map(str::to_owned).ok_or_else(|| answer.to_string())
        })
    }

    /// The sum of all metrics whose name, with labels, begins so.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics();
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values: Vec<f64> =
            lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        assert!(!values.is_empty(), "no metric {name} in\n{text}");
        values.iter().sum()
    }

    /// Waits until exactly so many mappings are there, all programmed, and nothing else is to be
    /// done to the kernel; returns them.
    #[track_caller]
    pub fn programmed(&self, count: usize) -> Vec<Value> {
        eventually(DEADLINE, || {
            let npl = self.ask("npl")?;
            let all = npl.as_array().ok_or("no list")?;
            let good = all.iter().filter(|mapping| mapping["state"] == "programmed").count();
            if (good, all.len()) != (count, count) {
                return Err(npl.to_string());
            }
            match self.metric("netkeep_pending_objects") {
                0.0 => Ok(all.clone()),
                pending => Err(format!("{pending} changes wait")),
            }
        })
    }

    /// The node port of a Pod's [`POD_PORT`], which must be programmed.
    #[track_caller]
    pub fn port(&self, pod: &str, protocol: Protocol) -> u16 {
        eventually(DEADLINE, || {
            let npl = self.ask("npl")?;
            let mapping = npl.as_array().into_iter().flatten().find(|mapping| {
                mapping["pod"] == pod
                    && mapping["protocol"] == protocol.as_str()
                    && mapping["state"] == "programmed"
            });
            let port = mapping.and_then(|mapping| mapping["nodePort"].as_u64());
            port.and_then(|port| port.try_into().ok()).ok_or_else(|| npl.to_string())
        })
    }

    /// Waits for a finding that fits, and returns it.
    #[track_caller]
    pub fn finding(&self, code: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(DEADLINE, || {
            let findings = self.ask("findings")?;
            let mut all = findings.as_array().into_iter().flatten();
            let found = all.find(|finding| finding["code"] == code && fits(finding));
            found.cloned().ok_or_else(|| format!("no {code} that fits in {findings:#}"))
        })
    }

    /// Waits until there is no finding of this code.
    #[track_caller]
    pub fn no_finding(&self, code: &str) {
        eventually(DEADLINE, || {
            let findings = self.ask("findings")?;
            let mut all = findings.as_array().into_iter().flatten();
            match all.find(|finding| finding["code"] == code) {
                None => Ok(()),
                Some(finding) => Err(finding.to_string()),
            }
        });
    }

    /// The node's address and a port.
    pub const fn node_port(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.lab.node_ip(IpFamily::V4), port)
    }

    /// Who answers the outside client at a node port now.
    pub fn who(&self, protocol: Protocol, port: u16) -> Result<String, String> {
        let question = Question::new(protocol, self.node_port(port)).within(Duration::from_secs(1));
        match question.ask(self.lab.client()) {
            Ok(answer) => Ok(answer.who),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Outside clients of a Pod that is programmed, until they are stopped: fifty new connections a
    /// second, one connection that lasts, and datagrams, each from a new port.
    #[track_caller]
    pub fn clients(&self, pod: &str) -> Clients {
        let target = |protocol| self.node_port(self.port(pod, protocol));
        let (tcp, udp) = (target(Protocol::Tcp), target(Protocol::Udp));
        let client = self.lab.client();
        Clients {
            who: pod.to_owned(),
            seen_as: self.lab.client_ip(IpFamily::V4),
            kinds: [
                ("new connections", {
                    traffic::connects(client, Question::new(Protocol::Tcp, tcp), EVERY).unwrap()
                }),
                ("the connection", traffic::stream(client, tcp, EVERY).unwrap()),
                ("datagrams", traffic::pings(client, udp, EVERY, SourcePort::Fresh).unwrap()),
            ],
        }
    }
}

/// Clients that run; see [`Stage::clients`].
#[derive(Debug)]
pub struct Clients {
    who: String,
    seen_as: IpAddr,
    kinds: [(&'static str, Traffic); 3],
}

impl Clients {
    /// Waits until each client has had so many more answers.
    #[track_caller]
    pub fn answered(&self, more: u64) {
        let now = |traffic: &Traffic| traffic.counters().answered;
        let goals: Vec<u64> = self.kinds.iter().map(|(_, traffic)| now(traffic) + more).collect();
        eventually(DEADLINE, || {
            for ((kind, traffic), goal) in self.kinds.iter().zip(&goals) {
                if now(traffic) < *goal {
                    return Err(format!("{kind}: {:?}", traffic.counters()));
                }
            }
            Ok(())
        });
    }

    /// Stops them. Everything they sent was answered, by this Pod, which saw their own address.
    #[track_caller]
    pub fn lost_nothing(self) {
        self.answered(3);
        let (who, seen_as) = (self.who.clone(), self.seen_as);
        for (kind, counters) in self.stop() {
            assert_eq!((counters.lost, &counters.broken), (0, &None), "{kind}: {counters:?}");
            let answerers: Vec<&String> = counters.by_answerer.keys().collect();
            assert_eq!(answerers, [&who], "{kind}: {counters:?}");
            assert!(counters.seen_peers.iter().eq([&seen_as]), "{kind}: {counters:?}");
        }
    }

    /// Stops them, and tells what each kind counted.
    pub fn stop(self) -> Vec<(&'static str, Counters)> {
        self.kinds.into_iter().map(|(kind, traffic)| (kind, traffic.stop())).collect()
    }
}

impl Web {
    /// Ends its servers: from now on nobody answers there.
    pub fn stop_serving(&mut self) {
        self.servers.clear();
    }
}

/// The Service of every stage.
pub fn service() -> Service {
    let target = Target::Number(POD_PORT);
    Service::new("default/web").npl().selector("app", "web").port(Protocol::Tcp, 80, target).port(
        Protocol::Udp,
        80,
        target,
    )
}

fn answer(socket: &Path, what: &str) -> Result<Value, String> {
    let told = |error: std::io::Error| format!("{}: {error}", socket.display());
    let mut stream = UnixStream::connect(socket).map_err(told)?;
    writeln!(stream, "{}", json!({ "ask": what })).map_err(told)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(told)?;
    serde_json::from_str(&line).map_err(|error| format!("{error}: {line:?}"))
}
