//! Where the API server is and who we are there.
//!
//! Owns: the client, made from a kubeconfig or from the Pod's service account, and made anew when
//! the server no longer knows us (rotated token, rotated CA) or could not be configured at first; the
//! token of a file ([`token`]) and the proxy of the environment ([`proxy`]).

mod proxy;
mod token;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use kube_rs::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube_rs::{Client, Config};
use thiserror::Error;
use token::TokenFile;

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
    Nowhere(#[source] Box<KubeconfigError>),
    /// The configuration names certificates or tokens that cannot be used.
    #[error("cannot make a client of the configuration")]
    Client(#[source] Box<kube_rs::Error>),
    /// A proxy from the environment is no address.
    #[error(
        "{variable} is {value:?}, which is no proxy: write http://HOST:PORT or https://HOST:PORT"
    )]
    Proxy {
        /// The variable.
        variable: &'static str,
        /// Its value, without name and password.
        value: String,
    },
    /// The file with our token cannot be read.
    #[error("cannot read the token file {}", path.display())]
    TokenUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no token in its file.
    #[error("the token file {} holds no token: one word is expected", .0.display())]
    Token(PathBuf),
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
    way: Option<Box<Way>>,
    made: Option<Instant>,
}

/// How requests are sent.
struct Way {
    client: Client,
    /// Who we are, if a file says it.
    token: Option<TokenFile>,
}

impl Way {
    fn use_now(&mut self) -> (Client, Option<HeaderValue>) {
        let token = self.token.as_mut().map(|token| token.header(Instant::now()));
        (self.client.clone(), token)
    }
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
        let state = State { way: Some(Box::new(Way { client, token: None })), made: None };
        Self { access: Access::Environment, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // two plain fields, each set at once: a panic elsewhere leaves them usable
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client, made on first use and again after [`Door::renew`], and what a request is to say of
    /// us where the client does not do so by itself.
    pub(crate) async fn client(&self) -> Result<(Client, Option<HeaderValue>), ConnectError> {
        if let Some(way) = &mut self.state().way {
            return Ok(way.use_now());
        }
        let mut way = connect(&self.access).await?;
        let used = way.use_now();
        let mut state = self.state();
        state.way = Some(Box::new(way));
        state.made = Some(Instant::now());
        Ok(used)
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
            state.way = None;
        }
    }
}

async fn connect(access: &Access) -> Result<Way, ConnectError> {
    let mut config = config(access).await?;
    config.connect_timeout = Some(CONNECT);
    // Watches are quiet for long; each request has a limit of its own.
    config.read_timeout = None;
    // Every failure is handled on purpose, here.
    config.default_retry = false;
    let token = token_file(&mut config)?;
    let client = Client::try_from(config).map_err(|error| ConnectError::Client(Box::new(error)))?;
    Ok(Way { client, token })
}

async fn config(access: &Access) -> Result<Config, ConnectError> {
    let var = |name: &str| std::env::var(name).ok();
    match access {
        Access::Kubeconfig(path) => {
            let failed = |source| kubeconfig_error(path, source);
            let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
            of_kubeconfig(kubeconfig, var).await?.map_err(failed)
        }
        Access::Environment if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() => {
            let mut config =
                Config::incluster().map_err(|error| ConnectError::InCluster(Box::new(error)))?;
            config.proxy_url = proxy::of(&config.cluster_url, var)?;
            Ok(config)
        }
        Access::Environment => {
            let failed = |error| ConnectError::Nowhere(Box::new(error));
            of_kubeconfig(Kubeconfig::read().map_err(failed)?, var).await?.map_err(failed)
        }
    }
}

fn kubeconfig_error(path: &Path, source: KubeconfigError) -> ConnectError {
    ConnectError::Kubeconfig { path: path.to_owned(), source: Box::new(source) }
}

async fn of_kubeconfig(
    kubeconfig: Kubeconfig,
    var: impl Fn(&str) -> Option<String>,
) -> Result<Result<Config, KubeconfigError>, ConnectError> {
    let mut clusters = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref());
    let proxied = clusters.any(|cluster| cluster.proxy_url.is_some());
    let options = KubeConfigOptions::default();
    let mut config = match Config::from_custom_kubeconfig(kubeconfig, &options).await {
        Ok(config) => config,
        Err(error) => return Ok(Err(error)),
    };
    if !proxied {
        // kube-client 5.0 compares NO_PROXY with the proxy's own host.
        config.proxy_url = proxy::of(&config.cluster_url, var)?;
    }
    Ok(Ok(config))
}

/// Takes the token file out of a configuration: kube-client 5.0 sends its content as it is, with the
/// newline at its end, which is no header. Other ways to say who we are stay with the client.
fn token_file(config: &mut Config) -> Result<Option<TokenFile>, ConnectError> {
    let auth = &mut config.auth_info;
    let by_itself = auth.auth_provider.is_some()
        || auth.token.is_some()
        || (auth.username.is_some() && auth.password.is_some());
    match &auth.token_file {
        Some(path) if !by_itself => {
            let token = TokenFile::open(Path::new(path))?;
            auth.token_file = None;
            // Its order: a token before a command.
            auth.exec = None;
            Ok(Some(token))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_that_is_not_there_is_named() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let door = Door::new(Access::Kubeconfig("/nowhere/config".into()));
        let error = runtime.block_on(door.client()).err().unwrap();
        assert_eq!(error.to_string(), "cannot use the kubeconfig /nowhere/config");
    }
}
