//! ZooKeeper's protocol: the frames that a client sends and receives.
//!
//! Everything is big-endian. A frame is a length and that many bytes; texts and buffers have a length of their own, and a
//! list has a count. A request carries a number (`xid`), and a server answers the requests of a session in their order.
//! Pings, logins and watch events have numbers of their own, below zero, and come at any time.
//!
//! ```
//! use vip_manager::wire::jute::{Code, Kind, Reply, Request};
//!
//! let frame = Request::GetData { path: "/service/pg/leader", watch: true }.frame(7);
//! assert_eq!(frame[..4], [0, 0, 0, 31]);
//! let answer = [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 19, 0xff, 0xff, 0xff, 0x9b];
//! let reply = Reply::parse(&answer).unwrap();
//! assert_eq!((reply.kind, reply.zxid, reply.code), (Kind::Answer(7), 19, Code::NO_NODE));
//! ```

mod answer;
mod request;
#[cfg(test)]
mod tests;

use std::fmt;

pub use answer::{Change, Connected, Kind, Outcome, Reply, Stat, WatchEvent};
pub use request::{Acl, Operation, Request, auth, connect, ping};

/// The longest answer that is read whole. A znode has at most 1 MiB unless the servers are told otherwise.
pub const LONGEST: usize = 2 * 1024 * 1024;

/// The length of the shortest frame of a reply, its header alone.
pub const HEADER: usize = 16;

/// The longest frame that can begin a session. What is longer comes from something else than ZooKeeper.
pub const LONGEST_CONNECTED: usize = 64;

/// The length of the frame that begins with these bytes; nothing where it cannot be one.
pub fn length(prefix: [u8; 4]) -> Option<usize> {
    usize::try_from(i32::from_be_bytes(prefix)).ok()
}

/// A session, and the secret that lets its owner continue it through another connection.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionId {
    /// Zero for none.
    pub id: i64,
    /// Zeroes for none.
    pub password: [u8; 16],
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({:#x})", self.id)
    }
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Code(pub i32);

impl Code {
    /// It was done.
    pub const OK: Self = Self(0);
    /// Another operation of the same transaction failed.
    pub const ROLLED_BACK: Self = Self(-2);
    /// The znode is absent.
    pub const NO_NODE: Self = Self(-101);
    /// The znode's ACL does not allow it.
    pub const NO_AUTH: Self = Self(-102);
    /// The znode has another version.
    pub const BAD_VERSION: Self = Self(-103);
    /// The znode is there already.
    pub const NODE_EXISTS: Self = Self(-110);
    /// The session has ended.
    pub const SESSION_EXPIRED: Self = Self(-112);
    /// The login was refused; the server closes the connection.
    pub const AUTH_FAILED: Self = Self(-115);
    /// The session goes on through another connection.
    pub const SESSION_MOVED: Self = Self(-118);

    /// Its name in ZooKeeper's documentation, if it is one that is expected here.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "OK",
            -1 => "SYSTEMERROR",
            -2 => "RUNTIMEINCONSISTENCY",
            -4 => "CONNECTIONLOSS",
            -5 => "MARSHALLINGERROR",
            -6 => "UNIMPLEMENTED",
            -7 => "OPERATIONTIMEOUT",
            -8 => "BADARGUMENTS",
            -101 => "NONODE",
            -102 => "NOAUTH",
            -103 => "BADVERSION",
            -108 => "NOCHILDRENFOREPHEMERALS",
            -110 => "NODEEXISTS",
            -111 => "NOTEMPTY",
            -112 => "SESSIONEXPIRED",
            -113 => "INVALIDCALLBACK",
            -114 => "INVALIDACL",
            -115 => "AUTHFAILED",
            -118 => "SESSIONMOVED",
            -119 => "NOTREADONLY",
            -124 => "SESSIONCLOSEDREQUIRESASLAUTH",
            -125 => "QUOTAEXCEEDED",
            -127 => "THROTTLEDOP",
            _ => return None,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "error {}", self.0),
        }
    }
}

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const EXISTS: i32 = 3;
const GET_DATA: i32 = 4;
const SET_DATA: i32 = 5;
const GET_CHILDREN: i32 = 8;
const SYNC: i32 = 9;
const PING: i32 = 11;
const CHECK: i32 = 13;
const MULTI: i32 = 14;
const AUTH: i32 = 100;
const CLOSE: i32 = -11;
/// In the place of an operation: a failed one, or the end of a transaction.
const NO_OPERATION: i32 = -1;

const EVENT_XID: i32 = -1;
const PING_XID: i32 = -2;
const AUTH_XID: i32 = -4;
