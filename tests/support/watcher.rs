//! Plain etcd watch clients, one per member. The first one that reports a change counts.
//!
//! No etcd client can learn of a change earlier, so this is the lower bound that the daemon is compared with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error, EventType, WatchOptions};
use vip_manager::time::Moment;

use super::clock::now;
use super::etcd::Cluster;
use super::fail::{OrFail, locked};
use super::host::Host;
use super::store::User;

const CHECK: Duration = Duration::from_millis(200);

/// A change of a key, and when the first watch reported it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyChange {
    pub(crate) at: Moment,
    pub(crate) key: String,
    /// None if the key was deleted.
    pub(crate) value: Option<String>,
}

/// Every change so far, by revision and key.
type Changes = Mutex<BTreeMap<(i64, String), KeyChange>>;

/// Watches every key that begins with a prefix, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    changes: Arc<Changes>,
}

impl Watcher {
    /// Watches from `host` from now on.
    pub(crate) fn on(host: &Host, cluster: &Cluster, prefix: &str) -> Self {
        let changes = Arc::new(Mutex::new(BTreeMap::new()));
        for endpoint in cluster.plain_endpoints() {
            let (kept, prefix, user) = (Arc::downgrade(&changes), prefix.to_owned(), cluster.user());
            drop(host.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.or_fail("building a runtime").block_on(watch_on(&endpoint, user.as_ref(), &prefix, &kept));
            }));
        }
        Self { changes }
    }

    /// Every change so far, oldest first.
    pub(crate) fn changes(&self) -> Vec<KeyChange> {
        locked(&self.changes).values().cloned().collect()
    }

    /// The changes after the first `known` ones.
    pub(crate) fn changes_after(&self, known: usize) -> Vec<KeyChange> {
        locked(&self.changes).values().skip(known).cloned().collect()
    }

    /// When the change with this revision of the key was seen.
    pub(crate) fn seen_at(&self, revision: i64, key: &str) -> Option<Moment> {
        locked(&self.changes).get(&(revision, key.to_owned())).map(|change| change.at)
    }

    pub(crate) fn clear(&self) {
        locked(&self.changes).clear();
    }
}

/// Watches one member and starts again when the stream ends.
async fn watch_on(endpoint: &str, user: Option<&User>, prefix: &str, kept: &Weak<Changes>) {
    while kept.strong_count() > 0 {
        let _ = watch_once(endpoint, user, prefix, kept).await;
        tokio::time::sleep(CHECK).await;
    }
}

async fn watch_once(endpoint: &str, user: Option<&User>, prefix: &str, kept: &Weak<Changes>) -> Result<(), Error> {
    let options = user.map(|user| ConnectOptions::new().with_user(user.name.as_str(), user.password.as_str()));
    let mut client = Client::connect([endpoint], options).await?;
    let mut stream = client.watch(prefix, Some(WatchOptions::new().with_prefix())).await?;
    loop {
        let Ok(message) = tokio::time::timeout(CHECK, stream.message()).await else {
            if kept.strong_count() == 0 {
                return Ok(());
            }
            continue;
        };
        let at = now();
        let (Some(message), Some(changes)) = (message?, kept.upgrade()) else { return Ok(()) };
        let mut changes = locked(&changes);
        for event in message.events() {
            let Some(kv) = event.kv() else { continue };
            let key = String::from_utf8_lossy(kv.key()).into_owned();
            let value =
                (event.event_type() == EventType::Put).then(|| String::from_utf8_lossy(kv.value()).into_owned());
            let change = changes.entry((kv.mod_revision(), key.clone())).or_insert(KeyChange { at, key, value });
            change.at = change.at.min(at);
        }
    }
}
