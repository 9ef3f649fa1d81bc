//! Every VIP's segment at once, each on a thread of its own.

use std::time::Duration;

use crate::check::rival::Probe;
use crate::config::Config;
use crate::daemon::clock;
use crate::host::prober;

/// In the order of the VIPs. Beyond the first few nobody is asked: threads are bounded.
pub(super) async fn probe_all(config: &Config) -> Vec<Probe> {
    let tasks: Vec<_> = config
        .vips
        .iter()
        .take(MOST)
        .map(|vip| {
            let (interface, address) = (vip.interface.clone(), vip.vip.address());
            tokio::task::spawn_blocking(move || prober::probe(&interface, address, PATIENCE, clock::now))
        })
        .collect();
    let mut probes = Vec::new();
    for task in tasks {
        probes.push(match task.await {
            Ok(Ok(answers)) => Probe::Answers(answers),
            Ok(Err(error)) => Probe::Impossible(error.to_string()),
            Err(error) => Probe::Impossible(error.to_string()),
        });
    }
    probes
}

const PATIENCE: Duration = Duration::from_millis(900);
const MOST: usize = 64;
