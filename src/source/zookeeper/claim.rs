//! The claim in ZooKeeper: an ephemeral znode of a session of its own, and beside it a znode that counts its changes.
//!
//! ZooKeeper compares nothing but the version of a znode's value, and that of an ephemeral one is always 0. So every
//! change of a claim also writes the znode beside it, whose name ends with `.fence`: what compares its version compares
//! the claim, and a request that is carried out late changes nothing. It stays when the claim ends.
//!
//! A renewal is a transaction that changes nothing, and needs a quorum all the same. What it proves is in `heard.rs`.

use std::sync::Arc;
use std::time::Duration;

use super::claim_session::{Line, Prepared, Server, name};
use super::connection::{Connection, Pending, Told};
use super::context::Context;
use super::error::CallError;
use super::read::expect;
use crate::source::claim::{Answer, Request, Token};
use crate::source::client::Failure;
use crate::source::report::ClaimSpec;
use crate::time::Moment;
use crate::wire::jute::{Acl, Code, Operation, Outcome, Reply, Request as Ask};

/// Carries out a request, in the time that its caller gives it.
pub(super) async fn claim(context: &Context, spec: &ClaimSpec, request: &Request) -> Result<Answer, Failure> {
    let session = context.memory.claim_session(&spec.key);
    let mut session = session.lock().await;
    let mut line = session.take(server(context), spec.ttl).await.map_err(|error| of_claim(error.into()))?;
    match Claim::new(context, spec).carry_out(&mut line, request).await {
        Ok(Answer::Absent) if matches!(request, Request::Delete(_)) => {
            session.close(&line);
            Ok(Answer::Absent)
        }
        Ok(answer) => {
            session.put_back(line);
            Ok(answer)
        }
        Err(Stop::Refused(znode)) => {
            session.put_back(line);
            Ok(refused(context, &znode))
        }
        Err(Stop::Call(error)) => {
            if matches!(error, CallError::Expired) {
                session.forget();
            }
            Err(of_claim(error.into()))
        }
    }
}

/// Who has the claim, or that this host may not claim.
pub(super) async fn inspect(context: &Context, spec: &ClaimSpec) -> Result<Answer, Failure> {
    match Claim::new(context, spec).inspect(&context.connection).await {
        Ok(answer) => Ok(answer),
        Err(Stop::Refused(znode)) => Ok(refused(context, &znode)),
        Err(Stop::Call(error)) => Err(error.into()),
    }
}

fn refused(context: &Context, znode: &Forbidden) -> Answer {
    let (why, cure) = refusal(znode, context.user.as_deref());
    Answer::Refused { why, cure: Some(cure) }
}

pub(super) fn server(context: &Context) -> Server<'_> {
    let (longest, clock) = (context.memory.longest(), context.clock);
    Server { endpoint: context.endpoint, opener: &context.opener, longest, clock }
}

/// The session that reads the keys is another one.
fn of_claim(failure: Failure) -> Failure {
    Failure { ends_session: false, why: format!("the session of the claim: {}", failure.why), ..failure }
}

/// Waits until the claim is not the one that was seen. If it cannot be watched, nothing is heard.
pub(super) async fn changes(context: &Context, spec: &ClaimSpec, seen: &Token) {
    let session = context.memory.claim_session(&spec.key);
    let mut session = session.lock().await;
    if let Some(line) = session.line()
        && let Ok(()) = watch(line, &format!("{}{}", context.root, spec.key), seen).await
    {
        return;
    }
    std::future::pending::<()>().await;
}

async fn watch(line: &mut Line, path: &str, seen: &Token) -> Result<(), CallError> {
    let answer = line.connection.send(&Ask::Exists { path, watch: true }).answer().await?;
    let reply = answer.reply()?;
    expect(reply.code, &[Code::OK, Code::NO_NODE])?;
    if reply.stat().is_none_or(|stat| name(stat.owner) != seen.session) {
        return Ok(());
    }
    while let Some(told) = line.told.recv().await {
        if matches!(told, Told::Changed(changed) if changed == path) {
            return Ok(());
        }
    }
    Err(line.connection.why_ended())
}

/// Why a request goes no further.
pub(super) enum Stop {
    Call(CallError),
    /// An ACL does not allow it.
    Refused(Forbidden),
}

/// The znode that may not be created, changed or read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Forbidden {
    Absent(String),
    Present(String),
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// A claim and where it is.
pub(super) struct Claim<'a> {
    context: &'a Context,
    spec: &'a ClaimSpec,
    leader: String,
    path: String,
    fence: String,
    acl: [Acl<'static>; 1],
}

/// How new what is looked at is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sight {
    /// As new as the leader of the ensemble knows it.
    Synced,
    /// As this server has it, which may be late: that costs a second attempt.
    OfThisServer,
}

/// What is there.
struct Seen {
    /// The version of the fence, or [`ABSENT`].
    fence: i32,
    claim: Option<Answer>,
}

/// What became of a transaction: the version that it gave to the fence, or which operation failed, and how.
type Done<T> = Result<T, (usize, Code)>;

impl Seen {
    fn answer(self) -> Answer {
        self.claim.unwrap_or(Answer::Absent)
    }
}

impl<'a> Claim<'a> {
    pub(super) fn new(context: &'a Context, spec: &'a ClaimSpec) -> Self {
        let path = format!("{}{}", context.root, spec.key);
        let fence = format!("{path}.fence");
        // Every host logs in as the same user, or as nobody.
        let acl = [if context.user.is_some() { Acl::OWN } else { Acl::OPEN }];
        Self { context, spec, leader: context.path(spec.leader), path, fence, acl }
    }

    async fn carry_out(&self, line: &mut Line, request: &Request) -> Result<Answer, Stop> {
        match request {
            Request::Renew(token) if token.session == line.name() => self.renew(line, token).await,
            // That of another session is replaced.
            Request::Look | Request::Renew(_) => Ok(self.look(line).await?.answer()),
            Request::Create => self.create(line).await,
            Request::TakeOver(token) => self.take_over(line, token).await,
            Request::Delete(token) => self.delete(line, token).await,
        }
    }

    /// Reads the claim. Whatever follows compares it, so no quorum is needed.
    async fn look(&self, line: &mut Line) -> Result<Seen, Stop> {
        self.look_as(line, Sight::Synced).await
    }

    async fn look_as(&self, line: &mut Line, sight: Sight) -> Result<Seen, Stop> {
        let sent_at = (self.context.clock)();
        let seen = self.see(&line.connection, sight).await?;
        line.note_used(sent_at, (self.context.clock)());
        Ok(seen)
    }

    async fn see(&self, connection: &Connection, sight: Sight) -> Result<Seen, Stop> {
        let sync = (sight == Sight::Synced).then(|| connection.send(&Ask::Sync { path: &self.path }));
        let fence = connection.send(&Ask::Exists { path: &self.fence, watch: false });
        let claim = connection.send(&Ask::GetData { path: &self.path, watch: false });
        if let Some(sync) = sync {
            expect(sync.answer().await?.reply()?.code, &[Code::OK])?;
        }
        let (fence, claim) = (fence.answer().await?, claim.answer().await?);
        let (fence, claim) = (fence.reply()?, claim.reply()?);
        expect(fence.code, &[Code::OK, Code::NO_NODE])?;
        let fence = fence.stat().map_or(ABSENT, |stat| stat.version);
        if claim.code == Code::NO_AUTH {
            return Err(Stop::Refused(Forbidden::Present(self.path.clone())));
        }
        expect(claim.code, &[Code::OK, Code::NO_NODE])?;
        let claim = claim.data().map(|(value, stat)| {
            let token = Token { version: i64::from(fence), session: name(stat.owner) };
            Answer::present(token, value, None)
        });
        Ok(Seen { fence, claim })
    }

    async fn create(&self, line: &mut Line) -> Result<Answer, Stop> {
        // If that is no longer so, the transaction fails.
        if let Some(Prepared { leader, fence }) = line.take_prepared((self.context.clock)())
            && let Ok(answer) = self.create_as_leader(line, leader, fence).await?
        {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let (seen, leader) = self.begin(line, Sight::Synced).await?;
            if let Some(present) = seen.claim {
                return Ok(present);
            }
            let Some(leader) = leader else { return Ok(Answer::NotNamed) };
            if seen.fence == ABSENT {
                self.make_fence(line).await?;
                continue;
            }
            match self.create_as_leader(line, leader, seen.fence).await? {
                Ok(answer) => return Ok(answer),
                Err((0, _)) => return Ok(Answer::NotNamed),
                // Somebody else was faster.
                Err(_) => {}
            }
        }
        Ok(self.look(line).await?.answer())
    }

    /// What a creation compares: what is there, and the version of the leader key if that names this host.
    async fn begin(&self, line: &mut Line, sight: Sight) -> Result<(Seen, Option<i32>), Stop> {
        let leader = line.connection.send(&Ask::GetData { path: &self.leader, watch: false });
        let seen = self.look_as(line, sight).await?;
        let leader = self.version_of_leader(&leader.answer().await?.reply()?)?;
        Ok((seen, leader))
    }

    /// Looks at what a creation will compare, where nothing stands in its way.
    pub(super) async fn prepare(&self, line: &mut Line) -> Result<(), Stop> {
        let (seen, leader) = self.begin(line, Sight::OfThisServer).await?;
        let clear = seen.claim.is_none() && seen.fence != ABSENT;
        let prepared = leader.filter(|_| clear).map(|leader| Prepared { leader, fence: seen.fence });
        line.note_prepared(prepared, (self.context.clock)());
        Ok(())
    }

    /// Creates the claim, and reads the leader key behind the transaction: that needs a quorum, so the read shows what the
    /// transaction saw, or something newer. The version alone does not, as Patroni's znode is a new one each time.
    async fn create_as_leader(&self, line: &mut Line, leader: i32, fence: i32) -> Result<Done<Answer>, Stop> {
        let check = Operation::Check { path: &self.leader, version: leader };
        let operations = [check, self.count(fence), self.ephemeral()];
        let sent_at = (self.context.clock)();
        let changed = line.connection.send(&Ask::Multi(&operations));
        let leader = line.connection.send(&Ask::GetData { path: &self.leader, watch: false });
        let done = self.changed(line, changed, sent_at, &operations).await?;
        let named = self.version_of_leader(&leader.answer().await?.reply()?)?.is_some();
        Ok(done.map(|(token, bound)| Answer::Ours { token, bound, named }))
    }

    /// The version of the leader key, if that names this host.
    fn version_of_leader(&self, reply: &Reply<'_>) -> Result<Option<i32>, CallError> {
        expect(reply.code, &[Code::OK, Code::NO_NODE, Code::NO_AUTH])?;
        let ours = |value| self.context.keys.judge(self.spec.leader, value).is_us();
        Ok(reply.data().filter(|(value, _)| ours(value)).map(|(_, stat)| stat.version))
    }

    async fn take_over(&self, line: &mut Line, token: &Token) -> Result<Answer, Stop> {
        let Some(fence) = self.version(line, token).await? else { return Ok(self.look(line).await?.answer()) };
        match self.change(line, &[self.count(fence), self.removal(), self.ephemeral()]).await? {
            Ok(answer) => Ok(answer),
            Err((1, Code::NO_NODE)) => Ok(Answer::Absent),
            Err(_) => Ok(self.look(line).await?.answer()),
        }
    }

    async fn renew(&self, line: &mut Line, token: &Token) -> Result<Answer, Stop> {
        let Some(fence) = self.version(line, token).await? else { return Ok(self.look(line).await?.answer()) };
        let checks = [
            Operation::Check { path: &self.fence, version: fence },
            Operation::Check { path: &self.path, version: ANY },
        ];
        let sent_at = (self.context.clock)();
        let checked = line.connection.send(&Ask::Multi(&checks));
        // Behind the transaction it shows what the transaction saw, or something newer.
        let claim = line.connection.send(&Ask::Exists { path: &self.path, watch: false });
        let (checked, claim) = (checked.answer().await?, claim.answer().await?);
        let done = self.outcome(&checked.reply()?, &checks)?;
        let bound = line.bound(sent_at, (self.context.clock)());
        let owner = claim.reply()?.stat().map(|stat| stat.owner);
        if done.is_ok() && owner == Some(line.session) {
            return Ok(Answer::Ours { token: token.clone(), bound: bound.min(self.spec.ttl), named: false });
        }
        Ok(self.look(line).await?.answer())
    }

    async fn delete(&self, line: &mut Line, token: &Token) -> Result<Answer, Stop> {
        let Some(fence) = self.version(line, token).await? else { return Ok(self.look(line).await?.answer()) };
        match self.change(line, &[self.count(fence), self.removal()]).await? {
            Ok(_) | Err((1, Code::NO_NODE)) => Ok(Answer::Absent),
            Err(_) => Ok(self.look(line).await?.answer()),
        }
    }

    /// The version to compare with. If the fence was deleted there is none, but a new one, for the next time.
    async fn version(&self, line: &mut Line, token: &Token) -> Result<Option<i32>, Stop> {
        if token.version == i64::from(ABSENT) {
            self.make_fence(line).await?;
            return Ok(None);
        }
        Ok(i32::try_from(token.version).ok())
    }

    /// Creates the fence, and the znodes above it that are absent.
    async fn make_fence(&self, line: &mut Line) -> Result<(), Stop> {
        let mut absent = vec![&*self.fence];
        while let Some(&path) = absent.last() {
            let create = Operation::Create { path, data: b"", acl: &self.acl, ephemeral: false };
            let sent_at = (self.context.clock)();
            let answer = line.connection.send(&Ask::Change(create)).answer().await?;
            let code = answer.reply()?.code;
            line.note_used(sent_at, (self.context.clock)());
            expect(code, &[Code::OK, Code::NODE_EXISTS, Code::NO_NODE, Code::NO_AUTH])?;
            match code {
                Code::NO_AUTH => return Err(self.may_not_create(path)),
                Code::NO_NODE => absent.push(above(path).ok_or(CallError::Malformed)?),
                _ => drop(absent.pop()),
            }
        }
        Ok(())
    }

    /// Changes something. What is ours after it lasts at least as long as the answer says.
    async fn change(&self, line: &mut Line, operations: &[Operation<'_>]) -> Result<Done<Answer>, Stop> {
        let sent_at = (self.context.clock)();
        let changed = line.connection.send(&Ask::Multi(operations));
        let done = self.changed(line, changed, sent_at, operations).await?;
        Ok(done.map(|(token, bound)| Answer::Ours { token, bound, named: false }))
    }

    /// The answer to a change.
    async fn changed(
        &self,
        line: &mut Line,
        changed: Pending,
        sent_at: Moment,
        operations: &[Operation<'_>],
    ) -> Result<Done<(Token, Duration)>, Stop> {
        let answer = changed.answer().await?;
        let done = self.outcome(&answer.reply()?, operations)?;
        let bound = line.bound(sent_at, (self.context.clock)()).min(self.spec.ttl);
        let token = |version| Token { version: i64::from(version), session: line.name() };
        Ok(done.map(|version| (token(version), bound)))
    }

    fn outcome(&self, reply: &Reply<'_>, operations: &[Operation<'_>]) -> Result<Done<i32>, Stop> {
        let done = outcome(reply)?;
        if let Err((place, Code::NO_AUTH)) = done {
            let znode = match operations.get(place) {
                Some(Operation::Check { path, .. } | Operation::SetData { path, .. }) => path,
                Some(Operation::Create { .. } | Operation::Delete { .. }) | None => {
                    above(&self.path).unwrap_or_default()
                }
            };
            return Err(Stop::Refused(Forbidden::Present(znode.to_owned())));
        }
        Ok(done)
    }

    /// Where to look for the right that lacks: the directory of the claim, or what is to be created above it.
    fn may_not_create(&self, path: &str) -> Stop {
        Stop::Refused(if path == self.fence {
            Forbidden::Present(above(path).unwrap_or_default().to_owned())
        } else {
            Forbidden::Absent(path.to_owned())
        })
    }

    /// Tries what a claim needs in a transaction that fails in its last step, and so changes nothing.
    async fn inspect(&self, connection: &Connection) -> Result<Answer, Stop> {
        let seen = self.see(connection, Sight::Synced).await?;
        let never = format!("{}/never", self.fence);
        let fail = Operation::Check { path: &never, version: ANY };
        if seen.fence == ABSENT {
            let mut path = &*self.fence;
            while let Some(parent) = above(path) {
                let answer = connection.send(&Ask::Exists { path: parent, watch: false }).answer().await?;
                if answer.reply()?.code == Code::OK {
                    break;
                }
                path = parent;
            }
            let create = Operation::Create { path, data: b"", acl: &self.acl, ephemeral: false };
            let answer = connection.send(&Ask::Multi(&[create, fail])).answer().await?;
            if let Err((0, Code::NO_AUTH)) = outcome(&answer.reply()?)? {
                return Err(self.may_not_create(path));
            }
        } else {
            let steps = [self.count(ANY), self.ephemeral(), fail];
            let answer = connection.send(&Ask::Multi(&steps)).answer().await?;
            let _fails_in_any_case = self.outcome(&answer.reply()?, &steps)?;
        }
        Ok(seen.answer())
    }

    /// Counts a change of the claim.
    fn count(&self, fence: i32) -> Operation<'_> {
        Operation::SetData { path: &self.fence, data: b"", version: fence }
    }

    fn removal(&self) -> Operation<'_> {
        Operation::Delete { path: &self.path, version: ANY }
    }

    fn ephemeral(&self) -> Operation<'_> {
        Operation::Create { path: &self.path, data: self.spec.value.as_bytes(), acl: &self.acl, ephemeral: true }
    }
}

/// What became of a transaction.
fn outcome(reply: &Reply<'_>) -> Result<Done<i32>, CallError> {
    expect(reply.code, &[Code::OK])?;
    let outcomes = reply.outcomes().ok_or(CallError::Malformed)?;
    let mut fence = 0;
    for (place, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Outcome::Failed(Code::OK | Code::ROLLED_BACK) | Outcome::Done | Outcome::Created(_) => {}
            Outcome::Failed(code) => {
                expect(*code, &[Code::NO_NODE, Code::NO_AUTH, Code::BAD_VERSION, Code::NODE_EXISTS])?;
                return Ok(Err((place, *code)));
            }
            Outcome::Set(stat) => fence = stat.version,
        }
    }
    Ok(Ok(fence))
}

/// The znode above another one.
fn above(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(above, _)| above).filter(|above| !above.is_empty())
}

/// What an ACL does not allow, and the command that allows it.
fn refusal(znode: &Forbidden, user: Option<&str>) -> (Arc<str>, Arc<str>) {
    let (login, acl) = match user {
        Some(user) => (format!(", after addauth digest {user}:PASSWORD"), "auth::cdrwa"),
        None => (String::new(), "world:anyone:cdrwa"),
    };
    let (verb, znode, command) = match znode {
        Forbidden::Absent(znode) => ("create", znode, format!("create {znode} \"\" {acl}")),
        Forbidden::Present(znode) => ("write", znode, format!("setAcl {znode} {acl}")),
    };
    let why = format!("an ACL does not let this host {verb} the znode {znode} (NOAUTH)");
    (why.into(), format!("allow it with zkCli.sh{login}: {command}").into())
}

/// The version of a fence that is absent.
const ABSENT: i32 = -1;
/// Any version.
const ANY: i32 = -1;
/// Whoever is faster so often has the claim.
const ATTEMPTS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::jute::Kind;

    /// A transaction whose operations all have these codes.
    fn failed(codes: &[i32]) -> Result<Done<i32>, String> {
        let error = |code: &i32| [&[0xff; 4][..], &[0], &code.to_be_bytes(), &code.to_be_bytes()].concat();
        let mut body: Vec<u8> = codes.iter().flat_map(error).collect();
        body.extend([0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff]);
        let reply = Reply { kind: Kind::Answer(1), zxid: 5, code: Code::OK, body: &body };
        outcome(&reply).map_err(|error| error.to_string())
    }

    #[test]
    fn the_operation_that_failed_is_the_one_that_was_not_rolled_back() {
        assert_eq!(failed(&[0, -103, -2]), Ok(Err((1, Code::BAD_VERSION))));
        assert_eq!(failed(&[-101, -2, -2]), Ok(Err((0, Code::NO_NODE))));
        assert_eq!(failed(&[0, 0, -110]), Ok(Err((2, Code::NODE_EXISTS))));
        assert!(failed(&[0, -118]).unwrap_err().contains("SESSIONMOVED"));
        assert!(failed(&[-112, -2]).unwrap_err().contains("has ended"));
    }

    #[test]
    fn a_refusal_names_the_command_that_cures_it() {
        let cure = |znode: fn(String) -> Forbidden, user| refusal(&znode("/service/pg/vip".into()), user).1.to_string();
        assert_eq!(
            cure(Forbidden::Absent, None),
            "allow it with zkCli.sh: create /service/pg/vip \"\" world:anyone:cdrwa"
        );
        assert_eq!(
            cure(Forbidden::Present, Some("vip")),
            "allow it with zkCli.sh, after addauth digest vip:PASSWORD: setAcl /service/pg/vip auth::cdrwa"
        );
    }

    #[test]
    fn above_the_first_znode_is_none() {
        assert_eq!((above("/service/pg"), above("/service"), above("x")), (Some("/service"), None, None));
    }
}
