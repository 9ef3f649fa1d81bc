//! The steps of the demo, each with its result.

use std::time::Duration;

use vip_manager::time::Moment;

use crate::environment::Environment;
use crate::support::clock::now;
use crate::support::cut::{Cut, Way};
use crate::support::daemon::Daemon;
use crate::support::etcd::Member;
use crate::support::host::Host;

const LIMIT: Duration = Duration::from_secs(30);
const REST: Duration = Duration::from_secs(2);

/// The result of a step.
pub(crate) struct StepResult {
    pub(crate) what: String,
    pub(crate) hosts: String,
    /// For how long no host had the address.
    pub(crate) away: Duration,
    /// The longest time without an answer to the client's pings.
    pub(crate) silent: Duration,
    pub(crate) lost: usize,
    pub(crate) connection: String,
    /// For how long two hosts had the address at the same time.
    pub(crate) overlap: Duration,
}

/// The counters at the start of a step.
struct Start {
    at: Moment,
    lost: u32,
    resets: u32,
    overlap: Duration,
}

/// Runs all steps.
pub(crate) fn run(env: &mut Environment) -> Vec<StepResult> {
    first_leader(env);
    let results = vec![switchover(env), crash(env), silent_etcd(env), cut_off(env)];
    env.timeline.flush();
    results
}

fn first_leader(env: &mut Environment) {
    env.timeline.heading("Patroni elects db1");
    env.run_until("the daemons to be ready", LIMIT, |env| env.daemons.iter().flatten().all(Daemon::ready));
    env.patroni[0].take_over();
    env.timeline.say("db1 writes its name to the leader key in etcd");
    env.run_until_held(0, LIMIT);
    env.run_for(REST);
}

fn switchover(env: &mut Environment) -> StepResult {
    env.timeline.heading("Switchover: Patroni moves the leader from db1 to db2");
    let start = open(env);
    env.timeline.say("db1 steps down and deletes the key, db2 creates it");
    env.patroni[0].step_down();
    env.patroni[1].take_over();
    env.run_until_held(1, LIMIT);
    env.run_for(REST);
    close(env, &start, "switchover", Some((0, 1)))
}

fn crash(env: &mut Environment) -> StepResult {
    env.timeline.heading("Crash: SIGKILL for the daemon on db2, and Patroni dies with it");
    let start = open(env);
    env.patroni[1].die();
    if let Some(mut daemon) = env.daemons[1].take() {
        daemon.process.kill();
    }
    env.timeline.say("no process on db2 can remove the address now; the lease of its leader expires");
    env.patroni[2].may_lead(true);
    env.run_until_held(2, LIMIT);
    env.run_for(REST);
    let result = close(env, &start, "daemon killed, leader dead", Some((1, 2)));
    env.timeline.say("db2 comes back and follows");
    env.start_daemon(1);
    env.patroni[1].revive(false);
    env.run_until("the daemon on db2 to be ready", LIMIT, |env| env.daemons[1].as_ref().is_some_and(Daemon::ready));
    result
}

fn silent_etcd(env: &mut Environment) -> StepResult {
    env.timeline.heading("Outage: all of etcd hangs for 3 seconds");
    let start = open(env);
    env.cluster.members.iter().for_each(Member::freeze);
    env.timeline.say("SIGSTOP for every etcd member: connections stay open, nothing is answered");
    env.run_for(Duration::from_secs(3));
    env.cluster.members.iter().for_each(Member::thaw);
    env.timeline.say("SIGCONT");
    env.run_for(2 * REST);
    close(env, &start, "etcd hangs for 3 s", None)
}

fn cut_off(env: &mut Environment) -> StepResult {
    env.timeline.heading("Cut: packets between the holder db3 and etcd are dropped silently");
    let start = open(env);
    env.patroni[0].may_lead(true);
    let members: Vec<&Host> = env.cluster.members.iter().map(|member| &member.host).collect();
    let cut = Cut::between(&env.lab, &env.hosts[2], &members, Way::Both);
    env.timeline.say("packets between db3 and etcd are dropped; clients still reach db3");
    env.run_until_held(0, LIMIT);
    env.run_for(REST);
    let result = close(env, &start, "holder cut off from etcd", Some((2, 0)));
    cut.heal();
    env.timeline.say("the cut heals: db3 reads db1's name and does not acquire");
    env.run_for(REST);
    result
}

fn open(env: &Environment) -> Start {
    let observers = &env.observers;
    Start { at: now(), lost: observers.pings().lost(), resets: observers.resets(), overlap: observers.overlap() }
}

fn close(env: &Environment, start: &Start, what: &str, moved: Option<(usize, usize)>) -> StepResult {
    let observers = &env.observers;
    let pings = observers.pings();
    let silent = pings.outages().into_iter().filter(|outage| outage.until > start.at);
    let away = moved.and_then(|(from, to)| Some(observers.held_since(to).since(observers.lost_at(from)?)));
    let connection = if observers.resets() > start.resets { "reset, reconnected" } else { "kept" };
    StepResult {
        what: what.to_owned(),
        hosts: moved.map_or("-".to_owned(), |(from, to)| format!("{}→{}", env.name(from), env.name(to))),
        away: away.unwrap_or_default(),
        silent: silent.map(|outage| outage.until.since(outage.from)).max().unwrap_or_default(),
        lost: pings.lost().saturating_sub(start.lost) as usize,
        connection: connection.to_owned(),
        overlap: observers.overlap().saturating_sub(start.overlap),
    }
}
