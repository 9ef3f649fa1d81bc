//! The requirements of the lab. All that is missing is reported at once, with the remedy.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Once;

use nix::sched::{CloneFlags, unshare};

/// Each tool with the Debian package that contains it.
const TOOLS: [(&str, &str); 10] = [
    ("arping", "iputils-arping"),
    ("etcd", "etcd-server"),
    ("etcdctl", "etcd-client"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("openssl", "openssl"),
    ("ping", "iputils-ping"),
    ("perl", "perl-base"),
    ("sysctl", "procps"),
    ("timeout", "coreutils"),
];

/// Panics if something is missing.
pub(crate) fn check() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let lacks = missing();
        assert!(lacks.is_empty(), "the lab cannot run here:\n{}", lacks.join("\n"));
    });
}

fn missing() -> Vec<String> {
    let mut lacks: Vec<String> = TOOLS
        .iter()
        .filter(|(tool, _)| !installed(tool))
        .map(|(tool, package)| format!("  {tool} is not installed; run `apt-get install {package}`"))
        .collect();
    if let Err(error) = may_make_namespaces() {
        lacks.push(format!(
            "  cannot create a network namespace ({error}); run as root (`make test` uses sudo), \
             in a container with --privileged"
        ));
    }
    lacks
}

fn installed(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| executable(&directory.join(tool)))
}

fn executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Tries it on a short-lived thread, which is more reliable than looking at capabilities.
fn may_make_namespaces() -> Result<(), nix::Error> {
    std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET)).join().unwrap_or(Err(nix::Error::EPERM))
}
