//! Pings an address continuously and counts lost pings.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::Signal;
use vip_manager::time::Moment;

use super::clock::from_wall;
use super::fail::locked;
use super::host::Host;
use super::process::Process;

/// A `ping` that runs on a host.
#[derive(Debug)]
pub(crate) struct Pinger {
    process: Process,
    /// What has been parsed, and from how many lines.
    read: Mutex<(Pings, usize)>,
}

/// The results.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pings {
    /// The moment of each reply, by its sequence number.
    pub(crate) answers: BTreeMap<u32, Moment>,
    /// The highest sequence number that `ping` reported.
    pub(crate) sent: u32,
    every: Duration,
}

/// A time without a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outage {
    pub(crate) from: Moment,
    pub(crate) until: Moment,
    /// The requests in it that were never answered. If there are none, a reply was only late.
    pub(crate) lost: u32,
}

impl Pinger {
    /// Pings `address` from `host` until it is stopped.
    pub(crate) fn start(host: &Host, address: IpAddr, every: Duration) -> Self {
        let mut command = host.command("ping");
        let seconds = format!("{:.3}", every.as_secs_f64());
        // -O reports a missing reply when the next request is sent.
        command.args(["-n", "-D", "-O", "-i", &seconds, &address.to_string()]);
        let process = Process::start(&format!("ping on {}", host.name()), command);
        Self { process, read: Mutex::new((Pings::every(every), 0)) }
    }

    /// The results so far.
    pub(crate) fn pings(&self) -> Pings {
        let mut read = locked(&self.read);
        let (pings, known) = &mut *read;
        for line in self.process.lines_after(*known) {
            pings.read(&line.text, from_wall);
            *known += 1;
        }
        pings.clone()
    }

    /// Stops it and returns the results. If the reply to the last request is missing, it is not counted as lost.
    pub(crate) fn stop(mut self) -> Pings {
        self.process.signal(Signal::SIGINT);
        self.process.wait(Duration::from_secs(5));
        self.pings()
    }
}

impl Pings {
    pub(crate) fn every(every: Duration) -> Self {
        Self { every, ..Self::default() }
    }

    /// Parses a line of the output of `ping -D -O`.
    pub(crate) fn read(&mut self, line: &str, moment: impl Fn(Duration) -> Moment) {
        let Some(number) = number(line) else { return };
        if line.contains("bytes from") {
            if let Some(wall) = wall(line) {
                // The first reply counts. A second one to the same request means that two hosts answered.
                self.answers.entry(number).or_insert_with(|| moment(wall));
            }
        } else if !line.contains("no answer yet") && !line.contains("Unreachable") {
            return;
        }
        self.sent = self.sent.max(number);
    }

    /// The number of requests that were never answered.
    pub(crate) fn lost(&self) -> u32 {
        let answered = u32::try_from(self.answers.len()).unwrap_or(u32::MAX);
        self.sent.saturating_sub(answered)
    }

    /// The times without a reply that are longer than two ping intervals.
    pub(crate) fn outages(&self) -> Vec<Outage> {
        let pairs = self.answers.iter().zip(self.answers.iter().skip(1));
        let between = |((number, from), (next, until)): ((&u32, &Moment), (&u32, &Moment))| {
            let lost = next - number - 1;
            (until.since(*from) > 2 * self.every).then_some(Outage { from: *from, until: *until, lost })
        };
        pairs.filter_map(between).collect()
    }

    /// The longest time without a reply.
    pub(crate) fn longest_outage(&self) -> Duration {
        self.outages().iter().map(|outage| outage.until.since(outage.from)).max().unwrap_or_default()
    }
}

fn number(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("icmp_seq=")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn wall(line: &str) -> Option<Duration> {
    let seconds: f64 = line.strip_prefix('[')?.split(']').next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
