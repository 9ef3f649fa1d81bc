//! The keeper decides whether this host may answer for a VIP. There is one per VIP.
//!
//! It is pure: no clock, no randomness, no logging, no I/O, no `Result`. Time comes in as an argument and jitter comes
//! from a seed. A table, a property or a simulator can therefore try every rule of the promise, on the code that ships.
//!
//! # Example
//!
//! Feed what happened, carry out the order, report the outcome, then wait for the next deadline:
//!
//! ```
//! use std::time::Duration;
//! use vip_manager::keeper::{
//!     ClaimMode, Event, Keeper, KeyRead, Link, LinkView, Names, Order, Outcome, Rules, Schedule, State, Tenure,
//! };
//! use vip_manager::pace::Pace;
//! use vip_manager::time::Moment;
//!
//! let mut keeper = Keeper::new(Rules {
//!     prefix: 32,
//!     pace: Pace { full: Duration::from_secs(1), longest: Duration::from_secs(10) },
//!     hold_timeout: Duration::from_secs(10),
//!     lease_margin: Duration::from_secs(3),
//!     claim: ClaimMode::Off,
//!     schedule: Schedule { count: None, interval: None, refresh: Duration::from_secs(60) },
//!     seed: 1,
//! });
//! let now = Moment::from_boot(Duration::from_secs(100));
//!
//! // The interface is up, and the VIP is not on it.
//! let link = Some(Link { index: 2, up: true, mac: None });
//! keeper.handle_event(Event::Observed(LinkView { link, ..LinkView::default() }), now);
//! // A read names this host, and 8 s of the leader's lease are left.
//! keeper.handle_event(
//!     Event::Read(KeyRead {
//!         names: Names::Us,
//!         version: None,
//!         modified: None,
//!         tenure: Tenure::AtLeast(Duration::from_secs(8)),
//!         sent_at: now,
//!         answered_at: now,
//!         from: "etcd1".into(),
//!     }),
//!     now,
//! );
//!
//! // The lease less the margin bounds the hold.
//! let Some(Order::Hold { until, .. }) = keeper.poll_order(now) else { panic!("the VIP is ours") };
//! assert_eq!(until, now + Duration::from_secs(5));
//! keeper.handle_event(Event::Applied(Outcome::Held { until }), now);
//! assert_eq!(keeper.state(), State::Held { until });
//! assert!(keeper.poll_announce(now));
//!
//! // Without another read the address is released at its deadline, or a moment earlier.
//! while let Some((at, _)) = keeper.next_deadline(now).filter(|(at, _)| *at <= until) {
//!     keeper.handle_timeout(at);
//!     match keeper.poll_order(at) {
//!         Some(Order::Release { .. }) => return,
//!         Some(Order::Hold { until, .. }) => keeper.handle_event(Event::Applied(Outcome::Held { until }), at),
//!         Some(Order::Limit { .. }) | None => {
//!             keeper.poll_announce(at);
//!         }
//!     }
//! }
//! panic!("still held");
//! ```

#![warn(missing_docs)]

mod announce;
mod claim;
mod claiming;
mod conflict;
mod contract;
mod deadlines;
mod evidence;
mod input;
mod note;
mod order;
#[cfg(test)]
mod properties;
mod reconcile;
pub mod renewal;
mod rival;
mod state;
#[cfg(test)]
mod tests;
mod transition;

pub use announce::Schedule;
pub use claim::{ClaimMode, ClaimReport, ClaimWish, Claimed};
pub use contract::{Event, Keeper, Rules, Target};
pub use evidence::Limits;
pub use input::{Grade, KeyEvent, KeyRead, Names, Tenure, Version};
pub use note::{Cause, Note, Obstacle};
pub use order::{Link, LinkView, Order, Outcome, PresentAddress};
pub use state::{AfterRelease, State, StopMode};
