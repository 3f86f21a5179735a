//! Calls that only look.

use std::collections::BTreeMap;
use std::path::Path;

use bgtask_core::{AppId, ControlChannel, PushChannel, Registration, Socket, SocketState, TaskId};
use bgtask_store::{HISTORY_PAGE_MAX, HistoryEntry};
use bgtask_wire::{
    AppInfo, AttachInfo, Call, Error, ErrorKind, HistoryInfo, HistoryQuery, TaskFileInfo, TaskInfo, WhyInfo,
};
use zbus::Message;

use bgtask_convert::{
    budget_info, channel_info, energy_info, listened_info, push_channel_info, socket_info, source_info, status_info,
    task_info, why_info,
};

use super::ask::task_id;
use super::describe::{app_info, history_info};
use crate::hosts::log_name;
use crate::task_files::Outcome;

use super::{Asked, Identity, Scope, answered};

/// Lines of history where a query does not say how many.
const DEFAULT_LIMIT: u32 = 100;

/// Lines of a task's history in which its last run is looked for first.
const LAST_LINES: usize = 16;

/// How many lines of all tasks are looked at for how one of them ended last: an explanation is asked for often, and of tasks that
/// have not run for long.
const LOOKS_BACK: u64 = 1_000;

impl Asked<'_> {
    /// The reply; `None` for a call that changes something.
    pub(super) fn read(&self, call: &Call, message: &Message) -> Result<Option<Message>, Error> {
        let reply = match call {
            Call::GetAccessStatus { app, application, standby } => {
                answered(message, &self.access(app, application, *standby)?)
            }
            Call::GetEnergyUsage(app) => {
                answered(message, &energy_info(&self.core.energy(&self.installed(app)?, self.now)))
            }
            Call::GetBudget(app) => answered(message, &budget_info(self.core, &self.installed(app)?, self.now)),
            Call::GetWorkCost => {
                let cost = self.core.work_cost();
                answered(message, &(cost.is_some(), cost.map_or(0, |cost| cost.number())))
            }
            Call::ListTasks(app) => answered(message, &self.list(&self.identity.scope(app)?)),
            Call::GetTask(task) => answered(message, &self.task(task)?),
            Call::Why(task) => answered(message, &self.why(task)?),
            Call::History(query) => answered(message, &self.history(query)?),
            Call::ListPushChannels(app) => {
                let scope = self.identity.scope(app)?;
                let its = self.core.push_channels().filter(|(channel, _)| scope.covers(channel.app.as_str()));
                let info = |(channel, held): (&PushChannel, usize)| {
                    push_channel_info(channel, held, &self.push.status(&channel.app))
                };
                answered(message, &its.map(info).collect::<Vec<_>>())
            }
            Call::ListSources => {
                // What is open to the fleet is the user's to know.
                let fleet = self.fleet.filter(|_| matches!(self.identity, Identity::User));
                let fleet = fleet.map(|fleet| status_info("fleet".to_owned(), fleet.status()));
                let sources = self.core.sources().map(|(fact, status)| source_info(fact, status, self.core));
                let listened = self.core.listened().map(|(trigger, status)| listened_info(trigger, status));
                // Several registrations that listen to the same have one source.
                let listened: BTreeMap<_, _> = listened.map(|info| (info.name.clone(), info)).collect();
                answered(message, &sources.chain(listened.into_values()).chain(fleet).collect::<Vec<_>>())
            }
            Call::ListApps => answered(message, &self.list_apps()),
            Call::ListTransfers(app) => answered(message, &self.list_transfers(app)?),
            Call::ListTaskFiles => answered(message, &self.list_task_files()?),
            Call::ListSockets(app) => {
                let scope = self.identity.scope(app)?;
                let there = |socket: &&Socket| socket.state != SocketState::Taken && scope.covers(socket.app.as_str());
                let mut infos: Vec<_> = self.core.sockets().filter(there).map(socket_info).collect();
                // All that apps have given along is more than one message can carry.
                if matches!(scope, Scope::All) {
                    infos.iter_mut().for_each(|info| info.context = Vec::new());
                }
                answered(message, &infos)
            }
            Call::ListControlChannels(app) => {
                let scope = self.identity.scope(app)?;
                let its = |channel: &&ControlChannel| scope.covers(channel.app.as_str());
                answered(message, &self.core.control_channels().filter(its).map(channel_info).collect::<Vec<_>>())
            }
            _ => return Ok(None),
        };
        reply.map(Some)
    }

    pub(super) fn attach_info(&self, app: &AppId) -> AttachInfo {
        AttachInfo {
            app: app.to_string(),
            data_dir: self.places.data_of(app.as_str()).to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    fn access(&self, app: &str, application: &str, standby: bool) -> Result<u32, Error> {
        let app = self.identity.one(app)?;
        let application = self.application(&app, application.to_owned());
        let status = self.core.access_of(&app, &application, standby);
        status.map(|status| status.number()).map_err(|refused| self.refused(&refused))
    }

    /// The app that is asked about.
    fn installed(&self, app: &str) -> Result<AppId, Error> {
        let app = self.identity.one(app)?;
        match self.core.apps().any(|installed| installed.id == app) {
            true => Ok(app),
            false => Err(self.refused(&bgtask_core::Refusal::UnknownApp(app))),
        }
    }

    fn list(&self, scope: &Scope) -> Vec<TaskInfo> {
        let app = match scope {
            Scope::All => None,
            Scope::App(app) => Some(app),
        };
        // What the manifest registers is not among what the app has registered.
        let listed = |its: &&Registration| app.is_none() || !its.trigger.is_of_manifest();
        self.core.registrations(app).into_iter().filter(listed).map(|its| self.described(its)).collect()
    }

    fn task(&self, task: &str) -> Result<TaskInfo, Error> {
        Ok(self.described(self.visible(task_id(task)?)?))
    }

    fn why(&self, task: &str) -> Result<WhyInfo, Error> {
        let registration = self.visible(task_id(task)?)?;
        let mut why = self.core.why(registration.id, self.now).expect("the registration was just seen");
        // What a command came to, the core knows itself.
        if why.phase == "idle"
            && registration.last.is_none()
            && let Some(last) = self.last_outcome(registration.id)
        {
            why.sentence = format!("{} Its last run: {last}.", why.sentence);
        }
        Ok(why_info(why))
    }

    /// How and when the last run ended, from the history.
    fn last_outcome(&self, task: TaskId) -> Option<String> {
        let completed = |entry: &HistoryEntry| entry.row.event == "completed";
        let mut lines = self.last_lines(task, LAST_LINES)?;
        // It is nearly always among the last few, and where there are no more of them there is nothing else to look through.
        if lines.len() == LAST_LINES && !lines.iter().any(completed) {
            lines = self.last_lines(task, HISTORY_PAGE_MAX)?;
        }
        let last = lines.into_iter().find(completed)?;
        let ago = u64::try_from(self.now.wall.as_micros().saturating_sub(last.row.wall_us)).unwrap_or(0) / 1_000_000;
        Some(format!("{} ({ago} s ago)", history_info(last).text))
    }

    /// The last lines of a task, the newest first.
    fn last_lines(&self, task: TaskId, most: usize) -> Option<Vec<HistoryEntry>> {
        let task = Some(task.to_string());
        let query = bgtask_store::HistoryQuery { task, scan: LOOKS_BACK, ..history_query(most) };
        self.store.history(&query).ok().map(|page| page.entries)
    }

    fn list_apps(&self) -> Vec<AppInfo> {
        let visible = self.core.apps().filter(|app| self.identity.may_act_for(&app.id));
        visible.map(|app| app_info(app, self.apps.get(&app.id), self.core)).collect()
    }

    /// A registration with the places that only the broker knows.
    fn described(&self, registration: &Registration) -> TaskInfo {
        let log = registration.entry.command().and_then(|_| self.logs.path(&log_name(&registration.name)).ok());
        let log = log.map(|log| log.to_string_lossy().into_owned());
        TaskInfo { log, ..task_info(self.core, registration) }
    }

    fn list_task_files(&self) -> Result<Vec<TaskFileInfo>, Error> {
        self.only_the_user("has task files")?;
        let info = |(path, outcome): (&Path, &Outcome)| TaskFileInfo {
            file: path.to_string_lossy().into_owned(),
            task: if let Outcome::Registered(task) = outcome { Some(task.to_string()) } else { None },
            problem: if let Outcome::Wrong(why) = outcome { Some(why.clone()) } else { None },
        };
        Ok(self.task_files.iter().map(info).collect())
    }

    fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryInfo>, Error> {
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
            task: query.task.clone(),
            name: query.name.clone(),
            instance: query.instance.clone(),
            since: query.since,
            until: query.until,
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
fn store_error(error: &bgtask_store::StoreError) -> Error {
    Error::new(ErrorKind::StoreUnavailable, error.to_string())
}
