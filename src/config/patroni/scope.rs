//! Where Patroni keeps the leader key, and the name by which it knows this host.

use super::derivation::{Derivation, Section};
use super::store::Store;
use super::tree;
use crate::config::keys::Key;

impl Derivation<'_> {
    /// The leader key; for the REST API the default is right.
    pub(super) fn trigger_key(&mut self, store: Option<Store>) {
        if store == Some(Store::Raft) || self.is_set(Key::TriggerKey) {
            return;
        }
        let Some((scope, place)) = self.root.get("scope").and_then(tree::Value::text) else {
            let text = "Patroni's configuration has no scope; expected one, or trigger-key beside patroni-config";
            return self.problem(self.place, text.to_owned());
        };
        let group = self.citus_group();
        let key = if store == Some(Store::Kubernetes) {
            self.object(scope, group)
        } else {
            let namespace = self.namespace().unwrap_or("service");
            let parts = [Some(namespace), Some(scope), group, Some("leader")].into_iter().flatten();
            let names = parts.flat_map(|part| part.split('/')).filter(|name| !name.is_empty());
            names.fold(String::new(), |path, name| format!("{path}/{name}"))
        };
        self.set(Key::TriggerKey, "scope", place, [key]);
    }

    /// The object of Kubernetes.
    fn object(&self, scope: &str, group: Option<&str>) -> String {
        let section = Section::of(self.root, "kubernetes");
        let text = |name| section.and_then(|section| section.text(name)).map(|(text, _)| text);
        // A namespace at the top overrides the one of the section.
        let namespace = self.namespace().or_else(|| text("namespace")).unwrap_or("default");
        let name = group.map_or_else(|| scope.to_owned(), |group| format!("{scope}-{group}"));
        if text("use_endpoints").and_then(tree::switch) == Some(true) {
            format!("{namespace}/endpoints/{name}")
        } else {
            format!("{namespace}/configmaps/{name}-leader")
        }
    }

    fn namespace(&self) -> Option<&str> {
        Some(self.root.get("namespace")?.text()?.0)
    }

    /// The group of this host in a Citus cluster. Patroni ignores a group that is no number or has no database.
    fn citus_group(&self) -> Option<&str> {
        let citus = Section::of(self.root, "citus")?;
        citus.text("database")?;
        let (group, _) = citus.text("group")?;
        group.bytes().all(|byte| byte.is_ascii_digit()).then_some(group)
    }

    /// The name, which the REST API tells as well; old files have it among the settings of PostgreSQL.
    pub(super) fn trigger_value(&mut self) {
        let within = || Section::of(self.root, "postgresql").and_then(|section| section.text("name"));
        let name = self.root.get("name").and_then(tree::Value::text).or_else(within);
        if let Some((name, place)) = name {
            self.set(Key::TriggerValue, "name", place, [name.to_owned()]);
        }
    }
}
