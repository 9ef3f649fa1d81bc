//! The requests of one session: a list of one object, and a watch of it.
//!
//! A list without a resourceVersion is answered from a quorum, in every release of the API server, and tells the store's
//! version even where the object is absent. The field selector on the name is what a role for this one object allows.

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};

use super::access::Reached;
use super::object::{Listing, listing};
use super::path::ObjectPath;
use super::refusal::{AnswerError, refused, understood};
use crate::source::client::Failure;
use crate::source::http::{HttpClient, RequestError};
use crate::time::{Moment, WallTime};
use crate::transport::http::{Chunks, HttpError};

/// Only the metadata of the objects, from servers that know how to leave the rest out.
const METADATA_OF_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// A watch has another kind: asked for the other one, the API server says nothing at all.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

const JSON: &str = "application/json";

/// What sends the requests.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) http: HttpClient,
    /// What goes before every path.
    prefix: Arc<str>,
}

impl Requests {
    pub(super) async fn connect(reached: &Reached) -> Result<Self, Failure> {
        Ok(Self { http: reached.endpoint.connect().await?, prefix: Arc::clone(&reached.path) })
    }

    /// Lists the one object. The token may have changed: after a refusal it is read anew.
    pub(super) async fn list(
        &self,
        path: &ObjectPath,
        wall_clock: fn() -> WallTime,
    ) -> Result<(Moment, WallTime, Listing), AnswerError> {
        let mut tries = 0..2;
        loop {
            let (sent_at, wall_time) = (self.http.now(), wall_clock());
            let answer = self.http.request(self.request(&path.list(), METADATA_OF_LIST)?).await?;
            if answer.status() == StatusCode::OK {
                let listing = listing(answer.body(), path.name());
                return Ok((sent_at, wall_time, listing.map_err(|error| Failure::new("refused", &error))?));
            }
            tries.next();
            if answer.status() != StatusCode::UNAUTHORIZED || tries.is_empty() {
                return Err(refused(&answer, path, "list"));
            }
        }
    }

    /// Sends an object, or asks for one. The token may have changed: after a refusal it is read anew.
    pub(super) async fn send(
        &self,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<Response<Bytes>, RequestError> {
        let request = || {
            let request = Request::builder().method(method).uri(format!("{}{path}", self.prefix));
            let request = request.header(ACCEPT, JSON).header(CONTENT_TYPE, JSON);
            request.body(body.clone()).map_err(HttpError::from)
        };
        let answer = self.http.request(request()?).await?;
        if answer.status() == StatusCode::UNAUTHORIZED { self.http.request(request()?).await } else { Ok(answer) }
    }

    /// Begins to watch after this version of the store.
    pub(super) async fn open_watch(&self, path: &ObjectPath, after: i64) -> Result<Response<Chunks>, Failure> {
        let request = || self.request(&path.watch(after), METADATA).map_err(Failure::from);
        let answer = self.http.open(request()?).await?;
        if answer.status() == StatusCode::UNAUTHORIZED { Ok(self.http.open(request()?).await?) } else { Ok(answer) }
    }

    /// Whether a watch of this object may begin.
    pub(super) async fn try_watch(&self, path: &ObjectPath, after: i64) -> Result<(), AnswerError> {
        let answer = self.open_watch(path, after).await?;
        match answer.status() {
            StatusCode::OK => Ok(()),
            status => Err(understood(status, path, answer.into_body()).await),
        }
    }

    /// Requests a page that need not be a list of an object, whatever its status.
    pub(super) async fn get(&self, path: &str) -> Result<Response<Bytes>, RequestError> {
        self.http.request(self.request(path, METADATA_OF_LIST)?).await
    }

    /// The page that tells the version, which anybody may read.
    pub(super) async fn version(&self) -> Result<Response<Bytes>, RequestError> {
        self.http.request(self.request("/version", JSON)?).await
    }

    fn request(&self, path: &str, accept: &'static str) -> Result<Request<Bytes>, RequestError> {
        let request = Request::get(format!("{}{path}", self.prefix)).header(ACCEPT, accept).body(Bytes::new());
        Ok(request.map_err(HttpError::from)?)
    }
}
