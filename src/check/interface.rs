//! The interface for the VIP.

use super::{Finding, names};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub name: String,
    /// Nothing if it does not exist.
    pub link: Option<Link>,
    /// Every interface of this host.
    pub others: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Administratively up.
    pub enabled: bool,
    /// Frames pass.
    pub up: bool,
    /// Loopbacks and tunnels have none.
    pub has_mac: bool,
    /// The bridge or bond that it is a port of.
    pub master: Option<String>,
}

pub fn judge(facts: &Facts) -> Vec<Finding> {
    let subject = format!("interface {}", facts.name);
    let Some(link) = &facts.link else {
        let others: Vec<&str> = facts.others.iter().map(String::as_str).filter(|name| *name != "lo").collect();
        let near = names::meant(&facts.name, &others).map(|meant| meant.name);
        let cure = match near.or_else(|| only(&others)) {
            Some(name) => format!("set interface: {name}, or create {}; the daemon waits for it", facts.name),
            None => "set interface to one of these, or create it; the daemon waits for it".to_owned(),
        };
        let text = format!("does not exist; this host has {}", names::listed(&others));
        return vec![Finding::error("interface-missing", subject, text, cure)];
    };
    if let Some(master) = &link.master {
        return vec![Finding::error(
            "interface-port",
            subject,
            format!("is a port of {master}: the kernel does not answer for an address on it"),
            format!("set interface: {master}"),
        )];
    }
    let name = &facts.name;
    if !link.enabled {
        let cure = format!("ip link set {name} up, also at boot");
        return vec![Finding::error("interface-down", subject, "is down", cure)];
    }
    if !link.up {
        let text = "is up but has no carrier: no frame passes";
        return vec![Finding::error(
            "interface-no-carrier",
            subject,
            text,
            "check the cable, the switch port, or the peer",
        )];
    }
    if !link.has_mac {
        return vec![Finding::warning(
            "interface-no-mac",
            subject,
            "is up but has no hardware address: the VIP can be added but not announced",
            "fine if clients are routed here (BGP, tunnels); otherwise set interface to the one that clients are on",
        )];
    }
    vec![Finding::pass("interface", subject, "is up")]
}

fn only(names: &[&str]) -> Option<String> {
    match names {
        [name] => Some((*name).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link { enabled: true, up: true, has_mac: true, master: None }
    }

    fn judged(link: Option<Link>) -> Finding {
        let others = ["lo", "eth0", "eth1"].map(str::to_owned).to_vec();
        judge(&Facts { name: "eht0".into(), link, others }).remove(0)
    }

    #[test]
    fn a_missing_interface_leads_to_the_nearest_name() {
        let finding = judged(None);
        assert_eq!(finding.text, "does not exist; this host has eth0 and eth1");
        assert!(finding.cure.unwrap().starts_with("set interface: eth0,"));
    }

    #[test]
    fn each_fault_has_its_own_finding() {
        assert_eq!(judged(Some(link())).id, "interface");
        assert_eq!(judged(Some(Link { enabled: false, up: false, ..link() })).id, "interface-down");
        assert_eq!(judged(Some(Link { up: false, ..link() })).id, "interface-no-carrier");
        assert_eq!(judged(Some(Link { has_mac: false, ..link() })).id, "interface-no-mac");
        let port = judged(Some(Link { master: Some("br0".into()), ..link() }));
        assert_eq!((port.id, port.cure.as_deref()), ("interface-port", Some("set interface: br0")));
    }
}
