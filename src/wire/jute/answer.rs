//! What a server sends. The readers take whatever follows the fields that they know: later versions add some.

use std::time::Duration;

use super::{AUTH_XID, CHECK, CREATE, Code, DELETE, EVENT_XID, HEADER, NO_OPERATION, PING_XID, SET_DATA, SessionId};

/// The answer to the first frame of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connected {
    /// How long the session outlives its last packet.
    pub timeout: Duration,
    /// Its id and secret.
    pub session: SessionId,
}

/// What a frame answers, its header, and the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply<'a> {
    /// What it answers.
    pub kind: Kind,
    /// The last transaction that the server has applied; below zero in an event before ZooKeeper 3.9.
    pub zxid: i64,
    /// What became of the request.
    pub code: Code,
    /// The answer itself. Empty where the request failed.
    pub body: &'a [u8],
}

/// What a frame answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The request of this number.
    Answer(i32),
    /// A ping.
    Ping,
    /// A login.
    Auth,
    /// Nothing: a watched znode has changed.
    Event,
}

/// The counters of a znode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// The transaction that created it.
    pub created: i64,
    /// The transaction that last changed its value.
    pub modified: i64,
    /// Counts the changes of its value since it was created.
    pub version: i32,
    /// The session that it ends with; zero if it is not ephemeral.
    pub owner: i64,
}

/// A change of a watched znode, or of the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WatchEvent<'a> {
    /// What changed.
    pub change: Change,
    /// The znode; empty where it is about the session.
    pub path: &'a str,
}

/// What changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the usual ones")]
pub enum Change {
    Created,
    Deleted,
    Data,
    /// Of the session, of the names below a znode, or one that is not known here.
    Other,
}

/// What became of one operation of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome<'a> {
    /// It was done: a check or a deletion.
    Done,
    /// The path that was created.
    Created(&'a str),
    /// The counters after the change.
    Set(Stat),
    /// It failed, or another one did.
    Failed(Code),
}

impl Connected {
    /// Reads a frame without its length. A session without a timeout has ended.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let mut rest = Reader(frame);
        let _protocol = rest.int()?;
        let timeout = u64::try_from(rest.int()?).ok().filter(|&timeout| timeout > 0)?;
        let id = rest.long()?;
        let password = rest.buffer()?.try_into().ok()?;
        Some(Self { timeout: Duration::from_millis(timeout), session: SessionId { id, password } })
    }

    /// Whether a frame without its length says that the session that was to be continued has ended.
    pub fn says_ended(frame: &[u8]) -> bool {
        let mut rest = Reader(frame);
        (rest.int(), rest.int(), rest.long()) == (Some(0), Some(0), Some(0))
    }
}

impl<'a> Reply<'a> {
    /// Reads a frame without its length.
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(frame.get(..HEADER)?);
        let kind = match rest.int()? {
            EVENT_XID => Kind::Event,
            PING_XID => Kind::Ping,
            AUTH_XID => Kind::Auth,
            xid => Kind::Answer(xid),
        };
        Some(Self { kind, zxid: rest.long()?, code: Code(rest.int()?), body: &frame[HEADER..] })
    }

    /// A value and its counters.
    pub fn data(&self) -> Option<(&'a [u8], Stat)> {
        let mut rest = Reader(self.body);
        Some((rest.buffer()?, rest.stat()?))
    }

    /// Counters.
    pub fn stat(&self) -> Option<Stat> {
        Reader(self.body).stat()
    }

    /// Names below a znode. Those that are no text are left out.
    pub fn children(&self) -> Option<Vec<&'a str>> {
        let mut rest = Reader(self.body);
        let count = rest.int()?;
        let mut names = Vec::new();
        for _ in 0..count {
            names.extend(std::str::from_utf8(rest.buffer()?));
        }
        Some(names)
    }

    /// A path.
    pub fn path(&self) -> Option<&'a str> {
        Reader(self.body).text()
    }

    /// What became of each operation of a transaction, in their order.
    pub fn outcomes(&self) -> Option<Vec<Outcome<'a>>> {
        let mut rest = Reader(self.body);
        let mut outcomes = Vec::new();
        loop {
            let (operation, done, _code) = (rest.int()?, rest.flag()?, rest.int()?);
            outcomes.push(match operation {
                _ if done => return Some(outcomes),
                CHECK | DELETE => Outcome::Done,
                CREATE => Outcome::Created(rest.text()?),
                SET_DATA => Outcome::Set(rest.stat()?),
                NO_OPERATION => Outcome::Failed(Code(rest.int()?)),
                _ => return None,
            });
        }
    }

    /// A change that was watched for.
    pub fn event(&self) -> Option<WatchEvent<'a>> {
        let mut rest = Reader(self.body);
        let change = match rest.int()? {
            1 => Change::Created,
            2 => Change::Deleted,
            3 => Change::Data,
            _ => Change::Other,
        };
        let _state_of_the_session = rest.int()?;
        Some(WatchEvent { change, path: rest.text()? })
    }
}

/// What has not been read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn int(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? != [0])
    }

    /// A length of -1 is that of a value that is absent.
    fn buffer(&mut self) -> Option<&'a [u8]> {
        match self.int()? {
            -1 => Some(&[]),
            length => self.take(usize::try_from(length).ok()?),
        }
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.buffer()?).ok()
    }

    fn stat(&mut self) -> Option<Stat> {
        let (created, modified) = (self.long()?, self.long()?);
        let _times = (self.long()?, self.long()?);
        let version = self.int()?;
        let _versions_of_children_and_acl = (self.int()?, self.int()?);
        let owner = self.long()?;
        let _length_and_children = (self.int()?, self.int()?, self.long()?);
        Some(Stat { created, modified, version, owner })
    }
}
