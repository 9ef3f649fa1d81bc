//! Which leader key was meant by a missing one: common mistakes with slashes, namespaces and scopes.

use crate::check::names;

/// The cure for `key` if the store has these leader keys.
pub(super) fn cure(key: &str, leaders: &[String]) -> String {
    if let Some((name, why)) = meant(key, leaders) {
        return format!("{why}set trigger-key: {name}");
    }
    match leaders {
        [only] => {
            format!("if that cluster is meant, set trigger-key: {only}; otherwise start Patroni with this key's scope")
        }
        _ => "set trigger-key to one of these, or start Patroni with this key's scope".to_owned(),
    }
}

/// The key that was meant, and what is wrong with the one that was written.
fn meant(key: &str, leaders: &[String]) -> Option<(String, &'static str)> {
    let wanted = Path::of(key);
    let find = |same: &dyn Fn(&Path<'_>) -> bool| leaders.iter().find(|leader| same(&Path::of(leader))).cloned();
    let ends =
        if wanted.complete { "they differ only in slashes or spaces: " } else { "the key must end with /leader: " };
    find(&|leader| leader.namespace == wanted.namespace && leader.scope == wanted.scope)
        .map(|name| (name, ends))
        .or_else(|| find(&|leader| leader.scope == wanted.scope).map(|name| (name, "the namespace differs: ")))
        .or_else(|| names::meant(key, leaders).map(|meant| (meant.name, "")))
}

/// A leader key without its slashes.
struct Path<'a> {
    namespace: Vec<&'a str>,
    scope: &'a str,
    /// Whether it ends as a leader key does.
    complete: bool,
}

impl<'a> Path<'a> {
    fn of(key: &'a str) -> Self {
        let mut parts: Vec<&str> = key.trim().split('/').filter(|part| !part.is_empty()).collect();
        let complete = parts.last() == Some(&"leader");
        if complete {
            parts.pop();
        }
        let scope = parts.pop().unwrap_or_default();
        Self { namespace: parts, scope, complete }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(key: &str, leaders: &[&str]) -> String {
        cure(key, &leaders.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn mistakes_in_slashes_and_namespaces_lead_to_the_right_key() {
        let leaders = ["/db/hr/leader", "/service/pg/leader"];
        for slashes in ["service/pg/leader", "//service/pg/leader", "/service//pg/leader", "/service/pg/leader/"] {
            assert_eq!(
                told(slashes, &leaders),
                "they differ only in slashes or spaces: set trigger-key: /service/pg/leader"
            );
        }
        for short in ["/service/pg", "/service/pg/"] {
            assert_eq!(told(short, &leaders), "the key must end with /leader: set trigger-key: /service/pg/leader");
        }
        assert_eq!(told("/service/hr/leader", &leaders), "the namespace differs: set trigger-key: /db/hr/leader");
        assert_eq!(told("/servcie/pg/leader", &["/service/pgx/leader"]), "set trigger-key: /service/pgx/leader");
    }

    #[test]
    fn another_cluster_is_offered_only_with_a_condition() {
        assert!(told("/service/pg1/leader", &["/service/pg2/leader"]).starts_with("if that cluster is meant, "));
        assert!(
            told("/service/pg1/leader", &["/service/hr/leader", "/db/x/leader"]).starts_with("set trigger-key to one")
        );
    }
}
