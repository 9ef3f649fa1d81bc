//! What can be wrong with Patroni's REST API.

use crate::check;
use crate::support::daemon::ConfigFile;
use crate::support::host::{Host, INTERFACE, VIP};
use crate::support::lab::Lab;
use crate::support::rest::{PORT, RestApi};

fn host() -> (Lab, Host) {
    let lab = Lab::new("rest");
    let host = lab.host("db1");
    (lab, host)
}

fn config() -> ConfigFile {
    ConfigFile::bare().with("ip", VIP).with("interface", INTERFACE).with("dcs-type", "patroni")
}

#[test]
fn a_patroni_that_leads_passes_and_says_how_long_it_holds() {
    let (_lab, host) = host();
    let api = RestApi::start(&host);
    api.lead(true);
    let printed = check(&host, &config());
    for words in [
        "✓ Patroni http://127.0.0.1:8008: Patroni 4.1.5 answered in ",
        "✓ key /leader: is answered with 200: db1 leads",
        "✓ key /leader: has the grade assumed: each answer holds the VIP for 3.0 s, by Patroni's settings (ttl 10 s",
    ] {
        assert!(printed.text.contains(words), "{words}\n{}", printed.text);
    }
    api.lead(false);
    let printed = check(&host, &config());
    assert!(
        printed.text.contains("✓ key /leader: is answered with 503: db1 does not lead (replica)"),
        "{}",
        printed.text
    );
}

#[test]
fn patroni_does_not_run() {
    let (_lab, host) = host();
    check(&host, &config()).shows("rest-refused");
}

#[test]
fn the_endpoint_is_another_hosts() {
    let (lab, host) = host();
    let other = lab.host("db2");
    let api = RestApi::start(&other);
    api.lead(true);
    check(&host, &config().with("dcs-endpoints", format!("{}:{PORT}", other.v4()))).shows("rest-remote");
}

#[test]
fn the_path_is_no_leaders() {
    let (_lab, host) = host();
    check(&host, &config().with("trigger-key", "/replica")).shows("rest-replica");
    check(&host, &config().with("trigger-key", "/leadership")).shows("rest-path");
}

#[test]
fn the_name_is_not_this_members() {
    let (_lab, host) = host();
    let _api = RestApi::start(&host);
    check(&host, &config().with("trigger-value", "pg-1")).shows("rest-name");
}

#[test]
fn patroni_leads_by_its_role_only() {
    let (_lab, host) = host();
    let api = RestApi::start(&host);
    api.lead(true);
    api.say(|said| said.more = "\"pause\": true, \"cluster_unlocked\": true, ".to_owned());
    check(&host, &config()).shows("rest-lock");
}

#[test]
fn the_settings_leave_nothing() {
    let (_lab, host) = host();
    let api = RestApi::start(&host);
    api.say(|said| said.timing = Some([5, 1, 3]));
    check(&host, &config()).shows("rest-grade");
}
