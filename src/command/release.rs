//! `vip-manager release`: removes what is ours, without a daemon.
//!
//! systemd calls it after the daemon has ended in whatever way, and so may anybody, any number of times. It removes
//! the configured VIPs from their interfaces, whatever prefix length they stand with, and nothing else. A VIP that a
//! daemon kept on purpose for the next one is left alone when systemd asks, and removed when a person does.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::ExitCode;

use crate::clock;
use crate::config::{Config, OnStop, VipConfig};
use crate::daemon::fatal::Fatal;
use crate::daemon::log::Logging;
use crate::daemon::systemd::restart;
use crate::driver::{Failure, Mirror, Removed};
use crate::error;
use crate::host::{AddressSocket, Connections, ResetError};

/// Removes every configured VIP.
pub fn release(config: &Config) -> ExitCode {
    Logging::start(config.log_level, config.log_format);
    if kept_on_purpose(config) {
        tracing::debug!("the daemon ended cleanly and kept its VIPs; keeping them");
        return ExitCode::SUCCESS;
    }
    match remove_all(config) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => error.log(),
    }
}

/// Whether systemd asks after a clean end (its `ExecStopPost=`) of a daemon that was to leave what it held.
fn kept_on_purpose(config: &Config) -> bool {
    std::env::var("SERVICE_RESULT").as_deref() == Ok("success")
        && (config.on_stop == OnStop::Keep || restart::is_restart())
}

/// Returns how many could not be removed; each was said.
fn remove_all(config: &Config) -> Result<usize, Fatal> {
    let mut addresses = AddressSocket::open(clock::now).map_err(|errno| Fatal::SetUp(errno.into()))?;
    let mut kernel = Mirror::default();
    let list = addresses.dump().map_err(|error| Failure::new(error::chain(&error)))?;
    kernel.replace(&list);
    let standing: Vec<&VipConfig> = config.vips.iter().filter(|vip| !prefixes(&kernel, vip).is_empty()).collect();
    reset_connections(&standing);
    let mut left = 0;
    for vip in standing {
        for (link, prefix) in prefixes(&kernel, vip) {
            match addresses.remove(link, vip.vip.address(), prefix) {
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

/// Where the VIP stands on its interface, unless it is the host's own address.
fn prefixes(kernel: &Mirror, vip: &VipConfig) -> Vec<(u32, u8)> {
    let (interface, address) = (&vip.interface, vip.vip.address());
    let Some(link) = kernel.link_by_name(interface) else { return Vec::new() };
    let ours = kernel.addresses(link.index, address).any(|standing| standing.ours);
    if !ours && kernel.only_address_of_family(link.index, address) {
        tracing::warn!("{address} not removed from {interface}: it is the host's own address");
        return Vec::new();
    }
    kernel.addresses(link.index, address).map(|standing| (link.index, standing.prefix)).collect()
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
