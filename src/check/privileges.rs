//! What the daemon may do: capabilities, and files that its user must read.

use super::Finding;

/// The user of the packaged unit.
pub const UNIT_USER: &str = "vip-manager";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub net_admin: bool,
    pub net_raw: bool,
    /// Where this program is.
    pub program: String,
    /// Files of the configuration that the unit's user cannot read.
    pub unreadable: Vec<Unreadable>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    pub option: &'static str,
    pub path: String,
    pub cure: String,
}

pub fn judge(facts: &Facts) -> Vec<Finding> {
    let missing: Vec<&str> = [("CAP_NET_ADMIN", facts.net_admin), ("CAP_NET_RAW", facts.net_raw)]
        .iter()
        .filter(|(_, has)| !has)
        .map(|(name, _)| *name)
        .collect();
    let capabilities = if missing.is_empty() {
        Finding::pass("privileges", "privileges", "has CAP_NET_ADMIN and CAP_NET_RAW")
    } else {
        Finding::error(
            "privileges",
            "privileges",
            format!("this user lacks {}: it cannot change or announce addresses", missing.join(" and ")),
            format!(
                "run as root or from the unit (AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW), or grant it: setcap \
                 cap_net_admin,cap_net_raw+ep {}",
                facts.program
            ),
        )
    };
    let files = facts.unreadable.iter().map(|file| {
        Finding::error(
            "file-unreadable",
            file.option,
            format!("{} is not readable for user {UNIT_USER}, as which the unit runs", file.path),
            file.cure.clone(),
        )
    });
    std::iter::once(capabilities).chain(files).collect()
}

/// Whether a file's mode grants a user this bit: 4 to read, 1 to traverse a directory.
pub fn permits(mode: u32, owner: (u32, u32), uid: u32, groups: &[u32], bit: u32) -> bool {
    let shift = if owner.0 == uid {
        6
    } else if groups.contains(&owner.1) {
        3
    } else {
        0
    };
    mode >> shift & bit == bit
}

/// The effective capabilities in `/proc/self/status`.
pub fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_capabilities_are_named_with_what_grants_them() {
        let facts =
            Facts { net_admin: true, net_raw: false, program: "/usr/bin/vip-manager".into(), unreadable: vec![] };
        let findings = judge(&facts);
        assert!(findings[0].text.contains("lacks CAP_NET_RAW:"), "{findings:?}");
        assert!(
            findings[0].cure.as_ref().unwrap().ends_with("setcap cap_net_admin,cap_net_raw+ep /usr/bin/vip-manager")
        );
    }

    #[test]
    fn the_first_matching_class_decides_who_may_read() {
        assert!(permits(0o640, (0, 7), 5, &[7], 4));
        assert!(!permits(0o640, (0, 7), 5, &[8], 4));
        assert!(!permits(0o044, (5, 7), 5, &[7], 4));
        assert!(permits(0o755, (0, 0), 5, &[], 1));
    }

    #[test]
    fn capabilities_are_read_from_the_status() {
        assert_eq!(effective("Name:\tx\nCapEff:\t0000000000003000\n"), Some(0x3000));
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
