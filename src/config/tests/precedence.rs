//! Which of several values counts, and under which names each can be given.

use super::run::{Run, SOUND, has_row};
use crate::cli;
use crate::config::keys::{self, TABLE};

#[test]
fn flags_win_over_variables_variables_over_the_file_and_the_file_over_defaults() {
    let file = format!("{SOUND}interval: 2s\nlease-margin: 4s\non-stop: keep\n");
    let (shown, notices) = Run::new()
        .file(file)
        .env(&[("VIP_INTERFACE", "eth1"), ("VIP_INTERVAL", "3000"), ("VIP_KEY", "/service/env/leader")])
        .args(&["--iface", "eth2"])
        .shown();
    has_row(&shown, "interface eth2 flag --iface");
    has_row(&shown, "interval 3s VIP_INTERVAL");
    has_row(&shown, "trigger-key /service/env/leader VIP_KEY");
    has_row(&shown, "lease-margin 4s vip-manager.yml:6");
    has_row(&shown, "on-stop keep vip-manager.yml:7");
    has_row(&shown, "hold-timeout 10s default");
    assert_eq!(
        notices.lines().collect::<Vec<_>>(),
        [
            "--iface: \"--iface\" is deprecated; use \"--interface\"",
            "VIP_KEY: \"VIP_KEY\" is deprecated; use \"VIP_TRIGGER_KEY\"",
        ]
    );
}

#[test]
fn what_is_left_empty_does_not_hide_what_is_set_below() {
    let (shown, _) = Run::new().file(SOUND).env(&[("VIP_INTERFACE", "")]).args(&["--trigger-value="]).shown();
    has_row(&shown, "interface eth0 vip-manager.yml:2");
    has_row(&shown, "trigger-value db1 vip-manager.yml:4");
}

#[test]
fn one_key_takes_addresses_of_both_families_and_a_netmask_speaks_of_one() {
    let text = "ip: [10.0.0.5, 'fd00::5', 10.0.0.6/24]\nnetmask: 24\ninterface: eth0\ntrigger-key: /s/p/leader\n";
    let (shown, _) = Run::new().file(text).args(&["--trigger-value", "db1"]).shown();
    for title in ["10.0.0.5/24 on eth0", "fd00::5/128 on eth0", "10.0.0.6/24 on eth0"] {
        has_row(&shown, title);
    }
    let (shown, _) = Run::new().file(SOUND).args(&["--ip", "10.0.0.7,fd00::7/64"]).shown();
    for title in ["10.0.0.7/32 on eth0", "fd00::7/64 on eth0", "netmask 64 flag --ip", "netmask 32 default"] {
        has_row(&shown, title);
    }
}

#[test]
fn an_entry_of_vips_wins_over_everything_at_the_top() {
    let text = "\
interface: eth0
trigger-value: db1
netmask: 24
vips:
  - {ip: 10.0.0.5, trigger-key: /service/a/leader}
  - ip: 10.0.0.6/28
    trigger-key: /service/b/leader
    interface: eth1
    hold-timeout: 20s
";
    let (shown, notices) = Run::new().file(text).env(&[("VIP_KEY", "/service/env/leader")]).shown();
    let [first, second] = ["10.0.0.5/24 on eth0", "10.0.0.6/28 on eth1"].map(|title| shown.find(title).unwrap());
    assert!(first < second);
    has_row(&shown[first..second], "trigger-key /service/a/leader vip-manager.yml:5");
    has_row(&shown[first..second], "hold-timeout 10s default");
    has_row(&shown[second..], "trigger-key /service/b/leader vip-manager.yml:7");
    has_row(&shown[second..], "hold-timeout 20s vip-manager.yml:9");
    has_row(&shown[second..], "netmask 28 vip-manager.yml:6 (ip)");
    assert!(notices.contains("VIP_KEY: VIP_KEY has no effect: every entry of vips sets it"), "{notices}");
}

#[test]
fn a_switch_needs_no_value() {
    for (args, level) in [
        (&["--verbose"][..], "log-level debug flag --verbose"),
        (&["-verbose=true"], "log-level debug flag --verbose"),
        (&["--verbose=false"], "log-level info default"),
        (&["--verbose", "--log-level", "warn"], "log-level warn flag --log-level"),
    ] {
        has_row(&Run::new().file(SOUND).args(args).shown().0, level);
    }
}

#[test]
fn values_that_begin_with_a_dash_are_values() {
    let file = format!("{SOUND}etcd-user: u\n");
    let (shown, _) = Run::new().file(file).args(&["--mask", "-1", "--etcd-password", "-iface"]).shown();
    has_row(&shown, "netmask 32 default");
    has_row(&shown, "dcs-password (set, not shown) flag --etcd-password");
}

#[test]
fn the_reference_shows_the_table_of_keys_and_their_meanings() {
    let mut table = String::from("| key | takes | default | also accepted |\n|---|---|---|---|\n");
    let mut meanings = String::new();
    for spec in &TABLE {
        let aliases: Vec<_> = spec.also.iter().chain(spec.aliases).map(|alias| format!("`{alias}`")).collect();
        let default = if spec.default.is_empty() { "–" } else { spec.default };
        let takes = spec.takes.placeholder();
        table += &format!("| `{}` | {takes} | {default} | {} |\n", spec.name, aliases.join(", "));
        meanings += &wrapped(&format!("- `{}`: {}.", spec.name, spec.help.trim_end_matches('.')));
    }
    let reference = include_str!("../../../docs/configuration.md");
    assert!(reference.contains(&table), "docs/configuration.md should hold this table:\n{table}");
    assert!(reference.contains(&meanings), "docs/configuration.md should hold this list:\n{meanings}");
}

/// An item of a list in lines of at most 120 columns.
fn wrapped(item: &str) -> String {
    let mut lines = vec![String::new()];
    for word in item.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < 120 => *line += &format!(" {word}"),
            _ => lines.push(format!("  {word}")),
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_reference_says_what_an_entry_of_vips_may_hold() {
    let names: Vec<_> = TABLE.iter().filter(|spec| spec.per_vip).map(|spec| format!("`{}`", spec.name)).collect();
    let sentence = wrapped(&format!("An entry of `vips` may hold {}.", names.join(", "))).replace("\n  ", "\n");
    let reference = include_str!("../../../docs/configuration.md");
    assert!(reference.contains(&sentence), "docs/configuration.md should hold these lines:\n{sentence}");
}

#[test]
fn the_help_tells_of_each_flag_what_it_is_for_and_its_default() {
    let command = cli::command();
    let help = |flag: &str| {
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(flag)).unwrap();
        arg.get_help().unwrap().to_string()
    };
    assert_eq!(
        help("interval"),
        "The longest time between two reads of the leader key, 50ms to 60s [default: 1s, and up to 10s while everything is quiet]"
    );
    assert_eq!(help("interface"), "The network interface to add the address to [required]");
    assert_eq!(help("dcs-user"), "The user of the store to authenticate as");
}

#[test]
fn the_names_of_files_in_use_are_as_good_as_the_modern_ones() {
    let file = format!(
        "{SOUND}dcs-endpoints: https://a\netcd-user: u\ndcs-secret: p\netcd-ca-file: /ca\ndcs-cert-file: /c\n\
         etcd-key-file: /k\n"
    );
    let (shown, notices) = Run::new().file(file).shown();
    for row in [
        "dcs-user u vip-manager.yml:6 (etcd-user)",
        "dcs-password (set, not shown) vip-manager.yml:7 (dcs-secret)",
        "dcs-ca-file /ca vip-manager.yml:8 (etcd-ca-file)",
        "dcs-cert-file /c vip-manager.yml:9",
        "dcs-key-file /k vip-manager.yml:10 (etcd-key-file)",
    ] {
        has_row(&shown, row);
    }
    assert_eq!(notices, "");
    assert!(!shown.contains("dcs-token"), "etcd has no tokens: {shown}");
}

#[test]
fn a_flag_that_takes_several_values_may_be_given_several_times() {
    let (shown, _) = Run::new().file(SOUND).args(&["--ip", "10.0.0.6", "--ip", "10.0.0.7"]).shown();
    has_row(&shown, "10.0.0.6/32 on eth0");
    has_row(&shown, "10.0.0.7/32 on eth0");
    let told = Run::new().file(SOUND).args(&["--interface", "eth6", "--interface", "eth7"]).told();
    assert_eq!(
        told,
        "--interface: interface \"eth7\" conflicts with interface \"eth6\" at --interface; set it only once"
    );
}

#[test]
fn verbose_counts_where_it_is_given_on_a_stronger_level_than_the_log_level() {
    let file = format!("{SOUND}log-level: warn\n");
    has_row(&Run::new().file(file).args(&["--verbose"]).shown().0, "log-level debug flag --verbose");
    let file = format!("{SOUND}verbose: true\n");
    has_row(&Run::new().file(file).env(&[("VIP_LOG_LEVEL", "warn")]).shown().0, "log-level warn VIP_LOG_LEVEL");
}

#[test]
fn the_socket_of_the_status_is_called_after_the_file_or_as_one_likes() {
    let variables = [("VIP_IP", "10.0.0.5"), ("VIP_INTERFACE", "eth0"), ("VIP_TRIGGER_KEY", "/s/p/leader")];
    let run = || Run::new().env(&variables).env(&[("VIP_TRIGGER_VALUE", "db1")]);
    for (args, row) in [
        (&[][..], "status-socket /run/vip-manager/vip-manager.sock default"),
        (&["--config=-/etc/patroni/10-main.vip"], "status-socket /run/vip-manager/10-main.sock default"),
        (&["--status-socket=/run/vip.sock"], "status-socket /run/vip.sock flag --status-socket"),
        (&["--status-socket=none"], "status-socket none flag --status-socket"),
        (&["--status-listen=127.0.0.1:9899"], "status-listen 127.0.0.1:9899 flag --status-listen"),
    ] {
        has_row(&run().args(args).shown().0, row);
    }
}

#[test]
fn the_longest_times_and_the_hooks_are_taken_as_written() {
    let more =
        "interval: 4s\nhold-timeout: 12s\nannounce-refresh: 24h\nhook-timeout: 10m\non-acquire: [/bin/moved, to, me]\n";
    let (shown, notices) = Run::new().file(format!("{SOUND}{more}")).shown();
    for row in [
        "hold-timeout 12s vip-manager.yml:6",
        "announce-refresh 24h vip-manager.yml:7",
        "hook-timeout 600s vip-manager.yml:8",
        "on-acquire /bin/moved to me vip-manager.yml:9",
        "on-release (none) default",
    ] {
        has_row(&shown, row);
    }
    assert_eq!(notices, "");
    assert!(shown.starts_with("common to all\nconfig ") && shown.contains("\n\n10.0.0.5/32 on eth0\n"), "{shown}");
}

#[test]
fn every_key_is_a_flag_and_a_variable_under_each_of_its_names() {
    let command = cli::command();
    for spec in TABLE.iter().filter(|spec| spec.key.is_flat()) {
        for name in keys::flag_names(spec) {
            assert!(command.get_arguments().any(|arg| arg.get_long() == Some(name)), "--{name}");
            let variable = keys::variable(name);
            assert_eq!(keys::find_variable(&variable).map(|found| found.key), Some(spec.key), "{variable}");
        }
    }
    command.debug_assert();
}
