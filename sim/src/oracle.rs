//! The oracles. They know the true state, and nothing of how the keeper decides.
//!
//! | | promise |
//! |---|---|
//! | S0 | with a claim no two hosts hold, whatever moved the key and whoever was cut off, killed or stopped |
//! | S1 | after the lease has ended only the new leader holds |
//! | S2 | after a move by hand the old host releases: within an interval if it reaches etcd, a pause between two
//! |    | reads if its watches lose the change, else a hold-timeout |
//! | S3 | nobody acquires without a read that names it and was sent after the last denial |
//! | L1 | a leader that reaches etcd holds within two intervals, or the longest pause between two reads if its watches
//! |    | lose the change |
//! | L2 | no outage shorter than the deadline drops the address |
//! | A1 | announcements only while the kernel shows the address, the keeper holds, and a read is fresh |

use vip_manager::keeper::ClaimMode;

use crate::host::{Left, Reading, names};
use crate::setup::{Bound, Setup};
use crate::store::Key;
use crate::time::{MILLI, Micros, NEVER, SECOND};
use crate::trace::Who;
use crate::verdict::{Broken, Ground};
use crate::world::World;

impl World {
    pub fn broken(&mut self, host: usize, what: Broken) {
        if self.verdict.is_none() && self.setup.judges.look_for(what) {
            self.verdict = Some((what, host));
            self.trace.record(self.now, Who::Judge, || format!("pg{} {}", host + 1, what.words()));
        }
    }

    /// The state just before the next event has not changed since the previous one.
    pub fn judge_state(&mut self) {
        let now = self.now;
        if self.setup.claim == ClaimMode::Require || self.setup.singly {
            self.judge_claims();
        }
        for host in 0..self.hosts.len() {
            let here = &self.hosts[host];
            let present = here.kernel.ours_present();
            let record = &here.record;
            if present && now > record.permit && now > record.grace && here.pause.is_none() {
                let what = if record.expired { Broken::S1 } else { Broken::S2 };
                self.broken(host, what);
            } else if now > record.due {
                self.judge_due(host, present);
            }
        }
    }

    /// A machine that was paused is excused, as by all promises.
    fn judge_claims(&mut self) {
        let holds = |host: &usize| {
            let here = &self.hosts[*host];
            here.kernel.ours_present() && here.pause.is_none() && self.now > here.record.grace
        };
        let holders: Vec<usize> = (0..self.hosts.len()).filter(holds).collect();
        if holders.len() > 1 {
            let other = holders.iter().copied().find(|host| self.is_claimed_by_another(*host));
            self.broken(other.unwrap_or(holders[0]), Broken::S0);
        }
    }

    fn judge_due(&mut self, host: usize, present: bool) {
        let named = names(self.store.key, host);
        if !named && present {
            self.broken(host, Broken::S2);
        } else if named && self.hosts[host].kernel.main.is_none() {
            if self.lease_is_low() || self.awaits_renewal(host) {
                // Then nobody has to hold. A refresh restarts the time limit.
                self.hosts[host].record.due = NEVER;
            } else {
                self.broken(host, Broken::L1);
            }
        }
    }

    /// With no more than this left, the deadline of one read may pass before the next read.
    pub fn low_lease(&self) -> Micros {
        self.setup.margin + 2 * self.setup.interval + 2 * SECOND
    }

    fn lease_is_low(&self) -> bool {
        let Some(id) = self.store.key.and_then(|key| key.lease) else { return false };
        // A record stays after its time.
        let ends = self.store.owner(id).and_then(|owner| self.store.leases[owner]).map_or(0, |lease| lease.ends);
        ends.saturating_sub(self.now) < self.low_lease()
    }

    /// What a record has left, a reader learns from its next renewal. A Patroni that is down writes none.
    fn awaits_renewal(&self, host: usize) -> bool {
        let patroni = &self.hosts[host].patroni;
        self.setup.bound == Bound::Record && patroni.down + patroni.cut > 0
    }

    /// Something delays the host: restarts its time limit.
    pub fn touch(&mut self, host: usize, extra: Micros) {
        let lenient = &mut self.hosts[host].record.lenient_until;
        *lenient = (*lenient).max(self.now + extra);
        let here = &self.hosts[host];
        let named = names(self.store.key, host);
        let record = &here.record;
        let counts = record.refused_at > 0 && (named || record.refused_at >= record.moved_at);
        let from = record.lenient_until.max(if counts { record.refused_at + LONGEST_BACKOFF } else { 0 });
        let claimed = named && self.setup.claim == ClaimMode::Require;
        let waits = claimed && self.is_claimed_by_another(host);
        let due = if !here.is_well() || waits || (named && (self.lease_is_low() || self.awaits_renewal(host))) {
            NEVER
        } else {
            let intervals = if named { 2 } else { 1 };
            let renewal = if named && self.setup.bound == Bound::Record { self.setup.loop_wait } else { 0 };
            let slack = SLACK + renewal + if claimed { CLAIM_SLACK } else { 0 };
            (from + Setup::at_most(intervals * self.setup.interval) + slack).max(record.reads_by)
        };
        self.hosts[host].record.due = due;
    }

    /// The kernel has refused a request, which is retried later.
    pub fn touch_refused(&mut self, host: usize) {
        self.hosts[host].record.refused_at = self.now;
        self.touch(host, 0);
    }

    pub fn judge_change(&mut self, before: Option<Key>, after: Option<u8>) {
        let now = self.now;
        // Reads from before a restore may allow what it brought back.
        let restored = self.restored_at > 0 && now < self.restored_at + Setup::at_most(self.setup.hold);
        let lease = before.and_then(|key| key.lease);
        let before = before.map(|key| key.holder);
        for host in 0..self.hosts.len() {
            let (was, is) = (before == Some(host as u8), after == Some(host as u8));
            let record = &mut self.hosts[host].record;
            if is {
                record.permit = NEVER;
                if !was {
                    record.named_since = now;
                }
            } else if was {
                record.permit = now + Setup::at_most(self.setup.hold) + LATE_KERNEL + SLACK / 10;
                record.expired = false;
                record.lease = lease.filter(|_| !restored);
                record.moved_at = now;
            }
            // A renewal restarts no time limit.
            if was != is || (is && self.setup.bound != Bound::Record) {
                let pause = Setup::at_most(self.setup.longest_pause(was) + self.setup.interval) + SLACK;
                if self.hosts[host].late_events > 0 {
                    let reads_by = &mut self.hosts[host].record.reads_by;
                    *reads_by = (*reads_by).max(now + pause);
                }
                self.touch(host, 0);
            }
        }
    }

    /// The lease of the key has ended, and with it everything that it allowed.
    pub fn judge_expiry(&mut self, host: usize) {
        // The end of a lease cannot undo what was read before a restore.
        let before_restore = if self.restored_at > 0 { self.restored_at + Setup::at_most(self.setup.hold) } else { 0 };
        let late = if before_restore > self.now { LATE_KERNEL + SLACK / 10 } else { 0 };
        // An assumed bound may be wrong if two things fail, by a hold at most.
        let assumed = if self.setup.bound == Bound::Assumed {
            Setup::at_most(self.setup.hold) + LATE_KERNEL + SLACK / 10
        } else {
            0
        };
        let record = &mut self.hosts[host].record;
        record.permit = (self.now + assumed).max(before_restore + late);
        record.expired = true;
    }

    pub fn judge_read(&mut self, host: usize, reading: &Reading) {
        let answered = self.hosts[host].clock.moment(self.now);
        let (hold, margin) = (self.setup.hold, self.setup.margin);
        let record = &mut self.hosts[host].record;
        record.horizon = if record.seen_restore < self.restored_at && reading.sent_at > self.restored_at {
            record.seen_restore = self.restored_at;
            reading.answer.revision
        } else {
            record.horizon.max(reading.answer.revision)
        };
        if !names(reading.answer.key, host) {
            if record.ground.is_none_or(|ground| ground.served_at < reading.served_at) {
                record.ground = None;
            }
            return;
        }
        let span = match reading.left {
            Left::Unknown => return self.touch(host, 0),
            Left::NoLease => hold,
            Left::AtLeast(left) | Left::Assumed(left) => hold.min((left.as_micros() as u64).saturating_sub(margin)),
        };
        if reading.sent_at < record.denied_at {
            return;
        }
        record.unreachable = false;
        let deadline = reading.sent + std::time::Duration::from_micros(span);
        let by_lease = span < hold;
        record.ground = Some(match record.ground {
            // Of overlapping reads either may be the newer one: each is sufficient, and none can be demanded.
            Some(before) if reading.sent < before.answered => Ground {
                served_at: before.served_at.max(reading.served_at),
                answered: before.answered.max(answered),
                latest: before.latest.max(deadline),
                deadline: before.deadline.min(deadline),
                by_lease: before.by_lease || by_lease,
            },
            Some(_) | None => Ground { served_at: reading.served_at, answered, latest: deadline, deadline, by_lease },
        });
    }

    pub fn judge_event(&mut self, host: usize, holder: Option<u8>, revision: i64) {
        let now = self.now;
        let record = &mut self.hosts[host].record;
        if revision > record.horizon {
            record.horizon = revision;
            if holder != Some(host as u8) {
                record.ground = None;
                record.denied_at = now;
            }
        }
    }

    /// The daemon adds or renews the address.
    pub fn judge_put(&mut self, host: usize) {
        let here = &self.hosts[host];
        let after_all = here.record.ground.is_some();
        if here.kernel.main.is_none() && !after_all {
            self.broken(host, Broken::S3);
        }
    }

    /// The address is removed.
    pub fn judge_drop(&mut self, host: usize, by: &str) {
        let here = &self.hosts[host];
        let record = &here.record;
        let Some(ground) = record.ground else { return };
        let local = here.clock.moment(self.now);
        let kept = names(self.store.key, host) && record.named_since <= ground.served_at;
        let stopping = here.daemon.as_ref().is_none_or(|daemon| daemon.stopping);
        let running = record.uninterrupted && here.runs() && !stopping && here.kernel.refusing == 0;
        let by_claim = self.setup.claim == ClaimMode::Require && record.claimed_until < ground.deadline;
        let deadline = if by_claim { record.claimed_until } else { ground.deadline };
        let tolerance = if ground.by_lease || by_claim { LEASE_TOLERANCE } else { TOLERANCE };
        if kept && running && local + tolerance < deadline {
            let early = deadline.since(local).as_millis();
            self.trace.record(self.now, Who::Judge, || format!("pg{} loses it by {by}, {early} ms early", host + 1));
            self.broken(host, Broken::L2);
        }
    }

    pub fn judge_announcement(&mut self, host: usize) {
        let here = &self.hosts[host];
        let local = here.clock.moment(self.now);
        let shown = here.daemon.as_ref().is_some_and(|daemon| daemon.mirror.main.is_some());
        let fresh = here.record.ground.is_some_and(|ground| {
            let overdue = self.setup.overdue(ground.latest.since(ground.answered));
            local < ground.latest && local <= ground.answered + overdue + std::time::Duration::from_millis(15)
        });
        // The notice of a recent change may be on its way.
        let unread = here.daemon.as_ref().is_some_and(|daemon| daemon.notices_due);
        let there = shown || unread || here.kernel.main.is_some();
        if !there || !fresh || here.record.unreachable {
            self.broken(host, Broken::A1);
        }
    }
}

/// For hedged reads, notices and retries.
const SLACK: Micros = 1_000 * MILLI;
/// For requests about the claim that get no answer.
const CLAIM_SLACK: Micros = 4 * SECOND;
/// The longest wait before a retry.
const LONGEST_BACKOFF: Micros = 7 * SECOND;
/// The kernel's own lateness.
const LATE_KERNEL: Micros = 2_100 * MILLI;
/// The daemon removes the address slightly before the deadline, to act before the kernel does.
const TOLERANCE: std::time::Duration = std::time::Duration::from_millis(150);
/// For a lease that is about to end: kernels count whole seconds.
const LEASE_TOLERANCE: std::time::Duration = std::time::Duration::from_millis(1_100);
