//! A stage with any Pods and Services, and the agent on it, over its stops, crashes and reboots.
//!
//! Invariants: the folder begins with the Node alone; waiting ends (`DEADLINE`) and then tells what
//! the agent said; `sync` really is a barrier.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lab::{Answer, AskError, Lab, Question};
use model::{IpFamily, PodPort, Protocol};
use netns::Namespace;
use serde_json::Value;

use crate::poll::{DEADLINE, eventually};
use crate::program::{AgentProcess, Output};
use crate::stage::{NODE, Stage};
use crate::{Folder, Manifest, Node, Pod, Service, Target};

mod mapping;
mod steady;

pub use mapping::Mapping;
pub use steady::Steady;

/// How long a single question waits: long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module's documentation.
#[derive(Debug)]
pub struct World {
    args: Vec<String>,
    // Dropped before the stage that it is on.
    agent: Option<AgentProcess>,
    stage: Stage,
    barriers: Cell<u32>,
}

impl World {
    /// A world without an agent yet. `program` is `netkeep`.
    #[track_caller]
    pub fn new(program: &str) -> Self {
        let stage = Stage::new(program);
        stage.folder().clear();
        stage.folder().put(Node::of_lab(NODE, stage.lab()));
        tell_every_refusal(stage.node());
        Self { args: Vec::new(), agent: None, stage, barriers: Cell::new(0) }
    }

    /// With more arguments for the agent.
    #[must_use]
    pub fn with_args(mut self, args: &[&str]) -> Self {
        self.set_args(args);
        self
    }

    /// From its next start on, the agent gets these arguments.
    pub fn set_args(&mut self, args: &[&str]) {
        self.args = args.iter().map(|arg| (*arg).to_owned()).collect();
    }

    /// The stage.
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The lab.
    pub const fn lab(&self) -> &Lab {
        self.stage.lab()
    }

    /// The node's namespace.
    pub const fn node(&self) -> &Arc<Namespace> {
        self.stage.node()
    }

    /// The folder that the agent reads.
    pub const fn folder(&self) -> &Folder {
        self.stage.folder()
    }

    /// A Pod of the lab with these addresses.
    #[track_caller]
    pub fn pod(&self, name: &str, ips: &[&str]) -> Arc<lab::Pod> {
        let ips: Vec<_> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        self.lab().pod(name, &ips).unwrap()
    }

    /// Starts the agent and waits until it is in sync with the folder.
    #[track_caller]
    pub fn start(&mut self) {
        self.launch(&[]);
        self.sync();
    }

    /// Starts the agent with these variables in its environment, and does not wait.
    #[track_caller]
    pub fn launch(&mut self, environment: &[(&str, &str)]) {
        assert!(self.agent.is_none(), "there is an agent already");
        let mut command = self.stage.command("agent");
        command.args(&self.args).envs(environment.iter().copied());
        self.agent = Some(AgentProcess::start(self.node(), &mut command));
    }

    /// The running agent.
    #[track_caller]
    pub fn agent(&mut self) -> &mut AgentProcess {
        self.agent.as_mut().expect("no agent was started")
    }

    /// Stops the agent as a service manager does.
    #[track_caller]
    pub fn stop(&mut self) {
        let status = self.agent().terminate(DEADLINE);
        assert_eq!(status.code(), Some(0), "{}", self.agent().stderr());
        self.agent = None;
    }

    /// Kills the agent: a crash.
    #[track_caller]
    pub fn crash(&mut self) {
        self.agent().kill();
        self.agent = None;
    }

    /// Waits until the agent was killed at its failpoint.
    #[track_caller]
    pub fn wait_killed(&mut self) {
        let status = self.agent().ended(DEADLINE);
        assert_eq!(status.code(), None, "not killed:\n{}", self.agent().stderr());
        self.agent = None;
    }

    /// The node restarts: its namespaces are new, with no Pods in them; folder and state directory
    /// are as they were.
    #[track_caller]
    pub fn reboot(&mut self) {
        self.crash();
        self.stage.reboot();
        tell_every_refusal(self.node());
    }

    /// Runs a command of the program in the node.
    #[track_caller]
    pub fn netkeep(&self, args: &[&str]) -> Output {
        self.stage.run(args)
    }

    /// What `netkeep show WHAT -o json` prints.
    #[track_caller]
    pub fn show(&self, what: &str) -> Value {
        self.until(|| self.stage.ask(what))
    }

    /// All mappings that the agent reports, without those of [`World::sync`].
    #[track_caller]
    pub fn mappings(&self) -> Vec<Mapping> {
        let mappings = mapping::read(&self.show("npl"));
        mappings.into_iter().filter(|mapping| !mapping.pod.starts_with(BARRIER)).collect()
    }

    /// All mappings that the kernel holds.
    #[track_caller]
    pub fn kernel_mappings(&self) -> Vec<Mapping> {
        mapping::read(
            &self.netkeep(&["show", "npl", "--kernel", "-o", "json"]).expect_code(0).json(),
        )
    }

    /// The mappings of a Pod (`NAMESPACE/NAME`).
    #[track_caller]
    pub fn mappings_of(&self, pod: &str) -> Vec<Mapping> {
        self.mappings().into_iter().filter(|mapping| mapping.pod == pod).collect()
    }

    /// Waits until this mapping is in the kernel, and answers its node port.
    #[track_caller]
    pub fn port(&self, pod: &str, protocol: Protocol, pod_port: u16) -> u16 {
        self.port_of(pod, IpFamily::V4, protocol, pod_port)
    }

    /// As [`World::port`], for any family.
    #[track_caller]
    pub fn port_of(&self, pod: &str, family: IpFamily, protocol: Protocol, pod_port: u16) -> u16 {
        self.until(|| {
            let mappings = self.mappings();
            mappings
                .iter()
                .find(|m| m.is(pod, family, protocol, pod_port) && m.state == "programmed")
                .map(|mapping| mapping.node_port)
                .ok_or_else(|| format!("no {family} {protocol} {pod_port} of {pod}: {mappings:?}"))
        })
    }

    /// The findings of this code.
    #[track_caller]
    pub fn findings(&self, code: &str) -> Vec<Value> {
        let Value::Array(findings) = self.show("findings") else { panic!("findings are no list") };
        findings.into_iter().filter(|finding| finding["code"] == code).collect()
    }

    /// The annotation that the Pod's published file has: none without a file, `Some(None)` for one
    /// that asks for the annotation's removal.
    #[track_caller]
    pub fn published(&self, pod: &str) -> Option<Option<String>> {
        if let Some(cluster) = self.stage.cluster() {
            return cluster.published(pod).map(Some);
        }
        let text = fs::read_to_string(self.published_file(pod)).ok()?;
        let problem =
            |what: &str| -> ! { panic!("{what} in the published file of {pod}:\n{text}") };
        let Ok(patch) = mapping::published(&text) else { problem("no annotation") };
        Some(patch)
    }

    /// Waits until the published annotation of the Pod is as wanted, and answers it.
    #[track_caller]
    pub fn published_as(&self, pod: &str, fits: impl Fn(&str) -> bool) -> String {
        self.until(|| match self.published(pod) {
            Some(Some(text)) if fits(&text) => Ok(text),
            other => Err(format!("published for {pod}: {other:?}")),
        })
    }

    /// Waits until nothing is published for the Pod.
    #[track_caller]
    pub fn unpublished(&self, pod: &str) {
        self.until(|| match self.published(pod) {
            None => Ok(()),
            other => Err(format!("published for {pod}: {other:?}")),
        });
    }

    /// Where the Pod's published file is.
    pub fn published_file(&self, pod: &str) -> PathBuf {
        self.stage.state_dir().join("published/pods").join(format!("{pod}.yaml"))
    }

    /// Waits until the predicate has a value; if it never has, says what the agent said.
    #[track_caller]
    pub fn until<T>(&self, mut ask: impl FnMut() -> Result<T, String>) -> T {
        eventually(DEADLINE, || {
            ask().map_err(|error| {
                let said = self.agent.as_ref().map(AgentProcess::stderr).unwrap_or_default();
                format!("{error}\n--- the agent said\n{said}---")
            })
        })
    }

    /// Waits until the agent has dealt with everything that was done to the folder before.
    ///
    /// Changes are told at once and deletions once the folder is quiet, so the marker is both: a
    /// Pod on the host network (it takes no port of the range) that comes, and one that goes.
    #[track_caller]
    pub fn sync(&self) {
        let number = self.barriers.get() + 1;
        self.barriers.set(number);
        let marker = |number: u32| {
            let pod = Pod::new(&format!("{BARRIER}{number}")).node(NODE).label("app", "barrier");
            pod.host_network().ips(&[self.lab().node_ip(IpFamily::V4)])
        };
        if number == 1 {
            let service = Service::new("barrier/all").npl().selector("app", "barrier");
            self.folder().put(service.port(Protocol::Tcp, 1, Target::Number(1)));
        } else {
            self.folder().remove(marker(number - 1));
        }
        self.folder().put(marker(number));
        self.until(|| {
            let markers: Vec<String> = mapping::read(&self.stage.ask("npl")?)
                .into_iter()
                .filter_map(|mapping| mapping.pod.strip_prefix(BARRIER).map(str::to_owned))
                .collect();
            if markers == [number.to_string()] {
                Ok(())
            } else {
                Err(format!("the folder's marker is {number}, the agent knows {markers:?}"))
            }
        });
    }

    /// The node's address of a family, with a port.
    pub const fn at(&self, family: IpFamily, port: u16) -> SocketAddr {
        SocketAddr::new(self.lab().node_ip(family), port)
    }

    /// The client asks at a port of the node.
    pub fn ask(&self, family: IpFamily, protocol: Protocol, port: u16) -> Result<Answer, AskError> {
        let question = Question::new(protocol, self.at(family, port)).within(PATIENCE);
        question.ask(self.lab().client())
    }

    /// Who answers the client, over IPv4.
    #[track_caller]
    pub fn who(&self, protocol: Protocol, port: u16) -> String {
        self.ask(IpFamily::V4, protocol, port).unwrap().who
    }

    /// Fails unless the client is refused, over IPv4.
    #[track_caller]
    pub fn assert_refused(&self, protocol: Protocol, port: u16) {
        let answer = self.ask(IpFamily::V4, protocol, port);
        assert!(matches!(answer, Err(AskError::Refused)), "{protocol} {port}: {answer:?}");
    }
}

const BARRIER: &str = "barrier/marker-";

/// The kernel sends few ICMP errors a second to one address (icmp(7)); a test asks more often.
fn tell_every_refusal(node: &Namespace) {
    let limits = ["ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"];
    let write = || limits.map(|limit| fs::write(format!("/proc/sys/net/{limit}"), "0").unwrap());
    node.run(write).unwrap();
}

/// A Pod of the lab as its manifest, on the node under test, with the label `app: NAME`.
pub fn manifest_of(pod: &lab::Pod) -> Pod {
    let name = pod.name();
    Pod::of_lab(&format!("default/{name}"), pod).node(NODE).label("app", name)
}

/// A Service `default/NAME` that asks for NodePortLocal and selects the label `app: NAME`, with
/// these target ports.
pub fn service_for(name: &str, ports: &[(Protocol, u16)]) -> Service {
    let service = Service::new(&format!("default/{name}")).npl().selector("app", name);
    ports.iter().fold(service, |service, (protocol, port)| {
        service.port(*protocol, *port, Target::Number(*port))
    })
}

/// A server of the Pod for each of these ports.
#[track_caller]
pub fn serve(pod: &lab::Pod, ports: &[(Protocol, u16)]) -> Vec<lab::Server> {
    let port = |number: u16| PodPort::try_from(i64::from(number)).unwrap();
    ports.iter().map(|(protocol, number)| pod.serve(*protocol, port(*number)).unwrap()).collect()
}

/// An object of the world, changed by hand.
#[must_use]
pub fn changed(object: impl Into<Manifest>, change: impl FnOnce(&mut Value)) -> Manifest {
    let mut manifest = object.into();
    change(manifest.value_mut());
    manifest
}
