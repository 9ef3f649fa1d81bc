//! What the host shows, what the keeper orders, and what became of an order.
//!
//! Orders are level-triggered: an order follows from the state and from what the kernel shows, and is repeated until the
//! two agree. So nothing is lost when somebody else changes the address, the link or both.

use std::sync::Arc;

use crate::time::{Lifetime, Moment};
use crate::vip::Mac;

/// What the kernel shows of one VIP and of its interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LinkView {
    /// `None` where no interface has the configured name.
    pub link: Option<Link>,
    /// The VIP's address on that interface, once per prefix length.
    pub present: Vec<PresentAddress>,
    /// The prefix length of a single address, where no other address of the VIP's subnet is on the interface.
    ///
    /// Added with its own prefix length, the VIP would be the first address of the subnet. The host's own address would
    /// come second, and the kernel removes it together with the first.
    pub narrow: Option<u8>,
}

/// The interface, as the kernel shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// It is up and has a carrier.
    pub up: bool,
    /// Its hardware address, if it has one of 48 bits.
    pub mac: Option<Mac>,
}

/// The VIP's address with one prefix length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PresentAddress {
    /// The prefix length.
    pub prefix: u8,
    /// When the kernel removes it.
    pub lifetime: Lifetime,
    /// It is in a form that a renewal does not mend: IPv4 with the far end of a point-to-point link, or IPv6 that the
    /// kernel does not use because another host may have it. It is removed and added again.
    pub unusable: bool,
}

/// The next thing for the host to do. Carry it out, then report the [`Outcome`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Order {
    /// Add the address to the link with this prefix length, or renew it, with a lifetime that ends at `until`; then
    /// remove the other prefix lengths. `present` says whether the address is there already. `clear` says that it is
    /// there in a form that has to be removed first.
    Hold { link: u32, prefix: u8, until: Moment, present: bool, other_prefixes: Vec<u8>, clear: bool },
    /// Give an inherited address with this prefix length a lifetime that ends at `until`; add nothing. `clear` as above.
    Limit { link: u32, prefix: u8, until: Moment, clear: bool },
    /// Remove the address with each of these prefix lengths, whether or not it is `present`. `reset` its connections
    /// before: it is present, or the kernel has removed it at the end of its lifetime and they are left.
    Release { link: u32, prefixes: Vec<u8>, present: bool, reset: bool },
}

/// What became of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Outcome {
    /// The kernel has acknowledged the address with this deadline.
    Held { until: Moment },
    /// The deadline passed while the order was carried out, and it was undone.
    Late,
    /// The kernel has acknowledged the shorter lifetime.
    Limited { prefix: u8, until: Moment },
    /// The kernel has acknowledged that nothing of the address is left.
    Released,
    /// The kernel refused; the text is for people.
    Refused { why: Arc<str> },
}
