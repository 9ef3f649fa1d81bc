//! Which interfaces of this host stand on which.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where the kernel tells of them.
pub(super) const INTERFACES: &str = "/sys/class/net";

/// The interface and all that it stands on: the ports of a bridge or bond, what a VLAN or macvlan is made of, the other end of a
/// pair that is here as well.
pub(super) fn lowest(interface: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![interface.to_owned()];
    while let Some(name) = open.pop() {
        let below = entries(&Path::new(INTERFACES).join(&name));
        let below: Vec<String> =
            below.iter().filter_map(|entry| entry.strip_prefix("lower_").map(str::to_owned)).collect();
        let peer = peer(&name);
        if found.insert(name) {
            open.extend(below.into_iter().chain(peer));
        }
    }
    found
}

/// The other end of a pair of interfaces, where it is on this host.
fn peer(interface: &str) -> Option<String> {
    let number = |name: &str, file| fs::read_to_string(Path::new(INTERFACES).join(name).join(file)).ok();
    let ends = |name: &str| Some((number(name, "ifindex")?, number(name, "iflink")?));
    let (index, link) = ends(interface).filter(|(index, link)| index != link)?;
    entries(Path::new(INTERFACES)).into_iter().find(|other| ends(other) == Some((link.clone(), index.clone())))
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
