//! The object that a trigger-key names, and the paths of requests for it.

/// An object of Kubernetes: its namespace, its kind in the plural, and its name. All are fit for a URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectPath {
    namespace: String,
    kind: String,
    name: String,
}

impl ObjectPath {
    /// Reads a trigger-key that was checked before: `NAMESPACE/configmaps/NAME`.
    pub fn parse(key: &str) -> Option<Self> {
        let mut parts = key.split('/').map(str::to_owned);
        let path = Self { namespace: parts.next()?, kind: parts.next()?, name: parts.next()? };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let fit = |part: &String| !part.is_empty() && part.chars().all(legal);
        let all_fit = [&path.namespace, &path.kind, &path.name].into_iter().all(fit);
        (all_fit && parts.next().is_none()).then_some(path)
    }

    /// Another object beside this one.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// Where Patroni keeps the same leader with the other setting of `use_endpoints`.
    pub fn of_other_kind(&self) -> Option<Self> {
        let (kind, name) = match &*self.kind {
            "configmaps" => ("endpoints", self.name.strip_suffix("-leader")?.to_owned()),
            _ => ("configmaps", format!("{}-leader", self.name)),
        };
        Some(Self { kind: kind.to_owned(), name, ..self.clone() })
    }

    /// As a trigger-key names it.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.kind, self.name)
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `configmaps`, `endpoints`, or `leases`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of all objects of this kind in this namespace.
    pub fn all(&self) -> String {
        let group = if self.kind == "leases" { "/apis/coordination.k8s.io/v1" } else { "/api/v1" };
        format!("{group}/namespaces/{}/{}", self.namespace, self.kind)
    }

    /// The path of the object itself.
    pub fn object(&self) -> String {
        format!("{}/{}", self.all(), self.name)
    }

    /// The path of a list of this object alone.
    pub fn list(&self) -> String {
        format!("{}?fieldSelector=metadata.name%3D{}", self.all(), self.name)
    }

    /// The path of a watch of this object, from after a version on.
    pub fn watch(&self, after: i64) -> String {
        format!("{}&watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH}&resourceVersion={after}", self.list())
    }
}

/// Seconds after which the server ends a watch by itself.
const WATCH: u32 = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_in_another_group() {
        let path = ObjectPath::parse("pg/leases/main-vip-10-0-0-5").unwrap();
        assert_eq!(path.object(), "/apis/coordination.k8s.io/v1/namespaces/pg/leases/main-vip-10-0-0-5");
    }

    #[test]
    fn a_key_has_three_parts() {
        let path = ObjectPath::parse("pg/configmaps/main-leader").unwrap();
        let other = path.of_other_kind().unwrap();
        assert_eq!((&*other.key(), &*path.named("x").key()), ("pg/endpoints/main", "pg/configmaps/x"));
        assert_eq!(other.of_other_kind(), Some(path.clone()));
        assert_eq!(path.list(), "/api/v1/namespaces/pg/configmaps?fieldSelector=metadata.name%3Dmain-leader");
        assert!(
            path.watch(7)
                .ends_with("%3Dmain-leader&watch=true&allowWatchBookmarks=true&timeoutSeconds=600&resourceVersion=7")
        );
        for key in ["", "pg", "pg/configmaps", "pg/configmaps/", "pg/configmaps/a/b", "pg/configmaps/a?b", "/a/b/c"] {
            assert_eq!(ObjectPath::parse(key), None, "{key}");
        }
    }
}
