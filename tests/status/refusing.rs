//! Refused connections are counted and told.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};

use super::ask::{PATIENT, metric, program, told, wait_told};
use crate::support::clock::wait_for;
use crate::support::host::{INTERFACE, VIP};
use crate::support::setup::{SOON, Setup, wait_logged};

const SERIES: &str = "vip_manager_refused_connections_total{vip=\"10.66.0.100/32\",interface=\"eth0\"}";

#[test]
fn status_json_and_metrics_tell_of_refused_connections() {
    let setup = Setup::new("refusing", 1);
    let daemon = setup.lead(&told(&setup, setup.host()).with("refuse-after-release", "20s"), VIP);
    setup.client.ip(&format!("neigh replace {VIP} lladdr {} dev {INTERFACE} nud permanent", setup.host().mac()));
    wait_told(setup.host(), "/status", "\"refusing\":null,\"refused_connections\":0");
    setup.set_unknown_leader();
    setup.observer.wait_gone(setup.host(), VIP, SOON);
    wait_told(setup.host(), "/status", "\"refusing\":1");
    for _ in 0..2 {
        let target = SocketAddr::new(VIP, 5432);
        let error = setup.client.enter(move || TcpStream::connect_timeout(&target, SOON)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    let (_, text, _) = program(&daemon, &[]);
    assert!(text.contains("refusing   new connections, for 1"), "{text}");
    assert!(text.contains("refused    2 new connections\n"), "{text}");
    wait_told(setup.host(), "/status", "\"refused_connections\":2");
    assert_eq!(metric(setup.host(), SERIES), Some(2.0));

    setup.set_leader(setup.host());
    wait_logged(&daemon, "10.66.0.100/32 on eth0 refused 2 new connections in the");
    wait_for("the count to stay", PATIENT, || metric(setup.host(), SERIES) == Some(2.0));
    wait_told(setup.host(), "/status", "\"refusing\":null,\"refused_connections\":2");
}
