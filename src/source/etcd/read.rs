//! One read of some keys through one member: transactions of up to 128 gets, and beside them the leases' times to live.
//!
//! Transactions that only read are linearizable in etcd. What a lease has left is asked for at the same time where it
//! is known which lease it will be, else right after. Whatever is complete is reported at once: a key that does not name
//! us waits for no lease, and a batch for no other batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{KeyValue, Txn, TxnOp, TxnOpResponse, TxnResponse};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::error::CallError;
use super::keys::{BATCH, Keys};
use super::session::Session;
use crate::clock;
use crate::keeper::{KeyRead, Names, Tenure, Version};
use crate::source::{KeyIndex, Report};
use crate::time::Moment;

/// Transactions of one read that are under way at the same time.
const AT_ONCE: usize = 8;

/// Reads the keys, reports what was seen, and returns the oldest store revision that an answer was given at.
pub(super) async fn read(
    session: &Session,
    keys: &Arc<Keys>,
    which: &[KeyIndex],
    limit: Duration,
    reports: &mpsc::Sender<Report>,
) -> Result<i64, CallError> {
    let mut reading = Reading::new(session, keys, which, reports);
    match tokio::time::timeout(limit, reading.run()).await {
        Ok(result) => result,
        Err(_elapsed) => {
            reading.give_up_on_leases().await;
            reading.result_at_limit(limit)
        }
    }
}

struct Reading<'a> {
    session: &'a Session,
    keys: &'a Arc<Keys>,
    reports: &'a mpsc::Sender<Report>,
    sent_at: Moment,
    batches: std::vec::IntoIter<Vec<KeyIndex>>,
    unanswered: usize,
    parts: JoinSet<Part>,
    leases: BTreeMap<i64, Asked>,
    /// Seen, ours, and complete but for the lease.
    waiting: Vec<(KeyIndex, i64, KeyRead)>,
    oldest: i64,
}

/// What came back.
enum Part {
    Batch(Vec<KeyIndex>, Result<TxnResponse, etcd_client::Error>),
    Lease(i64, Tenure),
}

#[derive(Clone, Copy)]
enum Asked {
    Pending,
    Answered(Tenure),
}

impl<'a> Reading<'a> {
    fn new(session: &'a Session, keys: &'a Arc<Keys>, which: &[KeyIndex], reports: &'a mpsc::Sender<Report>) -> Self {
        let batches: Vec<_> = which.chunks(BATCH).map(<[_]>::to_vec).collect();
        let mut reading = Self {
            session,
            keys,
            reports,
            sent_at: clock::now(),
            unanswered: batches.len(),
            batches: batches.into_iter(),
            parts: JoinSet::new(),
            leases: BTreeMap::new(),
            waiting: Vec::new(),
            oldest: i64::MAX,
        };
        for _ in 0..AT_ONCE {
            reading.ask_next_batch();
        }
        let known: BTreeSet<i64> = which.iter().filter_map(|&key| keys.lease(key)).collect();
        for lease in known {
            reading.ask_lease(lease);
        }
        reading
    }

    async fn run(&mut self) -> Result<i64, CallError> {
        while self.unanswered > 0 || !self.waiting.is_empty() {
            match self.parts.join_next().await {
                Some(Ok(Part::Batch(batch, answer))) => {
                    self.take_batch(&batch, &answer?).await?;
                }
                Some(Ok(Part::Lease(id, lease))) => self.take_lease(id, lease).await,
                Some(Err(_)) | None => return Err(CallError::Ended),
            }
        }
        Ok(self.oldest)
    }

    fn ask_next_batch(&mut self) {
        let Some(batch) = self.batches.next() else { return };
        let mut kv = self.session.kv();
        let gets: Vec<_> = batch.iter().map(|&key| TxnOp::get(self.keys.name(key), None)).collect();
        self.parts.spawn(async move { Part::Batch(batch, kv.txn(Txn::new().and_then(gets)).await) });
    }

    fn ask_lease(&mut self, id: i64) {
        if self.leases.contains_key(&id) {
            return;
        }
        self.leases.insert(id, Asked::Pending);
        let mut leases = self.session.leases();
        self.parts.spawn(async move { Part::Lease(id, left(leases.time_to_live(id, None).await)) });
    }

    async fn take_batch(&mut self, batch: &[KeyIndex], answer: &TxnResponse) -> Result<(), CallError> {
        let (cluster, revision) = answer.header().map_or((0, 0), |header| (header.cluster_id(), header.revision()));
        if !self.keys.is_from(cluster) {
            return Err(CallError::OtherCluster(cluster));
        }
        let values = answer.op_responses().into_iter().map(first_value);
        self.ask_next_batch();
        self.unanswered -= 1;
        self.oldest = self.oldest.min(revision);
        let answered_at = clock::now();
        let mut complete = Vec::with_capacity(batch.len());
        for (&key, value) in batch.iter().zip(values) {
            let (mut sighting, lease) = self.sighting(key, revision, answered_at, value.as_ref());
            let Some(id) = lease else {
                complete.push((key, sighting));
                continue;
            };
            match self.leases.get(&id) {
                Some(Asked::Answered(lease)) => {
                    sighting.tenure = *lease;
                    complete.push((key, sighting));
                }
                Some(Asked::Pending) => self.waiting.push((key, id, sighting)),
                None => {
                    self.ask_lease(id);
                    self.waiting.push((key, id, sighting));
                }
            }
        }
        self.report(complete).await;
        Ok(())
    }

    /// What the answer says of one key, and the lease that has to be asked for.
    fn sighting(
        &self,
        key: KeyIndex,
        revision: i64,
        answered_at: Moment,
        value: Option<&KeyValue>,
    ) -> (KeyRead, Option<i64>) {
        let names = value.map_or(Names::Nobody, |value| self.keys.judge(key, value.value()));
        let lease = value.map_or(0, KeyValue::lease);
        let wanted = Some(lease).filter(|&lease| names.is_us() && lease != 0);
        self.keys.remember_lease(key, wanted);
        let sighting = KeyRead {
            names,
            version: Some(Version(revision)),
            modified: Some(Version(value.map_or(0, KeyValue::mod_revision))),
            sent_at: self.sent_at,
            answered_at,
            tenure: if lease == 0 { Tenure::NoLease } else { Tenure::Unknown },
            from: self.session.name(),
        };
        (sighting, wanted)
    }

    async fn take_lease(&mut self, id: i64, lease: Tenure) {
        self.leases.insert(id, Asked::Answered(lease));
        let (complete, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, of, _)| *of == id);
        self.waiting = waiting;
        self.report_waiting(complete, lease).await;
    }

    /// The keys were read, but not what their leases have left: that is for the keeper to judge.
    async fn give_up_on_leases(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.report_waiting(waiting, Tenure::Unknown).await;
    }

    fn result_at_limit(&self, limit: Duration) -> Result<i64, CallError> {
        if self.unanswered == 0 { Ok(self.oldest) } else { Err(CallError::Silent { limit }) }
    }

    async fn report_waiting(&self, waiting: Vec<(KeyIndex, i64, KeyRead)>, tenure: Tenure) {
        let complete = waiting.into_iter().map(|(key, _, sighting)| (key, KeyRead { tenure, ..sighting }));
        self.report(complete.collect()).await;
    }

    async fn report(&self, complete: Vec<(KeyIndex, KeyRead)>) {
        if !complete.is_empty() {
            // Nobody listens only while the source is being dropped, and this task with it.
            let _gone = self.reports.send(Report::Read(complete)).await;
        }
    }
}

fn first_value(answer: TxnOpResponse) -> Option<KeyValue> {
    match answer {
        TxnOpResponse::Get(mut get) => get.take_kvs().into_iter().next(),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
    }
}

fn left(answer: Result<etcd_client::LeaseTimeToLiveResponse, etcd_client::Error>) -> Tenure {
    match answer {
        Ok(answer) => left_of(answer.ttl(), answer.granted_ttl()),
        Err(etcd_client::Error::GRpcStatus(status)) if status.message().contains("requested lease not found") => {
            Tenure::AtLeast(Duration::ZERO)
        }
        Err(_) => Tenure::Unknown,
    }
}

/// etcd counts whole seconds, rounded down, and answers -1 for a lease that is gone.
///
/// Right after an election the new leader may not count yet and answers a time without end: no lease has more left
/// than it was granted.
fn left_of(seconds: i64, granted: i64) -> Tenure {
    Tenure::AtLeast(Duration::from_secs(u64::try_from(seconds.min(granted)).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_is_gone_has_nothing_left_and_none_has_more_than_it_was_granted() {
        assert_eq!(left_of(17, 30), Tenure::AtLeast(Duration::from_secs(17)));
        assert_eq!(left_of(0, 30), Tenure::AtLeast(Duration::ZERO));
        assert_eq!(left_of(-1, 0), Tenure::AtLeast(Duration::ZERO));
        assert_eq!(left_of(9_223_372_036, 30), Tenure::AtLeast(Duration::from_secs(30)));
    }
}
