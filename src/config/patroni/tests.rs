//! What follows from Patroni's configuration, case by case.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use super::derivation::Patroni;
use super::environment::environment;
use super::tree::{self, Map, Value};
use super::{Surroundings, read};
use crate::config::diagnostic::{Findings, Place};
use crate::config::keys::Key;
use crate::config::setting::{Item, Layer, Setting};
use crate::config::yaml;
use crate::wire::dns::Server;

/// The settings that follow, one per line, and what is wrong. `beside` is what is set beside `patroni-config`.
fn derived(text: &str, variables: &[(&str, &str)], beside: &[(Key, &str)]) -> (String, String) {
    let name: Arc<str> = Arc::from("p");
    let parsed = yaml::parse(text).unwrap().unwrap();
    let mut root = Value::of(&parsed, &name).map().cloned().unwrap_or_default();
    let variables: Vec<(OsString, OsString)> =
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    tree::patch(&mut root, environment(&variables));
    let mut findings = Findings::default();
    let setting = |(key, text): &(Key, &str)| {
        let item = Item { text: (*text).to_owned(), place: Place::Nowhere };
        Setting::new(*key, key.name(), Place::Nowhere, vec![item])
    };
    let beside = Layer::gather(beside.iter().map(setting).collect(), &mut findings);
    let layer = Patroni { root, place: Place::file(&name), lookup }.derive(&beside, &mut findings).0;
    let line = |setting: &Setting| {
        let texts: Vec<_> = setting.items.iter().map(|item| item.text.clone()).collect();
        format!("{} {} {} ({})", setting.key.name(), texts.join(","), setting.place, setting.name)
    };
    let shown = lines(layer.settings().map(line));
    let (problems, notices) = findings.sorted();
    (shown, lines(problems.iter().chain(&notices).map(ToString::to_string)))
}

/// What DNS has: `org` for clients with and without TLS, `plain` without, `peers` for peers, nobody answers for `dead`.
fn lookup(name: &str) -> Result<Vec<Server>, String> {
    let server = |host: &str, port| Server { priority: 1, port, host: host.to_owned() };
    match name {
        "_etcd-client-ssl._tcp.org" => Ok(vec![server("a.org", 2379), server("b.org", 2380)]),
        "_etcd-client._tcp.org" | "_etcd-client._tcp.plain" | "_etcd-client-pg._tcp.plain" => Ok(vec![server(name, 1)]),
        "_etcd-server._tcp.peers" => Ok(vec![server("a", 2380)]),
        _ if name.ends_with("dead") => Err("10.0.0.1: no answer within 2s".to_owned()),
        _ => Ok(Vec::new()),
    }
}

/// Each with a newline.
fn lines(texts: impl Iterator<Item = String>) -> String {
    texts.fold(String::new(), |all, text| all + &text + "\n")
}

const TOP: &str = "scope: pg\nname: pg1\n";

/// These settings follow, beside those of the scope and the name, and nothing is wrong.
#[track_caller]
fn gives(section: &str, expected: &str) {
    let (shown, said) = derived(&format!("{TOP}{section}"), &[], &[]);
    let store = lines(shown.lines().filter(|line| !line.starts_with("trigger-")).map(str::to_owned));
    assert_eq!((store.as_str(), said.as_str()), (expected, ""), "{section}");
}

/// This is wrong.
#[track_caller]
fn complains(section: &str, expected: &str) {
    assert_eq!(derived(&format!("{TOP}{section}"), &[], &[]).1, expected, "{section}");
}

#[test]
fn a_whole_file() {
    let text = "\
scope: demo
namespace: /db/
name: pg1
restapi: {listen: '0.0.0.0:8008', connect_address: '10.0.0.1:8008'}
etcd3:
  hosts: [10.0.0.1:2379, 10.0.0.2]
  protocol: https
  cacert: /ca.pem
  cert: /client.pem
  key: /client.key
  username: u
  password: p
postgresql: {name: other, parameters: {max_connections: 100}}
";
    assert_eq!(
        derived(text, &[], &[]).0,
        "trigger-key /db/demo/leader p:1 (scope)\n\
         trigger-value pg1 p:3 (name)\n\
         dcs-type etcd3 p:5 (dcs-type)\n\
         dcs-endpoints https://10.0.0.1:2379,https://10.0.0.2:2379 p:6 (etcd3.hosts)\n\
         dcs-user u p:11 (etcd3.username)\n\
         dcs-password p p:12 (etcd3.password)\n\
         dcs-ca-file /ca.pem p:8 (etcd3.cacert)\n\
         dcs-cert-file /client.pem p:9 (etcd3.cert)\n\
         dcs-key-file /client.key p:10 (etcd3.key)\n"
    );
}

#[test]
fn the_endpoints_of_etcd_in_all_forms() {
    for (section, endpoints) in [
        ("etcd3: {host: a}", "http://a:2379 p:3 (etcd3.host)"),
        ("etcd3: {host: 'a:1'}", "http://a:1 p:3 (etcd3.host)"),
        ("etcd3: {host: a, port: 1}", "http://a:1 p:3 (etcd3.host)"),
        ("etcd3: {host: a, protocol: https}", "https://a:2379 p:3 (etcd3.host)"),
        ("etcd3: {hosts: 'a:1, b'}", "http://a:1,http://b:2379 p:3 (etcd3.hosts)"),
        ("etcd3:\n  hosts:\n  - a:1\n  - '[fd00::1]:2'\n", "http://a:1,http://[fd00::1]:2 p:5 (etcd3.hosts)"),
        ("etcd3: {hosts: [a, 'fd00::1'], port: 7}", "http://a:7,http://[fd00::1]:7 p:3 (etcd3.hosts)"),
        ("etcd3: {url: 'https://a'}", "https://a:2379 p:3 (etcd3.url)"),
        ("etcd3: {url: 'http://a:1/', host: b}", "http://a:1 p:3 (etcd3.url)"),
        ("etcd3: {proxy: 'http://a:4001', hosts: [b]}", "http://a:4001 p:3 (etcd3.proxy)"),
    ] {
        gives(section, &format!("dcs-type etcd3 p:3 (dcs-type)\ndcs-endpoints {endpoints}\n"));
    }
    gives("etcd: {host: a}", "dcs-type etcd2 p:3 (dcs-type)\ndcs-endpoints http://a:2379 p:3 (etcd.host)\n");
    gives(
        "etcd3: {url: 'https://u:p@a:1'}",
        "dcs-type etcd3 p:3 (dcs-type)\ndcs-endpoints https://a:1 p:3 (etcd3.url)\ndcs-user u p:3 (etcd3.url)\n\
         dcs-password p p:3 (etcd3.url)\n",
    );
}

#[test]
fn tls_files_count_where_tls_is_used_and_a_certificate_may_hold_its_key() {
    let files = "cacert: /ca, cert: /c";
    gives(
        &format!("etcd3: {{host: a, {files}}}"),
        "dcs-type etcd3 p:3 (dcs-type)\ndcs-endpoints http://a:2379 p:3 (etcd3.host)\n",
    );
    gives(
        &format!("etcd3: {{host: a, protocol: https, {files}}}"),
        "dcs-type etcd3 p:3 (dcs-type)\ndcs-endpoints https://a:2379 p:3 (etcd3.host)\ndcs-ca-file /ca p:3 (etcd3.cacert)\n\
         dcs-cert-file /c p:3 (etcd3.cert)\ndcs-key-file /c p:3 (etcd3.cert)\n",
    );
}

#[test]
fn consul() {
    gives("consul: {}", "dcs-type consul p:3 (dcs-type)\ndcs-endpoints http://127.0.0.1:8500 p:3 (consul.host)\n");
    gives(
        "consul: {host: c, token: t}",
        concat!(
            "dcs-type consul p:3 (dcs-type)\ndcs-endpoints http://c:8500 p:3 (consul.host)\n",
            "dcs-token t p:3 (consul.token)\n"
        ),
    );
    gives(
        "consul: {host: 'c:8501', scheme: https, cacert: /ca}",
        "dcs-type consul p:3 (dcs-type)\ndcs-endpoints https://c:8501 p:3 (consul.host)\ndcs-ca-file /ca p:3 (consul.cacert)\n",
    );
    gives(
        "consul: {url: 'https://c'}",
        concat!("dcs-type consul p:3 (dcs-type)\n", "dcs-endpoints https://c:8500 p:3 (consul.url)\n"),
    );
    gives(
        "consul: {host: c, dc: east}",
        "dcs-type consul p:3 (dcs-type)\ndcs-endpoints http://c:8500 p:3 (consul.host)\nconsul-datacenter east p:3 (consul.dc)\n",
    );
    complains(
        "consul: {url: 'https://c', verify: 'off'}",
        "p:3: consul.verify is off, but certificates are always verified here; set dcs-ca-file to the authority of the \
         store\n",
    );
}

#[test]
fn zookeeper_and_exhibitor() {
    let zookeeper = "dcs-type zookeeper p:3 (dcs-type)\n";
    gives("zookeeper: {hosts: [a, 'b:1/r']}", &format!("{zookeeper}dcs-endpoints a,b:1/r p:3 (zookeeper.hosts)\n"));
    gives(
        "zookeeper: {hosts: 'a, b:1', use_ssl: true, cacert: /ca, auth_data: {digest: 'u:p'}}",
        &format!(
            "{zookeeper}dcs-endpoints a,b:1 p:3 (zookeeper.hosts)\ndcs-user u p:3 (zookeeper.auth_data)\n\
             dcs-password p p:3 (zookeeper.auth_data)\ndcs-ca-file /ca p:3 (zookeeper.cacert)\n"
        ),
    );
    let exhibitor = "dcs-type exhibitor p:3 (dcs-type)\ndcs-endpoints a:8181 p:3";
    gives("exhibitor: {hosts: [a], port: 8181}", &format!("{exhibitor} (exhibitor.hosts)\n"));
    gives("zookeeper: {exhibitor: {hosts: a, port: 8181}}", &format!("{exhibitor} (exhibitor.hosts)\n"));
    complains("exhibitor: {hosts: [a]}", "p:3: exhibitor needs hosts and port; expected both in it\n");
    complains("zookeeper: {}", "p:3: zookeeper names no hosts; expected hosts in it\n");
}

#[test]
fn the_rest_api_of_this_host() {
    for (restapi, expected) in [
        ("{}", "http://127.0.0.1:8008 p:4 (restapi.listen)"),
        ("{listen: '0.0.0.0:8009', connect_address: '10.0.0.1:8009'}", "http://127.0.0.1:8009 p:4 (restapi.listen)"),
        ("{listen: '*:1'}", "http://127.0.0.1:1 p:4 (restapi.listen)"),
        ("{listen: '[::]:1'}", "http://127.0.0.1:1 p:4 (restapi.listen)"),
        ("{listen: '10.0.0.1:1'}", "http://10.0.0.1:1 p:4 (restapi.listen)"),
        ("{listen: '10.0.0.1,127.0.0.1:1'}", "http://10.0.0.1:8008 p:4 (restapi.listen)"),
    ] {
        let section = format!("raft: {{self_addr: 'a:1'}}\nrestapi: {restapi}");
        gives(&section, &format!("dcs-type patroni p:3 (dcs-type)\ndcs-endpoints {expected}\n"));
    }
    gives(
        "raft: {self_addr: 'a:1'}\nrestapi: {listen: '0.0.0.0:1', connect_address: 'pg1:1', certfile: /c, cafile: /ca, \
         verify_client: required}",
        "dcs-type patroni p:3 (dcs-type)\ndcs-endpoints https://pg1:1 p:4 (restapi.connect_address)\n\
         dcs-ca-file /ca p:4 (restapi.cafile)\ndcs-cert-file /c p:4 (restapi.certfile)\n\
         dcs-key-file /c p:4 (restapi.certfile)\n",
    );
    // Beside another store, if it is asked for.
    let (shown, said) = derived(&format!("{TOP}etcd3: {{host: a}}\n"), &[], &[(Key::DcsType, "patroni")]);
    assert_eq!(
        (shown.as_str(), said.as_str()),
        ("trigger-value pg1 p:2 (name)\ndcs-endpoints http://127.0.0.1:8008 p (restapi.listen)\n", "")
    );
}

#[test]
fn the_leader_key_is_where_patroni_has_it() {
    let key = |text: &str| {
        let (shown, said) = derived(text, &[], &[]);
        assert_eq!(said, "", "{text}");
        shown
            .lines()
            .find_map(|line| line.strip_prefix("trigger-key "))
            .map(|rest| rest.split(' ').next().unwrap().to_owned())
    };
    for (text, expected) in [
        ("scope: pg\nconsul: {}", "/service/pg/leader"),
        ("scope: pg\nnamespace: a/b//\nconsul: {}", "/a/b/pg/leader"),
        ("scope: pg\nnamespace: /\nconsul: {}", "/pg/leader"),
        ("scope: 42\nconsul: {}", "/service/42/leader"),
        ("scope: pg\nconsul: {}\ncitus: {group: 0, database: d}", "/service/pg/0/leader"),
        ("scope: pg\nconsul: {}\ncitus: {group: 0}", "/service/pg/leader"),
        ("scope: pg\nkubernetes: {labels: {a: b}}", "default/configmaps/pg-leader"),
        ("scope: pg\nkubernetes: {namespace: db}", "db/configmaps/pg-leader"),
        ("scope: pg\nnamespace: top\nkubernetes: {namespace: db}", "top/configmaps/pg-leader"),
        ("scope: pg\nkubernetes: {use_endpoints: true}\ncitus: {group: 1, database: d}", "default/endpoints/pg-1"),
    ] {
        assert_eq!(key(text).as_deref(), Some(expected), "{text}");
    }
    assert_eq!(key("scope: pg\nraft: {self_addr: a}"), None, "the default is right");
    let missing = "p: Patroni's configuration has no scope; expected one, or trigger-key beside patroni-config\n";
    assert_eq!(derived("consul: {}", &[], &[]).1, missing);
    assert_eq!(derived("consul: {}", &[], &[(Key::TriggerKey, "/a/leader")]).1, "");
}

#[test]
fn the_store_that_patroni_picks() {
    for (sections, picked) in [
        ("etcd3: {host: a}\netcd: {host: b}", "etcd2"),
        ("zookeeper: {hosts: a}\nconsul: {}", "consul"),
        ("zookeeper: {hosts: a}\nraft: {self_addr: a}", "patroni"),
        ("etcd:\netcd3: {host: a}", "etcd3"),
    ] {
        let (shown, _) = derived(&format!("{TOP}{sections}"), &[], &[]);
        assert!(shown.contains(&format!("dcs-type {picked} ")), "{sections}: {shown}");
    }
    complains(
        "",
        "p: Patroni's configuration names no store; expected one of its sections consul, etcd, etcd3, exhibitor, \
         kubernetes, raft or zookeeper, or dcs-type beside patroni-config\n",
    );
    complains("etcd3: {}", "p:3: etcd3 names no endpoint; expected host, hosts, srv, url or proxy in it\n");
}

#[test]
fn srv_records_are_asked_for_in_patronis_order() {
    let endpoints = "dcs-type etcd3 p:3 (dcs-type)\ndcs-endpoints";
    gives("etcd3: {srv: org}", &format!("{endpoints} https://a.org:2379,https://b.org:2380 p:3 (etcd3.srv)\n"));
    gives("etcd3: {srv: plain}", &format!("{endpoints} http://_etcd-client._tcp.plain:1 p:3 (etcd3.srv)\n"));
    gives(
        "etcd3: {srv: plain, srv_suffix: pg}",
        &format!("{endpoints} http://_etcd-client-pg._tcp.plain:1 p:3 (etcd3.srv)\n"),
    );
    complains(
        "etcd3: {srv: nothing}",
        "p:3: DNS has no record for etcd3.srv: neither _etcd-client._tcp.nothing nor _etcd-client-ssl._tcp.nothing; add \
         one, or set dcs-endpoints\n",
    );
    complains(
        "etcd: {srv: peers}",
        "p:3: DNS has only the ports of etcd's peers for etcd.srv (_etcd-server._tcp.peers); add records \
         _etcd-client._tcp.peers, or set dcs-endpoints\n",
    );
    complains(
        "etcd3: {srv: dead}",
        "p:3: cannot look up the etcd3.srv record _etcd-client-ssl._tcp.dead: 10.0.0.1: no answer within 2s; set \
         dcs-endpoints to do without\n",
    );
}

#[test]
fn kubernetes_gives_an_authority_and_a_context() {
    let (shown, said) = derived(&format!("{TOP}kubernetes: {{cacert: /ca, context: lab}}"), &[], &[]);
    assert_eq!(said, "");
    for line in ["dcs-ca-file /ca p:3 (kubernetes.cacert)", "kubernetes-context lab p:3 (kubernetes.context)"] {
        assert!(shown.contains(line), "{shown}");
    }
}

#[test]
fn what_is_set_beside_it_wins_and_excuses_what_is_missing() {
    let beside = [(Key::DcsEndpoints, "b"), (Key::TriggerValue, "other"), (Key::DcsType, "etcd")];
    let (shown, said) = derived(&format!("{TOP}etcd3: {{srv: example.org, cacert: /ca}}"), &[], &beside);
    assert_eq!(said, "");
    assert_eq!(shown, "trigger-key /service/pg/leader p:1 (scope)\ndcs-ca-file /ca p:3 (etcd3.cacert)\n");
}

#[test]
fn a_file_beside_it_replaces_a_secret_in_it() {
    let beside = [(Key::DcsPasswordFile, "/p"), (Key::DcsTokenFile, "/t")];
    let (shown, _) = derived(&format!("{TOP}etcd3: {{host: a, username: u, password: p}}"), &[], &beside);
    assert!(shown.contains("dcs-user u") && !shown.contains("dcs-password"), "{shown}");
    let (shown, _) = derived(&format!("{TOP}consul: {{token: t}}"), &[], &beside);
    assert!(!shown.contains("dcs-token"), "{shown}");
}

#[test]
fn variables_win_over_the_file() {
    let variables = [
        ("PATRONI_NAME", "pg9"),
        ("PATRONI_SCOPE", "other"),
        ("PATRONI_ETCD3_HOSTS", "'a:1', b"),
        ("PATRONI_ETCD3_PROTOCOL", "https"),
        ("PATRONI_ETCD3_USERNAME", "u"),
        ("PATRONI_ETCD3_PASSWORD", "p"),
        ("PATRONI_ETCD_USERNAME", "ignored, as Patroni does without another variable of the section"),
        ("PATRONI_SUPERUSER_PASSWORD", "nothing for us"),
        ("PATRONI_CITUS_GROUP", ""),
    ];
    let (shown, said) = derived(&format!("{TOP}etcd3: {{host: x}}"), &variables, &[]);
    assert_eq!(said, "");
    assert_eq!(
        shown,
        "trigger-key /service/other/leader PATRONI_SCOPE (scope)\ntrigger-value pg9 PATRONI_NAME (name)\n\
         dcs-type etcd3 p:3 (dcs-type)\n\
         dcs-endpoints https://a:1,https://b:2379 PATRONI_ETCD3_HOSTS (etcd3.hosts)\n\
         dcs-user u PATRONI_ETCD3_USERNAME (etcd3.username)\ndcs-password p PATRONI_ETCD3_PASSWORD (etcd3.password)\n"
    );
    let (shown, _) = derived(TOP, &[("PATRONI_CONSUL_HOST", "c"), ("PATRONI_RESTAPI_LISTEN", "x")], &[]);
    assert!(shown.contains("dcs-endpoints http://c:8500 PATRONI_CONSUL_HOST"), "{shown}");
}

#[test]
fn files_are_merged_as_patroni_does() {
    let map = |text: &str| Value::of(&yaml::parse(text).unwrap().unwrap(), &Arc::from("p")).map().cloned().unwrap();
    let mut merged = map("a: 1\nb: {x: 1, y: 2}\nc: [1]\nd: {z: 1}\n");
    tree::patch(&mut merged, map("b: {y: 3, x: }\nc: [2]\nd: text\ne: new\na:\n"));
    let text = |map: &Map, name: &str| map.get(name).and_then(Value::text).map(|(text, _)| text.to_owned());
    assert_eq!(
        (text(&merged, "a"), text(&merged, "d").as_deref(), text(&merged, "e").as_deref()),
        (None, Some("text"), Some("new"))
    );
    let inner = merged["b"].map().unwrap();
    assert_eq!((text(inner, "x"), text(inner, "y").as_deref()), (None, Some("3")));
    assert_eq!(merged["c"].elements().len(), 1);
    let anchored = map("base: &b {host: h, port: 1}\netcd3:\n  <<: *b\n  port: 2\n");
    let section = anchored["etcd3"].map().unwrap();
    assert_eq!((text(section, "host").as_deref(), text(section, "port").as_deref()), (Some("h"), Some("2")));
}

#[test]
fn no_text_panics() {
    use proptest::prelude::*;
    proptest!(|(text in "(scope|name|etcd3|etcd|consul|hosts|url|: |\\{|\\}|\\[|\\]|,|\n|  |- |&a|\\*a|<<|://|@|[a-z0-9:/.@-]{0,6}){0,40}")| {
        if let Ok(Some(node)) = yaml::parse(&text) {
            let root = Value::of(&node, &Arc::from("p")).map().cloned().unwrap_or_default();
            let patroni = Patroni { root, place: Place::file(&Arc::from("p")), lookup };
            let mut findings = Findings::default();
            let _derived = patroni.derive(&Layer::default(), &mut findings);
        }
    });
}

#[test]
fn a_bare_name_is_a_credential_a_directory_is_all_its_files_and_what_cannot_be_read_is_told_with_its_cure() {
    let directory = std::env::temp_dir().join(format!("vip-manager-patroni-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
    write("20-b.yaml", "scope: b\n");
    write("10-a.yml", "scope: a\nname: n\n");
    write("30-c.txt", "scope: c\n");
    let outcome = |text: &str, credentials: Option<&Path>| {
        let mut findings = Findings::default();
        let item = Item { text: text.to_owned(), place: Place::Nowhere };
        let setting = Setting::new(Key::PatroniConfig, "patroni-config", Place::Nowhere, vec![item]);
        let surroundings = Surroundings { credentials: credentials.map(Into::into), ..Surroundings::default() };
        let found = read(&setting, &surroundings, &mut findings);
        let scope = found.and_then(|(_, patroni)| Some(patroni.root.get("scope")?.text()?.0.to_owned()));
        (scope, findings.sorted().0.iter().map(ToString::to_string).collect::<String>())
    };
    let shown = directory.display().to_string();
    assert_eq!(outcome(&shown, None), (Some("b".to_owned()), String::new()));
    assert_eq!(outcome("10-a.yml", Some(&directory)), (Some("a".to_owned()), String::new()));
    let (_, said) = outcome("none.yml", Some(&directory));
    assert!(said.contains("LoadCredential=none.yml:/etc/patroni/patroni.yml"), "{said}");
    let (_, said) = outcome(&format!("{shown}/none.yml"), None);
    assert!(said.ends_with("none.yml does not exist; expected Patroni's configuration"), "{said}");
    write("40-d.yml", "- a\n");
    let (_, said) = outcome(&format!("{shown}/40-d.yml"), None);
    assert!(said.ends_with("40-d.yml:1: this is not Patroni's configuration: expected a mapping"), "{said}");
    std::fs::remove_dir_all(&directory).unwrap();
}
