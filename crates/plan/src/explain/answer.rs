//! The answers of `explain`, as data and as text.

use std::fmt;

use model::owner::Life;
use model::{Finding, MappingReport, MappingState, Uid};
use serde::Serialize;

use crate::ports::LeaseState;

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The question.
    pub query: String,
    /// The answer in sentences.
    pub says: Vec<String>,
    /// The Pods that have to do with it.
    pub pods: Vec<PodAnswer>,
    /// The elements that have to do with it.
    pub elements: Vec<ElementAnswer>,
    /// What is to be known of these Pods.
    pub findings: Vec<Finding>,
}

/// A Pod, and what makes it what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodAnswer {
    /// `namespace/name`.
    pub pod: String,
    /// Its UID.
    pub uid: Uid,
    /// Whether it still runs.
    pub life: Life,
    /// Its IPs, and whether they are its own.
    pub addresses: Vec<AddressAnswer>,
    /// The Services that ask for NodePortLocal and select it, or would.
    pub services: Vec<String>,
    /// Its mappings.
    pub mappings: Vec<MappingReport>,
}

/// An IP of a Pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressAnswer {
    /// The IP.
    pub ip: String,
    /// Whether the Pod owns it.
    pub owned: bool,
    /// Why, or why not.
    pub why: String,
}

/// An element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ElementAnswer {
    /// Its map and key.
    pub object: String,
    /// The value that is wanted.
    pub wanted: Option<String>,
    /// The value that the kernel holds.
    pub programmed: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// Whether it is as wanted, and why not.
    pub state: String,
    /// Claims on it that lost, and why.
    pub losers: Vec<String>,
}

impl Explanation {
    pub(super) fn say(&mut self, sentence: String) {
        self.says.push(sentence);
    }
}

/// A mapping's state as words.
pub(super) fn state(state: MappingState, reason: &str) -> String {
    let word = match state {
        MappingState::Programmed => "programmed",
        MappingState::Pending => "pending",
        MappingState::Error => "error",
    };
    if reason.is_empty() { word.to_owned() } else { format!("{word} ({reason})") }
}

/// A lease's state as words.
pub(super) const fn lease(state: LeaseState) -> &'static str {
    match state {
        LeaseState::Journaled => "remembered by the journal, its socket not bound yet",
        LeaseState::Marked => "remembered by the kernel's mark, its socket not bound yet",
        LeaseState::Held => "held",
        LeaseState::Leaving | LeaseState::LeavingUnbound => {
            "nobody wants it any more; it is kept until its element is gone"
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sentence in &self.says {
            writeln!(f, "{sentence}")?;
        }
        for pod in &self.pods {
            writeln!(f, "Pod {} (uid {}, {})", pod.pod, pod.uid, life(pod.life))?;
            for address in &pod.addresses {
                let own = if address.owned { "its own" } else { "not its own" };
                writeln!(f, "  IP {}: {own}, {}", address.ip, address.why)?;
            }
            for service in &pod.services {
                writeln!(f, "  Service {service}")?;
            }
            for m in &pod.mappings {
                let MappingReport { protocol, pod_port, node_port, ip_family, .. } = m;
                let state = state(m.state, &m.reason);
                let port = match node_port {
                    0 => format!("{pod_port}, no node port"),
                    _ => format!("{node_port} -> {pod_port}"),
                };
                writeln!(f, "  {ip_family} {protocol} {port}: {state}")?;
            }
        }
        for element in &self.elements {
            let ElementAnswer { object, state, .. } = element;
            let value = element.wanted.as_ref().or(element.programmed.as_ref());
            let value = value.map(String::as_str).unwrap_or_default();
            let owner = element.owner.as_deref().unwrap_or("nobody");
            writeln!(f, "element {object} -> {value} of {owner}: {state}")?;
            for loser in &element.losers {
                writeln!(f, "  {loser}")?;
            }
        }
        for finding in &self.findings {
            let Finding { severity, code, message, .. } = finding;
            writeln!(f, "{}: {code}: {}: {message}", severity.as_str(), finding.subject)?;
        }
        Ok(())
    }
}

const fn life(life: Life) -> &'static str {
    match life {
        Life::Live => "live",
        Life::Terminal => "finished",
        Life::Remembered => "remembered",
    }
}
