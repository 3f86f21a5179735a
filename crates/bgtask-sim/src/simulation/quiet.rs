//! The end of every run: nothing goes wrong any more, and everything owed must happen.

use std::time::Duration;

use bgtask_core::{BootTime, Fact, HostKind, Input, OrderState, Policy, Registration, Request, Standing, Subject};

use super::Simulation;
use crate::apps;
use crate::oracle::Verdict;
use crate::sources::ARRANGEMENTS;

/// A quiet world comes to rest within so many turns.
const MAX_QUIET_TURNS: u32 = 5_000;
/// So long timers go on in the quiet phase, until the user takes them away.
const TIMERS_GO_ON: Duration = Duration::from_secs(600);

impl Simulation {
    /// No faults any more: everything that is owed must happen, and then nothing.
    pub(super) fn quiet_phase(&mut self) -> Verdict {
        self.note('~', || "from here on nothing goes wrong".into());
        (self.faults, self.store_fails) = (false, false);
        (self.hosts.tame, self.clients.tame, self.devices.tame) = (true, true, true);
        (self.sockets.tame, self.pushes.tame) = (true, true);
        self.crowd_leaves();
        self.allow_everything()?;
        self.pass_until(self.now.boot + TIMERS_GO_ON)?;
        self.wait_for_plans()?;
        self.no_message_is_lost()?;
        self.oracle.calendars_are_planned()?;
        self.end_timers();
        self.settle()?;
        self.oracle.quiet_begins();
        for turn in 0..ARRANGEMENTS {
            // One level changes from one to the next.
            self.sources.arrange(turn ^ (turn >> 1), turn == 0, self.now.boot);
            self.settle()?;
        }
        self.rests()
    }

    /// Every app is installed and allowed, and a client of each hears what it missed.
    fn allow_everything(&mut self) -> Verdict {
        self.turns()?;
        self.policy = Policy::default();
        self.tell(Input::Policy(Policy::default()));
        let on = self.clients.ask(Request::SetBackground { enabled: true }, false);
        self.tell(on);
        for app in apps::every_name() {
            self.installed.insert(app.clone(), 1);
            self.tell(Input::AppInstalled(apps::app(app.clone(), 1)));
            let mut requests = vec![Request::SetAccess(app.clone(), None)];
            for application in ["", apps::EDITOR] {
                requests.push(Request::RequestAccess { app: app.clone(), application: application.into() });
            }
            for request in requests {
                let request = self.clients.ask(request, false);
                self.tell(request);
            }
            let attach = self.clients.attach(app, false);
            self.tell(attach);
        }
        self.resume_everything();
        self.sources.arrange(u32::MAX, true, self.now.boot);
        Ok(())
    }

    /// That each of them runs takes longer than anything else.
    fn crowd_leaves(&mut self) {
        let crowd = self.driver.core.registrations(None).into_iter().filter(|it| it.name.starts_with("crowd"));
        for task in crowd.map(|it| it.id).collect::<Vec<_>>() {
            let request = self.clients.ask(Request::Unregister { scope: None, task, cancel: false }, false);
            self.tell(request);
        }
    }

    fn resume_everything(&mut self) {
        let paused = self.driver.core.registrations(None).into_iter().filter(|it| it.paused).map(|it| it.id);
        for task in paused.collect::<Vec<_>>() {
            let request = self.clients.ask(Request::SetPaused { task, paused: false }, false);
            self.tell(request);
        }
    }

    /// Whatever is to be planned is; only then a calendar without a time is one that does not come true again.
    fn wait_for_plans(&mut self) -> Verdict {
        for _ in 0..MAX_QUIET_TURNS {
            match self.planner.next() {
                Some(next) => self.pass_until(next)?,
                None => return Ok(()),
            }
        }
        Err("there is always something to plan".into())
    }

    fn no_message_is_lost(&self) -> Verdict {
        let mut channels = self.driver.core.push_channels();
        let lost = channels.find(|(channel, held)| self.pushes.kept(&channel.app) > *held);
        lost.map_or(Ok(()), |(channel, _)| {
            Err(format!("messages to {} are neither held nor acknowledged", channel.app))
        })
    }

    fn end_timers(&mut self) {
        let timers = self.driver.core.registrations(None).into_iter().filter(|it| it.due.is_some()).map(|it| it.id);
        for task in timers.collect::<Vec<_>>() {
            let request = self.clients.ask(Request::Unregister { scope: None, task, cancel: false }, false);
            self.tell(request);
        }
    }

    /// Lets time pass from one event to the next until there is none.
    fn settle(&mut self) -> Verdict {
        for _ in 0..MAX_QUIET_TURNS {
            match self.next_event()? {
                Some(next) => self.now = self.now + next.since(self.now.boot),
                None => return Ok(()),
            }
        }
        Err(format!("the world does not come to rest; the next wake is {:?}", self.driver.wake))
    }

    /// Lets time pass from one event to the next until then.
    fn pass_until(&mut self, end: BootTime) -> Verdict {
        for _ in 0..MAX_QUIET_TURNS {
            match self.next_event()?.filter(|next| *next <= end) {
                Some(next) => self.now = self.now + next.since(self.now.boot),
                None => break,
            }
        }
        self.now = self.now + end.since(self.now.boot);
        Ok(())
    }

    fn next_event(&mut self) -> Result<Option<BootTime>, String> {
        self.hear_the_world();
        self.turns()?;
        let wake = self.driver.wake.map(|wake| wake.at);
        let events = [
            self.hosts.next(),
            self.sources.next(),
            self.clients.next(),
            self.planner.next(),
            self.listeners.next(),
            self.devices.next(),
            self.sockets.next(),
            self.operator.next(),
            self.pushes.next(),
            wake,
        ];
        Ok(events.into_iter().flatten().min())
    }

    fn rests(&self) -> Verdict {
        self.oracle.rests()?;
        let over = self.driver.core.orders().filter(|it| it.state == OrderState::Over).map(|it| it.id.clone());
        self.operator.rests(&over.collect())?;
        let sockets = self.driver.core.sockets().filter(|it| it.state.is_held()).map(|it| it.key);
        if !sockets.eq(self.sockets.held()) {
            return Err(format!("the broker has other sockets than it knows of: {:?}", self.sockets));
        }
        if let Some(key) = self.sockets.unsaid() {
            return Err(format!("something happened at {key:?}, which is watched, and nobody was told"));
        }
        if let Some((id, host)) = self.hosts.iter().find(|(_, host)| host.client.is_none()) {
            return Err(format!("{id:?} of {} never ended", host.app));
        }
        if let Some(host) = self.driver.core.hosts().find(|host| matches!(host.kind, HostKind::Launched(_))) {
            return Err(format!("the core still counts {host:?}"));
        }
        let unheard = |it: &&Registration| {
            let subject = Subject::of(&it.trigger).filter(|_| it.standing == Standing::Active);
            subject.as_ref() != self.listeners.subject(it.id)
        };
        let listed = self.driver.core.registrations(None);
        if let Some(registration) = listed.iter().copied().find(unheard) {
            return Err(format!("{} is not listened for as it is to be", registration.name));
        }
        if let Some(task) = self.listeners.tasks().find(|task| listed.iter().all(|it| it.id != *task)) {
            return Err(format!("it is listened for {task}, which is registered no more"));
        }
        if self.devices.is_any_watched() {
            return Err(format!("nothing runs, and devices are watched: {:?}", self.devices));
        }
        let with_source = |fact: &Fact| fact.ingredients().is_empty();
        let mut needed = self.driver.core.sources().map(|(fact, _)| fact).filter(with_source);
        match needed.find(|fact| !self.sources.is_running(*fact)) {
            Some(fact) => Err(format!("{fact} is needed and its source does not run")),
            None => Ok(()),
        }
    }
}
