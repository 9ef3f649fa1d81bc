//! Which cluster the endpoints belong to: what the sessions of an etcd tell each other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::clusters::{Clusters, Verdict};
use super::rounds::EndpointIndex;

/// What the endpoints said of their cluster.
#[derive(Debug)]
pub(super) struct Membership {
    clusters: Mutex<Clusters>,
    /// An endpoint told its cluster, or failed.
    told: Notify,
}

impl Membership {
    pub(super) fn new(endpoints: usize) -> Self {
        Self { clusters: Mutex::new(Clusters::new(endpoints)), told: Notify::new() }
    }

    /// Whether an endpoint's answer from this cluster may be used. Waits a moment for the others to tell theirs, until a
    /// majority agrees.
    pub(super) async fn judge(&self, endpoint: EndpointIndex, cluster: u64, patience: Duration) -> Verdict {
        self.clusters().heard(endpoint, cluster);
        self.told.notify_waiters();
        loop {
            let told = self.told.notified();
            match self.clusters().judge(cluster) {
                Verdict::Early => {}
                verdict => return verdict,
            }
            if timeout(patience, told).await.is_err() {
                self.clusters().await_nobody();
            }
        }
    }

    /// The endpoint did not answer.
    pub(super) fn missed(&self, endpoint: EndpointIndex) {
        self.clusters().missed(endpoint);
        self.told.notify_waiters();
    }

    fn clusters(&self) -> MutexGuard<'_, Clusters> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
