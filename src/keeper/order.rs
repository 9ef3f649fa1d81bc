//! What the keeper is told of the host, and what it tells the host to do.
//!
//! The host is level-triggered: an order follows from the state and from what the kernel shows, and is given again
//! until the two agree. So nothing is lost when somebody else touches the address, the link or both.

use std::sync::Arc;

use super::{Lifetime, Moment};
use crate::vip::Mac;

/// What the kernel shows of one VIP and of the interface it belongs on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LinkView {
    /// Nothing where no interface bears the configured name.
    pub link: Option<Link>,
    /// The VIP's address on that interface, once for each prefix length it stands with.
    pub standing: Vec<Standing>,
}

/// The interface, as the kernel shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    pub index: u32,
    pub up: bool,
    pub mac: Option<Mac>,
}

/// One prefix length that the VIP's address stands with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    pub prefix: u8,
    pub lifetime: Lifetime,
}

/// The next thing for the host to do. Carry it out, then report the [`Outcome`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Order {
    /// Put the address on the link, or renew it, with a lifetime that ends at `until`; then remove the other prefix
    /// lengths. `standing` says whether the address stands already.
    Hold { link: u32, until: Moment, standing: bool, other_prefixes: Vec<u8> },
    /// Give an inherited address that stands with this prefix length a lifetime that ends at `until`; add nothing.
    Limit { link: u32, prefix: u8, until: Moment },
    /// Reset the connections if the address stands, then remove it with each of these prefix lengths.
    Release { link: u32, prefixes: Vec<u8>, standing: bool },
}

/// What became of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The kernel has acknowledged the address with this deadline.
    Held {
        until: Moment,
    },
    /// The deadline passed while it was carried out, and it was undone.
    Late,
    Limited {
        prefix: u8,
        until: Moment,
    },
    /// The kernel has acknowledged that nothing of the address is left.
    Released,
    /// The kernel refused; the text is for people.
    Refused {
        why: Arc<str>,
    },
}
