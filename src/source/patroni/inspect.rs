//! Inspects the REST API for `vip-manager check`: whose it is, what it answers, and the settings that bound a hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, Timing};
use super::client::{HOLD_WITHOUT_PATRONI, failure, tls_settings};
use crate::config::model::StoreConfig;
use crate::endpoint::Endpoint;
use crate::source::client::Failure;
use crate::source::facts::{
    self, Around, EndpointDetail, EndpointFacts, Held, Inspection, KeyDetail, KeyFacts, LeaseFacts, Refusal, RestFacts,
};
use crate::source::http::{Auth, HttpClient, HttpEndpoint, HttpOptions};
use crate::time::Clock;

/// Inspects all endpoints at once, in their order. It returns within about three times `limit`, whatever they do.
pub(in crate::source) async fn inspect(
    config: &StoreConfig,
    keys: &[String],
    limit: Duration,
    clock: Clock,
) -> Vec<Inspection> {
    let tls = tls_settings(config);
    let auth = Arc::new(Auth::none(clock.now));
    let one = |endpoint: &Endpoint| {
        let options = HttpOptions {
            endpoint: endpoint.clone(),
            tls: Arc::clone(&tls),
            auth: Arc::clone(&auth),
            limit,
            clock: clock.now,
        };
        inspect_endpoint(HttpEndpoint::new(options), keys.to_vec(), limit)
    };
    let tasks: Vec<_> = config.endpoints.iter().map(|endpoint| tokio::spawn(one(endpoint))).collect();
    let mut inspections = Vec::new();
    for task in tasks {
        inspections.extend(task.await);
    }
    inspections
}

async fn inspect_endpoint(endpoint: Arc<HttpEndpoint>, keys: Vec<String>, limit: Duration) -> Inspection {
    let own = endpoint.is_this_host(limit).await.unwrap_or(true);
    let asked = ask(&endpoint.client(), &keys, own).await;
    let (outcome, keys) = match asked {
        Ok((answer, keys)) => (Ok(answer), Some(keys)),
        Err(failure) => (Err(refusal(failure)), None),
    };
    let detail = EndpointDetail::Patroni { own };
    Inspection { endpoint: EndpointFacts { endpoint: endpoint.name().to_string(), outcome, ahead: None, detail }, keys }
}

type Keys = BTreeMap<String, KeyFacts>;

async fn ask(client: &HttpClient, keys: &[String], own: bool) -> Result<(facts::Answer, Keys), Failure> {
    let settings = client.get("/config").await.ok().filter(|answer| answer.status() == 200);
    let timing = settings.and_then(|answer| Timing::parse(answer.body()));
    let mut found = Keys::new();
    let (mut version, mut took) = (String::new(), Duration::ZERO);
    for key in keys {
        let started = client.now();
        let answer = client.get(key).await.map_err(failure)?;
        took = client.now().since(started);
        let answer = Answer::parse(answer.status().as_u16(), answer.body());
        version = answer.version.clone().unwrap_or_default();
        found.insert(key.clone(), about(answer, timing, own));
    }
    Ok((facts::Answer { version, cluster: 0, took }, found))
}

fn about(answer: Answer, timing: Option<Timing>, own: bool) -> KeyFacts {
    let seconds = |timing: Timing| [timing.ttl, timing.loop_wait, timing.retry_timeout];
    let rest = RestFacts {
        own,
        status: answer.status,
        complete: answer.complete,
        name: answer.name,
        role: answer.role,
        paused: answer.paused,
        unlocked: answer.unlocked,
        failsafe: answer.failsafe,
        timing: timing.map(seconds),
        left: timing.map(Timing::left),
    };
    KeyFacts {
        held: Ok(Some(Held { value: rest.status.to_string(), changed: 0, lease: LeaseFacts::Unknown })),
        around: Around::default(),
        beside: None,
        detail: KeyDetail::Patroni(rest),
    }
}

fn refusal(failure: Failure) -> Refusal {
    let usual = "see whether Patroni runs on this host, and which address its restapi: listen names";
    let cure = failure.cure.unwrap_or_else(|| usual.to_owned());
    let ended = failure.hold_at_most == Some(HOLD_WITHOUT_PATRONI);
    let why = if ended { format!("{}: Patroni does not run there", failure.why) } else { failure.why };
    Refusal { why, cure }
}
