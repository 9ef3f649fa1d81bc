//! What it means that an API server refuses a request, and the cure.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use tokio::time::timeout;

use super::object::{Refusal, refusal};
use super::path::ObjectPath;
use crate::source::client::Failure;
use crate::source::http::login_refused;
use crate::text::{brief, one_line};
use crate::transport::http::Chunks;

/// A refusal has no more bytes than this.
const LONGEST: usize = 64 * 1024;

/// Why there is no answer to a request for one object.
#[derive(Debug)]
pub(super) enum AnswerError {
    /// This user may not do that with this object.
    Forbidden(Failure),
    /// It is not about the object.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for AnswerError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The meaning of an answer with another status than 200. The body of one that comes in lines may be missing.
pub(super) fn refused(answer: &Response<Bytes>, path: &ObjectPath, verb: &str) -> AnswerError {
    let said = refusal(answer.body());
    match answer.status() {
        StatusCode::FORBIDDEN => AnswerError::Forbidden(forbidden(&said, path, verb)),
        status => AnswerError::Failed(failed(status, &said)),
    }
}

/// The meaning of an answer that refuses a watch.
pub(super) async fn understood(status: StatusCode, path: &ObjectPath, mut body: Chunks) -> AnswerError {
    let mut said = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = body.chunk().await {
            said.extend_from_slice(&chunk);
            if said.len() > LONGEST {
                break;
            }
        }
    };
    // What has not come by then is not waited for: the status says enough.
    let _late = timeout(Duration::from_secs(1), read).await;
    let mut answer = Response::new(said.into());
    *answer.status_mut() = status;
    refused(&answer, path, "watch")
}

fn failed(status: StatusCode, said: &Refusal) -> Failure {
    let message = if said.message.is_empty() { status.to_string() } else { shown(&said.message) };
    let failure = |kind, ends_session, why: String, cure: Option<&str>| Failure {
        kind,
        ends_session,
        routine: false,
        why,
        cure: cure.map(str::to_owned),
        hold_at_most: None,
    };
    match status {
        StatusCode::UNAUTHORIZED => {
            let cure = "check the token or the client certificate, and whether the service account still exists";
            failure("login", true, "the API server does not know this user".to_owned(), Some(cure))
        }
        StatusCode::NOT_FOUND => {
            let cure = "is this a Kubernetes API server?";
            failure("refused", true, format!("it does not know such objects ({message})"), Some(cure))
        }
        StatusCode::GONE => expired(&message),
        // Also what stands before the API servers answers so, while none is behind it.
        status
            if status.is_server_error()
                || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) =>
        {
            failure("unavailable", false, format!("it cannot answer: {message}"), None)
        }
        _ => failure("refused", true, format!("it refuses the request: {message}"), None),
    }
}

/// The version that a watch wanted to begin at is forgotten: a new session begins with a new list.
pub(super) fn expired(message: &str) -> Failure {
    let why = format!("the watch fell behind what the API server remembers ({})", shown(message));
    Failure { routine: true, ..Failure::new("watch", &std::io::Error::other(why)) }
}

/// The cure is the role with no more than this program needs.
fn forbidden(said: &Refusal, path: &ObjectPath, verb: &str) -> Failure {
    let (namespace, kind, name) = (path.namespace(), path.kind(), path.name());
    let user = user(&said.message);
    let who = user.map_or_else(|| "this user".to_owned(), |user| format!("the user {}", shown(user)));
    let why = format!("{who} may not {verb} {kind}/{name} in the namespace {namespace}");
    login_refused(why, grant(path, user))
}

/// The commands that allow all that this program does with an object.
pub(super) fn grant(path: &ObjectPath, user: Option<&str>) -> String {
    let (namespace, kind, name) = (path.namespace(), path.kind(), path.name());
    // The right to create cannot be limited to a name.
    let (role, what) = if kind == "leases" {
        ("vip-manager-claim", "--verb=get,create,update,watch --resource=leases.coordination.k8s.io".to_owned())
    } else {
        ("vip-manager", format!("--verb=get,list,watch --resource={kind} --resource-name={name}"))
    };
    let subject = match user.and_then(|user| user.strip_prefix("system:serviceaccount:")) {
        Some(account) => format!("--serviceaccount={}", shown(account)),
        None => format!("--user={}", user.map_or_else(|| "NAME".to_owned(), shown)),
    };
    format!(
        "kubectl -n {namespace} create role {role} {what} && kubectl -n {namespace} create rolebinding {role} \
         --role={role} {subject}"
    )
}

/// `configmaps is forbidden: User "NAME" cannot list resource …`
fn user(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("User \"")?;
    rest.split_once('"').map(|(user, _)| user).filter(|user| !user.is_empty())
}

fn shown(text: &str) -> String {
    one_line(&brief(text, 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(status: u16, message: &str) -> AnswerError {
        let body = format!(r#"{{"kind":"Status","message":{message:?},"code":{status}}}"#);
        let answer = Response::builder().status(status).body(Bytes::from(body)).unwrap();
        refused(&answer, &ObjectPath::parse("pg/configmaps/main-leader").unwrap(), "list")
    }

    #[test]
    fn a_right_that_lacks_is_the_keys_failure_and_comes_with_the_role_that_suffices() {
        let message = "configmaps is forbidden: User \"system:serviceaccount:pg:vip\" cannot list resource \
                       \"configmaps\" in API group \"\" in the namespace \"pg\"";
        let AnswerError::Forbidden(failure) = says(403, message) else { panic!() };
        assert!(!failure.ends_session && failure.kind == "login");
        assert_eq!(
            failure.to_string(),
            "the user system:serviceaccount:pg:vip may not list configmaps/main-leader in the namespace pg; \
             kubectl -n pg create role vip-manager --verb=get,list,watch --resource=configmaps \
             --resource-name=main-leader && kubectl -n pg create rolebinding vip-manager --role=vip-manager \
             --serviceaccount=pg:vip"
        );
        let AnswerError::Forbidden(failure) = says(403, "no") else { panic!() };
        assert!(failure.to_string().ends_with("--role=vip-manager --user=NAME"));
    }

    #[test]
    fn a_missing_right_to_claim_comes_with_its_role() {
        let message = "leases.coordination.k8s.io \"main-vip\" is forbidden: User \"system:serviceaccount:pg:vip\" \
                       cannot get resource \"leases\" in API group \"coordination.k8s.io\" in the namespace \"pg\"";
        let body = format!(r#"{{"kind":"Status","message":{message:?},"code":403}}"#);
        let answer = Response::builder().status(403).body(Bytes::from(body)).unwrap();
        let path = ObjectPath::parse("pg/leases/main-vip").unwrap();
        let AnswerError::Forbidden(failure) = refused(&answer, &path, "get") else { panic!() };
        assert_eq!(
            failure.to_string(),
            "the user system:serviceaccount:pg:vip may not get leases/main-vip in the namespace pg; \
             kubectl -n pg create role vip-manager-claim --verb=get,create,update,watch \
             --resource=leases.coordination.k8s.io && kubectl -n pg create rolebinding vip-manager-claim \
             --role=vip-manager-claim --serviceaccount=pg:vip"
        );
    }

    #[test]
    fn other_refusals_are_the_servers() {
        for (status, kind, ends_session, routine) in [
            (401, "login", true, false),
            (404, "refused", true, false),
            (406, "refused", true, false),
            (408, "unavailable", false, false),
            (410, "watch", true, true),
            (429, "unavailable", false, false),
            (500, "unavailable", false, false),
            (502, "unavailable", false, false),
            (503, "unavailable", false, false),
        ] {
            let AnswerError::Failed(failure) = says(status, "because") else { panic!() };
            assert_eq!(
                (failure.kind, failure.ends_session, failure.routine),
                (kind, ends_session, routine),
                "{status}"
            );
        }
        let AnswerError::Failed(failure) = says(500, "a\nb") else { panic!() };
        assert_eq!(failure.to_string(), "it cannot answer: a\\nb");
    }
}
