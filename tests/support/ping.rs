//! Pings an address without a pause and counts what was lost.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use vip_manager::keeper::Moment;

use super::clock::from_wall;
use super::host::Host;
use super::process::Process;

/// A `ping` at work on a host.
#[derive(Debug)]
pub(crate) struct Pinger {
    process: Process,
    every: Duration,
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
}

impl Pinger {
    /// Pings `address` from `host` until it is stopped.
    pub(crate) fn start(host: &Host, address: IpAddr, every: Duration) -> Self {
        let mut command = host.command("ping");
        let seconds = format!("{:.3}", every.as_secs_f64());
        // -O tells of an answer that has not come when the next question goes out.
        command.args(["-n", "-D", "-O", "-i", &seconds, &address.to_string()]);
        Self { process: Process::start(&format!("ping on {}", host.name()), command), every }
    }

    /// What came so far.
    pub(crate) fn pings(&self) -> Pings {
        read(&self.process.text(), self.every, from_wall)
    }

    /// Ends it and returns what came. An answer to the very last question may be missing, and is not counted as lost.
    pub(crate) fn stop(mut self) -> Pings {
        self.process.signal(Signal::SIGINT);
        self.process.wait(Duration::from_secs(5));
        self.pings()
    }
}

impl Pings {
    /// The questions that were never answered.
    pub(crate) fn lost(&self) -> u32 {
        let answered = u32::try_from(self.answers.len()).unwrap_or(u32::MAX);
        self.sent.saturating_sub(answered)
    }

    /// The times without an answer that are longer than two pings' distance.
    pub(crate) fn outages(&self) -> Vec<Outage> {
        let moments: Vec<Moment> = self.answers.values().copied().collect();
        let longer = |pair: &[Moment]| pair[1].since(pair[0]) > 2 * self.every;
        moments.windows(2).filter(|pair| longer(pair)).map(|pair| Outage { from: pair[0], until: pair[1] }).collect()
    }

    /// The longest time without an answer.
    pub(crate) fn longest_outage(&self) -> Duration {
        self.outages().iter().map(|outage| outage.until.since(outage.from)).max().unwrap_or_default()
    }
}

/// Reads what `ping -D -O` printed.
pub(crate) fn read(text: &str, every: Duration, moment: impl Fn(Duration) -> Moment) -> Pings {
    let mut pings = Pings { every, ..Pings::default() };
    for line in text.lines() {
        let Some(number) = number(line) else { continue };
        if line.contains("bytes from") {
            if let Some(wall) = wall(line) {
                // The first answer counts; a second one for the same question tells of two hosts, not of more answers.
                pings.answers.entry(number).or_insert_with(|| moment(wall));
            }
            pings.sent = pings.sent.max(number);
        } else if line.contains("no answer yet") || line.contains("Unreachable") {
            pings.sent = pings.sent.max(number);
        }
    }
    pings
}

fn number(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("icmp_seq=")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn wall(line: &str) -> Option<Duration> {
    let seconds: f64 = line.strip_prefix('[')?.split(']').next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
