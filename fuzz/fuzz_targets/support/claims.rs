//! What holds for whatever was loaded, and how a configuration is written down.

use std::fmt::Write;

use vip_manager::config::{Config, Loaded, LogFormat, LogLevel, OnStop, Password, Place, Problems, VipConfig};

/// Checks what was found, and gives all that the program would say of it.
pub fn check(outcome: &Result<Loaded, Problems>) -> String {
    match outcome {
        Err(problems) => {
            let text = problems.to_string();
            assert!(!problems.is_empty(), "refused without a reason");
            assert_eq!(text.lines().count(), problems.iter().count(), "a problem is one line: {text}");
            for problem in problems.iter() {
                assert!(
                    !problem.text.is_empty() && problem.place != Place::Nowhere,
                    "a problem without a place: {problem}"
                );
            }
            printable(&text);
            format!("{text}{problems:?}")
        }
        Ok(loaded) => {
            sound(&loaded.config);
            let shown = loaded.settings.to_string();
            printable(&shown);
            for vip in &loaded.config.vips {
                assert!(
                    shown.contains(&format!("\n{} on {}\n", vip.vip, vip.interface)),
                    "not shown: {vip:?}\n{shown}"
                );
            }
            let notices: String = loaded.notices.iter().map(|notice| format!("{notice}\n")).collect();
            assert_eq!(notices.lines().count(), loaded.notices.len(), "a notice is one line: {notices}");
            printable(&notices);
            format!("{shown}{notices}{loaded:?}")
        }
    }
}

/// Nothing in it moves a cursor.
fn printable(text: &str) {
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "a control character: {text:?}");
}

fn sound(config: &Config) {
    assert!(!config.vips.is_empty() && !config.etcd.endpoints.is_empty());
    for (place, vip) in config.vips.iter().enumerate() {
        assert!(vip.hold_timeout >= config.interval * 3 && vip.lease_margin.as_secs() >= 1);
        assert!(vip.announce.count != Some(0) && !vip.key.is_empty() && !vip.value.is_empty());
        let same = |other: &&VipConfig| other.vip.address() == vip.vip.address() && other.interface == vip.interface;
        assert!(!config.vips[..place].iter().any(|other| same(&other)), "one address twice");
    }
}

/// The configuration as a file, every value spelled out.
pub fn written(config: &Config) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| writeln!(text, "{name}: {}", quoted(value)).expect("a String takes it");
    let endpoints: Vec<_> = config.etcd.endpoints.iter().map(ToString::to_string).collect();
    line("dcs-endpoints", &endpoints.join(","));
    if let Some(login) = &config.etcd.login {
        line("etcd-user", &login.user);
        match &login.password {
            Password::Given(secret) => line("etcd-password", secret.reveal()),
            Password::File(path) => line("etcd-password-file", &path.to_string_lossy()),
        }
    }
    if let Some(file) = &config.etcd.ca_file {
        line("etcd-ca-file", &file.to_string_lossy());
    }
    if let Some(identity) = &config.etcd.identity {
        line("etcd-cert-file", &identity.certificate.to_string_lossy());
        line("etcd-key-file", &identity.key.to_string_lossy());
    }
    line("interval", &config.interval.as_millis().to_string());
    line(
        "on-stop",
        match config.on_stop {
            OnStop::Release => "release",
            OnStop::Keep => "keep",
        },
    );
    line(
        "log-level",
        match config.log_level {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        },
    );
    line(
        "log-format",
        match config.log_format {
            LogFormat::Auto => "auto",
            LogFormat::Json => "json",
        },
    );
    text.push_str("vips:\n");
    text.extend(config.vips.iter().map(entry));
    text
}

fn entry(vip: &VipConfig) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let mark = if text.is_empty() { "-" } else { " " };
        writeln!(text, "  {mark} {name}: {}", quoted(value)).expect("a String takes it");
    };
    line("ip", &vip.vip.to_string());
    line("interface", vip.interface.as_str());
    line("trigger-key", &vip.key);
    line("trigger-value", &vip.value);
    line("hold-timeout", &vip.hold_timeout.as_millis().to_string());
    line("lease-margin", &vip.lease_margin.as_millis().to_string());
    if let Some(count) = vip.announce.count {
        line("announce-count", &count.to_string());
    }
    if let Some(interval) = vip.announce.interval {
        line("announce-interval", &interval.as_millis().to_string());
    }
    line("announce-refresh", &vip.announce.refresh.as_millis().to_string());
    line("reset-connections", &vip.reset_connections.to_string());
    text
}

/// A double-quoted scalar, with everything escaped that means something there.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        c => format!("\\U{:08X}", u32::from(c)),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
