//! A read of several keys: one request for each name, all at once.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use super::RequestError;
use crate::keeper::KeyRead;
use crate::source::client::{Answers, Failure};
use crate::source::keys::Keys;
use crate::source::report::KeyIndex;

/// Why a key was not read.
#[derive(Debug)]
pub(in crate::source) enum KeyError {
    /// It concerns this key alone.
    Forbidden(Failure),
    Endpoint(Failure),
}

/// The answer for each position of a key.
pub(in crate::source) type KeyReads = Vec<(KeyIndex, Result<KeyRead, Failure>)>;

impl KeyError {
    pub(in crate::source) fn into_failure(self) -> Failure {
        match self {
            Self::Forbidden(failure) | Self::Endpoint(failure) => failure,
        }
    }
}

impl From<RequestError> for KeyError {
    fn from(error: RequestError) -> Self {
        Self::Endpoint(error.into())
    }
}

/// Reads each key once for all its positions, and hands over each answer as soon as it is there. A key that this user may
/// not read is a failed answer; the first failure of the endpoint is returned.
pub(in crate::source) async fn read_each<F>(
    keys: &Keys,
    wanted: &[KeyIndex],
    answers: &Answers,
    read: impl Fn(Vec<KeyIndex>) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<KeyReads, KeyError>> + Send + 'static,
{
    let mut places: BTreeMap<&str, Vec<KeyIndex>> = BTreeMap::new();
    for &key in wanted {
        places.entry(keys.name(key)).or_default().push(key);
    }
    let mut calls = JoinSet::new();
    for places in places.into_values() {
        let answer = read(places.clone());
        calls.spawn(async move { (places, answer.await) });
    }
    let mut failed = None;
    while let Some(done) = calls.join_next().await {
        let Ok((places, answer)) = done else { continue };
        match answer {
            Ok(reads) => answers.give(reads).await,
            Err(KeyError::Forbidden(failure)) => {
                answers.give(places.iter().map(|&key| (key, Err(failure.clone()))).collect()).await;
            }
            Err(KeyError::Endpoint(failure)) => drop(failed.get_or_insert(failure)),
        }
    }
    failed.map_or(Ok(()), Err)
}
