//! The beginning of a session: apps, registrations and what was left.

use std::sync::Arc;

use bgtask_calendar::Calendar;
use bgtask_core::{
    App, AppAccess, AppId, AppVersion, BackgroundAccessRequestKind, Core, Grant, Input, Output, Registration, Reply,
    Request, RequestId, Snapshot, Trigger,
};

use super::{Behaviour, Stage};
use crate::rehearsal::RehearsedTask;
use crate::scenario::Cue;
use crate::timeline::Lane;

impl Stage {
    /// Sets the world as it is at the start, and registers everything.
    pub(super) fn begin(&mut self, tasks: Vec<RehearsedTask>, agenda: &[Cue]) {
        let commands = App::of_commands();
        if self.setting.apps.iter().all(|app| app.id != commands.id) {
            self.setting.apps.push(commands);
        }
        for app in &self.setting.apps {
            self.access.entry(app.id.clone()).or_insert_with(|| granted(app));
        }
        let registrations = self.register(tasks);
        let first = agenda.iter().take_while(|cue| cue.at <= self.now).count();
        self.set_levels(&agenda[..first]);
        self.follow_power();
        match self.is_off {
            false => self.open_session(registrations, Vec::new()),
            true => self.first = registrations,
        }
        self.act(&agenda[..first]);
    }

    /// A broker of a new session: what the last one left becomes live again.
    pub(super) fn open_session(
        &mut self,
        registrations: Vec<Registration>,
        activations: Vec<(bgtask_core::TaskId, bgtask_core::Activation)>,
    ) {
        let zone = self.core.zone().cloned();
        self.core = Core::new(self.setting.config.clone(), self.setting.seed.wrapping_add(self.lives));
        self.wake = None;
        self.facts.values_mut().for_each(|fact| fact.told = None);
        self.zone_told = None;
        self.states.clear();
        let seen = |app: &App| {
            (app.id.clone(), AppVersion { version: Arc::clone(&app.version), servicing: false, used: None })
        };
        let snapshot = Snapshot {
            registrations,
            activations,
            completions: Vec::new(),
            last_sequence: 0,
            access: self.access.clone().into_iter().collect(),
            switched_off: false,
            versions: self.setting.apps.iter().map(seen).collect(),
            zone,
            states: Vec::new(),
            session: session(self.lives),
            channels: Vec::new(),
            orders: Vec::new(),
            accounts: Vec::new(),
            sockets: Vec::new(),
            edges: Vec::new(),
        };
        self.inbox.push_back(Input::Policy(self.setting.policy.clone()));
        self.inbox.extend(self.setting.apps.iter().cloned().map(Input::AppInstalled));
        self.inbox.push_back(Input::Restore(Box::new(snapshot)));
        self.deliver();
    }

    /// Makes registrations of all tasks by the rules of the core. What it refuses is told in its lane.
    fn register(&mut self, tasks: Vec<RehearsedTask>) -> Vec<Registration> {
        let mut office = Core::new(self.setting.config.clone(), self.setting.seed);
        let mut ask = |request: Input| {
            office.handle(self.clocks(), request);
            let mut reply = None;
            loop {
                match office.poll() {
                    Output::Reply(_, answer) => reply = Some(answer),
                    Output::Wake(_) => break,
                    _ => {}
                }
            }
            let id = match reply? {
                Ok(Reply::Registered(id)) => Ok(id),
                Ok(_) => return None,
                Err(refusal) => Err(refusal.to_string()),
            };
            Some(id.map(|id| office.task(id).expect("it is registered").0.clone()))
        };
        self.setting.apps.iter().for_each(|app| drop(ask(Input::AppInstalled(app.clone()))));
        ask(Input::Restore(Box::default()));
        let mut registered = Vec::new();
        let mut entered = Vec::new();
        for task in tasks {
            let lane = lane(&task);
            let calendar = self.check_calendar(&task.new.trigger);
            let number = RequestId(entered.len() as u64);
            let request = Input::Request(number, Request::Register(task.app.clone(), task.new.clone()));
            let answer = calendar.and_then(|()| ask(request).expect("it is answered"));
            entered.push((task, lane, answer));
        }
        for (task, mut lane, answer) in entered {
            let id = answer.as_ref().ok().map(|registration| registration.id);
            let is_command = task.new.entry.command().is_some();
            match answer {
                Ok(registration) => registered.push(as_it_is(registration, &task)),
                Err(refusal) => lane.refused = Some(refusal),
            }
            self.lane_of.extend(id.map(|id| (id, self.manners.len())));
            self.manners.push(Behaviour { task: id, takes: task.runs.min(crate::MAX_RUN), fails: 0, is_command });
            let paused_since = (task.paused && id.is_some()).then(|| self.wall());
            self.recorder.add_lane(lane, paused_since);
        }
        registered
    }

    /// Whether a calendar can be read, and its time zone is known.
    fn check_calendar(&self, trigger: &Trigger) -> Result<(), String> {
        let Trigger::Calendar { calendar, zone, .. } = trigger else { return Ok(()) };
        let read = Calendar::parse(calendar).map_err(|error| error.to_string())?;
        let zone = zone.as_deref().or(read.zone());
        match zone.filter(|zone| self.find_zone(zone).is_none()) {
            Some(unknown) => Err(format!("the time zone {unknown:?} of its calendar is not known")),
            None => Ok(()),
        }
    }
}

/// The registration as it stands when the rehearsal begins.
fn as_it_is(mut registration: Registration, task: &RehearsedTask) -> Registration {
    registration.due = task.due.or(registration.due);
    registration.paused = task.paused;
    registration.fresh_since = task.fresh_since.or(registration.fresh_since);
    // The session has begun before.
    registration.counted_in = registration.counted_in.map(|_| session(1));
    registration
}

fn session(number: u64) -> Arc<str> {
    format!("rehearsed session {number}").into()
}

/// An app that asked and was granted what is usual.
fn granted(app: &App) -> AppAccess {
    let grant = Grant { awake: Some(BackgroundAccessRequestKind::AllowedSubjectToSystemPolicy), standby: None };
    let of_entries = app.entry_points.iter().map(|entry| &entry.server);
    let servers = of_entries.chain(app.classes.iter().map(|class| &class.server)).chain(&app.itself);
    let named = servers.map(|server| &server.application).chain(&app.applications);
    let grants = named.cloned().chain(["".into()]).map(|application| (application, grant)).collect();
    AppAccess { setting: None, grants }
}

fn lane(task: &RehearsedTask) -> Lane {
    Lane {
        app: AppId::clone(&task.app),
        name: task.new.name.as_str().into(),
        trigger: task.new.trigger.to_string(),
        conditions: task.new.conditions.as_slice().into(),
        refused: None,
        firings: Vec::new(),
        waits: Vec::new(),
        runs: Vec::new(),
        missed: Vec::new(),
        overdue: Vec::new(),
        paused: Vec::new(),
    }
}
