//! What each request is answered.

use bgtask_core::{
    AppId, ApplicationTriggerResult, BackgroundAccessRequestKind as Kind, BackgroundAccessStatus as Status,
    CancellationReason, CustomSystemEventTriggerRecurrence, Demand, Details, DeviceTriggerResult, Entry,
    NewRegistration, Refusal, Registration, Reply, Request, RequestId, Standing, TaskId, Trigger, Update,
};

use super::super::{Verdict, check};
use super::held::{By, Occasion};
use super::registrations::Registering;
use super::{Model, Owed};
use crate::sockets::is_for_sockets;

/// What a request has to be answered.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Exactly(Reply),
    Refused,
    /// Whether it is registered depends on the shape of what is asked.
    Registered,
    Updated(Update),
    Approved(bool),
    Activated(ApplicationTriggerResult),
    DeviceUse(DeviceTriggerResult),
    /// A command that runs now, or will.
    Running {
        task: TaskId,
        by_hand: bool,
    },
    /// The user is asked first.
    Question,
    /// It waits for an address.
    Later,
}

impl Model {
    pub(super) fn answers(&mut self, id: RequestId, reply: &Result<Reply, Refusal>, owed: &mut Owed) -> Verdict {
        let wanted = owed.later.remove_entry(&id).or_else(|| owed.answer.take());
        if let Ok(Reply::Socket(socket)) = reply {
            let held = self.descriptors.remove(&socket.key);
            check(held, || format!("{socket:?} is given back, and the broker has it no more"))?;
        }
        if reply.is_err() {
            owed.registering = None;
        }
        let right = match (&wanted, reply) {
            (Some((its, _)), _) if *its != id => false,
            (Some((_, Answer::Exactly(wanted))), Ok(reply)) => wanted == reply,
            (Some((_, Answer::Approved(wanted))), Ok(Reply::Approved(approved))) => wanted == approved,
            (Some((_, Answer::Activated(wanted))), Ok(Reply::Activated(result, _))) => wanted == result,
            (Some((_, Answer::DeviceUse(wanted))), Ok(Reply::DeviceUse(result, _))) => wanted == result,
            (Some((_, Answer::Updated(wanted))), Ok(Reply::Updated(_, update))) => wanted == update,
            (Some((_, Answer::Registered)), Ok(Reply::Registered(_)) | Err(_)) => true,
            (Some((_, Answer::Refused)), Err(_)) => true,
            (Some((_, Answer::Running { task, by_hand })), _) => return self.runs_by_hand(*task, *by_hand, reply),
            _ => false,
        };
        check(right, || format!("{id:?} is answered {reply:?}, to be is {wanted:?}"))
    }
}

impl Model {
    pub(super) fn requested(&mut self, id: RequestId, request: &Request, owed: &mut Owed) {
        let answer = match request {
            Request::Register(app, new) => self.registered(app, new, owed),
            Request::RegisterOrUpdate(app, new) => self.updated(app, new, owed),
            Request::Unregister { scope, task, cancel } => self.unregistered(scope.as_ref(), *task, *cancel, owed),
            Request::RequestAccess { app, application } => self.access_asked(app, application),
            Request::RequestAccessKind { app, application, kind, standby, .. } => {
                self.kind_asked(id, app, application, *kind, *standby)
            }
            Request::RemoveAccess { app, application } => self.access_removed(app, application),
            Request::SetAccess(app, setting) => {
                self.settings.access.entry(app.clone()).or_default().setting = *setting;
                self.end_what_is_denied(owed);
                Answer::Exactly(Reply::Set)
            }
            Request::SetBackground { enabled } => {
                self.settings.switched_off = !enabled;
                self.end_what_is_denied(owed);
                Answer::Exactly(Reply::Set)
            }
            Request::Terminate(app) if self.apps.contains_key(app) => {
                self.cancel_where(owed, CancellationReason::Terminating, |_, run| run.app == *app);
                Answer::Exactly(Reply::Terminated(owed.cancels.len().try_into().unwrap_or(u32::MAX)))
            }
            Request::Terminate(_) => Answer::Refused,
            Request::Activate { app, demand, details } => self.activated(app, *demand, details.as_ref(), owed),
            Request::Raise { by, event } => self.raised(by.as_ref(), event, owed),
            Request::RunNow { task, respect_conditions } => self.run_now(*task, *respect_conditions, owed),
            Request::SetPaused { task, paused } => self.pause(*task, *paused, owed),
            Request::Cancel(task) => self.cancel_command(*task, owed),
            Request::ReportProgress { instance, value, message } => {
                self.progress_said(*instance, *value, message, owed)
            }
            Request::Acknowledge(..) => Answer::Exactly(Reply::Acknowledged),
            Request::TransferSocket(app, new) => self.socket_transferred(app, new),
            Request::ReclaimSocket { app, id } => self.socket_reclaimed(app, id, owed),
            // No app offers services in the simulated world.
            Request::OpenAppService { .. } => Answer::Refused,
            Request::CreatePushChannel(app) => self.channel_wanted(id, app, owed),
            Request::ClosePushChannel(app) => {
                self.channel_closed(app, owed);
                Answer::Exactly(Reply::ChannelClosed)
            }
            // No connection is held in it.
            Request::EnableControlChannel(..) | Request::CloseControlChannel { .. } => Answer::Refused,
        };
        if !matches!(answer, Answer::Later) {
            owed.answer = Some((id, answer));
        }
    }

    pub(super) fn is_listed(&self, task: TaskId) -> bool {
        self.registrations.get(&task).is_some_and(|it| it.standing != Standing::Unregistered)
    }

    /// A person's commands are known by their names.
    fn registered(&self, app: &AppId, new: &NewRegistration, owed: &mut Owed) -> Answer {
        let taken =
            |it: &Registration| it.app == *app && *it.name == *new.name && it.standing != Standing::Unregistered;
        if new.entry.command().is_some() && self.registrations.values().any(taken) {
            return Answer::Refused;
        }
        owed.registering = Some(Registering::new(app, new));
        Answer::Registered
    }

    /// D5. Whether something new may be registered depends on its shape; then nothing may leave either.
    fn updated(&mut self, app: &AppId, new: &NewRegistration, owed: &mut Owed) -> Answer {
        let group = |group: &Option<Box<bgtask_core::TaskGroup>>| group.as_ref().map(|group| group.id.clone());
        let is_command = new.entry.command().is_some();
        let same_name = |it: &&Registration| {
            let active = it.standing == Standing::Active && group(&it.group) == group(&new.group);
            let listed = it.standing != Standing::Unregistered && is_command;
            it.app == *app && *it.name == *new.name && (active || listed)
        };
        let known: Vec<_> = self.registrations.values().filter(same_name).collect();
        let unchanged = known.iter().find(|it| {
            it.standing == Standing::Active
                && (&it.entry, &it.trigger, &*it.conditions) == (&new.entry, &new.trigger, &*new.conditions)
                && it.cancel_on_condition_loss == new.cancel_on_condition_loss
                && it.is_network_requested == new.is_network_requested
                && it.group == new.group
        });
        let declared = self.apps.get(app).is_some_and(|app| app.server(&new.entry).is_some());
        let alone = |it: &&Registration| it.app == *app && it.trigger == new.trigger && it.standing == Standing::Active;
        let single = matches!(new.trigger, Trigger::Application | Trigger::MediaProcessing | Trigger::DeviceUse);
        let taken =
            single && self.registrations.values().filter(alone).any(|it| !known.iter().any(|its| its.id == it.id));
        if unchanged.is_none() && (!declared || taken || !self.is_supported(new)) {
            return Answer::Refused;
        }
        owed.leaving.extend(known.iter().map(|it| it.id).filter(|id| unchanged.is_none_or(|it| it.id != *id)));
        if unchanged.is_none() {
            let before = known.first().filter(|_| is_command).map(|it| (*it).clone());
            let alike = before.as_ref().filter(|before| before.trigger == new.trigger).map(|before| before.id);
            let first = known.first().filter(|it| is_for_sockets(&it.trigger) && it.trigger == new.trigger);
            let inherits = known.iter().filter(|_| is_for_sockets(&new.trigger));
            let (sockets_of, firings_of) = (inherits.map(|it| it.id).collect(), first.map(|it| it.id));
            owed.registering = Some(Registering { before, sockets_of, firings_of, ..Registering::new(app, new) });
            let update = if known.is_empty() { Update::Registered } else { Update::Replaced };
            alike.into_iter().for_each(|before| self.is_reached_first(before, owed));
            return Answer::Updated(update);
        }
        Answer::Updated(Update::Unchanged)
    }

    /// Its facts have a source; and a device is used by a program of its own, whatever the conditions are (CO-6, BLD-19).
    fn is_supported(&self, new: &NewRegistration) -> bool {
        let in_vain = new.entry == Entry::InProcess || !new.conditions.is_empty();
        if new.trigger == Trigger::DeviceUse && in_vain {
            return false;
        }
        let conditions = new.conditions.iter().map(|condition| condition.fact());
        // A calendar comes true without a source too; then nobody says that the zone has changed.
        let by_time = matches!(new.trigger, Trigger::Calendar { .. });
        let trigger = bgtask_core::Fact::behind(&new.trigger).filter(|_| !by_time);
        !conditions.chain(trigger).any(|fact| self.missing.contains(&fact))
    }

    fn unregistered(&mut self, scope: Option<&AppId>, task: TaskId, cancel: bool, owed: &mut Owed) -> Answer {
        let owner = self.registrations.get(&task).map(|it| it.app.clone());
        if !self.is_listed(task) || scope.is_some() && scope != owner.as_ref() {
            return Answer::Refused;
        }
        owed.leaving.insert(task);
        if cancel {
            self.cancel_where(owed, CancellationReason::Abort, |_, run| run.task == task);
        }
        Answer::Exactly(Reply::Unregistered)
    }

    pub(super) fn has_application(&self, app: &AppId, application: &str) -> bool {
        let declares = |app: &bgtask_core::App| app.applications.iter().any(|its| **its == *application);
        self.apps.get(app).is_some_and(|app| application.is_empty() || declares(app))
    }

    fn access_asked(&mut self, app: &AppId, application: &str) -> Answer {
        if !self.has_application(app, application) {
            return Answer::Refused;
        }
        let grants = &mut self.settings.access.entry(app.clone()).or_default().grants;
        let grant = grants.entry(application.into()).or_default();
        grant.awake.get_or_insert(Kind::AllowedSubjectToSystemPolicy);
        Answer::Exactly(Reply::Access(self.status(app, application, false)))
    }

    fn access_removed(&mut self, app: &AppId, application: &str) -> Answer {
        if !self.has_application(app, application) {
            return Answer::Refused;
        }
        if let Some(kept) = self.settings.access.get_mut(app) {
            kept.grants.remove(application);
        }
        Answer::Exactly(Reply::Access(self.status(app, application, false)))
    }

    /// ACC-18: only what nobody has decided is a question, and only the highest level.
    fn kind_asked(&mut self, id: RequestId, app: &AppId, application: &str, kind: Kind, standby: bool) -> Answer {
        if !self.has_application(app, application) {
            return Answer::Refused;
        }
        let status = self.status(app, application, standby);
        match (status, kind) {
            (Status::DeniedByUser | Status::DeniedBySystemPolicy, _) => Answer::Approved(false),
            (Status::AlwaysAllowed, _) => Answer::Approved(true),
            (_, Kind::AllowedSubjectToSystemPolicy) => {
                self.grant(app, application, standby, kind);
                Answer::Approved(true)
            }
            (_, Kind::AlwaysAllowed) if self.is_decided(app) => Answer::Approved(false),
            (_, Kind::AlwaysAllowed) => {
                self.questions.insert(id, (app.clone(), application.to_owned(), standby));
                Answer::Question
            }
        }
    }

    /// REQ-3, D3: `Allowed` is one firing, everything else is none.
    fn activated(&self, app: &AppId, demand: Demand, details: Option<&Details>, owed: &mut Owed) -> Answer {
        use ApplicationTriggerResult as Result;
        let wanted = match demand {
            Demand::Application => Trigger::Application,
            Demand::MediaProcessing => Trigger::MediaProcessing,
            Demand::DeviceUse => Trigger::DeviceUse,
        };
        let fits = |it: &&Registration| it.app == *app && it.trigger == wanted && it.standing == Standing::Active;
        if !self.apps.contains_key(app) {
            return Answer::Refused;
        }
        let task = self.registrations.values().find(fits);
        if demand == Demand::DeviceUse {
            return self.device_asked(task, details, owed);
        }
        let Some(task) = task else {
            return Answer::Activated(Result::UnknownError);
        };
        let busy = self.rows.values().any(|(its, _)| *its == task.id);
        let result = match () {
            () if !self.status_of(task).allows() => Result::DisabledByPolicy,
            () if self.stopping => Result::UnknownError,
            () if busy => Result::CurrentlyRunning,
            () => Result::Allowed,
        };
        if result == Result::Allowed {
            let details = details.cloned();
            self.set_off(task.id, Occasion { details, ..Occasion::once(By::World) }, owed);
        }
        Answer::Activated(result)
    }

    fn raised(&mut self, by: Option<&AppId>, event: &str, owed: &mut Owed) -> Answer {
        let may = |app: &AppId| self.apps.get(app).is_some_and(|app| app.raises.iter().any(|its| **its == *event));
        if event.is_empty() || by.is_some_and(|app| !may(app)) {
            return Answer::Refused;
        }
        let session = self.session.clone();
        let mut heard = Vec::new();
        for its in self.registrations.values() {
            let Trigger::CustomSystemEvent { id, recurrence } = &its.trigger else { continue };
            let once = *recurrence == CustomSystemEventTriggerRecurrence::Once;
            let counted = once && its.counted_in.as_ref() == Some(&session);
            if **id == *event && its.standing == Standing::Active && !its.paused && !counted {
                heard.push(its.id);
            }
        }
        let count = heard.len().try_into().unwrap_or(u32::MAX);
        self.edge_comes(heard, owed);
        Answer::Exactly(Reply::Raised(count))
    }
}
