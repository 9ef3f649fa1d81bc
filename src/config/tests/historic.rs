//! Files, variables and command lines of the releases from 0.4 to 5.0 go on working, and say what is called otherwise now.

use super::run::{Run, SOUND, has_row};

#[test]
fn a_file_of_release_0_6_works() {
    let (shown, notices) = Run::new().file(include_str!("vip-manager-0.6.yml")).shown();
    for row in [
        "192.168.0.123/24 on enp0s3",
        "netmask 24 vip-manager.yml:8 (mask)",
        "trigger-key /service/pgcluster/leader vip-manager.yml:4 (key)",
        "trigger-value pgcluster_member1 vip-manager.yml:5 (nodename)",
        "dcs-endpoints http://127.0.0.1:2379,http://192.168.0.42:2379 vip-manager.yml:14 (endpoints)",
        "dcs-user patroni vip-manager.yml:18 (etcd_user)",
        "dcs-password (set, not shown) vip-manager.yml:19 (etcd_password)",
        "dcs-ca-file /etc/etcd/ca.crt vip-manager.yml:20 (etcd_ca_file)",
        "dcs-cert-file /etc/etcd/client.crt vip-manager.yml:21 (etcd_cert_file)",
        "dcs-key-file /etc/etcd/client.key vip-manager.yml:22 (etcd_key_file)",
        "announce-count 2 vip-manager.yml:26 (retry_num)",
        "announce-interval 250ms vip-manager.yml:27 (retry_after)",
        "log-level info default",
    ] {
        has_row(&shown, row);
    }
    for notice in [
        "vip-manager.yml:4: \"key\" is deprecated; use \"trigger-key\"",
        "vip-manager.yml:11: \"hosting_type\" is deprecated; use \"manager-type\"",
        "vip-manager.yml:20: etcd-ca-file has no effect: every endpoint is http://; write https:// to use TLS",
        "vip-manager.yml:24: consul-token has no effect with etcd",
    ] {
        assert!(notices.lines().any(|line| line == notice), "no {notice} in\n{notices}");
    }
    assert!(!format!("{shown}{notices}").contains("battery staple"));
}

#[test]
fn a_file_of_release_1_0_with_empty_values_works() {
    let (shown, notices) = Run::new().file(include_str!("vip-manager-1.0.yml")).shown();
    for row in ["192.168.0.123/24 on enp0s3", "dcs-user (none) default"] {
        has_row(&shown, row);
    }
    assert_eq!(notices, "vip-manager.yml:8: \"hosting-type\" is deprecated; use \"manager-type\"\n");
}

#[test]
fn a_file_of_release_2_8_works_and_its_long_interval_raises_the_hold_timeout() {
    let (shown, notices) = Run::new().file(include_str!("vip-manager-2.8.yml")).shown();
    for row in [
        "10.20.30.40/32 on bond0.100",
        "dcs-endpoints http://10.20.30.1:2379,http://10.20.30.2:2379 vip-manager.yml:10",
        "trigger-value node001 vip-manager.yml:4",
        "hold-timeout 15s default",
        "log-level debug vip-manager.yml:13 (verbose)",
    ] {
        has_row(&shown, row);
    }
    assert_eq!(notices, "vip-manager.yml:2: this interval raises hold-timeout to 15s\n");
}

#[test]
fn a_file_of_release_5_0_works_and_texts_that_look_like_numbers_stay_texts() {
    let (shown, notices) = Run::new().file(include_str!("vip-manager-5.0.yml")).shown();
    for row in [
        "10.20.30.40/32 on ens192",
        "trigger-value 0042 vip-manager.yml:6",
        "announce-count 1 vip-manager.yml:17 (retry-num)",
    ] {
        has_row(&shown, row);
    }
    assert_eq!(notices, "vip-manager.yml:17: retry-num \"0\" is out of range; using 1\n");
}

#[test]
fn the_variables_of_the_first_packages_work() {
    let (shown, notices) = Run::new()
        .file("")
        .env(&[
            ("VIP_IP", "10.1.2.3"),
            ("VIP_MASK", "24"),
            ("VIP_IFACE", "eth0"),
            ("VIP_KEY", "/service/batman/leader"),
            ("VIP_HOST", "serverX"),
            ("VIP_TYPE", "etcd"),
            ("VIP_ENDPOINT", "http://10.1.2.3:2379"),
            ("VIP_HOSTINGTYPE", "basic"),
            ("VIP_ETCD_USER", ""),
            ("VIP_ETCD_PASSWORD", ""),
        ])
        .shown();
    for row in [
        "10.1.2.3/24 on eth0",
        "trigger-value serverX VIP_HOST",
        "dcs-endpoints http://10.1.2.3:2379 VIP_ENDPOINT",
        "netmask 24 VIP_MASK",
    ] {
        has_row(&shown, row);
    }
    assert!(notices.contains("VIP_HOSTINGTYPE: \"VIP_HOSTINGTYPE\" is deprecated; use \"VIP_MANAGER_TYPE\""));
    assert!(!notices.contains("VIP_ETCD_USER"), "a variable's name has no dashes to modernise: {notices}");
}

/// A hook that calls the program passes its own variables on, and Kubernetes has variables for a service called "vip".
#[test]
fn variables_that_are_not_meant_for_this_program_are_no_mistakes() {
    let (_, notices) = Run::new()
        .file(SOUND)
        .env(&[("VIP_MANAGER_EVENT", "acquire"), ("VIP_MANAGER_VIP", "10.0.0.5"), ("VIP_MANAGER_KEY", "/other")])
        .env(&[("VIP_SERVICE_HOST", "10.96.0.7"), ("VIP_TRIGER_KEY", "/x/leader"), ("VIP_LOGLEVEL", "debug")])
        .env(&[("VIP_DCS", "etcd"), ("VIP_VIPS", "x"), ("PATH", "/bin")])
        .shown();
    assert_eq!(
        notices.lines().collect::<Vec<_>>(),
        [
            "VIP_DCS: unknown variable, ignored; did you mean VIP_DCS_TYPE, VIP_DCS_ENDPOINTS or VIP_DCS_USER?",
            "VIP_LOGLEVEL: unknown variable, ignored; did you mean VIP_LOG_LEVEL?",
            "VIP_SERVICE_HOST: unknown variable, ignored; expected VIP_ and a name that \"vip-manager --help\" lists, in \
             upper case",
            "VIP_TRIGER_KEY: unknown variable, ignored; did you mean VIP_TRIGGER_KEY?",
            "VIP_VIPS: ignored: a list of virtual IPs cannot be given in a variable; expected vips in the file",
        ]
    );
}

/// The predecessor took every manager type that it did not know as basic.
#[test]
fn a_manager_type_that_never_had_an_effect_is_basic_with_a_warning() {
    for value in ["patroni", "Basic", "none"] {
        let (shown, notices) = Run::new().file(format!("{SOUND}manager-type: {value}\n")).shown();
        has_row(&shown, "manager-type basic vip-manager.yml:5");
        assert_eq!(
            notices,
            format!("vip-manager.yml:5: manager-type \"{value}\" is unknown, treated as basic; expected basic\n")
        );
    }
}

#[test]
fn the_command_line_of_release_0_4_works() {
    let (shown, _) = Run::new()
        .file("")
        .args(&["-ip=10.1.2.3", "-mask", "24", "-iface", "eth0", "-key", "/service/batman/leader"])
        .args(&["-host", "serverX", "-type", "etcd", "-endpoint", "http://10.1.2.3:2379,http://10.1.2.4:2379"])
        .shown();
    for row in ["10.1.2.3/24 on eth0", "interface eth0 flag --iface", "trigger-value serverX flag --host"] {
        has_row(&shown, row);
    }
}

/// Debian's patroni writes one such file a cluster, `/etc/patroni/10-main.vip`, and no YAML beside it.
#[test]
fn the_variables_of_an_instance_on_debian_work_without_a_file() {
    let variables = [
        ("VIP_IP", "10.1.2.3"),
        ("VIP_MASK", "24"),
        ("VIP_NETMASK", "24"),
        ("VIP_IFACE", "eth0"),
        ("VIP_KEY", "/service/10-main/leader"),
        ("VIP_TRIGGER_KEY", "/service/10-main/leader"),
        ("VIP_HOST", "db1"),
        ("VIP_TRIGGER_VALUE", "db1"),
        ("VIP_TYPE", "etcd3"),
        ("VIP_DCS_ENDPOINTS", "http://10.1.2.9:2379"),
        ("VIP_ENDPOINT", "http://10.1.2.9:2379"),
    ];
    let (shown, _) = Run::new().env(&variables).args(&["--config=-/etc/vip-manager/no-such-instance.yml"]).shown();
    for row in
        ["10.1.2.3/24 on eth0", "trigger-value db1 VIP_HOST", "dcs-endpoints http://10.1.2.9:2379 VIP_DCS_ENDPOINTS"]
    {
        has_row(&shown, row);
    }
}

#[test]
fn a_file_that_may_be_missing_is_read_where_it_is_there_and_missed_without_the_dash() {
    let named = std::env::temp_dir().join(format!("vip-manager-optional-{}.yml", std::process::id()));
    std::fs::write(&named, SOUND).unwrap();
    let (shown, _) = Run::new().args(&[&format!("--config=-{}", named.display())]).shown();
    has_row(&shown, "10.0.0.5/32 on eth0");
    std::fs::remove_file(&named).unwrap();
    let missed = Run::new().args(&[&format!("--config={}", named.display())]).told();
    assert!(missed.starts_with(&format!("{}: the file does not exist", named.display())), "{missed}");
}

/// Such files are in use with the REST API of Patroni: no endpoint or one as plain text, the status as a number, TLS files
/// under the names of etcd's.
#[test]
fn files_that_follow_patronis_rest_api_work() {
    let file = "ip: 10.0.0.5\nmask: 24\niface: eth0\ndcs-type: patroni\n";
    for (more, rows) in [
        (
            "trigger-key: \"/leader\"\ntrigger-value: 200\ndcs-endpoints: http://127.0.0.1:8008/\n",
            [
                "trigger-key /leader vip-manager.yml:5",
                "trigger-value 200 vip-manager.yml:6",
                "dcs-endpoints http://127.0.0.1:8008 vip-manager.yml:7",
            ],
        ),
        (
            "trigger-key: //leader\n",
            [
                "trigger-key /leader vip-manager.yml:5",
                "trigger-value 200 default",
                "dcs-endpoints http://127.0.0.1:8008 default",
            ],
        ),
        (
            "trigger-key: /primary\nnodename: pg1\nendpoint: pg1.example.org\netcd_ca_file: /etc/patroni/ca.crt\n",
            [
                "trigger-key /primary vip-manager.yml:5",
                "trigger-value pg1 vip-manager.yml:6 (nodename)",
                "dcs-endpoints https://pg1.example.org:8008 vip-manager.yml:7 (endpoint)",
            ],
        ),
    ] {
        let (shown, _) = Run::new().file(format!("{file}{more}")).shown();
        has_row(&shown, "dcs-type patroni vip-manager.yml:4");
        for row in rows {
            has_row(&shown, row);
        }
    }
}
