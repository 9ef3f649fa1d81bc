//! What is answered to a question.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::Ask;
use crate::daemon::snapshot;
use crate::status::http::{self, Answer, Request, Resource};
use crate::status::{Status, json, openmetrics, page, text};

pub(super) struct Reply {
    status: &'static str,
    kind: &'static str,
    policy: Option<String>,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn refusal(answer: Answer) -> Self {
        Self { status: answer.status, kind: PLAIN, policy: None, body: answer.text.to_owned() }
    }

    fn ok(kind: &'static str, body: String) -> Self {
        Self { status: "200 OK", kind, policy: None, body }
    }

    pub(super) fn head(&self) -> String {
        let policy = self.policy.as_deref().unwrap_or("default-src 'none'");
        format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nContent-Security-Policy: {policy}\r\n\r\n",
            self.status,
            self.kind,
            self.body.len(),
        )
    }
}

pub(super) async fn answer(request: Request, asks: &mpsc::Sender<Ask>) -> Reply {
    if request.resource == Resource::Page {
        let nonce = nonce();
        return Reply { policy: Some(page::policy(&nonce)), ..Reply::ok(HTML, page::page(&nonce)) };
    }
    let Some(status) = ask(asks).await else { return Reply::refusal(http::BUSY) };
    match request.resource {
        Resource::Page | Resource::Health => Reply::ok(PLAIN, "ok\n".to_owned()),
        Resource::Status => Reply::ok(JSON, json::status(&status) + "\n"),
        Resource::Events => Reply::ok(JSON, json::events(&status) + "\n"),
        Resource::StatusText(colour) => Reply::ok(PLAIN, text::status(&status, colour)),
        Resource::EventsText(colour) => Reply::ok(PLAIN, text::events(&status, colour)),
        Resource::Metrics(form) => {
            let status = Status { process: snapshot::process(), ..status };
            Reply::ok(openmetrics::content_type(form), openmetrics::metrics(&status, form))
        }
        Resource::Readiness => {
            let reasons = status.unready();
            if reasons.is_empty() {
                return Reply::ok(PLAIN, "ready\n".to_owned());
            }
            let body = reasons.join("\n") + "\n";
            Reply { status: http::BUSY.status, kind: PLAIN, policy: None, body }
        }
    }
}

/// A snapshot, if the driver's loop goes round.
async fn ask(asks: &mpsc::Sender<Ask>) -> Option<Status> {
    let (question, answer) = oneshot::channel();
    let asked = async {
        asks.send(question).await.ok()?;
        answer.await.ok()
    };
    timeout(ROUND, asked).await.ok().flatten()
}

/// The hasher's seed is random, and asking for one costs no dependency.
fn nonce() -> String {
    let part = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", part(), part())
}

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
/// How long the driver may take; its turns take microseconds.
const ROUND: Duration = Duration::from_secs(2);
