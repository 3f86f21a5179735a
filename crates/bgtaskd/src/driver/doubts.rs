//! What a task would listen to is tried before the task is registered: what cannot be heard here is refused at once (D16).

use std::sync::Arc;
use std::time::Duration;

use bgtask_convert::{core_status, source_of};
use bgtask_core::{ClientId, EventClass, Fact, NewRegistration, Now, Refusal, Request, SourceStatus, Subject, Trigger};
use bgtask_sources::{EventReport, Report, SourceKind, Status, World, listen, start};
use bgtask_wire::{Error, ErrorKind};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use zbus::Message;

use super::Driver;
use crate::clients;
use crate::inbox::Incoming;

/// How long what is tried may take to say how well it is heard: longer than a service that hangs is waited for. Who says nothing by
/// then may yet work, so the task is registered.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is tried at the same time, since each may be a connection of its own. The others wait for their turn.
const MAX_TRIALS: usize = 16;

/// Registrations that are tried, or wait for that. One more is refused.
const MAX_DOUBTS: usize = 1_024;

/// A registration whose source has been tried.
#[derive(Debug)]
pub(crate) struct Tried {
    client: ClientId,
    message: Message,
    request: Request,
    /// What was tried, for people.
    what: String,
    /// How well it is heard, if that was said in time.
    status: Option<SourceStatus>,
}

/// Who tries.
pub(super) struct Doubts {
    world: World,
    post: mpsc::Sender<Incoming>,
    turns: Arc<Semaphore>,
    open: usize,
}

/// What is to be tried.
enum Doubt {
    Subject(bgtask_sources::Subject),
    Source(SourceKind),
}

impl Doubt {
    /// The first word on how well it is heard, if one comes in time.
    async fn try_out(self, world: &World) -> Option<Status> {
        match self {
            Self::Subject(subject) => {
                let (sender, reports) = mpsc::channel(1);
                let _listening = listen(0, subject, world, sender);
                first(reports, |(_, report)| if let EventReport::Status(status) = report { Some(status) } else { None })
                    .await
            }
            Self::Source(kind) => {
                let (sender, reports) = mpsc::channel(1);
                let _watching = start(kind, world, sender);
                first(reports, |report| if let Report::Status(_, status) = report { Some(status) } else { None }).await
            }
        }
    }
}

async fn first<T>(mut reports: mpsc::Receiver<T>, status: impl Fn(T) -> Option<Status>) -> Option<Status> {
    let found = async {
        loop {
            if let Some(status) = status(reports.recv().await?) {
                return Some(status);
            }
        }
    };
    timeout(PATIENCE, found).await.ok().flatten()
}

impl Doubts {
    pub(super) fn new(world: World, post: mpsc::Sender<Incoming>) -> Self {
        Self { world, post, turns: Arc::new(Semaphore::new(MAX_TRIALS)), open: 0 }
    }
}

impl Driver {
    /// Whether the request is answered already, since nothing here could serve it, or waits for a trial, whose end comes in
    /// by itself.
    pub(super) fn doubts(&mut self, client: ClientId, message: &Message, request: &Request) -> bool {
        let (Request::Register(app, new) | Request::RegisterOrUpdate(app, new)) = request else { return false };
        if let Some(refused) = self.unserved(request) {
            let error = clients::refusal(&refused, &self.apps, Some(message));
            self.reply(client, message, Err(error));
            return true;
        }
        let doubt = match Subject::of(&new.trigger) {
            // Its channel is opened by itself, and whether there is a server was said.
            Some(Subject::Events { class: EventClass::PushNotification, .. }) => None,
            // The broker itself carries what is in the group.
            Some(Subject::Events { class: EventClass::BackgroundTransferCompletionGroup, .. }) => None,
            Some(Subject::Events { class, properties }) if !self.listeners.hears(&new.trigger) => {
                bgtask_convert::subject(class, &properties, Some(app)).ok().map(Doubt::Subject)
            }
            _ => self.unknown_fact(new).and_then(source_of).map(Doubt::Source),
        };
        // What is wrong with it besides is said at once, and first.
        let Some(doubt) = doubt.filter(|_| !self.core.refuses(request)) else { return false };
        if self.doubts.open >= MAX_DOUBTS {
            let text =
                format!("{MAX_DOUBTS} registrations wait to be tried out: register this one when they are answered");
            self.reply(client, message, Err(Error::new(ErrorKind::LimitReached, text)));
            return true;
        }
        self.doubts.open += 1;
        let what = match &new.trigger {
            Trigger::System { kind, .. } => format!("the system trigger {kind}"),
            other => format!("the trigger {}", other.class()),
        };
        let (post, world, turns) = (self.doubts.post.clone(), self.doubts.world.clone(), self.doubts.turns.clone());
        let (message, request) = (message.clone(), request.clone());
        tokio::spawn(async move {
            // It is never closed.
            let _turn = turns.acquire_owned().await;
            let status = doubt.try_out(&world).await.map(core_status);
            let tried = Tried { client, message, request, what, status };
            // Nobody takes it any more when the broker ends.
            let _ended = post.send(Incoming::Tried(Box::new(tried))).await;
        });
        true
    }

    /// Why nothing here can serve a registration that the core would take.
    pub(super) fn unserved(&self, request: &Request) -> Option<Refusal> {
        let (Request::Register(_, new) | Request::RegisterOrUpdate(_, new)) = request else { return None };
        let is_push = matches!(new.trigger, Trigger::Event { class: EventClass::PushNotification, .. });
        let unpushed = || self.push.refuses().filter(|_| is_push);
        self.clock.refuses(new).or_else(unpushed).filter(|_| !self.core.refuses(request))
    }

    /// The fact behind a trigger, where software that few machines have knows it and nobody watches it yet.
    fn unknown_fact(&self, new: &NewRegistration) -> Option<Fact> {
        let fact = Fact::behind(&new.trigger)?;
        let is_optional = matches!(fact, Fact::OnlineAccounts | Fact::DefaultAccount);
        let is_known = self.core.sources().any(|(watched, status)| watched == fact && status.is_some());
        (is_optional && !is_known).then_some(fact)
    }

    pub(super) fn tried(&mut self, now: Now, tried: Tried) {
        let Tried { client, message, request, what, status } = tried;
        self.doubts.open -= 1;
        match status {
            Some(SourceStatus::Missing { why, help }) => {
                let refused = Refusal::NotSupported { what, why, help };
                let error = clients::refusal(&refused, &self.apps, Some(&message));
                self.reply(client, &message, Err(error));
            }
            Some(SourceStatus::Available { .. } | SourceStatus::Degraded { .. }) | None => {
                let _id = self.ask(now, client, &message, request);
            }
        }
    }
}
