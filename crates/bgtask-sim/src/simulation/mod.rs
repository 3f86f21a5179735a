//! One run: time, the loop of the driver, and everything it does to the fake world.

mod faults;
mod quiet;

use std::collections::BTreeMap;
use std::time::Duration;

use bgtask_core::{
    AppId, Budgets, Change, ClientId, Config, Input, Notice, Now, Output, Policy, Reply, Snapshot, Stretch, WakeReason,
    WallTime,
};

use crate::apps;
use crate::chance::Chance;
use crate::clients::Clients;
use crate::devices::Devices;
use crate::driver::{Driver, Effect, Turn};
use crate::fleet::Operator;
use crate::hosts::{Hosts, Word};
use crate::listeners::Listeners;
use crate::oracle::{Oracle, Verdict};
use crate::planner::{self, Planner};
use crate::plant::Bug;
use crate::pushes::Pushes;
use crate::report::{Failure, Report};
use crate::sockets::Sockets;
use crate::sources::Sources;
use crate::store::Store;
use crate::trace::Trace;

/// So many turns at one instant may follow from wakes alone: end the budget, end the grace, end a host, what is done in portions, and
/// some room.
const MAX_WAKES_AT_ONE_INSTANT: u32 = 64;

/// One run of the core in a fake world, fixed by its seed.
pub struct Simulation {
    seed: u64,
    bug: Option<Bug>,
    chance: Chance,
    config: Config,
    now: Now,
    step: u32,
    life: u32,
    inputs: usize,
    installed: BTreeMap<AppId, u64>,
    policy: Policy,
    session: u32,
    store: Store,
    driver: Driver,
    hosts: Hosts,
    sources: Sources,
    planner: Planner,
    listeners: Listeners,
    devices: Devices,
    sockets: Sockets,
    operator: Operator,
    pushes: Pushes,
    clients: Clients,
    oracle: Oracle,
    trace: Trace,
    /// Crashes and the like may happen.
    faults: bool,
    /// The disk is full, say: commits fail until it is not.
    store_fails: bool,
}

impl Simulation {
    /// The world of that seed, with an empty broker.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let config = any_config(&mut chance);
        let driver = Driver::start(&config, chance.number(), None);
        let now = Now { wall: WallTime::from_micros(1_800_000_000_000_000), ..Now::ZERO };
        Self {
            seed,
            bug: None,
            chance,
            oracle: Oracle::new(&config),
            config,
            now,
            step: 0,
            life: 1,
            inputs: 0,
            installed: apps::every_name().map(|name| (name, 1)).collect(),
            policy: Policy::default(),
            session: 1,
            store: Store::default(),
            driver,
            hosts: Hosts::default(),
            sources: Sources::new(),
            planner: Planner::default(),
            listeners: Listeners::default(),
            devices: Devices::default(),
            sockets: Sockets::default(),
            operator: Operator::default(),
            pushes: Pushes::default(),
            clients: Clients::default(),
            trace: Trace::default(),
            faults: true,
            store_fails: false,
        }
    }

    /// Keeps a text of what happens.
    #[must_use]
    pub fn traced(self) -> Self {
        Self { trace: Trace::kept(), ..self }
    }

    /// Plants a mistake, to see that it is noticed.
    #[must_use]
    pub fn with_bug(mut self, bug: Bug) -> Self {
        self.bug = Some(bug);
        self.driver = Driver::start(&self.config, self.chance.number(), self.bug);
        self
    }

    /// Runs `steps` steps full of faults, then the quiet phase.
    ///
    /// # Errors
    ///
    /// An invariant broke.
    pub fn run(mut self, steps: u32) -> Result<Report, Box<Failure>> {
        let verdict = self.play(steps);
        let recording = self.driver.recording().unwrap_or_default();
        let trace = self.trace.into_text();
        let (seed, life) = (self.seed, self.life);
        match verdict {
            Ok(()) => Ok(Report {
                seed,
                lives: life,
                inputs: self.inputs + self.driver.inputs(),
                completions: self.oracle.completions(),
                recording,
                trace,
            }),
            Err(problem) => Err(Box::new(Failure { seed, step: self.step, life, problem, recording, trace })),
        }
    }

    fn play(&mut self, steps: u32) -> Verdict {
        self.begin_life(Snapshot::default());
        while self.step < steps {
            self.step += 1;
            self.let_time_pass();
            for _ in 0..self.chance.below(3) {
                self.something_happens();
            }
            self.hear_the_world();
            if self.chance.percent(85) {
                self.turns()?;
            }
            match self.chance.below(200) {
                0..=1 => self.crash()?,
                2 => self.log_off()?,
                _ => {}
            }
        }
        self.quiet_phase()
    }

    /// What a broker reads first: the policy, the manifests, the store; then it sees which apps are gone.
    fn begin_life(&mut self, mut snapshot: Snapshot) {
        snapshot.session = self.session.to_string().into();
        self.oracle.life_begins(&self.policy, &snapshot);
        if self.bug != Some(Bug::StartsWithoutPolicy) {
            self.tell(Input::Policy(self.policy.clone()));
        }
        for (name, version) in self.installed.clone() {
            self.tell(Input::AppInstalled(apps::app(name, version)));
        }
        let registered = snapshot.registrations.iter().map(|registration| &registration.app);
        let seen = snapshot.versions.iter().map(|(app, _)| app);
        let mut gone: Vec<_> =
            registered.chain(seen).filter(|app| !self.installed.contains_key(app)).cloned().collect();
        gone.sort();
        gone.dedup();
        let lost = self.sockets.found_again(&snapshot);
        self.tell(Input::Restore(Box::new(snapshot)));
        if !lost.is_empty() {
            self.tell(Input::SocketsGone(lost));
        }
        if self.bug != Some(Bug::MissesTheRemoved) {
            gone.into_iter().for_each(|app| self.tell(Input::AppRemoved(app)));
        }
    }

    fn hear_the_world(&mut self) {
        while let Some(word) = self.hosts.speak(self.now.boot, &mut self.chance) {
            let input = match word {
                Word::Heard(Input::HostExited { .. }) if self.bug == Some(Bug::SwallowsTheExit) => continue,
                Word::Heard(input) => input,
                Word::Asks(request) => self.clients.ask(request, false),
            };
            if let Input::Detach(client) = input {
                self.clients.left(client);
            }
            self.tell(input);
        }
        while let Some(word) = self.sockets.speak(self.now.boot, &mut self.chance) {
            let input = match word {
                Word::Heard(input) => input,
                Word::Asks(request) => self.clients.ask(request, false),
            };
            self.tell(input);
        }
        while let Some(input) = self.pushes.speak(self.now.boot) {
            self.tell(input);
        }
        while let Some(input) = self.operator.speak(self.now.boot) {
            self.tell(input);
        }
        while let Some(input) = self.planner.speak(self.now.boot) {
            self.tell(input);
        }
        while let Some(input) = self.listeners.speak(self.now.boot) {
            self.tell(input);
        }
        while let Some(input) = self.devices.speak(self.now.boot) {
            self.tell(input);
        }
        while let Some(input) = self.sources.speak(self.now.boot) {
            self.tell(input);
        }
        while let Some(input) = self.clients.speak(self.now.boot) {
            self.tell(input);
        }
    }

    fn tell(&mut self, input: Input) {
        self.note('>', || format!("{input:?}"));
        self.oracle.told(&input);
        self.driver.tell(input);
    }

    /// Turns of the loop until nothing waits and no wake is due.
    fn turns(&mut self) -> Verdict {
        for _ in 0..MAX_WAKES_AT_ONE_INSTANT {
            if self.store_fails && self.chance.percent(80) {
                return Ok(());
            }
            if self.bug == Some(Bug::ForgetsTheWake) {
                self.driver.wake = None;
            }
            if !self.driver.has_work(self.now) {
                return self.oracle.nothing_is_due(&self.hosts, self.now);
            }
            let goes_on = self.driver.wake.is_some_and(|wake| wake.why == WakeReason::More);
            if goes_on && self.faults && self.chance.percent(10) {
                return self.crash();
            }
            let turns = self.driver.decide(self.now, &mut self.chance)?;
            turns.iter().try_for_each(|turn| self.oracle.decided(turn))?;
            self.carry_out(turns)?;
        }
        Err(format!("the core never stops asking to be woken at once: {:?}", self.driver.wake))
    }

    fn carry_out(&mut self, turns: Vec<Turn>) -> Verdict {
        self.store_fails = self.faults && self.chance.percent(if self.store_fails { 70 } else { 1 });
        let outputs = turns.into_iter().flat_map(|turn| turn.outputs).collect();
        let effects = self.driver.plan(outputs, !self.store_fails, self.bug);
        let crash_before = (self.faults && self.chance.percent(2)).then(|| self.chance.index(effects.len() + 1));
        self.oracle.batch_begins();
        for (place, effect) in effects.into_iter().enumerate() {
            if crash_before == Some(place) {
                return self.crash();
            }
            match effect {
                Effect::Commit(changes) => self.commit(&changes)?,
                Effect::Perform(output) => self.perform(*output)?,
            }
        }
        if let Some(turn) = self.driver.catches_up(self.now)? {
            self.note('>', || format!("{:?}", turn.input));
            self.oracle.decided(&turn)?;
            self.hosts.begin_graces_again(self.now.boot);
            // The clock may have been set meanwhile.
            if !matches!(turn.outputs.as_slice(), [Output::Wake(_)]) {
                return self.carry_out(vec![turn]);
            }
        }
        if self.store_fails {
            self.note('~', || "the store takes nothing now".into());
            return Ok(());
        }
        self.oracle.turn_is_over(&self.driver.core, &self.hosts)?;
        self.explain_everything()?;
        match self.clients.unanswered() {
            0 => Ok(()),
            requests => Err(format!("{requests} requests got no answer")),
        }
    }

    fn commit(&mut self, changes: &[Change]) -> Verdict {
        for change in changes {
            self.note('+', || format!("{change:?}"));
        }
        let loses = |change: &&Change| {
            self.bug == Some(Bug::LosesVersions) && matches!(change, Change::PutVersion(..) | Change::DeleteVersion(_))
        };
        self.store.commit(changes.iter().filter(|change| !loses(change)));
        self.oracle.committed(changes)
    }

    fn perform(&mut self, output: Output) -> Verdict {
        self.note('!', || format!("{output:?}"));
        match (&output, self.bug) {
            (Output::Retire(_), Some(Bug::ForgetsToRetire))
            | (Output::Adopt { .. }, Some(Bug::ForgetsToAdopt))
            | (Output::Plan { .. }, Some(Bug::ForgetsToPlan))
            | (Output::Listen { .. }, Some(Bug::ForgetsToListen))
            | (Output::Unlisten(_), Some(Bug::ForgetsToUnlisten))
            | (Output::UnwatchDevice(_), Some(Bug::ForgetsToUnwatchADevice))
            | (Output::Freeze(_), Some(Bug::ForgetsToSuspend))
            | (Output::Thaw(_), Some(Bug::ForgetsToRelease))
            | (Output::Kill(_), Some(Bug::SparesWhatIsToBeKilled)) => return Ok(()),
            _ => {}
        }
        self.oracle.performs(&output, &self.hosts, self.now)?;
        let (now, chance) = (self.now.boot, &mut self.chance);
        match output {
            Output::Reply(id, reply) => {
                self.clients.answered(id, &reply)?;
                if let Ok(Reply::Socket(socket)) = reply {
                    self.sockets.let_go(socket.key)?;
                }
            }
            Output::Watch(fact) => self.sources.watch(fact, now, chance),
            Output::Unwatch(fact) => self.sources.unwatch(fact),
            Output::Plan { task, calendar, zone, after } => {
                let offset = if zone.is_some() { planner::PARIS } else { self.sources.zone_offset() };
                self.planner.order(task, planner::next_time(&calendar, offset, after), now, chance);
            }
            Output::Listen { task, subject, .. } => self.listeners.listen(task, subject, now, chance),
            Output::Unlisten(task) => self.listeners.unlisten(task),
            Output::WatchDevice(task, device) => self.devices.watch(task, device, now, chance),
            Output::UnwatchDevice(task) => self.devices.unwatch(task, chance),
            Output::Launch { host, app, .. } => self.hosts.launch(host, app, now, chance),
            Output::Adopt { host, client } => self.adopt(host, client),
            Output::Run(host, order) => {
                if self.bug == Some(Bug::RunsTwice) {
                    self.oracle.performs(&Output::Run(host, order.clone()), &self.hosts, self.now)?;
                }
                self.sockets.run(host, &order, now, chance);
                self.hosts.run(host, *order, now, chance);
            }
            Output::Cancel(host, instance, _) => self.hosts.cancel(host, instance, now, chance),
            Output::Sample(host) if self.bug != Some(Bug::IgnoresTheSample) => self.hosts.sample(host, now, chance),
            Output::Ask { request, .. } => self.question(request)?,
            Output::Retire(host) => self.hosts.retire(host, now, chance),
            Output::Kill(host) => self.hosts.kill(host, now, chance),
            Output::Deliver(client, notice) => self.deliver(client, &notice)?,
            Output::Freeze(host) => self.hosts.freeze(host, now),
            Output::Thaw(host) => self.hosts.thaw(host, now),
            Output::Throttled(..)
            | Output::Inhibit(_)
            | Output::Uninhibit(_)
            | Output::Rouse(_)
            | Output::ForgetCaller(_) => {}
            Output::OpenChannel(app) => self.pushes.open(app, now, chance),
            Output::CloseChannel(app) => self.pushes.close(&app),
            Output::AcknowledgePushes(_, tickets) => {
                let safe: Vec<_> = tickets.iter().copied().filter(|it| !self.oracle.was_given_up(*it)).collect();
                let lines = self.pushes.acknowledged(&safe)?;
                self.oracle.pushes_are_safe(&lines)?;
                let given_up: Vec<_> = tickets.into_iter().filter(|it| self.oracle.was_given_up(*it)).collect();
                self.pushes.acknowledged(&given_up)?;
            }
            Output::WatchSocket(key) => self.sockets.watch(key, now, chance),
            Output::UnwatchSocket(key) => self.sockets.unwatch(key, chance),
            Output::DropSocket(key) => self.sockets.close(key),
            Output::AcknowledgeOrders(tickets) => {
                let orders = self.operator.acknowledged(&tickets)?;
                self.oracle.orders_are_safe(&orders)?;
            }
            Output::AnswerOrder(order) => self.operator.answer(&order, now, chance),
            Output::Progressed { .. } | Output::Sample(_) | Output::Persist(_) | Output::Wake(_) => {}
        }
        Ok(())
    }

    /// An app that runs by itself becomes a host, unless it is gone already.
    fn adopt(&mut self, host: bgtask_core::HostId, client: ClientId) {
        if let Some(app) = self.clients.app_of(client).cloned() {
            self.hosts.adopt(host, client, app, self.now.boot);
        }
    }

    fn question(&mut self, request: bgtask_core::RequestId) -> Verdict {
        let times = match self.bug {
            Some(Bug::ForgetsToAsk) => 0,
            Some(Bug::AsksTwice) => 2,
            _ => 1,
        };
        (0..times).try_for_each(|_| self.clients.question(request, self.now.boot, &mut self.chance))
    }

    fn deliver(&mut self, client: ClientId, notice: &Notice) -> Verdict {
        let Notice::Completed(completion) = notice else {
            return Ok(());
        };
        let mut client = client;
        match self.bug {
            Some(Bug::ForgetsToRedeliver) if completion.at != self.now.wall => return Ok(()),
            Some(Bug::DeliversToTheWrongApp) => {
                let wrong = self.clients.attached().find(|(_, app)| **app != completion.app).map(|(client, _)| client);
                client = wrong.unwrap_or(client);
                self.oracle.performs(&Output::Deliver(client, notice.clone()), &self.hosts, self.now)?;
            }
            _ => {}
        }
        if self.clients.hear(client, notice, self.now.boot, &mut self.chance) {
            self.oracle.heard(completion.sequence);
        }
        Ok(())
    }

    /// `why` has an answer for every task at every moment.
    fn explain_everything(&mut self) -> Verdict {
        // Of a crowd some.
        for registration in self.driver.core.registrations(None).into_iter().take(64) {
            let why = self.driver.core.why(registration.id, self.now);
            let sentence = why.map(|why| why.sentence).unwrap_or_default();
            if !sentence.ends_with('.') {
                return Err(format!("why {} has no sentence: {sentence:?}", registration.name));
            }
        }
        Ok(())
    }

    fn note(&mut self, mark: char, what: impl FnOnce() -> String) {
        self.trace.line(self.step, self.life, self.now, mark, what);
    }
}

fn any_config(chance: &mut Chance) -> Config {
    let seconds = Duration::from_secs;
    Config {
        wall_budget: seconds(5 + chance.below(21)),
        long_wall_budget: seconds(20 + chance.below(60)),
        idle_after: chance.percent(70).then(|| seconds(1 + chance.below(8))),
        timer_tick: seconds(*chance.pick(&[1, 20, 60, 900]).expect("four")),
        min_freshness: 1,
        stretch: Stretch { saving: *chance.pick(&[1, 1, 3]).expect("three"), ..Stretch::default() },
        cancel_grace: seconds(chance.below(6)),
        warm_linger: seconds(chance.below(4) * 10),
        max_warm_hosts: chance.index(3),
        max_running: 1 + chance.index(4),
        max_attempts: 1 + u32::try_from(chance.below(3)).unwrap_or(0),
        budgets: any_budgets(chance),
        // At least as many as all that may run together use.
        processors: 8 + u32::try_from(chance.below(4)).unwrap_or(0),
        load_delay: seconds(chance.below(60)),
        may_wake: chance.percent(50),
        machine: chance.number(),
    }
}

/// Mostly so little that it is used up.
fn any_budgets(chance: &mut Chance) -> Budgets {
    Budgets {
        window: Duration::from_secs(*chance.pick(&[20, 300, 7_200]).expect("three")),
        cpu: chance.percent(70).then(|| Duration::from_millis(20 + chance.below(8_000))),
        network: chance.percent(30).then(|| chance.below(1_000_000)),
        pool_cpu: if chance.percent(50) { chance.millis(10_000) } else { Duration::ZERO },
        pool_network: if chance.percent(50) { chance.below(500_000) } else { 0 },
        memory: chance.percent(30).then(|| (2 + chance.below(100)) << 20),
        processes: chance.percent(50).then(|| 2 + u32::try_from(chance.below(100)).unwrap_or(0)),
    }
}
