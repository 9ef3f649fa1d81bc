//! What a client sends.

use std::time::Duration;

use super::{
    AUTH, AUTH_XID, CHECK, CLOSE, CREATE, DELETE, EXISTS, GET_CHILDREN, GET_DATA, MULTI, NO_OPERATION, PING, PING_XID,
    SET_DATA, SYNC, SessionId,
};

/// A request of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the fields are ZooKeeper's own")]
pub enum Request<'a> {
    /// The value of a znode, and its counters. With `watch`, its next change is told.
    GetData { path: &'a str, watch: bool },
    /// The counters of a znode; needs no right to read it. With `watch`, its creation is told too.
    Exists { path: &'a str, watch: bool },
    /// The names below a znode.
    GetChildren { path: &'a str },
    /// Lets the server catch up with its leader before it answers what follows. It needs no quorum.
    Sync { path: &'a str },
    /// One change.
    Change(Operation<'a>),
    /// Several changes at once, or none of them. It needs a quorum even if it changes nothing.
    Multi(&'a [Operation<'a>]),
    /// Ends the session, and removes its ephemeral znodes.
    Close,
}

/// A change, or a condition of a transaction. A version of -1 is any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the fields are ZooKeeper's own")]
pub enum Operation<'a> {
    /// The znode is there with this version. Only in a transaction.
    Check { path: &'a str, version: i32 },
    /// An ephemeral znode ends with the session.
    Create { path: &'a str, data: &'a [u8], acl: &'a [Acl<'a>], ephemeral: bool },
    /// Removes a znode with this version.
    Delete { path: &'a str, version: i32 },
    /// Replaces the value of a znode with this version.
    SetData { path: &'a str, data: &'a [u8], version: i32 },
}

/// Who may do what with a znode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acl<'a> {
    /// A sum of the permissions.
    pub permissions: i32,
    /// Such as `world`, `auth`, `digest`.
    pub scheme: &'a str,
    /// Whom the scheme means.
    pub id: &'a str,
}

impl Acl<'static> {
    /// Everything, for everybody.
    pub const OPEN: Self = Self { permissions: 0x1f, scheme: "world", id: "anyone" };
    /// Everything, for whom this session is logged in as.
    pub const OWN: Self = Self { permissions: 0x1f, scheme: "auth", id: "" };
}

/// The first frame of a connection: a new session, or one to continue. ZooKeeper bounds the timeout.
pub fn connect(timeout: Duration, session: SessionId) -> Vec<u8> {
    let mut frame = Frame::new();
    frame.int(0);
    frame.long(0);
    frame.int(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
    frame.long(session.id);
    frame.buffer(&session.password);
    frame.flag(false);
    frame.done()
}

/// Keeps the session.
pub fn ping() -> Vec<u8> {
    let mut frame = Frame::new();
    frame.int(PING_XID);
    frame.int(PING);
    frame.done()
}

/// Logs in. Only what follows is judged by it.
pub fn auth(scheme: &str, credential: &[u8]) -> Vec<u8> {
    let mut frame = Frame::new();
    frame.int(AUTH_XID);
    frame.int(AUTH);
    frame.int(0);
    frame.text(scheme);
    frame.buffer(credential);
    frame.done()
}

impl Request<'_> {
    /// The frame, with the request's number.
    pub fn frame(&self, xid: i32) -> Vec<u8> {
        let mut frame = Frame::new();
        frame.int(xid);
        frame.int(self.code());
        match self {
            Self::GetData { path, watch } | Self::Exists { path, watch } => {
                frame.text(path);
                frame.flag(*watch);
            }
            Self::GetChildren { path } => {
                frame.text(path);
                frame.flag(false);
            }
            Self::Sync { path } => frame.text(path),
            Self::Change(operation) => frame.operation(operation),
            Self::Multi(operations) => {
                for operation in *operations {
                    frame.multi_header(operation.code(), false);
                    frame.operation(operation);
                }
                frame.multi_header(NO_OPERATION, true);
            }
            Self::Close => {}
        }
        frame.done()
    }

    const fn code(&self) -> i32 {
        match self {
            Self::GetData { .. } => GET_DATA,
            Self::Exists { .. } => EXISTS,
            Self::GetChildren { .. } => GET_CHILDREN,
            Self::Sync { .. } => SYNC,
            Self::Change(operation) => operation.code(),
            Self::Multi(_) => MULTI,
            Self::Close => CLOSE,
        }
    }
}

impl Operation<'_> {
    const fn code(&self) -> i32 {
        match self {
            Self::Check { .. } => CHECK,
            Self::Create { .. } => CREATE,
            Self::Delete { .. } => DELETE,
            Self::SetData { .. } => SET_DATA,
        }
    }
}

/// A frame under construction.
struct Frame(Vec<u8>);

impl Frame {
    fn new() -> Self {
        Self(vec![0; 4])
    }

    /// The frame with its length.
    fn done(mut self) -> Vec<u8> {
        let length = count(self.0.len() - 4);
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }

    fn int(&mut self, value: i32) {
        self.0.extend(value.to_be_bytes());
    }

    fn long(&mut self, value: i64) {
        self.0.extend(value.to_be_bytes());
    }

    fn flag(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    fn buffer(&mut self, bytes: &[u8]) {
        self.int(count(bytes.len()));
        self.0.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        self.buffer(text.as_bytes());
    }

    fn multi_header(&mut self, code: i32, done: bool) {
        self.int(code);
        self.flag(done);
        self.int(-1);
    }

    fn operation(&mut self, operation: &Operation<'_>) {
        match operation {
            Operation::Check { path, version } | Operation::Delete { path, version } => {
                self.text(path);
                self.int(*version);
            }
            Operation::Create { path, data, acl, ephemeral } => {
                self.text(path);
                self.buffer(data);
                self.int(count(acl.len()));
                for Acl { permissions, scheme, id } in *acl {
                    self.int(*permissions);
                    self.text(scheme);
                    self.text(id);
                }
                self.int(i32::from(*ephemeral));
            }
            Operation::SetData { path, data, version } => {
                self.text(path);
                self.buffer(data);
                self.int(*version);
            }
        }
    }
}

/// A length as it is sent. Nothing here comes near its limit.
fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}
