//! What Patroni writes: the record of the leader, renewed each loop.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use vip_manager::clock;
use vip_manager::time::Moment;

use super::{KEY, Kubernetes};
use crate::support::clock::now;
use crate::support::fail::locked;
use crate::support::host::Host;

/// The annotations of a record that was renewed now.
pub(crate) fn annotations(leader: &str, ttl: u64) -> Value {
    let time = clock::wall_time().to_string();
    // Patroni's form has microseconds and an offset.
    let time = format!("{}000+00:00", time.trim_end_matches('Z'));
    json!({"leader": leader, "ttl": ttl.to_string(), "renewTime": time, "acquireTime": time, "transitions": "0",
        "optime": "50331648"})
}

/// Renews the record as the leader does, from its own host, until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Leader {
    jobs: mpsc::Sender<()>,
    /// When the last renewal that was acknowledged was sent, and when its answer came.
    renewed: Arc<Mutex<Option<(Moment, Moment)>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Leader {
    /// Takes the record and renews it each `every`.
    pub(crate) fn start(kubernetes: &Kubernetes, host: &Host, ttl: u64, every: Duration) -> Self {
        Self::of(kubernetes, host, KEY, ttl, every)
    }

    pub(crate) fn of(kubernetes: &Kubernetes, host: &Host, key: &str, ttl: u64, every: Duration) -> Self {
        let (client, name, key) = (kubernetes.client_on(host), host.name().to_owned(), key.to_owned());
        let (jobs, inbox) = mpsc::channel();
        let renewed = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&renewed);
        let thread = std::thread::spawn(move || {
            loop {
                let sent = now();
                if client.annotate(&key, &annotations(&name, ttl)).is_ok() {
                    *locked(&noted) = Some((sent, now()));
                }
                match inbox.recv_timeout(every) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Self { jobs, renewed, thread: Some(thread) }
    }

    /// When the last renewal that was acknowledged was sent, and when its answer came.
    pub(crate) fn renewed(&self) -> Option<(Moment, Moment)> {
        *locked(&self.renewed)
    }

    /// Dies: the record stays. Returns when the last renewal was sent and answered.
    pub(crate) fn die(mut self) -> Option<(Moment, Moment)> {
        self.end();
        self.renewed()
    }

    fn end(&mut self) {
        let _ended = self.jobs.send(());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.end();
    }
}
