//! What Patroni does with its lock in Consul.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use vip_manager::time::Moment;

use super::agent::{Agent, ask};
use super::{MASTER, START};
use crate::support::clock::{now, pause, wait_until};
use crate::support::fail::locked;
use crate::support::host::Host;

/// Patroni's settings, as far as the lab needs them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) ttl: u64,
    pub(crate) loop_wait: u64,
    pub(crate) retry_timeout: u64,
}

/// Holds a lock as Patroni does: a session that is renewed once per loop, through the agent of its host.
#[derive(Debug)]
pub(crate) struct LockHolder {
    stop: Arc<AtomicBool>,
    renewed: Arc<Mutex<Moment>>,
    thread: Option<JoinHandle<()>>,
}

impl LockHolder {
    /// Waits until it has the lock. The session is made through `agent`, so it belongs to it.
    pub(crate) fn start(host: &Host, agent: &Agent, key: &str, timing: Timing) -> Self {
        Self::start_with(host, agent, key, timing, &[])
    }

    /// The same with a session that has these checks.
    pub(crate) fn start_with(host: &Host, agent: &Agent, key: &str, timing: Timing, checks: &[&str]) -> Self {
        let to = (agent.host.v4(), agent.port);
        let session = json!({
            "Name": format!("pg-{}", host.name()),
            "TTL": format!("{:.1}s", Duration::from_secs(timing.ttl).as_secs_f64() / 2.0),
            "LockDelay": "1ms",
            "Behavior": "delete",
            "NodeChecks": checks,
        })
        .to_string();
        let new_session = || {
            wait_until("a session", START, || {
                let answer = ask(host, to, "PUT", "/v1/session/create", &session, MASTER).ok()?;
                let made: Value = serde_json::from_str(&answer.body).ok()?;
                made["ID"].as_str().map(str::to_owned)
            })
        };
        let mut id = new_session();
        let (name, key) = (host.name().to_owned(), key.to_owned());
        wait_until("the lock", START, || {
            let path = format!("/v1/kv/{key}?acquire={id}");
            let answer = ask(host, to, "PUT", &path, &name, MASTER).ok()?;
            // Nobody renews it yet, so it may end while another has the lock.
            if answer.body.contains("invalid session") {
                id = new_session();
            }
            (answer.body.trim() == "true").then_some(())
        });
        let stop = Arc::new(AtomicBool::new(false));
        let renewed = Arc::new(Mutex::new(now()));
        let thread = {
            let (stop, renewed, host) = (Arc::clone(&stop), Arc::clone(&renewed), host.clone());
            std::thread::spawn(move || {
                let mut next = now();
                while !stop.load(Ordering::Relaxed) {
                    if now() >= next {
                        let began = now();
                        let path = format!("/v1/session/renew/{id}");
                        if ask(&host, to, "PUT", &path, "", MASTER).is_ok_and(|answer| answer.status == 200) {
                            *locked(&renewed) = began;
                        }
                        next = began + Duration::from_secs(timing.loop_wait);
                    }
                    pause(Duration::from_millis(20));
                }
            })
        };
        Self { stop, renewed, thread: Some(thread) }
    }

    /// When the last renewal that was answered was sent.
    pub(crate) fn renewed(&self) -> Moment {
        *locked(&self.renewed)
    }

    /// Renews no more, and leaves the lock to its end.
    pub(crate) fn die(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Drop for LockHolder {
    fn drop(&mut self) {
        self.die();
    }
}
