//! Who leads the fake, and which agents are alive. Agents probe each other through the lab's network.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{GOSSIP_PORT, Running, Shared};
use crate::support::clock::now;

const PERIOD: Duration = Duration::from_millis(250);
const PROBE: Duration = Duration::from_millis(500);
/// How many failed looks at the leader begin an election, or end its term.
const PATIENCE: u32 = 3;
/// Gossip declares an agent failed when it was silent for so long.
const FAILED: Duration = Duration::from_secs(5);
/// A server that was silent for so long is removed.
const REMOVED: Duration = Duration::from_secs(10);

/// What a server does beside answering: it watches the leader, and takes its place.
pub(super) async fn take_part(agent: &Arc<Running>) {
    let mut misses = 0;
    loop {
        agent.thawed().await;
        let leader = agent.shared.with(|state| state.leader);
        let well = match leader {
            Some(place) if place == agent.place => agent.has_quorum().await,
            Some(place) => probe(agent.shared.address(place)).await,
            None => false,
        };
        agent.well.store(well, Ordering::Relaxed);
        misses = if well { 0 } else { misses + 1 };
        if well && leader == Some(agent.place) {
            agent.watch_members().await;
        } else if leader.is_none() || misses >= PATIENCE {
            misses = 0;
            agent.take_over(leader).await;
        }
        sleep(PERIOD).await;
    }
}

/// The leader ends the sessions whose time is up.
pub(super) async fn end_sessions(agent: &Running) {
    loop {
        sleep(Duration::from_millis(20)).await;
        agent.thawed().await;
        let well = agent.well.load(Ordering::Relaxed);
        if well && agent.shared.with(|state| state.leader == Some(agent.place) && state.store.expire(now())) {
            agent.shared.note_change();
        }
    }
}

impl Shared {
    pub(super) fn address(&self, place: usize) -> Ipv4Addr {
        self.with(|state| state.members[place].address)
    }

    pub(super) fn servers(&self) -> Vec<Ipv4Addr> {
        self.with(|state| state.members.iter().filter(|member| member.server).map(|member| member.address).collect())
    }
}

impl Running {
    /// Whether it reaches most of the servers now, itself among them.
    pub(super) async fn has_quorum(&self) -> bool {
        let servers = self.shared.servers();
        let mut probes = JoinSet::new();
        for server in servers.iter().filter(|server| **server != self.address) {
            probes.spawn(probe(*server));
        }
        let mut reached = 1;
        while reached * 2 <= servers.len() {
            match probes.join_next().await {
                Some(answered) => reached += usize::from(answered.unwrap_or(false)),
                None => return false,
            }
        }
        true
    }

    /// An election: the first that sees the leader gone and reaches most servers is the next. A leader that does not
    /// reach them is none.
    async fn take_over(&self, gone: Option<usize>) {
        let able = gone != Some(self.place) && self.has_quorum().await;
        let changed = self.shared.with(|state| {
            if state.leader != gone {
                return false;
            }
            state.leader = able.then_some(self.place).or(gone.filter(|gone| *gone != self.place));
            if able {
                state.store.restart_sessions(now());
            }
            state.leader != gone
        });
        if changed {
            self.shared.note_change();
        }
    }

    /// What the leader hears of the others decides about their sessions.
    async fn watch_members(&self) {
        let members = self.shared.with(|state| state.members.clone());
        let mut probes = JoinSet::new();
        for (place, member) in members.into_iter().enumerate().filter(|(place, _)| *place != self.place) {
            probes.spawn(async move { (place, probe(member.address).await) });
        }
        let answers = probes.join_all().await;
        let now = now();
        let changed = self.shared.with(|state| {
            let mut changed = false;
            for (place, alive) in answers {
                let member = &mut state.members[place];
                if alive {
                    member.silent = None;
                    state.store.nodes.insert(member.name.clone());
                    continue;
                }
                let silent = now.since(*member.silent.get_or_insert(now));
                if silent >= FAILED {
                    changed |= state.store.fail_node(&member.name, now);
                }
                if silent >= REMOVED && member.server {
                    changed |= state.store.deregister(&member.name, now);
                }
            }
            changed
        });
        if changed {
            self.shared.note_change();
        }
    }
}

async fn probe(address: Ipv4Addr) -> bool {
    let probed = async {
        let mut stream = TcpStream::connect((address, GOSSIP_PORT)).await?;
        stream.write_u8(0).await?;
        stream.read_u8().await
    };
    timeout(PROBE, probed).await.is_ok_and(|answer| answer.is_ok())
}
