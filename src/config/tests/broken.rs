//! Broken configurations, each with all that the user is told: every mistake, its place, its cure.

use super::run::{Run, SOUND, refuses};
use crate::config::values::types;

#[test]
fn a_key_is_misspelt() {
    refuses(
        &format!("{SOUND}\n\nhold-timout: 20s\n"),
        &[],
        &[],
        &["vip-manager.yml:7: unknown key \"hold-timout\"; did you mean \"hold-timeout\"?"],
    );
}

#[test]
fn a_merge_key_stands_in_the_file() {
    let merged = "vip-manager.yml:5: merge keys are not supported; write the keys out";
    refuses(&format!("{SOUND}<<: {{interval: 1s}}\n"), &[], &[], &[merged]);
}

#[test]
fn a_secret_is_given_twice() {
    refuses(
        &format!("{SOUND}consul-token: one\nconsul_token: two\n"),
        &[],
        &[],
        &["vip-manager.yml:6: consul_token conflicts with vip-manager.yml:5; set it only once"],
    );
}

#[test]
fn two_names_of_one_list_disagree() {
    refuses(
        &format!("{SOUND}dcs-endpoints: a\nendpoints: b\n"),
        &[],
        &[],
        &[
            "vip-manager.yml:6: endpoints \"b\" conflicts with dcs-endpoints \"a\" at vip-manager.yml:5; set it only once",
        ],
    );
}

#[test]
fn a_group_of_keys_is_answered_with_their_full_names() {
    let file = format!(
        "{SOUND}dcs:\n  type: etcd\n  endpoints: [a]\netcd: {{user: u, password: p, ca_file: x}}\n\
         vip:\n  ip: 10.0.0.6\n  iface: eth1\nlog: debug\ndsc: etcd\ncolours: {{red: 1}}\n"
    );
    refuses(
        &file,
        &[],
        &[],
        &[
            "vip-manager.yml:5: unknown key \"dcs\" with a mapping; did you mean \"dcs-endpoints\" and \"dcs-type\", \
             without a group?",
            "vip-manager.yml:8: unknown key \"etcd\" with a mapping; did you mean \"etcd-ca-file\", \"etcd-password\" and \
             \"etcd-user\", without a group?",
            "vip-manager.yml:9: unknown key \"vip\" with a mapping; did you mean \"interface\" and \"ip\", without a \
             group?",
            "vip-manager.yml:12: unknown key \"log\"; did you mean \"log-level\", \"log-format\" or \"log-file\"?",
            "vip-manager.yml:13: unknown key \"dsc\"; expected one that \"vip-manager --help\" lists, without its dashes",
            "vip-manager.yml:14: unknown key \"colours\" with a mapping; expected keys without groups",
        ],
    );
}

#[test]
fn nothing_is_filled_in() {
    refuses(
        "trigger-value: db1\n",
        &[],
        &[],
        &[
            "vip-manager.yml: ip is missing; expected the virtual IP address, such as 10.0.0.5, here, in VIP_IP or with \
             --ip",
            "vip-manager.yml: interface is missing; expected the name of a network interface, such as eth0, here, in \
             VIP_INTERFACE or with --interface",
            "vip-manager.yml: trigger-key is missing; expected the leader key, such as /service/pg_cluster/leader, \
             here, in VIP_TRIGGER_KEY or with --trigger-key",
        ],
    );
}

#[test]
fn the_file_is_not_there() {
    assert_eq!(
        Run::new().args(&["--config", "elsewhere.yml"]).told(),
        "elsewhere.yml: the file does not exist; expected the configuration there, or another path with --config"
    );
    assert_eq!(Run::new().args(&["--config", "."]).told(), ".: this is a directory; expected a file");
}

#[test]
fn the_file_is_no_yaml() {
    let hint = "expected lines such as \"key: value\", with a space after the colon, and quotes around a value that \
                contains \": \"";
    let colon = format!("vip-manager.yml:2:10: invalid YAML: mapping values are not allowed in this context; {hint}");
    refuses("ip:10.0.0.5\ninterface: eth0\n", &[], &[], &[&colon]);
    let tab = "vip-manager.yml:2:1: YAML does not allow a tab for indentation; use spaces";
    refuses("vips:\n\t- ip: 10.0.0.5\n", &[], &[], &[tab]);
    let text = "vip-manager.yml:1: the file is a single value; expected lines of the form \"key: value\"";
    refuses("VIP_IP=10.0.0.5\n", &[], &[], &[text]);
    let second = "vip-manager.yml:6: a second YAML document starts here; expected only one";
    refuses(&format!("{SOUND}\n---\nip: 10.0.0.6\n"), &[], &[], &[second]);
    let sign = "vip-manager.yml:5: a value begins with \"@\", which is special in YAML; put the value in quotes";
    refuses(&format!("{SOUND}etcd-password: @home\n"), &[], &[], &[sign]);
}

#[test]
fn the_file_is_no_text() {
    let read = |bytes: &[u8]| Run::new().file(bytes).told();
    assert_eq!(
        read(b"ip: 10.0.0.5\ninterface: \xff\n"),
        "vip-manager.yml:2: this line is not valid UTF-8; expected the file in UTF-8"
    );
    assert!(read(&vec![b'#'; 1 << 20]).contains("ip is missing"));
    assert_eq!(
        read(&vec![b'#'; (1 << 20) + 1]),
        "vip-manager.yml: the file is larger than 1 MiB; expected a configuration"
    );
}

#[test]
fn a_key_stands_twice_or_under_two_names() {
    refuses(
        &format!("{SOUND}iface: eth1\nip: 10.0.0.5\nmask: 24\nnetmask: 24\n"),
        &[("VIP_HOST", "db1"), ("VIP_NODENAME", "db2")],
        &["-iface", "eth1", "--interface", "eth2"],
        &[
            "--iface: iface \"eth1\" conflicts with interface \"eth2\" at --interface; set it only once",
            "VIP_NODENAME: VIP_NODENAME \"db2\" conflicts with VIP_HOST \"db1\" at VIP_HOST; set it only once",
            "vip-manager.yml:5: iface \"eth1\" conflicts with interface \"eth0\" at vip-manager.yml:2; set it only once",
            "vip-manager.yml:6: duplicate key \"ip\", first on line 1; remove one of them",
        ],
    );
}

#[test]
fn the_address_is_none() {
    let expected = "expected IPv4 or IPv6, with or without a prefix: 10.0.0.5 or 10.0.0.5/24";
    refuses(
        "ip:\n  - 10.0.0\n  - 10.0.0.5/x\n  - 224.0.0.1\n  - 10.0.0.5/33\n  - fd00::5/0\n  - 0.0.0.0\n\
         interface: eth0\ntrigger-key: /s/p/leader\ntrigger-value: db1\n",
        &[],
        &[],
        &[
            &format!("vip-manager.yml:2: ip \"10.0.0\" is not an address; {expected}"),
            &format!("vip-manager.yml:3: ip \"10.0.0.5/x\" has an invalid prefix length; {expected}"),
            "vip-manager.yml:4: ip: 224.0.0.1 cannot be a VIP; expected a unicast address",
            "vip-manager.yml:5: ip: prefix length 33 is invalid for 10.0.0.5; expected 1 to 32",
            "vip-manager.yml:6: ip: prefix length 0 is invalid for fd00::5; expected 1 to 128",
            "vip-manager.yml:7: ip: 0.0.0.0 cannot be a VIP; expected a unicast address",
        ],
    );
}

#[test]
fn address_and_netmask_disagree() {
    refuses(
        &SOUND.replace("10.0.0.5", "10.0.0.5/24"),
        &[("VIP_MASK", "32")],
        &[],
        &[
            "vip-manager.yml:1: ip \"10.0.0.5/24\" conflicts with VIP_MASK \"32\" at VIP_MASK; set the prefix length in \
           only one of them",
        ],
    );
    let misfit = "vip-manager.yml:5: netmask: prefix length 64 is invalid for 10.0.0.5; expected 1 to 32";
    refuses(&format!("{SOUND}netmask: 64\n"), &[], &[], &[misfit]);
    for netmask in ["0", "129", "255.255.255.0", "-2"] {
        let expected = format!(
            "vip-manager.yml:5: netmask \"{netmask}\" is not a prefix length; expected 1 to 32, or 1 to 128 for IPv6, or \
             -1 for the default"
        );
        refuses(&format!("{SOUND}netmask: {netmask}\n"), &[], &[], &[&expected]);
    }
}

#[test]
fn the_interface_has_no_possible_name() {
    refuses(
        SOUND,
        &[],
        &["--interface", "eth0:1"],
        &[
            "--interface: interface: \"eth0:1\" is not a valid interface name; expected 1 to 15 characters without spaces, '/' \
           or ':'",
        ],
    );
}

#[test]
fn a_store_or_a_manager_that_is_not_supported() {
    refuses(
        &format!("{SOUND}dcs-type: redis\nhosting_type: hetzner\non-stop: kep\nlog-level: warning\nverbose: maybe\n"),
        &[],
        &[],
        &[
            &format!("vip-manager.yml:5: dcs-type \"redis\" is not supported; expected {}", types()),
            "vip-manager.yml:6: hosting_type \"hetzner\" is not supported; expected basic",
            "vip-manager.yml:7: on-stop \"kep\" is not supported; expected release or keep; did you mean \"keep\"?",
            "vip-manager.yml:8: log-level \"warning\" is not supported; expected error, warn, info, debug or trace; \
             did you mean \"warn\"?",
            "vip-manager.yml:9: verbose \"maybe\" is not a boolean; expected true or false",
        ],
    );
}

#[test]
fn durations_and_counts_are_impossible() {
    refuses(
        &format!(
            "{SOUND}interval: 10\nlease-margin: 2m\nhold-timeout: soon\nannounce-count: 0\nannounce-interval: -5\n\
             announce-refresh: 500ms\nretry-num: many\n"
        ),
        &[],
        &[],
        &[
            "vip-manager.yml:5: interval \"10\" is too short; expected 50ms to 60s",
            "vip-manager.yml:6: lease-margin \"2m\" is too long; expected 1s to 60s",
            "vip-manager.yml:7: hold-timeout \"soon\" is not a duration; expected a number of milliseconds or, for \
             example, 250ms, 10s or 1m",
            "vip-manager.yml:8: announce-count \"0\" is out of range; expected a whole number from 1 to 1000",
            "vip-manager.yml:9: announce-interval \"-5\" is not a duration; expected a number of milliseconds or, for \
             example, 250ms, 10s or 1m",
            "vip-manager.yml:10: announce-refresh \"500ms\" is too short; expected 1s to 24h, or 0 for no refresh",
        ],
    );
}

#[test]
fn the_hold_timeout_is_less_than_three_intervals() {
    refuses(
        &format!("{SOUND}interval: 4s\n"),
        &[],
        &["--hold-timeout", "10s"],
        &["--hold-timeout: hold-timeout \"10s\" is less than three times the interval of 4s at vip-manager.yml:5; \
           expected at least 12s"],
    );
}

#[test]
fn endpoints_are_none() {
    refuses(
        &format!(
            "{SOUND}dcs-endpoints:\n  - ftp://a\n  - http://a/v2/keys\n  - a:70000\n  - fd00::1\n  - '[fd00::1]x'\n  - http://\n"
        ),
        &[],
        &[],
        &[
            "vip-manager.yml:6: endpoint \"ftp://a\" has the scheme \"ftp\"; expected http or https",
            "vip-manager.yml:7: endpoint \"http://a/v2/keys\" has a path or a query; expected only a host and a \
             port, such as http://10.0.0.1:2379",
            "vip-manager.yml:8: endpoint \"a:70000\" has the port \"70000\"; expected 1 to 65535",
            "vip-manager.yml:9: endpoint \"fd00::1\" looks like IPv6 without brackets; expected [ADDRESS]:PORT",
            "vip-manager.yml:10: endpoint \"[fd00::1]x\" has text after the brackets; expected [ADDRESS]:PORT",
            "vip-manager.yml:11: endpoint \"http://\" has no host; expected one, such as http://10.0.0.1:2379",
        ],
    );
}

#[test]
fn a_password_stands_in_the_url_of_an_endpoint() {
    refuses(
        SOUND,
        &[("VIP_DCS_ENDPOINTS", "http://10.0.0.1,http://root:secret@10.0.0.2:2379")],
        &[],
        &["VIP_DCS_ENDPOINTS: an endpoint contains a user or a password; set dcs-user and dcs-password instead"],
    );
}

#[test]
fn a_password_stands_in_an_endpoint_that_is_given_under_two_names() {
    let twice = |first, second| format!("{SOUND}dcs-endpoints: {first}\nendpoint: {second}\n");
    let contradiction = "vip-manager.yml:6: endpoint conflicts with vip-manager.yml:5; set it only once";
    refuses(&twice("10.0.0.1", "http://root:se,cret@10.0.0.2"), &[], &[], &[contradiction]);
    let carried = "vip-manager.yml:5: an endpoint contains a user or a password; set dcs-user and \
                   dcs-password instead";
    refuses(&twice("http://root:se,cret@10.0.0.2", "10.0.0.1"), &[], &[], &[carried, contradiction]);
}

#[test]
fn half_of_a_login_or_of_a_certificate() {
    refuses(
        &format!("{SOUND}etcd-password: secret\netcd-cert-file: /etc/client.crt\n"),
        &[],
        &[],
        &[
            "vip-manager.yml:5: etcd-password is set without etcd-user; expected both or neither",
            "vip-manager.yml:6: etcd-cert-file is set without etcd-key-file; expected both or neither",
        ],
    );
    refuses(
        &format!("{SOUND}etcd-user: u\netcd-password: secret\netcd-key-file: /etc/client.key\n"),
        &[("VIP_ETCD_PASSWORD_FILE", "/etc/secret")],
        &[],
        &[
            "VIP_ETCD_PASSWORD_FILE: etcd-password-file and etcd-password (at vip-manager.yml:6) are both set; expected \
             one",
            "vip-manager.yml:7: etcd-key-file is set without etcd-cert-file; expected both or neither",
        ],
    );
}

#[test]
fn what_is_missing_is_named_like_what_is_there() {
    refuses(
        &format!("{SOUND}dcs-password: secret\netcd-key-file: /k\ndcs-token: t\ndcs-token-file: /t\n"),
        &[],
        &[],
        &[
            "vip-manager.yml:5: dcs-password is set without dcs-user; expected both or neither",
            "vip-manager.yml:6: etcd-key-file is set without etcd-cert-file; expected both or neither",
            "vip-manager.yml:8: dcs-token-file and dcs-token (at vip-manager.yml:7) are both set; expected one",
        ],
    );
}

#[test]
fn the_same_address_is_given_twice() {
    refuses(
        "interface: eth0\ntrigger-key: /s/p/leader\ntrigger-value: db1\nvips:\n  - ip: 10.0.0.5\n  - ip: 10.0.0.5/24\n  \
         - ip: 10.0.0.5\n    interface: eth1\n",
        &[],
        &[],
        &["vip-manager.yml:6: ip 10.0.0.5 on eth0 is given twice, first at vip-manager.yml:5; set it only once"],
    );
}

#[test]
fn entries_of_vips_are_wrong() {
    refuses(
        "\
trigger-value: db1
vips:
  - 10.0.0.5
  - ip: 10.0.0.6
    interface: [eth0]
    interval: 1s
    triger-key: /service/a/leader
",
        &[],
        &[],
        &[
            "vip-manager.yml:3: this entry of vips is a single value; expected keys such as \"ip: 10.0.0.5\"",
            "vip-manager.yml:4: interface is missing; expected the name of a network interface, such as eth0, in this \
             entry of vips or at the top level",
            "vip-manager.yml:4: trigger-key is missing; expected the leader key, such as /service/pg_cluster/leader, in \
             this entry of vips or at the top level",
            "vip-manager.yml:5: interface is a list; expected a single value",
            "vip-manager.yml:6: \"interval\" cannot be set per entry of vips; move it to the top level",
            "vip-manager.yml:7: unknown key \"triger-key\"; did you mean \"trigger-key\"?",
        ],
    );
    let list = "vip-manager.yml:5: vips is a single value; expected a list, each entry beginning with \"- \"";
    refuses(&format!("{SOUND}vips: 10.0.0.6\n"), &[], &[], &[list]);
    let empty = "vip-manager.yml:5: vips is an empty list; expected an entry for each virtual IP";
    refuses(&format!("{SOUND}vips: []\n"), &[], &[], &[empty]);
}

#[test]
fn mistakes_are_everywhere_and_all_are_named_at_once() {
    refuses(
        "\
ip: 10.0.0.256
iface: eth 0
trigger-key:
trigger-value: db1
dcs-type: etdc
dcs-endpoints: [http://10.0.0.1:2379, 10.0.0.2:x]
hold-timout: 10s
interval: 1 fortnight
retry_num: 3
reset-connections: perhaps
config: other.yml
",
        &[("VIP_LEASE_MARGIN", "0"), ("VIP_ETCD_PASWORD", "secret")],
        &["--on-stop", "stay", "-mask", "240"],
        &[
            "--mask: mask \"240\" is not a prefix length; expected 1 to 32, or 1 to 128 for IPv6, or -1 for the default",
            "--on-stop: on-stop \"stay\" is not supported; expected release or keep",
            "VIP_ETCD_PASWORD: unknown variable, ignored; did you mean VIP_ETCD_PASSWORD?",
            "VIP_LEASE_MARGIN: VIP_LEASE_MARGIN \"0\" is too short; expected 1s to 60s",
            "vip-manager.yml:1: ip \"10.0.0.256\" is not an address; expected IPv4 or IPv6, with or without a prefix: \
             10.0.0.5 or 10.0.0.5/24",
            "vip-manager.yml:2: iface: \"eth 0\" is not a valid interface name; expected 1 to 15 characters without spaces, \
             '/' or ':'",
            "vip-manager.yml:3: trigger-key is empty; expected the leader key, such as /service/pg_cluster/leader",
            &format!(
                "vip-manager.yml:5: dcs-type \"etdc\" is not supported; expected {}; did you mean \"etcd\"?",
                types()
            ),
            "vip-manager.yml:6: endpoint \"10.0.0.2:x\" has the port \"x\"; expected 1 to 65535",
            "vip-manager.yml:7: unknown key \"hold-timout\"; did you mean \"hold-timeout\"?",
            "vip-manager.yml:8: interval \"1 fortnight\" is not a duration; expected a number of milliseconds or, for \
             example, 250ms, 10s or 1m",
            "vip-manager.yml:10: reset-connections \"perhaps\" is not a boolean; expected true or false",
            "vip-manager.yml:11: \"config\" cannot be set in the file itself; remove it",
        ],
    );
}
