//! Prepares a claim that this host may have to create, while the leader key is being read.

use std::sync::Arc;

use tokio::time::timeout;

use super::claim::{Claim, server};
use super::context::Context;
use crate::source::report::KeyIndex;

/// What is known of a key whose claim this host may have to create.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outlook {
    /// It has changed, nobody knows how.
    Changed,
    /// It names nobody: the next one may be this host.
    Nobody,
    /// It seems to name this host.
    Ours,
}

/// Begins the session of a claim that this host may have to create, and looks at what a creation compares, while the key
/// is being read.
pub(super) fn prepare(context: &Arc<Context>, key: KeyIndex, outlook: Outlook) {
    for spec in context.keys.claims().iter().filter(|spec| spec.leader == key) {
        let (context, spec) = (Arc::clone(context), spec.clone());
        tokio::spawn(timeout(context.limit, async move {
            let session = context.memory.claim_session(&spec.key);
            let mut session = session.lock().await;
            // Each server tells of the change. What fails here is tried again by the claim itself.
            let useful = match (outlook, session.line().filter(|line| !line.has_ended())) {
                (Outlook::Changed | Outlook::Ours, Some(line)) => line.waits_to_be_used(),
                (Outlook::Nobody, Some(_)) | (Outlook::Changed, None) => false,
                (Outlook::Nobody | Outlook::Ours, None) => true,
            };
            if useful
                && let Ok(mut line) = session.take(server(&context), spec.ttl).await
                && (outlook == Outlook::Nobody || Claim::new(&context, &spec).prepare(&mut line).await.is_ok())
            {
                session.put_back(line);
            }
        }));
    }
}
