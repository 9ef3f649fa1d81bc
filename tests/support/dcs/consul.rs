//! Patroni's lock in Consul: a key that a session has acquired, which is made through the agent of the host.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::ask;
use super::lock::LeaderLock;

pub(super) struct ConsulLock {
    pub(super) agent: SocketAddr,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) ttl: i64,
    pub(super) session: Option<String>,
}

impl ConsulLock {
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, String), String> {
        match ask(self.agent, method, path, false, body) {
            Ok((status, said)) if status >= 500 => Err(format!("{status}: {said}")),
            Ok(answer) => Ok(answer),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Half of Patroni's ttl, because Consul waits for twice as long.
    fn begin_session(&mut self) -> Result<String, String> {
        let ttl = format!("{}s", self.ttl / 2);
        let name = format!("pg-{}", self.name);
        let session =
            json!({"Name": name, "TTL": ttl, "LockDelay": "1ms", "Behavior": "delete", "NodeChecks": []}).to_string();
        let (_, said) = self.ask("PUT", "/v1/session/create", &session)?;
        let made: Value = serde_json::from_str(&said).map_err(|_| said.clone())?;
        let id = made["ID"].as_str().ok_or(said)?.to_owned();
        self.session = Some(id.clone());
        Ok(id)
    }
}

impl LeaderLock for ConsulLock {
    fn take(&mut self) -> Result<bool, String> {
        if self.ask("GET", &format!("/v1/kv/{}?stale", self.key), "")?.0 != 404 {
            return Ok(false);
        }
        let session = match &self.session {
            Some(session) => session.clone(),
            None => self.begin_session()?,
        };
        let acquired = self.ask("PUT", &format!("/v1/kv/{}?acquire={session}", self.key), &self.name);
        let acquired = acquired.map(|(status, said)| status == 200 && said.trim() == "true");
        // Nobody renews the session of a follower.
        if acquired != Ok(true) {
            self.session = None;
        }
        acquired
    }

    fn renew(&mut self) -> Result<bool, String> {
        let Some(session) = &self.session else { return Ok(false) };
        let (status, _) = self.ask("PUT", &format!("/v1/session/renew/{session}"), "")?;
        if status != 200 {
            self.session = None;
        }
        Ok(status == 200)
    }

    fn release(&mut self) -> Result<(), String> {
        self.ask("DELETE", &format!("/v1/kv/{}", self.key), "").map(|_| ())
    }

    fn abandon(&mut self) {
        self.session = None;
    }
}
