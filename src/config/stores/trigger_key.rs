//! What a trigger-key and a trigger-value look like in each kind of store: what people write, made into what the store
//! is asked for.
//!
//! The texts of errors and doubts end a sentence that begins with the key as it was written.

/// A trigger-key as the store is asked for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TriggerKey {
    /// The key.
    pub key: String,
    /// Why it may not be what was meant.
    pub doubt: Option<String>,
}

/// A key that is taken exactly as written: etcd v3.
pub fn exact(text: &str) -> Result<TriggerKey, String> {
    let sound = text.starts_with('/') && is_leader(text);
    let doubt = (!sound).then(|| unlike("/service/pg_cluster/leader", "exactly as written"));
    Ok(TriggerKey { key: text.to_owned(), doubt })
}

/// A key without a leading slash: Consul. Its clients strip one, so files with a slash are in use.
pub fn unrooted(text: &str) -> Result<TriggerKey, String> {
    let key = text.strip_prefix('/').unwrap_or(text);
    let sound = !key.starts_with('/') && is_leader(key);
    let doubt = (!sound).then(|| unlike("service/pg_cluster/leader", &format!("as {key}")));
    Ok(TriggerKey { key: key.to_owned(), doubt })
}

/// A path from the root, with or without its slash: ZooKeeper and etcd v2.
pub fn rooted(text: &str) -> Result<TriggerKey, String> {
    let key = if text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
    if key.contains("//") || key.ends_with('/') || key.split('/').any(|part| matches!(part, "." | "..")) {
        return Err("is not a path; expected such as /service/pg_cluster/leader".to_owned());
    }
    let doubt = (!is_leader(&key)).then(|| unlike("/service/pg_cluster/leader", &format!("as {key}")));
    Ok(TriggerKey { key, doubt })
}

/// An object of Kubernetes: NAMESPACE/configmaps/NAME or NAMESPACE/endpoints/NAME.
pub fn object(text: &str) -> Result<TriggerKey, String> {
    let key = text.strip_prefix('/').unwrap_or(text);
    let parts: Vec<_> = key.split('/').collect();
    match parts[..] {
        [namespace, kind, name] if is_label(namespace) && KINDS.contains(&kind) && is_subdomain(name) => {
            let doubt = (kind == "configmaps" && !name.ends_with("-leader")).then(|| {
                format!(
                    "does not look like Patroni's, for example {namespace}/configmaps/pg-leader; it is watched as {key}"
                )
            });
            Ok(TriggerKey { key: key.to_owned(), doubt })
        }
        _ => Err(
            "is not an object that Patroni keeps the leader in; expected NAMESPACE/configmaps/SCOPE-leader or, with \
                  Patroni's use_endpoints, NAMESPACE/endpoints/SCOPE"
                .to_owned(),
        ),
    }
}

/// Any value.
pub const fn any_value(_text: &str) -> Result<(), String> {
    Ok(())
}

/// The status of the answer, which is 200 on the leader alone, or the name of this host's member in Patroni.
pub fn rest_value(text: &str) -> Result<(), String> {
    let text = text.trim();
    if text == "200" || text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err("is never what the leader answers; expected 200, or the name of this host's member in Patroni".to_owned())
}

/// A path of Patroni's REST API that is answered with 200 on one host only.
pub fn rest_path(text: &str) -> Result<TriggerKey, String> {
    let path = text.trim_matches('/');
    if LEADER_PATHS.contains(&path) {
        return Ok(TriggerKey { key: format!("/{path}"), doubt: None });
    }
    let expected = "expected /leader, or /primary to exclude the leader of a standby cluster";
    Err(if SHARED_PATHS.contains(&path.split(['?', '/']).next().unwrap_or_default()) {
        format!("is answered alike by several hosts, and all of them would take the address; {expected}")
    } else {
        let meant = LEADER_PATHS.iter().find(|known| path.to_lowercase().contains(*known));
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean /{meant}?"));
        format!("is not a path of Patroni's REST API that names the leader; {expected}{meant}")
    })
}

fn is_leader(key: &str) -> bool {
    key.ends_with("/leader")
}

fn unlike(example: &str, watched: &str) -> String {
    format!("does not look like a Patroni leader key, for example {example}; it is watched {watched}")
}

/// Whether it can be the name of a namespace.
pub(super) fn is_label(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len()) && text.chars().all(legal) && !text.starts_with('-') && !text.ends_with('-')
}

/// Whether it can be the name of an object.
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

const KINDS: [&str; 2] = ["configmaps", "endpoints"];
/// Patroni has several names for them.
const LEADER_PATHS: [&str; 6] = ["leader", "primary", "master", "read-write", "standby-leader", "standby_leader"];
const SHARED_PATHS: [&str; 13] = [
    "replica",
    "read-only",
    "sync",
    "synchronous",
    "read-only-sync",
    "async",
    "asynchronous",
    "quorum",
    "read-only-quorum",
    "health",
    "liveness",
    "readiness",
    "patroni",
];

#[cfg(test)]
mod tests {
    use super::*;

    type Rule = fn(&str) -> Result<TriggerKey, String>;

    /// The key that comes of a text, and whether it is doubted.
    fn read(rule: Rule, text: &str) -> Option<(String, bool)> {
        rule(text).ok().map(|read| (read.key, read.doubt.is_some()))
    }

    fn each(rule: Rule, cases: &[(&str, Option<(&str, bool)>)]) {
        for (text, expected) in cases {
            let expected = expected.map(|(key, doubted)| (key.to_owned(), doubted));
            assert_eq!(read(rule, text), expected, "{text}");
        }
    }

    #[test]
    fn etcd_takes_a_key_as_it_is() {
        each(
            exact,
            &[
                ("/service/pg/leader", Some(("/service/pg/leader", false))),
                ("service/pg/leader", Some(("service/pg/leader", true))),
                ("/service/pg", Some(("/service/pg", true))),
            ],
        );
    }

    #[test]
    fn consul_loses_one_slash() {
        each(
            unrooted,
            &[
                ("/service/pg/leader", Some(("service/pg/leader", false))),
                ("service/pg/leader", Some(("service/pg/leader", false))),
                ("//service/pg/leader", Some(("/service/pg/leader", true))),
                ("service/pg", Some(("service/pg", true))),
            ],
        );
        assert!(unrooted("//a/leader").unwrap().doubt.unwrap().ends_with("it is watched as /a/leader"));
    }

    #[test]
    fn a_path_gets_its_slash() {
        each(
            rooted,
            &[
                ("/service/pg/leader", Some(("/service/pg/leader", false))),
                ("service/pg/leader", Some(("/service/pg/leader", false))),
                ("/service/pg", Some(("/service/pg", true))),
                ("//service/pg/leader", None),
                ("/service/../leader", None),
                ("/service/pg/leader/", None),
                ("/", None),
            ],
        );
    }

    #[test]
    fn kubernetes_has_a_namespace_a_kind_and_a_name() {
        each(
            object,
            &[
                ("default/configmaps/pg-leader", Some(("default/configmaps/pg-leader", false))),
                ("/default/endpoints/pg", Some(("default/endpoints/pg", false))),
                ("default/configmaps/pg", Some(("default/configmaps/pg", true))),
                ("default/leases/pg", None),
                ("default/configmaps", None),
                ("default/configmaps/a/b", None),
                ("Default/configmaps/pg-leader", None),
                ("default/configmaps/pg_leader", None),
                ("/service/pg/leader", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn a_status_that_the_leader_never_answers_is_refused_for_patroni() {
        for sound in ["200", "pg1", "1a", ""] {
            assert_eq!(rest_value(sound), Ok(()), "{sound}");
        }
        for text in ["503", "2000", "0"] {
            assert!(rest_value(text).unwrap_err().contains("expected 200, or the name"), "{text}");
        }
    }

    #[test]
    fn patroni_is_asked_only_for_what_one_host_answers() {
        each(
            rest_path,
            &[
                ("/leader", Some(("/leader", false))),
                ("leader", Some(("/leader", false))),
                ("//leader", Some(("/leader", false))),
                ("/primary/", Some(("/primary", false))),
                ("/leadership", None),
                ("/service/pg/leader", None),
                ("/", None),
            ],
        );
        assert!(rest_path("/leadership").unwrap_err().ends_with("did you mean /leader?"));
        for shared in ["/replica", "/replica?lag=1MB", "/sync", "/health"] {
            assert!(rest_path(shared).unwrap_err().contains("several hosts"), "{shared}");
        }
    }
}
