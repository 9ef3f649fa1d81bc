//! The claim in etcd: a key under a lease of its own.
//!
//! It is created in one transaction, if there is none and the leader key has the value that names this host. A renewal is
//! a keepalive of the lease, followed by a read of the key through the same endpoint: the read is linearizable, so a
//! member that was cut off cannot answer it, and if it was answered in the same term of raft as the keepalive, the
//! keepalive has reached the leader of that term.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{
    Compare, CompareOp, GetResponse, KeyValue, PutOptions, ResponseHeader, Txn, TxnOp, TxnOpResponse, WatchOptions,
};

use super::context::Context;
use super::error::CallError;
use crate::source::claim::{Answer, Request, Token};
use crate::source::client::Failure;
use crate::source::report::ClaimSpec;

/// Carries out a request, in the time that its caller gives it.
pub(super) async fn claim(context: &Context, spec: &ClaimSpec, request: &Request) -> Result<Answer, Failure> {
    judged(context, spec, carry_out(context, spec, request).await)
}

/// Says who has the claim, and whether this user may write it: etcd checks the rights of a transaction before it
/// compares, and this one never writes.
pub(super) async fn inspect(context: &Context, spec: &ClaimSpec) -> Result<Answer, Failure> {
    let never = [CompareOp::Equal, CompareOp::Greater].map(|op| Compare::version(&*spec.key, op, 0));
    let (write, read) = (TxnOp::put(&*spec.key, &*spec.value, None), TxnOp::get(&*spec.key, None));
    let txn = Txn::new().when(never).and_then([write]).or_else([read]);
    let asked = async {
        let outcome = context.session.kv().txn(txn).await?;
        Ok(described(context, found(&outcome.op_responses()).as_ref()).await)
    };
    judged(context, spec, asked.await)
}

fn judged(context: &Context, spec: &ClaimSpec, answer: Result<Answer, CallError>) -> Result<Answer, Failure> {
    match answer.map_err(|error| context.correct(error)) {
        Ok(answer) => Ok(answer),
        Err(CallError::Forbidden) => {
            Ok(Answer::Refused { why: "etcd does not let this user do that".into(), cure: Some(cure(spec)) })
        }
        Err(error) => Err(error.into()),
    }
}

async fn carry_out(context: &Context, spec: &ClaimSpec, request: &Request) -> Result<Answer, CallError> {
    match request {
        Request::Look => Ok(described(context, look(context, spec).await?.kvs().first()).await),
        Request::Create => {
            if let Some(claim) = look(context, spec).await?.kvs().first() {
                Ok(described(context, Some(claim)).await)
            } else {
                let leader = Compare::value(context.keys.name(spec.leader), CompareOp::Equal, &*spec.owner.host);
                let absent = Compare::version(&*spec.key, CompareOp::Equal, 0);
                put(context, spec, vec![leader, absent], true).await
            }
        }
        Request::TakeOver(token) => put(context, spec, vec![is(spec, token)], false).await,
        Request::Renew(token) => renew(context, spec, token).await,
        Request::Delete(token) => delete(context, spec, token).await,
    }
}

fn is(spec: &ClaimSpec, token: &Token) -> Compare {
    Compare::mod_revision(&*spec.key, CompareOp::Equal, token.version)
}

async fn look(context: &Context, spec: &ClaimSpec) -> Result<GetResponse, CallError> {
    Ok(context.session.kv().get(&*spec.key, None).await?)
}

/// Writes the claim under a new lease, if all of this is so. `creates`: there was none.
async fn put(context: &Context, spec: &ClaimSpec, when: Vec<Compare>, creates: bool) -> Result<Answer, CallError> {
    let granted = context.session.leases().grant(seconds(spec.ttl), None).await?;
    let lease = granted.id();
    let options = PutOptions::new().with_lease(lease);
    let write = TxnOp::put(&*spec.key, &*spec.value, Some(options));
    let txn = Txn::new().when(when).and_then([write]).or_else([TxnOp::get(&*spec.key, None)]);
    let outcome = context.session.kv().txn(txn).await;
    if !outcome.as_ref().is_ok_and(etcd_client::TxnResponse::succeeded) {
        // It would end by itself.
        let _ends_by_itself = context.session.leases().revoke(lease).await;
    }
    let outcome = outcome?;
    if outcome.succeeded() {
        let version = outcome.header().map_or(0, ResponseHeader::revision);
        let token = Token { version, session: lease.to_string().into() };
        return Ok(Answer::Ours { token, bound: bound(granted.ttl(), spec), named: creates });
    }
    match found(&outcome.op_responses()) {
        None if creates => Ok(Answer::NotNamed),
        present => Ok(described(context, present.as_ref()).await),
    }
}

async fn renew(context: &Context, spec: &ClaimSpec, token: &Token) -> Result<Answer, CallError> {
    let lease = token.session.parse().unwrap_or(0);
    let (mut keeper, mut answers) = context.session.leases().keep_alive(lease).await?;
    keeper.keep_alive().await?;
    let kept = answers.message().await?.ok_or_else(|| CallError::Broken("the lease's stream ended".into()))?;
    let claim = look(context, spec).await?;
    let same = claim.kvs().first().filter(|claim| claim.mod_revision() == token.version && claim.lease() == lease);
    if same.is_none() || kept.ttl() <= 0 {
        let present = claim.kvs().first().filter(|_| same.is_none());
        return Ok(described(context, present).await);
    }
    let term = |header: Option<&ResponseHeader>| header.map_or(0, ResponseHeader::raft_term);
    if term(kept.header()) != term(claim.header()) {
        return Err(CallError::NotNow("etcd has elected a leader meanwhile".into()));
    }
    Ok(Answer::Ours { token: token.clone(), bound: bound(kept.ttl(), spec), named: false })
}

async fn delete(context: &Context, spec: &ClaimSpec, token: &Token) -> Result<Answer, CallError> {
    let (delete, get) = (TxnOp::delete(&*spec.key, None), TxnOp::get(&*spec.key, None));
    let txn = Txn::new().when([is(spec, token)]).and_then([delete]).or_else([get]);
    let outcome = context.session.kv().txn(txn).await?;
    if !outcome.succeeded() {
        return Ok(described(context, found(&outcome.op_responses()).as_ref()).await);
    }
    if let Ok(lease) = token.session.parse() {
        let _ends_by_itself = context.session.leases().revoke(lease).await;
    }
    Ok(Answer::Absent)
}

fn found(answers: &[TxnOpResponse]) -> Option<KeyValue> {
    answers.iter().find_map(|answer| match answer {
        TxnOpResponse::Get(get) => get.kvs().first().cloned(),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
    })
}

/// Who has the claim. How much its lease has left is for people: if etcd does not tell, nobody waits for it.
async fn described(context: &Context, claim: Option<&KeyValue>) -> Answer {
    let Some(claim) = claim else { return Answer::Absent };
    let left = match claim.lease() {
        0 => None,
        lease => context
            .session
            .leases()
            .time_to_live(lease, None)
            .await
            .ok()
            .and_then(|left| u64::try_from(left.ttl()).ok()),
    };
    let token = Token { version: claim.mod_revision(), session: claim.lease().to_string().into() };
    // Whole seconds, rounded down.
    let at_most = left.map(|left| Duration::from_secs(left + 1));
    Answer::present(token, claim.value(), at_most)
}

/// What etcd grants may be longer than what was asked for, and what it says may be shorter by a part of a second.
fn bound(ttl: i64, spec: &ClaimSpec) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0)).min(spec.ttl)
}

fn seconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)
}

fn cure(spec: &ClaimSpec) -> Arc<str> {
    format!("allow it: etcdctl role grant-permission ROLE readwrite {}", spec.key).into()
}

/// Waits until the claim is not this one any more. If it cannot be watched, nothing is heard.
pub(super) async fn changes(context: &Context, spec: &ClaimSpec, seen: &Token) {
    let options = WatchOptions::new().with_start_revision(seen.version + 1);
    if let Ok(mut stream) = context.session.watches().watch(&*spec.key, Some(options)).await {
        while let Ok(Some(message)) = stream.message().await {
            if message.canceled() {
                break;
            }
            if !message.events().is_empty() {
                return;
            }
        }
    }
    std::future::pending::<()>().await;
}
