//! Owns the text of `ovs-vsctl show` and `ovs-vsctl list Open_vSwitch`.

use super::Assembler;
use crate::snapshot::{Ovs, OvsPort};

pub(super) fn starts(line: &str) -> bool {
    let trimmed = line.trim_start();
    let indented = trimmed.len() < line.len();
    indented && trimmed.starts_with("Bridge ")
        || line.contains("flow-restore-wait")
        || line.starts_with("ovs_version")
        || line.starts_with("other_config ") && line.contains(" : {")
        || line.starts_with("_uuid ")
        || is_uuid(line)
}

fn is_uuid(line: &str) -> bool {
    let lengths: Vec<usize> = line.trim_end().split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
        && line.trim_end().bytes().all(|c| c.is_ascii_hexdigit() || c == b'-')
}

#[derive(Default)]
pub(super) struct Reader {
    ovs: Ovs,
    bridge: String,
}

impl Reader {
    pub(super) fn take(&mut self, _: &Assembler, line: &str) -> bool {
        let trimmed = line.trim();
        if let Some((_, value)) = trimmed.split_once("flow-restore-wait") {
            let value = value.trim_start_matches(['=', '"', ':', ' ']);
            self.ovs.flow_restore_wait = Some(value.starts_with("true"));
            return true;
        }
        if let Some(version) = trimmed.strip_prefix("ovs_version") {
            let version = version.trim_start_matches([':', ' ']).trim_matches('"');
            self.ovs.version = Some(version.to_owned());
            return true;
        }
        if let Some(name) = trimmed.strip_prefix("Bridge ") {
            name.trim_matches('"').clone_into(&mut self.bridge);
            return true;
        }
        if let Some(name) = trimmed.strip_prefix("Port ") {
            let name = name.trim_matches('"').to_owned();
            let bridge = self.bridge.clone();
            self.ovs.ports.push(OvsPort { bridge, name, kind: None, error: None });
            return true;
        }
        if let Some(port) = self.ovs.ports.last_mut() {
            if let Some(kind) = trimmed.strip_prefix("type: ") {
                port.kind = Some(kind.trim_matches('"').to_owned());
            } else if let Some(error) = trimmed.strip_prefix("error: ") {
                port.error = Some(error.trim_matches('"').to_owned());
            }
        }
        // the rest of a record says nothing that is asked for
        line.starts_with(' ') || line.contains(" : ") || is_uuid(line)
    }

    pub(super) fn finish(self, all: &mut Assembler) {
        all.snapshot.ovs.fill(|known| {
            known.flow_restore_wait = known.flow_restore_wait.or(self.ovs.flow_restore_wait);
            if known.version.is_none() {
                known.version = self.ovs.version;
            }
            known.ports.extend(self.ovs.ports);
        });
    }
}
