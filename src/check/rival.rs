//! Who answers for the VIP on the wire right now.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Finding;
use super::names::listed;
use crate::vip::Mac;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub vip: IpAddr,
    pub interface: String,
    /// Whom the key names, if known.
    pub leader: Leader,
    /// This host has the VIP.
    pub carried: bool,
    pub probe: Probe,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leader {
    Unknown,
    Nobody,
    ThisHost,
    Another,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Probe {
    /// Other hosts that answered.
    Answers(BTreeSet<Mac>),
    /// Why there was no probe.
    Impossible(String),
}

pub fn judge(facts: &Facts) -> Finding {
    let subject = format!("{} on the wire of {}", facts.vip, facts.interface);
    let answers = match &facts.probe {
        Probe::Impossible(why) => {
            let text = format!("cannot tell who answers: {why}");
            return Finding::warning(
                "rival-unknown",
                subject,
                text,
                "run the check as root, on an Ethernet interface that is up",
            );
        }
        Probe::Answers(answers) => answers,
    };
    let macs: Vec<String> = answers.iter().map(ToString::to_string).collect();
    let who = listed(&macs);
    match (macs.len(), facts.leader, facts.carried) {
        (0, Leader::Another, _) => Finding::warning(
            "nobody-answers",
            subject,
            "another host leads, but nobody answers for the VIP",
            "run this check on the leader; if it passes there, the network in between does not carry ARP or multicast",
        ),
        (0, _, true) => Finding::pass("rival", subject, "nobody else answers"),
        (0, _, false) => Finding::pass("rival", subject, "nobody answers: it is unused"),
        (2.., _, _) => Finding::error(
            "rival-several",
            subject,
            format!("several hosts answer: {who}"),
            "find them by these hardware addresses (ip neigh, the switch) and keep the address on one",
        ),
        (_, _, true) | (_, Leader::ThisHost, false) => Finding::error(
            "rival",
            subject,
            format!("{who} answers for it, but this host should"),
            "find that host by its hardware address (ip neigh, the switch) and remove the address there",
        ),
        (_, Leader::Nobody, false) => Finding::error(
            "rival-no-leader",
            subject,
            format!("{who} answers for it, but nobody leads: another host uses it, or it was left behind"),
            "find that host by its hardware address; on a database host, vip-manager release removes it",
        ),
        (_, Leader::Another, false) => Finding::pass("rival", subject, format!("{who} answers, probably the leader")),
        (_, Leader::Unknown, false) => Finding::warning(
            "rival-unjudged",
            subject,
            format!("{who} answers; without the key it is unknown whether it should"),
            "fix the errors about the key and its endpoints above",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(answers: &[u8], leader: Leader, carried: bool) -> &'static str {
        let answers = answers.iter().map(|last| Mac([2, 0, 0, 0, 0, *last])).collect();
        let vip = "10.0.0.5".parse().unwrap();
        judge(&Facts { vip, interface: "eth0".into(), leader, carried, probe: Probe::Answers(answers) }).id
    }

    #[test]
    fn who_should_answer_depends_on_the_key() {
        assert_eq!(judged(&[], Leader::ThisHost, true), "rival");
        assert_eq!(judged(&[1], Leader::ThisHost, true), "rival");
        assert_eq!(judged(&[1], Leader::Nobody, false), "rival-no-leader");
        assert_eq!(judged(&[1], Leader::Another, false), "rival");
        assert_eq!(judged(&[], Leader::Another, false), "nobody-answers");
        assert_eq!(judged(&[1, 2], Leader::Another, false), "rival-several");
        assert_eq!(judged(&[1], Leader::Unknown, false), "rival-unjudged");
    }
}
