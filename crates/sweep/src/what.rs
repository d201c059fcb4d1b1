//! Owns what can be asked for, and the names of the systems that can be named.

use std::fmt;

use doctor::owners::Owner;

use crate::glob::Pattern;

/// What is to be taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// All rules and chains of a system.
    Of(Owner),
    /// Chains whose name, and rules whose text as iptables-save prints it, the pattern fits.
    Match(Pattern),
    /// Later copies of a rule in one chain; the first stays.
    Duplicates,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(owner) => write!(f, "rules of {owner}"),
            Self::Match(pattern) => write!(f, "what {:?} fits", pattern.as_str()),
            Self::Duplicates => f.write_str("copies of rules"),
        }
    }
}

/// A name that no system here has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no system here is called {name:?}; there are {}", names())]
pub struct UnknownSystem {
    /// What was asked for.
    pub name: String,
}

fn names() -> String {
    systems().map(Owner::as_str).collect::<Vec<_>>().join(", ")
}

/// The systems that write rules of iptables.
pub fn systems() -> impl Iterator<Item = Owner> {
    ALL.into_iter()
}

/// The system of this name.
///
/// # Errors
/// [`UnknownSystem`] with all names.
pub fn system(name: &str) -> Result<Owner, UnknownSystem> {
    let unknown = || UnknownSystem { name: name.to_owned() };
    systems().find(|owner| owner.as_str() == name).ok_or_else(unknown)
}

const ALL: [Owner; 22] = [
    Owner::KubeProxy,
    Owner::Kubelet,
    Owner::KubeRouter,
    Owner::Calico,
    Owner::Flannel,
    Owner::Cilium,
    Owner::Antrea,
    Owner::KubeOvn,
    Owner::OvnKubernetes,
    Owner::Weave,
    Owner::AwsVpc,
    Owner::CniPlugins,
    Owner::Submariner,
    Owner::Istio,
    Owner::Docker,
    Owner::Podman,
    Owner::Libvirt,
    Owner::Firewalld,
    Owner::Ufw,
    Owner::Fail2ban,
    Owner::Tailscale,
    Owner::Netkeep,
];

/// Names of the processes that write a system's rules; a name of a process has 15 letters. Empty:
/// nothing of it runs for long.
pub(crate) const fn processes(owner: Owner) -> &'static [&'static str] {
    match owner {
        Owner::KubeProxy => &["kube-proxy", "k3s", "k3s-server", "k3s-agent", "rke2", "kubelite"],
        Owner::Kubelet => &["kubelet", "k3s", "k3s-server", "k3s-agent", "kubelite"],
        // k3s has kube-router's network policies and flannel inside
        Owner::KubeRouter => &["kube-router", "k3s", "k3s-server", "k3s-agent"],
        Owner::Flannel => &["flanneld", "k3s", "k3s-server", "k3s-agent"],
        Owner::Calico => &["calico-node", "calico-felix"],
        Owner::Cilium => &["cilium-agent"],
        Owner::Antrea => &["antrea-agent"],
        Owner::KubeOvn => &["kube-ovn-daemon"],
        Owner::OvnKubernetes => &["ovnkube", "ovnkube-node"],
        Owner::Weave => &["weaver"],
        Owner::AwsVpc => &["aws-k8s-agent"],
        Owner::Submariner => &["submariner-route-agent", "submariner-gateway"],
        Owner::Docker => &["dockerd"],
        Owner::Libvirt => &["libvirtd", "virtnetworkd"],
        Owner::Firewalld => &["firewalld"],
        Owner::Fail2ban => &["fail2ban-server"],
        Owner::Tailscale => &["tailscaled"],
        Owner::CniPlugins
        | Owner::Istio
        | Owner::Podman
        | Owner::Ufw
        | Owner::Netkeep
        | Owner::Host => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_is_found_by_its_name() {
        for owner in systems() {
            assert_eq!(system(owner.as_str()), Ok(owner));
        }
        let error = system("kube-routr").unwrap_err().to_string();
        assert!(error.contains("\"kube-routr\"") && error.contains("kube-router"), "{error}");
        // the administrator is no system
        system("host").unwrap_err();
    }
}
