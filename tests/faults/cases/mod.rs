//! The table of all cases.

mod etcd;
mod machine;
mod network;
mod patroni;
mod process;
mod wire;

use crate::case::{Case, ClusterKind};
use crate::environment::HOLD;

// How many seconds a client may go without an answer, or two hosts may have the address.

/// A leader change that every host learns of immediately.
const QUICK: f64 = 2.0;
/// The lifetime of the address in the kernel, its longest delay, and a ping on a busy machine.
const EXPIRY: f64 = 7.0;
/// A lease of 8 s that was just renewed, and the time until the next leader.
const LEASE_ENDS: f64 = 11.0;
/// The hold-timeout: the address may be held for so long after the last read.
#[expect(clippy::cast_precision_loss, reason = "a few seconds")]
const HOLD_TIMEOUT: f64 = HOLD as f64;

/// Every case, in the order of the report.
///
/// Half of them run under the shipped unit: those of `process` that say so, and two of three that do something to the
/// cluster and nothing to the daemon. The files for TLS are out of a machine's sight.
pub(crate) fn all() -> Vec<Case> {
    let around = [etcd::CASES, network::CASES, wire::CASES, patroni::CASES].concat();
    let around = around.into_iter().enumerate().map(|(place, case)| {
        if place % 3 == 0 || case.cluster_kind == ClusterKind::Tls { case } else { case.under_the_unit() }
    });
    [process::CASES, machine::CASES].concat().into_iter().chain(around).collect()
}
