//! What the fake does with a request: who may do what, what changes, and what is answered.

use hyper::Method;
use serde_json::{Value, json};
use vip_manager::clock;

use super::{Place, State, status};

/// What a request wants.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) verb: &'static str,
    pub(super) kind: String,
    pub(super) group: String,
    namespace: String,
    pub(super) selector: Selector,
    /// `token` of a service account.
    below: Option<String>,
    /// Of a watch.
    pub(super) after: i64,
    pub(super) seconds: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Selector {
    Name(String),
    All,
}

impl Ask {
    pub(super) fn of(method: &Method, path: &str, query: &str) -> Option<Self> {
        let (group, rest) = match path.strip_prefix("/api/v1/") {
            Some(rest) => ("", rest),
            None => path.strip_prefix("/apis/")?.split_once("/v1/")?,
        };
        let parts: Vec<&str> = rest.split('/').collect();
        let (namespace, parts) = match parts.as_slice() {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            parts => ("", parts),
        };
        let kind = (*parts.first()?).to_owned();
        if kind_of(&kind) == kind {
            return None;
        }
        let parameter = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.clone().find(|(key, _)| *key == name).map(|(_, value)| value.replace("%3D", "="))
        };
        let field =
            parameter("fieldSelector").and_then(|field| field.strip_prefix("metadata.name=").map(str::to_owned));
        let named = parts.get(1).map(|name| (*name).to_owned());
        let verb = match (method.as_str(), &named) {
            ("GET", Some(_)) => "get",
            ("GET", None) if parameter("watch").is_some() => "watch",
            ("GET", None) => "list",
            ("POST", _) => "create",
            ("PUT", Some(_)) => "update",
            ("PATCH", Some(_)) => "patch",
            ("DELETE", Some(_)) => "delete",
            _ => return None,
        };
        Some(Self {
            verb,
            kind,
            group: group.to_owned(),
            namespace: namespace.to_owned(),
            selector: named.or(field).map_or(Selector::All, Selector::Name),
            below: parts.get(2).map(|below| (*below).to_owned()),
            after: parameter("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0),
            seconds: parameter("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(1800),
        })
    }

    fn place(&self, name: &str) -> Place {
        (format!("{}/{}", self.group, self.kind), self.namespace.clone(), name.to_owned())
    }

    /// How the real server names what it speaks of.
    fn resource(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// A status about an object of this name.
    fn about(&self, code: u16, reason: &str, name: &str, what: &str) -> Value {
        let mut said = status(code, reason, &format!("{} \"{name}\" {what}", self.resource()), Some(self));
        said["details"]["name"] = json!(name);
        said
    }

    fn matches(&self, (kind, namespace, name): &Place) -> bool {
        let named = match &self.selector {
            Selector::Name(wanted) => wanted == name,
            Selector::All => true,
        };
        named && *kind == format!("{}/{}", self.group, self.kind) && *namespace == self.namespace
    }
}

impl State {
    /// Who this token belongs to.
    pub(super) fn user(&self, token: &str) -> Option<String> {
        let (user, bound) = self.tokens.get(token)?;
        let good = bound.as_ref().is_none_or(|secret| self.objects.contains_key(secret));
        good.then(|| user.clone())
    }

    /// An `Err` is what the API server says where a role lacks.
    pub(super) fn allows(&self, user: &str, ask: &Ask) -> Result<(), String> {
        let Some(account) = user.strip_prefix("system:serviceaccount:") else { return Ok(()) };
        let (namespace, name) = account.split_once(':').unwrap_or_default();
        let of = |kind: &str| {
            let kind = format!("rbac.authorization.k8s.io/{kind}");
            self.objects.iter().filter(move |((found, within, _), _)| *found == kind && *within == ask.namespace)
        };
        let holds = |list: &Value, wanted: &str| {
            list.as_array().is_some_and(|list| list.iter().any(|entry| entry == wanted || entry == "*"))
        };
        let bound = of("rolebindings").filter(|(_, binding)| {
            let subjects = binding["subjects"].as_array().into_iter().flatten();
            subjects.clone().any(|subject| subject["name"] == name && subject["namespace"] == namespace)
        });
        let roles: Vec<&Value> = bound.map(|(_, binding)| &binding["roleRef"]["name"]).collect();
        let mut granted = of("roles")
            .filter(|((.., role), _)| roles.iter().any(|name| *name == role))
            .flat_map(|(_, role)| role["rules"].as_array().into_iter().flatten());
        let allowed = granted.any(|rule| {
            let names = &rule["resourceNames"];
            let right_name = match &ask.selector {
                Selector::Name(name) => names.is_null() || holds(names, name),
                Selector::All => names.is_null(),
            };
            holds(&rule["verbs"], ask.verb) && holds(&rule["resources"], &ask.kind) && right_name
        });
        if allowed {
            return Ok(());
        }
        let object = match &ask.selector {
            Selector::Name(name) => format!("{} \"{name}\"", ask.resource()),
            Selector::All => ask.resource(),
        };
        Err(format!(
            "{object} is forbidden: User \"{user}\" cannot {} resource \"{}\" in API group \"{}\" in the namespace \"{}\"",
            ask.verb, ask.kind, ask.group, ask.namespace
        ))
    }

    pub(super) fn act(&mut self, method: &Method, ask: &Ask, body: &Value, partial: bool) -> (u16, Value) {
        if ask.below.as_deref() == Some("token") {
            return self.issue(ask, body);
        }
        let Selector::Name(name) = &ask.selector else {
            return if method == Method::POST { self.create(ask, body) } else { (200, self.list(ask, partial)) };
        };
        if ask.verb == "list" {
            return (200, self.list(ask, partial));
        }
        if ask.verb == "update" && body["metadata"]["name"].is_null() {
            let what = "was undeterminable: name must be provided";
            let message = format!("the name of the object ({name} based on URL) {what}");
            return (400, status(400, "BadRequest", &message, None));
        }
        let place = ask.place(name);
        let Some(object) = self.objects.get(&place).cloned() else {
            if let ("update", Some(refused)) = (ask.verb, conflict(ask, name, &json!({"uid": ""}), &body["metadata"])) {
                return (409, refused);
            }
            return (404, ask.about(404, "NotFound", name, "not found"));
        };
        match ask.verb {
            "update" => {
                if let Some(refused) = conflict(ask, name, &object["metadata"], &body["metadata"]) {
                    return (409, refused);
                }
                let mut changed = object.clone();
                changed["spec"] = body["spec"].clone();
                changed["metadata"]["annotations"] = body["metadata"]["annotations"].clone();
                if changed["metadata"]["annotations"].is_null() {
                    changed["metadata"].as_object_mut().map(|metadata| metadata.remove("annotations"));
                }
                // What changes nothing is not written.
                if changed != object {
                    self.note("MODIFIED", place.clone(), changed);
                }
                (200, self.objects.get(&place).cloned().unwrap_or(Value::Null))
            }
            "patch" => {
                let mut object = object;
                merge(&mut object, body);
                self.note("MODIFIED", place, object.clone());
                (200, self.objects.get(&ask.place(name)).cloned().unwrap_or(object))
            }
            "delete" => {
                self.objects.remove(&place);
                self.note("DELETED", place, object.clone());
                (200, object)
            }
            _ => (200, object),
        }
    }

    fn create(&mut self, ask: &Ask, body: &Value) -> (u16, Value) {
        let mut object = body.clone();
        let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if name.is_empty() {
            return (422, nameless(ask));
        }
        if self.objects.contains_key(&ask.place(&name)) {
            return (409, ask.about(409, "AlreadyExists", &name, "already exists"));
        }
        object["kind"] = json!(kind_of(&ask.kind));
        object["apiVersion"] = json!(if ask.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", ask.group) });
        object["metadata"]["uid"] = json!(format!("uid-{}", self.version + 1));
        object["metadata"]["creationTimestamp"] = json!(clock::wall_time().to_string());
        if !ask.namespace.is_empty() {
            object["metadata"]["namespace"] = json!(ask.namespace);
        }
        let place = ask.place(&name);
        self.note("ADDED", place.clone(), object);
        (201, self.objects.get(&place).cloned().unwrap_or(Value::Null))
    }

    fn issue(&mut self, ask: &Ask, body: &Value) -> (u16, Value) {
        let Selector::Name(account) = &ask.selector else { return (404, Value::Null) };
        let secret = body["spec"]["boundObjectRef"]["name"].as_str().unwrap_or_default();
        let token = format!("token-of-{account}-{secret}");
        let user = format!("system:serviceaccount:{}:{account}", ask.namespace);
        let bound = ("/secrets".to_owned(), ask.namespace.clone(), secret.to_owned());
        self.tokens.insert(token.clone(), (user, Some(bound)));
        (201, json!({"kind": "TokenRequest", "status": {"token": token}}))
    }

    /// Writes an object at the next version.
    fn note(&mut self, kind: &'static str, place: Place, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if kind != "DELETED" {
            self.objects.insert(place.clone(), object.clone());
        }
        self.events.push((self.version, kind, place, object));
    }

    fn list(&self, ask: &Ask, partial: bool) -> Value {
        let found = self.objects.iter().filter(|(place, _)| ask.matches(place));
        let item = |(_, object): (_, &Value)| {
            let mut item = shown(object, partial);
            if let (Value::Object(fields), false) = (&mut item, partial) {
                fields.remove("kind");
                fields.remove("apiVersion");
            }
            item
        };
        let items: Vec<Value> = found.map(item).collect();
        let items = if items.is_empty() && partial { Value::Null } else { json!(items) };
        let (kind, version) = if partial {
            ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1")
        } else {
            (format!("{}List", kind_of(&ask.kind)), "v1")
        };
        json!({"kind": kind, "apiVersion": version, "metadata": {"resourceVersion": self.version.to_string()},
            "items": items})
    }

    /// The lines of a watch after this version, each with whether it is the last one; and the newest version.
    pub(super) fn since(&self, ask: &Ask, after: i64, partial: bool) -> (Vec<(Value, bool)>, i64) {
        if after < self.forgotten {
            let message = format!("too old resource version: {after} ({})", self.forgotten);
            let expired = status(410, "Expired", &message, None);
            return (vec![(json!({"type": "ERROR", "object": expired}), true)], self.version);
        }
        let news = self.events.iter().filter(|(version, _, place, _)| *version > after && ask.matches(place));
        let line = |(_, kind, _, object): &(i64, &str, Place, Value)| {
            (json!({"type": kind, "object": shown(object, partial)}), false)
        };
        (news.map(line).collect(), self.version)
    }
}

/// What is said of a new object without a name.
fn nameless(ask: &Ask) -> Value {
    let kind = kind_of(&ask.kind);
    let (field, what) = ("metadata.name", "Required value: name or generateName is required");
    let message = format!("{kind}.{} \"\" is invalid: {field}: {what}", ask.group);
    let mut said = status(422, "Invalid", &message, Some(ask));
    said["details"]["kind"] = json!(kind);
    said["details"]["causes"] = json!([{"field": field, "message": what, "reason": "FieldValueRequired"}]);
    said
}

/// What is said of a replacement of another object than the present one.
fn conflict(ask: &Ask, name: &str, present: &Value, given: &Value) -> Option<Value> {
    let resource = ask.resource();
    let what = if !given["uid"].is_null() && given["uid"] != present["uid"] {
        let (given, present) = (given["uid"].as_str()?, present["uid"].as_str()?);
        let key = format!("/registry/{}/{}/{name}", ask.kind, ask.namespace);
        format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
             failed: UID in precondition: {given}, UID in object meta: {present}"
        )
    } else if !given["resourceVersion"].is_null() && given["resourceVersion"] != present["resourceVersion"] {
        "the object has been modified; please apply your changes to the latest version and try again".to_owned()
    } else {
        return None;
    };
    let mut said = ask.about(409, "Conflict", name, "");
    said["message"] = json!(format!("Operation cannot be fulfilled on {resource} \"{name}\": {what}"));
    Some(said)
}

fn shown(object: &Value, partial: bool) -> Value {
    if partial {
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
    } else {
        object.clone()
    }
}

/// As RFC 7386 merges: null removes.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            if let Value::Object(target) = target {
                target.remove(key);
            }
        } else {
            merge(&mut target[key], value);
        }
    }
}

fn kind_of(plural: &str) -> &str {
    match plural {
        "configmaps" => "ConfigMap",
        "endpoints" => "Endpoints",
        "leases" => "Lease",
        "namespaces" => "Namespace",
        "secrets" => "Secret",
        "serviceaccounts" => "ServiceAccount",
        "roles" => "Role",
        "rolebindings" => "RoleBinding",
        other => other,
    }
}
