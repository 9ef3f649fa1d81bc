//! Writes a configuration down as a file. A field that is new has to be written here, or nothing compiles.

use std::fmt::Write;
use std::time::Duration;

use vip_manager::config::stores::{EndpointForm, Kubeconfig, Location};
use vip_manager::config::{
    Config, Endpoint, Hook, Hooks, Identity, LogFormat, LogLevel, Login, OnStop, Password, SourceConfig, StatusConfig,
    StatusSocket, StoreConfig, VipConfig,
};
use vip_manager::keeper::{ClaimMode, Schedule};
use vip_manager::pace::Pace;

/// The configuration as a file, every value spelled out.
pub fn written(config: &Config) -> String {
    let Config { vips, sources, pace, on_stop, log_level, log_format, status, patroni_files: _, older_release: _ } =
        config;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| writeln!(text, "{name}: {}", quoted(value)).expect("a String takes it");
    if *pace != Pace::USUAL {
        line("interval", &millis(pace.full));
    }
    line(
        "on-stop",
        match on_stop {
            OnStop::Release => "release",
            OnStop::Keep => "keep",
        },
    );
    line(
        "log-level",
        match log_level {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        },
    );
    line(
        "log-format",
        match log_format {
            LogFormat::Auto => "auto",
            LogFormat::Json => "json",
        },
    );
    let StatusConfig { socket, listen } = status;
    match socket {
        // The name of the file gives it, and the file has the same name again.
        StatusSocket::Named(_) => {}
        StatusSocket::At(path) => line("status-socket", &path.to_string_lossy()),
        StatusSocket::Nowhere => line("status-socket", "none"),
    }
    line("status-listen", &listen.map_or_else(|| "none".to_owned(), |address| address.to_string()));
    text.push_str("vips:\n");
    text.extend(vips.iter().map(|vip| entry(vip, &sources[vip.source])));
    text
}

fn members(source: &SourceConfig, line: &mut dyn FnMut(&str, &str)) {
    line("dcs-type", source.name());
    let StoreConfig { endpoints, root, login, token, ca_file, identity, location, kubeconfig, names } = source.store();
    let root = root.as_deref().unwrap_or_default();
    let shown = |endpoint: &Endpoint| match source.kind().endpoints {
        EndpointForm::Url => endpoint.to_string(),
        EndpointForm::HostPort => format!("{}{root}", endpoint.authority()),
    };
    let endpoints: Vec<_> = endpoints.iter().map(shown).collect();
    line("dcs-endpoints", &endpoints.join(","));
    if let Some(Login { user, password }) = login {
        line(names.user, user);
        match password {
            Password::Given(secret) => line(names.password, secret.reveal()),
            Password::File(path) => line(names.password_file, &path.to_string_lossy()),
        }
    }
    match token {
        Some(Password::Given(secret)) => line(names.token, secret.reveal()),
        Some(Password::File(path)) => line(names.token_file, &path.to_string_lossy()),
        // A store without tokens ignores one, and only its name is known.
        None if !source.kind().token && names.token != "dcs-token" => line(names.token, "ignored"),
        None => {}
    }
    let Location { datacenter, namespace, partition } = location;
    let Kubeconfig { file, context } = kubeconfig;
    let file = file.as_ref().map(|file| file.to_string_lossy().into_owned());
    for (name, value) in [
        ("consul-datacenter", datacenter),
        ("consul-namespace", namespace),
        ("consul-partition", partition),
        ("kubernetes-config", &file),
        ("kubernetes-context", context),
    ] {
        if let Some(value) = value {
            line(name, value);
        }
    }
    if let Some(file) = ca_file {
        line(names.ca_file, &file.to_string_lossy());
    }
    if let Some(Identity { certificate, key }) = identity {
        line(names.cert_file, &certificate.to_string_lossy());
        line(names.key_file, &key.to_string_lossy());
    }
}

fn entry(config: &VipConfig, source: &SourceConfig) -> String {
    let VipConfig {
        vip,
        interface,
        source: _,
        key,
        value,
        hold_timeout,
        lease_margin,
        announce,
        reset_connections,
        refuse_after_release,
        hooks,
        claim,
    } = config;
    let Schedule { count, interval, refresh } = announce;
    let Hooks { acquire, release, conflict, limit } = hooks;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let mark = if text.is_empty() { "-" } else { " " };
        writeln!(text, "  {mark} {name}: {value}").expect("a String takes it");
    };
    line("ip", &quoted(&vip.to_string()));
    line("interface", &quoted(interface.as_str()));
    line("trigger-key", &quoted(key));
    line("trigger-value", &quoted(value));
    line("hold-timeout", &millis(*hold_timeout));
    line("lease-margin", &millis(*lease_margin));
    let mode = match claim.mode {
        ClaimMode::Off => "off",
        ClaimMode::Auto => "auto",
        ClaimMode::Require => "require",
    };
    line("claim", mode);
    line("claim-ttl", &millis(claim.ttl));
    line("claim-key", &quoted(&claim.key));
    if let Some(count) = count {
        line("announce-count", &count.to_string());
    }
    if let Some(interval) = interval {
        line("announce-interval", &millis(*interval));
    }
    line("announce-refresh", &millis(*refresh));
    line("reset-connections", &reset_connections.to_string());
    line("refuse-after-release", &millis(*refuse_after_release));
    for (name, hook) in [("on-acquire", acquire), ("on-release", release), ("on-conflict", conflict)] {
        if let Some(Hook { program, arguments }) = hook {
            let program = program.to_string_lossy();
            let words: Vec<_> =
                std::iter::once(&*program).chain(arguments.iter().map(String::as_str)).map(quoted).collect();
            line(name, &format!("[{}]", words.join(", ")));
        }
    }
    line("hook-timeout", &millis(*limit));
    members(source, &mut |name, value| line(name, &quoted(value)));
    text
}

fn millis(span: Duration) -> String {
    span.as_millis().to_string()
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
