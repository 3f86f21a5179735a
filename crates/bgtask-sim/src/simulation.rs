use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bgtask_core::{AppId, Change, Config, Input, Notice, Now, Output, Request, WallTime};

use crate::apps;
use crate::chance::Chance;
use crate::clients::Clients;
use crate::driver::{Driver, Effect};
use crate::hosts::Hosts;
use crate::oracle::{Oracle, Verdict};
use crate::plant::Bug;
use crate::sources::Sources;
use crate::store::Store;
use crate::trace::Trace;

/// So many turns at one instant may follow from wakes alone: end the budget, end the grace, end a host, and some room.
const MAX_WAKES_AT_ONE_INSTANT: u32 = 8;
/// A quiet world comes to rest within so many turns.
const MAX_QUIET_TURNS: u32 = 5_000;

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
    store: Store,
    driver: Driver,
    hosts: Hosts,
    sources: Sources,
    clients: Clients,
    oracle: Oracle,
    trace: Trace,
    /// Crashes and the like may happen.
    faults: bool,
    /// The disk is full, say: commits fail until it is not.
    store_fails: bool,
}

/// A simulation in which every invariant held.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub seed: u64,
    /// How many lives the broker had.
    pub lives: u32,
    /// How many inputs the cores took.
    pub inputs: usize,
    /// How many activations came to an outcome.
    pub completions: usize,
    /// The last life, as `bgtask replay` reads it.
    pub recording: Vec<u8>,
    /// What happened, for a person; only of a [`traced`](Simulation::traced) simulation.
    pub trace: Option<String>,
}

/// A simulation in which an invariant broke.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which.
    pub seed: u64,
    /// At which step; the last step is followed by the quiet phase.
    pub step: u32,
    /// In which life of the broker.
    pub life: u32,
    /// What is wrong.
    pub problem: String,
    /// The life it happened in, as `bgtask replay` reads it.
    pub recording: Vec<u8>,
    /// What happened, for a person; only of a [`traced`](Simulation::traced) simulation.
    pub trace: Option<String>,
}

impl Simulation {
    /// The world of that seed, with an empty broker.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let config = any_config(&mut chance);
        let installed: BTreeMap<_, _> = apps::names().map(|name| (name, 1)).collect();
        let manifests = installed.iter().map(|(name, version)| apps::app(name.clone(), *version));
        let driver = Driver::start(&config, chance.number(), manifests, Default::default());
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
            installed,
            store: Store::default(),
            driver,
            hosts: Hosts::default(),
            sources: Sources::default(),
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
    pub fn with_bug(self, bug: Bug) -> Self {
        Self { bug: Some(bug), ..self }
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

    fn let_time_pass(&mut self) {
        let pass = match self.chance.below(100) {
            0 => Duration::from_secs(3_600 * (1 + self.chance.below(9))),
            1..=9 => self.chance.millis(30_000),
            10..=30 => Duration::ZERO,
            _ => self.chance.millis(1_500),
        };
        self.now = self.now + pass;
        if self.chance.percent(3) {
            let step = i64::try_from(self.chance.below(7_200_000_000)).unwrap_or(0) - 3_600_000_000;
            self.now.wall = WallTime::from_micros(self.now.wall.as_micros() + step);
            self.note('~', || format!("the wall clock is set by {} s", step / 1_000_000));
        }
    }

    fn something_happens(&mut self) {
        let (now, chance) = (self.now.boot, &mut self.chance);
        match chance.below(100) {
            0..=39 => {
                let fact = self.sources.disturb(now, chance);
                self.note('~', || format!("{fact} changes"));
            }
            40..=69 => {
                let input = self.clients.ask_something(chance);
                self.tell(input);
            }
            70..=79 => {
                let input = self.clients.attach(apps::any_name(chance));
                self.tell(input);
            }
            80..=86 => {
                if let Some(input) = self.clients.detach_one(chance) {
                    self.tell(input);
                }
            }
            87..=92 => self.service_an_app(),
            93..=96 => self.hosts.kill_an_idle_one(now, chance),
            _ => self.sources.restart_one(now, chance),
        }
    }

    fn service_an_app(&mut self) {
        let app = apps::any_name(&mut self.chance);
        if self.installed.contains_key(&app) && self.chance.percent(30) {
            self.installed.remove(&app);
            self.tell(Input::AppRemoved(app));
        } else {
            let version = 1 + self.chance.below(3);
            self.installed.insert(app.clone(), version);
            self.tell(Input::AppInstalled(apps::app(app, version)));
        }
    }

    fn hear_the_world(&mut self) {
        while let Some(input) = self.hosts.speak(self.now.boot) {
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
            let outputs = self.driver.decide(self.now, &mut self.chance)?;
            self.carry_out(outputs)?;
        }
        Err(format!("the core never stops asking to be woken at once: {:?}", self.driver.wake))
    }

    fn carry_out(&mut self, outputs: Vec<Output>) -> Verdict {
        self.store_fails = self.faults && self.chance.percent(if self.store_fails { 70 } else { 1 });
        let effects = self.driver.plan(outputs, !self.store_fails, self.bug);
        if self.driver.catches_up(self.now) {
            self.hosts.begin_graces_again(self.now.boot);
        }
        let crash_before = (self.faults && self.chance.percent(2)).then(|| self.chance.index(effects.len() + 1));
        self.oracle.batch_begins();
        for (place, effect) in effects.into_iter().enumerate() {
            if crash_before == Some(place) {
                return self.crash();
            }
            match effect {
                Effect::Commit(changes) => self.commit(&changes)?,
                Effect::Perform(output) => self.perform(output)?,
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
        self.store.commit(changes);
        self.oracle.committed(changes)
    }

    fn perform(&mut self, output: Output) -> Verdict {
        self.note('!', || format!("{output:?}"));
        self.oracle.performs(&output, &self.hosts)?;
        let (now, chance) = (self.now.boot, &mut self.chance);
        match output {
            Output::Reply(id, reply) => self.clients.answered(id, &reply)?,
            Output::Watch(fact) => self.sources.watch(fact, now, chance),
            Output::Unwatch(fact) => self.sources.unwatch(fact),
            Output::Launch { host, app, .. } => self.hosts.launch(host, app, now, chance),
            Output::Run(host, order) => {
                if self.bug == Some(Bug::RunsTwice) {
                    self.oracle.performs(&Output::Run(host, order.clone()), &self.hosts)?;
                }
                self.hosts.run(host, *order, now, chance);
            }
            Output::Cancel(host, instance, _) => self.hosts.cancel(host, instance, now, chance),
            Output::Retire(host) => self.hosts.retire(host, now, chance),
            Output::Kill(host) => self.hosts.kill(host, now, chance),
            Output::Deliver(client, notice) => self.deliver(client, &notice)?,
            Output::Persist(_) | Output::Wake(_) => {}
        }
        Ok(())
    }

    fn deliver(&mut self, client: bgtask_core::ClientId, notice: &Notice) -> Verdict {
        let Notice::Completed(completion) = notice else {
            return Ok(());
        };
        let mut client = client;
        match self.bug {
            Some(Bug::ForgetsToRedeliver) if completion.at != self.now.wall => return Ok(()),
            Some(Bug::DeliversToTheWrongApp) => {
                let wrong = self.clients.attached().find(|(_, app)| **app != completion.app).map(|(client, _)| client);
                client = wrong.unwrap_or(client);
                self.oracle.performs(&Output::Deliver(client, notice.clone()), &self.hosts)?;
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
        for registration in self.driver.core.registrations(None) {
            let why = self.driver.core.why(registration.id, self.now);
            let sentence = why.map(|why| why.sentence).unwrap_or_default();
            if !sentence.ends_with('.') {
                return Err(format!("why {} has no sentence: {sentence:?}", registration.name));
            }
        }
        Ok(())
    }

    /// The broker dies here and starts again with what the store has.
    fn crash(&mut self) -> Verdict {
        self.note('~', || "the broker dies and starts again".into());
        self.inputs += self.driver.inputs();
        self.life += 1;
        self.hosts.broker_died();
        self.sources.broker_died();
        self.clients.broker_died();
        self.oracle.broker_died();
        if self.bug == Some(Bug::LosesARow) {
            self.store.lose_a_row(&mut self.chance);
        }
        let snapshot = self.store.load().map_err(|error| format!("the store cannot be read back: {error}"))?;
        self.oracle.loaded(&snapshot)?;
        let fresh = self.chance.number();
        let seed = if self.bug == Some(Bug::ReusesTheSeed) { 1 } else { fresh };
        let manifests = self.installed.iter().map(|(name, version)| apps::app(name.clone(), *version));
        self.driver = Driver::start(&self.config, seed, manifests, snapshot);
        self.now = self.now + self.chance.millis(3_000);
        Ok(())
    }

    /// The broker ends in order: within their graces all hosts are gone. Or it dies while it waits for that.
    fn log_off(&mut self) -> Verdict {
        self.tell(Input::Stop);
        (self.faults, self.store_fails) = (false, false);
        let whole = self.config.cancel_grace * 2 + Duration::from_secs(2);
        let patience = if self.chance.percent(50) { whole } else { self.chance.millis(3_000) };
        let end = self.now.boot + patience;
        while self.now.boot < end {
            self.hear_the_world();
            self.turns()?;
            self.now = self.now + Duration::from_millis(500);
        }
        let left = self.hosts.iter().find(|(_, host)| !host.killed);
        if let Some((id, host)) = left.filter(|_| patience == whole) {
            return Err(format!("{id:?} of {} was not ended at the log-off", host.app));
        }
        self.faults = true;
        self.crash()
    }

    /// No faults any more: everything that is owed must happen, and then nothing.
    fn quiet_phase(&mut self) -> Verdict {
        self.note('~', || "from here on nothing goes wrong".into());
        self.faults = false;
        self.store_fails = false;
        self.hosts.tame = true;
        self.clients.tame = true;
        self.settle()?;
        for app in apps::names() {
            self.installed.insert(app.clone(), 1);
            self.tell(Input::AppInstalled(apps::app(app.clone(), 1)));
            let request = self.clients.ask(Request::RequestAccess(app.clone()), false);
            self.tell(request);
            let attach = self.clients.attach(app);
            self.tell(attach);
        }
        self.settle()?;
        self.oracle.quiet_begins();
        for (internet, present) in [(true, true), (true, false), (false, true), (false, false)] {
            self.sources.arrange(internet, present, self.now.boot);
            self.settle()?;
        }
        self.rests()
    }

    /// Lets time pass from one event to the next until there is none.
    fn settle(&mut self) -> Verdict {
        for _ in 0..MAX_QUIET_TURNS {
            self.hear_the_world();
            self.turns()?;
            let wake = self.driver.wake.map(|wake| wake.at);
            let events = [self.hosts.next(), self.sources.next(), self.clients.next(), wake];
            let Some(next) = events.into_iter().flatten().min() else {
                return Ok(());
            };
            self.now = self.now + next.since(self.now.boot);
        }
        Err(format!("the world does not come to rest; the next wake is {:?}", self.driver.wake))
    }

    fn rests(&self) -> Verdict {
        self.oracle.rests()?;
        if let Some((id, host)) = self.hosts.iter().next() {
            return Err(format!("{id:?} of {} never ended", host.app));
        }
        if let Some(host) = self.driver.core.hosts().next() {
            return Err(format!("the core still counts {host:?}"));
        }
        match self.driver.core.sources().find(|(fact, _)| !self.sources.is_running(*fact)) {
            Some((fact, _)) => Err(format!("{fact} is needed and its source does not run")),
            None => Ok(()),
        }
    }

    fn note(&mut self, mark: char, what: impl FnOnce() -> String) {
        self.trace.line(self.step, self.life, self.now, mark, what);
    }
}

impl Report {
    /// Gives the inputs of the last life to a fresh core and compares every decision.
    ///
    /// # Errors
    ///
    /// The same inputs gave other outputs: the core is not deterministic.
    pub fn replay(&self) -> Result<bgtask_record::Replay, Box<Failure>> {
        bgtask_record::replay(self.recording.as_slice()).map_err(|error| {
            Box::new(Failure {
                seed: self.seed,
                step: 0,
                life: self.lives,
                problem: error.to_string(),
                recording: self.recording.clone(),
                trace: self.trace.clone(),
            })
        })
    }
}

impl Failure {
    /// Writes the recording into a folder, for `bgtask replay`.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn keep(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join(format!("bgtask-sim-{}.jsonl", self.seed));
        std::fs::write(&path, &self.recording)?;
        Ok(path)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, step {}, life {}: {}", self.seed, self.step, self.life, self.problem)
    }
}

impl std::error::Error for Failure {}

fn any_config(chance: &mut Chance) -> Config {
    Config {
        wall_budget: Duration::from_secs(5 + chance.below(21)),
        cancel_grace: Duration::from_secs(chance.below(6)),
        warm_linger: Duration::from_secs(chance.below(4) * 10),
        max_warm_hosts: chance.index(3),
        max_running: 1 + chance.index(4),
        max_attempts: 1 + u32::try_from(chance.below(3)).unwrap_or(0),
    }
}
