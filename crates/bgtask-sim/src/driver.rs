//! The driver's loop, modelled exactly: a batch of inputs, one durable transaction, then the rest in order.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bgtask_core::{Change, Config, Core, Input, Now, Output, Wake};
use bgtask_record::Recorder;

use crate::chance::Chance;
use crate::plant::Bug;

/// One thing a driver does to the world. A crash may come before any of them.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Makes a batch durable, all or nothing.
    Commit(Vec<Change>),
    /// Carries out an order of the core.
    Perform(Box<Output>),
}

/// One life of a broker.
pub(crate) struct Driver {
    pub(crate) core: Core,
    pub(crate) wake: Option<Wake>,
    /// The store fails: time brings nothing about until it works again.
    stalled: bool,
    /// The wall clock was set: what is counted on it may be due.
    clock_was_set: bool,
    config: Config,
    seed: u64,
    /// A driver may start what need not wait for the commit before it, or keep to the order given.
    eager: bool,
    waiting: VecDeque<Input>,
    /// Decided and not yet durable, with what waits for that.
    changes: Vec<Change>,
    after: Vec<Output>,
    turns: Vec<Turn>,
    /// A mistake in what the core is told.
    bug: Option<Bug>,
}

/// One input with what the core made of it.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) now: Now,
    pub(crate) input: Input,
    pub(crate) outputs: Vec<Output>,
}

impl Driver {
    /// A life that has heard of nothing yet.
    pub(crate) fn start(config: &Config, seed: u64, bug: Option<Bug>) -> Self {
        Self {
            core: Core::new(config.clone(), seed),
            wake: None,
            stalled: false,
            clock_was_set: false,
            config: config.clone(),
            seed,
            eager: seed.is_multiple_of(2),
            waiting: VecDeque::new(),
            changes: Vec::new(),
            after: Vec::new(),
            turns: Vec::new(),
            bug,
        }
    }

    pub(crate) fn tell(&mut self, input: Input) {
        self.waiting.push_back(input);
    }

    /// The wall clock was set: a timer on it has to be looked at again.
    pub(crate) fn clock_was_set(&mut self) {
        self.clock_was_set = true;
    }

    pub(crate) fn is_due(&self, now: Now) -> bool {
        !self.stalled && (self.clock_was_set || self.wake.is_some_and(|wake| wake.at <= now.boot))
    }

    /// Something came in, a wake is due, or the store has to be tried again.
    pub(crate) fn has_work(&self, now: Now) -> bool {
        !self.waiting.is_empty() || self.is_due(now) || !self.changes.is_empty()
    }

    /// Hands everything that waits to the core; a panic of the core comes back as text.
    pub(crate) fn decide(&mut self, now: Now, chance: &mut Chance) -> Result<Vec<Turn>, String> {
        if self.is_due(now) {
            // The first inputs of a life come before the first tick.
            let first =
                self.waiting.iter().rposition(|input| matches!(input, Input::Restore(_))).map_or(0, |it| it + 1);
            let place = first + chance.index(self.waiting.len() - first + 1);
            self.waiting.insert(place, Input::Tick);
            self.clock_was_set = false;
        }
        let mut decided = Vec::new();
        while let Some(input) = self.waiting.pop_front() {
            decided.push(self.turn(now, input)?);
        }
        Ok(decided)
    }

    fn turn(&mut self, now: Now, input: Input) -> Result<Turn, String> {
        let told = self.told(now, &input);
        let core = &mut self.core;
        let outputs = catch_unwind(AssertUnwindSafe(|| answer(core, told.0, told.1.clone())));
        let outputs = outputs.map_err(|_| format!("the core panicked at {input:?}"))?;
        if let Some(Output::Wake(wake)) = outputs.last() {
            self.wake = *wake;
        }
        self.turns.push(Turn { now: told.0, input: told.1, outputs: outputs.clone() });
        Ok(Turn { now, input, outputs })
    }

    /// What the core is told: what happened, unless a mistake is planted.
    fn told(&self, mut now: Now, input: &Input) -> (Now, Input) {
        let Some(bug) = self.bug else { return (now, input.clone()) };
        if bug == Bug::MissesTheSetBack {
            now.wall = self.turns.last().map_or(now.wall, |last| now.wall.max(last.now.wall));
        }
        (now, bug.garbled(input.clone()))
    }

    /// Puts outputs in the order a driver may carry them out. While the store fails, what waits for it goes on waiting.
    pub(crate) fn plan(&mut self, outputs: Vec<Output>, store_works: bool, bug: Option<Bug>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for output in outputs {
            match output {
                Output::Wake(_) => {}
                Output::Persist(change) => self.changes.push(change),
                output if hurries(&output, self.eager, bug) => effects.push(Effect::Perform(Box::new(output))),
                output => self.after.push(output),
            }
        }
        if store_works || self.changes.is_empty() {
            if !self.changes.is_empty() {
                effects.push(Effect::Commit(std::mem::take(&mut self.changes)));
            }
            effects.extend(std::mem::take(&mut self.after).into_iter().map(Box::new).map(Effect::Perform));
        } else {
            self.stalled = true;
        }
        effects
    }

    /// The store has just begun to work again: the core hears of it once what waited has been performed.
    pub(crate) fn catches_up(&mut self, now: Now) -> Result<Option<Turn>, String> {
        if !self.stalled || !self.changes.is_empty() {
            return Ok(None);
        }
        self.stalled = false;
        self.turn(now, Input::CaughtUp).map(Some)
    }

    pub(crate) fn inputs(&self) -> usize {
        self.turns.len()
    }

    /// This life as `bgtask replay` reads it.
    pub(crate) fn recording(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut recorder = Recorder::begin(&mut bytes, &self.config, self.seed)?;
        for turn in &self.turns {
            recorder.turn(turn.now, &turn.input, &turn.outputs)?;
        }
        Ok(bytes)
    }
}

fn answer(core: &mut Core, now: Now, input: Input) -> Vec<Output> {
    core.handle(now, input);
    let mut outputs = Vec::new();
    loop {
        outputs.push(core.poll());
        if matches!(outputs.last(), Some(Output::Wake(_))) {
            return outputs;
        }
    }
}

fn hurries(output: &Output, eager: bool, bug: Option<Bug>) -> bool {
    match output {
        Output::Run(..) if bug == Some(Bug::RunsBeforeCommit) => true,
        Output::Reply(..) if bug == Some(Bug::AnswersBeforeCommit) => true,
        output => eager && !output.needs_commit(),
    }
}
