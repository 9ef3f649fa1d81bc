//! What the API server answers to the requests of the source: recorded from the real one, which the fake must equal.
//!
//! `RECORD=1 make kubernetes-test ARGS=answers` writes the recording anew.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::kubernetes::{KEY, Kubernetes, claim_path, is_real};
use crate::support::lab::Lab;

const LIST: &str = "/api/v1/namespaces/pg/configmaps?fieldSelector=metadata.name%3Dmain-leader";
const OF_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
const OF_OBJECT: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

#[test]
fn the_answers_are_those_that_were_recorded() {
    let lab = Lab::new("kube-answers");
    let mut kubernetes = Kubernetes::start(&lab);
    let token = kubernetes.token("first");
    let mut answers = Vec::new();
    let mut note = |what: &str, (status, body): (u16, Value)| {
        answers.push(json!({"request": what, "status": status, "body": plain(body)}));
    };
    note("an absent object", kubernetes.ask_for(&token, OF_LIST, LIST).unwrap());
    kubernetes.annotate(KEY, &json!({"leader": "db1", "ttl": "30"}));
    note("the object", kubernetes.ask_for(&token, OF_LIST, LIST).unwrap());
    note("the whole object", kubernetes.ask_as(&token, LIST).unwrap());
    let begin = version(&kubernetes.ask_as(&token, LIST).unwrap().1);
    kubernetes.annotate(KEY, &json!({"leader": null, "renewTime": "now"}));
    note("after a release", kubernetes.ask_for(&token, OF_LIST, LIST).unwrap());
    kubernetes.delete("/api/v1/namespaces/pg/configmaps/main-leader");
    let watch =
        |after: &str| format!("{LIST}&watch=true&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion={after}");
    note("the watch meanwhile", kubernetes.ask_for(&token, OF_OBJECT, &watch(&begin)).unwrap());
    note("a wrong token", kubernetes.ask_as("wrong", LIST).unwrap());
    note("all objects", kubernetes.ask_as(&token, "/api/v1/namespaces/pg/configmaps").unwrap());
    note("another name", kubernetes.ask_as(&token, &LIST.replace("main", "other")).unwrap());
    note("a forbidden watch", kubernetes.ask_as(&token, &watch("1").replace("main", "other")).unwrap());
    note("no such kind", kubernetes.ask("GET", "/api/v1/namespaces/pg/nothings", None).unwrap());
    leases(&kubernetes, &token, &mut note);
    kubernetes.forget_history();
    note("a version that is forgotten", kubernetes.ask_for(&token, OF_OBJECT, &watch("1")).unwrap());
    let answers = Value::Array(answers);

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes/answers.json");
    if is_real() && std::env::var_os("RECORD").is_some() {
        fs::write(&file, serde_json::to_string_pretty(&answers).unwrap() + "\n").unwrap();
    }
    let recorded: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    for (answer, recorded) in answers.as_array().unwrap().iter().zip(recorded.as_array().unwrap()) {
        assert_eq!(answer, recorded);
    }
    assert_eq!(answers.as_array().map(Vec::len), recorded.as_array().map(Vec::len));
}

/// What becomes of a claim, in the requests of the source.
fn leases(kubernetes: &Kubernetes, token: &str, note: &mut impl FnMut(&str, (u16, Value))) {
    let path = claim_path();
    let (all, name) = path.rsplit_once('/').unwrap();
    let mut number = 0;
    let mut lease = |uid: Option<&Value>, version: Option<&Value>, holder: Option<&str>| {
        number += 1;
        let mut lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {},
            "metadata": {"name": name, "namespace": "pg"}});
        if let Some(holder) = holder {
            lease["metadata"]["annotations"] = json!({"vip-manager/claim": "{}"});
            lease["spec"] = json!({"holderIdentity": holder, "leaseDurationSeconds": 10,
                "renewTime": "2026-11-26T12:00:05.123000Z"});
            lease["spec"]["leaseTransitions"] = json!(number);
        }
        for (field, value) in [("uid", uid), ("resourceVersion", version)] {
            if let Some(value) = value {
                lease["metadata"][field] = value.clone();
            }
        }
        lease
    };
    let ask = |method: &str, path: &str, body: Option<&Value>| kubernetes.act_as(token, method, path, body).unwrap();
    note("an absent claim", ask("GET", &path, None));
    let created = ask("POST", all, Some(&lease(None, None, Some("db1"))));
    let (uid, version) = (&created.1["metadata"]["uid"].clone(), &created.1["metadata"]["resourceVersion"].clone());
    note("a claim", created);
    note("a claim that is there", ask("POST", all, Some(&lease(None, None, Some("db2")))));
    let renewal = lease(Some(uid), Some(version), Some("db1"));
    note("a renewal", ask("PUT", &path, Some(&renewal)));
    let written = || kubernetes.claim().unwrap()["metadata"]["resourceVersion"].clone();
    let (same, mut again) = (written(), renewal);
    again["metadata"]["resourceVersion"] = same.clone();
    note("a renewal that changes nothing", ask("PUT", &path, Some(&again)));
    assert_eq!(written(), same, "it is not written");
    note("a renewal of what has changed", ask("PUT", &path, Some(&lease(Some(uid), Some(version), Some("db2")))));
    let current = &written();
    note(
        "a renewal of another object",
        ask("PUT", &path, Some(&lease(Some(&json!("other")), Some(current), Some("db1")))),
    );
    note("a claim that is given up", ask("PUT", &path, Some(&lease(Some(uid), Some(current), None))));
    note("the claim then", ask("GET", &path, None));
    kubernetes.delete(&path);
    let late = ask("PUT", &path, Some(&lease(Some(uid), Some(current), Some("db1"))));
    assert!(late.0 == 404 || late.0 == 409, "a late renewal creates nothing: {late:?}");
    note("a renewal of what was deleted", late);
    note("another claim", ask("GET", &path.replace("main", "other"), None));
    let nothing = json!({});
    let (tried_all, tried) = (format!("{all}?dryRun=All"), format!("{path}?dryRun=All"));
    note("no object to create", ask("POST", &tried_all, Some(&nothing)));
    note("no object to replace one that is absent", ask("PUT", &tried, Some(&nothing)));
    note("the next claim", ask("POST", all, Some(&lease(None, None, Some("db1")))));
    let before = written();
    note("no object to create beside one", ask("POST", &tried_all, Some(&nothing)));
    note("no object to replace one", ask("PUT", &tried, Some(&nothing)));
    note("no object to replace one, in earnest", ask("PUT", &path, Some(&nothing)));
    assert_eq!(written(), before, "nothing is written");
    kubernetes.forbid_claims();
    note("no object to create, without the right", ask("POST", &tried_all, Some(&nothing)));
    note("no object to replace one, without the right", ask("PUT", &tried, Some(&nothing)));
    note("a claim without the right", ask("POST", all, Some(&lease(None, None, Some("db1")))));
}

fn version(list: &Value) -> String {
    list["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

/// Without what differs from one run to the next.
fn plain(mut body: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for gone in ["managedFields", "selfLink"] {
                    fields.remove(gone);
                }
                for (name, value) in fields.iter_mut() {
                    match (name.as_str(), &value) {
                        ("uid" | "resourceVersion" | "creationTimestamp", Value::String(_)) => *value = json!("…"),
                        ("message", Value::String(text)) if text.contains("StorageError: invalid object") => {
                            let end = text.find(", AdditionalErrorMsg").or(text.find("Code: 4")).unwrap_or(0);
                            *value = json!(format!("{}…", &text[..end]));
                        }
                        ("message", Value::String(text)) if text.starts_with("too old resource version") => {
                            *value = json!("too old resource version: …");
                        }
                        _ => walk(value),
                    }
                }
            }
            Value::Array(elements) => elements.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut body);
    body
}
