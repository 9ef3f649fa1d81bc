//! The event loop: it waits for the next event, lets the driver handle it, and logs what came of it.
//!
//! Every turn begins with the clock, before the event is looked at: a process that was stopped for a while finds its
//! deadlines over before it reads what has piled up. Nothing in a turn waits.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::fatal::{Fatal, STOP_LIMIT};
use super::hooks::Hooks;
use super::log::Logging;
use super::messages;
use super::recorder::Recorder;
use super::reload::{self, Reload};
use super::server::{Ask, Server};
use super::signals::{Asked, Signals, Then};
use super::snapshot;
use super::sources::Sources as Stores;
use super::systemd::Systemd;
use super::timer::Timer;
use crate::clock;
use crate::config::{Config, Loaded, OnStop, Problems, SourceIndex, Sources};
use crate::driver::{Circumstances, Driver, ManagedVip, Message};
use crate::error;
use crate::host::{self, ClaimsHeard, Host, Notices};
use crate::keeper::{ClaimWish, Event as KeeperEvent, StopMode};
use crate::source::{KeyIndex, Report};
use crate::time::Moment;

/// What the loop waits for.
#[derive(Debug)]
enum Event {
    Asked(Asked),
    Time,
    Notices(Notices),
    Report(SourceIndex, Report),
    Claims(ClaimsHeard),
    HookEnded,
    /// The configuration was read again.
    Loaded(io::Result<Result<Loaded, Problems>>),
    /// A client asks for the status.
    Status(Ask),
}

/// The daemon.
pub(super) struct EventLoop {
    config: Config,
    reload: Reload,
    /// The file that was read at the start.
    file: Option<PathBuf>,
    driver: Driver<Host>,
    stores: Stores,
    systemd: Systemd,
    logging: Logging,
    hooks: Hooks,
    recorder: Recorder,
    server: Server,
    timer: Timer,
    signals: Signals,
    stop_by: Option<Moment>,
}

impl EventLoop {
    /// Opens everything, looks at the host, and begins to watch. It has to be called within the runtime.
    pub(super) fn start(loaded: Loaded, sources: Sources, logging: Logging) -> Result<Self, Fatal> {
        let signals = Signals::listen().map_err(Fatal::SetUp)?;
        let timer = Timer::open().map_err(Fatal::SetUp)?;
        let config = loaded.config;
        let seed = u64::from(std::process::id());
        let driver = Driver::new(Host::open(clock::now)?, clock::now, config.pace, seed)?;
        let server = Server::open(&config.status);
        let mut daemon = Self {
            stores: Stores::start(&config),
            reload: Reload::new(sources),
            driver,
            timer,
            signals,
            systemd: Systemd::connect(clock::now()),
            logging,
            hooks: Hooks::new(),
            stop_by: None,
            recorder: Recorder::new(clock::wall_time(), &config),
            server,
            file: loaded.file,
            config,
        };
        daemon.driver.circumstances = circumstances(&daemon.config);
        let added = daemon.driver.add(daemon.config.vips.clone());
        if added.is_ok() {
            daemon.driver.remove_orphans();
        }
        daemon.write_messages();
        added?;
        daemon.systemd.ready();
        Ok(daemon)
    }

    /// Runs until a signal asks for the end and every VIP is released.
    pub(super) async fn run(&mut self) -> Result<(), Fatal> {
        loop {
            self.set_timer()?;
            let event = self.next().await?;
            let now = clock::now();
            self.driver.pass_time(now);
            self.write_messages();
            let handled = self.handle(event, now);
            self.write_messages();
            handled?;
            self.systemd.ping(clock::now());
            if let Some(limit) = self.stop_by
                && self.is_stopped(limit)?
            {
                self.hooks.finish(limit.since(clock::now())).await;
                return Ok(());
            }
        }
    }

    async fn next(&mut self) -> Result<Event, Fatal> {
        tokio::select! {
            biased;
            asked = self.signals.next() => Ok(Event::Asked(asked)),
            expired = self.timer.expired() => expired.map(|()| Event::Time).map_err(Fatal::SetUp),
            notices = self.driver.host.monitor.next() => Ok(Event::Notices(notices?)),
            report = self.stores.next() => {
                report.map(|(source, report)| Event::Report(source, report)).ok_or(Fatal::SourceEnded)
            }
            () = self.hooks.next() => Ok(Event::HookEnded),
            loaded = self.reload.next() => Ok(Event::Loaded(loaded)),
            heard = self.driver.host.claims.next() => Ok(Event::Claims(heard)),
            // Last: a client can wait.
            Some(ask) = self.server.asks.recv() => Ok(Event::Status(ask)),
        }
    }

    fn set_timer(&mut self) -> Result<(), Fatal> {
        let claims_by = self.stop_by.map(|limit| limit - CLAIM_PATIENCE).filter(|at| *at > clock::now());
        let next =
            [self.driver.next_deadline(), self.systemd.next_ping(), self.stop_by, claims_by, self.reload.overdue()];
        let next = next.into_iter().flatten().min();
        next.map_or(Ok(()), |moment| self.timer.set(moment).map_err(Fatal::SetUp))
    }

    fn handle(&mut self, event: Event, now: Moment) -> Result<(), Fatal> {
        match event {
            Event::Time => self.judge_reload(now),
            Event::HookEnded => {}
            Event::Asked(Asked::Stop { signal, then }) => self.stop(signal, then, now),
            Event::Asked(Asked::Reload) => {
                self.systemd.reloading(now);
                self.reload.request(now);
            }
            Event::Loaded(loaded) => self.loaded(loaded),
            Event::Notices(notices) => self.notice(notices)?,
            Event::Report(source, report) => self.report(source, report, now),
            Event::Claims(heard) => self.hear(&heard, now),
            Event::Status(ask) => {
                let status = snapshot::status(&self.driver, &self.stores, &self.recorder, self.file.as_deref(), now);
                // The client may have disconnected.
                drop(ask.send(status));
            }
        }
        Ok(())
    }

    fn report(&mut self, source: SourceIndex, report: Report, now: Moment) {
        self.recorder.report(&report);
        match report {
            Report::Read(reads) => {
                for (key, read) in reads {
                    self.tell(source, key, &KeeperEvent::Read(read), now);
                }
            }
            Report::Changed(changes) => {
                for (key, change) in changes {
                    self.tell(source, key, &KeeperEvent::Changed(change), now);
                }
            }
            Report::Unreadable(keys) => {
                for (key, why) in keys {
                    self.tell(source, key, &KeeperEvent::Unreachable { why, until: None }, now);
                }
            }
            Report::Claim(claim, report) => {
                if let Some(spec) = self.stores.claim(source, claim) {
                    self.driver.tell_claim(source, &spec.key, &report, now);
                }
            }
            Report::Unreachable { why, until } => {
                self.driver.tell_source(source, &KeeperEvent::Unreachable { why, until }, now);
            }
        }
        self.driver.run();
    }

    fn tell(&mut self, source: SourceIndex, key: KeyIndex, event: &KeeperEvent, now: Moment) {
        if let Some(watched) = self.stores.watched(source, key) {
            self.driver.tell_key(source, &watched.key, &watched.value, event, now);
        }
    }

    fn notice(&mut self, notices: Notices) -> Result<(), Fatal> {
        let mut batch = Some(notices);
        for _ in 0..BATCHES_PER_TURN {
            match batch {
                Some(Notices::Seen(notices)) => self.driver.apply(&notices),
                Some(Notices::Overrun) => {
                    tracing::debug!("the kernel dropped notices; listing all links and addresses");
                    self.driver.overrun();
                }
                None => break,
            }
            batch = self.driver.host.monitor.pending()?;
        }
        self.driver.observed();
        Ok(())
    }

    fn hear(&mut self, heard: &ClaimsHeard, now: Moment) {
        if heard.dropped > 0 {
            tracing::debug!("the kernel dropped {} claims on interface {}", heard.dropped, heard.link);
        }
        self.driver.hear(heard.link, &heard.claims, now);
    }

    /// Logs, counts and tells what came of a turn.
    fn write_messages(&mut self) {
        let mut noted = false;
        while let Some(message) = self.driver.poll_message() {
            self.recorder.count(&message);
            messages::log(&message);
            if let Message::Claim { vip, wish } = &message {
                self.stores.want(vip, *wish);
            }
            if let Message::Note { vip, state, note } = &message {
                let (level, line) = messages::note(note, vip, clock::now());
                messages::say(level, &line);
                self.hooks.news(note, vip, &line);
                self.recorder.note(vip, state, note, line, clock::wall_time());
                noted = true;
            }
        }
        if noted && self.stop_by.is_none() {
            self.systemd.status(&messages::overview(self.driver.vips()));
        }
    }

    // Stopping

    fn stop(&mut self, signal: &str, then: Then, now: Moment) {
        if self.stop_by.is_some() {
            return;
        }
        let (mode, words) = match (self.config.on_stop, then) {
            (OnStop::Release, Then::Nobody) => (StopMode::Release, "releasing all VIPs"),
            (OnStop::Release, Then::Restart) => {
                (StopMode::Keep, "keeping all VIPs, since systemd restarts the daemon and the new process adopts them")
            }
            (OnStop::Keep, Then::Nobody | Then::Restart) => {
                (StopMode::Keep, "keeping all VIPs for their kernel lifetime, for the next start to adopt")
            }
        };
        tracing::info!("stopping on {signal}: {words}");
        self.systemd.stopping(words);
        self.stop_by = Some(now + STOP_LIMIT);
        self.driver.stop(mode);
    }

    fn is_stopped(&self, limit: Moment) -> Result<bool, Fatal> {
        let left: Vec<_> = self.driver.unstopped().map(|vip| vip.config.vip.to_string()).collect();
        match left[..] {
            [] => Ok(self.is_unclaimed(limit)),
            [..] if clock::now() < limit => Ok(false),
            [..] => Err(Fatal::NotReleased { left: left.join(", ") }),
        }
    }

    /// Whether every claim is deleted, as far as there is time. What is left ends by itself.
    fn is_unclaimed(&self, limit: Moment) -> bool {
        let deletes = |vip: &&ManagedVip| vip.keeper.claim_wish() == ClaimWish::Delete;
        let left: Vec<_> = self.driver.vips().filter(deletes).map(|vip| vip.config.claim.key.clone()).collect();
        if !left.is_empty() && clock::now() + CLAIM_PATIENCE < limit {
            return false;
        }
        for key in left {
            tracing::warn!("claim {key} not deleted in time: it ends by itself");
        }
        true
    }

    /// Releases everything after an error.
    pub(super) fn release(&mut self) {
        self.driver.stop(StopMode::Release);
        self.write_messages();
    }

    // Reload

    /// Reports that the configuration cannot be read in time. It is applied if it can be read after all.
    fn judge_reload(&mut self, now: Moment) {
        if self.reload.is_overdue(now) {
            tracing::error!(
                "cannot read the new configuration within {:.1?}, keeping the old one; does its file system hang?",
                reload::LIMIT
            );
            self.systemd.ready();
        }
    }

    /// Applies the configuration that was read again. With one mistake in it the daemon reports it and keeps the old one.
    fn loaded(&mut self, loaded: io::Result<Result<Loaded, Problems>>) {
        if self.stop_by.is_some() {
            return;
        }
        match loaded {
            Err(error) => tracing::error!("cannot read the new configuration, keeping the old one: {error}"),
            Ok(Ok(loaded)) => {
                messages::configuration(&loaded.notices);
                self.change_to(loaded.config);
            }
            Ok(Err(problems)) => {
                for problem in problems.iter() {
                    tracing::error!("{problem}");
                }
                tracing::error!("new configuration rejected, keeping the old one");
            }
        }
        self.systemd.ready();
    }

    fn change_to(&mut self, new: Config) {
        self.driver.circumstances = circumstances(&new);
        let changes = match self.driver.reload(&new.vips, new.pace) {
            Ok(changes) => changes,
            Err(own) => {
                tracing::error!("{}; new configuration rejected, keeping the old one", error::chain(&own));
                return;
            }
        };
        self.config = new;
        self.logging.set_level(self.config.log_level);
        self.write_messages();
        self.recorder.counters.add_errors(self.stores.change_to(&self.config));
        for vip in self.driver.vips() {
            self.stores.want(&vip.config, vip.keeper.claim_wish());
        }
        self.server.change_to(&self.config.status);
        self.recorder.reloaded(&self.config);
        tracing::info!(
            "configuration reloaded: {} VIPs added, {} removed, the others unchanged",
            changes.added,
            changes.removed
        );
    }
}

/// What tells the host's own addresses from those that an earlier process has added.
pub(crate) fn circumstances(config: &Config) -> Circumstances {
    let endpoints = config.sources.iter().flat_map(|source| &source.store().endpoints);
    let endpoints = endpoints.map(|endpoint| (endpoint.host.as_str(), endpoint.port));
    host::circumstances(endpoints, config.older_release)
}

/// Of the limit of a stop, what is not spent on claims.
const CLAIM_PATIENCE: Duration = Duration::from_secs(3);
/// More than the queue can hold, unless it is filled as fast as it is read.
const BATCHES_PER_TURN: usize = 256;
