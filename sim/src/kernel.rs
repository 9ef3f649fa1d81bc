//! A host's kernel: the address with its whole-second lifetime, and the notices of what changed.

use std::collections::VecDeque;

use vip_manager::keeper::{Link, LinkView, PresentAddress};
use vip_manager::time::Lifetime;
use vip_manager::vip::Mac;

use crate::time::{Clock, Micros, NEVER, SECOND};

pub const PREFIX: u8 = 32;
pub const STRAY: u8 = 24;

/// The address with one prefix length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// When its lifetime ends, in true time. The kernel removes it a little later.
    pub ends: Micros,
    /// Somebody else added it, or changed it last.
    pub foreign: bool,
}

/// A notice of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Present for so many seconds, or permanent.
    Present {
        prefix: u8,
        seconds: Option<u64>,
    },
    Gone {
        prefix: u8,
    },
    Link(Option<Link>),
}

#[derive(Clone, Debug)]
pub struct Kernel {
    pub link: Option<Link>,
    pub main: Option<Address>,
    pub stray: Option<Address>,
    /// Every change is refused.
    pub refusing: u8,
    /// The lifetime is over, and the kernel has not removed the address yet.
    pub lingering: bool,
    pub notices: VecDeque<Notice>,
    pub lost_some: bool,
}

impl Default for Kernel {
    fn default() -> Self {
        let link = Some(Link { index: 2, up: true, mac: Some(Mac([2, 0, 0, 0, 0, 1])) });
        Self {
            link,
            main: None,
            stray: None,
            refusing: 0,
            lingering: false,
            notices: VecDeque::new(),
            lost_some: false,
        }
    }
}

impl Kernel {
    pub const fn ours_present(&self) -> bool {
        matches!(self.main, Some(Address { foreign: false, .. }))
    }
}

/// What the daemon knows of its kernel from the notices that it has read.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    pub link: Option<Link>,
    pub main: Option<Lifetime>,
    pub stray: Option<Lifetime>,
}

impl Mirror {
    /// A dump of the kernel, which rounds the rest of a lifetime up.
    pub fn listed(kernel: &Kernel, clock: Clock, now: Micros) -> Self {
        let expiry = |address: Address| match address.ends {
            NEVER => Lifetime::Forever,
            ends => {
                let left = clock.local(ends.max(now)) - clock.local(now);
                Lifetime::Until(moment_after(clock, now, left.div_ceil(SECOND)))
            }
        };
        Self { link: kernel.link, main: kernel.main.map(expiry), stray: kernel.stray.map(expiry) }
    }

    pub fn take_in(&mut self, notice: Notice, clock: Clock, now: Micros) {
        match notice {
            Notice::Present { prefix, seconds } => {
                let expiry =
                    seconds.map_or(Lifetime::Forever, |seconds| Lifetime::Until(moment_after(clock, now, seconds)));
                *self.place(prefix) = Some(expiry);
            }
            Notice::Gone { prefix } => *self.place(prefix) = None,
            Notice::Link(link) => self.link = link,
        }
    }

    pub fn observation(&self) -> LinkView {
        let Some(link) = self.link else { return LinkView::default() };
        let main = self.main.map(|lifetime| PresentAddress { prefix: PREFIX, lifetime, unusable: false });
        let stray = self.stray.map(|lifetime| PresentAddress { prefix: STRAY, lifetime, unusable: false });
        LinkView { link: Some(link), present: stray.into_iter().chain(main).collect(), narrow: None }
    }

    const fn place(&mut self, prefix: u8) -> &mut Option<Lifetime> {
        if prefix == PREFIX { &mut self.main } else { &mut self.stray }
    }
}

fn moment_after(clock: Clock, now: Micros, seconds: u64) -> vip_manager::time::Moment {
    clock.moment(now) + std::time::Duration::from_secs(seconds)
}
