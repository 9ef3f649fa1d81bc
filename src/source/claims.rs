//! The claims: one task for each, which asks what [`Plan`] says is due and reports what became of it.
//!
//! A request asks one endpoint, within a limit; the next attempt asks another one. After a new claim the leader key is
//! read at once, because the address may wait for a read that was sent after it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::claim::{Answer, Plan, Request, Token};
use super::client::Client;
use super::reader::{Shared, Wake};
use super::report::{ClaimIndex, ClaimSpec, Report};
use super::rounds::{EndpointIndex, Purpose, Read, Reason};
use super::session::Session;
use crate::keeper::{ClaimReport, ClaimWish};
use crate::time::Moment;

/// What is wanted of each claim. The tasks end with it.
#[derive(Debug)]
pub(super) struct Wishes(Vec<(Arc<str>, watch::Sender<ClaimWish>)>);

impl Wishes {
    /// Sets what is wanted of a claim, if there is one with this key.
    pub(super) fn set(&self, key: &str, wish: ClaimWish) {
        for (_, sender) in self.0.iter().filter(|(known, _)| **known == *key) {
            sender.send_replace(wish);
        }
    }
}

/// The task of one claim.
#[derive(Debug)]
pub(super) struct Claiming<C> {
    index: ClaimIndex,
    spec: ClaimSpec,
    shared: Arc<Shared<C>>,
    wishes: watch::Receiver<ClaimWish>,
    wakes: mpsc::Sender<Wake>,
    clock: fn() -> Moment,
    plan: Plan,
    /// The endpoint that answered last.
    endpoint: Option<EndpointIndex>,
    /// The claim of another host, and who showed it.
    obstacle: Option<(Token, Session<C>)>,
}

/// The tasks of these claims, and what tells them what is wanted.
pub(super) fn claimings<C: Client>(
    specs: &[ClaimSpec],
    shared: &Arc<Shared<C>>,
    wakes: &mpsc::Sender<Wake>,
    clock: fn() -> Moment,
) -> (Wishes, Vec<Claiming<C>>) {
    let one = |(index, spec): (ClaimIndex, &ClaimSpec)| {
        let (sender, wishes) = watch::channel(ClaimWish::Nothing);
        let plan = Plan::new(spec.owner.clone(), spec.ttl, C::CLAIM_ENDING, C::CLAIM_COMPARES_LEADER);
        let (spec, shared, wakes) = (spec.clone(), Arc::clone(shared), wakes.clone());
        let key = Arc::clone(&spec.key);
        let task = Claiming { index, spec, shared, wishes, wakes, clock, plan, endpoint: None, obstacle: None };
        ((key, sender), task)
    };
    let (wishes, tasks) = specs.iter().enumerate().map(one).unzip();
    (Wishes(wishes), tasks)
}

impl<C: Client> Claiming<C> {
    pub(super) async fn run(mut self) {
        loop {
            let wish = *self.wishes.borrow_and_update();
            let now = (self.clock)();
            self.plan.want(wish, now);
            if let Some(request) = self.plan.next(now) {
                self.carry_out(&request).await;
                continue;
            }
            let due = self.plan.due().map(|due| due.since(now));
            let obstacle = self.obstacle.as_ref().filter(|_| self.plan.watches());
            tokio::select! {
                changed = self.wishes.changed() => if changed.is_err() { return },
                () = pause(due) => {}
                () = change(&self.spec, obstacle) => self.plan.changed((self.clock)()),
            }
        }
    }

    async fn carry_out(&mut self, request: &Request) {
        self.obstacle = None;
        let mut read = Read::new(Purpose::Change, self.endpoint.take());
        let Some((ask, session)) = self.shared.endpoints.ask(&mut read) else {
            let why = self.shared.endpoints.rounds(|rounds| rounds.why_unreachable().why);
            return self.report(|plan, now| plan.failed(why, now)).await;
        };
        let limit = LIMIT.min(self.spec.ttl / 5);
        let answer = timeout(limit, session.claim(&self.spec, request)).await;
        let failure = match answer {
            Ok(Ok(answer)) => {
                self.shared.endpoints.rounds(|rounds| rounds.answered(ask));
                self.endpoint = Some(ask.endpoint);
                return self.take(request, answer, session).await;
            }
            Ok(Err(failure)) => failure,
            Err(_elapsed) => None,
        };
        let reason =
            failure.as_ref().map_or_else(|| Reason::from(format!("no answer within {limit:.1?}")), Reason::from);
        let why = Arc::clone(&reason.why);
        self.shared.endpoints.rounds(|rounds| rounds.failed(ask, Some(reason)));
        self.shared.doubt.notify_one();
        if let Some(failure) = failure {
            self.shared.states.count_error(ask.endpoint, failure.kind);
            if failure.ends_session {
                session.end(failure);
            }
        }
        self.report(|plan, now| plan.failed(why, now)).await;
    }

    async fn take(&mut self, request: &Request, answer: Answer, session: Session<C>) {
        if let Answer::Present { token, .. } = &answer {
            self.obstacle = Some((token.clone(), session));
        }
        let new = matches!((request, &answer), (Request::Create | Request::TakeOver(_), Answer::Ours { .. }));
        self.report(|plan, now| plan.answered(answer, now)).await;
        if let (true, Some(endpoint)) = (new, self.endpoint) {
            // Nobody receives only while the source is being dropped, and this task with it.
            let _dropped = self.wakes.send(Wake { endpoint, keys: vec![self.spec.leader] }).await;
        }
    }

    async fn report(&mut self, conclude: impl FnOnce(&mut Plan, Moment) -> Option<ClaimReport>) {
        if let Some(report) = conclude(&mut self.plan, (self.clock)()) {
            let _dropped = self.shared.reports.send(Report::Claim(self.index, report)).await;
        }
    }
}

/// Waits that long, or for ever.
pub(super) async fn pause(due: Option<Duration>) {
    match due {
        Some(due) => sleep(due).await,
        None => pending().await,
    }
}

/// Waits until another host's claim changes.
async fn change<C: Client>(spec: &ClaimSpec, obstacle: Option<&(Token, Session<C>)>) {
    match obstacle {
        Some((token, session)) => session.claim_changes(spec, token).await,
        None => pending().await,
    }
}

/// A renewal that gets no answer must leave time for other endpoints.
const LIMIT: Duration = Duration::from_secs(1);
