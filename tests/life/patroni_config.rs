//! Three lines and Patroni's own file are a whole configuration, which a reload reads again.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::clock::{pause, wait_for};
use crate::support::daemon::{Daemon, KEY, binary};
use crate::support::etcd::PORT;
use crate::support::host::{INTERFACE, VIP};
use crate::support::ping::Pinger;
use crate::support::process::Process;
use crate::support::setup::{SOON, Setup, wait_logged};

const OFTEN: Duration = Duration::from_millis(10);

/// Writes Patroni's file for a host of this name in the cluster `pg_cluster`. The mode is that of most hosts.
fn write_patroni(setup: &Setup, name: &str) -> PathBuf {
    let endpoints = setup.cluster.endpoints();
    let hosts: Vec<_> = endpoints.iter().map(|endpoint| endpoint.trim_start_matches("http://")).collect();
    let path = setup.host().directory().join("patroni.yml");
    let text = format!(
        "scope: pg_cluster\nname: {name}\nrestapi:\n  listen: 0.0.0.0:8008\netcd3:\n  hosts:\n  - {}\n\
         bootstrap:\n  dcs: {{ttl: 30, loop_wait: 10}}\npostgresql:\n  authentication: {{superuser: {{password: s}}}}\n",
        hosts.join("\n  - ")
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn three_lines_are_enough_and_a_reload_follows_patronis_file() {
    let setup = Setup::new("patroni-config", 1);
    setup.set_leader(setup.host());
    let patroni = write_patroni(&setup, setup.host().name());
    let text = format!("ip: {VIP}\ninterface: {INTERFACE}\npatroni-config: {}\n", patroni.display());
    let daemon = Daemon::start_with(setup.host(), &text, &[]);
    setup.observer.wait_held(setup.host(), VIP, SOON);
    let pinger = Pinger::start(&setup.client, VIP, OFTEN);
    wait_for("some answers", SOON, || pinger.pings().answers.len() > 20);

    // A mistake in Patroni's file changes nothing; nor does a change that concerns only Patroni.
    let before = fs::read_to_string(&patroni).unwrap();
    fs::write(&patroni, "scope: [\n").unwrap();
    daemon.process.signal(Signal::SIGHUP);
    wait_logged(&daemon, "keeping the old one");
    fs::write(&patroni, before.replace("ttl: 30", "ttl: 60")).unwrap();
    daemon.process.signal(Signal::SIGHUP);
    wait_logged(&daemon, "configuration reloaded: 0 VIPs added, 0 removed");
    pause(Duration::from_secs(1));
    assert_eq!(setup.times_held(VIP), 1);
    assert_eq!(pinger.stop().lost(), 0);

    // Another name in it is another trigger-value.
    write_patroni(&setup, "another");
    daemon.process.signal(Signal::SIGHUP);
    setup.observer.wait_gone(setup.host(), VIP, SOON).unwrap();
    setup.cluster.store().put(KEY, "another");
    setup.observer.wait_held(setup.host(), VIP, SOON);
}

/// Answers one service's name as a name server does, and says of every other name that there is none. The server's host
/// is an address, so that no record of a second kind is needed.
fn answer_as_name_server(socket: &UdpSocket, service: &str, server: Ipv4Addr, port: u16) {
    let labels = |name: &str| -> Vec<u8> {
        let labels =
            name.split('.').flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat());
        labels.chain([0]).collect()
    };
    let (name, host) = (labels(service), labels(&server.to_string()));
    let mut buffer = [0; 512];
    while let Ok((length, asker)) = socket.recv_from(&mut buffer) {
        let question = &buffer[12..length - 11];
        let known = question.starts_with(&name);
        let mut answer = buffer[..2].to_vec();
        answer.extend([0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(known), 0, 0, 0, 0]);
        answer.extend(question);
        if known {
            answer.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, u8::try_from(6 + host.len()).unwrap(), 0, 0, 0, 0]);
            answer.extend(port.to_be_bytes());
            answer.extend(&host);
        }
        let _ = socket.send_to(&answer, asker);
    }
}

#[test]
fn the_servers_of_an_srv_record_are_asked() {
    let setup = Setup::new("srv", 1);
    setup.set_leader(setup.host());
    let (resolver, member) = (setup.lab.host("resolver"), setup.cluster.members[0].host.v4());
    let address = resolver.v4();
    let socket = resolver.enter(move || UdpSocket::bind((address, 53)).unwrap());
    std::thread::spawn(move || answer_as_name_server(&socket, "_etcd-client._tcp.lab.test", member, PORT));
    let directory = setup.host().directory();
    let (resolvers, patroni, config) =
        (directory.join("resolv.conf"), directory.join("patroni.yml"), directory.join("srv.yml"));
    fs::write(&resolvers, format!("nameserver {address}\n")).unwrap();
    let name = setup.host().name();
    fs::write(&patroni, format!("scope: pg_cluster\nname: {name}\netcd3: {{srv: lab.test}}\n")).unwrap();
    fs::write(&config, format!("ip: {VIP}\ninterface: {INTERFACE}\npatroni-config: {}\n", patroni.display())).unwrap();
    let start = |arguments: &str| {
        // Every command on a host has a mount namespace of its own.
        let mut command = setup.host().command("sh");
        let script = format!("mount --bind \"$1\" /etc/resolv.conf && exec \"$2\" {arguments} --config \"$3\"");
        command.args(["-c", &script, "sh"]).args([&resolvers, &binary(), &config]);
        Process::start("vip-manager", command)
    };
    let mut shown = start("show-config");
    assert!(shown.wait(SOON).success(), "{}", shown.text());
    assert!(shown.text().contains(&format!("http://{member}:{PORT}")), "{}", shown.text());
    let mut daemon = start("");
    setup.observer.wait_held(setup.host(), VIP, SOON);

    // No name server is needed to remove the VIP.
    daemon.kill();
    fs::write(&resolvers, "nameserver 127.0.0.1\n").unwrap();
    let mut refused = start("show-config");
    assert!(!refused.wait(SOON).success() && refused.text().contains("cannot look up the etcd3.srv record"));
    assert!(setup.host().carries(VIP));
    let mut release = start("release");
    assert!(release.wait(SOON).success(), "{}", release.text());
    assert!(!setup.host().carries(VIP));
}

/// What a user sees whose daemon may not read Patroni's file.
#[test]
fn a_file_that_may_not_be_read_is_told_with_the_drop_in_that_helps() {
    let setup = Setup::new("patroni-config", 1);
    let patroni = write_patroni(&setup, "pg1");
    let directory = setup.host().directory();
    let (program, file) = (directory.join("vip-manager"), directory.join("vip.yml"));
    fs::copy(binary(), &program).unwrap();
    fs::write(&file, format!("ip: {VIP}\ninterface: {INTERFACE}\npatroni-config: {}\n", patroni.display())).unwrap();
    for (path, mode) in [(program.as_path(), 0o755), (file.as_path(), 0o644), (directory, 0o755)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = setup.host().command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
    let output = command.args(["show-config", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let path = patroni.display();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains(&format!("cannot read Patroni's {path} for lack of permission")), "{said}");
    assert!(said.contains(&format!("LoadCredential=patroni.yml:{path}")), "{said}");
    assert!(said.contains("set patroni-config: patroni.yml"), "{said}");
}
