//! Requests to an agent of the fake. The leader answers; the others ask it.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt, Collected, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::store::{Page, Refused, Write};
use super::{PORT, RPC_PORT, Running, unknown};
use crate::support::clock::now;
use crate::support::fail::OrFail;

type Answer = Response<Full<Bytes>>;

/// For how long an agent looks for a leader.
const HOLD: Duration = Duration::from_secs(7);
const CONNECT: Duration = Duration::from_millis(500);
/// For how long a blocking query waits unless it says so.
const WAIT: Duration = Duration::from_secs(300);
/// The node that a request comes from, where an agent passes it on.
const NODE: &str = "x-lab-node";
const PARAMETERS: [&str; 9] = ["consistent", "stale", "index", "wait", "keys", "cas", "acquire", "release", "dc"];

/// A request.
struct Ask {
    method: Method,
    uri: String,
    path: String,
    parameters: Vec<(String, String)>,
    body: Bytes,
    node: String,
}

pub(super) async fn serve(agent: &Running, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let node = head.headers.get(NODE).and_then(|node| node.to_str().ok()).unwrap_or(&agent.name).to_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), decoded(value))
    };
    let parameters =
        head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
    let (uri, path) = (head.uri.to_string(), decoded(head.uri.path()));
    let ask = Ask { method: head.method, uri, path, parameters, body, node };
    agent.thawed().await;
    let answer = match of_agent(agent, &ask) {
        Some(answer) => answer,
        None => of_cluster(agent, &ask).await,
    };
    agent.thawed().await;
    answer
}

/// What an agent knows itself.
fn of_agent(agent: &Running, ask: &Ask) -> Option<Answer> {
    let known = |name: &str| PARAMETERS.contains(&name);
    if !ask.parameters.iter().all(|(name, _)| known(name)) {
        return Some(refused(unknown(&ask.uri)));
    }
    match (ask.method.as_str(), ask.path.as_str()) {
        ("GET", "/v1/agent/self") => Some(said(&json!({"Config": {"Datacenter": "dc1", "NodeName": agent.name,
            "NodeID": node_id(&agent.name), "Revision": "", "Server": agent.server,
            "Version": "1.8.7"}}))),
        ("POST", "/v1/internal/acl/authorize") => Some(refused((401, "ACL support disabled".to_owned()))),
        ("GET", "/v1/status/leader") if agent.server => {
            let leader = agent.shared.with(|state| state.leader).filter(|_| agent.well.load(Ordering::Relaxed));
            let of = |place| format!("{}:{RPC_PORT}", agent.shared.address(place));
            Some(said(&json!(leader.map(of).unwrap_or_default())))
        }
        _ => None,
    }
}

async fn of_cluster(agent: &Running, ask: &Ask) -> Answer {
    let began = now();
    loop {
        let leader = agent.shared.with(|state| state.leader);
        let others = match leader {
            Some(place) if place == agent.place => {
                if agent.has_quorum().await {
                    return lead(agent, ask).await.unwrap_or_else(refused);
                }
                Vec::new()
            }
            Some(place) if agent.server => vec![agent.shared.address(place)],
            None if agent.server => Vec::new(),
            _ => agent.shared.servers(),
        };
        for other in others {
            match forward(other, ask).await {
                Ok(answer) => return answer,
                Err(Lost::BeforeItWasSent) => {}
                Err(Lost::Later) if ask.method == Method::GET => {}
                Err(Lost::Later) => return refused((500, "rpc error making call: EOF".to_owned())),
            }
        }
        if now().since(began) > HOLD {
            return refused(no_leader());
        }
        sleep(CONNECT / 2).await;
    }
}

enum Lost {
    BeforeItWasSent,
    Later,
}

async fn forward(to: Ipv4Addr, ask: &Ask) -> Result<Answer, Lost> {
    let connected = timeout(CONNECT, TcpStream::connect((to, PORT))).await;
    let stream = connected.map_err(|_elapsed| Lost::BeforeItWasSent)?.map_err(|_| Lost::BeforeItWasSent)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Lost::BeforeItWasSent)?;
    let driver = tokio::spawn(connection);
    let request = Request::builder().method(&ask.method).uri(&ask.uri).header("Host", "consul").header(NODE, &ask.node);
    let request = request.body(Full::new(ask.body.clone())).or_fail("building a request");
    let asked = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok::<_, hyper::Error>((head, body.collect().await?.to_bytes()))
    };
    let limit = ask.wait().unwrap_or(Duration::ZERO) * 17 / 16 + 2 * HOLD;
    let answered = timeout(limit, asked).await;
    driver.abort();
    let (head, body) = answered.map_err(|_elapsed| Lost::Later)?.map_err(|_| Lost::Later)?;
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = head.status;
    for (name, value) in &head.headers {
        if name == "content-type" || name.as_str().starts_with("x-consul-") {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    Ok(answer)
}

/// The leader's answer.
async fn lead(agent: &Running, ask: &Ask) -> Result<Answer, Refused> {
    if ask.parameter("dc").is_some_and(|name| name != "dc1") {
        return Err((500, "No path to datacenter".to_owned()));
    }
    if ask.parameter("consistent").is_some() && ask.parameter("stale").is_some() {
        return Err((400, "Cannot specify ?stale with ?consistent, conflicting semantics.".to_owned()));
    }
    if ask.method == Method::GET && ask.path != "/v1/snapshot" {
        return read(agent, ask).await;
    }
    let changed = agent.shared.with(|state| {
        let (now, store) = (now(), &mut state.store);
        let session = |prefix: &str| ask.path.strip_prefix(prefix).map(str::to_owned);
        let body = || serde_json::from_slice::<Value>(&ask.body);
        match (ask.method.as_str(), ask.path.as_str()) {
            ("PUT", "/v1/txn") => {
                let operations = body().map_err(|error| (400, format!("Failed to parse body: {error}")))?;
                let (status, result) = store.transact(operations.as_array().map_or(&[], Vec::as_slice), now)?;
                Ok(with_status(status, said(&result)))
            }
            ("PUT", "/v1/session/create") => {
                let wanted = if ask.body.is_empty() { Ok(json!({})) } else { body() };
                let wanted = wanted.map_err(|error| (400, format!("Request decode failed: {error}")))?;
                let id = store.begin_session(&wanted, &ask.node, now)?;
                Ok(said(&json!({"ID": id})))
            }
            ("GET", "/v1/snapshot") => {
                state.snapshots.push(state.store.clone());
                Ok(Response::new(Full::new(Bytes::from((state.snapshots.len() - 1).to_string()))))
            }
            ("PUT", "/v1/snapshot") => {
                let number = String::from_utf8_lossy(&ask.body).parse::<usize>().ok();
                let found = number.and_then(|number| state.snapshots.get(number)).cloned();
                state.store = found.ok_or((500, "failed to decompress snapshot: unexpected EOF".to_owned()))?;
                state.store.restart_sessions(now);
                state.restored += 1;
                Ok(Response::default())
            }
            ("PUT", path) if path.starts_with("/v1/session/renew/") => {
                let id = session("/v1/session/renew/").unwrap_or_default();
                super::sessions::check_id(&id)?;
                let renewed = store.renew_session(&id, now);
                renewed.map(|row| said(&row)).ok_or((404, format!("Session id '{id}' not found")))
            }
            ("PUT", path) if path.starts_with("/v1/session/destroy/") => {
                store.end_session(&session("/v1/session/destroy/").unwrap_or_default(), now);
                Ok(said(&json!(true)))
            }
            _ => {
                let key = ask.key().ok_or_else(|| unknown(&ask.uri))?;
                Ok(said(&json!(store.write(&key, ask.write()?, now)?)))
            }
        }
    });
    agent.shared.note_change();
    changed
}

/// Reads at once, or waits until there is a higher index.
async fn read(agent: &Running, ask: &Ask) -> Result<Answer, Refused> {
    let index = ask.parameter("index").map_or(Ok(0), str::parse::<u64>);
    let index = index.map_err(|_| (400, "Invalid index".to_owned()))?;
    let wait = ask.wait().ok_or((400, "Invalid wait time".to_owned()))?;
    let mut over = Box::pin(sleep(wait + wait / 32));
    let mut changes = agent.shared.changed.subscribe();
    let (restored, mut last) = (agent.shared.with(|state| state.restored), false);
    loop {
        changes.mark_unchanged();
        let (page, leads, abandoned) = agent
            .shared
            .with(|state| (page(state, ask), state.leader == Some(agent.place), state.restored != restored));
        let page = page?;
        if !leads {
            return Err(no_leader());
        }
        if index == 0 || page.index > index || last || abandoned {
            // Who waited may lead no more.
            if index > 0 && !last && !agent.has_quorum().await {
                return Err(no_leader());
            }
            return Ok(shown(page, ask));
        }
        tokio::select! {
            () = &mut over => last = true,
            _ = changes.changed() => {}
        }
    }
}

fn page(state: &super::State, ask: &Ask) -> Result<Page, Refused> {
    let servers = || state.members.iter().filter(|member| member.server);
    if let Some(key) = ask.key() {
        return match ask.parameter("keys") {
            Some(_) => Ok(state.store.keys(&key)),
            None if key.is_empty() => Err((400, "Missing key name".to_owned())),
            None => Ok(state.store.key(&key)),
        };
    }
    match ask.path.as_str() {
        "/v1/session/list" => Ok(state.store.sessions(None)),
        "/v1/catalog/service/consul" => {
            let here = servers().filter(|member| state.store.nodes.contains(&member.name));
            Ok(Page { index: 1, rows: Some(json!(here.map(catalog_row).collect::<Vec<_>>())) })
        }
        path => {
            let id = path.strip_prefix("/v1/session/info/").ok_or_else(|| unknown(&ask.uri))?;
            super::sessions::check_id(id)?;
            Ok(state.store.sessions(Some(id)))
        }
    }
}

fn catalog_row(member: &super::Member) -> Value {
    let address = member.address.to_string();
    json!({"ID": node_id(&member.name), "Node": member.name, "Address": address, "Datacenter": "dc1",
        "TaggedAddresses": {"lan": address, "lan_ipv4": address, "wan": address, "wan_ipv4": address},
        "NodeMeta": {"consul-network-segment": ""}, "ServiceKind": "", "ServiceID": "consul", "ServiceName": "consul",
        "ServiceTags": [], "ServiceAddress": "", "ServiceWeights": {"Passing": 1, "Warning": 1},
        "ServiceMeta": {"non_voter": "false", "raft_version": "3", "serf_protocol_current": "2",
            "serf_protocol_max": "5", "serf_protocol_min": "1", "version": "1.8.7"},
        "ServicePort": RPC_PORT, "ServiceEnableTagOverride": false, "ServiceProxy": {"MeshGateway": {}, "Expose": {}},
        "ServiceConnect": {}, "CreateIndex": 1, "ModifyIndex": 1})
}

impl Ask {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn key(&self) -> Option<String> {
        self.path.strip_prefix("/v1/kv/").map(str::to_owned)
    }

    /// Nothing if it is no duration.
    fn wait(&self) -> Option<Duration> {
        match self.parameter("wait") {
            Some(text) => super::sessions::duration(text),
            None => Some(if self.parameter("index").is_some() { WAIT } else { Duration::ZERO }),
        }
    }

    fn write(&self) -> Result<Write, Refused> {
        let cas = self.parameter("cas").map(str::parse::<u64>).transpose();
        let wrong =
            |error| (500, format!("strconv.ParseUint: parsing \"{}\": {error}", self.parameter("cas").unwrap_or("")));
        let (cas, value) = (cas.map_err(wrong)?, self.body.to_vec());
        let session = |name| self.parameter(name).map(str::to_owned);
        Ok(match (self.method.as_str(), cas, session("acquire"), session("release")) {
            ("PUT", None, None, None) => Write::Put(value),
            ("PUT", Some(index), None, None) => Write::Cas(value, index),
            ("PUT", None, Some(session), None) => Write::Acquire(value, session),
            ("PUT", None, None, Some(session)) => Write::Release(value, session),
            ("DELETE", None, None, None) => Write::Delete,
            ("DELETE", Some(index), None, None) => Write::DeleteCas(index),
            _ => return Err(unknown(&self.uri)),
        })
    }
}

fn no_leader() -> Refused {
    (500, "No cluster leader".to_owned())
}

fn shown(page: Page, ask: &Ask) -> Answer {
    let mut answer = page.rows.map_or_else(|| with_status(404, Response::default()), |rows| said(&rows));
    let headers: &mut HeaderMap = answer.headers_mut();
    headers.insert("x-consul-index", page.index.max(1).into());
    headers.insert("x-consul-knownleader", "true".parse().or_fail("a header"));
    headers.insert("x-consul-lastcontact", 0.into());
    if ask.path.starts_with("/v1/catalog/") && ask.parameter("consistent").is_some() {
        headers.insert("x-consul-effective-consistency", "consistent".parse().or_fail("a header"));
    }
    answer
}

fn said(value: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())));
    answer.headers_mut().insert("content-type", "application/json".parse().or_fail("a header"));
    answer
}

fn refused((status, why): Refused) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(why)));
    answer.headers_mut().insert("content-type", "text/plain; charset=utf-8".parse().or_fail("a header"));
    with_status(status, answer)
}

fn with_status(status: u16, mut answer: Answer) -> Answer {
    *answer.status_mut() = StatusCode::from_u16(status).or_fail("a status");
    answer
}

fn node_id(name: &str) -> String {
    format!("00000000-0000-4000-8000-{name:0>12.12}")
}

/// A percent-encoded text.
fn decoded(text: &str) -> String {
    let (mut bytes, mut decoded) = (text.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        let code = if byte == b'%' { bytes.next().zip(bytes.next()) } else { None };
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let coded = code.and_then(|(high, low)| Some(digit(high)? * 16 + digit(low)?));
        decoded.push(coded.unwrap_or(byte));
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
