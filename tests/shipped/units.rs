//! The units: locked up as far as the daemon allows, and the same daemon in both.

use std::fs;
use std::process::Command;

use super::{read, text, tree};

const UNITS: [&str; 2] = ["systemd/vip-manager.service", "systemd/vip-manager@.service"];

/// Lines without comments and blanks.
fn settings(unit: &str) -> Vec<String> {
    let lines = read(unit);
    lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn analyze(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("systemd-analyze").args(arguments).env("SYSTEMD_COLORS", "0").output().unwrap();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn systemd_scores_the_exposure_of_both_units_at_two_or_less() {
    for unit in UNITS {
        let path = tree(unit);
        let (_, said) = analyze(&["security", "--offline=true", "--no-pager", &path.display().to_string()]);
        let verdict = said.lines().last().unwrap();
        let score = verdict.split_whitespace().find_map(|word| word.parse::<f64>().ok()).unwrap();
        assert!(score <= 2.0, "{said}");
    }
}

/// The binary is not installed where this runs, so a copy of the unit names one that is.
#[test]
fn systemd_finds_no_mistake_in_either_unit() {
    let directory = std::env::temp_dir().join(format!("vip-manager-units-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    for unit in UNITS {
        let name = unit.rsplit('/').next().unwrap().replace("@.", "@main.");
        let copy = directory.join(name);
        let here = read(unit).replace("/usr/bin/vip-manager", env!("CARGO_BIN_EXE_vip-manager"));
        fs::write(&copy, here).unwrap();
        let (fine, said) = analyze(&["verify", "--man=no", &copy.display().to_string()]);
        let ours: Vec<_> = said.lines().filter(|line| line.contains("vip-manager")).collect();
        assert!(fine && ours.is_empty(), "{unit}:\n{said}");
    }
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn both_units_differ_in_nothing_but_where_their_configuration_is() {
    let [one, many] = UNITS.map(settings);
    assert_eq!(one.len(), many.len());
    let differing: Vec<_> = one.iter().zip(&many).filter(|(one, many)| one != many).map(|(one, _)| one).collect();
    let keys: Vec<_> = differing.iter().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(keys, ["Description", "Before", "EnvironmentFile", "ExecStart", "ExecReload", "ExecStopPost"]);
}

#[test]
fn the_daemon_has_two_capabilities_and_no_root() {
    for unit in UNITS {
        let settings = settings(unit);
        for wanted in [
            "User=vip-manager",
            "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW",
            "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW",
            "NoNewPrivileges=yes",
            "Restart=always",
            "StartLimitIntervalSec=0",
            "Wants=network-online.target",
            "SystemCallErrorNumber=EPERM",
        ] {
            assert!(settings.iter().any(|line| line == wanted), "{wanted} in {unit}");
        }
        assert!(!settings.iter().any(|line| line.starts_with("After=") || line.starts_with("Requires=")), "{unit}");
        assert!(!settings.iter().any(|line| line.contains("=+") || line.contains("=!")), "{unit}");
    }
}
