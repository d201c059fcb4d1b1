//! Owns what a small file or one system call tells: node, kernel, legacy tables, the lock.

use std::path::Path;

use doctor::snapshot::{LegacyTables, LockHolder};
use xt::legacy;

use crate::{Found, part::why};

pub(crate) fn node() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    (!name.is_empty() && name != "(none)").then_some(name)
}

pub(crate) fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

pub(crate) fn legacy_tables() -> Result<Found<LegacyTables>, String> {
    let names = |family| legacy::table_names(family).map_err(|error| why(&error));
    Ok(LegacyTables { v4: names(xt::Family::V4)?, v6: names(xt::Family::V6)? }.into())
}

/// Those who hold it; those who wait are not told.
pub(crate) fn lock(path: &Path) -> Result<Found<Vec<LockHolder>>, String> {
    let holders = legacy::lock_holders(path)
        .map_err(|error| format!("{} or /proc/locks: {error}", path.display()))?;
    let holding = holders.into_iter().filter(|holder| holder.holds);
    let told = holding.map(|holder| LockHolder {
        // 0 is a process outside of this pid namespace
        pid: (holder.pid != 0).then_some(holder.pid),
        process: (!holder.process.is_empty()).then_some(holder.process),
        seconds: None,
    });
    Ok(told.collect::<Vec<_>>().into())
}
