//! A fake of Consul 1.8.7 for where the real one cannot be had: servers and client agents that ask each other through
//! the lab's network, so that one that is killed, frozen or cut off is missing to the others. It has no tokens, no ACLs
//! and no TLS.
//!
//! It answers as the real one does, as far as the lab and the daemon look: `tests/consul/answers.rs` compares both with
//! what was recorded. What it does not know it refuses with 501, so that no test passes by a wrong answer.

mod cluster;
mod serve;
mod sessions;
mod store;

use std::convert::Infallible;
use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use vip_manager::time::Moment;

use self::store::{Refused, Store};
use super::PORT;
use crate::support::fail::{OrFail, locked};
use crate::support::host::Host;

/// Where the real one has the protocol of its servers.
const RPC_PORT: u16 = 8300;
/// Where the real one gossips.
const GOSSIP_PORT: u16 = 8301;

/// What the agents of a cluster have in common.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    store: Store,
    members: Vec<Member>,
    /// The position of the member that leads.
    leader: Option<usize>,
    snapshots: Vec<Store>,
    /// How often a snapshot was restored.
    restored: u64,
}

#[derive(Clone, Debug)]
struct Member {
    name: String,
    address: Ipv4Addr,
    server: bool,
    /// Since when the leader does not hear it.
    silent: Option<Moment>,
}

/// An agent.
#[derive(Debug)]
pub(super) struct FakeAgent {
    host: Host,
    place: usize,
    shared: Arc<Shared>,
    frozen: watch::Sender<bool>,
    /// Dropping it ends the agent with all its connections.
    running: Option<(oneshot::Sender<()>, std::thread::JoinHandle<()>)>,
}

/// An agent while it runs.
#[derive(Debug)]
struct Running {
    place: usize,
    name: String,
    address: Ipv4Addr,
    server: bool,
    shared: Arc<Shared>,
    frozen: watch::Receiver<bool>,
    /// Whether it lately reached the leader, or as the leader most servers.
    well: AtomicBool,
}

impl FakeAgent {
    /// An agent that does not run yet.
    pub(super) fn new(host: &Host, server: bool, shared: &Arc<Shared>) -> Self {
        let mut state = locked(&shared.state);
        let member = Member { name: host.name().to_owned(), address: host.v4(), server, silent: None };
        state.members.push(member);
        let place = state.members.len() - 1;
        drop(state);
        Self { host: host.clone(), place, shared: Arc::clone(shared), frozen: watch::Sender::new(false), running: None }
    }

    pub(super) fn resume(&mut self) {
        let (end, ended) = oneshot::channel();
        let member = locked(&self.shared.state).members[self.place].clone();
        locked(&self.shared.state).store.nodes.insert(member.name.clone());
        let running = Arc::new(Running {
            place: self.place,
            name: member.name,
            address: member.address,
            server: member.server,
            shared: Arc::clone(&self.shared),
            frozen: self.frozen.subscribe(),
            well: AtomicBool::new(true),
        });
        let thread = self.host.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.or_fail("building a runtime").block_on(async move {
                tokio::select! {
                    () = run(running) => {}
                    _ = ended => {}
                }
            });
        });
        self.running = Some((end, thread));
    }

    pub(super) fn runs(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn stop(&mut self) {
        if let Some((end, thread)) = self.running.take() {
            drop(end);
            let _panicked = thread.join();
        }
        self.freeze(false);
    }

    /// Connections stay open, but nothing is answered.
    pub(super) fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Looks at the state, or changes it.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut locked(&self.state))
    }

    /// Wakes those who wait for a change.
    fn note_change(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }
}

impl Running {
    /// Waits while it is frozen.
    async fn thawed(&self) {
        let mut frozen = self.frozen.clone();
        let _gone = frozen.wait_for(|frozen| !*frozen).await;
    }
}

async fn run(agent: Arc<Running>) {
    let gossip = listen(GOSSIP_PORT, {
        let agent = Arc::clone(&agent);
        move |stream| echo(Arc::clone(&agent), stream)
    });
    let http = listen(PORT, {
        let agent = Arc::clone(&agent);
        move |stream| serve_http(Arc::clone(&agent), stream)
    });
    if agent.server {
        // HTTP is not the protocol of this port: the first byte ends the connection.
        let rpc = listen(RPC_PORT, |mut stream| async move {
            let _refused = stream.read_u8().await;
        });
        tokio::join!(gossip, http, rpc, cluster::take_part(&agent), cluster::end_sessions(&agent));
    } else {
        tokio::join!(gossip, http);
    }
}

async fn listen<F: Future<Output = ()> + Send + 'static>(port: u16, serve: impl Fn(TcpStream) -> F) {
    let listener = loop {
        match TcpListener::bind(("0.0.0.0", port)).await {
            Ok(listener) => break listener,
            // Connections of the one before linger.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream));
    }
}

async fn serve_http(agent: Arc<Running>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let agent = Arc::clone(&agent);
        async move { Ok::<_, Infallible>(serve::serve(&agent, request).await) }
    });
    let _closed = http1::Builder::new().title_case_headers(true).serve_connection(TokioIo::new(stream), service).await;
}

/// Shows that the agent is alive.
async fn echo(agent: Arc<Running>, mut stream: TcpStream) {
    if let Ok(byte) = stream.read_u8().await {
        agent.thawed().await;
        let _gone = stream.write_u8(byte).await;
    }
}

/// What is said to a request that the fake does not know.
fn unknown(what: &str) -> Refused {
    (501, format!("the fake of Consul does not know {what}"))
}
