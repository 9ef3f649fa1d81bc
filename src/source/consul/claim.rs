//! The claim in Consul: a key that a session of our own holds as a lock.
//!
//! # What bounds it
//! Consul may end a session at any time: when nobody renews it, but also when its node is deregistered. Whenever it ends
//! one that holds a lock, nobody can have that lock for the session's lock-delay. So while a request shows that the lock
//! is ours, nobody else can have it until the lock-delay has passed since that request was sent, whatever the session's
//! time to live. The session has no checks: it lasts as long as it is renewed and its node is registered, which is that of
//! the endpoint that made it. So a claim that is renewed through another endpoint moves to a session there.
//!
//! # Requests
//! The claim is created in one transaction: if the leader key still has the version that names this host, and there is no
//! claim. A consistent read comes before it, so that the leader that is asked has applied every end of a session so far.
//! A successor unlocks and locks in one transaction, as an unlock has no delay; a deletion comes before the end of the
//! session for the same reason.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Request as HttpRequest, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::answer::{Entry, Page, Refusal, json as parsed};
use super::context::Context;
use super::lock::{Conflict, Op, Outcome, Renewed, SessionId, at_most, bound, new_session, outcome};
use super::sessions::Session;
use crate::source::claim::{Answer, Request, Token};
use crate::source::client::Failure;
use crate::source::http::{Kept, RequestError, escaped_value};
use crate::source::report::{ClaimSpec, KeyIndex};
use crate::transport::http::HttpError;

/// Carries out a request, in the time that its caller gives it.
pub(super) async fn claim(context: &Context, spec: &ClaimSpec, request: &Request) -> Result<Answer, Failure> {
    let answer = judged(context, spec, carry_out(context, spec, request).await);
    if let Ok(Answer::Refused { .. }) = answer {
        context.shared.note_unclaimed(spec.leader);
    }
    answer
}

/// Says who has the claim, and whether this token may have it. It writes nothing.
pub(super) async fn inspect(context: &Context, spec: &ClaimSpec) -> Result<Answer, Failure> {
    let asked = async {
        let entry = look(context, spec).await?;
        if may_claim(context, spec).await? { Ok(described(entry.as_ref(), spec)) } else { Err(Trouble::Forbidden) }
    };
    judged(context, spec, asked.await)
}

/// Makes the session of the claim of a key that seems to name this host, while that is being confirmed.
pub(super) fn prepare(context: &Arc<Context>, key: KeyIndex) {
    for spec in context.shared.keys.claims().iter().filter(|spec| context.shared.is_claimed(key) && spec.leader == key)
    {
        let (context, spec) = (Arc::clone(context), spec.clone());
        tokio::spawn(timeout(PREPARE, async move {
            let spare = context.shared.sessions.spare(&spec.key);
            let mut spare = spare.lock().await;
            let now = (context.shared.clock)();
            // Each endpoint tells of the change. What fails here is tried again by the claim itself.
            if !spare.is_fresh(now)
                && let Ok(session) = open(&context, &spec).await
            {
                spare.put(session, now);
            }
        }));
    }
}

/// Why a request was not carried out.
#[derive(Debug)]
enum Trouble {
    Request(RequestError),
    Refusal(Refusal),
    Forbidden,
    /// The claim cannot be had, whatever this token may do.
    Impossible {
        why: String,
        cure: String,
    },
}

impl From<RequestError> for Trouble {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        if refusal == Refusal::Forbidden { Self::Forbidden } else { Self::Refusal(refusal) }
    }
}

fn judged(context: &Context, spec: &ClaimSpec, answer: Result<Answer, Trouble>) -> Result<Answer, Failure> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(Trouble::Request(error)) => Err(error.into()),
        Err(Trouble::Refusal(refusal)) => Err(refusal.failure(&spec.key, context.http.has_login())),
        Err(Trouble::Forbidden) => {
            let (who, cure) = if context.http.has_login() {
                ("this token", "add these rules to its policy")
            } else {
                ("anybody without a token", "set consul-token, with these rules in its policy")
            };
            let rules = rules(&spec.key);
            Ok(Answer::Refused {
                why: format!("Consul does not let {who} do that").into(),
                cure: Some(format!("{cure}: {rules}").into()),
            })
        }
        Err(Trouble::Impossible { why, cure }) => Ok(Answer::Refused { why: why.into(), cure: Some(cure.into()) }),
    }
}

/// What lets a token claim. The session belongs to the node of whichever endpoint is asked.
fn rules(key: &str) -> String {
    format!("key \"{key}\" {{ policy = \"write\" }} session_prefix \"\" {{ policy = \"write\" }}")
}

async fn carry_out(context: &Context, spec: &ClaimSpec, request: &Request) -> Result<Answer, Trouble> {
    match request {
        Request::Look => Ok(described(look(context, spec).await?.as_ref(), spec)),
        Request::Create => create(context, spec).await,
        Request::TakeOver(token) => take_over(context, spec, token).await,
        Request::Renew(token) => renew(context, spec, token).await,
        Request::Delete(token) => delete(context, spec, token).await,
    }
}

async fn create(context: &Context, spec: &ClaimSpec) -> Result<Answer, Trouble> {
    let leader = context.shared.keys.name(spec.leader);
    let (claim, named) = tokio::try_join!(look(context, spec), read(context, leader))?;
    if let Some(claim) = claim {
        return Ok(described(Some(&claim), spec));
    }
    let named = named.filter(|entry| entry.value == spec.owner.host.as_bytes());
    let Some(named) = named else { return Ok(Answer::NotNamed) };
    let when = [Op::check_index(leader, named.modified), Op::check_not_exists(&spec.key)];
    let spare = context.shared.sessions.spare(&spec.key).lock().await.take((context.shared.clock)());
    let session = if let Some(session) = spare { session } else { open(context, spec).await? };
    match lock(context, spec, session, when.to_vec(), true).await? {
        Ok(answer) => Ok(answer),
        Err(Conflict { op: 0, .. }) => Ok(Answer::NotNamed),
        Err(Conflict { delayed: true, .. }) => {
            let token = Token { version: 0, session: "".into() };
            Ok(Answer::Present { token, owner: None, by: DELAYED.into(), at_most: Some(bound(spec.ttl, spec)) })
        }
        Err(Conflict { .. }) => now_present(context, spec).await,
    }
}

async fn take_over(context: &Context, spec: &ClaimSpec, token: &Token) -> Result<Answer, Trouble> {
    let session = open(context, spec).await?;
    let mut ops = vec![Op::check_index(&spec.key, token.version)];
    if !token.session.is_empty() {
        ops.push(Op::unlock(&spec.key, &token.session, &spec.value));
    }
    let Ok(answer) = lock(context, spec, session, ops, false).await? else {
        let claim = look(context, spec).await?;
        if claim.as_ref().is_some_and(|claim| claim.modified == token.version) {
            return Err(Refusal::NotNow("the lock-delay of an earlier holder runs".to_owned()).into());
        }
        return Ok(described(claim.as_ref(), spec));
    };
    if !token.session.is_empty() {
        close(context, &token.session).await;
    }
    Ok(answer)
}

/// Locks the key for this session after these operations, in one transaction; `named`: they show that the leader key
/// names this host. A session that is of no use is ended; one that may have the lock is not, because nobody could have the
/// lock for its lock-delay.
async fn lock(
    context: &Context,
    spec: &ClaimSpec,
    session: Session,
    mut ops: Vec<Op>,
    named: bool,
) -> Result<Result<Answer, Conflict>, Trouble> {
    ops.push(Op::lock(&spec.key, &session.id, &spec.value));
    let outcome = transact(context, &ops).await;
    if matches!(outcome, Ok(Outcome::Conflict(_)) | Err(Trouble::Forbidden)) {
        close(context, &session.id).await;
    }
    Ok(match outcome? {
        Outcome::Done(version) => {
            let token = Token { version, session: Arc::clone(&session.id) };
            context.shared.sessions.note_used(&spec.key, session);
            Ok(Answer::Ours { token, bound: bound(spec.ttl, spec), named })
        }
        Outcome::Conflict(conflict) => Err(conflict),
    })
}

/// Renews the claim. Then a session that another endpoint made is replaced, as that endpoint may be dead; if that fails,
/// the claim is renewed all the same.
async fn renew(context: &Context, spec: &ClaimSpec, token: &Token) -> Result<Answer, Trouble> {
    let renewed = renew_session(context, spec, token).await?;
    let elsewhere = context.shared.sessions.is_elsewhere(&spec.key, &token.session, &context.http.name());
    if elsewhere && matches!(renewed, Answer::Ours { .. }) {
        let moved = timeout(MOVE, take_over(context, spec, token)).await;
        if let Ok(Ok(moved @ Answer::Ours { .. })) = moved {
            return Ok(moved);
        }
    }
    Ok(renewed)
}

/// Keeps the session alive, and shows that the key is still its own: the bound counts from before both.
async fn renew_session(context: &Context, spec: &ClaimSpec, token: &Token) -> Result<Answer, Trouble> {
    let path = format!("session/renew/{}", escaped_value(&token.session));
    let answer = put(context, &path, Bytes::new()).await?;
    let renewed = if answer.status() == StatusCode::NOT_FOUND {
        None
    } else {
        parsed::<Vec<Renewed>>(&answer)?.into_iter().next()
    };
    let claim = look(context, spec).await?;
    let same = claim
        .as_ref()
        .is_some_and(|claim| claim.modified == token.version && claim.session.as_deref() == Some(&*token.session));
    match (same, renewed) {
        (true, Some(renewed)) => {
            Ok(Answer::Ours { token: token.clone(), bound: bound(renewed.lock_delay(), spec), named: false })
        }
        (true, None) => Err(Refusal::NotNow("it did not renew the session of the claim".to_owned()).into()),
        (false, _) => Ok(described(claim.as_ref(), spec)),
    }
}

async fn delete(context: &Context, spec: &ClaimSpec, token: &Token) -> Result<Answer, Trouble> {
    match transact(context, &[Op::delete_cas(&spec.key, token.version)]).await? {
        Outcome::Done(_) => {
            if !token.session.is_empty() {
                close(context, &token.session).await;
            }
            Ok(Answer::Absent)
        }
        Outcome::Conflict(_) => Ok(described(look(context, spec).await?.as_ref(), spec)),
    }
}

/// Somebody else was a little faster.
async fn now_present(context: &Context, spec: &ClaimSpec) -> Result<Answer, Trouble> {
    match look(context, spec).await? {
        Some(claim) => Ok(described(Some(&claim), spec)),
        None => Err(Refusal::NotNow("the claim changes at this moment".to_owned()).into()),
    }
}

fn described(claim: Option<&Entry>, spec: &ClaimSpec) -> Answer {
    let Some(claim) = claim else { return Answer::Absent };
    let token = Token { version: claim.modified, session: claim.session.as_deref().unwrap_or_default().into() };
    let at_most = claim.session.as_ref().map(|_| at_most(spec));
    Answer::present(token, &claim.value, at_most)
}

async fn look(context: &Context, spec: &ClaimSpec) -> Result<Option<Entry>, Trouble> {
    read(context, &spec.key).await
}

async fn read(context: &Context, key: &str) -> Result<Option<Entry>, Trouble> {
    let answer = context.http.get(&context.shared.key_path(key)).await?;
    Ok(Page::parse(&answer)?.entry)
}

/// Makes a session.
async fn open(context: &Context, spec: &ClaimSpec) -> Result<Session, Trouble> {
    let answer = put(context, "session/create", new_session(spec).to_string().into()).await?;
    match parsed::<SessionId>(&answer) {
        Ok(SessionId { id }) => Ok(Session { id: id.into(), endpoint: context.http.name() }),
        Err(Refusal::NotNow(why) | Refusal::Other(_, why)) if why.contains("Missing node registration") => {
            let why = "no session can be made: the node of the endpoint is of another datacenter".to_owned();
            let cure = "set endpoints of the configured datacenter in dcs-endpoints, or claim: off".to_owned();
            Err(Trouble::Impossible { why, cure })
        }
        Err(Refusal::NotNow(why) | Refusal::Other(_, why)) if why.contains("Session TTL") => {
            let why = format!("no session can be made: {why}");
            Err(Trouble::Impossible { why, cure: "raise claim-ttl to the server's session_ttl_min".to_owned() })
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Ends a session that has no lock, or ours. If that fails it ends by itself.
async fn close(context: &Context, session: &str) {
    let _ends_by_itself = put(context, &format!("session/destroy/{}", escaped_value(session)), Bytes::new()).await;
}

async fn transact(context: &Context, ops: &[Op]) -> Result<Outcome, Trouble> {
    let body = Value::from(ops.iter().map(Op::json).collect::<Vec<_>>()).to_string();
    Ok(outcome(&put(context, "txn", body.into()).await?)?)
}

/// Asks Consul whether this token may write the claim and make sessions. A Consul that does not tell lets it.
async fn may_claim(context: &Context, spec: &ClaimSpec) -> Result<bool, Trouble> {
    let mut questions = vec![json!({"Resource": "key", "Segment": &*spec.key, "Access": "write"})];
    let agent: Option<Value> = parsed(&context.http.get("/v1/agent/self").await?).ok();
    if let Some(node) = agent.as_ref().and_then(|agent| agent["Config"]["NodeName"].as_str()) {
        questions.push(json!({"Resource": "session", "Segment": node, "Access": "write"}));
    }
    let path = context.shared.consistent("internal/acl/authorize");
    let answer = send(context, HttpRequest::post(path), Value::from(questions).to_string().into()).await?;
    let rights: Vec<Value> = parsed(&answer).unwrap_or_default();
    Ok(rights.iter().all(|right| right["Allow"] != Value::Bool(false)))
}

async fn put(context: &Context, path: &str, body: Bytes) -> Result<Response<Bytes>, RequestError> {
    send(context, HttpRequest::put(context.shared.consistent(path)), body).await
}

async fn send(
    context: &Context,
    request: hyper::http::request::Builder,
    body: Bytes,
) -> Result<Response<Bytes>, RequestError> {
    let request = request.body(body).map_err(HttpError::from)?;
    context.http.request(request).await
}

/// Waits until the claim is not this one any more. If it cannot be watched, nothing is heard.
pub(super) async fn changes(context: &Context, spec: &ClaimSpec, seen: &Token) {
    let (mut connection, mut index) = (Kept::default(), seen.version);
    while index > 0 {
        let path = format!("{}&index={index}&wait={}s", context.shared.key_path(&spec.key), WAIT.as_secs());
        let Ok(request) = HttpRequest::get(path).body(Bytes::new()) else { break };
        let answer = context.http.request_on(&mut connection, request, WAIT + WAIT / 16).await;
        let Some(page) = answer.ok().and_then(|answer| Page::parse(&answer).ok()) else { break };
        if page.modified() != Some(seen.version) {
            return;
        }
        index = page.index;
    }
    pending::<()>().await;
}

/// Who has the claim while nobody can: its session has ended, and the lock-delay runs.
const DELAYED: &str = "the lock-delay of its last holder";
/// A session that takes longer to be replaced stays.
const MOVE: Duration = Duration::from_millis(300);
/// A session that takes longer is made by the claim itself.
const PREPARE: Duration = Duration::from_secs(1);
/// How long Consul waits for a change.
const WAIT: Duration = Duration::from_secs(10);
