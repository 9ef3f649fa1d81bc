//! Files that hold secrets: where they are, and how to make them readable.
//!
//! The daemon runs as its own user, so a key that only root may read is the usual first mistake. systemd can pass a
//! copy to the unit (`LoadCredential=`), in a directory whose name depends on the unit. A bare file name is looked up
//! there first, so that one configuration serves every unit.

use std::env;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group};

/// The path of a file: among the unit's credentials if it is a bare name that they contain, else as given.
pub(crate) fn located(path: &Path) -> PathBuf {
    among(env::var_os("CREDENTIALS_DIRECTORY").as_deref().map(Path::new), path)
}

fn among(credentials: Option<&Path>, path: &Path) -> PathBuf {
    let is_name = path.file_name() == Some(path.as_os_str());
    let copy = credentials.filter(|_| is_name).map(|directory| directory.join(path));
    copy.filter(|copy| copy.exists()).unwrap_or_else(|| path.to_owned())
}

/// How to let the daemon read a file that it may not read, in brackets; empty for every other error.
pub(crate) fn cure(option: &str, path: &Path, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return String::new();
    }
    drop_in(option, path, readers(path).as_deref())
}

fn drop_in(option: &str, path: &Path, readers: Option<&str>) -> String {
    match (readers, path.file_name().and_then(|name| name.to_str())) {
        (Some(group), _) => format!(
            " (only group {group} may; run \"systemctl edit vip-manager\" and add SupplementaryGroups={group} to \
             [Service])"
        ),
        (None, Some(name)) => format!(
            " (run \"systemctl edit vip-manager\", add LoadCredential={name}:{} to [Service], and set {option}: \
             {name})",
            path.display()
        ),
        (None, None) => " (make it readable for the user that runs vip-manager)".to_owned(),
    }
}

/// The group that may read it, if it has a name and is not root's.
fn readers(path: &Path) -> Option<String> {
    let metadata = path.metadata().ok()?;
    let joinable = metadata.mode() & GROUP_READS != 0 && metadata.gid() != 0;
    let group = Group::from_gid(Gid::from_raw(metadata.gid())).ok().flatten();
    group.filter(|_| joinable).map(|group| group.name)
}

const GROUP_READS: u32 = 0o040;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_bare_name_is_a_credential_if_the_unit_has_it() {
        let directory = env::temp_dir().join(format!("vip-manager-credentials-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("etcd.key"), "").unwrap();
        let found = |name: &str| among(Some(&directory), Path::new(name));
        assert_eq!(found("etcd.key"), directory.join("etcd.key"));
        for other in ["other.key", "/etc/etcd.key", "./etcd.key", "tls/etcd.key", "/"] {
            assert_eq!(found(other), Path::new(other));
        }
        assert_eq!(among(None, Path::new("etcd.key")), Path::new("etcd.key"));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn an_unreadable_key_names_the_drop_in_that_helps() {
        let key = Path::new("/etc/etcd/client.key");
        assert_eq!(
            drop_in("etcd-key-file", key, Some("ssl-cert")),
            " (only group ssl-cert may; run \"systemctl edit vip-manager\" and add SupplementaryGroups=ssl-cert to \
             [Service])"
        );
        assert_eq!(
            drop_in("etcd-key-file", key, None),
            " (run \"systemctl edit vip-manager\", add LoadCredential=client.key:/etc/etcd/client.key to [Service], and \
             set etcd-key-file: client.key)"
        );
        let missing = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(cure("etcd-key-file", key, &missing), "");
    }
}
