//! The addresses that this program has added, noted in the runtime directory before each is added.
//!
//! Kernels before 5.18 keep no mark at an address, so after a restart or a crash only the note tells that it is ours.
//! There is one file per address and prefix length. Its name says where the address is, its content is the process that
//! added it. The directory is on a file system in memory, which a boot empties as it empties the kernel's list.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::driver::Owner;

/// Where an address is: interface number, address, prefix length.
type Place = (u32, IpAddr, u8);

/// The notes of one network namespace.
#[derive(Debug)]
pub struct Records {
    directory: PathBuf,
    namespace: u64,
    ours: BTreeSet<Place>,
}

impl Records {
    /// Uses the directory that systemd has made for the unit, or else the one that it would make.
    pub fn open() -> Self {
        let named = std::env::var("RUNTIME_DIRECTORY").ok();
        let runtime = named.as_deref().and_then(|all| all.split(':').next()).unwrap_or(DIRECTORY);
        let namespace = fs::metadata("/proc/thread-self/ns/net").map_or(0, |file| file.ino());
        Self { directory: PathBuf::from(runtime).join("addresses"), namespace, ours: BTreeSet::new() }
    }

    /// Notes that the address is about to be added. Where no note can be made, only the mark tells that it is ours.
    pub fn add(&mut self, place: Place) {
        if self.ours.insert(place)
            && let Err(error) = self.write(place)
        {
            tracing::debug!("{}: {error}", self.directory.display());
        }
    }

    fn write(&self, place: Place) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        fs::write(self.file(place), std::process::id().to_string())
    }

    /// Notes that the address is gone.
    pub fn remove(&mut self, place: Place) {
        if self.owner(place) == Owner::Us {
            // If it stays, it tells of an address that is not there.
            drop(fs::remove_file(self.file(place)));
        }
        self.ours.remove(&place);
    }

    /// Who has added the address.
    pub fn owner(&self, place: Place) -> Owner {
        let noted = fs::read_to_string(self.file(place)).ok();
        match noted.map(|text| text.trim().parse::<i32>().ok()) {
            None if self.ours.contains(&place) => Owner::Us,
            None => Owner::Nobody,
            Some(Some(process)) if is_another(process) => Owner::Another,
            Some(_) => Owner::Us,
        }
    }

    fn file(&self, (index, address, prefix): Place) -> PathBuf {
        self.directory.join(format!("{}@{index}@{address}@{prefix}", self.namespace))
    }
}

/// Whether another daemon of this name has this number. One that has ended has left its addresses to the next.
fn is_another(process: i32) -> bool {
    if u32::try_from(process) == Ok(std::process::id()) {
        return false;
    }
    fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim_end() == "vip-manager")
}

const DIRECTORY: &str = "/run/vip-manager";
