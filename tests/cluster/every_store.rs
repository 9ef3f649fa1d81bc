//! The same events with every store that Patroni can use: who has the VIP, and how long the application cannot write.
//!
//! A daemon's configuration is the VIP, the interface and Patroni's own file. Three observers, of which none asks the
//! daemon, must agree: the notices of the kernels, Patroni's REST API, and the application, which notes the host that
//! stored each row.

use std::time::Duration;

use crate::deployment::{Deployment, LIMIT, Options};
use crate::stores::Kind;
use crate::support::clock::{now, wait_for, wait_until};
use crate::support::cut::Cut;
use crate::support::fail::OrFail;
use crate::support::host::VIP;
use crate::support::ping::Pinger;
use crate::support::setup::report;
use crate::writer::{Writer, longest_gap, lost, stored_by};

/// Enough writes to be sure that the application works, and goes on to: three seconds.
const SOME: usize = 150;
/// Checkpoint, promotion and reconnection on a busy machine.
const BRIEF: Duration = Duration::from_secs(30);
/// The same after the lock of a dead leader has ended, which takes 20 s.
const LOCK_AND_BRIEF: Duration = Duration::from_secs(60);

#[test]
fn etcd3() {
    run(Kind::Etcd3);
}

#[test]
fn etcd2() {
    run(Kind::Etcd2);
}

#[test]
fn consul() {
    run(Kind::Consul);
}

#[test]
fn zookeeper() {
    run(Kind::ZooKeeper);
}

#[test]
fn kubernetes() {
    run(Kind::Kubernetes);
}

#[test]
fn rest() {
    run(Kind::Rest);
}

fn run(kind: Kind) {
    let mut scenario = Scenario::start(kind);
    scenario.switch_over();
    scenario.restart_the_daemon();
    scenario.restart_patroni_in_pause();
    scenario.restart_the_store();
    scenario.cut_the_leader_off();
    scenario.crash_the_leader();
    scenario.finish();
}

struct Scenario {
    kind: Kind,
    deployment: Deployment,
    application: Writer,
    /// The hosts that led, in this order.
    leaders: Vec<usize>,
}

impl Scenario {
    fn start(kind: Kind) -> Self {
        let deployment = Deployment::start_with(kind.name(), Options { kind, ..Options::default() });
        let application = Writer::start(&deployment.client, VIP);
        let scenario = Self { kind, deployment, application, leaders: vec![0] };
        scenario.case("before", BRIEF, |_| ());
        scenario
    }

    fn leader(&self) -> usize {
        self.leaders.last().copied().or_fail("naming the leader")
    }

    /// Lets something happen, and waits until the leader has the VIP and the application writes. Returns the leader.
    fn case(&self, what: &str, limit: Duration, act: impl FnOnce(&Self)) -> usize {
        let begun = now();
        act(self);
        self.settle(what, begun, limit)
    }

    /// Waits until the leader has the VIP and the application writes, and reports what it lost since `begun`.
    fn settle(&self, what: &str, begun: vip_manager::time::Moment, limit: Duration) -> usize {
        let leader = wait_until(&format!("{what}: one leader with the VIP, and writes"), LIMIT, || {
            let holder = self.holding_leader()?;
            let agreed = now();
            wait_for(&format!("{what}: writes"), LIMIT, || self.application.acknowledged_since(agreed) > SOME);
            self.holding_leader().filter(|leader| *leader == holder)
        });
        let gap = longest_gap(&self.application.writes(), begun);
        let nobody = self.deployment.nobody_had_the_vip_for(begun);
        report(&format!("{:?}: {what}: longest time without a write, without a holder", self.kind), (gap, nobody));
        assert!(gap < limit, "{what}: {gap:?}");
        assert_eq!(self.deployment.overlap(), Duration::ZERO, "{what}: two hosts had the VIP");
        leader
    }

    /// The host that has the VIP, if its Patroni is the only one that says that it leads.
    fn holding_leader(&self) -> Option<usize> {
        let holder = self.deployment.holder()?;
        (self.deployment.leaders() == [holder]).then_some(holder)
    }

    fn switch_over(&mut self) {
        self.deployment.wait_replicates(1);
        let leader = self.case("switchover", BRIEF, |scenario| scenario.deployment.switch_over(0, 1));
        assert_eq!(leader, 1);
        assert_eq!(self.deployment.holds(), [1, 1, 0], "each leader held the VIP once");
        self.leaders.push(leader);
    }

    /// As an upgrade does, and by a crash.
    fn restart_the_daemon(&mut self) {
        let begun = now();
        let (leader, holds) = (self.leader(), self.deployment.holds());
        let pinger = Pinger::start(&self.deployment.client, VIP, Duration::from_millis(10));
        let answers = || pinger.pings().answers.len();
        wait_for("answers to pings", LIMIT, || answers() > 50);
        for gently in [true, false] {
            self.deployment.restart_daemon(leader, gently);
            let known = answers();
            wait_for("more answers to pings", LIMIT, || answers() > known + 150);
        }
        assert_eq!(self.settle("daemon restarted", begun, BRIEF), leader);
        let pings = pinger.stop();
        report(&format!("{:?}: daemon restarted: lost of {} pings", self.kind, pings.sent), pings.lost());
        assert_eq!(pings.lost(), 0);
        assert_eq!(self.deployment.holds(), holds, "the VIP stayed");
    }

    fn restart_patroni_in_pause(&mut self) {
        let leader = self.leader();
        self.deployment.pause(leader, true);
        let (begun, holds) = (now(), self.deployment.holds());
        self.deployment.stop_patroni(leader);
        self.deployment.restart_patroni(leader);
        assert_eq!(self.settle("Patroni restarted in pause", begun, BRIEF), leader);
        self.deployment.pause(leader, false);
        self.one_holder_throughout("Patroni restarted in pause", &holds);
    }

    fn restart_the_store(&mut self) {
        let (begun, holds, leader) = (now(), self.deployment.holds(), self.leader());
        self.deployment.store.crash_and_restart();
        assert_eq!(self.settle("store restarted", begun, BRIEF), leader);
        self.one_holder_throughout("store restarted", &holds);
        // What follows may lose what the old leader had not sent to its replicas.
        assert_eq!(lost(&self.application.writes(), &self.deployment.stored()), Vec::<u64>::new(), "lost writes");
        self.deployment.assert_running();
    }

    /// Asserts that no other host acquired the VIP, and reports whether this one lost it meanwhile.
    fn one_holder_throughout(&self, what: &str, before: &[usize]) {
        let mut holds = self.deployment.holds();
        let again = holds[self.leader()] - before[self.leader()];
        report(&format!("{:?}: {what}: how often the leader acquired the VIP again", self.kind), again);
        holds[self.leader()] -= again;
        assert_eq!(holds, before, "{what}: another host acquired the VIP");
    }

    /// Everything there goes on, and nobody hears it.
    fn cut_the_leader_off(&mut self) {
        self.wait_for_replicas();
        let (begun, old) = (now(), self.leader());
        let cut = Cut::off(&self.deployment.lab, &self.deployment.hosts[old]);
        let leader = self.settle("leader's host cut off", begun, LOCK_AND_BRIEF);
        assert_ne!(leader, old);
        self.leaders.push(leader);
        let holds = self.deployment.holds();
        cut.heal();
        self.wait_for_replicas();
        assert_eq!(self.deployment.holds(), holds, "the VIP stays where it is when the old leader comes back");
    }

    /// The host is silent from now on, and every process on it is killed.
    fn crash_the_leader(&mut self) {
        let (begun, old) = (now(), self.leader());
        let _cut = Cut::off(&self.deployment.lab, &self.deployment.hosts[old]);
        self.deployment.kill_everything_on(old);
        let leader = self.settle("leader's host crashed", begun, LOCK_AND_BRIEF);
        assert_ne!(leader, old);
        self.leaders.push(leader);
    }

    fn wait_for_replicas(&self) {
        for host in (0..self.deployment.hosts.len()).filter(|host| *host != self.leader()) {
            self.deployment.wait_replicates(host);
        }
    }

    fn finish(self) {
        let names: Vec<&str> = self.leaders.iter().map(|leader| self.deployment.hosts[*leader].name()).collect();
        let writes = self.application.stop();
        assert_eq!(stored_by(&writes), names, "the hosts that stored the application's rows");
        report(&format!("{:?}: two hosts had the VIP for", self.kind), self.deployment.overlap());
        assert_eq!(self.deployment.overlap(), Duration::ZERO);
    }
}
