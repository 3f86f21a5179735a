//! Fake hosts: what they say, when they say it, and how they misbehave.

use std::collections::BTreeMap;
use std::time::Duration;

use bgtask_core::{AppId, BootTime, HostExit, HostId, Input, InstanceId, RunOrder};

use crate::agenda::Agenda;
use crate::chance::Chance;

/// How a host treats the instance it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temper {
    /// Done in no time.
    Brisk,
    /// Takes its time, reports progress, stops when told.
    Slow,
    /// Never ends by itself, stops when told.
    Obedient,
    /// Never ends and does not listen.
    Deaf,
    /// Ends with an error.
    Failing,
    /// Dies in the middle.
    Crashing,
    /// Exits with code 0 without completing.
    Quitting,
    /// Says twice that it is done.
    Stuttering,
    /// Never says that it began.
    Silent,
    /// Reports progress all the time.
    Chatty,
}

const TEMPERS: &[Temper] = &[
    Temper::Brisk,
    Temper::Brisk,
    Temper::Slow,
    Temper::Slow,
    Temper::Obedient,
    Temper::Deaf,
    Temper::Failing,
    Temper::Crashing,
    Temper::Quitting,
    Temper::Stuttering,
    Temper::Silent,
    Temper::Chatty,
];

#[derive(Clone, Debug)]
enum Says {
    Started(InstanceId),
    Progress(InstanceId, u32),
    Finished(InstanceId, Result<(), String>),
    Exit(HostExit),
}

/// What a live host was told to do.
#[derive(Clone, Debug)]
pub(crate) struct Doing {
    pub(crate) order: RunOrder,
    pub(crate) since: BootTime,
    pub(crate) cancelled: Option<BootTime>,
    temper: Temper,
}

/// A live host.
#[derive(Debug)]
pub(crate) struct FakeHost {
    pub(crate) app: AppId,
    pub(crate) doing: Option<Doing>,
    pub(crate) killed: bool,
    /// It listens from then on.
    ready: BootTime,
    /// It ends whatever it is told.
    doomed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Hosts {
    live: BTreeMap<HostId, FakeHost>,
    agenda: Agenda<(HostId, Says)>,
    /// In the quiet phase every host does its work well.
    pub(crate) tame: bool,
}

impl Hosts {
    pub(crate) fn get(&self, id: HostId) -> Option<&FakeHost> {
        self.live.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (HostId, &FakeHost)> {
        self.live.iter().map(|(id, host)| (*id, host))
    }

    pub(crate) fn next(&self) -> Option<BootTime> {
        self.agenda.next()
    }

    pub(crate) fn launch(&mut self, id: HostId, app: AppId, now: BootTime, chance: &mut Chance) {
        let ready = now + chance.millis(800);
        let doomed = !self.tame && chance.percent(10);
        if doomed {
            let missing = HostExit::NotStarted("no such program".into());
            let exit = if chance.percent(50) { missing } else { HostExit::Code(127) };
            self.agenda.plan(ready, (id, Says::Exit(exit)));
        }
        self.live.insert(id, FakeHost { app, doing: None, killed: false, ready, doomed });
    }

    pub(crate) fn run(&mut self, id: HostId, order: RunOrder, now: BootTime, chance: &mut Chance) {
        let Some(host) = self.live.get_mut(&id) else {
            return;
        };
        let temper = if self.tame { Temper::Brisk } else { *chance.pick(TEMPERS).expect("there are some") };
        let instance = order.instance;
        host.doing = Some(Doing { order, since: now, cancelled: None, temper });
        if host.doomed || host.killed {
            return;
        }
        let start = host.ready.max(now) + chance.millis(300);
        for (after, says) in script(temper, instance, chance) {
            self.agenda.plan(start + after, (id, says));
        }
    }

    pub(crate) fn cancel(&mut self, id: HostId, instance: InstanceId, now: BootTime, chance: &mut Chance) {
        let Some(host) = self.live.get_mut(&id) else {
            return;
        };
        let Some(doing) = host.doing.as_mut().filter(|doing| doing.order.instance == instance) else {
            return;
        };
        doing.cancelled = Some(now);
        if host.doomed || host.killed || !matches!(doing.temper, Temper::Slow | Temper::Obedient) {
            return;
        }
        self.agenda.cancel(|(host, _)| *host == id);
        let result = if chance.percent(70) { Ok(()) } else { Err("stopped half-way".to_owned()) };
        self.agenda.plan(now + chance.millis(900), (id, Says::Progress(instance, 99)));
        self.agenda.plan(now + Duration::from_millis(900), (id, Says::Finished(instance, result)));
    }

    /// Most hosts leave when asked; some need longer than they are given.
    /// The store held up everything: who was told to stop has its whole grace from now.
    pub(crate) fn begin_graces_again(&mut self, now: BootTime) {
        for doing in self.live.values_mut().filter_map(|host| host.doing.as_mut()) {
            doing.cancelled = doing.cancelled.map(|_| now);
        }
    }

    pub(crate) fn retire(&mut self, id: HostId, now: BootTime, chance: &mut Chance) {
        if self.live.contains_key(&id) && (self.tame || chance.percent(80)) {
            self.agenda.plan(now + chance.millis(4_000), (id, Says::Exit(HostExit::Code(0))));
        }
    }

    /// Nothing survives a kill; what was said before may still arrive.
    pub(crate) fn kill(&mut self, id: HostId, now: BootTime, chance: &mut Chance) {
        let Some(host) = self.live.get_mut(&id) else {
            return;
        };
        host.killed = true;
        self.agenda.cancel(|(host, _)| *host == id);
        if let Some(doing) = host.doing.as_ref().filter(|_| chance.percent(20)) {
            self.agenda.plan(now, (id, Says::Finished(doing.order.instance, Ok(()))));
        }
        self.agenda.plan(now + chance.millis(500), (id, Says::Exit(HostExit::Signal(9))));
    }

    /// A host without work dies for reasons of its own.
    pub(crate) fn kill_an_idle_one(&mut self, now: BootTime, chance: &mut Chance) {
        let idle: Vec<_> = self.live.iter().filter(|(_, host)| host.doing.is_none()).map(|(id, _)| *id).collect();
        if let Some(id) = chance.pick(&idle) {
            self.agenda.plan(now, (*id, Says::Exit(HostExit::Signal(11))));
        }
    }

    /// The broker died: its hosts notice and exit, and a new broker kills what is left before it starts.
    pub(crate) fn broker_died(&mut self) {
        self.live.clear();
        self.agenda.clear();
    }

    /// The next thing a host says that is due; what it had said may arrive after its exit.
    pub(crate) fn speak(&mut self, now: BootTime) -> Option<Input> {
        while let Some((id, says)) = self.agenda.take_due(now) {
            return Some(match says {
                Says::Started(instance) => Input::HostStarted(id, instance),
                Says::Progress(instance, value) => Input::HostProgress(id, instance, value),
                Says::Finished(instance, result) => {
                    if let Some(host) = self.live.get_mut(&id) {
                        host.doing.take_if(|doing| doing.order.instance == instance);
                    }
                    Input::HostFinished(id, instance, result)
                }
                Says::Exit(exit) => {
                    if self.live.remove(&id).is_none() {
                        continue;
                    }
                    Input::HostExited { host: id, exit, output_tail: "last words\n".into() }
                }
            });
        }
        None
    }
}

fn script(temper: Temper, instance: InstanceId, chance: &mut Chance) -> Vec<(Duration, Says)> {
    let at = Duration::from_millis;
    let started = (at(0), Says::Started(instance));
    let progress = |count: u64, every: u64| {
        (1..=count).map(move |n| (at(n * every), Says::Progress(instance, u32::try_from(n * 10).unwrap_or(100))))
    };
    let done = |millis| (at(millis), Says::Finished(instance, Ok(())));
    match temper {
        Temper::Brisk => vec![started, done(chance.below(300))],
        Temper::Silent => vec![done(chance.below(2_000))],
        Temper::Slow => [started].into_iter().chain(progress(10, 700)).chain([done(7_500)]).collect(),
        Temper::Obedient | Temper::Deaf => [started].into_iter().chain(progress(3, 1_000)).collect(),
        Temper::Chatty => [started].into_iter().chain(progress(30, 10)).chain([done(400)]).collect(),
        Temper::Failing => vec![started, (at(500), Says::Finished(instance, Err("no disk space".into())))],
        Temper::Crashing => {
            [started].into_iter().chain(progress(2, 300)).chain([(at(900), Says::Exit(HostExit::Signal(6)))]).collect()
        }
        Temper::Quitting => vec![started, (at(200), Says::Exit(HostExit::Code(0)))],
        Temper::Stuttering => vec![started, done(300), done(1_500)],
    }
}
