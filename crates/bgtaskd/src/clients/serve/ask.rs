//! Calls that change something, as requests to the core.

use bgtask_core::{
    AccessSetting, AppId, BackgroundAccessRequestKind, Demand, Entry, EventClass, NewRegistration, Refusal, Request,
    TaskId, Trigger,
};
use bgtask_wire::{Call, Error, ErrorKind, Registering};

use bgtask_convert::{cannot_run, check_subject, details, new_registration, setting_word};

use super::{Asked, Identity};
use crate::apps::Installed;
use crate::task_files::described;

/// The capability of apps that tasks run for from outside.
const PUSH_NOTIFICATIONS: &str = "pushNotifications";

/// Takes the user's decision about an app back.
const DEFAULT: &str = "default";

impl Asked<'_> {
    /// What is asked of the core. Every other call has been answered before.
    pub(super) fn request(&self, call: Call) -> Result<Request, Error> {
        let one = |app: &str| self.identity.one(app);
        Ok(match call {
            Call::Register(given) => {
                let (app, new) = self.registration(&given)?;
                Request::Register(app, new)
            }
            Call::RegisterOrUpdate(given) => {
                let (app, new) = self.registration(&given)?;
                Request::RegisterOrUpdate(app, new)
            }
            Call::Unregister(task, cancel) => {
                let task = task_id(&task)?;
                Request::Unregister { scope: self.owner(task)?, task, cancel }
            }
            Call::RequestAccess(app, application) => {
                let app = one(&app)?;
                Request::RequestAccess { application: self.application(&app, application), app }
            }
            Call::RequestAccessKind { app, application, kind, standby, reason } => {
                let app = one(&app)?;
                let application = self.application(&app, application);
                Request::RequestAccessKind { app, application, kind: access_kind(kind)?, standby, reason }
            }
            Call::RemoveAccess(app, application) => {
                let app = one(&app)?;
                Request::RemoveAccess { application: self.application(&app, application), app }
            }
            Call::SetAccess(app, setting) => {
                self.only_the_user("decides about the access of apps")?;
                Request::SetAccess(one(&app)?, access_setting(&setting)?)
            }
            Call::SetBackground(enabled) => {
                self.only_the_user("switches all background work on or off")?;
                Request::SetBackground { enabled }
            }
            Call::Terminate(app) => {
                self.only_the_user("ends what runs of an app")?;
                Request::Terminate(one(&app)?)
            }
            Call::RequestTrigger { app, class, details: given } => {
                Request::Activate { app: one(&app)?, demand: demand(&class)?, details: details(given)? }
            }
            Call::Raise(event) => Request::Raise { by: self.raiser(&event)?, event },
            Call::AddTask { name, definition, replace } => self.add_task(&name, &definition, replace)?,
            Call::RunNow { task, respect_conditions } => {
                Request::RunNow { task: self.own_command(&task, "runs a command by hand")?, respect_conditions }
            }
            Call::SetPaused(task, paused) => {
                Request::SetPaused { task: self.own_command(&task, "pauses a command")?, paused }
            }
            Call::Cancel(task) => Request::Cancel(self.own_command(&task, "cancels a command")?),
            Call::ReportProgress { instance, value, message } => {
                self.only_the_user("has commands that report progress")?;
                let instance = instance.parse().map_err(|error: bgtask_core::InvalidId| invalid(error.to_string()))?;
                Request::ReportProgress { instance, value, message }
            }
            Call::Acknowledge(app, sequence) => Request::Acknowledge(one(&app)?, sequence),
            Call::ReclaimSocket { app, id } => Request::ReclaimSocket { app: one(&app)?, id },
            Call::CreatePushChannel(app) => Request::CreatePushChannel(one(&app)?),
            Call::ClosePushChannel(app) => Request::ClosePushChannel(one(&app)?),
            Call::CloseControlChannel { app, id } => Request::CloseControlChannel { app: one(&app)?, id },
            other => unreachable!("answered before: {other:?}"),
        })
    }

    /// A command by its task file.
    fn add_task(&self, name: &str, definition: &str, replace: bool) -> Result<Request, Error> {
        self.only_the_user("adds commands")?;
        let shown = if name.is_empty() { "the task" } else { name };
        let mut new = bgtask_taskfile::parse(shown, definition)
            .map_err(|problems| invalid(described(shown, definition, &problems)))?
            .registration;
        if !name.is_empty() {
            name.clone_into(&mut new.name);
        }
        self.calendars.check(&new, self.now.wall)?;
        let file_of = |registration: &bgtask_core::Registration| {
            (*registration.name == *new.name).then(|| registration.entry.command()?.file.clone()).flatten()
        };
        let commands = AppId::new(bgtask_core::App::COMMANDS).expect("it is an app id");
        if let Some(file) = self.core.registrations(Some(&commands)).into_iter().find_map(file_of) {
            let text = format!("the command {:?} stands in {file}: change that file, or choose another name", new.name);
            return Err(Error::new(ErrorKind::NameTaken, text));
        }
        check_subject(&new.trigger, &commands).map_err(invalid)?;
        Ok(if replace { Request::RegisterOrUpdate(commands, new) } else { Request::Register(commands, new) })
    }

    fn own_command(&self, task: &str, does: &str) -> Result<TaskId, Error> {
        self.only_the_user(does)?;
        task_id(task)
    }

    fn registration(&self, given: &Registering) -> Result<(AppId, NewRegistration), Error> {
        let app = self.identity.one(&given.app)?;
        let new = new_registration(given)?;
        self.check_can_run(&app, &new.entry)?;
        self.check_capability(&app, &new.trigger)?;
        check_subject(&new.trigger, &app).map_err(invalid)?;
        Ok((app, new))
    }

    /// D16: what no program here can run is refused when it is registered.
    fn check_can_run(&self, app: &AppId, entry: &Entry) -> Result<(), Error> {
        let declared = self.apps.get(app).map(|installed| &installed.app);
        let why = declared.and_then(|app| cannot_run(app, entry));
        let what = match entry {
            Entry::Component(name) => format!("{name:?}"),
            other => format!("the class {other}"),
        };
        why.map_or(Ok(()), |why| Err(Error::new(ErrorKind::NotSupported, format!("{what} cannot run here: {why}"))))
    }

    /// SOC-2, MAN-9: who hands sockets over declares it.
    fn check_capability(&self, app: &AppId, trigger: &Trigger) -> Result<(), Error> {
        if !matches!(trigger, Trigger::Event { class: EventClass::SocketActivity, .. }) {
            return Ok(());
        }
        let has = |installed: &Installed| installed.app.capabilities.iter().any(|its| *its == PUSH_NOTIFICATIONS);
        if self.apps.get(app).is_none_or(has) {
            return Ok(());
        }
        let text = format!(
            "the manifest of {app} does not declare the capability {PUSH_NOTIFICATIONS}, which a SocketActivityTrigger needs \
             (SOC-2): add it to the list, capabilities = [\"{PUSH_NOTIFICATIONS}\"]"
        );
        Err(Error::new(ErrorKind::NotDeclared, text))
    }

    /// The app to which a caller that is an app is confined, if the task is one of its own.
    fn owner(&self, task: TaskId) -> Result<Option<AppId>, Error> {
        match self.identity {
            Identity::User => Ok(None),
            Identity::Apps(_) => self.visible(task).map(|registration| Some(registration.app.clone())),
        }
    }

    /// ACC-15: the first application has a name of its own in the manifest, and none for the core.
    pub(super) fn application(&self, app: &AppId, named: String) -> String {
        let first = self.apps.get(app).and_then(|installed| installed.app.applications.first());
        if first.is_some_and(|first| *first == named) { String::new() } else { named }
    }

    pub(super) fn only_the_user(&self, does: &str) -> Result<(), Error> {
        match self.identity {
            Identity::User => Ok(()),
            Identity::Apps(_) => Err(Error::new(
                ErrorKind::AccessDenied,
                format!("the caller is {}, and only the user {does}", self.identity),
            )),
        }
    }

    /// Whose manifest has to allow the event. A program of several apps may raise what any of them may: an event has no owner
    /// that the choice could be wrong for.
    fn raiser(&self, event: &str) -> Result<Option<AppId>, Error> {
        let Identity::Apps(apps) = self.identity else { return Ok(None) };
        let may = |app: &&AppId| {
            self.apps.get(app).is_some_and(|installed| installed.app.raises.iter().any(|its| its == event))
        };
        match apps.iter().find(may).or(apps.first()) {
            Some(app) => Ok(Some(app.clone())),
            None => Err(Error::new(ErrorKind::AccessDenied, format!("the caller is {}", self.identity))),
        }
    }

    /// A task of another app is as unknown as one that does not exist.
    pub(super) fn visible(&self, id: TaskId) -> Result<&bgtask_core::Registration, Error> {
        let found = self.core.task(id).map(|(registration, _)| registration);
        let own = found.filter(|registration| self.identity.may_act_for(&registration.app));
        own.ok_or_else(|| self.refused(&Refusal::UnknownTask(id)))
    }
}

pub(super) fn task_id(text: &str) -> Result<TaskId, Error> {
    text.parse().map_err(|error: bgtask_core::InvalidId| invalid(error.to_string()))
}

fn access_kind(number: u32) -> Result<BackgroundAccessRequestKind, Error> {
    BackgroundAccessRequestKind::from_number(number).ok_or_else(|| {
        let kinds = BackgroundAccessRequestKind::ALL.iter().map(|kind| format!("{} {kind}", kind.number()));
        let kinds = kinds.collect::<Vec<_>>().join(" or ");
        invalid(format!("{number} is no BackgroundAccessRequestKind: it is {kinds}"))
    })
}

fn access_setting(word: &str) -> Result<Option<AccessSetting>, Error> {
    if word == DEFAULT {
        return Ok(None);
    }
    let found = AccessSetting::ALL.iter().copied().find(|setting| setting_word(*setting) == word);
    found.map(Some).ok_or_else(|| {
        let words = AccessSetting::ALL.iter().map(|setting| setting_word(*setting)).collect::<Vec<_>>().join(", ");
        invalid(format!("{word:?} is no access setting: it is {words}, or {DEFAULT} to take the decision back"))
    })
}

fn demand(class: &str) -> Result<Demand, Error> {
    let demands = [Demand::Application, Demand::MediaProcessing, Demand::DeviceUse];
    demands.into_iter().find(|demand| demand.trigger().class() == class).ok_or_else(|| {
        let own = demands.map(|demand| demand.trigger().class()).join(", ");
        invalid(format!("an app cannot fire a {class:?} itself: it can fire its {own}"))
    })
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}
