//! A session with a ZooKeeper server, on a thread of its own: what Patroni has, and what changes things in a test.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use vip_manager::wire::jute::{Acl, Code, Connected, Kind, Operation, Reply, Request, SessionId, Stat, auth, connect};
use vip_manager::wire::jute::{length, ping};

use super::super::clock::now;
use super::super::fail::OrFail;
use super::super::host::Host;

/// How long a request of the lab may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A session. It is kept alive until it falls silent, is closed, or is dropped, which leaves it to its timeout.
#[derive(Debug)]
pub(crate) struct Session {
    jobs: mpsc::Sender<Job>,
    /// As the server allowed it.
    pub(crate) timeout: Duration,
    pub(crate) id: i64,
}

type Job = Box<dyn FnOnce(&mut Line) + Send>;

/// The connection of a session.
#[derive(Debug)]
pub(crate) struct Line {
    stream: TcpStream,
    addresses: Vec<SocketAddr>,
    session: SessionId,
    timeout: Duration,
    limit: Duration,
    xid: i32,
    silent: bool,
}

impl Session {
    pub(super) fn open(host: &Host, addresses: Vec<SocketAddr>, timeout: Duration) -> Self {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (made, begun) = mpsc::channel();
        drop(host.spawn(move || {
            let mut line = Line::open(addresses, timeout, LIMIT).or_fail("beginning a session with ZooKeeper");
            let _ = made.send((line.timeout, line.session.id));
            let pause = line.timeout / 4;
            let mut pinged = now();
            loop {
                match inbox.recv_timeout(pause.saturating_sub(now().since(pinged))) {
                    Ok(job) => job(&mut line),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                if now().since(pinged) >= pause {
                    pinged = now();
                    line.keep();
                }
            }
        }));
        let (timeout, id) = begun.recv().or_fail("waiting for a session with ZooKeeper");
        Self { jobs, timeout, id }
    }

    /// Creates a znode with an ACL, and those above it, if they are not there.
    pub(crate) fn create(&self, path: &str, data: &str, acl: &[Acl<'static>], ephemeral: bool) -> Code {
        let above: Vec<usize> = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).collect();
        for at in above {
            let parent = Operation::Create { path: &path[..at], data: b"", acl: &[Acl::OPEN], ephemeral: false };
            self.change(&parent);
        }
        self.change(&Operation::Create { path, data: data.as_bytes(), acl, ephemeral })
    }

    /// Writes a value that outlives the session.
    pub(crate) fn put(&self, path: &str, data: &str) {
        if self.create(path, data, &[Acl::OPEN], false) == Code::NODE_EXISTS {
            assert_eq!(self.change(&Operation::SetData { path, data: data.as_bytes(), version: -1 }), Code::OK);
        }
    }

    /// Takes the leader key as Patroni does: an ephemeral znode, in the place of another one.
    pub(crate) fn lead(&self, path: &str, name: &str) {
        let taken = self.create(path, name, &[Acl::OPEN], true);
        if taken == Code::NODE_EXISTS {
            assert_eq!(self.delete(path), Code::OK);
            assert_eq!(self.create(path, name, &[Acl::OPEN], true), Code::OK);
        } else {
            assert_eq!(taken, Code::OK);
        }
    }

    /// Writes the value of a znode that is there, in one request.
    pub(crate) fn set(&self, path: &str, data: &str) {
        assert_eq!(self.change(&Operation::SetData { path, data: data.as_bytes(), version: -1 }), Code::OK);
    }

    /// Takes the leader key, which is not there, in one request.
    pub(crate) fn take(&self, path: &str, name: &str) {
        let operation = Operation::Create { path, data: name.as_bytes(), acl: &[Acl::OPEN], ephemeral: true };
        assert_eq!(self.change(&operation), Code::OK);
    }

    /// Removes a znode.
    pub(crate) fn delete(&self, path: &str) -> Code {
        self.change(&Operation::Delete { path, version: -1 })
    }

    /// The value of a znode and its counters, as this server has them.
    pub(crate) fn get(&self, path: &str) -> Option<(String, Stat)> {
        let frame = self.ask(Request::GetData { path, watch: false }.frame(0)).or_fail("reading a znode");
        let (value, stat) = Reply::parse(&frame).and_then(|reply| reply.data())?;
        Some((String::from_utf8_lossy(value).into_owned(), stat))
    }

    /// Logs in.
    pub(crate) fn log_in(&self, scheme: &str, credential: &str) -> Code {
        code(&self.ask(auth(scheme, credential.as_bytes())).or_fail("logging in"))
    }

    /// A bare client with a session of its own: looks for a znode of this server, says that it waits, and waits until the
    /// znode changes or is there. It is called inside of a host.
    pub(crate) fn wait_for_change(
        address: SocketAddr,
        timeout: Duration,
        path: &str,
        waits: &dyn Fn(),
    ) -> io::Result<()> {
        let (mut stream, _) = begin(address, timeout, SessionId::default())?;
        stream.write_all(&Request::Exists { path, watch: true }.frame(1))?;
        let answer = frame(&mut stream)?;
        if Reply::parse(&answer).is_none_or(|reply| ![Code::OK, Code::NO_NODE].contains(&reply.code)) {
            return Err(io::Error::other(format!("{path} cannot be watched")));
        }
        waits();
        while Reply::parse(&frame(&mut stream)?).is_none_or(|reply| reply.kind != Kind::Event) {}
        Ok(())
    }

    /// Ends the session, and with it its ephemeral znodes.
    pub(crate) fn close(self) {
        let _ = self.ask(Request::Close.frame(0));
    }

    /// Sends nothing any more, as a client that is hung: the session will end.
    pub(crate) fn fall_silent(&self) {
        self.with(|line| line.silent = true);
    }

    fn change(&self, operation: &Operation<'_>) -> Code {
        code(&self.ask(Request::Change(*operation).frame(0)).or_fail("changing a znode"))
    }

    /// The answer to a frame whose number is still to be set.
    fn ask(&self, frame: Vec<u8>) -> io::Result<Vec<u8>> {
        self.with(move |line| line.ask(frame))
    }

    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Line) -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let job = Box::new(move |line: &mut Line| {
            let _ = answer.send(work(line));
        });
        self.jobs.send(job).or_fail("asking ZooKeeper");
        answered.recv().or_fail("waiting for ZooKeeper's answer")
    }
}

impl Line {
    /// Begins a session with the first server that answers. A request may take as long as `limit`.
    pub(crate) fn open(addresses: Vec<SocketAddr>, timeout: Duration, limit: Duration) -> io::Result<Self> {
        let mut failure = io::Error::other("there is no server");
        for address in &addresses {
            match begin(*address, timeout, SessionId::default()) {
                Ok((stream, Connected { timeout, session })) => {
                    stream.set_read_timeout(Some(limit))?;
                    return Ok(Self { stream, addresses, session, timeout, limit, xid: 0, silent: false });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Sends a request and returns what became of it.
    pub(crate) fn request(&mut self, request: Request<'_>) -> io::Result<Code> {
        let answer = self.ask(request.frame(0))?;
        Reply::parse(&answer).map(|reply| reply.code).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Continues the session on a new connection. Returns whether there still is one.
    pub(crate) fn resume(&mut self) -> io::Result<bool> {
        let mut failure = io::Error::other("there is no server");
        for address in &self.addresses {
            match begin(*address, self.timeout, self.session) {
                Ok((stream, _)) => {
                    stream.set_read_timeout(Some(self.limit))?;
                    self.stream = stream;
                    return Ok(true);
                }
                // It has ended: the answer has no timeout.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(false),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Pings. A session whose connection has ended goes on through another server, as Patroni's does.
    fn keep(&mut self) {
        if self.silent || self.stream.write_all(&ping()).is_ok_and(|()| self.drain().is_ok()) {
            return;
        }
        let _ = self.resume();
    }

    /// Takes what has arrived and nobody waits for.
    fn drain(&mut self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        let mut byte = [0; 1];
        let peeked = self.stream.peek(&mut byte);
        self.stream.set_nonblocking(false)?;
        match peeked {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => self.frame().map(drop),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn ask(&mut self, mut frame: Vec<u8>) -> io::Result<Vec<u8>> {
        // A login has a number of its own.
        let is_login = frame[4..8] == (-4_i32).to_be_bytes();
        let wanted = if is_login { Kind::Auth } else { Kind::Answer(self.xid) };
        if !is_login {
            frame[4..8].copy_from_slice(&self.xid.to_be_bytes());
            self.xid += 1;
        }
        self.stream.write_all(&frame)?;
        loop {
            let answer = self.frame()?;
            if Reply::parse(&answer).is_some_and(|reply| reply.kind == wanted) {
                return Ok(answer);
            }
        }
    }

    fn frame(&mut self) -> io::Result<Vec<u8>> {
        frame(&mut self.stream)
    }
}

/// Begins a session, or continues one.
fn begin(address: SocketAddr, timeout: Duration, session: SessionId) -> io::Result<(TcpStream, Connected)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    // To continue a session there is less time than it lasts.
    stream.set_read_timeout(Some(if session == SessionId::default() { LIMIT } else { timeout / 4 }))?;
    stream.set_nodelay(true)?;
    stream.write_all(&connect(timeout, session))?;
    let connected = Connected::parse(&frame(&mut stream)?).ok_or(io::ErrorKind::InvalidData)?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok((stream, connected))
}

fn frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let mut frame = vec![0; length(prefix).ok_or(io::ErrorKind::InvalidData)?];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

fn code(frame: &[u8]) -> Code {
    Reply::parse(frame).or_fail("reading an answer of ZooKeeper").code
}
