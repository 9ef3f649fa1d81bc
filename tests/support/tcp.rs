//! A TCP connection through the VIP, like that of a database client.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vip_manager::time::Moment;

use super::clock::{now, pause};
use super::fail::{OrFail, locked};
use super::host::Host;

/// The port of the database.
pub(crate) const DATABASE: u16 = 5432;
const POLL: Duration = Duration::from_millis(20);
const CONNECT: Duration = Duration::from_secs(2);

/// Echoes every byte, on all addresses of a host including the VIP.
#[derive(Debug)]
pub(crate) struct EchoServer {
    stop: Arc<AtomicBool>,
}

impl EchoServer {
    pub(crate) fn on(host: &Host) -> Self {
        let listener = host.enter(|| TcpListener::bind(("::", DATABASE)).or_fail("listening"));
        listener.set_nonblocking(true).or_fail("listening without blocking");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => drop(std::thread::spawn(move || echo(stream))),
                    Err(_) => pause(Duration::from_millis(2)),
                }
            }
        });
        Self { stop }
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The state of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConnectionState {
    /// It is open. `last_answer` tells whether the other end answers.
    Open,
    /// It was reset, so the client knows immediately.
    Reset(Moment),
    /// The other end closed it normally.
    Closed(Moment),
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionStatus {
    pub(crate) state: ConnectionState,
    pub(crate) last_answer: Moment,
    /// The longest time between two answers so far, including the time since the last one.
    pub(crate) longest_silence: Duration,
}

/// A client that sends a byte every few milliseconds and waits for the echo.
#[derive(Debug)]
pub(crate) struct TcpClient {
    status: Arc<Mutex<ConnectionStatus>>,
    stop: Arc<AtomicBool>,
}

impl TcpClient {
    /// Connects from `host`.
    pub(crate) fn connect(host: &Host, address: IpAddr) -> Result<Self, std::io::Error> {
        let target = SocketAddr::new(address, DATABASE);
        let stream = host.enter(move || TcpStream::connect_timeout(&target, CONNECT))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(POLL))?;
        stream.set_write_timeout(Some(POLL))?;
        let status =
            ConnectionStatus { state: ConnectionState::Open, last_answer: now(), longest_silence: Duration::ZERO };
        let status = Arc::new(Mutex::new(status));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&status), Arc::clone(&stop));
        std::thread::spawn(move || exchange(stream, &shared, &stopped));
        Ok(Self { status, stop })
    }

    pub(crate) fn status(&self) -> ConnectionStatus {
        let mut status = *locked(&self.status);
        if status.state == ConnectionState::Open {
            status.longest_silence = status.longest_silence.max(now().since(status.last_answer));
        }
        status
    }
}

impl Drop for TcpClient {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 256];
    while let Ok(length) = stream.read(&mut bytes) {
        if length == 0 || stream.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}

/// Sends one byte, waits for its echo, sends the next.
fn exchange(mut stream: TcpStream, status: &Mutex<ConnectionStatus>, stop: &AtomicBool) {
    let mut waiting = false;
    while !stop.load(Ordering::Relaxed) {
        let turn = if waiting { read_echo(&mut stream) } else { stream.write_all(b"?").map(|()| Step::Sent) };
        let mut status = locked(status);
        match turn {
            Ok(Step::Answered) => {
                let at = now();
                status.longest_silence = status.longest_silence.max(at.since(status.last_answer));
                status.last_answer = at;
                waiting = false;
                drop(status);
                pause(POLL / 4);
            }
            Ok(Step::Sent) => waiting = true,
            Ok(Step::Closed) => {
                status.state = ConnectionState::Closed(now());
                return;
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(_) => {
                status.state = ConnectionState::Reset(now());
                return;
            }
        }
    }
}

enum Step {
    Sent,
    Answered,
    Closed,
}

fn read_echo(stream: &mut TcpStream) -> std::io::Result<Step> {
    let mut byte = [0; 1];
    Ok(if stream.read(&mut byte)? == 0 { Step::Closed } else { Step::Answered })
}
