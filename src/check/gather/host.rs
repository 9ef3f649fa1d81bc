//! What this host says of itself: links, addresses, switches below /proc/sys, files, firmware.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::User;

use super::stack;
use crate::check::{Finding, announcements, cloud, hooks, interface, privileges, standing};
use crate::clock;
use crate::config::keys::Key;
use crate::config::{Config, Hooks as VipHooks, Password, VipConfig};
use crate::driver::Mirror;
use crate::host::prober::Answers;
use crate::host::{AddressSocket, Link};
use crate::time::Lifetime;

/// Links and addresses as they are now.
pub(super) struct Host {
    kernel: Mirror,
}

impl Host {
    pub(super) fn list() -> Result<Self, String> {
        let mut socket =
            AddressSocket::open(clock::now).map_err(|errno| format!("netlink cannot be opened: {errno}"))?;
        let mut kernel = Mirror::default();
        kernel.replace(&socket.dump().map_err(|error| error.to_string())?);
        Ok(Self { kernel })
    }

    pub(super) fn findings(&self, vip: &VipConfig) -> Vec<Finding> {
        let mut findings = interface::judge(&self.interface(vip));
        findings.extend(self.link(vip).map(|link| standing::judge(&self.standing(vip, link))).unwrap_or_default());
        findings
    }

    pub(super) fn carries(&self, vip: &VipConfig) -> bool {
        self.link(vip).is_some_and(|link| self.kernel.addresses(link.index, vip.vip.address()).next().is_some())
    }

    /// Whether a frame can leave by the VIP's interface.
    pub(super) fn can_speak(&self, vip: &VipConfig) -> bool {
        self.link(vip).is_some_and(|link| link.up && link.mac.is_some())
    }

    /// An address in whose name neighbours may be asked: this host's own, and no VIP.
    pub(super) fn own_address(&self, vip: &VipConfig, vips: &[IpAddr]) -> Option<IpAddr> {
        let index = self.link(vip)?.index;
        let here =
            self.kernel.all().filter(|address| address.index == index && !address.tentative && !address.duplicate);
        let mut own = here.filter(|address| !address.ours && !vips.contains(&address.address));
        own.find(|address| address.address.is_ipv4() == vip.vip.address().is_ipv4()).map(|address| address.address)
    }

    pub(super) fn announcements(&self, vip: &VipConfig, heard: &Answers) -> announcements::Facts {
        let interface = vip.interface.to_string();
        let below = stack::lowest(&interface);
        let names = heard.echoes.iter().filter_map(|index| Some(self.kernel.link(*index)?.name.to_string()));
        // What shares a cable with the interface hears it without any network.
        let echoes = names.filter(|name| stack::lowest(name).is_disjoint(&below)).collect();
        let (asked, answered) = (heard.asked.clone(), heard.answered.clone());
        announcements::Facts { interface, vip: vip.vip.address(), echoes, asked, answered }
    }

    fn link(&self, vip: &VipConfig) -> Option<&Link> {
        self.kernel.link_by_name(&vip.interface)
    }

    fn interface(&self, vip: &VipConfig) -> interface::Facts {
        let name = vip.interface.to_string();
        let link = self.link(vip).map(|link| interface::Link {
            switched_on: flags(&name).is_none_or(|flags| flags & UP != 0),
            up: link.up,
            has_mac: link.mac.is_some(),
            master: master(&name),
        });
        interface::Facts { name, link, others: self.kernel.links().map(|link| link.name.to_string()).collect() }
    }

    fn standing(&self, vip: &VipConfig, link: &Link) -> standing::Facts {
        let name = vip.interface.as_str();
        let here = self.kernel.all().filter(|address| address.index == link.index).map(|address| standing::Standing {
            address: address.address,
            prefix: address.prefix,
            ours: address.ours,
            permanent: address.valid == Lifetime::Forever,
            duplicate: address.duplicate,
        });
        let others =
            self.kernel.all().filter(|address| address.address == vip.vip.address() && address.index != link.index);
        standing::Facts {
            vip: vip.vip,
            interface: name.to_owned(),
            here: here.collect(),
            elsewhere: others.filter_map(|address| Some(self.kernel.link(address.index)?.name.to_string())).collect(),
            promotes: switch(&format!("ipv4/conf/{name}/promote_secondaries"))
                || switch("ipv4/conf/all/promote_secondaries"),
            ipv6_disabled: switch(&format!("ipv6/conf/{name}/disable_ipv6")),
        }
    }
}

fn flags(interface: &str) -> Option<u32> {
    let text = fs::read_to_string(Path::new(stack::INTERFACES).join(interface).join("flags")).ok()?;
    u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}

/// The bridge or bond that the interface is a port of. A VRF is a master too, and takes nothing from it.
fn master(interface: &str) -> Option<String> {
    let directory = Path::new(stack::INTERFACES).join(interface);
    let is_port = directory.join("brport").exists() || directory.join("bonding_slave").exists();
    let master = fs::read_link(directory.join("master")).ok().filter(|_| is_port)?;
    Some(master.file_name()?.to_string_lossy().into_owned())
}

/// Whether a switch below /proc/sys/net is on.
pub(super) fn switch(name: &str) -> bool {
    fs::read(Path::new("/proc/sys/net").join(name)).is_ok_and(|value| value.trim_ascii() != b"0")
}

pub(super) fn firmware() -> cloud::Firmware {
    let read = |name: &str| fs::read_to_string(Path::new("/sys/class/dmi/id").join(name)).unwrap_or_default();
    cloud::Firmware {
        sys_vendor: read("sys_vendor"),
        product_name: read("product_name"),
        bios_vendor: read("bios_vendor"),
        bios_version: read("bios_version"),
        chassis_asset_tag: read("chassis_asset_tag"),
    }
}

/// The programs that a VIP's keys name.
pub(super) fn hooks(vip: &VipConfig) -> Vec<hooks::Facts> {
    let VipHooks { acquire, release, conflict, limit: _ } = &vip.hooks;
    [(Key::OnAcquire, acquire), (Key::OnRelease, release), (Key::OnConflict, conflict)]
        .into_iter()
        .filter_map(|(key, hook)| {
            let program = hook.as_ref()?.program.clone();
            Some(hooks::Facts { key: key.name(), file: program_at(&program), program })
        })
        .collect()
}

fn program_at(path: &Path) -> hooks::File {
    match fs::metadata(path) {
        Ok(file) if file.is_file() && file.mode() & 0o111 != 0 => hooks::File::Program,
        Ok(_) => hooks::File::NotAProgram,
        Err(_) => hooks::File::Absent,
    }
}

pub(super) fn privileges(config: Option<&Config>) -> privileges::Facts {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = privileges::effective(&status).unwrap_or_default();
    let program = std::env::current_exe().map_or_else(|_| "vip-manager".into(), |path| path.display().to_string());
    privileges::Facts {
        net_admin: effective & NET_ADMIN != 0,
        net_raw: effective & NET_RAW != 0,
        program,
        unreadable: config.map(unreadable).unwrap_or_default(),
    }
}

/// The files of the configuration that the unit's user cannot read; none where there is no such user.
fn unreadable(config: &Config) -> Vec<privileges::Unreadable> {
    let Ok(Some(user)) = User::from_name(privileges::UNIT_USER) else { return Vec::new() };
    let identity = config.etcd.identity.iter();
    let password = config.etcd.login.iter().filter_map(|login| match &login.password {
        Password::File(path) => Some(("etcd-password-file", path)),
        Password::Given(_) => None,
    });
    let files = config.etcd.ca_file.iter().map(|path| ("etcd-ca-file", path));
    let files = files.chain(identity.clone().map(|identity| ("etcd-cert-file", &identity.certificate)));
    let files = files.chain(identity.map(|identity| ("etcd-key-file", &identity.key))).chain(password);
    // A bare name is a credential that systemd hands over.
    let files = files.filter(|(_, path)| path.is_absolute());
    files.filter(|(_, path)| !may_read(&user, path)).map(|(option, path)| denied(option, path)).collect()
}

fn may_read(user: &User, file: &Path) -> bool {
    let (uid, groups) = (user.uid.as_raw(), groups(user));
    let allowed = |path: &Path, bit| {
        // What is not there is told where it is read.
        path.metadata()
            .map_or(true, |facts| privileges::permits(facts.mode(), (facts.uid(), facts.gid()), uid, &groups, bit))
    };
    allowed(file, 4) && file.ancestors().skip(1).all(|directory| allowed(directory, 1))
}

fn groups(user: &User) -> Vec<u32> {
    let file = fs::read_to_string("/etc/group").unwrap_or_default();
    let joined = file.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(2);
        let gid = fields.next()?.parse().ok()?;
        fields.next()?.split(',').any(|name| name == user.name).then_some(gid)
    });
    joined.chain([user.gid.as_raw()]).collect()
}

fn denied(option: &'static str, path: &Path) -> privileges::Unreadable {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let path = path.display().to_string();
    let cure = format!(
        "systemctl edit vip-manager, and there [Service] and SupplementaryGroups= with a group that may, or \
         LoadCredential={name}:{path} and {option}: {name}"
    );
    privileges::Unreadable { option, path, cure }
}

const UP: u32 = 1;
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;
