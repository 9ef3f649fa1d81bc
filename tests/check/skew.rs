//! A member whose clock is wrong. All hosts of the lab have one clock, so something in front of etcd tells another time.

use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use crate::check;
use crate::support::daemon::ConfigFile;
use crate::support::etcd::Cluster;
use crate::support::host::Host;
use crate::support::lab::Lab;

const PORT: u16 = 2399;

#[test]
fn a_member_with_a_slow_clock_is_reported() {
    let lab = Lab::new("skew");
    let cluster = Cluster::start(&lab, 1);
    let (host, late) = (lab.host("db1"), lab.host("late"));
    stand_before(&late, cluster.members[0].client_address());
    let config = ConfigFile::basic(&host, &cluster).with("dcs-endpoints", format!("http://{}:{PORT}", late.v4()));
    let printed = check(&host, &config);
    printed.shows("clock-skew");
    assert!(printed.text.contains("and sees a leader"), "{}", printed.text);
}

/// Answers plain HTTP from the year 2020, and hands everything else on to etcd.
fn stand_before(host: &Host, door: String) {
    let listener = host.enter(|| TcpListener::bind(("0.0.0.0", PORT)).unwrap());
    drop(host.spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(etcd) = TcpStream::connect(&door) else { continue };
            thread::spawn(move || serve(client, etcd));
        }
    }));
}

fn serve(mut client: TcpStream, etcd: TcpStream) -> io::Result<()> {
    let mut first = [0; 4];
    // What begins with GET is HTTP/1; etcd's own protocol begins with PRI.
    while client.peek(&mut first)? < first.len() {}
    if &first == b"GET " {
        let page = "HTTP/1.1 200 OK\r\nDate: Wed, 01 Jan 2020 00:00:00 GMT\r\nConnection: close\r\n\r\n{}";
        client.write_all(page.as_bytes())?;
        return client.shutdown(Shutdown::Write);
    }
    let (from, to) = (etcd.try_clone()?, client.try_clone()?);
    thread::spawn(move || pass(from, to));
    pass(client, etcd)
}

fn pass(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}
