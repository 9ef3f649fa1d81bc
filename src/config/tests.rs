//! What holds for every configuration, and what needs a hand on the sources.

mod broken;
mod claims;
mod historic;
mod patroni;
mod precedence;
mod run;
mod stores;

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const SOUND: &str = "ip: 10.0.0.5\ninterface: eth0\ntrigger-key: /service/pg/leader\n";

/// Checks a text as the file, with these variables; the host is called db1.
fn read(text: &str, variables: &[(&str, &str)]) -> Result<(Config, String, Vec<Diagnostic>), Problems> {
    let mut findings = Findings::default();
    let path: Arc<str> = Arc::from("f");
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let named = Layer::gather(args::variables(&variables, &mut findings), &mut findings);
    let file = file::interpret(&path, text, &mut findings);
    let given = Given::new(named, Some((path, file)), Some("db1".to_owned()), &mut findings);
    let checked = validate::validate(&given, &mut findings);
    let ((config, origins), notices) = findings.close(checked)?;
    let shown = Settings::of(&config, &origins, None).to_string();
    Ok((config, shown, notices))
}

fn sound(text: &str) -> Config {
    read(text, &[]).unwrap_or_else(|problems| panic!("{problems}")).0
}

fn store(config: &Config) -> StoreConfig {
    config.sources[0].store().clone()
}

#[test]
fn three_lines_are_a_configuration() {
    let config = sound(SOUND);
    let [vip] = &config.vips[..] else { panic!("{config:?}") };
    assert_eq!(vip.vip.to_string(), "10.0.0.5/32");
    assert_eq!((vip.key.as_str(), vip.value.as_str()), ("/service/pg/leader", "db1"));
    assert_eq!((vip.hold_timeout.as_secs(), vip.lease_margin.as_secs(), vip.announce.refresh.as_secs()), (10, 3, 60));
    assert_eq!((vip.announce.count, vip.announce.interval, vip.reset_connections), (None, None, true));
    assert_eq!(store(&config).endpoints[0].to_string(), "http://127.0.0.1:2379");
    assert_eq!((store(&config).login, store(&config).ca_file, store(&config).identity), (None, None, None));
    assert_eq!(
        (config.on_stop, config.log_level, config.log_format),
        (OnStop::Release, LogLevel::Info, LogFormat::Auto)
    );
}

#[test]
fn texts_stay_what_was_written() {
    let config = sound(&format!("{SOUND}trigger-value: 0x10\netcd-user: 1e3\netcd-password: 000123e5 \n"));
    assert_eq!(config.vips[0].value, "0x10");
    let login = store(&config).login.unwrap();
    assert_eq!(login.user, "1e3");
    assert_eq!(login.password, Password::Given(Secret::new("000123e5".to_owned())));
    let config = sound(&format!("{SOUND}etcd-user: u\netcd-password: ' a, b: \"c\" '\n"));
    assert_eq!(store(&config).login.unwrap().password, Password::Given(Secret::new(" a, b: \"c\" ".to_owned())));
}

#[test]
fn tls_files_make_https_the_scheme_of_endpoints_without_one() {
    let config = sound(&format!("{SOUND}etcd-ca-file: /ca\ndcs-endpoints: [a, 'http://b']\n"));
    let shown: Vec<_> = store(&config).endpoints.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["https://a:2379", "http://b:2379"]);
    let config = sound(&format!("{SOUND}etcd-cert-file: /c\netcd-key-file: /k\n"));
    assert_eq!(store(&config).endpoints[0].to_string(), "https://127.0.0.1:2379");
    assert_eq!(store(&config).identity, Some(Identity { certificate: "/c".into(), key: "/k".into() }));
}

#[test]
fn an_endpoint_given_twice_is_used_once() {
    let (config, _, notices) = read(&format!("{SOUND}dcs-endpoints: [a, b, 'http://A:2379/']\n"), &[]).unwrap();
    assert_eq!(store(&config).endpoints.len(), 2);
    assert_eq!(
        notices[0].to_string(),
        "f:4: endpoint \"http://a:2379\" is listed twice, first at f:4; it is used once"
    );
}

#[test]
fn a_key_that_patroni_would_not_write_is_watched_and_mentioned() {
    let (config, _, notices) = read(&SOUND.replace("/service/pg/leader", "service/pg/leader"), &[]).unwrap();
    assert_eq!(config.vips[0].key, "service/pg/leader");
    assert!(notices[0].to_string().starts_with("f:3: trigger-key \"service/pg/leader\" does not look like"));
}

#[test]
fn an_announcement_key_counts_before_its_historic_twin_on_the_same_level() {
    let announce = |text: &str| sound(&format!("{SOUND}{text}")).vips[0].announce;
    assert_eq!(announce("retry-num: 4\nretry-after: 0\n").count, Some(4));
    assert_eq!(announce("retry-after: 0\n").interval.unwrap().as_millis(), 10);
    assert_eq!(announce("retry-num: 4\nannounce-count: 5\n").count, Some(5));
    assert_eq!(announce("announce-count: 5\nvips: [{retry-num: 2}]\n").count, Some(2));
    assert!(announce("announce-refresh: 0\n").refresh.is_zero());
}

#[test]
fn aliases_of_yaml_are_followed_and_bounded() {
    let text = "base: &b 1\n";
    assert!(read(text, &[]).unwrap_err().to_string().contains("unknown key \"base\""));
    let config = sound(&format!("{SOUND}lease-margin: &five 5s\nvips: [{{hold-timeout: *five}}]\n"));
    assert_eq!(config.vips[0].hold_timeout.as_secs(), 5);
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 10].join(",");
        writeln!(bomb, "a{level}: &a{level} [{inner}]").unwrap();
    }
    let problems = read(&bomb, &[]).unwrap_err().to_string();
    assert!(problems.contains("aliases expand"), "{problems}");
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    for (open, text) in [("[", "ip: "), ("{a: ", "ip: ")] {
        let problems = read(&format!("{text}{}", open.repeat(5000)), &[]).unwrap_err();
        assert!(!problems.is_empty());
    }
}

#[test]
fn a_message_is_one_readable_line_whatever_it_quotes() {
    let text = format!("{SOUND}log-level: \"a\\nb\\e[31m\"\ninterval: {}\n", "9".repeat(10_000));
    let problems = read(&text, &[]).unwrap_err().to_string();
    assert!(problems.contains("log-level \"a\\nb\\u{1b}[31m\" is not supported"), "{problems}");
    assert!(problems.lines().count() == 2 && problems.len() < 400, "{problems}");
}

#[test]
fn values_that_are_no_text_are_mistakes() {
    let broken = OsString::from_vec(vec![b'e', 0xff]);
    let variables = vec![(OsString::from("VIP_INTERFACE"), broken)];
    let sources = Sources { default_file: "/nonexistent".into(), ..Sources::new(Flags::default(), variables, None) };
    let problems = load(&sources).unwrap_err().to_string();
    assert!(problems.contains("VIP_INTERFACE: the value is not valid UTF-8"), "{problems}");
    assert!(problems.contains("configuration: ip is missing"), "{problems}");
    assert!(problems.contains("trigger-value is missing; expected the name of this host's member"), "{problems}");
}

#[test]
fn the_default_file_is_read_where_it_exists_and_again_when_it_has_changed() {
    let directory = std::env::temp_dir().join(format!("vip-manager-default-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("vip-manager.yml");
    let sources = Sources { default_file: file.clone(), ..Sources::new(Flags::default(), [], Some("db1".to_owned())) };
    assert!(load(&sources).is_err());
    std::fs::write(&file, SOUND).unwrap();
    let first = load(&sources).unwrap();
    assert_eq!((first.file.as_deref(), first.config.vips[0].interface.as_str()), (Some(file.as_path()), "eth0"));
    std::fs::write(&file, SOUND.replace("eth0", "eth1")).unwrap();
    assert_eq!(load(&sources).unwrap().config.vips[0].interface.as_str(), "eth1");
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn what_is_not_there_is_refused_even_if_nobody_said_why() {
    let why = Findings::default().close(None::<()>).unwrap_err();
    assert!(why.is_empty() && why.to_string().is_empty());
}

#[test]
fn a_secret_is_revealed_to_who_asks_and_not_to_who_prints() {
    let secret = Secret::new("hunter2".to_owned());
    assert_eq!((secret.reveal(), format!("{secret:?}").as_str()), ("hunter2", "(secret)"));
    let flags = ["vip-manager", "--etcd-password", "hunter2"].map(OsString::from);
    let flags = crate::cli::parse(flags).unwrap().flags;
    let variables = [("VIP_ETCD_PASSWORD".into(), "hunter2".into()), ("PATH".into(), "/bin".into())];
    let printed = format!("{:?}", Sources::new(flags, variables, Some("db1".to_owned())));
    for named in ["\"etcd-password\"", "\"VIP_ETCD_PASSWORD\"", "\"db1\"", DEFAULT_FILE] {
        assert!(printed.contains(named), "{named} is not in {printed}");
    }
    assert!(!printed.contains("hunter2") && !printed.contains("PATH"), "{printed}");
}

/// Lines that are nearly a configuration.
fn lines() -> impl Strategy<Value = String> {
    let names: Vec<String> = keys::TABLE.iter().flat_map(keys::flag_names).cloned().collect();
    let value = prop_oneof![
        "[a-z0-9./:\\[\\]{}&*!|>'\"@%#, -]{0,16}",
        Just("10.0.0.5".to_owned()),
        Just("\n  - fd00::5/64\n  - 10.0.0.5/24".to_owned()),
        Just("\n  - {ip: 10.0.0.6, interface: eth1, mask: 8}".to_owned()),
        Just("true".to_owned()),
        (0u64..100_000_000).prop_map(|number| number.to_string()),
        (0u64..5000, "ms|s|m|h").prop_map(|(number, unit)| format!("{number}{unit}")),
    ];
    let line = (proptest::sample::select(names), value).prop_map(|(name, value)| format!("{name}: {value}\n"));
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}|[ \\t\\n:#&*!|>'\"%@\\[\\]{},?a-c-]{0,200}") {
        if let Err(problems) = read(&text, &[]) {
            prop_assert!(!problems.is_empty());
            prop_assert_eq!(problems.to_string().lines().count(), problems.iter().count());
        }
    }

    #[test]
    fn what_is_accepted_keeps_every_promise(more in lines(), sound in any::<bool>()) {
        let text = if sound { format!("{SOUND}{more}") } else { more };
        match read(&text, &[]) {
            Err(problems) => prop_assert!(!problems.is_empty()),
            Ok((config, ..)) => {
                prop_assert!(!config.vips.is_empty() && !store(&config).endpoints.is_empty());
                for (place, vip) in config.vips.iter().enumerate() {
                    prop_assert!(vip.hold_timeout >= config.pace.full * 3);
                    prop_assert!(vip.lease_margin.as_secs() >= 1 && vip.announce.count != Some(0));
                    let same = |other: &&VipConfig| other.vip.address() == vip.vip.address() && other.interface == vip.interface;
                    prop_assert!(!config.vips[..place].iter().any(|other| same(&other)));
                }
            }
        }
    }

    #[test]
    fn a_secret_is_never_shown(
        more in lines(), secret in "[A-Z]{9}", name in "etcd-password|etcd_password|dcs-secret|consul-token",
        wrapped in "SECRET|'SECRET'|\\[SECRET\\]|!SECRET|&SECRET|\\*SECRET|\"SECRET|@SECRET|SECRET: x",
        in_url in any::<bool>()
    ) {
        let text = format!("{SOUND}{name}: {}\n{more}", wrapped.replace("SECRET", &secret));
        let endpoints = format!("http://u:{secret}@h,{secret}@");
        let variables = if in_url { vec![("VIP_DCS_ENDPOINTS", endpoints.as_str())] } else { Vec::new() };
        let shown = match read(&text, &variables) {
            Ok((config, shown, notices)) => format!("{config:?}{shown}{notices:?}"),
            Err(problems) => format!("{problems:?}{problems}"),
        };
        prop_assert!(!shown.contains(&secret), "{}", shown);
    }
}
