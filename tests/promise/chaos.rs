//! Misfortunes at random, several at once, for the better part of a minute. The leader only ever moves because its lease has ended.
//!
//! This is the first row of the promise's table as a whole: whatever happens to daemons, hosts and members, no two
//! hosts carry the address at once, and when all is well again the one that the key names carries it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use nix::sys::signal::Signal;
use vip_manager::keeper::Moment;

use super::measure::{seconds, tell};
use super::scene::Scene;
use super::support::clock::{now, pause, wait_until};
use super::support::cut::{Cut, Way};
use super::support::daemon::KEY;
use super::support::patroni::{Patroni, Rhythm};
use super::support::watcher::{Told, Watcher};

const SPAN: Duration = Duration::from_secs(45);
const LEASE: i64 = 8;
/// How many misfortunes there are at once.
const AT_ONCE: usize = 3;
/// A watch may tell of a new leader later than the daemon takes it up.
const WITNESS_LATE: Duration = Duration::from_secs(1);
const SETTLED: Duration = Duration::from_secs(30);

/// Draws. Two runs with the same seed do the same, as far as the machine lets them.
struct Dice(u64);

impl Dice {
    fn draw(&mut self, sides: u64) -> u64 {
        // A linear congruence; its upper bits are good enough to choose a misfortune.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.draw(count as u64)).unwrap_or_default()
    }

    fn span(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.draw(to - from))
    }
}

/// What can go wrong.
enum Misfortune {
    /// The daemon of this host is stopped.
    Stopped(usize),
    /// Patroni of this host is dead.
    Dead(usize),
    /// Packets between this host and all members vanish; they come back when the cut is dropped.
    CutOff(usize, Way, #[expect(dead_code, reason = "it is held for as long as it lasts")] Cut),
    /// This member hangs.
    Hung(usize),
    /// This member is off the network.
    Off(usize, #[expect(dead_code, reason = "it is held for as long as it lasts")] Cut),
}

impl Misfortune {
    /// One that is not there yet. Of the members only one at a time is afflicted, lest nothing moves any more.
    fn draw(dice: &mut Dice, scene: &Scene, patronis: &[Patroni], there: &[(Moment, Self)]) -> Option<Self> {
        let there = |like: &dyn Fn(&Self) -> bool| there.iter().any(|(_, other)| like(other));
        let (host, member) = (dice.place(scene.hosts.len()), dice.place(scene.cluster.members.len()));
        let way = [Way::Both, Way::In, Way::Out][dice.place(3)];
        let member_free = !there(&|other| matches!(other, Self::Hung(_) | Self::Off(..)));
        match dice.draw(6) {
            0 | 1 if !there(&|other| matches!(other, Self::Stopped(of) if *of == host)) => {
                scene.daemons[host].process.signal(Signal::SIGSTOP);
                Some(Self::Stopped(host))
            }
            2 if !there(&|other| matches!(other, Self::Dead(of) if *of == host)) => {
                patronis[host].die();
                Some(Self::Dead(host))
            }
            3 if !there(&|other| matches!(other, Self::CutOff(of, ..) if *of == host)) => {
                Some(Self::CutOff(host, way, scene.cut_members(host, way)))
            }
            4 if member_free => {
                scene.cluster.members[member].freeze();
                Some(Self::Hung(member))
            }
            5 if member_free => Some(Self::Off(member, Cut::off(&scene.lab, scene.members()[member]))),
            _ => None,
        }
    }

    fn end(self, scene: &Scene, patronis: &[Patroni]) {
        match self {
            Self::Stopped(host) => scene.daemons[host].process.signal(Signal::SIGCONT),
            Self::Dead(host) => patronis[host].revive(true),
            Self::Hung(member) => scene.cluster.members[member].thaw(),
            Self::CutOff(..) | Self::Off(..) => {}
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Stopped(host) => format!("the daemon of db{} is stopped", host + 1),
            Self::Dead(host) => format!("Patroni of db{} is dead", host + 1),
            Self::CutOff(host, way, _) => format!("db{} is cut off from etcd ({way:?})", host + 1),
            Self::Hung(member) => format!("etcd{} hangs", member + 1),
            Self::Off(member, _) => format!("etcd{} has lost its power", member + 1),
        }
    }
}

#[test]
fn whatever_befalls_daemons_hosts_and_members_two_hosts_never_answer_at_once() {
    let seed = RandomState::new().build_hasher().finish();
    let scene = Scene::new("chaos", 3);
    let patronis = scene.patronis(&Rhythm { ttl: LEASE, ..Rhythm::default() });
    let watcher = scene.key_watcher();
    patronis[0].take_over();
    scene.wait_held(0);
    for patroni in &patronis {
        patroni.may_lead(true);
    }

    let begin = now();
    tell(&format!("seed {seed:#x}"));
    let mut dice = Dice(seed);
    let mut there: Vec<(Moment, Misfortune)> = Vec::new();
    while now().since(begin) < SPAN {
        if there.len() < AT_ONCE
            && let Some(misfortune) = Misfortune::draw(&mut dice, &scene, &patronis, &there)
        {
            let span = dice.span(500, 16_000);
            tell(&format!("{:6.2} s: {} for {span:.1?}", seconds(begin, now()), misfortune.name()));
            there.push((now() + span, misfortune));
        }
        pause(dice.span(200, 1_500));
        for (_, over) in there.extract_if(.., |(until, _)| *until <= now()) {
            over.end(&scene, &patronis);
        }
        assert_eq!(scene.overlap(), Duration::ZERO, "two hosts at once; seed {seed:#x}\n{}", reigns(&scene, begin));
    }
    for (_, over) in there {
        over.end(&scene, &patronis);
    }

    let calm = now();
    scene.cluster.wait_healthy();
    let holder = wait_until("the host that the key names, and no other, to hold", SETTLED, || {
        let entry = scene.cluster.store().with(|hand| hand.get(KEY)).ok()??;
        let holders: Vec<_> = (0..scene.hosts.len()).filter(|host| scene.holds(*host)).collect();
        (holders.len() == 1 && scene.hosts[holders[0]].name() == entry.value).then(|| holders[0])
    });
    tell(&format!(
        "{} holds {:.2} s after all was well\n{}",
        scene.hosts[holder].name(),
        seconds(calm, now()),
        reigns(&scene, begin)
    ));
    assert_eq!(scene.overlap(), Duration::ZERO, "two hosts at once; seed {seed:#x}\n{}", reigns(&scene, begin));
    nobody_outlived_a_lease(&scene, &watcher);
}

/// Each hold lies within a reign of its host, and was over before etcd told of that reign's end.
#[track_caller]
fn nobody_outlived_a_lease(scene: &Scene, watcher: &Watcher) {
    let mut told = watcher.changes();
    told.retain(|change| change.key == KEY);
    for (place, host) in scene.hosts.iter().enumerate() {
        for hold in scene.intervals(place) {
            let within = |(number, change): (usize, &Told)| {
                let end = told.get(number + 1).map(|next| next.at);
                change.value.as_deref() == Some(host.name())
                    && hold.from + WITNESS_LATE >= change.at
                    && end.is_none_or(|end| hold.until.unwrap_or_else(now) <= end)
            };
            assert!(told.iter().enumerate().any(within), "{} held {hold:?} against {told:#?}", host.name());
        }
    }
}

/// Who held when, for people.
fn reigns(scene: &Scene, begin: Moment) -> String {
    let mut reigns = Vec::new();
    for (place, host) in scene.hosts.iter().enumerate() {
        for interval in scene.intervals(place) {
            let until = interval.until.map_or("now".to_owned(), |until| format!("{:.2} s", seconds(begin, until)));
            reigns.push((
                interval.from,
                format!("{} held from {:.2} s to {until}", host.name(), seconds(begin, interval.from)),
            ));
        }
    }
    reigns.sort();
    reigns.into_iter().map(|(_, words)| words).collect::<Vec<_>>().join("\n")
}
