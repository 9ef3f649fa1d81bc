//! The interfaces of this host: links, addresses, switches below /proc/sys/net, and what each segment answers.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use crate::check::{Finding, address, announcements, interface};
use crate::config::{Config, VipConfig};
use crate::driver::{Circumstances, Mirror, Owner, own_address};
use crate::host::prober::{self, Answers, ProbeError, Question};
use crate::host::{Address, AddressSocket, Link, Records};
use crate::time::{Clock, Lifetime};

/// Links and addresses as they are now.
pub(super) struct Host {
    kernel: Mirror,
    records: Records,
}

impl Host {
    pub(super) fn list(clock: Clock) -> Result<Self, String> {
        let mut socket = AddressSocket::open(clock.now).map_err(|errno| format!("cannot open netlink: {errno}"))?;
        let mut kernel = Mirror::default();
        kernel.replace(&socket.dump().map_err(|error| error.to_string())?);
        Ok(Self { kernel, records: Records::open() })
    }

    pub(super) fn findings(&self, vip: &VipConfig, known: &Circumstances, clock: Clock) -> Vec<Finding> {
        let mut findings = interface::judge(&self.interface(vip));
        let recorded = |it: &Address| self.records.owner((it.index, it.address, it.prefix)) != Owner::Nobody;
        let own = own_address(&self.kernel, vip, known, recorded, (clock.now)()).map(|own| own.why);
        let facts = self.link(vip).map(|link| address::Facts { own, ..self.address(vip, link) });
        findings.extend(facts.iter().flat_map(address::judge));
        findings
    }

    pub(super) fn has_vip(&self, vip: &VipConfig) -> bool {
        self.link(vip).is_some_and(|link| self.kernel.addresses(link.index, vip.vip.address()).next().is_some())
    }

    /// Whether a frame can leave by the VIP's interface.
    pub(super) fn can_send(&self, vip: &VipConfig) -> bool {
        self.link(vip).is_some_and(|link| link.up && link.mac.is_some())
    }

    /// The sender of questions to neighbours: an address of this host that is not a VIP.
    pub(super) fn own_address(&self, vip: &VipConfig, vips: &[IpAddr]) -> Option<IpAddr> {
        let index = self.link(vip)?.index;
        let here =
            self.kernel.all().filter(|address| address.index == index && !address.tentative && !address.duplicate);
        let mut own = here.filter(|address| !address.ours && !vips.contains(&address.address));
        own.find(|address| address.address.is_ipv4() == vip.vip.address().is_ipv4()).map(|address| address.address)
    }

    pub(super) fn announcements(&self, vip: &VipConfig, heard: &Answers) -> announcements::Facts {
        let interface = vip.interface.to_string();
        let below = lowest(&interface);
        let names = heard.echoes.iter().filter_map(|index| Some(self.kernel.link(*index)?.name.to_string()));
        // An interface on the same cable hears it without any network.
        let echoes = names.filter(|name| lowest(name).is_disjoint(&below)).collect();
        let (asked, answered) = (heard.asked.clone(), heard.answered.clone());
        announcements::Facts { interface, vip: vip.vip.address(), echoes, asked, answered }
    }

    fn link(&self, vip: &VipConfig) -> Option<&Link> {
        self.kernel.link_by_name(&vip.interface)
    }

    fn interface(&self, vip: &VipConfig) -> interface::Facts {
        let name = vip.interface.to_string();
        let link = self.link(vip).map(|link| interface::Link {
            enabled: flags(&name).is_none_or(|flags| flags & UP != 0),
            up: link.up,
            has_mac: link.mac.is_some(),
            master: master(&name),
        });
        interface::Facts { name, link, others: self.kernel.links().map(|link| link.name.to_string()).collect() }
    }

    fn address(&self, vip: &VipConfig, link: &Link) -> address::Facts {
        let name = vip.interface.as_str();
        let here = self.kernel.all().filter(|address| address.index == link.index).map(|address| address::Present {
            address: address.address,
            prefix: address.prefix,
            ours: address.ours,
            permanent: address.valid == Lifetime::Forever,
            duplicate: address.unused(),
        });
        let others =
            self.kernel.all().filter(|address| address.address == vip.vip.address() && address.index != link.index);
        address::Facts {
            vip: vip.vip,
            interface: name.to_owned(),
            here: here.collect(),
            elsewhere: others.filter_map(|address| Some(self.kernel.link(address.index)?.name.to_string())).collect(),
            promotes: switch(&format!("ipv4/conf/{name}/promote_secondaries"))
                || switch("ipv4/conf/all/promote_secondaries"),
            own: None,
            ipv6_disabled: switch(&format!("ipv6/conf/{name}/disable_ipv6")),
        }
    }
}

fn flags(interface: &str) -> Option<u32> {
    let text = fs::read_to_string(Path::new(INTERFACES).join(interface).join("flags")).ok()?;
    u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}

/// The bridge or bond that the interface is a port of. A VRF is a master too, but takes no frames from it.
fn master(interface: &str) -> Option<String> {
    let directory = Path::new(INTERFACES).join(interface);
    let is_port = directory.join("brport").exists() || directory.join("bonding_slave").exists();
    let master = fs::read_link(directory.join("master")).ok().filter(|_| is_port)?;
    Some(master.file_name()?.to_string_lossy().into_owned())
}

/// Whether a switch below /proc/sys/net is on.
pub(super) fn switch(name: &str) -> bool {
    fs::read(Path::new("/proc/sys/net").join(name)).is_ok_and(|value| value.trim_ascii() != b"0")
}

/// The interface and everything below it: the ports of a bridge or bond, the parent of a VLAN or macvlan, the other end
/// of a veth pair on this host.
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

/// The other end of a veth pair, if it is on this host.
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
/// Probes the segment of each VIP, in their order, each on its own thread. Probes only the first few: threads are
/// bounded.
pub(super) async fn probe_all(config: &Config, host: &Host, clock: Clock) -> Vec<Result<Answers, String>> {
    let vips: Vec<_> = config.vips.iter().map(|vip| vip.vip.address()).collect();
    let questions = config.vips.iter().take(MAX_PROBES).map(|vip| Question {
        interface: vip.interface.clone(),
        vip: vip.vip.address(),
        own: host.own_address(vip, &vips),
    });
    let tasks: Vec<_> = questions
        .map(|question| tokio::task::spawn_blocking(move || prober::probe(&question, PATIENCE, clock.now)))
        .collect();
    let mut probes = Vec::new();
    for task in tasks {
        let heard = task.await.map_err(|error| error.to_string());
        probes.push(heard.and_then(|heard| heard.map_err(|error: ProbeError| error.to_string())));
    }
    probes
}

/// Where the kernel lists the interfaces.
const INTERFACES: &str = "/sys/class/net";
const UP: u32 = 1;
const PATIENCE: Duration = Duration::from_millis(900);
pub(super) const MAX_PROBES: usize = 64;
