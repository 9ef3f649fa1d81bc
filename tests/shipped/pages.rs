//! Help, man pages, completions and the reference name every flag, every command and every key.

use vip_manager::cli;
use vip_manager::config::keys::{TABLE, variable};

use super::{files, read, text, vip_manager};

/// A generated file, as people see its text: without the formatter's escapes.
fn generated(name: &str) -> String {
    let all = files::all();
    let (_, text) = all.iter().find(|(known, _)| *known == name).unwrap();
    text.replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
}

fn help() -> String {
    let output = vip_manager(&["--help"]);
    assert!(output.status.success());
    text(&output.stdout)
}

#[track_caller]
fn names(text: &str, wanted: &str, place: &str) {
    let found = text.match_indices(wanted).any(|(at, _)| {
        let next = text[at + wanted.len()..].chars().next();
        next.is_none_or(|c| !c.is_alphanumeric() && c != '-' && c != '_')
    });
    assert!(found, "{wanted} is missing in {place}");
}

#[test]
fn every_flag_is_in_the_help_the_manual_and_all_completions() {
    let places = ["vip-manager.1", "vip-manager.bash", "_vip-manager", "vip-manager.fish"];
    let texts: Vec<_> = places.iter().map(|name| (*name, generated(name))).chain([("--help", help())]).collect();
    for spec in TABLE.iter().filter(|spec| spec.key.is_flat()) {
        for (place, text) in &texts {
            // The completions of fish name a flag without its dashes.
            let flag =
                if *place == "vip-manager.fish" { format!("-l {}", spec.name) } else { format!("--{}", spec.name) };
            names(text, &flag, place);
        }
    }
}

#[test]
fn every_command_is_in_the_help_the_manual_and_all_completions() {
    let command = cli::command();
    let commands: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    assert!(commands.contains(&"release") && commands.contains(&"show-config"), "{commands:?}");
    for name in commands {
        for place in ["vip-manager.1", "vip-manager.bash", "_vip-manager", "vip-manager.fish"] {
            names(&generated(place), name, place);
        }
        names(&help(), name, "--help");
    }
}

#[test]
fn every_key_with_its_variable_and_its_older_names_is_in_the_manual_of_the_file_and_in_the_reference() {
    let (page, reference) = (generated("vip-manager.yml.5"), read("docs/configuration.md"));
    for spec in &TABLE {
        names(&page, &format!("\n{}:", spec.name), "vip-manager.yml(5)");
        names(&reference, &format!("| `{}`", spec.name), "docs/configuration.md");
        for alias in spec.aliases {
            names(&page, alias, "vip-manager.yml(5)");
            names(&reference, &format!("`{alias}`"), "docs/configuration.md");
        }
        if spec.key.is_flat() {
            names(&page, &variable(spec.name), "vip-manager.yml(5)");
        }
    }
}

#[test]
fn historic_flags_are_accepted_and_not_advertised() {
    for place in ["vip-manager.1", "vip-manager.bash", "_vip-manager", "vip-manager.fish"] {
        let text = generated(place);
        assert!(!text.contains("iface") && !text.contains("nodename"), "{place}");
    }
}

#[test]
fn the_pages_bear_the_version_and_no_line_of_theirs_is_a_slip_of_the_formatter() {
    for page in ["vip-manager.1", "vip-manager.yml.5"] {
        let all = files::all();
        let (_, raw) = all.iter().find(|(name, _)| *name == page).unwrap();
        assert!(raw.lines().next().unwrap().contains(env!("CARGO_PKG_VERSION")), "{raw}");
        for line in raw.lines().filter(|line| line.starts_with(['.', '\''])) {
            let request = line.split(' ').next().unwrap();
            let known = [".TH", ".SH", ".PP", ".TP", ".br", ".nf", ".fi", ".RS", ".RE", ".nh", ".ad"];
            assert!(known.contains(&request), "{page}: {line}");
        }
        let marked = raw.split_whitespace().find(|word| word.starts_with('*') || word.ends_with('*'));
        assert_eq!(marked, None, "{page}: a mark was not carried out");
    }
}
