//! The real binary at its edges: command line, exit status, secrets, the shipped sample. What becomes of each value is for
//! the library's own tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod field;
mod forms;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use vip_manager::config::keys::TABLE;

const FILE: &str = "vip-manager.yml";
const SOUND: &str = "ip: 10.0.0.5\ninterface: eth0\ntrigger-key: /service/pg/leader\ntrigger-value: db1\n";

/// One run of the binary in a directory of its own, with nothing in its environment but what is given.
struct Run {
    directory: PathBuf,
    command: Command,
}

impl Run {
    fn new() -> Self {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("vip-manager-config-{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vip-manager"));
        command.current_dir(&directory).env_clear();
        Self { directory, command }
    }

    /// With this text as the file.
    fn file(mut self, text: impl AsRef<[u8]>) -> Self {
        fs::write(self.directory.join(FILE), text).unwrap();
        self.command.args(["--config", FILE]);
        self
    }

    fn env(mut self, variables: &[(&str, &str)]) -> Self {
        self.command.envs(variables.iter().copied());
        self
    }

    fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    fn output(mut self) -> Output {
        self.command.output().unwrap()
    }

    /// The output of `show-config` for a configuration that must be sound, blanks squeezed; then the notices.
    fn shown(self) -> (String, String) {
        let output = self.args(&["show-config"]).output();
        let (stdout, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let squeezed = stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        (squeezed.collect::<Vec<_>>().join("\n"), stderr)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
    }
}

fn texts(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

/// The daemon, `show-config` and `release` all refuse this configuration, with exactly these lines.
#[track_caller]
fn refuses(file: &str, variables: &[(&str, &str)], args: &[&str], expected: &[&str]) {
    for subcommand in [&[][..], &["show-config"], &["release"]] {
        let output = Run::new().file(file).env(variables).args(args).args(subcommand).output();
        let (stdout, stderr) = texts(&output);
        assert_eq!(stderr.lines().collect::<Vec<_>>(), expected, "{subcommand:?}");
        assert_eq!((output.status.code(), stdout.as_str()), (Some(78), ""), "{subcommand:?}");
    }
}

#[track_caller]
fn has_row(shown: &str, row: &str) {
    assert!(shown.lines().any(|line| line == row), "no row {row:?} in\n{shown}");
}

#[test]
fn the_file_can_be_named_by_flag_or_variable_before_or_after_the_subcommand() {
    let named = |args: &[&str], variables: &[(&str, &str)]| {
        let run = Run::new().file(SOUND);
        let mut command = Command::new(env!("CARGO_BIN_EXE_vip-manager"));
        command.current_dir(&run.directory).env_clear().args(args).envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?} {variables:?}: {}", texts(&output).1);
        assert!(texts(&output).0.contains("10.0.0.5/32 on eth0"));
    };
    named(&["--config", FILE, "show-config"], &[]);
    named(&["show-config", "--config", FILE], &[]);
    named(&["show-config", "--configfile", FILE], &[]);
    named(&["-config", FILE, "show-config"], &[]);
    named(&["show-config"], &[("VIP_CONFIG", FILE)]);
    named(&["show-config"], &[("VIP_CONFIGFILE", FILE)]);
}

#[test]
fn secrets_are_in_no_output() {
    const SECRET: &str = "hunter2hunter2";
    let files = [
        format!("{SOUND}etcd-user: u\netcd-password: {SECRET}\nconsul-token: {SECRET}\n"),
        format!("{SOUND}etcd-password: {SECRET}\netcd_password: {SECRET}x\n"),
        format!("{SOUND}etcd-password: [{SECRET}]\n"),
        format!("{SOUND}etcd-password: {{{SECRET}: 1}}\n"),
        format!("{SOUND}etcd-password: !{SECRET}\n"),
        format!("{SOUND}etcd-password: \"{SECRET}\n"),
        format!("{SOUND}etcd-password: *{SECRET}\n"),
        format!("{SOUND}etcd-passwort: {SECRET}\n"),
        format!("{SOUND}dcs-endpoints: http://u:{SECRET}@10.0.0.1\n"),
        format!("{SOUND}dcs-endpoints: http://u:a,{SECRET}@10.0.0.1\n"),
        format!("{SOUND}dcs-endpoints: http://u:{SECRET},a@10.0.0.1\n"),
        format!("{SOUND}dcs-endpoints: 'u:{SECRET}@10.0.0.1/x?y'\n"),
    ];
    for file in files {
        let output = Run::new().file(&file).args(&["show-config"]).output();
        let (stdout, stderr) = texts(&output);
        assert!(!stdout.contains(SECRET) && !stderr.contains(SECRET), "{file}\n{stdout}{stderr}");
        assert!(output.status.code() == Some(78) || stdout.contains("(set, not shown)"), "{file}\n{stdout}{stderr}");
    }
    let variables = [("VIP_ETCD_PASSWORD", SECRET), ("VIP_DCS_SECRET", "other"), ("VIP_CONSUL_TOKNE", SECRET)];
    let output = Run::new().file(SOUND).env(&variables).args(&["--etcd-password", SECRET, "--dcs-secret=x"]).output();
    let (stdout, stderr) = texts(&output);
    assert!(!stdout.contains(SECRET) && !stderr.contains(SECRET), "{stdout}{stderr}");
    assert_eq!(output.status.code(), Some(78));
}

/// What `systemctl reload` runs first.
#[test]
fn show_config_says_only_what_is_wrong_if_it_is_to_be_quiet() {
    let quiet = |file: &str| Run::new().file(file).args(&["show-config", "--quiet"]).output();
    let output = quiet(&format!("{SOUND}iface: eth0\n"));
    assert_eq!((output.status.code(), texts(&output)), (Some(0), (String::new(), String::new())));
    let output = quiet("ip: nonsense\n");
    assert_eq!(output.status.code(), Some(78));
    assert!(texts(&output).1.contains("ip \"nonsense\" is not an address"));
}

#[test]
fn a_command_line_that_is_none_ends_with_64_and_the_nearest_name() {
    for (args, hint) in [
        (&["--interfce", "eth0"][..], "--interface"),
        (&["-trigerkey", "x"], "--trigger-key"),
        (&["shw-config"], "show-config"),
        (&["--ip"], "--ip"),
        (&["--vips", "x"], "--vips"),
    ] {
        let output = Run::new().args(args).output();
        let (stdout, stderr) = texts(&output);
        assert_eq!((output.status.code(), stdout.as_str()), (Some(64), ""), "{args:?}");
        assert!(stderr.contains(hint), "{args:?}: {stderr}");
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    for args in [&["--help"][..], &["-h"], &["--version"], &["-version"], &["show-config", "--help"]] {
        let output = Run::new().args(args).output();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_flag_before_the_subcommand_is_not_lost_to_one_behind_it() {
    let show = |before: &[&str], behind: &[&str]| {
        let output = Run::new().file(SOUND).args(before).args(&["show-config"]).args(behind).output();
        texts(&output)
    };
    let (stdout, _) = show(&["--ip", "10.0.0.6"], &["--ip", "10.0.0.7"]);
    assert!(stdout.contains("10.0.0.6/32 on eth0") && stdout.contains("10.0.0.7/32 on eth0"), "{stdout}");
    let (_, stderr) = show(&["--interface", "eth6"], &["--interface", "eth7"]);
    assert!(stderr.starts_with("--interface: interface \"eth7\" conflicts with interface \"eth6\""), "{stderr}");
    let (stdout, _) = show(&["--interface", "eth6"], &["--on-stop", "keep"]);
    assert!(stdout.contains("10.0.0.5/32 on eth6") && stdout.contains("keep"), "{stdout}");
}

#[test]
fn the_shipped_sample_says_what_to_fill_in_and_is_sound_once_it_is() {
    let sample = fs::read_to_string(root().join("packaging/vip-manager.yml")).unwrap();
    refuses(
        &sample,
        &[],
        &[],
        &[
            "vip-manager.yml:10: ip is empty; expected the virtual IP address, such as 10.0.0.5",
            "vip-manager.yml:12: interface is empty; expected the name of a network interface, such as eth0",
            "vip-manager.yml:18: trigger-key is empty; expected the leader key, such as /service/pg_cluster/leader",
        ],
    );
    let filled = sample
        .replace("ip:  ", "ip: 10.0.0.5 ")
        .replace("interface:  ", "interface: eth0 ")
        .replace("trigger-key:  ", "trigger-key: /service/pg/leader ");
    assert_eq!(sample.matches("<--").count() - 1, 4, "four lines are marked, and the introduction names the mark");
    let (shown, notices) = Run::new().file(filled).shown();
    assert_eq!(notices, "");
    has_row(&shown, "10.0.0.5/32 on eth0");
}

#[test]
fn the_shipped_sample_names_every_key_and_its_defaults_are_the_real_ones() {
    let sample = fs::read_to_string(root().join("packaging/vip-manager.yml")).unwrap();
    for spec in &TABLE {
        let named = sample.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ']);
            line.strip_prefix(spec.name).is_some_and(|rest| rest.starts_with([':', ' ']))
        });
        assert!(named, "{} is not in the sample", spec.name);
    }
    let values = |line: &str| line.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    let changed: Vec<_> =
        ["#hold-timeout", "#lease-margin", "#announce-refresh", "#on-stop", "#log-level", "#log-format"]
            .iter()
            .flat_map(|key| sample.lines().filter(move |line| line.starts_with(key)))
            .map(|line| values(line.trim_start_matches('#')))
            .collect();
    let (shown, _) = Run::new().file(SOUND).shown();
    assert_eq!(changed.len(), 6);
    for row in changed {
        has_row(&shown, &format!("{} {} default", row[0].trim_end_matches(':'), row[1]));
    }
}

#[test]
fn the_shipped_sample_holds_only_what_is_understood_when_all_of_it_is_switched_on() {
    let sample = fs::read_to_string(root().join("packaging/vip-manager.yml")).unwrap();
    let switched_on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) || rest.starts_with("  ") => rest.to_owned(),
        _ => line.to_owned(),
    };
    let text: Vec<_> = sample.lines().map(switched_on).collect();
    let (shown, _) = Run::new().file(text.join("\n")).args(&["--interface", "eth0"]).shown();
    for title in ["10.0.0.5/32 on eth0", "10.0.0.6/32 on eth0"] {
        has_row(&shown, title);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
