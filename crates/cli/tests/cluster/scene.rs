//! What every scenario begins with: a node in a cluster, Pods that serve, and an agent that has
//! mapped and published them.

use std::collections::BTreeSet;
use std::time::Duration;

use model::Protocol;
use serde_json::Value;
use testkit::api::{Api, Fault, On, Request};
use testkit::stage::NODE;
use testkit::{AgentProcess, Cluster, DEADLINE, KernelTable, Stage, Web, eventually, generation};

pub(crate) const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
pub(crate) const KEY: &str = "nodeportlocal.antrea.io";
pub(crate) const W0: &str = "default/web-0";
pub(crate) const W1: &str = "default/web-1";
pub(crate) const W2: &str = "default/web-2";
/// A watch of which nothing is heard for two seconds is stale.
pub(crate) const IMPATIENT: &[&str] = &["--kube-stale-after", "2"];

pub(crate) struct Scene {
    /// Dropped before the stage that it is on.
    pub(crate) agent: AgentProcess,
    pub(crate) webs: Vec<Web>,
    pub(crate) stage: Stage,
}

/// A stage in a cluster, without an agent.
#[track_caller]
pub(crate) fn stage(flags: &[&str]) -> Stage {
    let stage = Stage::in_cluster(NETKEEP, flags);
    api(&stage).bookmarks_every(Duration::from_millis(300));
    stage
}

pub(crate) fn cluster(stage: &Stage) -> &Cluster {
    stage.cluster().expect("the stage is in a cluster")
}

pub(crate) fn api(stage: &Stage) -> &Api {
    cluster(stage).api()
}

impl Scene {
    /// `web-0` and `web-1` run, are mapped and published.
    #[track_caller]
    pub(crate) fn new(flags: &[&str]) -> Self {
        Self::on(stage(flags))
    }

    /// The same on this stage.
    #[track_caller]
    pub(crate) fn on(stage: Stage) -> Self {
        let webs = vec![stage.web(W0, "10.10.0.1"), stage.web(W1, "10.10.0.2")];
        let agent = stage.agent();
        let scene = Self { agent, webs, stage };
        scene.maps(&[W0, W1]);
        scene.stage.publishes(2);
        scene
    }

    pub(crate) fn api(&self) -> &Api {
        api(&self.stage)
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        cluster(&self.stage)
    }

    #[track_caller]
    pub(crate) fn table(&self) -> KernelTable {
        KernelTable::read(self.stage.node()).unwrap()
    }

    #[track_caller]
    pub(crate) fn generation(&self) -> u32 {
        generation(self.stage.node())
    }

    /// The Pods that have mappings in the kernel.
    #[track_caller]
    pub(crate) fn mapped(&self) -> BTreeSet<String> {
        self.table().mappings.into_values().map(|leads| leads.owner).collect()
    }

    /// Waits until exactly these Pods have mappings in the kernel.
    #[track_caller]
    pub(crate) fn maps(&self, pods: &[&str]) {
        self.until(|| {
            let mapped = self.mapped();
            if mapped.iter().eq(pods) { Ok(()) } else { Err(format!("{mapped:?} not {pods:?}")) }
        });
    }

    /// Waits for something; says what the agent said if it never comes.
    #[track_caller]
    pub(crate) fn until<T>(&self, mut ask: impl FnMut() -> Result<T, String>) -> T {
        eventually(DEADLINE, || {
            ask().map_err(|error| format!("{error}\n--- the agent said\n{}", self.agent.stderr()))
        })
    }

    #[track_caller]
    pub(crate) fn health(&self) -> Value {
        self.until(|| self.stage.ask("health"))
    }

    /// Waits until deletions are held back, and the reason has these words.
    #[track_caller]
    pub(crate) fn holds(&self, words: &str) {
        self.until(|| {
            let health = self.stage.ask("health")?;
            match health["hold"].as_str() {
                Some(reason) if reason.contains(words) => Ok(()),
                _ => Err(format!("no hold for {words:?}: {health}")),
            }
        });
    }

    /// Waits until every kind is up to date and nothing is held back.
    #[track_caller]
    pub(crate) fn is_fresh(&self) {
        self.until(|| match self.stage.ask("health")? {
            health if health["hold"].is_null() => Ok(()),
            health => Err(health.to_string()),
        });
        self.until(|| match self.stage.metric("netkeep_source_fresh{source=\"kube\"") {
            3.0 => Ok(()),
            fresh => Err(format!("{fresh} of 3 kinds are fresh")),
        });
    }

    /// A new Pod that serves, and waits until it is mapped and answers.
    #[track_caller]
    pub(crate) fn comes(&mut self, name: &str, ip: &str) {
        self.webs.push(self.stage.web(name, ip));
        self.answers(name);
    }

    /// Waits until a Pod is mapped, and fails unless it answers.
    #[track_caller]
    pub(crate) fn answers(&self, pod: &str) {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let port = self.stage.port(pod, protocol);
            assert_eq!(self.stage.who(protocol, port), Ok(pod.to_owned()), "{protocol} {port}");
        }
    }

    /// Waits until the annotation of each of these Pods names the ports that it has.
    #[track_caller]
    pub(crate) fn publishes(&self, pods: &[&str]) {
        for pod in pods {
            let ports = [Protocol::Tcp, Protocol::Udp].map(|p| self.stage.port(pod, p));
            self.until(|| {
                let published = self.stage.published(pod).unwrap_or_default();
                let said = published.iter().map(|entry| entry["nodePort"].as_u64().unwrap());
                let said: Vec<u64> = said.collect();
                if said.iter().eq(&ports.map(u64::from)) {
                    Ok(())
                } else {
                    Err(format!("{pod} has {ports:?}, published {said:?}"))
                }
            });
        }
    }

    /// Requests of this verb and resource.
    pub(crate) fn asked(&self, verb: &str, resource: &str) -> Vec<Request> {
        let all = self.api().requests().into_iter();
        all.filter(|request| request.verb == verb && request.resource == resource).collect()
    }

    /// Every watch breaks and is begun anew.
    pub(crate) fn cut(&self) {
        self.cluster().server().cut_connections();
    }

    /// Every watch breaks, and nobody may go on from where it was: everything is listed anew.
    #[track_caller]
    pub(crate) fn relist(&self) {
        self.relist_after(|_| ());
    }

    /// The same, after something was done that nobody watched.
    #[track_caller]
    pub(crate) fn relist_after<T>(&self, unwatched: impl FnOnce(&Self) -> T) -> T {
        let away = self.api().fault(On::everything(), Fault::Drop).until_lifted();
        self.cut();
        self.until(|| match self.stage.metric("netkeep_source_fresh{source=\"kube\"") {
            0.0 => Ok(()),
            fresh => Err(format!("{fresh} kinds are still fresh")),
        });
        let done = unwatched(self);
        self.api().compact();
        away.lift();
        done
    }

    /// Stops the agent and starts it again.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.agent = self.stage.agent();
    }

    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let status = self.agent.terminate(DEADLINE);
        assert_eq!(status.code(), Some(0), "{}", self.agent.stderr());
    }

    /// Starts an agent that is not going to be ready at once.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        self.agent = self.stage.start();
        self.until(|| self.stage.ask("health").map(drop));
    }

    /// A finding whose message has these words.
    #[track_caller]
    pub(crate) fn finding(&self, code: &str, words: &str) -> Value {
        self.until(|| {
            let findings = self.stage.ask("findings")?;
            let mut all = findings.as_array().into_iter().flatten();
            let found = all.find(|finding| {
                finding["code"] == code && finding["message"].as_str().unwrap().contains(words)
            });
            found.cloned().ok_or_else(|| format!("no {code} with {words:?} in {findings:#}"))
        })
    }

    /// After all went well again: everything agrees, and nothing is left to be told.
    #[track_caller]
    pub(crate) fn ends_well(mut self, pods: &[&str]) {
        self.is_fresh();
        self.maps(pods);
        self.publishes(pods);
        self.stage.no_finding("source-unavailable");
        self.stage.nothing_to_do();
        self.stop();
    }
}

/// The arguments of an agent that are about this node.
pub(crate) fn node_args() -> [&'static str; 2] {
    ["--node", NODE]
}
