//! The claim in etcd's v2 API: a key with a time to live, each change of which compares the index of the last one.
//!
//! Whether the leader key names this host cannot be compared in the same step: it is read after the claim was created.
//! A renewal refreshes the time to live and nothing else, so that nobody who watches is woken. It changes the index as
//! well: after one whose answer was lost, the next finds another index, and the claim is replaced.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request as HttpRequest;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;

use super::answer::{Page, Refusal, Written, grant_write};
use super::context::{Context, key_path};
use crate::source::claim::{Answer, Request, Token};
use crate::source::client::Failure;
use crate::source::http::{RequestError, escaped_value};
use crate::source::report::ClaimSpec;
use crate::transport::http::HttpError;

/// The member that takes a write and the leader that ends the key go by their own clocks. etcd warns where they differ
/// by more than this.
const CLOCKS: Duration = Duration::from_secs(1);

/// Carries out a request, in the time that its caller gives it.
pub(super) async fn claim(context: &Context, spec: &ClaimSpec, request: &Request) -> Result<Answer, Failure> {
    let claiming = Claiming { context, spec, path: key_path(&spec.key) };
    settled(context, spec, claiming.carry_out(request).await)
}

/// What `check` says of the claim, and whether this user may write it.
pub(super) async fn inspect(context: &Context, spec: &ClaimSpec) -> Result<Answer, Failure> {
    let claiming = Claiming { context, spec, path: key_path(&spec.key) };
    let asked = async {
        let answer = claiming.look().await?;
        claiming.may_write().await?;
        Ok(answer)
    };
    settled(context, spec, asked.await)
}

fn settled(context: &Context, spec: &ClaimSpec, answer: Result<Answer, Failed>) -> Result<Answer, Failure> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(Failed::Refused(Refusal::Forbidden)) => {
            let cure = format!("allow it: {}", grant_write(&spec.key));
            Ok(Answer::Refused { why: "etcd does not let this user do that".into(), cure: Some(cure.into()) })
        }
        Err(Failed::Refused(refusal)) => Err(refusal.failure(&spec.key, context.http.has_login())),
        Err(Failed::Endpoint(failure)) => Err(failure),
    }
}

enum Failed {
    Refused(Refusal),
    Endpoint(Failure),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<RequestError> for Failed {
    fn from(error: RequestError) -> Self {
        Self::Endpoint(error.into())
    }
}

struct Claiming<'a> {
    context: &'a Context,
    spec: &'a ClaimSpec,
    path: String,
}

impl Claiming<'_> {
    async fn carry_out(&self, request: &Request) -> Result<Answer, Failed> {
        match request {
            Request::Look => self.look().await,
            Request::Create => match self.look().await? {
                Answer::Absent => self.put(&format!("prevExist=false&{}", self.ours())).await,
                present => Ok(present),
            },
            Request::TakeOver(Token { version, .. }) => {
                self.put(&format!("prevExist=true&prevIndex={version}&{}", self.ours())).await
            }
            Request::Renew(Token { version, .. }) => {
                self.put(&format!("prevExist=true&prevIndex={version}&refresh=true&ttl={}", self.seconds())).await
            }
            Request::Delete(Token { version, .. }) => {
                let request = HttpRequest::delete(format!("{}?prevIndex={version}", self.path)).body(Bytes::new());
                match self.send(request).await? {
                    Written::Done { .. } | Written::Absent => Ok(Answer::Absent),
                    Written::Differs => self.look().await,
                }
            }
        }
    }

    fn ours(&self) -> String {
        format!("value={}&ttl={}", escaped_value(&self.spec.value), self.seconds())
    }

    fn seconds(&self) -> u64 {
        self.spec.ttl.as_secs() + u64::from(self.spec.ttl.subsec_nanos() > 0)
    }

    async fn put(&self, form: &str) -> Result<Answer, Failed> {
        match self.send(self.form(form)).await? {
            Written::Done { modified } => {
                let bound = self.spec.ttl.min(Duration::from_secs(self.seconds()).saturating_sub(CLOCKS));
                Ok(Answer::Ours { token: token(modified), bound, named: false })
            }
            Written::Absent => Ok(Answer::Absent),
            Written::Differs => self.look().await,
        }
    }

    /// An `Err` if the right is missing. etcd looks at the rights first and compares then, with an index that no key
    /// ever has: nothing is written. Any other refusal is no obstacle.
    async fn may_write(&self) -> Result<(), Failed> {
        match self.send(self.form(&format!("prevExist=true&prevIndex={}&value=", u64::MAX))).await {
            Err(Failed::Refused(refusal)) if refusal != Refusal::Forbidden => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    fn form(&self, form: &str) -> hyper::http::Result<HttpRequest<Bytes>> {
        let request = HttpRequest::put(&self.path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.body(Bytes::from(form.to_owned()))
    }

    async fn send(&self, request: hyper::http::Result<HttpRequest<Bytes>>) -> Result<Written, Failed> {
        let request = request.map_err(HttpError::from).map_err(RequestError::from)?;
        Ok(Written::parse(&self.context.http.request(request).await?)?)
    }

    /// By a quorum.
    async fn look(&self) -> Result<Answer, Failed> {
        let page = Page::parse(&self.context.http.get(&format!("{}?quorum=true", self.path)).await?)?;
        self.context.believe(page.cluster).await.map_err(Failed::Endpoint)?;
        Ok(page.node.map_or(Answer::Absent, |node| {
            // Whole seconds, rounded up, and up to half a second until it is removed.
            let at_most = node.ttl().map(|seconds| Duration::from_secs(seconds) + CLOCKS);
            Answer::present(token(node.modified), node.value.as_bytes(), at_most)
        }))
    }
}

fn token(modified: i64) -> Token {
    Token { version: modified, session: Arc::default() }
}

/// Waits until the claim is not this one any more. If it cannot be waited for, nothing is heard.
pub(super) async fn changes(context: &Context, spec: &ClaimSpec, seen: &Token) {
    let path = format!("{}?wait=true&waitIndex={}", key_path(&spec.key), seen.version + 1);
    if let Ok(request) = HttpRequest::get(path).body(Bytes::new())
        && let Ok(answer) = context.http.open(request).await
        && answer.status().is_success()
        && let Ok(Some(_event)) = answer.into_body().chunk().await
    {
        return;
    }
    std::future::pending::<()>().await;
}
