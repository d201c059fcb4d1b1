//! Where the API server is and who we are there.
//!
//! Owns: the client, made from a kubeconfig or from the Pod's service account, and made anew when
//! the server no longer knows us (rotated token, rotated CA) or could not be configured at first.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube_rs::config::{
    InClusterError, InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError,
};
use kube_rs::{Client, Config};
use thiserror::Error;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// A client is not made anew more often than this, whatever the server says.
const RENEW_MIN: Duration = Duration::from_secs(1);

/// How to reach the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// As this kubeconfig says.
    Kubeconfig(PathBuf),
    /// By the service account of the Pod that we run in; outside of a Pod as `kubectl` would
    /// (`KUBECONFIG`, `~/.kube/config`).
    Environment,
}

/// The API server could not be configured.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// The Pod's service account cannot be used.
    #[error("cannot use the service account of this Pod")]
    InCluster(#[source] Box<InClusterError>),
    /// Neither in a Pod nor a kubeconfig at hand.
    #[error("this is no Pod of a cluster, and there is no kubeconfig: give --kubeconfig FILE")]
    Nowhere(#[source] Box<InferConfigError>),
    /// The configuration names certificates or tokens that cannot be used.
    #[error("cannot make a client of the configuration")]
    Client(#[source] Box<kube_rs::Error>),
    /// A proxy from the environment is no address.
    #[error("the proxy {0:?} of the environment is no URL")]
    Proxy(String),
    /// The runtime that requests run on could not be had.
    #[error("cannot start the runtime of API requests")]
    Runtime(#[source] io::Error),
}

/// See the module's documentation.
pub struct Door {
    access: Access,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    client: Option<Client>,
    made: Option<Instant>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("access", &self.access).finish_non_exhaustive()
    }
}

impl Door {
    /// A door that has not been opened yet.
    pub fn new(access: Access) -> Self {
        Self { access, state: Mutex::default() }
    }

    /// A door to a client that exists.
    pub fn of(client: Client) -> Self {
        let state = State { client: Some(client), made: None };
        Self { access: Access::Environment, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // two plain fields, each set at once: a panic elsewhere leaves them usable
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client; made on first use, and again after [`Door::renew`].
    pub(crate) async fn client(&self) -> Result<Client, ConnectError> {
        if let Some(client) = self.state().client.clone() {
            return Ok(client);
        }
        let client = connect(&self.access).await?;
        let mut state = self.state();
        state.client = Some(client.clone());
        state.made = Some(Instant::now());
        Ok(client)
    }

    /// Whether the configuration can be used at all. Asks nobody.
    pub async fn check(&self) -> Result<(), ConnectError> {
        self.client().await.map(drop)
    }

    /// The server does not know us, or we do not know it: the next request is made with the
    /// configuration read anew.
    pub(crate) fn renew(&self) {
        let mut state = self.state();
        // A client that was handed in cannot be made again.
        if state.made.is_some_and(|made| made.elapsed() >= RENEW_MIN) {
            state.client = None;
        }
    }
}

async fn connect(access: &Access) -> Result<Client, ConnectError> {
    let mut config = config(access).await?;
    config.connect_timeout = Some(CONNECT);
    // Watches are quiet for long; each request has a limit of its own.
    config.read_timeout = None;
    // Every failure is handled on purpose, here.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| ConnectError::Client(Box::new(error)))
}

async fn config(access: &Access) -> Result<Config, ConnectError> {
    match access {
        Access::Kubeconfig(path) => {
            let failed =
                |source| ConnectError::Kubeconfig { path: path.clone(), source: Box::new(source) };
            let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
            let proxied = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref());
            let proxied = proxied.into_iter().any(|cluster| cluster.proxy_url.is_some());
            let options = KubeConfigOptions::default();
            let mut config =
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(failed)?;
            if !proxied {
                // kube-client 5.0 compares NO_PROXY with the proxy's own host.
                config.proxy_url = proxy(config.cluster_url.host().unwrap_or_default())?;
            }
            Ok(config)
        }
        Access::Environment if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() => {
            let mut config =
                Config::incluster().map_err(|error| ConnectError::InCluster(Box::new(error)))?;
            config.proxy_url = proxy(config.cluster_url.host().unwrap_or_default())?;
            Ok(config)
        }
        Access::Environment => {
            Config::infer().await.map_err(|error| ConnectError::Nowhere(Box::new(error)))
        }
    }
}

/// The proxy that the environment names for this host, as every client of Kubernetes reads it.
fn proxy(host: &str) -> Result<Option<http::Uri>, ConnectError> {
    let var = |name: &str| {
        let value = std::env::var(name).or_else(|_| std::env::var(name.to_ascii_lowercase()));
        value.ok().filter(|value| !value.is_empty())
    };
    let Some(url) = var("HTTPS_PROXY") else { return Ok(None) };
    if var("NO_PROXY").is_some_and(|list| is_excepted(host, &list)) {
        return Ok(None);
    }
    url.parse().map(Some).map_err(|_| ConnectError::Proxy(url))
}

/// Whether a host is in `NO_PROXY`: names and their domains, `*`, addresses and CIDR blocks.
fn is_excepted(host: &str, list: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let entry = entry.trim_start_matches('.');
        match host.parse::<std::net::IpAddr>() {
            Ok(ip) => in_block(ip, entry),
            Err(_) => {
                host == entry || host.strip_suffix(entry).is_some_and(|front| front.ends_with('.'))
            }
        }
    })
}

fn in_block(ip: std::net::IpAddr, block: &str) -> bool {
    use std::net::IpAddr::{V4, V6};
    let (base, length) = match block.split_once('/') {
        Some((base, length)) => (base, length.parse::<u32>().ok()),
        None => (block, Some(128)),
    };
    let (Ok(base), Some(length)) = (base.parse(), length) else { return false };
    match (ip, base) {
        (V4(ip), V4(base)) => {
            let shift = 32 - length.min(32);
            u32::from(ip).checked_shr(shift) == u32::from(base).checked_shr(shift)
        }
        (V6(ip), V6(base)) => {
            let shift = 128 - length.min(128);
            u128::from(ip).checked_shr(shift) == u128::from(base).checked_shr(shift)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_excepts_names_domains_addresses_and_blocks() {
        for (host, list) in [
            ("10.96.0.1", "10.96.0.0/12"),
            ("10.96.0.1", "10.96.0.1"),
            ("[fd00::1]", "fd00::/8"),
            ("api.example.com", ".example.com"),
            ("api.example.com", "x, example.com"),
            ("anything", "*"),
        ] {
            assert!(is_excepted(host, list), "{host} in {list}");
        }
        for (host, list) in [
            ("10.96.0.1", "10.0.0.0/12"),
            ("badexample.com", "example.com"),
            ("fd00::1", "10.0.0.0/0"),
        ] {
            assert!(!is_excepted(host, list), "{host} in {list}");
        }
    }

    #[test]
    fn a_kubeconfig_that_is_not_there_is_named() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let door = Door::new(Access::Kubeconfig("/nowhere/config".into()));
        let error = runtime.block_on(door.client()).err().unwrap();
        assert_eq!(error.to_string(), "cannot use the kubeconfig /nowhere/config");
    }
}
