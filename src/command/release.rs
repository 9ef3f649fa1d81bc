//! `vip-manager release`: removes what is ours, without a daemon.
//!
//! systemd calls it after the daemon has ended in whatever way, and so may anybody, any number of times. It removes
//! the configured VIPs from their interfaces, whatever prefix length they stand with, and nothing else.
//!
//! When systemd asks, it leaves what the next daemon is to adopt: all VIPs in a restart, and after a crash those whose
//! lifetime ends by itself. The kernel enforces the same deadline that the daemon had, so removing them earlier only
//! disconnects clients.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::ExitCode;

use crate::clock;
use crate::config::{Config, OnStop, VipConfig};
use crate::daemon::event_loop::circumstances;
use crate::daemon::fatal::Fatal;
use crate::daemon::log::Logging;
use crate::daemon::systemd::restart::{self, Job};
use crate::driver::{Circumstances, Failure, Mirror, Owner, Removed, own_address};
use crate::error;
use crate::host::{AddressSocket, Connections, Records, ResetError};
use crate::time::Lifetime;
use crate::wire::netlink::Address;

/// Which of the configured VIPs are to be removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    All,
    /// Those that would stay for ever.
    Permanent,
    Nothing,
}

/// Removes the configured VIPs.
pub fn release(config: &Config) -> ExitCode {
    Logging::start(config.log_level, config.log_format);
    let result = std::env::var("SERVICE_RESULT").ok();
    let scope = scope(result.as_deref(), config.on_stop, restart::job);
    match scope {
        Scope::All => {}
        Scope::Permanent => tracing::debug!("the daemon ended abnormally; keeping the VIPs whose lifetime ends"),
        Scope::Nothing => {
            tracing::debug!("the daemon ended cleanly and kept its VIPs; keeping them");
            return ExitCode::SUCCESS;
        }
    }
    match remove(config, scope) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => error.log(),
    }
}

/// `result` is how the daemon ended, if systemd asks (`$SERVICE_RESULT` of its `ExecStopPost=`). After an abnormal end
/// systemd starts the daemon again, unless a stop was asked for.
fn scope(result: Option<&str>, on_stop: OnStop, job: impl Fn() -> Job) -> Scope {
    match result {
        Some("success") if on_stop == OnStop::Keep || job() == Job::Restart => Scope::Nothing,
        None | Some("success") => Scope::All,
        Some(_) if job() == Job::Stop => Scope::All,
        Some(_) => Scope::Permanent,
    }
}

/// Returns how many could not be removed; each was said.
fn remove(config: &Config, scope: Scope) -> Result<usize, Fatal> {
    let mut addresses = AddressSocket::open(clock::now).map_err(|errno| Fatal::SetUp(errno.into()))?;
    let mut kernel = Mirror::default();
    let list = addresses.dump().map_err(|error| Failure::new(error::chain(&error)))?;
    kernel.replace(&list);
    let mut known = Known { circumstances: circumstances(config), records: Records::open() };
    let found = config.vips.iter().map(|vip| (vip, prefixes(&kernel, vip, scope, &known)));
    let found: Vec<_> = found.filter(|(_, prefixes)| !prefixes.is_empty()).collect();
    reset_connections(&found.iter().map(|(vip, _)| *vip).collect::<Vec<_>>());
    let mut left = 0;
    for (vip, prefixes) in found {
        for (link, prefix) in prefixes {
            let removed = addresses.remove(link, vip.vip.address(), prefix);
            if removed.is_ok() {
                known.records.remove((link, vip.vip.address(), prefix));
            }
            match removed {
                Ok(Removed::Gone) => tracing::info!("{}/{prefix} removed from {}", vip.vip.address(), vip.interface),
                Ok(Removed::WasAbsent) => {}
                Err(error) => {
                    left += 1;
                    tracing::error!("{}", error::chain(&error));
                }
            }
        }
    }
    Ok(left)
}

/// Where the VIP is to be removed from its interface: nowhere if it is the host's own address.
fn prefixes(kernel: &Mirror, vip: &VipConfig, scope: Scope, known: &Known) -> Vec<(u32, u8)> {
    let recorded = |it: &Address| known.records.owner((it.index, it.address, it.prefix)) != Owner::Nobody;
    if let Some(own) = own_address(kernel, vip, &known.circumstances, recorded, clock::now()) {
        tracing::warn!("{} not removed from {}: it is the host's own address", own.address, own.interface);
        return Vec::new();
    }
    let Some(link) = kernel.link_by_name(&vip.interface) else { return Vec::new() };
    let concerned = |present: &&Address| scope == Scope::All || present.valid == Lifetime::Forever;
    let present = kernel.addresses(link.index, vip.vip.address()).filter(concerned);
    present.map(|present| (link.index, present.prefix)).collect()
}

/// What tells the host's own addresses from those that the daemon has added.
struct Known {
    circumstances: Circumstances,
    records: Records,
}

fn reset_connections(vips: &[&VipConfig]) {
    let leaving: BTreeSet<IpAddr> =
        vips.iter().filter(|vip| vip.reset_connections).map(|vip| vip.vip.address()).collect();
    if leaving.is_empty() {
        return;
    }
    let reset = Connections::open(clock::now).map(|mut connections| connections.reset(&leaving));
    match reset {
        Ok(Ok(_) | Err(ResetError::Unsupported)) => {}
        Ok(Err(error)) => tracing::warn!("{}", error::chain(&error)),
        Err(errno) => tracing::warn!("cannot reset connections: {errno}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_follows_from_how_the_daemon_ended_and_from_the_job() {
        let scope = |result, on_stop, job| scope(result, on_stop, || job);
        let (release, keep) = (OnStop::Release, OnStop::Keep);
        for on_stop in [release, keep] {
            assert_eq!(scope(None, on_stop, Job::Other), Scope::All, "a person asks");
            assert_eq!(scope(Some("success"), on_stop, Job::Restart), Scope::Nothing);
            for result in ["signal", "core-dump", "watchdog", "oom-kill", "exit-code", "timeout"] {
                assert_eq!(scope(Some(result), on_stop, Job::Other), Scope::Permanent, "{result}");
                assert_eq!(scope(Some(result), on_stop, Job::Restart), Scope::Permanent, "{result}");
                assert_eq!(scope(Some(result), on_stop, Job::Stop), Scope::All, "{result}");
            }
        }
        assert_eq!(scope(Some("success"), release, Job::Stop), Scope::All);
        assert_eq!(scope(Some("success"), release, Job::Other), Scope::All);
        assert_eq!(scope(Some("success"), keep, Job::Stop), Scope::Nothing);
    }
}
