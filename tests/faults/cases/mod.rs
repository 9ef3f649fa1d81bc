//! The table of all cases.

mod etcd;
mod network;
mod patroni;
mod process;

use crate::case::Case;

/// Every case, in the order of the report.
pub(crate) fn all() -> Vec<Case> {
    [process::CASES, etcd::CASES, network::CASES, patroni::CASES].concat()
}
