//! Whether the network carries broadcasts and multicasts, and therefore announcements.
//!
//! The evidence is what happens to the probes that ask who has the VIP. Whether a certain client hears and believes an
//! announcement, only that client knows.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Finding;
use super::names::listed;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub interface: String,
    pub vip: IpAddr,
    /// Other interfaces of this host, on other cables, on which a probe arrived.
    pub echoes: Vec<String>,
    /// Neighbours that were asked by broadcast or multicast, and those that answered.
    pub asked: BTreeSet<IpAddr>,
    pub answered: BTreeSet<IpAddr>,
}

pub fn judge(facts: &Facts) -> Finding {
    let Facts { interface, vip, echoes, asked, answered } = facts;
    let subject = format!("announcements on {interface}");
    let cast = if vip.is_ipv4() { "broadcast" } else { "multicast" };
    let neighbours = match asked.len() {
        1 => "the only known neighbour".to_owned(),
        several => format!("{} of {several} known neighbours", answered.len()),
    };
    if !echoes.is_empty() {
        let text = format!("a {cast} from here arrived on {}: the network carries it", listed(echoes));
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
        let who = if asked.len() == 1 { neighbours } else { format!("none of {} known neighbours", asked.len()) };
        let not = if asked.len() == 1 { " did not answer" } else { " answered" };
        return Finding::warning(
            "announcements-unheard",
            subject,
            format!("{who}{not} a {cast} from here: announcements may not get through either"),
            format!("is {one} still up? then check port security, private VLANs and {cast} suppression on the path"),
        );
    }
    Finding::warning(
        "announcements-unknown",
        subject,
        "cannot tell whether they are heard: no neighbour is known there, and no other interface of this host hears them",
        format!(
            "ping a client from this interface and check again; after a switchover, run on a client: ip neigh show to {vip}"
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
    fn an_echo_or_an_answer_proves_that_the_network_carries_it() {
        let text = |finding: Finding| (finding.id, finding.text);
        let echo = "a broadcast from here arrived on eth1: the network carries it";
        assert_eq!(text(judged(&["eth1"], &["10.0.0.1"], &[])), ("announcements", echo.into()));
        let answer = "1 of 2 known neighbours answered a broadcast from here: the network carries it";
        assert_eq!(text(judged(&[], &["10.0.0.1", "10.0.0.2"], &["10.0.0.2"])), ("announcements", answer.into()));
    }

    #[test]
    fn silence_differs_from_having_nobody_to_ask() {
        let silent = judged(&[], &["10.0.0.1"], &[]);
        assert_eq!(silent.id, "announcements-unheard");
        assert!(silent.text.starts_with("the only known neighbour did not answer"), "{}", silent.text);
        assert!(judged(&[], &["10.0.0.1", "10.0.0.2"], &[]).text.starts_with("none of 2 known neighbours"));
        assert_eq!(judged(&[], &[], &[]).id, "announcements-unknown");
    }
}
