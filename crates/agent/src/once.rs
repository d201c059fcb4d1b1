//! One reconciliation, for `netkeep plan` and `netkeep apply`.
//!
//! Both read the folder, or list the API, once; `plan` looks and changes nothing, not even the journal; `apply` does
//! what the agent would do, waits until flows are cut and annotations written, and ends.

use std::time::{Duration, Instant};

use apply::journal::Journal;
use drivers::flows::{Cutter, FlowsError, Route};
use drivers::nft::{NftDriver, NftOptions};
use drivers::{Driver, DriverError};
use model::{Finding, Key, Plan, Reason};
use thiserror::Error;

use crate::config::{Config, SourceSpec};
use crate::keeper::{Keeper, PortSet, Ports, Settled, Step, told};
use crate::lock::{self, LockError};
use crate::publish::{Patch, PodRef, Publisher};
use crate::run::pod_patch;
use crate::source::SourceMessage;
use crate::source::dir::{DirOptions, DirSource, WatchError};
use crate::state_lock::{StateHeld, StateLock};

/// How often `apply` tries again before it says that it did not converge.
const STEPS_MAX: usize = 8;
/// How long it waits in between.
const STEP_WAIT: Duration = Duration::from_millis(250);

/// Why nothing could be planned or applied.
#[derive(Debug, Error)]
pub enum OnceError {
    /// An agent runs here.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Another one has the state directory.
    #[error(transparent)]
    State(#[from] StateHeld),
    /// The kernel cannot be used.
    #[error(transparent)]
    Kernel(#[from] DriverError),
    /// The folder cannot be read.
    #[error(transparent)]
    Source(#[from] WatchError),
    /// The Kubernetes API cannot be used.
    #[error(transparent)]
    Api(#[from] kube::ApiError),
}

/// What `apply` did.
#[derive(Debug)]
pub struct Applied {
    /// The last step.
    pub settled: Settled,
    /// All changes committed.
    pub changes: usize,
    /// What did not go well besides: publishing, flows.
    pub trouble: Vec<String>,
    /// What a person should know.
    pub findings: Vec<Finding>,
}

impl Applied {
    /// Whether kernel and objects agree and everybody was told.
    pub fn converged(&self) -> bool {
        self.settled.step == Step::Converged
            && self.settled.held == 0
            && self.trouble.is_empty()
            && !self.findings.iter().any(|finding| finding.severity == model::Severity::Error)
    }
}

fn driver(config: &Config) -> Result<NftDriver, DriverError> {
    NftDriver::open(NftOptions { ownership: config.ownership, map_size: config.map_size() })
}

/// What the source says now.
fn objects(config: &Config, adopted: bool) -> Result<SourceMessage, OnceError> {
    match &config.source {
        SourceSpec::Dir(path) => {
            let options = DirOptions { empty: config.empty, ..DirOptions::default() };
            Ok(DirSource::open(path, options)?.initial())
        }
        SourceSpec::Kube => Ok(crate::source::kube::once(config, adopted)?),
    }
}

/// Where annotations go, of a command that ends.
enum Outlet {
    Files(Publisher),
    Api(kube::Once),
}

impl Outlet {
    fn publish(&mut self, pod: &PodRef, patch: &Patch) -> Result<(), String> {
        match self {
            Self::Files(publisher) => {
                publisher.publish(pod, patch).map(drop).map_err(|error| told(&error))
            }
            Self::Api(api) => {
                let patch = pod_patch(pod.clone(), patch.clone());
                api.publish(&patch).map_err(|error| error.told())
            }
        }
    }
}

/// What would be done here.
pub fn plan(config: &Config) -> Result<Plan, OnceError> {
    let mut driver = driver(config)?;
    let ports = Ports::trial(held_by_agent(config, &mut driver)?);
    let mut keeper = Keeper::new(config, driver, ports);
    keeper.observe(&Reason::Wanted)?;
    if let Err(error) = keeper.read_journal(&config.state_dir) {
        tracing::debug!(error = %told(&error), "no journal");
    }
    if let SourceSpec::Dir(_) = &config.source {
        keeper.found_published(Publisher::new(&config.state_dir).read_all().published);
    }
    let adopted = keeper.has_adopted();
    keeper.take_in(objects(config, adopted)?);
    Ok(keeper.plan())
}

/// The ports that an agent running here holds: those that the journal or the kernel know. A port
/// that it reserved a moment ago and has in neither would look taken; the plan says so then.
fn held_by_agent(config: &Config, driver: &mut NftDriver) -> Result<PortSet, OnceError> {
    match lock::acquire() {
        Err(LockError::Held { .. }) => {}
        _ => return Ok(PortSet::new()),
    }
    let elements = driver.observe()?.elements.into_iter();
    let in_kernel = elements.filter_map(|(key, ..)| match key {
        Key::Npl { family, protocol, port } => Some((family, protocol, port)),
        Key::Hairpin(_) => None,
    });
    let journal = Journal::read(&config.state_dir).unwrap_or_default().leases.into_iter();
    let leased = journal.map(|lease| (lease.family, lease.protocol, lease.node_port));
    Ok(in_kernel.chain(leased).collect())
}

/// Does it.
pub fn apply(config: &Config) -> Result<Applied, OnceError> {
    let _lock = lock::acquire()?;
    let files = netns::raise_file_limit().unwrap_or(1_024);
    let state = StateLock::take(&config.state_dir)?;
    let mut keeper = Keeper::new(config, driver(config)?, Ports::new(files));
    keeper.hold_state(state);
    keeper.observe(&Reason::Wanted)?;
    if let Err(error) = keeper.open_journal(&config.state_dir) {
        keeper.without_journal(&error);
    }
    let mut outlet = match &config.source {
        SourceSpec::Dir(_) => {
            let mut publisher = Publisher::new(&config.state_dir);
            keeper.found_published(publisher.read_all().published);
            Outlet::Files(publisher)
        }
        SourceSpec::Kube => Outlet::Api(kube::Once::new(config.access())?),
    };
    let adopted = keeper.has_adopted();
    keeper.take_in(objects(config, adopted)?);

    let mut trouble = Vec::new();
    let mut changes = 0;
    let mut step = 0;
    let settled = loop {
        let settled = keeper.settle(Instant::now());
        changes += settled.added + settled.replaced + settled.deleted;
        for (pod, patch) in &settled.publications {
            if let Err(error) = outlet.publish(pod, patch) {
                trouble.push(error);
            }
        }
        step += 1;
        if settled.step == Step::Converged || step == STEPS_MAX {
            break settled;
        }
        std::thread::sleep(STEP_WAIT);
    };
    if !keeper.core().awaits_sync() {
        if let Outlet::Files(publisher) = &mut outlet {
            trouble.extend(publisher.sweep(&keeper.pods()).iter().map(|error| told(error)));
        }
        if let Err(error) = cut(&mut keeper) {
            trouble.push(told(&error));
        }
    }
    Ok(Applied { settled, changes, trouble, findings: keeper.findings() })
}

fn cut(keeper: &mut Keeper<NftDriver>) -> Result<(), FlowsError> {
    let unfinished = keeper.unfinished_cuts();
    let stale = keeper.without_mapping(unfinished);
    let routes: Vec<Route> = stale.iter().map(Route::from).collect();
    Cutter::new().cut(&routes, &keeper.mapped_ports())?;
    keeper.cut_done(&stale);
    Ok(())
}
