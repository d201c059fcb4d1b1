//! The product's own path to the kernel, as its agent uses it: plan in, transactions out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use apply::{Progress, perform};
use drivers::nft::{NftDriver, NftOptions, TableOwnership};
use drivers::{CommitError, Driver, DriverError, Observed, ReadBack, Structure, Transaction};
use model::{Change, ChangeOp, Key, Owner, Plan, Reason, Value};

use crate::mapping::Mapping;

/// The driver for `n` mappings, with the map size that the floor has.
pub(crate) fn driver(n: usize) -> Result<NftDriver> {
    let map_size = Mapping::map_size(n);
    let options = NftOptions { ownership: TableOwnership::Exclusive, map_size };
    Ok(NftDriver::open(options)?)
}

/// The plan of a first load.
pub(crate) fn cold_plan(mappings: &[Mapping]) -> Result<Plan> {
    let structure = Change::Structure {
        op: ChangeOp::Add,
        owner: Arc::new(Owner::netkeep()),
        reason: Reason::Structure("no table".to_owned()),
    };
    let elements = mappings.iter().map(|mapping| change(None, Some(mapping)));
    let changes: Result<Vec<Change>> = std::iter::once(Ok(structure)).chain(elements).collect();
    Ok(Plan { changes: changes?, ..Plan::default() })
}

/// The plan of one mapping's change.
pub(crate) fn single_plan(before: Option<&Mapping>, after: Option<&Mapping>) -> Result<Plan> {
    Ok(Plan { changes: vec![change(before, after)?], ..Plan::default() })
}

fn change(before: Option<&Mapping>, after: Option<&Mapping>) -> Result<Change> {
    let Some(mapping) = after.or(before) else { bail!("a change of nothing") };
    Ok(Change::Element {
        key: key(mapping)?,
        before: before.map(value).transpose()?,
        after: after.map(value).transpose()?,
        owner: Arc::clone(&mapping.owner),
        reason: Reason::Wanted,
    })
}

fn key(mapping: &Mapping) -> Result<Key> {
    let port = i64::from(mapping.port).try_into()?;
    Ok(Key::Npl { family: model::IpFamily::V4, protocol: mapping.protocol, port })
}

fn value(mapping: &Mapping) -> Result<Value> {
    Ok(Value::Endpoint { ip: mapping.ip.into(), port: i64::from(mapping.pod_port).try_into()? })
}

/// Performs a plan; anything less than all of it, verified, is an error.
pub(crate) fn commit(driver: &mut NftDriver, plan: &Plan) -> Result<()> {
    let report = perform(driver, plan);
    if !matches!(report.progress, Progress::Done) || !report.refused.is_empty() {
        bail!("not committed: {:?} {:?}", report.progress, report.refused.first());
    }
    Ok(())
}

/// The same without reading back; answers how long it took until the kernel had acknowledged the last
/// transaction.
pub(crate) fn commit_acked(driver: &mut NftDriver, plan: &Plan) -> Result<Duration> {
    let start = Instant::now();
    let mut trusting = Trusting { driver, acknowledged: start };
    let report = perform(&mut trusting, plan);
    if !matches!(report.progress, Progress::Done) || !report.refused.is_empty() {
        bail!("not committed: {:?} {:?}", report.progress, report.refused.first());
    }
    Ok(trusting.acknowledged - start)
}

/// A driver that takes the acknowledgement for proof. Only to measure what proof costs.
struct Trusting<'a> {
    driver: &'a mut NftDriver,
    /// When the last transaction was.
    acknowledged: Instant,
}

impl Driver for Trusting<'_> {
    fn observe(&mut self) -> Result<Observed, DriverError> {
        self.driver.observe()
    }

    fn apply(&mut self, transaction: Transaction<'_>) -> Result<(), CommitError> {
        self.driver.apply(transaction)?;
        self.acknowledged = Instant::now();
        Ok(())
    }

    fn structure(&mut self) -> Result<Structure, DriverError> {
        self.driver.structure()
    }

    fn read_back(&mut self, _: &[Key]) -> Result<ReadBack, DriverError> {
        Ok(ReadBack::new())
    }
}

/// A driver with everything loaded.
pub(crate) fn loaded(mappings: &[Mapping]) -> Result<NftDriver> {
    let mut driver = driver(mappings.len())?;
    commit(&mut driver, &cold_plan(mappings)?)?;
    Ok(driver)
}
