//! Every VIP's segment at once, each on a thread of its own.

use std::time::Duration;

use super::host::Host;
use crate::clock;
use crate::config::Config;
use crate::host::prober::{self, Answers, ProbeError, Question};

/// In the order of the VIPs. Beyond the first few nobody is asked: threads are bounded.
pub(super) async fn probe_all(config: &Config, host: &Host) -> Vec<Result<Answers, String>> {
    let vips: Vec<_> = config.vips.iter().map(|vip| vip.vip.address()).collect();
    let questions = config.vips.iter().take(MOST).map(|vip| Question {
        interface: vip.interface.clone(),
        vip: vip.vip.address(),
        own: host.own_address(vip, &vips),
    });
    let tasks: Vec<_> = questions
        .map(|question| tokio::task::spawn_blocking(move || prober::probe(&question, PATIENCE, clock::now)))
        .collect();
    let mut probes = Vec::new();
    for task in tasks {
        let heard = task.await.map_err(|error| error.to_string());
        probes.push(heard.and_then(|heard| heard.map_err(|error: ProbeError| error.to_string())));
    }
    probes
}

const PATIENCE: Duration = Duration::from_millis(900);
const MOST: usize = 64;
