//! The driver: one loop that waits for whatever comes next, lets the keepers decide, and carries out what they say.
//!
//! Every turn begins with the clock, before the event is looked at: a process that was stopped for a while finds its
//! deadlines over before it reads what has piled up. Then the keepers concerned take the event in, the host follows,
//! and what is worth a line is written. Nothing in a turn waits.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::execute;
use super::hooks::Hooks;
use super::log::Logging;
use super::messages;
use super::recorder::Recorder;
use super::server::{Ask, Server};
use super::signals::{Asked, Signals, Then};
use super::systemd::Systemd;
use super::timer::Timer;
use super::vips::ManagedVip;
use super::vips::{VipId, VipTable, watched};
use crate::clock;
use crate::config::{Config, Loaded, OnStop, Sources, VipConfig};
use crate::host::{ClaimsHeard, DumpError, Host, Mirror, MonitorError, Notices, OpenError};
use crate::keeper::{Event as Told, StopMode};
use crate::source::etcd::{self, Source};
use crate::source::{KeyIndex, Report, Watched};
use crate::time::Moment;

/// What can happen to the driver.
#[derive(Debug)]
enum Event {
    Asked(Asked),
    Time,
    Notices(Notices),
    Report(Report),
    Claims(ClaimsHeard),
    HookEnded,
    /// Somebody asks how it stands.
    Status(Ask),
}

/// Why the daemon cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fatal {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the driver's timer or signals cannot be set up")]
    SetUp(#[source] io::Error),
    #[error(
        "{vip} is the only address of its family on {interface} and was not put there by vip-manager; it looks like \
         the host's own: choose another address for \"ip\", or give the host one of its own first"
    )]
    HostsOwn { vip: String, interface: String },
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    #[error(transparent)]
    Dump(#[from] DumpError),
    #[error("the tasks that watch etcd have ended by themselves")]
    SourceEnded,
    #[error("{left} could not be removed within {} s; the kernel's own lifetime ends it", STOP_LIMIT.as_secs())]
    NotReleased { left: String },
}

pub(super) struct Driver {
    pub(super) config: Config,
    pub(super) sources: Sources,
    pub(super) vips: VipTable,
    pub(super) systemd: Systemd,
    pub(super) logging: Logging,
    pub(super) hooks: Hooks,
    pub(super) host: Host,
    pub(super) kernel: Mirror,
    /// When to list links and addresses anew, after a list that failed.
    pub(super) look_again_at: Option<Moment>,
    pub(super) recorder: Recorder,
    pub(super) server: Server,
    /// The file that was read at the start.
    pub(super) file: Option<PathBuf>,
    pub(super) source: Source,
    watched: Vec<Watched>,
    timer: Timer,
    signals: Signals,
    stop_by: Option<Moment>,
}

impl Driver {
    /// Opens everything, looks at the host, and begins to watch. It has to be called within the runtime.
    pub(super) fn start(loaded: Loaded, sources: Sources, logging: Logging) -> Result<Self, Fatal> {
        let signals = Signals::listen().map_err(Fatal::SetUp)?;
        let timer = Timer::open().map_err(Fatal::SetUp)?;
        let mut host = Host::open(clock::now)?;
        let mut kernel = Mirror::default();
        kernel.replace(&host.addresses.dump()?);
        let config = loaded.config;
        let watched = watched(&config.vips);
        let server = Server::open(&config.status);
        let mut driver = Self {
            source: start_source(&config, &watched),
            watched,
            sources,
            host,
            kernel,
            look_again_at: None,
            vips: VipTable::default(),
            timer,
            signals,
            systemd: Systemd::connect(clock::now()),
            logging,
            hooks: Hooks::new(),
            stop_by: None,
            recorder: Recorder::new(clock::wall_time()),
            server,
            file: loaded.file,
            config,
        };
        driver.refuse_own_address(&driver.config.vips)?;
        for vip in driver.config.vips.clone() {
            driver.take_in(vip);
        }
        driver.drain(&driver.vips.ids());
        driver.listen_to_rivals();
        driver.systemd.ready();
        Ok(driver)
    }

    /// Goes round until it was told to stop and everything is released.
    pub(super) async fn run(&mut self) -> Result<(), Fatal> {
        loop {
            self.set_timer()?;
            let event = self.next().await?;
            let now = clock::now();
            self.pass_time(now);
            match event {
                Event::Time | Event::HookEnded => {}
                Event::Asked(Asked::Stop { signal, then }) => self.stop(signal, then, now),
                Event::Asked(Asked::Reload) => self.reload(),
                Event::Notices(notices) => self.notice(notices)?,
                Event::Report(report) => self.report(report, now),
                Event::Claims(heard) => self.hear(&heard, now),
                // Whoever asked may have gone.
                Event::Status(ask) => drop(ask.send(self.status(now))),
            }
            self.systemd.ping(clock::now());
            if self.stop_by.is_some() && self.is_stopped()? {
                let left = self.stop_by.map_or(Duration::ZERO, |limit| limit.since(clock::now()));
                self.hooks.finish(left).await;
                return Ok(());
            }
        }
    }

    async fn next(&mut self) -> Result<Event, Fatal> {
        tokio::select! {
            biased;
            asked = self.signals.next() => Ok(Event::Asked(asked)),
            expired = self.timer.expired() => expired.map(|()| Event::Time).map_err(Fatal::SetUp),
            notices = self.host.monitor.next() => Ok(Event::Notices(notices?)),
            report = self.source.reports.recv() => report.map(Event::Report).ok_or(Fatal::SourceEnded),
            () = self.hooks.next() => Ok(Event::HookEnded),
            heard = self.host.claims.next() => Ok(Event::Claims(heard)),
            // Last: whoever asks waits for everybody else.
            Some(ask) = self.server.asks.recv() => Ok(Event::Status(ask)),
        }
    }

    fn set_timer(&mut self) -> Result<(), Fatal> {
        let next = [self.vips.next_deadline(), self.systemd.next_ping(), self.look_again_at, self.stop_by];
        let next = next.into_iter().flatten().min();
        next.map_or(Ok(()), |moment| self.timer.set(moment).map_err(Fatal::SetUp))
    }

    // Events

    fn pass_time(&mut self, now: Moment) {
        let due = self.vips.due(now);
        for (_, vip) in self.vips.some_mut(&due) {
            vip.keeper.handle_timeout(now);
        }
        self.drain(&due);
        self.look_again(now);
    }

    fn report(&mut self, report: Report, now: Moment) {
        self.recorder.report(&report);
        let mut concerned = BTreeSet::new();
        match report {
            Report::Read(reads) => {
                for (key, read) in reads {
                    self.tell(key, &Told::Read(read), now, &mut concerned);
                }
            }
            Report::Changed(changes) => {
                for (key, change) in changes {
                    self.tell(key, &Told::Changed(change), now, &mut concerned);
                }
            }
            Report::Unreachable { why } => {
                concerned = self.vips.ids();
                for (_, vip) in self.vips.some_mut(&concerned) {
                    vip.keeper.handle_event(Told::Unreachable { why: why.clone() }, now);
                }
            }
        }
        self.drain(&concerned);
    }

    fn tell(&mut self, key: KeyIndex, told: &Told, now: Moment, concerned: &mut BTreeSet<VipId>) {
        let Some(watched) = self.watched.get(key) else { return };
        for id in self.vips.of_key(watched) {
            if let Some(vip) = self.vips.one_mut(id) {
                vip.keeper.handle_event(told.clone(), now);
                concerned.insert(id);
            }
        }
    }

    // Stopping

    fn stop(&mut self, signal: &str, then: Then, now: Moment) {
        if self.stop_by.is_some() {
            return;
        }
        let (mode, words) = match (self.config.on_stop, then) {
            (OnStop::Release, Then::Nobody) => (StopMode::Release, "releasing what is held"),
            (OnStop::Release, Then::Restart) => {
                (StopMode::Keep, "systemd restarts it, so what is held stays for the new process to take over")
            }
            (OnStop::Keep, Then::Nobody | Then::Restart) => {
                (StopMode::Keep, "what is held stays for its kernel lifetime, for the next start to take over")
            }
        };
        tracing::info!("stopping on {signal}: {words}");
        self.systemd.stopping(words);
        self.stop_by = Some(now + STOP_LIMIT);
        self.stop_keepers(mode);
    }

    fn is_stopped(&self) -> Result<bool, Fatal> {
        let left: Vec<_> = self.vips.all().filter(|(_, vip)| !vip.stopped()).map(|(_, vip)| vip).collect();
        if left.is_empty() {
            return Ok(true);
        }
        if self.stop_by.is_none_or(|limit| clock::now() < limit) {
            return Ok(false);
        }
        let left: Vec<_> = left.iter().map(|vip| vip.config.vip.to_string()).collect();
        Err(Fatal::NotReleased { left: left.join(", ") })
    }

    /// Tells every keeper that this is the end; also the way out after an error.
    pub(super) fn stop_keepers(&mut self, mode: StopMode) {
        let now = clock::now();
        let all = self.vips.ids();
        for (_, vip) in self.vips.some_mut(&all) {
            vip.keeper.handle_event(Told::Stop(mode), now);
        }
        self.drain(&all);
    }

    // VipTable

    /// Refuses an address that is the host's own (rule 10 of the promise), before anything was touched.
    pub(super) fn refuse_own_address(&self, vips: &[VipConfig]) -> Result<(), Fatal> {
        match vips.iter().find(|vip| self.is_the_hosts_own(vip)) {
            Some(vip) => {
                Err(Fatal::HostsOwn { vip: vip.vip.address().to_string(), interface: vip.interface.to_string() })
            }
            None => Ok(()),
        }
    }

    fn is_the_hosts_own(&self, vip: &VipConfig) -> bool {
        let Some(link) = self.kernel.link_by_name(&vip.interface) else { return false };
        let address = vip.vip.address();
        let marked = self.kernel.addresses(link.index, address).any(|standing| standing.ours);
        !marked && self.kernel.only_address_of_family(link.index, address)
    }

    /// Takes a VIP in; what stands of it already is found by its keeper.
    pub(super) fn take_in(&mut self, vip: VipConfig) -> VipId {
        let seed = self.vips.next_id().wrapping_mul(SPREAD) ^ u64::from(std::process::id());
        let mut vip = ManagedVip::new(vip, self.config.interval, seed);
        let link_view = vip.link_view(&self.kernel);
        vip.keeper.handle_event(Told::Observed(link_view), clock::now());
        self.vips.insert(vip)
    }

    /// Drains these vips: the host follows, neighbours and readers of the log are told, the next deadlines stand.
    pub(super) fn drain(&mut self, ids: &BTreeSet<VipId>) {
        if ids.is_empty() {
            return;
        }
        let mut vips = self.vips.some_mut(ids);
        execute::settle(&mut self.host, &mut vips);
        let mut deadlines = Vec::with_capacity(vips.len());
        let mut said = false;
        for (id, vip) in &mut vips {
            execute::announce(&mut self.host, vip);
            said |= speak(vip, &mut self.recorder, &mut self.hooks);
            self.recorder.absorb(vip);
            let now = clock::now();
            deadlines.push((*id, vip.keeper.next_deadline(now).map(|(at, _)| at), vip.leaving && vip.stopped()));
        }
        for (id, at, done) in deadlines {
            self.vips.set_deadline(id, at);
            if done {
                self.vips.remove(id);
            }
        }
        if said && self.stop_by.is_none() {
            self.systemd.status(&messages::overview(self.vips.all().map(|(_, vip)| vip)));
        }
    }

    /// Watches what the configuration names now, unless that is what is watched already.
    pub(super) fn watch_anew(&mut self, before: &Config) {
        let watched = watched(&self.config.vips);
        let same_cluster = before.etcd == self.config.etcd && before.interval == self.config.interval;
        if !same_cluster || call_limit(before) != call_limit(&self.config) || watched != self.watched {
            self.recorder.counters.add_errors(self.source.errors());
            self.source = start_source(&self.config, &watched);
            self.watched = watched;
        }
    }
}

/// Writes what a keeper has to say, and tells whether there was anything.
fn speak(vip: &mut ManagedVip, recorder: &mut Recorder, hooks: &mut Hooks) -> bool {
    let mut said = false;
    while let Some(note) = vip.keeper.poll_note() {
        let (level, line) = messages::note(&note, &vip.config, clock::now());
        messages::say(level, &line);
        hooks.news(&note, &vip.config, &line);
        recorder.note(vip, &note, line);
        said = true;
    }
    said
}

fn start_source(config: &Config, watched: &[Watched]) -> Source {
    etcd::start(&config.etcd, config.interval, call_limit(config), watched.to_vec())
}

/// A call may take so long that two more can follow it before the first deadline.
fn call_limit(config: &Config) -> Duration {
    let shortest = config.vips.iter().map(|vip| vip.hold_timeout).min().unwrap_or(config.interval * 3);
    shortest / 3
}

/// How long a stop waits for the kernel to let go.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// An odd number without a pattern (2^64 over the golden ratio), so that neighbouring vips draw different jitter.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
