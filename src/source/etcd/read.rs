//! One read of some keys through one endpoint: transactions of up to 128 gets, and beside them the leases' times to live.
//!
//! Transactions that only read are linearizable in etcd. What a lease has left is asked at the same time if it is known
//! which lease it will be, else right after. Whatever is complete is handed over at once: a key that does not name us
//! waits for no lease, and a batch for no other batch.
//!
//! Questions for leases are not linearizable: a member that was cut off answers from its own memory. An answer from an
//! older term of raft than the read's is dropped, and the question asked once more. If a lease cannot be had, the keys
//! are handed over without it and the read fails, so that the next endpoint is asked.
//!
//! etcd refuses a whole transaction for a single key that this user may not read. Its keys are then read one by one, and
//! a key that was refused stays alone in its transaction until it can be read again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use etcd_client::{KeyValue, LeaseTimeToLiveResponse, ResponseHeader, Txn, TxnOp, TxnOpResponse, TxnResponse};
use tokio::task::JoinSet;

use super::context::Context;
use super::error::CallError;
use crate::keeper::{KeyRead, Names, Tenure, Version};
use crate::source::client::{Answers, Failure};
use crate::source::clusters::Verdict;
use crate::source::proof::{Proof, Tenant};
use crate::source::report::KeyIndex;
use crate::time::Moment;

/// etcd takes this many operations in one transaction (`--max-txn-ops`) unless told otherwise.
const BATCH: usize = 128;
/// So many bytes for each key of a full transaction fit into the largest answer that the library takes, 4 MiB.
const LARGE: usize = 16 * 1024;
/// Transactions of one read that are under way at the same time.
const AT_ONCE: usize = 8;
/// The part of a call's limit in which the other endpoints should have told their cluster.
const PATIENCE: u32 = 5;
const OUTDATED: &str = "the answers are from an older term of raft than the read";

/// Reads the keys and hands over what was seen.
pub(super) async fn read(context: &Context, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
    let mut reading = Reading::new(context, keys, answers);
    let result = match tokio::time::timeout(context.limit, reading.run()).await {
        Ok(result) => result,
        Err(_elapsed) => {
            reading.give_up_on_leases().await;
            reading.result_at_limit()
        }
    };
    result.map_err(|error| context.correct(error).into())
}

struct Reading<'a> {
    context: &'a Context,
    answers: &'a Answers,
    sent_at: Moment,
    batches: VecDeque<Vec<KeyIndex>>,
    under_way: usize,
    parts: JoinSet<Part>,
    leases: BTreeMap<i64, Asked>,
    /// Seen, ours, and complete but for the lease.
    waiting: Vec<Waiting>,
    /// Why a lease cannot be had.
    lease_error: Option<CallError>,
}

struct Waiting {
    key: KeyIndex,
    /// With the term of raft in which the key was read.
    tenant: Tenant,
    read: KeyRead,
}

/// What came back.
enum Part {
    Batch(Vec<KeyIndex>, Result<TxnResponse, etcd_client::Error>),
    Lease(i64, Result<Left, CallError>),
}

#[derive(Clone, Copy)]
enum Asked {
    Pending,
    Answered(Left),
    /// An answer was too old.
    Again,
    Failed,
}

/// Why there is no tenure yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Missing {
    Pending,
    Outdated,
}

/// What a lease has left, and the term of raft that the answer is from.
#[derive(Clone, Copy)]
struct Left {
    tenure: Tenure,
    term: u64,
}

impl Asked {
    /// The tenure of a key that was read in this term.
    const fn tenure(&self, term: u64) -> Result<Tenure, Missing> {
        match self {
            Self::Answered(left) if left.term < term => Err(Missing::Outdated),
            Self::Answered(left) => Ok(left.tenure),
            Self::Failed => Ok(Tenure::Unknown),
            Self::Pending | Self::Again => Err(Missing::Pending),
        }
    }
}

impl<'a> Reading<'a> {
    fn new(context: &'a Context, keys: &[KeyIndex], answers: &'a Answers) -> Self {
        let (alone, together): (Vec<_>, Vec<_>) = keys.iter().partition(|&&key| context.memory.is_alone(key));
        let batches = together.chunks(BATCH).chain(alone.chunks(1)).map(<[_]>::to_vec).collect();
        let mut reading = Self {
            context,
            answers,
            sent_at: (context.clock)(),
            batches,
            under_way: 0,
            parts: JoinSet::new(),
            leases: BTreeMap::new(),
            waiting: Vec::new(),
            lease_error: None,
        };
        reading.ask_more();
        for lease in reading.leases_to_ask(keys) {
            reading.ask_lease(lease, Asked::Pending);
        }
        reading
    }

    /// The leases that lie under these keys as far as is known, and whose remainder is not proved to be enough.
    fn leases_to_ask(&self, keys: &[KeyIndex]) -> BTreeSet<i64> {
        let Context { memory, keys: all, .. } = self.context;
        let to_ask = |&key: &KeyIndex| {
            let lease = memory.lease(key)?;
            let proved = memory.proof(key).is_some_and(|proof| {
                proof.tenant.lease == lease && proof.enough(self.sent_at, all.limits(key)).is_some()
            });
            (!proved).then_some(lease)
        };
        keys.iter().filter_map(to_ask).collect()
    }

    async fn run(&mut self) -> Result<(), CallError> {
        while self.under_way > 0 || !self.waiting.is_empty() {
            match self.parts.join_next().await {
                Some(Ok(Part::Batch(batch, answer))) => {
                    self.under_way -= 1;
                    match answer.map_err(CallError::from) {
                        Ok(answer) => self.take_batch(&batch, &answer).await?,
                        Err(error @ (CallError::Forbidden | CallError::TooLarge)) => {
                            self.take_refusal(&batch, &error).await;
                        }
                        Err(error) => return Err(error),
                    }
                    self.ask_more();
                }
                Some(Ok(Part::Lease(id, answer))) => self.take_lease(id, answer).await,
                Some(Err(error)) => return Err(CallError::Broken(error.to_string())),
                None => break,
            }
        }
        self.lease_error.take().map_or(Ok(()), Err)
    }

    fn ask_more(&mut self) {
        while self.under_way < AT_ONCE {
            let Some(batch) = self.batches.pop_front() else { return };
            let mut kv = self.context.session.kv();
            let gets: Vec<_> = batch.iter().map(|&key| TxnOp::get(self.context.keys.name(key), None)).collect();
            self.parts.spawn(async move { Part::Batch(batch, kv.txn(Txn::new().and_then(gets)).await) });
            self.under_way += 1;
        }
    }

    fn ask_lease(&mut self, id: i64, asked: Asked) {
        self.leases.insert(id, asked);
        let mut leases = self.context.session.leases();
        self.parts.spawn(async move { Part::Lease(id, left(leases.time_to_live(id, None).await)) });
    }

    async fn take_batch(&mut self, batch: &[KeyIndex], answer: &TxnResponse) -> Result<(), CallError> {
        let header = answer.header();
        let (cluster, revision) = header.map_or((0, 0), |header| (header.cluster_id(), header.revision()));
        let term = header.map_or(0, ResponseHeader::raft_term);
        match self.context.memory.membership.judge(self.context.endpoint, cluster, self.context.limit / PATIENCE).await
        {
            Verdict::Believed => {}
            Verdict::Other => return Err(CallError::OtherCluster(cluster)),
            Verdict::Divided | Verdict::Early => return Err(CallError::DividedClusters(cluster)),
        }
        self.context.note_revision(revision);
        let values = answer.op_responses().into_iter().map(first_value);
        let answered_at = (self.context.clock)();
        let mut complete = Vec::with_capacity(batch.len());
        for (&key, value) in batch.iter().zip(values) {
            self.context.memory.set_forbidden(key, false);
            self.context.memory.set_large(key, value.as_ref().is_some_and(|value| value.value().len() > LARGE));
            let read = self.key_read(key, revision, answered_at, value.as_ref());
            let tenant =
                value.as_ref().map(|value| Tenant { lease: value.lease(), created: value.create_revision(), term });
            match tenant.filter(|_| read.names.is_us() && read.tenure == Tenure::Unknown) {
                Some(tenant) => {
                    let waiting = Waiting { key, tenant, read };
                    match self.proved(&waiting) {
                        Some(left) => {
                            complete.push((key, Ok(KeyRead { tenure: Tenure::AtLeast(left), ..waiting.read })));
                        }
                        None => self.waiting.push(waiting),
                    }
                }
                None => complete.push((key, Ok(read))),
            }
        }
        complete.extend(self.take_complete());
        self.answers.give(complete).await;
        Ok(())
    }

    /// One of the keys cannot be read, or all are too much together. Alone in its transaction, it is this one.
    async fn take_refusal(&mut self, batch: &[KeyIndex], error: &CallError) {
        if let [key] = *batch {
            let name = self.context.keys.name(key);
            let failure = if matches!(error, CallError::TooLarge) {
                self.context.memory.set_large(key, true);
                too_large(name)
            } else {
                self.context.memory.set_forbidden(key, true);
                forbidden(name)
            };
            self.answers.give(vec![(key, Err(failure))]).await;
        } else {
            self.batches.extend(batch.iter().map(|&key| vec![key]));
        }
    }

    /// What the lease has left at least, if that is known without a question and enough.
    fn proved(&self, waiting: &Waiting) -> Option<Duration> {
        let proof = self.context.memory.proof(waiting.key)?;
        proof.enough(self.sent_at, self.context.keys.limits(waiting.key)).filter(|_| proof.tenant == waiting.tenant)
    }

    fn prove(&self, waiting: &Waiting, tenure: Tenure) {
        if let Tenure::AtLeast(left) = tenure {
            let Waiting { key, tenant, .. } = *waiting;
            self.context.memory.prove(key, Proof { tenant, at: self.sent_at, left });
        }
    }

    /// What the answer says of one key, but for what its lease has left.
    fn key_read(&self, key: KeyIndex, revision: i64, answered_at: Moment, value: Option<&KeyValue>) -> KeyRead {
        let names = value.map_or(Names::Nobody, |value| self.context.keys.judge(key, value.value()));
        let lease = value.map_or(0, KeyValue::lease);
        self.context.memory.remember_lease(key, Some(lease).filter(|&lease| names.is_us() && lease != 0));
        KeyRead {
            names,
            version: Some(Version(revision)),
            modified: Some(Version(value.map_or(0, KeyValue::mod_revision))),
            sent_at: self.sent_at,
            answered_at,
            tenure: if lease == 0 { Tenure::NoLease } else { Tenure::Unknown },
            from: self.context.session.name(),
        }
    }

    async fn take_lease(&mut self, id: i64, answer: Result<Left, CallError>) {
        let asked = match answer {
            Ok(left) => Asked::Answered(left),
            Err(error) => {
                self.lease_error.get_or_insert(CallError::LeaseUnknown(error.to_string()));
                Asked::Failed
            }
        };
        let again = matches!(self.leases.insert(id, asked), Some(Asked::Again));
        let outdated = |waiting: &Waiting| {
            waiting.tenant.lease == id && asked.tenure(waiting.tenant.term) == Err(Missing::Outdated)
        };
        if again && self.waiting.iter().any(outdated) {
            self.lease_error.get_or_insert(CallError::LeaseUnknown(OUTDATED.to_owned()));
            self.leases.insert(id, Asked::Failed);
        }
        let complete = self.take_complete();
        self.answers.give(complete).await;
    }

    /// What waits for nothing any more. Asks for the leases that others wait for.
    fn take_complete(&mut self) -> Vec<(KeyIndex, Result<KeyRead, Failure>)> {
        let mut complete = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            match self.leases.get(&waiting.tenant.lease).map(|asked| asked.tenure(waiting.tenant.term)) {
                Some(Ok(tenure)) => {
                    self.prove(&waiting, tenure);
                    complete.push((waiting.key, Ok(KeyRead { tenure, ..waiting.read })));
                }
                Some(Err(Missing::Pending)) => self.waiting.push(waiting),
                missing => {
                    self.ask_lease(waiting.tenant.lease, if missing.is_some() { Asked::Again } else { Asked::Pending });
                    self.waiting.push(waiting);
                }
            }
        }
        complete
    }

    /// The keys were read, but not what their leases have left: that is for the keeper to judge.
    async fn give_up_on_leases(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let complete = waiting.into_iter().map(|waiting| (waiting.key, Ok(waiting.read)));
        self.answers.give(complete.collect()).await;
    }

    fn result_at_limit(&self) -> Result<(), CallError> {
        let silent = CallError::Silent { limit: self.context.limit };
        Err(if self.under_way == 0 { CallError::LeaseUnknown(silent.to_string()) } else { silent })
    }
}

fn too_large(key: &str) -> Failure {
    let why = format!("the value of {key} is larger than 4 MiB");
    Failure { kind: "refused", ends_session: false, routine: false, why, cure: None, hold_at_most: None }
}

fn forbidden(key: &str) -> Failure {
    Failure {
        kind: "login",
        ends_session: false,
        routine: false,
        why: format!("etcd does not let this user read {key}"),
        cure: Some(format!(
            "allow it: etcdctl role grant-permission ROLE read {key}, etcdctl user grant-role USER ROLE"
        )),
        hold_at_most: None,
    }
}

fn first_value(answer: TxnOpResponse) -> Option<KeyValue> {
    match answer {
        TxnOpResponse::Get(mut get) => get.take_kvs().into_iter().next(),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
    }
}

fn left(answer: Result<LeaseTimeToLiveResponse, etcd_client::Error>) -> Result<Left, CallError> {
    match answer {
        Ok(answer) => {
            let term = answer.header().map_or(0, ResponseHeader::raft_term);
            Ok(Left { tenure: left_of(answer.ttl(), answer.granted_ttl()), term })
        }
        // Whatever the term: a lease that has ended allows nothing.
        Err(etcd_client::Error::GRpcStatus(status)) if status.message().contains("requested lease not found") => {
            Ok(Left { tenure: Tenure::AtLeast(Duration::ZERO), term: u64::MAX })
        }
        Err(error) => Err(error.into()),
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
    fn an_answer_from_an_older_term_than_the_read_is_dropped() {
        let tenure = Tenure::AtLeast(Duration::from_secs(17));
        let asked = Asked::Answered(Left { tenure, term: 4 });
        assert_eq!((asked.tenure(3), asked.tenure(4)), (Ok(tenure), Ok(tenure)));
        assert_eq!(asked.tenure(5), Err(Missing::Outdated));
        assert_eq!(Asked::Pending.tenure(4), Err(Missing::Pending));
        assert_eq!(Asked::Failed.tenure(4), Ok(Tenure::Unknown));
    }

    #[test]
    fn a_lease_that_is_gone_has_nothing_left_and_none_has_more_than_it_was_granted() {
        assert_eq!(left_of(17, 30), Tenure::AtLeast(Duration::from_secs(17)));
        assert_eq!(left_of(0, 30), Tenure::AtLeast(Duration::ZERO));
        assert_eq!(left_of(-1, 0), Tenure::AtLeast(Duration::ZERO));
        assert_eq!(left_of(9_223_372_036, 30), Tenure::AtLeast(Duration::from_secs(30)));
    }
}
