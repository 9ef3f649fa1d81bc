//! This machine: firmware, the programs of hooks, privileges, and who listens on which port.
//!
//! Who owns a socket is known from the owner's descriptors, which only root and the owner may read. Only processes with
//! the name of a server or a pooler are examined.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::User;

use super::interfaces::switch;
use crate::check::postgres::{self, PROGRAMS, Process, Server, listeners};
use crate::check::{cloud, hooks, privileges, unit};
use crate::config::keys::Key;
use crate::config::{Config, Hooks as VipHooks, Password, StoreConfig, VipConfig};

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

/// Patroni's own files that this process can read, where packages and deployment tools put them.
pub(super) fn patroni_files() -> Vec<(String, String)> {
    let folder = fs::read_dir("/etc/patroni").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<_> =
        folder.filter(|path| path.extension().is_some_and(|ext| ext == "yml" || ext == "yaml")).collect();
    paths.sort();
    paths.extend(PATRONI_FILES.iter().map(PathBuf::from));
    paths.into_iter().filter_map(|path| Some((path.display().to_string(), fs::read_to_string(path).ok()?))).collect()
}

const PATRONI_FILES: [&str; 3] = ["/etc/patroni.yml", "/pg/bin/patroni.yml", "/opt/app/patroni/etc/postgresql.yml"];

/// What the administrator, or a tool, has put over the package's units.
pub(super) fn units() -> Vec<unit::Facts> {
    UNIT_NAMES.iter().flat_map(|name| unit_files(&Path::new(UNITS).join(name))).collect()
}

fn unit_files(unit: &Path) -> Vec<unit::Facts> {
    let read = |path: &Path, drop_in| {
        let text = fs::read_to_string(path).ok()?;
        Some(unit::Facts { path: path.display().to_string(), text, drop_in })
    };
    // A symlink is how a unit is masked or gets another name.
    let whole = fs::symlink_metadata(unit).is_ok_and(|file| file.is_file()).then(|| read(unit, false)).flatten();
    let folder = fs::read_dir(format!("{}.d", unit.display())).into_iter().flatten().flatten();
    let mut drop_ins: Vec<_> = folder.map(|entry| entry.path()).filter(|path| is_drop_in(path)).collect();
    drop_ins.sort();
    whole.into_iter().chain(drop_ins.iter().filter_map(|path| read(path, true))).collect()
}

fn is_drop_in(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "conf")
}

/// Where it counts more than the package's.
const UNITS: &str = "/etc/systemd/system";
const UNIT_NAMES: [&str; 2] = ["vip-manager.service", "vip-manager@.service"];

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

/// The files of the configuration that the unit's user cannot read; none if there is no such user.
fn unreadable(config: &Config) -> Vec<privileges::Unreadable> {
    let Ok(Some(user)) = User::from_name(privileges::UNIT_USER) else { return Vec::new() };
    let mut denied: Vec<privileges::Unreadable> = Vec::new();
    let patroni = config.patroni_files.iter().filter(|path| !path.starts_with(CREDENTIALS));
    let patroni = patroni.filter(|path| !may_read(&user, path));
    denied.extend(patroni.map(|path| self::denied(Key::PatroniConfig.name(), path)));
    for source in &config.sources {
        let found = unreadable_of(source.store(), &user);
        denied.extend(found.into_iter().filter(|one| !denied.contains(one)).collect::<Vec<_>>());
    }
    denied
}

/// Where systemd keeps the copies that it makes for units.
const CREDENTIALS: &str = "/run/credentials";

fn unreadable_of(store: &StoreConfig, user: &User) -> Vec<privileges::Unreadable> {
    let names = store.names;
    let identity = store.identity.iter();
    let secrets = store.login.iter().map(|login| (names.password_file, &login.password));
    let secrets = secrets.chain(store.token.iter().map(|token| (names.token_file, token)));
    let secrets = secrets.filter_map(|(option, secret)| match secret {
        Password::File(path) => Some((option, path)),
        Password::Given(_) => None,
    });
    let files = store.ca_file.iter().map(|path| (names.ca_file, path));
    let files = files.chain(identity.clone().map(|identity| (names.cert_file, &identity.certificate)));
    let files = files.chain(identity.map(|identity| (names.key_file, &identity.key))).chain(secrets);
    // A bare name is a credential from systemd.
    let files = files.filter(|(_, path)| path.is_absolute());
    files.filter(|(_, path)| !may_read(user, path)).map(|(option, path)| denied(option, path)).collect()
}

fn may_read(user: &User, file: &Path) -> bool {
    let (uid, groups) = (user.uid.as_raw(), groups(user));
    let allowed = |path: &Path, bit| {
        // A missing file is reported where it is read.
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
        "run systemctl edit vip-manager and add to [Service] SupplementaryGroups= with a group that may read it, or \
         LoadCredential={name}:{path} with {option}: {name}"
    );
    privileges::Unreadable { option, path, cure }
}

/// The servers of this host, found once for all VIPs.
pub(super) struct Servers {
    servers: Vec<Server>,
}

impl Servers {
    pub(super) fn look() -> Self {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].iter().filter_map(|table| fs::read_to_string(table).ok());
        let listening: Vec<_> = tables.flat_map(|table| listeners(&table)).collect();
        Self { servers: postgres::servers(&listening, &owners()) }
    }

    pub(super) fn facts(&self, vip: &VipConfig) -> postgres::Facts {
        let vip = vip.vip.address();
        let family = if vip.is_ipv4() { "ipv4" } else { "ipv6" };
        let nonlocal_bind = switch(&format!("{family}/ip_nonlocal_bind"));
        postgres::Facts { vip, servers: self.servers.clone(), nonlocal_bind }
    }
}

/// Servers and poolers by the inodes of their sockets.
fn owners() -> BTreeMap<u64, Process> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| sockets(&entry.path())).flatten().collect()
}

fn sockets(process: &Path) -> Option<Vec<(u64, Process)>> {
    let name = fs::read_to_string(process.join("comm")).ok()?.trim_end().to_owned();
    if !PROGRAMS.contains(&name.as_str()) {
        return None;
    }
    let line = fs::read(process.join("cmdline")).unwrap_or_default();
    let arguments = line.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let owner = Process { name, arguments };
    let descriptors = fs::read_dir(process.join("fd")).ok()?.flatten();
    let inode = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Some(descriptors.filter_map(inode).map(|inode| (inode, owner.clone())).collect())
}

const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;
