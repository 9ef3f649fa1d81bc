//! The section `kubernetes`. The API server is found as Patroni finds it: by the service account of the pod, or else by
//! a kubeconfig.

use super::derivation::{Derivation, Section};
use crate::config::keys::Key;

impl<'a> Derivation<'a> {
    pub(super) fn kubernetes(&mut self, section: Section<'a>) {
        self.copy(Key::DcsCaFile, section, "cacert");
        self.copy(Key::KubeContext, section, "context");
    }
}
