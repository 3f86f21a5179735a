//! What the scenario says.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;

use bgtask_core::{AccessSetting, AppId, Details, Input, PathWatch, Request, RequestId, TaskId};

use super::{Coming, Settling, Stage};
use crate::scenario::{Cue, CueKind, Manner, Statement, nearest, shown};
use crate::timeline::Note;
use crate::world::{Level, Reading};

/// The most bytes of changes that are told at once, as the broker's own bound.
const MAX_TOLD_BYTES: usize = bgtask_core::limits::MAX_DETAILS_BYTES;

impl Stage {
    /// What happens at one moment: first the levels, then what they bring about, then the rest.
    pub(super) fn perform(&mut self, cues: &[Cue]) {
        if cues.is_empty() {
            return;
        }
        self.set_levels(cues);
        self.follow_power();
        self.read_all();
        self.act(cues);
    }

    pub(super) fn set_levels(&mut self, cues: &[Cue]) {
        for cue in cues {
            let line = &self.setting.lines.all()[cue.line];
            let (level, reading) = match (&line.what, self.setting.zone_of_line.get(&cue.line)) {
                (Statement::Set(level, reading), _) => (*level, *reading),
                (Statement::Battery { from, to }, _) => {
                    let Some(end) = cue.until else { continue };
                    (Level::Battery, Reading::Slope { from: *from, to: *to, begin: cue.at, end })
                }
                (Statement::Zone(_), Some(zone)) => (Level::Zone, Reading::Flat(*zone)),
                _ => continue,
            };
            match (cue.kind, cue.until) {
                (CueKind::Begin, Some(_)) if line.lasts() => self.world.cover(level, cue.line, reading, self.now),
                (CueKind::Begin, _) => self.world.set(level, reading, self.now),
                (CueKind::End, _) if line.lasts() => self.world.uncover(level, cue.line, self.now),
                (CueKind::End, _) => {}
            }
        }
    }

    /// The machine falls asleep, wakes, goes off or on.
    pub(super) fn follow_power(&mut self) {
        let (asleep, off) = (self.world.flag(Level::Asleep), self.world.flag(Level::Off));
        let at = self.wall();
        self.recorder.level("machine asleep".into(), asleep && !off, at);
        self.recorder.level("machine off".into(), off, at);
        match (self.is_off, off) {
            (false, true) => self.go_off(),
            (true, false) => self.come_on(),
            _ => {}
        }
        if !off && asleep {
            self.asleep_since.get_or_insert(self.now);
        } else if let Some(since) = self.asleep_since.take() {
            self.wake_up(since);
        }
    }

    fn go_off(&mut self) {
        if self.asleep_since.is_none() {
            self.tell(Input::Stop);
        }
        self.is_off = true;
    }

    fn come_on(&mut self) {
        self.is_off = false;
        self.asleep_since = None;
        self.log_in();
    }

    /// Another session, of another broker, with what the last one left.
    fn log_in(&mut self) {
        let mut registrations = std::mem::take(&mut self.first);
        registrations.extend(self.core.registrations(None).into_iter().cloned());
        let activations = self.core.activations().map(|(its, activation)| (its.id, activation.clone())).collect();
        self.lives += 1;
        self.hosts = crate::hosts::Hosts::default();
        self.paths.clear();
        self.settling.clear();
        self.open_session(registrations, activations);
    }

    fn wake_up(&mut self, since: i64) {
        for (at, host, instance) in self.hosts.slept(self.now.saturating_sub(since)) {
            self.coming.push(Reverse((at, Coming::Ends(host, instance))));
        }
        let due: Vec<_> =
            self.settling.iter().filter(|(_, it)| it.at <= self.now).map(|(task, it)| (*task, it.at)).collect();
        due.into_iter().for_each(|(task, at)| self.settled(task, at));
    }

    /// Reads everything again that somebody cares for.
    fn read_all(&mut self) {
        let facts: Vec<_> = self.facts.keys().copied().collect();
        facts.into_iter().for_each(|fact| self.read(fact));
        if self.is_awake() {
            let states: Vec<_> = self.states.keys().copied().collect();
            states.into_iter().for_each(|fact| self.tell_state(fact));
            if self.zone_told.is_some() {
                self.tell_zone();
            }
        }
        self.deliver();
    }

    /// Everything that is no level.
    pub(super) fn act(&mut self, cues: &[Cue]) {
        for cue in cues.iter().filter(|cue| cue.kind == CueKind::Begin) {
            let line = &self.setting.lines.all()[cue.line];
            let (number, what) = (line.number, line.what.clone());
            self.line = Some(number);
            match what {
                Statement::Set(..) | Statement::Battery { .. } | Statement::Zone(_) => {}
                Statement::Task(name, manner) => self.behave(number, &name, manner),
                _ if !self.is_awake() => self.note(number, "nothing happens while the machine sleeps or is off"),
                Statement::Path { path, count } => self.change(number, &path, count),
                Statement::Event(event) => {
                    self.request(Request::Raise { by: None, event: event.to_string() });
                }
                Statement::Login => {
                    self.tell(Input::Stop);
                    self.log_in();
                }
                Statement::Access(app, setting) => self.decide(number, &app, setting),
            }
        }
        self.line = None;
    }

    fn request(&mut self, request: Request) {
        self.tell(Input::Request(RequestId(0), request));
    }

    fn note(&mut self, line: usize, text: impl Into<String>) {
        let note = Note { line, text: text.into() };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn behave(&mut self, line: usize, name: &str, manner: Manner) {
        let lanes: Vec<_> = (0..self.manners.len()).filter(|lane| *self.recorder.lanes[*lane].name == *name).collect();
        if lanes.is_empty() {
            let names = self.recorder.lanes.iter().map(|lane| &*lane.name);
            let hint = nearest(name, names).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            return self.note(line, format!("no task {} is rehearsed{hint}", shown(name)));
        }
        for lane in lanes {
            let task = self.manners[lane].task;
            match (manner, task) {
                (Manner::Takes(long), _) => self.manners[lane].takes = long,
                (Manner::Fails(times), _) => self.manners[lane].fails = times,
                (_, None) => {}
                _ if !self.is_awake() => self.note(line, "nothing happens while the machine sleeps or is off"),
                (Manner::Paused(paused), Some(task)) => self.request(Request::SetPaused { task, paused }),
                (Manner::RunsNow, Some(task)) => self.request(Request::RunNow { task, respect_conditions: false }),
            }
        }
    }

    fn decide(&mut self, line: usize, app: &str, setting: AccessSetting) {
        match AppId::new(app).ok().filter(|id| self.setting.apps.iter().any(|app| app.id == *id)) {
            Some(app) => self.request(Request::SetAccess(app, Some(setting))),
            None => self.note(line, format!("no app {} is rehearsed", shown(app))),
        }
    }

    /// Something changes at a path, so many times at once.
    fn change(&mut self, line: usize, path: &str, count: u32) {
        let covers = |watch: &PathWatch| {
            let (path, watched) = (Path::new(path), Path::new(&*watch.path));
            path == watched || path.parent() == Some(watched) || (watch.recursive && path.starts_with(watched))
        };
        let watching: Vec<_> =
            self.paths.iter().filter(|(_, watch)| covers(watch)).map(|(id, watch)| (*id, watch.clone())).collect();
        if watching.is_empty() {
            self.note(line, format!("no task watches {}", shown(path)));
        }
        for (task, watch) in watching {
            let settle = i64::try_from(watch.settle.as_micros()).unwrap_or(i64::MAX);
            let at = self.now.saturating_add(settle);
            let waiting = self.settling.remove(&task);
            let (mut lines, mut told, mut lost) =
                waiting.map_or((Vec::new(), 0, 0), |before| (before.lines, before.count, before.lost));
            let text = change_line(path, &watch, self.now);
            for _ in 0..count {
                if lines.len() + text.len() > MAX_TOLD_BYTES {
                    lost = u32::saturating_add(lost, 1);
                } else {
                    lines.extend_from_slice(text.as_bytes());
                    told += 1;
                }
            }
            self.settling.insert(task, Settling { at, lines, count: told, lost });
            if settle == 0 {
                self.settled(task, at);
            } else {
                self.coming.push(Reverse((at, Coming::Settles(task))));
            }
        }
        self.deliver();
    }

    /// No more has changed for long enough.
    pub(super) fn settled(&mut self, task: TaskId, at: i64) {
        if self.settling.get(&task).is_none_or(|it| it.at != at) || self.task_name(task).is_none() {
            return;
        }
        let Some(Settling { lines, count, lost, .. }) = self.settling.remove(&task) else { return };
        let changes = Details(Arc::from(lines));
        self.inbox.push_back(Input::Happened { task, events: changes, count, lost });
    }
}

/// One change as the broker's watch tells it.
fn change_line(path: &str, watch: &PathWatch, at: i64) -> String {
    let change = if watch.on.written { "written" } else { watch.on.names().next().unwrap_or("written") };
    let mut quoted = String::new();
    for c in path.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    format!("{{\"path\":\"{quoted}\",\"change\":\"{change}\",\"at\":{at}}}\n")
}
