//! Servers that would not take the VIP's clients. They are small programs that call themselves as PostgreSQL does.

use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::machine::as_nobody;
use crate::support::clock::wait_for;
use crate::support::daemon::ConfigFile;
use crate::support::etcd::Cluster;
use crate::support::host::{Host, VIP};
use crate::support::lab::Lab;
use crate::support::process::Process;
use crate::{Printed, check, file};

#[test]
fn a_server_that_refuses_the_vips_clients_is_reported_on_any_port() {
    let lab = Lab::new("postgres");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let config = ConfigFile::basic(&host, &cluster);
    let vip = VIP.to_string();

    let loopback = server(&host, "postgres", "127.0.0.1", 5433, &[]);
    check(&host, &config).shows("postgres-listens");
    let pooler = server(&host, "pgbouncer", "0.0.0.0", 6432, &[]);
    let printed = check(&host, &config);
    let told = format!("listens only on 127.0.0.1, and pgbouncer accepts connections to {vip} on port 6432");
    assert!(printed.text.contains(&told), "{}", printed.text);
    drop((loopback, pooler));

    let late = server(&host, "postgres", "127.0.0.1", 5433, &[&format!("--listen_addresses=127.0.0.1,{vip}")]);
    check(&host, &config).shows("postgres-late");
    drop(late);

    host.ip(&format!("addr add {vip}/32 dev eth0"));
    let by_name = server(&host, "postgres", &vip, 5433, &[]);
    check(&host, &config).shows("postgres-nonlocal");
    host.sysctl("net/ipv4/ip_nonlocal_bind", "1");
    let printed = check(&host, &config);
    assert!(printed.text.contains("PostgreSQL on port 5433: accepts connections to"), "{}", printed.text);
    drop(by_name);
}

#[test]
fn a_server_of_another_user_is_guessed_by_its_port() {
    let lab = Lab::new("unseen");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let _server = server(&host, "postgres", "127.0.0.1", 5432, &[]);
    let config = file(&host, &ConfigFile::basic(&host, &cluster));
    Printed::by(as_nobody(&lab, &host, &config)).shows("postgres-unseen");
}

/// Starts a program of this name that listens on an address, and waits until it does.
fn server(host: &Host, name: &str, address: &str, port: u16, arguments: &[&str]) -> Process {
    let program = host.directory().join(name);
    if !program.exists() {
        symlink("/usr/bin/perl", &program).unwrap();
    }
    let mut command = host.command(&program);
    command.args(["-MIO::Socket::INET", "-e", LISTEN, address, &port.to_string()]).args(arguments);
    let process = Process::start(name, command);
    wait_for(&format!("{name} to listen"), Duration::from_secs(20), || process.logged("listening"));
    process
}

const LISTEN: &str = r#"
$| = 1;
my $socket = IO::Socket::INET->new(LocalAddr => $ARGV[0], LocalPort => $ARGV[1], Listen => 5, ReuseAddr => 1) or die $!;
print "listening\n";
sleep;
"#;
