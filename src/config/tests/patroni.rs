//! Patroni's own file as nearly the whole configuration, from the file to what `show-config` prints.

use std::path::PathBuf;

use super::run::{Run, has_row};

const THREE_LINES: &str = "ip: 10.0.0.5\ninterface: eth0\npatroni-config: PATRONI\n";
const PATRONI: &str = "\
scope: demo
name: pg1
etcd3:
  hosts: [10.1.0.1, 10.1.0.2]
  username: u
  password: battery staple
";

/// A run with this file of Patroni's beside ours, in which PATRONI is its path. Paths are shown by their last part.
struct Both {
    patroni: PathBuf,
    run: Run,
}

impl Both {
    fn new(ours: &str, patroni: &str) -> Self {
        static RUNS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vip-manager-patroni-{}-{number}.yml", std::process::id()));
        std::fs::write(&path, patroni).unwrap();
        let run = Run::new().file(ours.replace("PATRONI", &path.display().to_string()));
        Self { patroni: path, run }
    }

    fn env(mut self, variables: &[(&str, &str)]) -> Self {
        self.run = std::mem::take(&mut self.run).env(variables);
        self
    }

    fn shown(&self) -> (String, String) {
        let (shown, notices) = self.run.shown();
        let name = |text: String| text.replace(&self.patroni.display().to_string(), "patroni.yml");
        (name(shown), name(notices))
    }

    fn told(&self) -> String {
        self.run.told().replace(&self.patroni.display().to_string(), "patroni.yml")
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.patroni));
    }
}

#[test]
fn three_lines_are_a_configuration() {
    let (shown, notices) = Both::new(THREE_LINES, PATRONI).shown();
    for row in [
        "dcs-type etcd patroni.yml:3",
        "dcs-endpoints http://10.1.0.1:2379,http://10.1.0.2:2379 patroni.yml:4 (etcd3.hosts)",
        "dcs-user u patroni.yml:5 (etcd3.username)",
        "dcs-password (set, not shown) patroni.yml:6 (etcd3.password)",
        "trigger-key /service/demo/leader patroni.yml:1 (scope)",
        "trigger-value pg1 patroni.yml:2 (name)",
        "patroni-config patroni.yml vip-manager.yml:3",
    ] {
        has_row(&shown, row);
    }
    assert_eq!(notices, "");
    assert!(!shown.contains("battery staple"));
}

#[test]
fn what_is_set_beside_it_wins_wherever_it_is_set() {
    let ours = format!("{THREE_LINES}trigger-value: own\ndcs-endpoints: 10.9.9.9\n");
    let (shown, _) = Both::new(&ours, PATRONI).env(&[("VIP_TRIGGER_KEY", "/other/leader")]).shown();
    has_row(&shown, "trigger-value own vip-manager.yml:4");
    has_row(&shown, "dcs-endpoints http://10.9.9.9:2379 vip-manager.yml:5");
    has_row(&shown, "trigger-key /other/leader VIP_TRIGGER_KEY");
    has_row(&shown, "dcs-user u patroni.yml:5 (etcd3.username)");
}

#[test]
fn the_variables_of_patroni_count() {
    let (shown, _) =
        Both::new(THREE_LINES, PATRONI).env(&[("PATRONI_NAME", "pg7"), ("PATRONI_ETCD3_HOST", "x")]).shown();
    has_row(&shown, "trigger-value pg7 PATRONI_NAME");
    has_row(&shown, "dcs-endpoints http://10.1.0.1:2379,http://10.1.0.2:2379 patroni.yml:4 (etcd3.hosts)");
}

#[test]
fn an_entry_may_follow_another_patroni() {
    let ours = "\
interface: eth0
trigger-value: db1
dcs-endpoints: 10.9.9.9
dcs-user: top
dcs-password: top
vips:
  - {ip: 10.0.0.5, patroni-config: PATRONI}
  - {ip: 10.0.0.6, trigger-key: /service/b/leader}
";
    let (shown, _) = Both::new(ours, PATRONI).shown();
    let [first, second] = ["10.0.0.5/32 on eth0", "10.0.0.6/32 on eth0"].map(|title| shown.find(title).unwrap());
    let (first, second) = (&shown[first..second], &shown[second..]);
    has_row(first, "trigger-value pg1 patroni.yml:2 (name)");
    has_row(first, "dcs-endpoints http://10.1.0.1:2379,http://10.1.0.2:2379 patroni.yml:4 (etcd3.hosts)");
    has_row(first, "dcs-user u patroni.yml:5 (etcd3.username)");
    has_row(second, "trigger-value db1 vip-manager.yml:2");
    has_row(second, "dcs-endpoints http://10.9.9.9:2379 vip-manager.yml:3");
    has_row(second, "dcs-user top vip-manager.yml:4");
    assert!(!second.contains("patroni-config"), "{second}");
}

#[test]
fn a_mistake_in_patronis_file_has_its_place_there() {
    let told = |patroni: &str| Both::new(THREE_LINES, patroni).told();
    assert_eq!(
        told("scope: demo\nname: pg1\netcd3: {host: 'a:x'}\n"),
        "patroni.yml:3: endpoint \"http://a:x\" has the port \"x\"; expected 1 to 65535"
    );
    let missing = Run::new().file(THREE_LINES.replace("PATRONI", "/nonexistent/patroni.yml")).told();
    assert_eq!(missing, "vip-manager.yml:3: /nonexistent/patroni.yml does not exist; expected Patroni's configuration");
    assert_eq!(
        told("scope: demo\nname: pg1\nnostore: {}\n"),
        "patroni.yml: Patroni's configuration names no store; expected one of its sections consul, etcd, etcd3, \
         exhibitor, kubernetes, raft or zookeeper, or dcs-type beside patroni-config"
    );
}

#[test]
fn a_member_of_patroni_may_have_a_number_for_a_name() {
    let (ours, patroni) =
        (format!("{THREE_LINES}dcs-type: patroni\n"), "scope: demo\nname: '7'\nrestapi: {listen: '127.0.0.1:8008'}\n");
    has_row(&Both::new(&ours, patroni).shown().0, "trigger-value 7 patroni.yml:2 (name)");
    let told = Both::new(&format!("{ours}trigger-value: 7\n"), patroni).told();
    assert!(told.contains("expected 200, or the name"), "{told}");
}
