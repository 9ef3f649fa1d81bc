//! The application: it writes a row every 20 ms through the VIP and records each outcome.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use vip_manager::time::Moment;

use crate::support::host::Host;
use crate::support::process::Process;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/writer.py");

/// Debian's Python, for which Debian packages psycopg2. Another one may precede it in the PATH.
const PYTHON: &str = "/usr/bin/python3";

/// A running application.
#[derive(Debug)]
pub(crate) struct Writer {
    process: Process,
}

/// One attempt to write.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) at: Moment,
    pub(crate) number: u64,
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
        Self { process: Process::start("the application", command) }
    }

    /// The writes so far.
    pub(crate) fn writes(&self) -> Vec<Write> {
        let parse = |line: crate::support::process::Line| {
            let mut words = line.text.splitn(3, ' ');
            let ok = words.next()? == "ok";
            let number = words.next()?.parse().ok()?;
            let error = (!ok).then(|| words.next().unwrap_or_default().to_owned());
            Some(Write { at: line.at, number, error })
        };
        self.process.lines().into_iter().filter_map(parse).collect()
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

/// The longest time between two acknowledged writes.
pub(crate) fn longest_gap(writes: &[Write]) -> Duration {
    let acknowledged: Vec<Moment> = writes.iter().filter(|write| write.error.is_none()).map(|write| write.at).collect();
    acknowledged.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default()
}

/// The acknowledged writes that are not in the database.
pub(crate) fn lost(writes: &[Write], stored: &BTreeSet<u64>) -> Vec<u64> {
    let acknowledged = writes.iter().filter(|write| write.error.is_none()).map(|write| write.number);
    acknowledged.filter(|number| !stored.contains(number)).collect()
}
