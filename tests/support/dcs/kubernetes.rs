//! Patroni's lock in Kubernetes: a record that nobody may take before it was unchanged for a ttl, by the own clock.

use std::time::Duration;

use serde_json::{Value, json};
use vip_manager::time::Moment;

use super::super::clock::now;
use super::super::kubernetes::Client;
use super::super::kubernetes::patroni::annotations;
use super::lock::LeaderLock;

pub(super) struct KubernetesLock {
    pub(super) client: Client,
    /// Namespace, kind and name.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) ttl: u64,
    /// The record as it was seen last, and since when.
    pub(super) seen: Option<(Value, Moment)>,
}

impl KubernetesLock {
    fn path(&self) -> String {
        let (namespace, rest) = self.key.split_once('/').unwrap_or_default();
        format!("/api/v1/namespaces/{namespace}/{rest}")
    }

    /// The annotations and the version of the object, if it exists.
    fn read(&mut self) -> Result<Option<(Value, Value)>, String> {
        match self.client.ask("GET", &self.path(), None)? {
            (200, object) => {
                let record = object["metadata"]["annotations"].clone();
                if self.seen.as_ref().is_none_or(|(seen, _)| *seen != record) {
                    self.seen = Some((record.clone(), now()));
                }
                Ok(Some((record, object["metadata"]["resourceVersion"].clone())))
            }
            (404, _) => Ok(None),
            (status, said) => Err(format!("{status}: {said}")),
        }
    }

    /// Writes annotations unless the object has changed since it was read.
    fn write(&self, annotations: &Value, version: &Value) -> Result<bool, String> {
        let change = json!({"metadata": {"resourceVersion": version, "annotations": annotations}});
        match self.client.ask("PATCH", &self.path(), Some(&change))? {
            (200, _) => Ok(true),
            (409, _) => Ok(false),
            (status, said) => Err(format!("{status}: {said}")),
        }
    }
}

impl LeaderLock for KubernetesLock {
    fn take(&mut self) -> Result<bool, String> {
        let own = annotations(&self.name, self.ttl);
        let Some((record, version)) = self.read()? else {
            return self.client.annotate(&self.key, &own).map(|()| true);
        };
        let ttl = record["ttl"].as_str().and_then(|text| text.parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
        let since = self.seen.as_ref().map_or_else(now, |(_, since)| *since);
        if record["leader"].is_string() && now().since(since) <= ttl {
            return Ok(false);
        }
        self.write(&own, &version)
    }

    fn renew(&mut self) -> Result<bool, String> {
        let Some((record, version)) = self.read()? else { return Ok(false) };
        if record["leader"] != json!(self.name) {
            return Ok(false);
        }
        // Whoever won the race is seen by the next read.
        self.write(&annotations(&self.name, self.ttl), &version)?.then_some(true).ok_or_else(|| "a conflict".to_owned())
    }

    fn release(&mut self) -> Result<(), String> {
        self.client.annotate(&self.key, &json!({"leader": null}))
    }

    /// Each request has a connection with TLS of its own.
    fn poll(&self) -> Duration {
        Duration::from_millis(500)
    }
}
