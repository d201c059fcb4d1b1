//! Whether the kernel has a feature, found out without asking the feature: the kernel loads modules
//! for whoever asks (`nfnetlink_rcv_msg` calls `request_module`).

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// A feature: its module, and a function of it that no other module has.
#[derive(Debug, Clone, Copy)]
pub struct Feature {
    module: &'static str,
    function: &'static str,
}

/// nf_tables.
pub const NF_TABLES: Feature = Feature { module: "nf_tables", function: "nf_tables_newtable" };
/// ipset.
pub const IP_SET: Feature = Feature { module: "ip_set", function: "ip_set_create" };
/// Conntrack over netlink.
pub const CTNETLINK: Feature =
    Feature { module: "nf_conntrack_netlink", function: "ctnetlink_dump_table" };

impl Feature {
    /// The module's name.
    pub const fn name(self) -> &'static str {
        self.module
    }

    /// Whether it is there: as a module, or as part of the kernel. A kernel that cannot load modules
    /// may always be asked.
    pub fn is_there(self) -> bool {
        if Path::new("/sys/module").join(self.module).exists() {
            return true;
        }
        match listed(Path::new("/proc/modules"), |line| first_word(line) == Some(self.module)) {
            Ok(true) => true,
            // built in without parameters: only its functions show it
            Ok(false) => {
                let is = |line: &str| line.split_ascii_whitespace().nth(2) == Some(self.function);
                listed(Path::new("/proc/kallsyms"), is).unwrap_or(false)
            }
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Why it is not asked.
    pub(crate) fn need(self) -> Result<(), String> {
        if self.is_there() {
            return Ok(());
        }
        Err(format!(
            "the kernel module {} is not loaded, and looking does not load it",
            self.module
        ))
    }
}

fn first_word(line: &str) -> Option<&str> {
    line.split_ascii_whitespace().next()
}

/// Whether a line of the file is so.
fn listed(path: &Path, is: impl Fn(&str) -> bool) -> io::Result<bool> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut line = String::new();
    while file.read_line(&mut line)? > 0 {
        if is(&line) {
            return Ok(true);
        }
        line.clear();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_that_are_looked_for_exist_and_others_do_not() {
        let symbols = Path::new("/proc/kallsyms");
        for feature in [NF_TABLES, CTNETLINK] {
            let is = |line: &str| line.split_ascii_whitespace().nth(2) == Some(feature.function);
            assert!(listed(symbols, is).unwrap(), "{feature:?}");
            assert!(feature.is_there());
        }
        assert!(!listed(symbols, |line| line.ends_with(" nf_tables_nosuch\n")).unwrap());
    }
}
