//! Which objects make something so, and why: the same state that plans are made of, told backwards.

use std::net::IpAddr;

use model::object::PodNetwork;
use model::{Finding, IpFamily, Key, NodePort, Protocol};

use crate::core::Core;
use crate::findings;
use crate::npl;
use crate::report::npl_of;
use crate::state::PodRecord;
use crate::state::services::{counts, selects};

mod answer;
mod query;

pub use answer::{AddressAnswer, ElementAnswer, Explanation, PodAnswer};
pub use query::InvalidQuery;
use query::{End, Query};

/// Answers a question.
pub(crate) fn explain(core: &Core, text: &str) -> Result<Explanation, InvalidQuery> {
    let mut answer = Explanation { query: text.trim().to_owned(), ..Explanation::default() };
    match Query::parse(text)? {
        Query::Pod { namespace, name } => explain_pod(core, &namespace, &name, &mut answer),
        Query::Ip(ip) => explain_ip(core, ip, &mut answer),
        Query::Port(protocol, port) => explain_port(core, protocol, port, &mut answer),
        Query::Path { from, to, protocol, port } => {
            explain_path(core, &from, &to, (protocol, port), &mut answer);
        }
    }
    let named: Vec<String> = answer.pods.iter().map(|pod| format!("Pod {}", pod.pod)).collect();
    answer.findings =
        core.findings().into_iter().filter(|f: &Finding| named.contains(&f.subject)).collect();
    Ok(answer)
}

fn explain_pod(core: &Core, namespace: &str, name: &str, answer: &mut Explanation) {
    let Some(pod) = core.state.pod_named(namespace, name) else {
        answer
            .say(format!("no Pod {namespace}/{name} is known on node {}", core.state.node_name()));
        return;
    };
    tell_pod(core, pod, answer);
    let mappings = npl_of(core, pod);
    if mappings.is_empty() {
        answer.say(format!("Pod {namespace}/{name} has no mapping"));
    }
    for mapping in mappings {
        answer.say(format!(
            "{} {} of Pod {namespace}/{name} is {} port {} of the node: {}",
            mapping.protocol,
            mapping.pod_port,
            mapping.ip_family,
            mapping.node_port,
            answer::state(mapping.state, &mapping.reason)
        ));
    }
}

fn explain_ip(core: &Core, ip: IpAddr, answer: &mut Explanation) {
    let family = IpFamily::of(&ip);
    if core.state.node().and_then(|node| node.address(family)) == Some(ip) {
        answer.say(format!("{ip} is the {family} address of node {}", core.state.node_name()));
    }
    let claims: Vec<_> =
        core.addresses.claims(&ip).map(|(c, rank)| (c.owner.clone(), rank)).collect();
    let Some((winner, losers)) = claims.split_first() else {
        let of_host = core.state.pods().filter(|pod| pod.ips.contains(&ip));
        let names: Vec<_> = of_host.map(|pod| pod.owner.to_string()).collect();
        if !names.is_empty() {
            answer.say(format!("{ip} is shown, but not owned, by {}", names.join(", ")));
        } else if answer.says.is_empty() {
            answer.say(format!("no Pod on this node has {ip}"));
        }
        return;
    };
    answer.say(format!("{ip} belongs to {} (uid {})", winner.0, winner.0.uid));
    for (loser, rank) in losers {
        let why = findings::reason(winner.1, *rank);
        answer.say(format!(
            "{loser} (uid {}) claims it too: {} has it, because {why}",
            loser.uid, winner.0
        ));
    }
    for (owner, _) in &claims {
        if let Some(pod) = core.state.pod(&owner.uid) {
            tell_pod(core, pod, answer);
        }
    }
}

fn explain_port(core: &Core, protocol: Protocol, port: NodePort, answer: &mut Explanation) {
    for family in IpFamily::ALL {
        let key = Key::Npl { family, protocol, port };
        if let Some((mapping, state)) = core.ports.holder(family, protocol, port) {
            answer.say(format!(
                "{family} {protocol} {port} is leased to port {} of {} (uid {}): {}",
                mapping.pod_port,
                mapping.owner,
                mapping.owner.uid,
                answer::lease(state)
            ));
            if let Some(pod) = core.state.pod(&mapping.owner.uid) {
                tell_pod(core, pod, answer);
            }
        }
        if !answer.elements.iter().any(|element| element.object == key.to_string()) {
            answer.elements.extend(element(core, key));
        }
    }
    let host = core.state.pods().flat_map(|pod| npl_of(core, pod));
    for mapping in host
        .filter(|m| m.reason == "hostPort" && m.node_port == port.get() && m.protocol == protocol)
    {
        answer.say(format!(
            "{} {protocol} {port} is a hostPort of Pod {}: its runtime maps it",
            mapping.ip_family, mapping.pod
        ));
    }
    for (family, p, taken, holder) in core.ports.taken() {
        if (p, taken) == (protocol, port) {
            let holder = if holder.is_empty() { "another process" } else { holder };
            answer.say(format!("{family} {protocol} {port} is held by {holder}"));
        }
    }
    if answer.says.is_empty() && answer.elements.is_empty() {
        let inside = if core.ports.range().contains(port) { "free in" } else { "outside" };
        answer.say(format!("{protocol} {port} is {inside} the range {}", core.ports.range()));
    }
}

fn explain_path(
    core: &Core,
    from: &End,
    to: &End,
    (protocol, port): (Protocol, NodePort),
    answer: &mut Explanation,
) {
    let pod_at = |end: &End| match end {
        End::Ip(ip) => core.addresses.winner(ip).and_then(|c| core.state.pod(&c.owner.uid)),
        End::Pod { namespace, name } => core.state.pod_named(namespace, name),
    };
    if let Some(pod) = pod_at(to) {
        answer.say(format!(
            "{to} is {}: a connection to it is not translated by NodePortLocal",
            pod.owner
        ));
        for mapping in npl_of(core, pod) {
            let is_known = mapping.node_port != 0 && !mapping.node_ip.is_empty();
            if is_known && mapping.protocol == protocol && mapping.pod_port.get() == port.get() {
                let node = format!("{} {protocol} {}", mapping.node_ip, mapping.node_port);
                answer.say(format!("the same port is reached through the node at {node}"));
            }
        }
        tell_pod(core, pod, answer);
        return;
    }
    let End::Ip(ip) = to else {
        answer.say(format!("no Pod {to} is known on node {}", core.state.node_name()));
        return;
    };
    if ip.is_loopback() {
        answer
            .say(format!("{to} is never translated: answers to it would be dropped by the kernel"));
        return;
    }
    let key = Key::Npl { family: IpFamily::of(ip), protocol, port };
    let Some(claim) = core.keys.winner(&key) else {
        answer.say(format!("{to} {protocol} {port} is translated to no Pod"));
        answer.elements.extend(element(core, key));
        return;
    };
    answer.say(format!(
        "if {to} is an address of this node, {protocol} {port} is translated to {} of {}",
        claim.value, claim.owner
    ));
    if let Some(source) = pod_at(from)
        && source.owner == claim.owner
    {
        answer.say(format!(
            "{from} is the same Pod: the connection is masqueraded, or the answer would not come back"
        ));
    }
    if let Some(pod) = core.state.pod(&claim.owner.uid) {
        tell_pod(core, pod, answer);
    }
}

/// Adds a Pod with its elements to the answer.
fn tell_pod(core: &Core, pod: &PodRecord, answer: &mut Explanation) {
    if answer.pods.iter().any(|known| known.uid == pod.owner.uid) {
        return;
    }
    let addresses = pod.ips.iter().map(|ip| address(core, pod, *ip)).collect();
    let mut services = Vec::new();
    for service in core.state.services_in(pod.owner.namespace()) {
        if selects(service, &pod.labels) {
            services.push(format!("{} selects it", service.meta.qualified_name()));
        } else if !counts(service)
            && !service.selector.is_empty()
            && service.selector.iter().all(|(k, v)| pod.labels.get(k) == Some(v))
        {
            let kind = service.service_type;
            services.push(format!(
                "{} would select it, but its type {kind:?} does not count",
                service.meta.qualified_name()
            ));
        }
    }
    if pod.network == PodNetwork::Host {
        answer.say(format!(
            "{} is on the node's network (hostNetwork): its ports are the node's, and no rule leads to them",
            pod.owner
        ));
    }
    answer.pods.push(PodAnswer {
        pod: pod.owner.qualified_name().to_owned(),
        uid: pod.owner.uid.clone(),
        life: pod.life,
        addresses,
        services,
        mappings: npl_of(core, pod),
    });
    let leased = core.ports.leases_of(&pod.owner).map(|(target, port, _)| target.key(port));
    let mut keys: Vec<Key> = leased.chain(core.keys.keys_of(&pod.owner).iter().copied()).collect();
    keys.sort_unstable();
    keys.dedup();
    answer.elements.extend(keys.into_iter().filter_map(|key| element(core, key)));
}

fn address(core: &Core, pod: &PodRecord, ip: IpAddr) -> AddressAnswer {
    if pod.network == PodNetwork::Own && npl::is_nodes(&ip, core.state.node(), pod) {
        let why =
            "it is the node's, and the Pod does not say hostNetwork: nothing leads there".into();
        return AddressAnswer { ip: ip.to_string(), owned: false, why };
    }
    let mut claims = core.addresses.claims(&ip);
    let why = match claims.next() {
        Some((best, rank)) if best.owner == pod.owner => match claims.next() {
            None => "nobody else claims it".to_owned(),
            Some((other, lower)) => {
                format!("{} claims it too, but {}", other.owner, findings::reason(rank, lower))
            }
        },
        Some((best, rank)) => match core.addresses.rank(&pod.owner) {
            Some(own) => format!("{} has it, because {}", best.owner, findings::reason(rank, own)),
            None => format!("{} has it", best.owner),
        },
        None => "it is the node's, or can belong to no Pod".to_owned(),
    };
    AddressAnswer { ip: ip.to_string(), owned: core.addresses.wins(&ip, &pod.owner), why }
}

/// The element under a key; `None` if there is none, wanted or not.
fn element(core: &Core, key: Key) -> Option<ElementAnswer> {
    let winner = core.keys.winner(&key);
    let programmed = core.diff.programmed(&key, winner);
    if winner.is_none() && programmed.is_none() {
        return None;
    }
    let difference = core.diff.get(&key);
    let state = match (winner, &programmed, difference) {
        (_, _, None) => "programmed".to_owned(),
        (_, _, Some(d)) if d.rejected.is_some() => {
            format!("refused: {}", d.rejected.as_ref().map(|r| &*r.message).unwrap_or_default())
        }
        (Some(_), None, Some(d)) => format!("missing: {}", d.cause.reason()),
        (None, Some(_), Some(d)) => format!("superfluous: {}", d.cause.reason()),
        (_, _, Some(d)) => format!("altered: {}", d.cause.reason()),
    };
    let losers = core.keys.claims(&key).skip(1).map(|(claim, rank)| {
        let best = winner.and_then(|w| Some((&w.owner, core.keys.rank(&w.owner)?)));
        let lost = best.map(|(owner, best)| {
            format!(", but {owner} has it, because {}", findings::reason(best, rank))
        });
        format!("{} wants {}{}", claim.owner, claim.value, lost.unwrap_or_default())
    });
    Some(ElementAnswer {
        object: key.to_string(),
        wanted: winner.map(|claim| claim.value.to_string()),
        programmed: programmed.as_ref().map(|p| p.value.to_string()),
        owner: winner
            .map(|claim| claim.owner.to_string())
            .or_else(|| programmed.and_then(|p| p.mark).map(|mark| mark.to_string())),
        state,
        losers: losers.collect(),
    })
}
