//! Fake hosts: what they say, when they say it, and how they misbehave.

use std::collections::BTreeMap;
use std::time::Duration;

use bgtask_core::{AppId, BootTime, ClientId, HostExit, HostId, Input, InstanceId, Request, RunOrder, Usage};

use crate::agenda::Agenda;
use crate::apps;
use crate::chance::Chance;
use crate::tempers::{Says, Temper, any_temper, any_temper_of_a_command, script};

/// What a process has used before it does anything for a task.
const START_UP: Duration = Duration::from_millis(30);

/// What comes from a host.
#[derive(Debug)]
pub(crate) enum Word {
    /// The driver hears it.
    Heard(Input),
    /// A command asks for it, as a client.
    Asks(Request),
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
    /// The app itself, connected as this client; `None` was launched.
    pub(crate) client: Option<ClientId>,
    pub(crate) doing: BTreeMap<InstanceId, Doing>,
    pub(crate) killed: bool,
    /// When it was asked what it has used.
    pub(crate) sampled: Option<BootTime>,
    /// Since when it is suspended.
    pub(crate) frozen: Option<BootTime>,
    /// What it would say if it were not.
    unsaid: Vec<Says>,
    network: u64,
    /// It listens from then on.
    ready: BootTime,
    /// It ends whatever it is told.
    doomed: bool,
    cpu: Duration,
    io: u64,
    /// Its processor time is counted up to then.
    counted: BootTime,
}

#[derive(Debug, Default)]
pub(crate) struct Hosts {
    live: BTreeMap<HostId, FakeHost>,
    agenda: Agenda<(HostId, Says)>,
    /// In the quiet phase every host does its work well.
    pub(crate) tame: bool,
}

impl FakeHost {
    fn new(app: AppId, client: Option<ClientId>, ready: BootTime, doomed: bool) -> Self {
        let doing = BTreeMap::new();
        let (killed, sampled, cpu, io) = (false, None, START_UP, 0);
        let (frozen, unsaid, network) = (None, Vec::new(), 0);
        Self { app, client, doing, killed, sampled, frozen, unsaid, network, ready, doomed, cpu, io, counted: ready }
    }

    /// Whether the instance uses the processor all the time.
    pub(crate) fn is_working(&self, instance: InstanceId) -> bool {
        let temper = self.doing.get(&instance).map(|doing| doing.temper);
        matches!(temper, Some(Temper::Working | Temper::Greedy))
    }

    /// How much of the processors it uses now.
    pub(crate) fn percent_of_a_processor(&self) -> u32 {
        self.doing.values().map(|doing| doing.temper.percent_of_a_processor()).sum()
    }

    /// Whether it is a command: it was started by what it is to run.
    fn is_command(&self) -> bool {
        self.app == apps::commands()
    }

    fn count(&mut self, now: BootTime) {
        let passed = if self.frozen.is_some() { Duration::ZERO } else { now.since(self.counted) };
        for doing in self.doing.values() {
            self.cpu += passed * doing.temper.percent_of_a_processor() / 100;
            let bytes = if doing.temper == Temper::Greedy { passed.as_millis() } else { 0 };
            self.network += u64::try_from(bytes).unwrap_or(0) * 100;
        }
        self.counted = now.max(self.counted);
    }

    /// What it has used, which is told; a kernel counts microseconds.
    fn usage(&self) -> Usage {
        // One that is greedy becomes larger and more with the time it works.
        let worked = u32::try_from(self.cpu.saturating_sub(START_UP).as_millis()).unwrap_or(u32::MAX);
        let size = if self.is_command() { 0 } else { u64::from(worked) };
        let memory_peak = Some((1 + size / 20) << 20);
        let processes = self.client.is_none().then_some(1 + worked / 50);
        let cpu = Duration::from_micros(u64::try_from(self.cpu.as_micros()).unwrap_or(u64::MAX));
        Usage { cpu, io: self.io, memory_peak, network: (!self.is_command()).then_some(self.network), processes }
    }
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
        self.live.insert(id, FakeHost::new(app, None, ready, doomed));
    }

    /// An app that runs by itself takes tasks from now on.
    pub(crate) fn adopt(&mut self, id: HostId, client: ClientId, app: AppId, now: BootTime) {
        self.live.insert(id, FakeHost::new(app, Some(client), now, false));
    }

    /// A command is its own host: it starts here.
    pub(crate) fn run(&mut self, id: HostId, order: RunOrder, now: BootTime, chance: &mut Chance) {
        let is_command = order.entry.command().is_some();
        if is_command {
            self.live.insert(id, FakeHost::new(apps::commands(), None, now + chance.millis(50), false));
        }
        let Some(host) = self.live.get_mut(&id) else {
            return;
        };
        let temper = match (is_command, self.tame) {
            (true, true) => Temper::Succeeds,
            (true, false) => any_temper_of_a_command(chance),
            (false, true) => Temper::Brisk,
            (false, false) => any_temper(chance),
        };
        let instance = order.instance;
        host.count(now);
        host.doing.insert(instance, Doing { order, since: now, cancelled: None, temper });
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
        let Some(doing) = host.doing.get_mut(&instance) else {
            return;
        };
        doing.cancelled = Some(now);
        if host.doomed || host.killed || !doing.temper.listens() {
            return;
        }
        self.agenda.cancel(|(host, says)| *host == id && says.is_about(instance));
        if host.is_command() {
            self.agenda.cancel(|(host, says)| *host == id && matches!(says, Says::Exit(_)));
            let code = if chance.percent(50) { 0 } else { 143 };
            return self.agenda.plan(now + chance.millis(900), (id, Says::Exit(HostExit::Code(code))));
        }
        let result = if chance.percent(70) { Ok(()) } else { Err("stopped half-way".to_owned()) };
        self.agenda.plan(now + chance.millis(900), (id, Says::Progress(instance, 99)));
        self.agenda.plan(now + Duration::from_millis(900), (id, Says::Finished(instance, result)));
    }

    /// The store held up everything: who was told to stop has its whole grace from now, and who is suspended has used up no
    /// time.
    pub(crate) fn begin_graces_again(&mut self, now: BootTime) {
        for host in self.live.values_mut() {
            for doing in host.doing.values_mut() {
                doing.cancelled = doing.cancelled.map(|_| now);
                doing.since = if host.frozen.is_some() { now } else { doing.since };
            }
        }
    }

    /// It does and says nothing from now on; what it has used can be seen.
    pub(crate) fn freeze(&mut self, id: HostId, now: BootTime) {
        if let Some(host) = self.live.get_mut(&id) {
            host.count(now);
            host.frozen = Some(now);
        }
    }

    pub(crate) fn thaw(&mut self, id: HostId, now: BootTime) {
        let Some(host) = self.live.get_mut(&id) else { return };
        let frozen = host.frozen.take().map_or(Duration::ZERO, |since| now.since(since));
        host.counted = now.max(host.counted);
        host.doing.values_mut().for_each(|doing| doing.since = doing.since + frozen);
        for says in std::mem::take(&mut host.unsaid) {
            self.agenda.plan(now, (id, says));
        }
    }

    /// What a host has used is known soon, and sometimes told twice.
    pub(crate) fn sample(&mut self, id: HostId, now: BootTime, chance: &mut Chance) {
        let Some(host) = self.live.get_mut(&id) else {
            return;
        };
        host.sampled = Some(now);
        let answer = now + chance.millis(300);
        self.agenda.plan(answer, (id, Says::Usage));
        if chance.percent(10) {
            self.agenda.plan(answer + chance.millis(2_000), (id, Says::Usage));
        }
    }

    /// Most hosts leave when asked; some need longer than they are given.
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
        host.unsaid.clear();
        self.agenda.cancel(|(host, _)| *host == id);
        let last = host.doing.keys().next().copied().filter(|_| !host.is_command());
        if let Some(instance) = last.filter(|_| chance.percent(20)) {
            self.agenda.plan(now, (id, Says::Finished(instance, Ok(()))));
        }
        self.agenda.plan(now + chance.millis(500), (id, Says::Exit(HostExit::Signal(9))));
    }

    /// A host without work dies for reasons of its own.
    pub(crate) fn kill_an_idle_one(&mut self, now: BootTime, chance: &mut Chance) {
        let idle: Vec<_> = self.live.iter().filter(|(_, host)| host.doing.is_empty()).map(|(id, _)| *id).collect();
        if let Some(id) = chance.pick(&idle) {
            self.agenda.plan(now, (*id, Says::Exit(HostExit::Signal(11))));
        }
    }

    /// The app itself is gone, or does not run tasks any more.
    pub(crate) fn client_left(&mut self, client: ClientId) {
        self.live.retain(|_, host| host.client != Some(client));
    }

    /// The broker died: its hosts notice and exit, and a new broker kills what is left before it starts.
    /// Apps that run by themselves notice too, and end what they did for it.
    pub(crate) fn broker_died(&mut self) {
        self.live.clear();
        self.agenda.clear();
    }

    /// The next thing a host says that is due; what it had said may arrive after its exit.
    pub(crate) fn speak(&mut self, now: BootTime, chance: &mut Chance) -> Option<Word> {
        while let Some((id, says)) = self.agenda.take_due(now) {
            let mut host = self.live.get_mut(&id);
            if let Some(host) = host.as_mut().filter(|host| host.frozen.is_some() && !host.killed)
                && !matches!(says, Says::Usage)
            {
                host.unsaid.push(says);
                continue;
            }
            let seen = chance.percent(85);
            return Some(Word::Heard(match says {
                Says::Started(instance) => Input::HostStarted(id, instance),
                Says::Progress(instance, value) => {
                    if let Some(host) = host {
                        host.io += 512;
                    }
                    Input::HostProgress(id, instance, value)
                }
                Says::Finished(instance, result) => {
                    if let Some(host) = host {
                        host.count(now);
                        host.doing.remove(&instance);
                    }
                    let usage = self.live.get(&id).filter(|_| seen).map(FakeHost::usage);
                    Input::HostFinished { host: id, instance, result, usage }
                }
                Says::Report(instance, value, message) => {
                    return Some(Word::Asks(Request::ReportProgress { instance, value, message }));
                }
                Says::Usage => {
                    let Some(host) = host else { continue };
                    host.count(now);
                    host.sampled = None;
                    Input::HostUsage { host: id, usage: host.usage() }
                }
                Says::Exit(exit) => match self.live.remove(&id) {
                    None => continue,
                    Some(FakeHost { client: Some(client), .. }) => Input::Detach(client),
                    Some(mut host) => {
                        host.count(now);
                        let usage = seen.then(|| host.usage());
                        Input::HostExited { host: id, exit, output_tail: "last words\n".into(), usage }
                    }
                },
            }));
        }
        None
    }
}
