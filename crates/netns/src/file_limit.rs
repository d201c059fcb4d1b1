//! The limit of open files: every reserved port costs one descriptor.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What root asks for: the ceiling that `fs.nr_open` has by default.
const WANTED: u64 = 1_048_576;

/// Raises the soft limit of open files (`RLIMIT_NOFILE`) to the hard one, and the hard one to
/// 1,048,576 where the process may do so. Returns the limit then in force.
pub fn raise_file_limit() -> io::Result<u64> {
    let before = getrlimit(Resource::Nofile);
    // None is "unlimited".
    if before.maximum.is_some_and(|hard| hard < WANTED) {
        let raised = Rlimit { current: Some(WANTED), maximum: Some(WANTED) };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            return Ok(WANTED);
        }
        // Without CAP_SYS_RESOURCE, or above fs.nr_open: the hard limit stays as it is.
    }
    if before.current != before.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before })?;
    }
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_rises_to_the_hard_one() {
        let in_force = raise_file_limit().unwrap();
        let after = getrlimit(Resource::Nofile);
        assert_eq!(after.current, after.maximum);
        assert_eq!(after.current.unwrap_or(u64::MAX), in_force);
    }
}
