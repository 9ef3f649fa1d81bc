//! Carries out what the keepers order, and tells them what became of it.
//!
//! Nothing here decides: orders are taken as they come, releases first, and everything is over when a call returns.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::vips::ManagedVip;
use super::vips::VipId;
use crate::clock;
use crate::error;
use crate::host::{AddressError, AnnounceError, Held, Host, Removed, ResetError, Sent};
use crate::keeper::{Event, Order, Outcome};
use crate::vip::Vip;

/// Brings the host to where the keepers of these vips want it.
pub(super) fn settle(host: &mut Host, vips: &mut [(VipId, &mut ManagedVip)]) {
    reset_connections(host, vips);
    for leaving in [true, false] {
        for (_, vip) in vips.iter_mut().filter(|(_, vip)| wants_release(vip) == leaving) {
            carry_out_all(host, vip);
        }
    }
}

/// Sends the announcements that are due.
pub(super) fn announce(host: &mut Host, vip: &mut ManagedVip) {
    while vip.keeper.poll_announce(clock::now()) {
        let (interface, address) = (&vip.config.interface, vip.config.vip.address());
        match host.announcer.announce(interface, address) {
            Ok(Sent::From(mac)) => {
                vip.tally.announcements += 1;
                tracing::trace!("announced {address} on {interface} from {mac}");
            }
            Ok(Sent::NoHardwareAddress) if !vip.told_unannounced => {
                vip.told_unannounced = true;
                tracing::info!("{interface} has no hardware address, so {address} is not announced there");
            }
            Ok(Sent::NoHardwareAddress) => {}
            Err(error @ (AnnounceError::Down { .. } | AnnounceError::NoInterface { .. })) => {
                vip.tally.announcement_failures += 1;
                tracing::debug!("{error}");
            }
            Err(error) => {
                vip.tally.announcement_failures += 1;
                tracing::warn!("{error}");
            }
        }
    }
}

/// Removes an address of ours from an interface that it does not belong on. Who is connected by it is not reset: the
/// address may stand on the right interface as well.
pub(super) fn clear(host: &mut Host, link: u32, address: IpAddr, prefix: u8) {
    match host.addresses.remove(link, address, prefix) {
        Ok(Removed::Gone) => {
            tracing::warn!("{address}/{prefix} went along with an interface that was renamed, and is removed there");
        }
        Ok(Removed::WasAbsent) => {}
        Err(error) => tracing::error!("{}", error::chain(&error)),
    }
}

fn wants_release(vip: &ManagedVip) -> bool {
    matches!(vip.keeper.poll_order(clock::now()), Some(Order::Release { .. }))
}

/// Clients learn of it at once, which only works while the address still stands; and one look at the sockets serves
/// all VIPs that leave together.
fn reset_connections(host: &mut Host, vips: &[(VipId, &mut ManagedVip)]) {
    let now = clock::now();
    let leaving: BTreeSet<IpAddr> = vips
        .iter()
        .map(|(_, vip)| vip)
        .filter(|vip| vip.config.reset_connections)
        .filter(|vip| matches!(vip.keeper.poll_order(now), Some(Order::Release { standing: true, .. })))
        .map(|vip| vip.config.vip.address())
        .collect();
    if leaving.is_empty() {
        return;
    }
    match host.connections.reset(&leaving) {
        Ok(0) => {}
        Ok(count) => tracing::info!("reset {count} connections of {}", listed(&leaving)),
        Err(error @ ResetError::Unsupported) => tracing::debug!("{error}"),
        Err(error) => tracing::warn!("{}", error::chain(&error)),
    }
}

fn listed(addresses: &BTreeSet<IpAddr>) -> String {
    match addresses.iter().next() {
        Some(only) if addresses.len() == 1 => only.to_string(),
        Some(_) | None => format!("{} addresses", addresses.len()),
    }
}

/// The keeper's timers bound this: an order that fails is not given again at once.
fn carry_out_all(host: &mut Host, vip: &mut ManagedVip) {
    while let Some(order) = vip.keeper.poll_order(clock::now()) {
        let outcome =
            carry_out(host, vip, &order).unwrap_or_else(|error| Outcome::Refused { why: error.to_string().into() });
        tracing::debug!("{} on {}: {order:?}: {outcome:?}", vip.config.vip, vip.config.interface);
        count(vip, &outcome);
        vip.keeper.handle_event(Event::Applied(outcome), clock::now());
    }
}

const fn count(vip: &mut ManagedVip, outcome: &Outcome) {
    match outcome {
        Outcome::Held { .. } => vip.tally.renewals += 1,
        Outcome::Refused { .. } => vip.tally.refusals += 1,
        Outcome::Late | Outcome::Limited { .. } | Outcome::Released => {}
    }
}

fn carry_out(host: &mut Host, vip: &ManagedVip, order: &Order) -> Result<Outcome, AddressError> {
    let vip = &vip.config.vip;
    match order {
        Order::Hold { link, until, standing, other_prefixes } => {
            Ok(match host.addresses.hold_alone(*link, vip, *until, *standing, other_prefixes)? {
                Held::For(_) => Outcome::Held { until: *until },
                Held::Late => Outcome::Late,
            })
        }
        Order::Limit { link, prefix, until } => {
            let Ok(inherited) = Vip::new(vip.address(), *prefix) else { return Ok(Outcome::Late) };
            Ok(match host.addresses.hold(*link, &inherited, *until, true)? {
                Held::For(_) => Outcome::Limited { prefix: *prefix, until: *until },
                Held::Late => Outcome::Late,
            })
        }
        Order::Release { link, prefixes, .. } => {
            for prefix in prefixes {
                host.addresses.remove(*link, vip.address(), *prefix)?;
            }
            Ok(Outcome::Released)
        }
    }
}
