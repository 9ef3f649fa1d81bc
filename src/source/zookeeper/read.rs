//! One read of some keys through one session.
//!
//! Requests of a session are answered in their order, so all of them are sent at once: for a key that names us the
//! transaction that needs a quorum and the read behind it, for any other key `sync` and the read. Each read sets a watch.
//! A key that turns out to name us is then read again behind a transaction; see the top of this folder.
//!
//! Every request has to be answered within the limit of a call. A transaction without a quorum is never answered, and
//! whatever is sent behind it waits with it: then the session is given up.

use std::time::Duration;

use tokio::time::timeout;

use super::connection::Pending;
use super::context::Context;
use super::error::{CallError, forbidden, too_large};
use super::tenure::{Terms, config_path};
use crate::keeper::{KeyRead, Names, Tenure, Version};
use crate::source::client::{Answers, Failure};
use crate::source::report::KeyIndex;
use crate::time::Moment;
use crate::wire::jute::{Code, Operation, Outcome, Reply, Request};

/// Keys whose requests are under way at the same time.
const AT_ONCE: usize = 64;

/// Reads the keys and hands over what was seen.
pub(super) async fn read(context: &Context, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
    let reading = async {
        for keys in keys.chunks(AT_ONCE) {
            let (ours, others): (Vec<_>, Vec<_>) = keys.iter().partition(|&&key| context.memory.is_ours(key));
            let (ours, others) = (ask(context, &ours, true), ask(context, &others, false));
            take(context, ours, answers).await?;
            let turned_out_ours = take(context, others, answers).await?;
            take(context, ask(context, &turned_out_ours, true), answers).await?;
        }
        Ok(())
    };
    let read: Result<(), CallError> = within(context.limit, reading).await;
    Ok(read?)
}

/// Fails if that takes too long.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    timeout(limit, work).await.unwrap_or(Err(CallError::Silent { limit }))
}

/// What was asked about one key.
struct Asked {
    key: KeyIndex,
    sent_at: Moment,
    /// What the read must not be older than: the answer to a transaction, which needed a quorum, or to `sync`.
    barrier: Pending,
    has_quorum: bool,
    value: Pending,
    /// Patroni's settings.
    terms: Option<Pending>,
}

fn ask(context: &Context, keys: &[KeyIndex], with_quorum: bool) -> Vec<Asked> {
    let sent_at = (context.clock)();
    let one = |&key: &KeyIndex| {
        let path = context.path(key);
        let check = [Operation::Check { path: &path, version: ANY }];
        let barrier = if with_quorum { Request::Multi(&check) } else { Request::Sync { path: &path } };
        let barrier = context.connection.send(&barrier);
        let value = context.connection.send(&Request::GetData { path: &path, watch: true });
        let terms = (with_quorum && context.memory.needs_terms(key, sent_at))
            .then(|| context.connection.send(&Request::GetData { path: &config_path(&path), watch: false }));
        Asked { key, sent_at, barrier, has_quorum: with_quorum, value, terms }
    };
    keys.iter().map(one).collect()
}

/// Hands over what was answered. Returns the keys that name us, but were read without a quorum.
async fn take(context: &Context, asked: Vec<Asked>, answers: &Answers) -> Result<Vec<KeyIndex>, CallError> {
    let (mut complete, mut ours, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for asked in asked {
        let (key, has_quorum) = (asked.key, asked.has_quorum);
        match complete_one(context, asked).await? {
            Ok(read) if read.names.is_us() && !has_quorum => ours.push(key),
            answer => {
                let names = answer.as_ref().ok().map(|read| &read.names);
                context.memory.set_ours(key, names.is_some_and(Names::is_us));
                if names == Some(&Names::Nobody) {
                    absent.push(key);
                }
                complete.push((key, answer));
            }
        }
    }
    answers.give(complete).await;
    watch_absent(context, &absent).await?;
    Ok(ours)
}

/// The answer about one key.
async fn complete_one(context: &Context, asked: Asked) -> Result<Result<KeyRead, Failure>, CallError> {
    let Asked { key, sent_at, barrier, has_quorum, value, terms } = asked;
    let barrier = barrier.answer().await?;
    if has_quorum {
        passed_quorum(&barrier.reply()?)?;
    } else {
        expect(barrier.reply()?.code, &[Code::OK])?;
    }
    let value = value.answer().await?;
    if let Some(terms) = terms {
        let answer = terms.answer().await?;
        context.memory.note_terms(key, read_terms(&answer.reply()), sent_at);
    }
    let reply = match value.reply() {
        Err(CallError::TooLarge) => return Ok(Err(too_large(context.keys.name(key)))),
        reply => reply?,
    };
    let Some((names, modified)) = holder(context, key, &reply)? else {
        let (user, names) = (context.user.as_deref(), context.names);
        return Ok(Err(forbidden(context.keys.name(key), user, context.has_certificate, names)));
    };
    // Whose tenure is not ours does not matter.
    let tenure = if names.is_us() { context.memory.tenure(key) } else { Tenure::Unknown };
    Ok(Ok(KeyRead {
        names,
        version: Some(Version(reply.zxid)),
        modified: Some(Version(modified)),
        tenure,
        sent_at,
        answered_at: (context.clock)(),
        from: context.name.clone(),
    }))
}

/// Who a key names, and the version that says so; nothing where that may not be read.
pub(super) fn holder(context: &Context, key: KeyIndex, reply: &Reply<'_>) -> Result<Option<(Names, i64)>, CallError> {
    expect(reply.code, &[Code::OK, Code::NO_NODE, Code::NO_AUTH])?;
    match reply.code {
        Code::NO_NODE => Ok(Some((Names::Nobody, 0))),
        Code::NO_AUTH => Ok(None),
        _ => {
            let (value, stat) = reply.data().ok_or(CallError::Malformed)?;
            Ok(Some((context.keys.judge(key, value), stat.modified)))
        }
    }
}

/// Sets watches for the creation of keys.
pub(super) async fn watch_absent(context: &Context, keys: &[KeyIndex]) -> Result<(), CallError> {
    let ask = |&key| (key, context.connection.send(&Request::Exists { path: &context.path(key), watch: true }));
    for (key, answer) in keys.iter().map(ask).collect::<Vec<_>>() {
        let answer = answer.answer().await?;
        let code = answer.reply()?.code;
        expect(code, &[Code::OK, Code::NO_NODE])?;
        if code == Code::OK {
            // Created since it was read.
            context.note_changed(key);
        }
    }
    Ok(())
}

/// Whether a transaction went through the quorum. It did even if the check failed.
pub(super) fn passed_quorum(reply: &Reply<'_>) -> Result<(), CallError> {
    expect(reply.code, &[Code::OK])?;
    match reply.outcomes().as_deref() {
        Some([Outcome::Done]) => Ok(()),
        Some([Outcome::Failed(code)]) => expect(*code, &[Code::NO_NODE, Code::NO_AUTH]),
        _ => Err(CallError::Malformed),
    }
}

pub(super) fn expect(code: Code, expected: &[Code]) -> Result<(), CallError> {
    if expected.contains(&code) { Ok(()) } else { Err(code.into()) }
}

/// Patroni's settings, from what answers the read of its configuration.
pub(super) fn read_terms(reply: &Result<Reply<'_>, CallError>) -> Terms {
    match reply {
        Ok(reply) if reply.code == Code::NO_NODE => Terms::DEFAULT,
        Ok(reply) => reply.data().map_or(Terms::CAUTIOUS, |(config, _)| Terms::parse(config)),
        Err(_) => Terms::CAUTIOUS,
    }
}

/// Any version of a znode.
const ANY: i32 = -1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::jute::Kind;

    fn outcome(body: &[u8]) -> Result<(), Code> {
        let reply = Reply { kind: Kind::Answer(1), zxid: 5, code: Code::OK, body };
        passed_quorum(&reply).map_err(|error| match error {
            CallError::Refused(code) => code,
            CallError::Expired => Code::SESSION_EXPIRED,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn a_transaction_whose_check_failed_went_through_the_quorum_all_the_same() {
        let end = [0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff];
        let failed =
            |code: i32| [&[0xff, 0xff, 0xff, 0xff, 0][..], &code.to_be_bytes(), &code.to_be_bytes(), &end].concat();
        assert_eq!(outcome(&[&[0, 0, 0, 13, 0, 0, 0, 0, 0][..], &end].concat()), Ok(()));
        assert_eq!(outcome(&failed(-101)), Ok(()));
        assert_eq!(outcome(&failed(-102)), Ok(()));
        for code in [-112, -4, -118] {
            assert_eq!(outcome(&failed(code)), Err(Code(code)), "nobody says that a quorum saw it");
        }
    }
}
