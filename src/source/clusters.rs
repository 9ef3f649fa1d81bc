//! Decides which etcd cluster is believed, where the endpoints do not all belong to the same one.
//!
//! An endpoint that was taken over from another configuration names leaders of its own. Pure: it is told what each
//! endpoint said, and has no clock.
//!
//! # Rules
//! - Each endpoint has one vote: the id of the cluster that it said last. Failures and silence change no vote.
//! - A cluster with the votes of more than half of all endpoints is believed, and known from then on. It is forgotten
//!   only when another cluster has more than half of the votes, so an outage forgets nothing.
//! - While none is known, a single cluster is believed once every other endpoint has failed or was silent for a while.
//! - While none is known and the votes are for several clusters, none is believed.

use crate::source::rounds::EndpointIndex;

#[derive(Clone, Debug)]
pub(super) struct Clusters {
    votes: Vec<Vote>,
    known: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Vote {
    /// It has not been heard yet.
    Awaited,
    /// It has failed, or has been silent for a while, and never voted.
    Absent,
    For(u64),
}

/// Whether an answer may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Believed,
    /// The known cluster, or the majority's, is another.
    Other,
    /// The endpoints belong to several clusters, and no majority tells which is meant.
    Divided,
    /// Other endpoints have yet to say which cluster they belong to.
    Early,
}

impl Clusters {
    pub(super) fn new(endpoints: usize) -> Self {
        Self { votes: vec![Vote::Awaited; endpoints], known: None }
    }

    /// An answer of the endpoint came from this cluster. etcd's proxies and some gateways leave the id out: 0.
    pub(super) fn heard(&mut self, endpoint: EndpointIndex, cluster: u64) {
        if cluster == 0 {
            self.missed(endpoint);
            return;
        }
        self.votes[endpoint] = Vote::For(cluster);
        let votes = self.votes.iter().filter(|vote| **vote == Vote::For(cluster)).count();
        if votes * 2 > self.votes.len() {
            self.known = Some(cluster);
        }
    }

    /// The endpoint failed, or has been silent for a while.
    pub(super) fn missed(&mut self, endpoint: EndpointIndex) {
        let vote = &mut self.votes[endpoint];
        if *vote == Vote::Awaited {
            *vote = Vote::Absent;
        }
    }

    /// Nobody is waited for any longer.
    pub(super) fn await_nobody(&mut self) {
        (0..self.votes.len()).for_each(|endpoint| self.missed(endpoint));
    }

    pub(super) fn judge(&self, cluster: u64) -> Verdict {
        let mut others = self.votes.iter().filter(|vote| matches!(vote, Vote::For(other) if *other != cluster));
        match self.known {
            _ if cluster == 0 => Verdict::Believed,
            Some(known) if known == cluster => Verdict::Believed,
            Some(_) => Verdict::Other,
            None if others.next().is_some() => Verdict::Divided,
            None if self.votes.contains(&Vote::Awaited) => Verdict::Early,
            None => Verdict::Believed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: u64 = 7;
    const OTHER: u64 = 8;

    fn heard(votes: &[(EndpointIndex, u64)], endpoints: usize) -> Clusters {
        let mut clusters = Clusters::new(endpoints);
        for &(endpoint, cluster) in votes {
            clusters.heard(endpoint, cluster);
        }
        clusters
    }

    fn verdicts(clusters: &Clusters) -> (Verdict, Verdict) {
        (clusters.judge(OURS), clusters.judge(OTHER))
    }

    #[test]
    fn a_majority_of_all_endpoints_is_believed_whatever_came_first() {
        let clusters = heard(&[(2, OTHER), (0, OURS), (1, OURS)], 3);
        assert_eq!(verdicts(&clusters), (Verdict::Believed, Verdict::Other));
        assert_eq!(heard(&[(0, OURS)], 1).judge(OURS), Verdict::Believed);
    }

    #[test]
    fn an_outage_forgets_nothing_and_only_another_majority_does() {
        let mut clusters = heard(&[(0, OURS), (1, OURS), (2, OTHER)], 3);
        (0..3).for_each(|endpoint| clusters.missed(endpoint));
        clusters.heard(2, OTHER);
        assert_eq!(verdicts(&clusters), (Verdict::Believed, Verdict::Other));
        clusters.heard(0, OTHER);
        assert_eq!(verdicts(&clusters), (Verdict::Other, Verdict::Believed), "two of three were rebuilt");
    }

    #[test]
    fn of_two_clusters_without_a_majority_neither_is_believed() {
        for votes in [[(0, OURS), (1, OTHER)], [(1, OTHER), (0, OURS)]] {
            assert_eq!(verdicts(&heard(&votes, 2)), (Verdict::Divided, Verdict::Divided));
            let mut of_four = heard(&votes, 4);
            of_four.await_nobody();
            assert_eq!(verdicts(&of_four), (Verdict::Divided, Verdict::Divided));
        }
        let mut believed_alone = heard(&[(1, OTHER)], 2);
        believed_alone.missed(0);
        assert_eq!(believed_alone.judge(OTHER), Verdict::Believed);
        believed_alone.heard(0, OURS);
        assert_eq!(verdicts(&believed_alone), (Verdict::Divided, Verdict::Divided));
    }

    #[test]
    fn a_cluster_alone_is_believed_once_nobody_else_is_awaited() {
        let mut clusters = heard(&[(0, OURS)], 3);
        assert_eq!(clusters.judge(OURS), Verdict::Early);
        clusters.missed(1);
        assert_eq!(clusters.judge(OURS), Verdict::Early);
        clusters.missed(2);
        assert_eq!(clusters.judge(OURS), Verdict::Believed);
    }

    #[test]
    fn an_answer_without_an_id_is_no_vote() {
        let mut clusters = heard(&[(0, OURS), (1, 0)], 2);
        assert_eq!(clusters.judge(0), Verdict::Believed);
        clusters.heard(1, OTHER);
        assert_eq!(clusters.judge(0), Verdict::Believed);
    }
}
