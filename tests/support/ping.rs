//! Pings an address without a pause and counts what was lost.

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

/// A `ping` at work on a host.
#[derive(Debug)]
pub(crate) struct Pinger {
    process: Process,
    /// What has been read, and how many lines that took.
    read: Mutex<(Pings, usize)>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pings {
    /// The moment of each answer, by its number.
    pub(crate) answers: BTreeMap<u32, Moment>,
    /// The highest number that was sent, as far as `ping` said.
    pub(crate) sent: u32,
    every: Duration,
}

/// A time without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outage {
    pub(crate) from: Moment,
    pub(crate) until: Moment,
    /// The questions within it that were never answered; without one the answer was only late.
    pub(crate) lost: u32,
}

impl Pinger {
    /// Pings `address` from `host` until it is stopped.
    pub(crate) fn start(host: &Host, address: IpAddr, every: Duration) -> Self {
        let mut command = host.command("ping");
        let seconds = format!("{:.3}", every.as_secs_f64());
        // -O tells of an answer that has not come when the next question goes out.
        command.args(["-n", "-D", "-O", "-i", &seconds, &address.to_string()]);
        let process = Process::start(&format!("ping on {}", host.name()), command);
        Self { process, read: Mutex::new((Pings::every(every), 0)) }
    }

    /// What came so far.
    pub(crate) fn pings(&self) -> Pings {
        let mut read = locked(&self.read);
        let (pings, known) = &mut *read;
        for line in self.process.lines_after(*known) {
            pings.read(&line.text, from_wall);
            *known += 1;
        }
        pings.clone()
    }

    /// Ends it and returns what came. An answer to the very last question may be missing, and is not counted as lost.
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

    /// Reads a line of what `ping -D -O` prints.
    pub(crate) fn read(&mut self, line: &str, moment: impl Fn(Duration) -> Moment) {
        let Some(number) = number(line) else { return };
        if line.contains("bytes from") {
            if let Some(wall) = wall(line) {
                // The first answer counts; a second one to the same question tells of two hosts, not of more answers.
                self.answers.entry(number).or_insert_with(|| moment(wall));
            }
        } else if !line.contains("no answer yet") && !line.contains("Unreachable") {
            return;
        }
        self.sent = self.sent.max(number);
    }

    /// The questions that were never answered.
    pub(crate) fn lost(&self) -> u32 {
        let answered = u32::try_from(self.answers.len()).unwrap_or(u32::MAX);
        self.sent.saturating_sub(answered)
    }

    /// The times without an answer that are longer than two pings' distance.
    pub(crate) fn outages(&self) -> Vec<Outage> {
        let pairs = self.answers.iter().zip(self.answers.iter().skip(1));
        let between = |((number, from), (next, until)): ((&u32, &Moment), (&u32, &Moment))| {
            let lost = next - number - 1;
            (until.since(*from) > 2 * self.every).then_some(Outage { from: *from, until: *until, lost })
        };
        pairs.filter_map(between).collect()
    }

    /// The longest time without an answer.
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
