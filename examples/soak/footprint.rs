//! The resources that a daemon uses, as the kernel reports them.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;

use crate::setup::Setup;
use crate::support::fail::OrFail;

/// Tolerance for the allocator, in KiB.
const MEMORY: u64 = 2048;
/// Tolerance for connections that are being opened or closed.
const FEW: usize = 2;

/// The resources of one daemon.
#[derive(Clone, Debug)]
pub(crate) struct Footprint {
    host: String,
    /// Resident memory in KiB.
    memory: u64,
    descriptors: usize,
    sockets: usize,
    netlink: usize,
    tcp: usize,
}

impl Footprint {
    pub(crate) fn of_all(setup: &Setup) -> Vec<Self> {
        setup.daemons.iter().map(|daemon| Self::of(daemon.host.name(), daemon.process.pid())).collect()
    }

    fn of(host: &str, pid: u32) -> Self {
        let targets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
            .or_fail("listing a daemon's descriptors")
            .flatten()
            .filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
            .collect();
        let sockets: BTreeSet<&str> =
            targets.iter().filter_map(|target| target.strip_prefix("socket:[")?.strip_suffix(']')).collect();
        let of_kind = |table: &str, column| {
            let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
            let inodes = text.lines().filter_map(move |line| line.split_whitespace().nth(column));
            inodes.filter(|inode| sockets.contains(inode)).count()
        };
        let (netlink, tcp) = (of_kind("netlink", 9), of_kind("tcp", 9));
        let (descriptors, sockets) = (targets.len(), sockets.len());
        Self { host: host.to_owned(), memory: resident(pid), descriptors, sockets, netlink, tcp }
    }

    /// What has grown by more than the tolerance.
    pub(crate) fn growth(&self, later: &Self) -> Vec<String> {
        let mut grown = Vec::new();
        if later.memory > self.memory + MEMORY {
            grown.push(format!("{}: resident memory from {} to {} KiB", self.host, self.memory, later.memory));
        }
        let counts = [
            ("descriptors", self.descriptors, later.descriptors),
            ("sockets", self.sockets, later.sockets),
            ("netlink sockets", self.netlink, later.netlink),
            ("TCP connections", self.tcp, later.tcp),
        ];
        for (what, before, after) in counts {
            if after > before + FEW {
                grown.push(format!("{}: {what} from {before} to {after}", self.host));
            }
        }
        grown
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, memory, descriptors, sockets, netlink, tcp } = self;
        write!(f, "{host} {memory} KiB, {descriptors} fd, {sockets} sockets ({netlink} netlink, {tcp} tcp)")
    }
}

fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).or_fail("reading a daemon's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).or_fail("reading a daemon's memory");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).or_fail("reading a daemon's memory")
}
