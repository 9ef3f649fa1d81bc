//! Asks about claims for `vip-manager check`, with the daemon's own clients. All endpoints at once; the first that answers
//! counts.

use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::claim::Answer;
use super::client::{Client, Connector, Failure};
use super::engine::{Settings, Use};
use super::facts::{ClaimFacts, Claimant};
use super::keys::Keys;
use super::report::ClaimSpec;

/// The endpoints are asked about the claims.
#[derive(Debug)]
pub(super) struct Inspect;

impl Use for Inspect {
    type Outcome = Pin<Box<dyn Future<Output = Vec<ClaimFacts>> + Send>>;

    fn run<C: Connector>(self, settings: Settings, keys: Arc<Keys>, endpoints: Vec<(Arc<str>, C)>) -> Self::Outcome {
        Box::pin(ask_all(settings, keys, endpoints.into_iter().map(|(_, connector)| connector).collect()))
    }
}

async fn ask_all<C: Connector>(settings: Settings, keys: Arc<Keys>, endpoints: Vec<C>) -> Vec<ClaimFacts> {
    let limit = settings.call_limit * 2;
    let mut asked = JoinSet::new();
    for connector in endpoints {
        let keys = Arc::clone(&keys);
        asked.spawn(async move { timeout(limit, ask(connector, &keys)).await });
    }
    let mut failed = None;
    while let Some(done) = asked.join_next().await {
        match done {
            Ok(Ok(Ok(facts))) => return facts,
            Ok(Ok(Err(failure))) => failed = Some(failure.to_string()),
            Ok(Err(_)) | Err(_) => {}
        }
    }
    let why = failed.unwrap_or_else(|| format!("no answer within {limit:.1?}"));
    keys.claims().iter().map(|_| ClaimFacts::Unknown { why: why.clone() }).collect()
}

async fn ask<C: Connector>(mut connector: C, keys: &Keys) -> Result<Vec<ClaimFacts>, Failure> {
    let client = connector.connect().await?;
    let mut all = Vec::with_capacity(keys.claims().len());
    for spec in keys.claims() {
        all.push(facts(client.inspect_claim(spec).await?, spec));
    }
    Ok(all)
}

fn facts(answer: Answer, spec: &ClaimSpec) -> ClaimFacts {
    match answer {
        Answer::Present { owner, by, at_most, .. } => {
            let claimant = match owner {
                Some(owner) if owner == spec.owner => Claimant::ThisHost,
                Some(_) => Claimant::AnotherHost,
                None => Claimant::Unknown,
            };
            ClaimFacts::Held { by: by.to_string(), claimant, at_most }
        }
        Answer::Refused { why, cure } => {
            ClaimFacts::Refused { why: why.to_string(), cure: cure.map(|cure| cure.to_string()) }
        }
        // It is asked to look, and creates nothing.
        Answer::Absent | Answer::NotNamed | Answer::Ours { .. } => ClaimFacts::Free,
    }
}
