//! Every endpoint at once.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::check::key::Facts;
use crate::check::member;
use crate::config::{Config, VipConfig};
use crate::source::etcd::{Seen, visit};

/// What the members said together.
pub(super) struct Visits {
    pub(super) members: Vec<member::Facts>,
    /// Of the first member that answered; nothing where none did.
    keys: Option<BTreeMap<String, Seen>>,
    v2: BTreeMap<String, String>,
}

pub(super) async fn visit_all(config: &Config) -> Visits {
    let keys: Vec<String> = config.vips.iter().map(|vip| vip.key.clone()).collect();
    let tasks: Vec<_> = config
        .etcd
        .endpoints
        .iter()
        .map(|endpoint| tokio::spawn(visit(endpoint.clone(), config.etcd.clone(), keys.clone(), LIMIT)))
        .collect();
    let mut visits = Visits { members: Vec::new(), keys: None, v2: BTreeMap::new() };
    for (endpoint, task) in config.etcd.endpoints.iter().zip(tasks) {
        let Ok(visit) = task.await else { continue };
        let outcome = match visit.answer {
            Ok(told) => {
                visits.keys.get_or_insert(told.keys);
                Ok(told.answer)
            }
            Err(refusal) => Err(refusal),
        };
        visits.v2.extend(visit.v2);
        visits.members.push(member::Facts {
            endpoint: endpoint.to_string(),
            outcome,
            ahead: visit.ahead,
            needless_login: visit.needless_login,
            serves_peers: visit.serves_peers,
        });
    }
    visits
}

impl Visits {
    /// The facts about the key of this VIP; nothing where nobody could be asked.
    pub(super) fn key(&self, vip: &VipConfig) -> Option<Facts> {
        let Seen { held, around } = self.keys.as_ref()?.get(&vip.key)?;
        Some(Facts {
            key: vip.key.clone(),
            expected: vip.value.clone(),
            held: held.clone(),
            around: around.clone(),
            v2: self.v2.get(&vip.key).cloned(),
            hold_timeout: vip.hold_timeout,
            lease_margin: vip.lease_margin,
        })
    }
}

/// For each step with a member; there are three at most.
const LIMIT: Duration = Duration::from_millis(2500);
