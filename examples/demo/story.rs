//! The story, chapter by chapter, each with what came of it.

use std::time::Duration;

use vip_manager::time::Moment;

use crate::stage::Stage;
use crate::support::clock::now;
use crate::support::cut::{Cut, Way};
use crate::support::daemon::Daemon;
use crate::support::etcd::Member;
use crate::support::host::Host;

const LIMIT: Duration = Duration::from_secs(30);
const BREATH: Duration = Duration::from_secs(2);

/// What came of a chapter.
pub(crate) struct Chapter {
    pub(crate) what: String,
    pub(crate) hosts: String,
    /// How long no host had the address.
    pub(crate) away: Duration,
    /// The client's longest wait for an answer to a ping.
    pub(crate) silent: Duration,
    pub(crate) lost: usize,
    pub(crate) connection: String,
    /// How long two hosts had the address.
    pub(crate) overlap: Duration,
}

/// The state of affairs at the start of a chapter.
struct Opening {
    at: Moment,
    lost: u32,
    resets: u32,
    overlap: Duration,
}

/// Plays everything.
pub(crate) fn tell(stage: &mut Stage) -> Vec<Chapter> {
    first_leader(stage);
    let chapters = vec![switchover(stage), crash(stage), silent_etcd(stage), cut_off(stage)];
    stage.timeline.flush();
    chapters
}

fn first_leader(stage: &mut Stage) {
    stage.timeline.heading("Patroni elects db1");
    stage.play_until("the daemons", LIMIT, |stage| stage.daemons.iter().flatten().all(Daemon::ready));
    stage.patroni[0].take_over();
    stage.timeline.say("db1 writes its name to the leader key in etcd");
    stage.play_until_held(0, LIMIT);
    stage.play_for(BREATH);
}

fn switchover(stage: &mut Stage) -> Chapter {
    stage.timeline.heading("Switchover: Patroni moves the leader from db1 to db2");
    let opening = open(stage);
    stage.timeline.say("db1 steps down and deletes the key, db2 creates it");
    stage.patroni[0].step_down();
    stage.patroni[1].take_over();
    stage.play_until_held(1, LIMIT);
    stage.play_for(BREATH);
    close(stage, &opening, "switchover", Some((0, 1)))
}

fn crash(stage: &mut Stage) -> Chapter {
    stage.timeline.heading("Crash: SIGKILL for the daemon on db2, and its leader dies with it");
    let opening = open(stage);
    stage.patroni[1].die();
    if let Some(mut daemon) = stage.daemons[1].take() {
        daemon.process.kill();
    }
    stage.timeline.say("nobody on db2 can remove the address any more; the lease of its leader runs out");
    stage.patroni[2].may_lead(true);
    stage.play_until_held(2, LIMIT);
    stage.play_for(BREATH);
    let chapter = close(stage, &opening, "daemon killed, leader dead", Some((1, 2)));
    stage.timeline.say("db2 comes back and follows");
    stage.start_daemon(1);
    stage.patroni[1].revive(false);
    stage.play_until("the daemon on db2", LIMIT, |stage| stage.daemons[1].as_ref().is_some_and(Daemon::ready));
    chapter
}

fn silent_etcd(stage: &mut Stage) -> Chapter {
    stage.timeline.heading("A hiccup: all of etcd is silent for 3 seconds");
    let opening = open(stage);
    stage.cluster.members.iter().for_each(Member::freeze);
    stage.timeline.say("SIGSTOP for every etcd member: connections stand, nobody answers");
    stage.play_for(Duration::from_secs(3));
    stage.cluster.members.iter().for_each(Member::thaw);
    stage.timeline.say("SIGCONT");
    stage.play_for(2 * BREATH);
    close(stage, &opening, "etcd silent for 3 s", None)
}

fn cut_off(stage: &mut Stage) -> Chapter {
    stage.timeline.heading("A cut: the holder db3 can no longer reach etcd, and nobody tells it");
    let opening = open(stage);
    stage.patroni[0].may_lead(true);
    let members: Vec<&Host> = stage.cluster.members.iter().map(|member| &member.host).collect();
    let cut = Cut::between(&stage.lab, &stage.hosts[2], &members, Way::Both);
    stage.timeline.say("packets between db3 and etcd vanish; clients still reach db3");
    stage.play_until_held(0, LIMIT);
    stage.play_for(BREATH);
    let chapter = close(stage, &opening, "holder cut off from etcd", Some((2, 0)));
    cut.heal();
    stage.timeline.say("the cut heals: db3 sees db1's name and stays quiet");
    stage.play_for(BREATH);
    chapter
}

fn open(stage: &Stage) -> Opening {
    let observers = &stage.observers;
    Opening { at: now(), lost: observers.pings().lost(), resets: observers.resets(), overlap: observers.overlap() }
}

fn close(stage: &Stage, opening: &Opening, what: &str, moved: Option<(usize, usize)>) -> Chapter {
    let observers = &stage.observers;
    let pings = observers.pings();
    let silent = pings.outages().into_iter().filter(|outage| outage.until > opening.at);
    let away = moved.and_then(|(from, to)| Some(observers.held_since(to).since(observers.lost_at(from)?)));
    let connection = if observers.resets() > opening.resets { "reset, connected anew" } else { "kept" };
    Chapter {
        what: what.to_owned(),
        hosts: moved.map_or("-".to_owned(), |(from, to)| format!("{}→{}", stage.name(from), stage.name(to))),
        away: away.unwrap_or_default(),
        silent: silent.map(|outage| outage.until.since(outage.from)).max().unwrap_or_default(),
        lost: pings.lost().saturating_sub(opening.lost) as usize,
        connection: connection.to_owned(),
        overlap: observers.overlap().saturating_sub(opening.overlap),
    }
}
