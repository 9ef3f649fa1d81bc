//! Hooks: a program of the user's that is run when a VIP came, went, or is contested.
//!
//! Nothing waits for one: it is started after the host was changed, on another thread, and what it does is its own
//! affair. Several of one VIP run one after the other in the order of events.

mod queue;
mod run;

use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::keys::Key;
use crate::config::{Hook, VipConfig};
use crate::keeper::{Cause, Note};
use crate::vip::InterfaceName;
use queue::Queue;
use run::{Job, run};

type Place = (InterfaceName, IpAddr);

/// What a hook is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    Acquire,
    Release,
    Conflict,
}

impl Event {
    const fn key(self) -> Key {
        match self {
            Self::Acquire => Key::OnAcquire,
            Self::Release => Key::OnRelease,
            Self::Conflict => Key::OnConflict,
        }
    }

    const fn hook(self, vip: &VipConfig) -> Option<&Hook> {
        match self {
            Self::Acquire => vip.hooks.acquire.as_ref(),
            Self::Release => vip.hooks.release.as_ref(),
            Self::Conflict => vip.hooks.conflict.as_ref(),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Release => "release",
            Self::Conflict => "conflict",
        }
    }
}

/// All hooks of the daemon.
#[derive(Debug)]
pub(super) struct Hooks {
    queue: Queue<Place, Job>,
    ended: mpsc::UnboundedReceiver<Place>,
    tell: mpsc::UnboundedSender<Place>,
}

impl Hooks {
    pub(super) fn new() -> Self {
        let (tell, ended) = mpsc::unbounded_channel();
        Self { queue: Queue::new(), ended, tell }
    }

    /// Runs the hook that the user wants for this news, if there is one, with the line that tells of it.
    pub(super) fn news(&mut self, note: &Note, vip: &VipConfig, line: &str) {
        let Some((event, holder)) = occasion(note, vip) else { return };
        let Some(hook) = event.hook(vip) else { return };
        let mut environment = environment(event, holder, vip, line);
        if let Note::Contested { rival } = note {
            environment.push(("VIP_MANAGER_RIVAL", rival.to_string()));
        }
        let job = Job { key: event.key(), vip: vip.vip, hook: hook.clone(), limit: vip.hooks.limit, environment };
        if let Some(dropped) = self.queue.push((vip.interface.clone(), vip.vip.address()), job) {
            tracing::warn!("too many hooks of {} are waiting; dropping an {}", vip.vip, dropped.key.name());
        }
        self.start();
    }

    /// Waits for one to end, and starts what waited for it. Dropping the wait loses nothing.
    pub(super) async fn next(&mut self) {
        match self.ended.recv().await {
            Some(place) => {
                self.queue.ended(&place);
                self.start();
            }
            // Never, since we hold a sender ourselves.
            None => std::future::pending().await,
        }
    }

    /// Waits for those that are under way, after everything else has ended.
    pub(super) async fn finish(&mut self, limit: Duration) {
        let all = async {
            while !self.queue.is_idle() {
                self.next().await;
            }
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!("a hook is still running; not waiting for it");
        }
    }

    fn start(&mut self) {
        while let Some((place, job)) = self.queue.start() {
            let tell = self.tell.clone();
            tokio::spawn(async move {
                run(job).await;
                let _ended_anyway = tell.send(place);
            });
        }
    }
}

/// What this news is to a hook: which one it is for, and who the key names as far as the news knows. What is not known
/// is not guessed: nobody was asked, or nobody answered.
fn occasion<'a>(note: &'a Note, vip: &'a VipConfig) -> Option<(Event, Option<&'a str>)> {
    match note {
        Note::Acquired { evidence, .. } => Some((Event::Acquire, evidence.names.value(&vip.value))),
        Note::Released { cause, .. } => Some((Event::Release, named(cause, vip))),
        Note::Contested { .. } => Some((Event::Conflict, Some(&vip.value))),
        Note::Adopted { .. }
        | Note::Waiting { .. }
        | Note::Graded { .. }
        | Note::Doubtful { .. }
        | Note::Confirmed { .. }
        | Note::Missing { .. }
        | Note::Restored
        | Note::Releasing { .. }
        | Note::StandingBy { .. }
        | Note::Refused { .. }
        | Note::Echo { .. }
        | Note::StillContested { .. }
        | Note::Claimed { .. }
        | Note::ClaimRefused { .. }
        | Note::ClaimUnconfirmed { .. }
        | Note::Uncontested { .. } => None,
    }
}

fn named<'a>(cause: &'a Cause, vip: &'a VipConfig) -> Option<&'a str> {
    match cause {
        Cause::Read(read) | Cause::LeaseEnding(read) => read.names.value(&vip.value),
        Cause::Event(event) => event.names.value(&vip.value),
        Cause::Deadline { .. }
        | Cause::Lifetime { .. }
        | Cause::NeverConfirmed { .. }
        | Cause::ClaimLost { .. }
        | Cause::ClaimTaken { .. }
        | Cause::ClaimDeadline { .. }
        | Cause::Foreign
        | Cause::Stop => None,
    }
}

fn environment(event: Event, holder: Option<&str>, vip: &VipConfig, line: &str) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("VIP_MANAGER_EVENT", event.word().to_owned()),
        ("VIP_MANAGER_VIP", vip.vip.address().to_string()),
        ("VIP_MANAGER_PREFIX", vip.vip.prefix().to_string()),
        ("VIP_MANAGER_INTERFACE", vip.interface.to_string()),
        ("VIP_MANAGER_KEY", vip.key.clone()),
        ("VIP_MANAGER_VALUE", vip.value.clone()),
        ("VIP_MANAGER_HOLDER", holder.unwrap_or_default().to_owned()),
        ("VIP_MANAGER_REASON", line.to_owned()),
    ];
    // A key of etcd may hold any byte; the environment of a process cannot hold a zero.
    for (_, value) in &mut variables {
        value.retain(|c| c != '\0');
    }
    variables
}
