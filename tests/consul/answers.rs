//! What Consul 1.8.7 answers to the requests of the source and of the lab: recorded from the real one, which the real one
//! and the fake must equal.
//!
//! `RECORD=1 cargo nextest run --test consul real_consul_answers` writes the recording anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::clock::{now, wait_for, wait_until};
use crate::support::consul::{Consul, ConsulOptions, Kind};
use crate::support::lab::Lab;
use crate::support::setup::report;

const NOBODY: &str = "5d1c2a70-1d3b-4f0e-9a0f-000000000001";

#[test]
fn real_consul_answers_as_was_recorded() {
    let answers = answers("real", Kind::Real);
    if std::env::var_os("RECORD").is_some() {
        let lines: Vec<String> = answers.iter().map(Value::to_string).collect();
        fs::write(recording(), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    }
    compare(&answers);
}

#[test]
fn the_fake_answers_as_was_recorded() {
    compare(&answers("fake", Kind::Fake));
}

#[test]
fn real_sessions_end_after_twice_their_time_to_live() {
    sessions_end("real-ends", Kind::Real);
}

#[test]
fn the_fakes_sessions_end_after_twice_their_time_to_live() {
    sessions_end("fake-ends", Kind::Fake);
}

/// A test that was renamed would be left out no more, and fail.
#[test]
fn tests_that_need_the_real_one_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let list = fs::read_to_string(root.join("consul/real-only")).unwrap();
    for row in list.lines().filter(|line| !line.starts_with('#')) {
        let (binary, test) = row.split_once(' ').unwrap();
        let (module, name) = test.split_once("::").unwrap();
        let file = fs::read_to_string(root.join(format!("{binary}/{module}.rs"))).unwrap();
        assert!(file.contains(&format!("#[test]\nfn {name}()")), "{row}");
    }
}

fn consul(lab: &Lab, kind: Kind, servers: usize) -> Consul {
    let hosts = (1..=servers).map(|number| lab.host(&format!("consul{number}"))).collect();
    Consul::of_kind(kind, lab, hosts, &ConsulOptions::default())
}

/// Whether renewed or not, and whether its key is deleted or released: nobody has the lock for the lock-delay.
fn sessions_end(name: &str, kind: Kind) {
    let lab = Lab::new(name);
    let consul = consul(&lab, kind, 3);
    let ends = session(&consul, r#"{"TTL":"10s","LockDelay":"2s","Behavior":"delete","NodeChecks":[]}"#);
    let other = session(&consul, r#"{"TTL":"60s","LockDelay":"2s","Behavior":"delete","NodeChecks":[]}"#);
    let acquire = |session: &str| consul.request(0, "PUT", &format!("/v1/kv/lock?acquire={session}"), "x").body;
    assert_eq!(acquire(&ends).trim(), "true");
    let renewed = now();
    consul.request(0, "PUT", &format!("/v1/session/renew/{ends}"), "");
    let ended =
        wait_until("the end of the session", Duration::from_secs(100), || consul.get("lock").is_none().then(now));
    report("the session ended after its last renewal", ended.since(renewed));
    // An election on a busy machine gives it its whole time again.
    assert!(ended.since(renewed) > Duration::from_millis(19_900), "{:?}", ended.since(renewed));
    wait_for("the end of the lock-delay", Duration::from_secs(20), || acquire(&other).trim() == "true");
    report("the lock was free after", now().since(ended));
    // It was gone a little before that was seen.
    assert!(now().since(ended) > Duration::from_millis(1500), "{:?}", now().since(ended));
}

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consul/answers.json")
}

fn compare(answers: &[Value]) {
    let recorded: Vec<Value> = serde_json::from_str(&fs::read_to_string(recording()).unwrap()).unwrap();
    let wrong = answers.iter().zip(&recorded).filter(|(answer, recorded)| answer != recorded);
    let told: Vec<String> = wrong.map(|(answer, recorded)| format!("answered {answer}\nrecorded {recorded}")).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert_eq!(answers.len(), recorded.len());
}

/// The answers to all that is asked, in this order.
fn answers(name: &str, kind: Kind) -> Vec<Value> {
    let lab = Lab::new(name);
    let consul = consul(&lab, kind, 1);
    wait_for("the server to be in its own catalog", Duration::from_secs(20), || {
        let answer = consul.request(0, "GET", "/v1/catalog/service/consul?consistent", "");
        let nodes: Value = serde_json::from_str(&answer.body).unwrap();
        nodes[0]["CreateIndex"] == json!(answer.index)
    });
    let mut asking = Asking { consul: &consul, answers: Vec::new(), index: 0 };
    agent_and_cluster(&mut asking);
    keys(&mut asking);
    sessions(&mut asking);
    locks(&mut asking);
    transactions(&mut asking);
    asking.answers
}

fn agent_and_cluster(asking: &mut Asking) {
    asking.note("GET", "/v1/status/leader", "");
    asking.note("GET", "/v1/agent/self", "");
    asking.note("GET", "/v1/catalog/service/consul?consistent", "");
    asking.note(
        "POST",
        "/v1/internal/acl/authorize?consistent",
        r#"[{"Resource":"key","Segment":"a","Access":"write"}]"#,
    );
    asking.note("GET", "/v1/kv/a?dc=other", "");
    asking.note("PUT", "/v1/snapshot", "nothing");
}

fn keys(asking: &mut Asking) {
    asking.note("GET", "/v1/kv/absent?consistent", "");
    asking.note("PUT", "/v1/kv/a", "x");
    for how in ["?consistent", "", "?stale", "?consistent&index=0&wait=10s", "?consistent&index=1&wait=10s"] {
        asking.note("GET", &format!("/v1/kv/a{how}"), "");
    }
    asking.note("PUT", "/v1/kv/a", "x");
    asking.note("GET", "/v1/kv/a?consistent", "");
    asking.note("GET", "/v1/kv/a?index=100000&wait=200ms", "");
    asking.note("GET", "/v1/kv/absent?consistent", "");
    asking.note("PUT", "/v1/kv/b%2Fc%20d", "");
    asking.note("GET", "/v1/kv/b/c%20d", "");
    asking.note("GET", "/v1/kv/?consistent&keys", "");
    asking.note("GET", "/v1/kv/b/?keys", "");
    asking.note("GET", "/v1/kv/none/?keys", "");
    asking.note("GET", "/v1/kv/absent?consistent", "");
    for written in ["?cas=0", "?cas=1"] {
        asking.note("PUT", &format!("/v1/kv/a{written}"), "y");
        asking.note("DELETE", &format!("/v1/kv/a{written}"), "");
    }
    let version = asking.version("b/c%20d");
    asking.note_as("a write of the last version", "PUT", &format!("/v1/kv/b%2Fc%20d?cas={version}"), "z");
    asking.note("GET", "/v1/kv/b/c%20d?consistent", "");
    asking.note("DELETE", "/v1/kv/b/c%20d", "");
    asking.note("GET", "/v1/kv/b/c%20d?consistent", "");
    asking.note("DELETE", "/v1/kv/b/c%20d", "");
    asking.note("DELETE", "/v1/kv/b/c%20d?cas=1", "");
    asking.note("GET", "/v1/kv/b/c%20d?consistent", "");
    asking.note("GET", "/v1/kv/a?index=x", "");
    asking.note("GET", "/v1/kv/a?index=1&wait=x", "");
    asking.note("GET", "/v1/kv/a?consistent&stale", "");
    asking.note("GET", "/v1/kv/", "");
}

fn sessions(asking: &mut Asking) {
    asking.note("GET", "/v1/session/list", "");
    for (method, what) in [("GET", "info"), ("PUT", "renew"), ("PUT", "destroy")] {
        asking.note(method, &format!("/v1/session/{what}/{NOBODY}"), "");
    }
    asking.note("PUT", "/v1/session/renew/short", "");
    for wanted in [
        r#"{"TTL":"5s"}"#,
        r#"{"TTL":"x"}"#,
        r#"{"Behavior":"odd"}"#,
        r#"{"Node":"other"}"#,
        r#"{"NodeChecks":["other"]}"#,
    ] {
        asking.note("PUT", "/v1/session/create", wanted);
    }
    for wanted in [
        r#"{"TTL":"10000ms","LockDelay":"5000ms","Behavior":"delete","NodeChecks":[],"Checks":[],"Name":"claim"}"#,
        r#"{"TTL":"15.0s","LockDelay":"1ms","Behavior":"delete","NodeChecks":["serfHealth"],"Name":"pg"}"#,
        r#"{"TTL":"20s","LockDelay":"100s"}"#,
        "",
    ] {
        let session = asking.session(wanted);
        asking.note_as(&format!("the session {wanted}"), "GET", &format!("/v1/session/info/{session}?consistent"), "");
        asking.note_as("the only session", "GET", "/v1/session/list", "");
        asking.note_as("a renewal", "PUT", &format!("/v1/session/renew/{session}?consistent"), "");
        asking.note_as("its end", "PUT", &format!("/v1/session/destroy/{session}?consistent"), "");
        asking.note_as("no session", "GET", &format!("/v1/session/info/{session}?consistent"), "");
    }
}

fn locks(asking: &mut Asking) {
    let [deletes, releases, other] =
        [("delete", "60s"), ("release", "60s"), ("release", "0s")].map(|(behavior, delay)| {
            asking.session(&format!(r#"{{"TTL":"60s","LockDelay":"{delay}","Behavior":"{behavior}","NodeChecks":[]}}"#))
        });
    let look = |asking: &mut Asking| asking.note("GET", "/v1/kv/lock?consistent", "");
    let acquire = |asking: &mut Asking, what: &str, session: &str| {
        asking.note_as(what, "PUT", &format!("/v1/kv/lock?acquire={session}"), what);
        look(asking);
    };
    acquire(asking, "nobody acquires", NOBODY);
    acquire(asking, "no session acquires", "short");
    acquire(asking, "the first acquires", &other);
    acquire(asking, "it acquires again", &other);
    acquire(asking, "the second cannot acquire", &deletes);
    asking.note("PUT", "/v1/kv/lock", "plain");
    look(asking);
    asking.note_as("the second cannot release", "PUT", &format!("/v1/kv/lock?release={deletes}"), "x");
    asking.note_as("the first releases", "PUT", &format!("/v1/kv/lock?release={other}"), "released");
    look(asking);
    acquire(asking, "a third acquires", &releases);
    asking.note_as("the end of the third", "PUT", &format!("/v1/session/destroy/{releases}"), "");
    look(asking);
    acquire(asking, "the lock-delay", &other);
    asking.note("DELETE", "/v1/kv/lock", "");
    acquire(asking, "the lock-delay of what is absent", &other);
    let transaction =
        |session: &str| format!(r#"[{{"KV":{{"Verb":"lock","Key":"lock","Session":"{session}","Value":"eA=="}}}}]"#);
    asking.note_as("the lock-delay in a transaction", "PUT", "/v1/txn", &transaction(&other));
    asking.note_as("an acquisition of another key", "PUT", &format!("/v1/kv/second?acquire={deletes}"), "x");
    asking.note_as("the end of a session that deletes", "PUT", &format!("/v1/session/destroy/{deletes}"), "");
    asking.note("GET", "/v1/kv/second?consistent", "");
    asking.note_as("a session without a lock-delay locks", "PUT", &format!("/v1/kv/third?acquire={other}"), "x");
    asking.note_as("its end", "PUT", &format!("/v1/session/destroy/{other}"), "");
    asking.note("GET", "/v1/kv/third?consistent", "");
}

fn transactions(asking: &mut Asking) {
    let [one, two] =
        [0, 1].map(|_| asking.session(r#"{"TTL":"60s","LockDelay":"60s","Behavior":"delete","NodeChecks":[]}"#));
    asking.note("PUT", "/v1/kv/leader", "db1");
    let leader = asking.version("leader");
    let key = |verb: &str, key: &str, index: u64| json!({"KV": {"Verb": verb, "Key": key, "Index": index}});
    let lock = |verb: &str, key: &str, session: &str| json!({"KV": {"Verb": verb, "Key": key, "Session": session, "Value": "eA=="}});
    let create = |index: u64, session: &str| {
        json!([
            key("check-index", "leader", index),
            key("check-not-exists", "claim", 0),
            lock("lock", "claim", session)
        ])
    };
    let mut ask = |what: &str, operations: &Value| {
        asking.note_as(what, "PUT", "/v1/txn?consistent", &operations.to_string());
        asking.note("GET", "/v1/kv/claim?consistent", "");
        asking.consul.get("claim").map_or(0, |claim| claim["ModifyIndex"].as_u64().unwrap())
    };
    ask("another leader", &create(1, &one));
    ask("a key that is absent has no version", &json!([key("check-index", "absent", 4), lock("lock", "claim", &one)]));
    let version = ask("a claim", &create(leader, &one));
    ask("a claim that is there", &create(leader, &two));
    ask("a lock that is held", &json!([lock("lock", "claim", &two)]));
    ask("an unlock of another's lock", &json!([lock("unlock", "claim", &two)]));
    ask("an unlock of what is absent", &json!([lock("unlock", "absent", &two)]));
    ask("a lock of nobody", &json!([lock("lock", "claim", NOBODY)]));
    let take = |version: u64| {
        json!([key("check-index", "claim", version), lock("unlock", "claim", &one), lock("lock", "claim", &two)])
    };
    ask("a claim that has changed is not taken", &take(1));
    let version = ask("a claim is taken", &take(version));
    ask("a deletion of another version", &json!([key("delete-cas", "claim", 1)]));
    ask("a deletion", &json!([key("delete-cas", "claim", version)]));
    ask("a deletion of what is absent", &json!([key("delete-cas", "claim", 1)]));
    ask("a new claim has no lock-delay to wait for", &create(leader, &two));
    asking.note_as("the session of the claim ends", "PUT", &format!("/v1/session/destroy/{two}"), "");
    asking.note_as("the lock-delay of the claim", "PUT", "/v1/txn?consistent", &create(1, &one).to_string());
    asking.note_as(
        "no session",
        "PUT",
        "/v1/txn?consistent",
        &json!([lock("lock", "other", &two)]).to_string().replace(&two, NOBODY),
    );
}

/// Sends requests and notes the answers.
struct Asking<'consul> {
    consul: &'consul Consul,
    answers: Vec<Value>,
    /// The last index of keys.
    index: u64,
}

impl Asking<'_> {
    fn note(&mut self, method: &str, path: &str, body: &str) {
        self.note_as(&format!("{method} {path} {body}"), method, path, body);
    }

    fn note_as(&mut self, what: &str, method: &str, path: &str, body: &str) {
        let answer = self.consul.request(0, method, path, body);
        let mut headers: BTreeMap<String, Value> = BTreeMap::new();
        for line in answer.head.lines().skip(1) {
            let (name, value) = line.split_once(": ").unwrap();
            if name == "Content-Type" || name.starts_with("X-Consul-") {
                let number = value.parse::<u64>().map(Value::from);
                headers.insert(name.to_owned(), number.unwrap_or_else(|_| json!(value)));
            }
        }
        let mut body = serde_json::from_str(&answer.body).unwrap_or_else(|_| json!(answer.body));
        if path == "/v1/agent/self" {
            body = body["Config"].take();
        }
        let mut plain = Plain::default();
        let headers = plain.of("", json!(headers));
        let body = plain.of("", body);
        let mut noted = json!({"request": what.trim(), "status": answer.status, "headers": headers, "body": body});
        if path.starts_with("/v1/kv/") && answer.index > 0 {
            noted["the index then"] = json!(format!("{:?}", answer.index.cmp(&self.index)));
            self.index = answer.index;
        }
        self.answers.push(noted);
    }

    fn session(&self, wanted: &str) -> String {
        session(self.consul, wanted)
    }

    fn version(&self, key: &str) -> u64 {
        self.consul.get(key).unwrap()["ModifyIndex"].as_u64().unwrap()
    }
}

fn session(consul: &Consul, wanted: &str) -> String {
    let answer = consul.request(0, "PUT", "/v1/session/create", wanted);
    let made: Value = serde_json::from_str(&answer.body).unwrap();
    made["ID"].as_str().unwrap().to_owned()
}

/// Without what differs from one run to the next. Equal indexes stay equal within an answer: that of a key is the index of
/// its last change.
#[derive(Default)]
struct Plain(Vec<Value>);

impl Plain {
    fn of(&mut self, name: &str, value: Value) -> Value {
        match (name, value) {
            ("X-Consul-Index" | "CreateIndex" | "ModifyIndex", number @ Value::Number(_)) => {
                let place = self.0.iter().position(|known| *known == number).unwrap_or(self.0.len());
                if place == self.0.len() {
                    self.0.push(number);
                }
                json!(format!("index {place}"))
            }
            ("ID" | "Session" | "NodeID", Value::String(id)) => json!(format!("{} characters", id.len())),
            // The agent of a server tells them a moment after the server has begun.
            ("NodeMeta" | "TaggedAddresses", _) => Value::Null,
            ("What", Value::String(text)) => json!(text.replace(|c: char| c.is_ascii_digit(), "")),
            (_, Value::Object(fields)) => {
                fields.into_iter().map(|(name, value)| (name.clone(), self.of(&name, value))).collect()
            }
            (_, Value::Array(elements)) => elements.into_iter().map(|element| self.of("", element)).collect(),
            (_, other) => other,
        }
    }
}
