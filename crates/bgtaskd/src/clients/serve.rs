//! From a call to an answer: what only reads is answered here, what changes something is asked of the core.

use bgtask_core::{AppId, Core, Now, Refusal, Reply, Request, TaskId};
use bgtask_store::{HISTORY_PAGE_MAX, Store};
use bgtask_wire::{
    AttachInfo, BROKER_INTERFACE, BROKER_PATH, Call, Error, ErrorKind, HistoryQuery, PEER_NAME, Standard, xml,
};
use serde::Serialize;
use zbus::{Message, Type};

use super::convert::{app_info, history_info, new_registration, source_info, task_info, why_info, why_of};
use super::{Identity, Scope};
use crate::apps::Apps;
use crate::places::Places;

/// Lines of history where a query does not say how many.
const DEFAULT_LIMIT: u32 = 100;

/// What a call comes to.
pub(crate) enum Answer {
    /// The reply.
    Now(Message),
    /// The reply is the core's.
    Ask(Request),
    /// The reply, and from now on its completions.
    Attach(AppId, Message),
    /// The reply, and from now on these events.
    Watch(Scope, Message),
}

/// What an answer is made from.
pub(crate) struct Asked<'a> {
    pub(crate) now: Now,
    pub(crate) core: &'a Core,
    pub(crate) apps: &'a Apps,
    pub(crate) store: &'a Store,
    pub(crate) places: &'a Places,
    pub(crate) identity: &'a Identity,
}

/// Answers one call.
pub(crate) fn answer(asked: &Asked<'_>, call: Call, message: &Message) -> Result<Answer, Error> {
    let identity = asked.identity;
    match call {
        Call::Attach(app) => {
            let app = identity.one(&app)?;
            if asked.apps.get(&app).is_none() {
                return Err(refusal(&Refusal::UnknownApp(app), asked.apps));
            }
            let reply = answered(message, &asked.attach_info(&app))?;
            Ok(Answer::Attach(app, reply))
        }
        Call::Watch(app) => Ok(Answer::Watch(identity.scope(&app)?, answered(message, &())?)),
        Call::Register { app, name, entry_point, trigger, conditions, options } => {
            let app = identity.one(&app)?;
            let new = new_registration(name, entry_point, &trigger, &conditions, &options)?;
            asked.check_can_run(&app, &new.entry_point)?;
            Ok(Answer::Ask(Request::Register(app, new)))
        }
        Call::Unregister(task, cancel) => {
            let task = task_id(&task)?;
            let scope = asked.owner(task)?;
            Ok(Answer::Ask(Request::Unregister { scope, task, cancel }))
        }
        Call::RequestAccess(app) => Ok(Answer::Ask(Request::RequestAccess(identity.one(&app)?))),
        Call::RemoveAccess(app) => Ok(Answer::Ask(Request::RemoveAccess(identity.one(&app)?))),
        Call::Acknowledge(app, sequence) => Ok(Answer::Ask(Request::Acknowledge(identity.one(&app)?, sequence))),
        Call::GetAccessStatus(app) => {
            let status = asked.core.access(&identity.one(&app)?);
            answered(message, &status.number()).map(Answer::Now)
        }
        Call::ListTasks(app) => answered(message, &asked.list(&identity.scope(&app)?)).map(Answer::Now),
        Call::GetTask(task) => answered(message, &asked.task(&task)?).map(Answer::Now),
        Call::Why(task) => answered(message, &asked.why(&task)?).map(Answer::Now),
        Call::History(query) => answered(message, &asked.history(query)?).map(Answer::Now),
        Call::ListSources => {
            let sources = asked.core.sources().map(|(fact, status)| source_info(fact, status, asked.core));
            answered(message, &sources.collect::<Vec<_>>()).map(Answer::Now)
        }
        Call::ListApps => answered(message, &asked.list_apps()).map(Answer::Now),
        Call::Standard(Standard::Listen) => Ok(Answer::Watch(identity.scope("")?, answered(message, &())?)),
        Call::Standard(call) => standard(&call, message).map(Answer::Now),
    }
}

/// The reply to a request the core has decided.
pub(crate) fn reply(decided: &Reply, message: &Message) -> Result<Message, Error> {
    match decided {
        Reply::Registered(task) => answered(message, &task.to_string()),
        Reply::Access(status) if message.header().member().is_some_and(|member| member == "RequestAccess") => {
            answered(message, &status.number())
        }
        Reply::Access(_) | Reply::Unregistered | Reply::Acknowledged => answered(message, &()),
    }
}

/// A refusal as an error reply; what the manifest lacks comes with the lines to add.
pub(crate) fn refusal(refusal: &Refusal, apps: &Apps) -> Error {
    let kind = match refusal {
        Refusal::UnknownApp(_) => ErrorKind::UnknownApp,
        Refusal::UnknownTask(_) => ErrorKind::UnknownTask,
        Refusal::InvalidArgument(_) => ErrorKind::InvalidArgument,
        Refusal::EntryPointNotDeclared { app, entry_point, .. }
        | Refusal::TaskTypeNotDeclared { app, entry_point, .. } => {
            let lines = apps.lines_to_add(app, entry_point);
            let text = lines.map_or_else(|| refusal.to_string(), |lines| lines.to_string());
            return Error::new(ErrorKind::NotDeclared, text);
        }
        Refusal::NotSupported { .. } => ErrorKind::NotSupported,
        Refusal::LimitReached(_) => ErrorKind::LimitReached,
    };
    Error::new(kind, refusal.to_string())
}

impl Asked<'_> {
    fn attach_info(&self, app: &AppId) -> AttachInfo {
        AttachInfo {
            app: app.to_string(),
            data_dir: self.places.data_of(app.as_str()).to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// D16: an entry point that no program here can run is refused when it is registered.
    fn check_can_run(&self, app: &AppId, entry_point: &str) -> Result<(), Error> {
        let entry = self.apps.get(app).and_then(|installed| installed.app.entry_point(entry_point));
        match entry.and_then(|entry| entry.cannot_run.as_deref()) {
            Some(why) => Err(Error::new(ErrorKind::NotSupported, format!("{entry_point:?} cannot run here: {why}"))),
            None => Ok(()),
        }
    }

    /// The app to which a caller that is an app is confined, if the task is one of its own.
    fn owner(&self, task: TaskId) -> Result<Option<AppId>, Error> {
        match self.identity {
            Identity::User => Ok(None),
            Identity::Apps(_) => self.visible(task).map(|registration| Some(registration.app.clone())),
        }
    }

    /// A task of another app is as unknown as one that does not exist.
    fn visible(&self, id: TaskId) -> Result<&bgtask_core::Registration, Error> {
        let found = self.core.task(id).map(|(registration, _)| registration);
        let own = found.filter(|registration| self.identity.may_act_for(&registration.app));
        own.ok_or_else(|| refusal(&Refusal::UnknownTask(id), self.apps))
    }

    fn list(&self, scope: &Scope) -> Vec<bgtask_wire::TaskInfo> {
        let app = match scope {
            Scope::All => None,
            Scope::App(app) => Some(app),
        };
        self.core.registrations(app).into_iter().map(|registration| self.info(registration)).collect()
    }

    fn task(&self, task: &str) -> Result<bgtask_wire::TaskInfo, Error> {
        Ok(self.info(self.visible(task_id(task)?)?))
    }

    fn info(&self, registration: &bgtask_core::Registration) -> bgtask_wire::TaskInfo {
        let activation = self.core.task(registration.id).and_then(|(_, activation)| activation);
        task_info(registration, activation, &why_of(self.core, registration, self.now))
    }

    fn why(&self, task: &str) -> Result<bgtask_wire::WhyInfo, Error> {
        let registration = self.visible(task_id(task)?)?;
        let mut why = why_of(self.core, registration, self.now);
        if why.phase == "idle"
            && let Some(last) = self.last_outcome(registration.id)
        {
            why.sentence = format!("{} Its last run {last}.", why.sentence);
        }
        Ok(why_info(why))
    }

    /// How and when the last run ended, from the history.
    fn last_outcome(&self, task: TaskId) -> Option<String> {
        let query = bgtask_store::HistoryQuery { task: Some(task.to_string()), ..history_query(HISTORY_PAGE_MAX) };
        let page = self.store.history(&query).ok()?;
        let last = page.entries.into_iter().find(|entry| entry.row.event == "completed")?;
        let ago = u64::try_from(self.now.wall.as_micros().saturating_sub(last.row.wall_us)).unwrap_or(0) / 1_000_000;
        Some(format!("{} ({ago} s ago)", history_info(last).text))
    }

    fn list_apps(&self) -> Vec<bgtask_wire::AppInfo> {
        let visible = self.core.apps().filter(|app| self.identity.may_act_for(&app.id));
        visible.filter_map(|app| Some(app_info(&app.id, self.apps.get(&app.id)?, self.core))).collect()
    }

    fn history(&self, query: HistoryQuery) -> Result<Vec<bgtask_wire::HistoryInfo>, Error> {
        let named = query.app.as_deref().unwrap_or_default();
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT) as usize;
        if limit == 0 || limit > HISTORY_PAGE_MAX {
            let text = format!("limit = {limit}: it has to be between 1 and {HISTORY_PAGE_MAX}");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let app = match self.identity.scope(named)? {
            Scope::All => None,
            Scope::App(app) => Some(app.to_string()),
        };
        let mut wanted = bgtask_store::HistoryQuery {
            app,
            task: query.task,
            name: query.name,
            instance: query.instance,
            since: query.since,
            before_seq: query.before,
            ..history_query(limit)
        };
        let mut found = Vec::new();
        loop {
            wanted.limit = limit - found.len();
            let page = self.store.history(&wanted).map_err(|error| store_error(&error))?;
            found.extend(page.entries.into_iter().map(history_info));
            if found.len() >= limit || page.next.is_none() {
                break;
            }
            wanted.before_seq = page.next;
        }
        found.reverse();
        Ok(found)
    }
}

fn history_query(limit: usize) -> bgtask_store::HistoryQuery {
    bgtask_store::HistoryQuery { limit, ..bgtask_store::HistoryQuery::default() }
}

/// What the store says, as an error of the environment.
pub(crate) fn store_error(error: &bgtask_store::StoreError) -> Error {
    Error::new(ErrorKind::StoreUnavailable, error.to_string())
}

fn task_id(text: &str) -> Result<TaskId, Error> {
    text.parse().map_err(|error: bgtask_core::InvalidId| Error::new(ErrorKind::InvalidArgument, error.to_string()))
}

fn answered<T: Serialize + Type>(message: &Message, body: &T) -> Result<Message, Error> {
    let built = Message::method_return(&message.header()).build(body);
    built.map_err(|error| Error::new(ErrorKind::Other, format!("the reply cannot be written: {error}")))
}

fn standard(call: &Standard, message: &Message) -> Result<Message, Error> {
    match call {
        Standard::Introspect(path) => answered(message, &introspection(path)?),
        Standard::Ping | Standard::Listen | Standard::RemoveMatch => answered(message, &()),
        Standard::GetMachineId => answered(message, &machine_id()),
        Standard::GetProperty(name) if name == "Version" => {
            answered(message, &zbus::Variant::from(env!("CARGO_PKG_VERSION")))
        }
        Standard::GetProperty(name) => {
            Err(Error::new(ErrorKind::InvalidSignature, format!("there is no property {name:?}: there is \"Version\"")))
        }
        Standard::GetAllProperties => {
            let version = zbus::Variant::from(env!("CARGO_PKG_VERSION"));
            answered(message, &std::collections::HashMap::from([("Version", version)]))
        }
        Standard::Hello | Standard::NameOwner => answered(message, &PEER_NAME),
    }
}

/// The broker's own XML at its path, and the way there at every path above.
fn introspection(path: &str) -> Result<String, Error> {
    if path == BROKER_PATH {
        return Ok(xml::BROKER.to_owned());
    }
    let above = if path == "/" { "/" } else { &format!("{path}/") };
    match BROKER_PATH.strip_prefix(above).and_then(|rest| rest.split('/').next()) {
        Some(child) => Ok(format!("<node>\n  <node name=\"{child}\"/>\n</node>\n")),
        None => {
            let text = format!("there is nothing at {path:?}; {BROKER_INTERFACE} is at {BROKER_PATH:?}");
            Err(Error::new(ErrorKind::UnknownMethod, text))
        }
    }
}

fn machine_id() -> String {
    std::fs::read_to_string("/etc/machine-id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
