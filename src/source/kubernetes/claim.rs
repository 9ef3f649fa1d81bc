//! The claim in Kubernetes: a Lease, each change of which compares the version that it replaces.
//!
//! Nothing expires there. A host that wants the claim of another one waits until it has seen it unchanged for as long as
//! it lasts ([`Ending::Unchanged`](crate::source::claim::Ending::Unchanged)), and replaces it then. A renewal was sent
//! before anybody saw it, so it holds that long from when it was sent.

use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};

use super::lease::{Holder, Lease, lease, written};
use super::object::{Line, line};
use super::path::ObjectPath;
use super::refusal::{AnswerError, refused};
use super::session::Session;
use crate::source::claim::{Answer, Request, Token};
use crate::source::client::Failure;
use crate::source::report::ClaimSpec;

/// A line of a watch has at most so many bytes.
const LONGEST_LINE: usize = 1024 * 1024;

/// No object.
const NOTHING: &str = "{}";

/// Carries out a request, in the time that its caller gives it.
pub(super) async fn claim(session: &Session, spec: &ClaimSpec, request: &Request) -> Result<Answer, Failure> {
    let Some(path) = ObjectPath::parse(&spec.key) else {
        return Ok(Answer::Refused { why: format!("{} is not a Lease", spec.key).into(), cure: None });
    };
    settled(Claiming { session, spec, path }.carry_out(request).await)
}

/// What `check` says of the claim, and whether this user may change it, and create it where there is none.
pub(super) async fn inspect(session: &Session, spec: &ClaimSpec) -> Result<Answer, Failure> {
    let Some(path) = ObjectPath::parse(&spec.key) else { return claim(session, spec, &Request::Look).await };
    let claiming = Claiming { session, spec, path };
    let asked = async {
        let lease = claiming.read().await?;
        claiming.may_claim(lease.is_some()).await?;
        Ok(lease.map_or(Answer::Absent, Lease::answer))
    };
    settled(asked.await)
}

fn settled(answer: Result<Answer, AnswerError>) -> Result<Answer, Failure> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(AnswerError::Forbidden(failure)) => Ok(refusal(failure)),
        // The objects that Patroni writes can still be read.
        Err(AnswerError::Failed(failure)) if failure.kind == "refused" => Ok(refusal(failure)),
        Err(AnswerError::Failed(failure)) => Err(failure),
    }
}

fn refusal(Failure { why, cure, .. }: Failure) -> Answer {
    Answer::Refused { why: why.into(), cure: cure.map(Into::into) }
}

struct Claiming<'a> {
    session: &'a Session,
    spec: &'a ClaimSpec,
    path: ObjectPath,
}

impl Claiming<'_> {
    async fn carry_out(&self, request: &Request) -> Result<Answer, AnswerError> {
        match request {
            Request::Look => self.look().await,
            Request::Create => match self.read().await? {
                Some(lease) if lease.is_free() => self.replace(&lease.token).await,
                Some(lease) => Ok(lease.answer()),
                None => self.create().await,
            },
            Request::TakeOver(token) | Request::Renew(token) => self.replace(token).await,
            Request::Delete(token) => {
                let free = written(&self.path, Some(token), None);
                let answer = self.send(Method::PUT, &self.path.object(), free).await?;
                match answer.status() {
                    StatusCode::OK | StatusCode::NOT_FOUND => Ok(Answer::Absent),
                    StatusCode::CONFLICT => self.look().await,
                    _ => Err(refused(&answer, &self.path, "update")),
                }
            }
        }
    }

    async fn create(&self) -> Result<Answer, AnswerError> {
        let answer = self.send(Method::POST, &self.path.all(), self.ours(None)).await?;
        match answer.status() {
            StatusCode::CREATED => self.is_ours(&answer),
            StatusCode::CONFLICT => self.look().await,
            _ => Err(refused(&answer, &self.path, "create")),
        }
    }

    async fn replace(&self, token: &Token) -> Result<Answer, AnswerError> {
        let answer = self.send(Method::PUT, &self.path.object(), self.ours(Some(token))).await?;
        match answer.status() {
            // What changes nothing is not written: nobody would see a renewal.
            StatusCode::OK if read(&answer)?.token == *token => Err(AnswerError::Failed(unwritten())),
            StatusCode::OK => self.is_ours(&answer),
            StatusCode::CONFLICT => self.look().await,
            StatusCode::NOT_FOUND => Ok(Answer::Absent),
            _ => Err(refused(&answer, &self.path, "update")),
        }
    }

    fn ours(&self, before: Option<&Token>) -> String {
        let ClaimSpec { owner, value, ttl, .. } = self.spec;
        let renewed = (self.session.wall_clock)();
        written(&self.path, before, Some(&Holder { host: &owner.host, value, ttl: *ttl, renewed }))
    }

    fn is_ours(&self, answer: &Response<Bytes>) -> Result<Answer, AnswerError> {
        Ok(Answer::Ours { token: read(answer)?.token, bound: self.spec.ttl, named: false })
    }

    /// An `Err` if a right is missing. An API server looks at the rights first and at the object then. This one has no
    /// name, so it is never accepted, not even where a dry run is unknown. A server that cannot tell is no obstacle.
    async fn may_claim(&self, exists: bool) -> Result<(), AnswerError> {
        let create = (!exists).then(|| (Method::POST, self.path.all(), "create"));
        let update = (Method::PUT, self.path.object(), "update");
        for (method, path, verb) in create.into_iter().chain([update]) {
            let answer = self.send(method, &format!("{path}?dryRun=All"), NOTHING.to_owned()).await?;
            if answer.status() == StatusCode::FORBIDDEN {
                return Err(refused(&answer, &self.path, verb));
            }
        }
        Ok(())
    }

    async fn look(&self) -> Result<Answer, AnswerError> {
        Ok(self.read().await?.map_or(Answer::Absent, Lease::answer))
    }

    /// By a quorum, as every get without a version.
    async fn read(&self) -> Result<Option<Lease>, AnswerError> {
        let answer = self.send(Method::GET, &self.path.object(), String::new()).await?;
        match answer.status() {
            StatusCode::OK => read(&answer).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refused(&answer, &self.path, "get")),
        }
    }

    async fn send(&self, method: Method, path: &str, body: String) -> Result<Response<Bytes>, AnswerError> {
        Ok(self.session.requests.send(&method, path, &Bytes::from(body)).await?)
    }
}

fn read(answer: &Response<Bytes>) -> Result<Lease, AnswerError> {
    Ok(lease(answer.body()).map_err(|error| Failure::new("connection", &error))?)
}

fn unwritten() -> Failure {
    let why = "the API server has not written the claim: its time did not change".to_owned();
    Failure { kind: "unavailable", ends_session: false, routine: false, why, cure: None, hold_at_most: None }
}

/// Waits until the claim is not this one any more. If it cannot be watched, nothing is heard.
pub(super) async fn changes(session: &Session, spec: &ClaimSpec, seen: &Token) {
    if let Some(path) = ObjectPath::parse(&spec.key)
        && let Ok(answer) = session.requests.open_watch(&path, seen.version).await
        && answer.status() == StatusCode::OK
    {
        let mut lines = answer.into_body();
        while let Ok(Some(text)) = lines.line(LONGEST_LINE).await {
            match line(&text, path.name()) {
                Ok(Line::Changed(_) | Line::Deleted { .. }) => return,
                Ok(Line::Bookmark { .. } | Line::Other) => {}
                Ok(Line::Error(_)) | Err(_) => break,
            }
        }
    }
    std::future::pending::<()>().await;
}
