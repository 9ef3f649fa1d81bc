//! Whether the network carries what a host sends to everybody, and so its announcements.
//!
//! It is told without the VIP, by what is sent anyway to ask after it. That the one client that matters hears it, and believes it,
//! only that client can tell.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Finding;
use super::names::listed;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub interface: String,
    pub vip: IpAddr,
    /// Other interfaces of this host, with nothing in common with this one, that a question to everybody came in by.
    pub echoes: Vec<String>,
    /// Neighbours that such a question was sent to, and those of them that answered.
    pub asked: BTreeSet<IpAddr>,
    pub answered: BTreeSet<IpAddr>,
}

pub fn judge(facts: &Facts) -> Finding {
    let Facts { interface, vip, echoes, asked, answered } = facts;
    let subject = format!("announcements on {interface}");
    let cast = if vip.is_ipv4() { "broadcast" } else { "multicast" };
    let neighbours = match asked.len() {
        1 => "the one neighbour that is known".to_owned(),
        several => format!("{} of the {several} neighbours that are known", answered.len()),
    };
    if !echoes.is_empty() {
        let text = format!("a {cast} from here came in by {}: the network carries it", listed(echoes));
        return Finding::pass(HEARD, subject, text);
    }
    if !answered.is_empty() {
        return Finding::pass(
            HEARD,
            subject,
            format!("{neighbours} answered a {cast} from here: the network carries it"),
        );
    }
    if let Some(one) = asked.first() {
        let who = if asked.len() == 1 {
            neighbours
        } else {
            format!("none of the {} neighbours that are known", asked.len())
        };
        let not = if asked.len() == 1 { " did not answer" } else { " answered" };
        return Finding::warning(
            "announcements-unheard",
            subject,
            format!("{who}{not} a {cast} from here: announcements may not get through either"),
            format!(
                "is {one} still there? then look at port security, private VLANs and suppression of {cast}s on the way"
            ),
        );
    }
    Finding::warning(
        "announcements-unknown",
        subject,
        "whether they are heard cannot be told: no neighbour is known there, and no other interface of this host hears it",
        format!(
            "ping a client from this interface and check again; after a change, a client tells: ip neigh show to {vip}"
        ),
    )
}

const HEARD: &str = "announcements";

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(echoes: &[&str], asked: &[&str], answered: &[&str]) -> Finding {
        let addresses = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
        judge(&Facts {
            interface: "eth0".into(),
            vip: "10.0.0.5".parse().unwrap(),
            echoes: echoes.iter().map(ToString::to_string).collect(),
            asked: addresses(asked),
            answered: addresses(answered),
        })
    }

    #[test]
    fn an_echo_or_an_answer_shows_that_the_network_carries_it() {
        let text = |finding: Finding| (finding.id, finding.text);
        let echo = "a broadcast from here came in by eth1: the network carries it";
        assert_eq!(text(judged(&["eth1"], &["10.0.0.1"], &[])), ("announcements", echo.into()));
        let answer = "1 of the 2 neighbours that are known answered a broadcast from here: the network carries it";
        assert_eq!(text(judged(&[], &["10.0.0.1", "10.0.0.2"], &["10.0.0.2"])), ("announcements", answer.into()));
    }

    #[test]
    fn silence_is_told_from_nobody_to_ask() {
        let silent = judged(&[], &["10.0.0.1"], &[]);
        assert_eq!(silent.id, "announcements-unheard");
        assert!(silent.text.starts_with("the one neighbour that is known did not answer"), "{}", silent.text);
        assert!(judged(&[], &["10.0.0.1", "10.0.0.2"], &[]).text.starts_with("none of the 2 neighbours"));
        assert_eq!(judged(&[], &[], &[]).id, "announcements-unknown");
    }
}
