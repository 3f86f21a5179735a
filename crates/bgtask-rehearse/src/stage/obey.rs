//! What the core orders.

use std::sync::Arc;

use std::cmp::Reverse;

use bgtask_calendar::Calendar;
use bgtask_core::{Change, Fact, HostExit, HostId, Input, Output, RunOrder, SourceStatus, Subject, TaskId, WallTime};
use jiff::tz::TimeZone;

use super::{Coming, Reported, Stage};
use crate::hosts::Work;
use crate::recorder::band_name;
use crate::timeline::Note;

impl Stage {
    pub(super) fn obey(&mut self) {
        loop {
            match self.core.poll() {
                Output::Persist(Change::Record(event)) => {
                    if let Some(lane) = self.lane_of.get(&event.task) {
                        self.recorder.note(*lane, event.at, event.instance, event.kind);
                    }
                }
                Output::Persist(Change::PutAccess(app, access)) => {
                    self.access.insert(app, access);
                }
                Output::Watch(fact) => self.watch(fact),
                Output::Unwatch(Fact::TimeZone) => self.zone_told = None,
                Output::Unwatch(fact) => self.unwatch(fact),
                Output::Plan { task, calendar, zone, after } => {
                    let at = self.plan(&calendar, zone.as_deref(), after);
                    self.inbox.push_back(Input::Planned { task, at });
                }
                Output::Listen { task, subject, .. } => {
                    if let Subject::Path(watch) = subject {
                        self.paths.insert(task, watch);
                    }
                    let status = SourceStatus::Available { how: "the scenario".into() };
                    self.inbox.push_back(Input::Heard(task, status));
                }
                Output::Unlisten(task) => {
                    self.paths.remove(&task);
                    self.settling.remove(&task);
                }
                Output::Run(host, order) => self.run(host, &order),
                Output::Cancel(host, instance, _) => self.inbox.extend(self.hosts.cancel(host, instance)),
                Output::Sample(host) => self.inbox.push_back(self.hosts.sample(host, self.now)),
                Output::Retire(host) => self.inbox.push_back(self.hosts.end(host, HostExit::Code(0))),
                Output::Kill(host) => self.inbox.push_back(self.hosts.end(host, HostExit::Signal(9))),
                Output::Reply(_, Err(refusal)) => {
                    let line = self.line.unwrap_or(0);
                    self.notes.push(Note { line, text: refusal.to_string() });
                }
                Output::Wake(wake) => {
                    let at = |at: bgtask_core::BootTime| {
                        self.setting.from.saturating_add(i64::try_from(at.as_micros()).unwrap_or(i64::MAX))
                    };
                    self.wake = wake.map(|wake| (at(wake.at), wake.why));
                    return;
                }
                // Nobody is attached, and nobody is asked; a host needs no start to take its time.
                Output::Persist(_)
                | Output::Reply(..)
                | Output::Launch { .. }
                | Output::Adopt { .. }
                | Output::Ask { .. }
                | Output::Deliver(..)
                | Output::Freeze(_)
                | Output::Thaw(_)
                | Output::Throttled(..)
                | Output::Inhibit(_)
                | Output::Uninhibit(_)
                | Output::Rouse(_)
                | Output::DropSocket(_)
                | Output::WatchSocket(_)
                | Output::UnwatchSocket(_)
                | Output::ForgetCaller(_)
                | Output::OpenChannel(_)
                | Output::CloseChannel(_)
                | Output::AcknowledgePushes(..)
                | Output::AcknowledgeOrders(_)
                | Output::AnswerOrder(_)
                | Output::WatchDevice(..)
                | Output::UnwatchDevice(_)
                | Output::Progressed { .. } => {}
            }
        }
    }

    fn run(&mut self, host: HostId, order: &RunOrder) {
        let Some(lane) = self.lane_of.get(&order.task).copied() else { return };
        let its = &mut self.manners[lane];
        let fails = its.fails > 0;
        if its.fails != u32::MAX {
            its.fails = its.fails.saturating_sub(1);
        }
        let takes = i64::try_from(its.takes.as_micros()).unwrap_or(i64::MAX);
        let (began, ends) = (self.now, self.now.saturating_add(takes));
        self.hosts.run(host, order.instance, Work { began, ends, fails, is_command: its.is_command });
        self.coming.push(Reverse((ends, Coming::Ends(host, order.instance))));
    }

    fn plan(&mut self, calendar: &Arc<str>, zone: Option<&str>, after: WallTime) -> Option<WallTime> {
        if !self.calendars.contains_key(calendar) {
            self.calendars.insert(Arc::clone(calendar), Calendar::parse(calendar).ok());
        }
        let read = self.calendars.get(calendar)?.as_ref()?;
        let named = zone.or(read.zone()).and_then(|zone| self.find_zone(zone));
        let zone = named.unwrap_or_else(|| self.world.zone().1.clone());
        read.next(after.as_micros(), &zone).map(WallTime::from_micros)
    }

    pub(super) fn find_zone(&self, name: &str) -> Option<TimeZone> {
        let (here, zone) = self.world.zone();
        if name == here { Some(zone.clone()) } else { (self.setting.zones)(name) }
    }

    fn watch(&mut self, fact: Fact) {
        let how = "the scenario".to_owned();
        self.inbox.push_back(Input::SourceStatus(fact, SourceStatus::Available { how }));
        if fact == Fact::TimeZone {
            return self.tell_zone();
        }
        if fact.is_state() {
            return self.tell_state(fact);
        }
        let value = self.world.holds(fact, self.now).unwrap_or(false);
        self.recorder.level(band_name(fact), value, self.wall());
        self.facts.entry(fact).or_insert(Reported { value, told: None, turns: None }).value = value;
        self.look_ahead(fact);
        self.report(fact);
    }

    fn unwatch(&mut self, fact: Fact) {
        self.states.remove(&fact);
        if let Some(reported) = self.facts.get_mut(&fact) {
            reported.told = None;
        }
    }

    /// Says what a state is, where it is news.
    pub(super) fn tell_state(&mut self, fact: Fact) {
        let Some(state) = self.world.state(fact) else { return };
        if self.states.insert(fact, state) != Some(state) {
            self.inbox.push_back(Input::Report(bgtask_core::Report::State(fact, state.into())));
        }
    }

    /// Time may have changed a fact.
    pub(super) fn turned(&mut self, fact: Fact, at: i64) {
        if self.facts.get(&fact).is_some_and(|reported| reported.turns == Some(at)) {
            self.read(fact);
        }
    }

    /// Reads a fact again, and says so where it is news.
    pub(super) fn read(&mut self, fact: Fact) {
        let Some(value) = self.world.holds(fact, self.now) else { return };
        let Some(reported) = self.facts.get_mut(&fact) else { return };
        if std::mem::replace(&mut reported.value, value) != value {
            self.recorder.level(band_name(fact), value, self.wall());
        }
        self.look_ahead(fact);
        let news = self.facts.get(&fact).is_some_and(|reported| reported.told.is_some_and(|told| told != value));
        if news && self.is_awake() {
            self.report(fact);
        }
    }

    fn report(&mut self, fact: Fact) {
        let Some(reported) = self.facts.get_mut(&fact) else { return };
        reported.told = Some(reported.value);
        self.inbox.push_back(Input::Report(bgtask_core::Report::Level(fact, reported.value)));
    }

    fn look_ahead(&mut self, fact: Fact) {
        let next = self.world.next_change(fact, self.now);
        let Some(reported) = self.facts.get_mut(&fact) else { return };
        if std::mem::replace(&mut reported.turns, next) != next {
            self.coming.extend(next.map(|at| Reverse((at, Coming::Turns(fact)))));
        }
    }

    /// Says which zone the machine is in, where somebody cares and it is another.
    pub(super) fn tell_zone(&mut self) {
        let (name, zone) = self.world.zone();
        let before = self.zone_told.as_ref();
        if before.is_some_and(|(before, _)| before == name) {
            return;
        }
        let now = instant(self.now);
        let offset = |zone: &TimeZone| zone.to_offset(now).seconds();
        let report = bgtask_core::Report::TimeZone {
            zone: bgtask_core::Zone { identity: name.to_owned(), offset_seconds: offset(zone) },
            previous_offset_seconds: before.map(|(_, before)| offset(before)),
        };
        self.zone_told = Some((name.to_owned(), zone.clone()));
        self.inbox.push_back(Input::Report(report));
    }

    pub(super) fn task_name(&self, task: TaskId) -> Option<&str> {
        self.lane_of.get(&task).map(|lane| &*self.recorder.lanes[*lane].name)
    }
}

fn instant(micros: i64) -> jiff::Timestamp {
    let nearest = if micros < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_microsecond(micros).unwrap_or(nearest)
}
