//! The application: it writes a row every 20 ms through the VIP and records each outcome.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use vip_manager::time::Moment;

use crate::deployment::HOME;
use crate::support::fail::locked;
use crate::support::host::Host;
use crate::support::process::{Line, Process};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/writer.py");

/// Debian's Python, for which Debian packages psycopg2. Another one may precede it in the PATH.
const PYTHON: &str = "/usr/bin/python3";

/// A running application.
#[derive(Debug)]
pub(crate) struct Writer {
    process: Process,
    /// What has been parsed, and from how many lines.
    read: Mutex<(Vec<Write>, usize)>,
}

/// One attempt to write.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) at: Moment,
    pub(crate) number: u64,
    /// The host that acknowledged it.
    pub(crate) host: Option<String>,
    /// The error message if the database did not acknowledge the write.
    pub(crate) error: Option<String>,
}

impl Writer {
    /// Starts to write from `host` to the database at `address`.
    pub(crate) fn start(host: &Host, address: IpAddr) -> Self {
        let target = format!(
            "host={address} user=postgres dbname=postgres sslmode=disable connect_timeout=2 tcp_user_timeout=1000"
        );
        let mut command = host.command(PYTHON);
        command.args(["-u", PROGRAM, &target]);
        Self { process: Process::start("the application", command), read: Mutex::default() }
    }

    /// The writes so far.
    pub(crate) fn writes(&self) -> Vec<Write> {
        let mut read = locked(&self.read);
        let (writes, known) = &mut *read;
        for line in self.process.lines_after(*known) {
            writes.extend(parse(&line));
            *known += 1;
        }
        writes.clone()
    }

    /// How many writes were acknowledged after a moment.
    pub(crate) fn acknowledged_since(&self, moment: Moment) -> usize {
        self.writes().iter().filter(|write| write.error.is_none() && write.at > moment).count()
    }

    /// Stops it and returns all writes.
    pub(crate) fn stop(mut self) -> Vec<Write> {
        self.process.kill();
        self.writes()
    }
}

fn parse(line: &Line) -> Option<Write> {
    let mut words = line.text.splitn(3, ' ');
    let ok = words.next()? == "ok";
    let number = words.next()?.parse().ok()?;
    let rest = words.next().unwrap_or_default().to_owned();
    let (host, error) = if ok { (Some(rest.trim_end_matches(HOME).to_owned()), None) } else { (None, Some(rest)) };
    Some(Write { at: line.at, number, host, error })
}

/// The longest time between two acknowledged writes, of which the second came after `since`.
pub(crate) fn longest_gap(writes: &[Write], since: Moment) -> Duration {
    let acknowledged: Vec<Moment> = writes.iter().filter(|write| write.error.is_none()).map(|write| write.at).collect();
    let pairs = acknowledged.windows(2).filter(|pair| pair[1] > since);
    pairs.map(|pair| pair[1].since(pair[0])).max().unwrap_or_default()
}

/// The hosts that acknowledged writes, one after the other.
pub(crate) fn stored_by(writes: &[Write]) -> Vec<&str> {
    let mut hosts: Vec<&str> = writes.iter().filter_map(|write| write.host.as_deref()).collect();
    hosts.dedup();
    hosts
}

/// The acknowledged writes that are not in the database.
pub(crate) fn lost(writes: &[Write], stored: &BTreeSet<u64>) -> Vec<u64> {
    let acknowledged = writes.iter().filter(|write| write.error.is_none()).map(|write| write.number);
    acknowledged.filter(|number| !stored.contains(number)).collect()
}
