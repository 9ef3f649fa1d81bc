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

/// The connection.
struct Line {
    stream: TcpStream,
    xid: i32,
    silent: bool,
}

impl Session {
    pub(super) fn open(host: &Host, address: SocketAddr, timeout: Duration) -> Self {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (made, begun) = mpsc::channel();
        drop(host.spawn(move || {
            let (mut line, connected) = Line::open(address, timeout).or_fail("beginning a session with ZooKeeper");
            let _ = made.send((connected.timeout, connected.session.id));
            let pause = connected.timeout / 4;
            let mut pinged = now();
            loop {
                match inbox.recv_timeout(pause.saturating_sub(now().since(pinged))) {
                    Ok(job) => job(&mut line),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                if now().since(pinged) >= pause {
                    pinged = now();
                    // A server that is gone ends the session; the next request says so.
                    if !line.silent {
                        let _ = line.stream.write_all(&ping());
                    }
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
    fn open(address: SocketAddr, timeout: Duration) -> io::Result<(Self, Connected)> {
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
        let mut line = Self { stream, xid: 0, silent: false };
        line.stream.write_all(&connect(timeout, SessionId::default()))?;
        let connected = Connected::parse(&line.frame()?).ok_or(io::ErrorKind::InvalidData)?;
        Ok((line, connected))
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
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix)?;
        let mut frame = vec![0; length(prefix).ok_or(io::ErrorKind::InvalidData)?];
        self.stream.read_exact(&mut frame)?;
        Ok(frame)
    }
}

fn code(frame: &[u8]) -> Code {
    Reply::parse(frame).or_fail("reading an answer of ZooKeeper").code
}
