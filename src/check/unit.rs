//! The unit that systemd really uses: one in /etc/systemd/system replaces the package's, and may turn off what it brings.
//!
//! Deployment tools have written such units for years, for a program without any of it: `Type=simple`, as root, and an
//! `ExecStopPost` that deletes the address.

use super::Finding;

/// A file over the package's unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub path: String,
    pub text: String,
    /// It adds to the package's unit instead of replacing it.
    pub drop_in: bool,
}

/// Nothing where a drop-in turns nothing off: that is how units are meant to be changed.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let service = Service::of(&facts.text);
    let subject = format!("unit {}", facts.path);
    let mut findings = Vec::new();
    if let Some(command) = service.deletes_address() {
        findings.push(Finding::warning(
            "unit-deletes-vip",
            &subject,
            format!("deletes the address at every stop ({command}): a restart or an upgrade cuts every client off"),
            "remove that line: the daemon releases the address itself, and keeps it through a restart",
        ));
    }
    let lost = service.turns_off(facts.drop_in);
    let how = if facts.drop_in { "changes" } else { "replaces" };
    if !lost.is_empty() {
        let text = format!("{how} the package's unit, and turns off: {}", lost.join("; "));
        let cure = if facts.drop_in {
            "remove these lines (systemctl edit vip-manager), then systemctl daemon-reload"
        } else {
            "move what you need of it to a drop-in (systemctl edit vip-manager), delete the file, then systemctl \
             daemon-reload"
        };
        findings.push(Finding::warning("unit-overridden", subject, text, cure));
    }
    findings
}

/// The settings of `[Service]`, in their order.
struct Service {
    settings: Vec<(String, String)>,
}

impl Service {
    fn of(text: &str) -> Self {
        let (mut settings, mut inside) = (Vec::new(), false);
        for line in text.replace("\\\n", " ").lines().map(str::trim) {
            if line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with('[') {
                inside = line == "[Service]";
            } else if let Some((name, value)) = line.split_once('=').filter(|_| inside) {
                settings.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        Self { settings }
    }

    /// The last value of a setting.
    fn last(&self, name: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The command after a stop that removes an address by itself.
    fn deletes_address(&self) -> Option<&str> {
        let commands = self.settings.iter().filter(|(name, _)| matches!(name.as_str(), "ExecStopPost" | "ExecStop"));
        let deletes = |command: &str| {
            // A shell's quotes do not matter here.
            let words: Vec<&str> = command.split([' ', '\t', '\'', '"', ';']).collect();
            let prefixes = ['-', '+', '!', '@', ':'];
            let program = words.iter().any(|word| {
                let name = word.trim_start_matches(prefixes);
                name == "ip" || name.ends_with("/ip")
            });
            program && words.iter().any(|word| matches!(*word, "del" | "delete" | "d" | "flush"))
        };
        commands.map(|(_, command)| command.as_str()).find(|command| deletes(command))
    }

    /// What the package's unit has and this one has not. A drop-in loses only what it sets otherwise.
    fn turns_off(&self, drop_in: bool) -> Vec<&'static str> {
        let changed = |name: &str, keeps: fn(&str) -> bool| match self.last(name) {
            Some(value) => !keeps(value),
            None => !drop_in,
        };
        let releases = |value: &str| value.contains("vip-manager release");
        let rows = [
            (changed("User", |user| !matches!(user, "" | "root" | "0")), "its own user (it runs as root)"),
            (changed("Type", |kind| matches!(kind, "notify" | "notify-reload")), "readiness and status (Type=notify)"),
            (changed("WatchdogSec", |limit| !matches!(limit, "" | "0" | "infinity")), "the watchdog (WatchdogSec=)"),
            (self.loses_release(drop_in, releases), "the release after a crash (ExecStopPost=)"),
            (changed("Restart", |when| matches!(when, "always" | "on-failure")), "restarts (Restart=)"),
            (changed("RuntimeDirectory", |name| !name.is_empty()), "the status socket (RuntimeDirectory=)"),
            (
                changed("CapabilityBoundingSet", |set| !set.is_empty()),
                "the limit of privileges (CapabilityBoundingSet=)",
            ),
            (
                changed("ProtectSystem", |mode| matches!(mode, "strict" | "full")),
                "the sandbox (ProtectSystem= and others)",
            ),
        ];
        rows.into_iter().filter(|(lost, _)| *lost).map(|(_, what)| what).collect()
    }

    /// The command is one of several, and an empty one removes those before it.
    fn loses_release(&self, drop_in: bool, releases: fn(&str) -> bool) -> bool {
        let mut present = drop_in;
        for (_, command) in self.settings.iter().filter(|(name, _)| name == "ExecStopPost") {
            present = if command.is_empty() { false } else { present || releases(command) };
        }
        !present
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = include_str!("../../systemd/vip-manager.service");
    /// As deployment tools write it.
    const SIMPLE: &str = "[Unit]\nDescription=Manages Virtual IP for Patroni\nAfter=network-online.target\n\n[Service]\n\
        Type=simple\nExecStart=/usr/bin/vip-manager --config=/etc/default/vip-manager.yml\n\
        ExecStopPost=/sbin/ip addr del 10.0.0.5/24 dev eth0\nRestart=on-failure\n\n[Install]\nWantedBy=multi-user.target\n";

    fn ids(text: &str, drop_in: bool) -> Vec<&'static str> {
        let facts = Facts { path: "/etc/systemd/system/vip-manager.service".into(), text: text.into(), drop_in };
        judge(&facts).iter().map(|finding| finding.id).collect()
    }

    fn lost(text: &str, drop_in: bool) -> String {
        Service::of(text).turns_off(drop_in).join("; ")
    }

    #[test]
    fn the_units_of_deployment_tools_turn_nearly_everything_off() {
        assert_eq!(ids(SIMPLE, false), ["unit-deletes-vip", "unit-overridden"]);
        let lost = lost(SIMPLE, false);
        for what in ["runs as root", "Type=notify", "WatchdogSec", "ExecStopPost", "RuntimeDirectory", "ProtectSystem"]
        {
            assert!(lost.contains(what), "{what} in {lost}");
        }
        assert!(!lost.contains("restarts"), "{lost}");
    }

    #[test]
    fn a_copy_of_the_packages_unit_turns_nothing_off() {
        assert_eq!(ids(OURS, false), [""; 0], "{}", lost(OURS, false));
    }

    #[test]
    fn a_drop_in_loses_only_what_it_sets_otherwise() {
        for sound in [
            "[Service]\nLoadCredential=patroni.yml:/etc/patroni/patroni.yml\n",
            "[Service]\nSupplementaryGroups=ssl-cert\nWatchdogSec=30s\nUser=vip\n",
            "[Unit]\nAfter=patroni.service\nUser=root\n",
            "[Service]\n# User=root\nExecStopPost=/usr/local/bin/told\n",
        ] {
            assert_eq!(ids(sound, true), [""; 0], "{sound}");
        }
        assert_eq!(lost("[Service]\nUser=root\n", true), "its own user (it runs as root)");
        assert_eq!(lost("[Service]\nWatchdogSec=\n", true), "the watchdog (WatchdogSec=)");
        assert_eq!(lost("[Service]\nExecStopPost=\n", true), "the release after a crash (ExecStopPost=)");
        let restored = "[Service]\nExecStopPost=\nExecStopPost=-/usr/bin/vip-manager release --config=/etc/a.yml\n";
        assert_eq!(lost(restored, true), "");
        assert_eq!(ids("[Service]\nExecStopPost=-/sbin/ip a d 10.0.0.5/24 dev eth0\n", true), ["unit-deletes-vip"]);
    }

    #[test]
    fn a_command_that_only_mentions_an_address_deletes_none() {
        for harmless in
            ["/usr/bin/vip-manager release", "/sbin/ip addr show", "/usr/local/bin/del.sh", "/usr/bin/zip del"]
        {
            assert_eq!(
                Service::of(&format!("[Service]\nExecStopPost={harmless}\n")).deletes_address(),
                None,
                "{harmless}"
            );
        }
        let split = "[Service]\nExecStop=/bin/sh -c \\\n  'ip address delete 10.0.0.5 dev eth0'\n";
        assert!(Service::of(split).deletes_address().is_some(), "through a shell");
    }
}
