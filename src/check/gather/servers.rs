//! Who listens on this host, and by what name.
//!
//! Whose a socket is stands in the owner's descriptors, which only root and the owner may look at. Only what calls itself like a
//! server or a pooler is looked at.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::check::postgres::{Facts, PROGRAMS, Process, Server, listeners, servers};
use crate::config::VipConfig;

/// The servers of this host; looked for once, whatever the number of VIPs.
pub(super) struct Servers {
    servers: Vec<Server>,
}

impl Servers {
    pub(super) fn look() -> Self {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].iter().filter_map(|table| fs::read_to_string(table).ok());
        let listening: Vec<_> = tables.flat_map(|table| listeners(&table)).collect();
        Self { servers: servers(&listening, &owners()) }
    }

    pub(super) fn facts(&self, vip: &VipConfig) -> Facts {
        let vip = vip.vip.address();
        let family = if vip.is_ipv4() { "ipv4" } else { "ipv6" };
        let nonlocal_bind = super::host::switch(&format!("{family}/ip_nonlocal_bind"));
        Facts { vip, servers: self.servers.clone(), nonlocal_bind }
    }
}

/// The known programs by the numbers of their sockets.
fn owners() -> BTreeMap<u64, Process> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| sockets(&entry.path())).flatten().collect()
}

fn sockets(process: &Path) -> Option<Vec<(u64, Process)>> {
    let name = fs::read_to_string(process.join("comm")).ok()?.trim_end().to_owned();
    if !PROGRAMS.contains(&name.as_str()) {
        return None;
    }
    let line = fs::read(process.join("cmdline")).unwrap_or_default();
    let arguments = line.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let owner = Process { name, arguments };
    let descriptors = fs::read_dir(process.join("fd")).ok()?.flatten();
    let inode = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Some(descriptors.filter_map(inode).map(|inode| (inode, owner.clone())).collect())
}
