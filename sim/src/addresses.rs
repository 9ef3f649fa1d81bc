//! Changes of a host's addresses: by its daemon, by its kernel, by somebody else.

use vip_manager::keeper::ClaimMode;

use crate::host::Daemon;
use crate::kernel::{Address, Notice, PREFIX};
use crate::plan::Hook;
use crate::queue::{Alarm, Item};
use crate::time::{MILLI, NEVER};
use crate::trace::Who;
use crate::world::World;

impl World {
    /// The daemon's request to add or renew the address.
    pub fn kernel_put(&mut self, host: usize, prefix: u8, seconds: u64, limits: bool) {
        // An adopted address that was removed at this moment is added again for the rest of its lifetime.
        if prefix == PREFIX && !limits {
            self.judge_put(host);
        }
        let now = self.now;
        let here = &mut self.hosts[host];
        let ends = here.clock.when_local(here.clock.local(now) + seconds * 1_000 * MILLI);
        // A limit leaves an address of somebody else theirs.
        let foreign = limits && here.kernel.main.is_none_or(|main| main.foreign);
        let address = Some(Address { ends, foreign });
        if prefix == PREFIX {
            here.kernel.main = address;
            here.kernel.lingering = false;
            // A delayed request may have to be undone.
            // With a claim, an address that was found is held only after a read that was sent after the claim.
            let waits = limits && self.setup.claim == ClaimMode::Require;
            here.record.uninterrupted = !here.resumes && !waits;
            self.queue.set(Alarm::Expiry, host, ends);
        } else {
            // Only the keeper looks at the end of another prefix length.
            here.kernel.stray = Some(Address { ends: NEVER, foreign: true });
        }
        self.trace.record_routine(now, Who::Kernel(host), || format!("/{prefix} present for {seconds} s"));
        self.notice(host, Notice::Present { prefix, seconds: Some(seconds) });
        self.fire(Hook::Put, host);
    }

    pub fn kernel_remove(&mut self, host: usize, prefix: u8) {
        let kernel = &mut self.hosts[host].kernel;
        let address = if prefix == PREFIX { &mut kernel.main } else { &mut kernel.stray };
        if address.is_none() {
            return;
        }
        if prefix == PREFIX {
            self.judge_drop(host, "the daemon");
            self.hosts[host].kernel.main = None;
            self.queue.set(Alarm::Expiry, host, NEVER);
        } else {
            *address = None;
        }
        self.trace.record(self.now, Who::Kernel(host), || format!("/{prefix} removed"));
        self.notice(host, Notice::Gone { prefix });
    }

    /// The lifetime is over. The kernel removes the address now or a little later.
    pub fn expire(&mut self, host: usize) {
        if !self.hosts[host].kernel.lingering {
            self.hosts[host].kernel.lingering = true;
            let late = if self.setup.late_kernel { MOST_LATE } else { self.latency.kernel_lateness() };
            if late > 0 {
                self.queue.set(Alarm::Expiry, host, self.now + late);
                return;
            }
        }
        if self.hosts[host].kernel.main.is_some() {
            self.judge_drop(host, "the kernel");
            self.hosts[host].kernel.main = None;
            self.trace.record(self.now, Who::Kernel(host), || format!("/{PREFIX} expired"));
            self.notice(host, Notice::Gone { prefix: PREFIX });
        }
    }

    pub fn notice(&mut self, host: usize, notice: Notice) {
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        if here.kernel.lost_some {
            // The queue has overrun, so the notice is dropped.
        } else {
            here.kernel.notices.push_back(notice);
        }
        Self::wake_for_notices(
            &mut self.queue,
            &mut self.latency,
            self.now,
            here.late_notices > 0,
            host,
            here.life,
            daemon,
        );
    }

    fn wake_for_notices(
        queue: &mut crate::queue::Queue,
        latency: &mut crate::latency::Latency,
        now: u64,
        late: bool,
        host: usize,
        life: u32,
        daemon: &mut Daemon,
    ) {
        if std::mem::replace(&mut daemon.notices_due, true) {
            return;
        }
        let lag = if late { latency.moment(3_000 * MILLI) } else { latency.notice_lag() };
        queue.put(now + lag, Item::Notices { host: host as u8, life });
    }
}

/// The largest delay measured on a kernel.
const MOST_LATE: u64 = 2_100 * MILLI;
