//! The leader that Patroni keeps in the annotations of a ConfigMap or of Endpoints.

pub mod kubeconfig;
pub mod object;
pub mod record;
