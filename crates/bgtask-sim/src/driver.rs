//! The driver's loop, modelled exactly: a batch of inputs, one durable transaction, then the rest in order.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bgtask_core::{App, Change, Config, Core, Input, Now, Output, Snapshot, Wake};
use bgtask_record::Recorder;

use crate::chance::Chance;
use crate::plant::Bug;

/// One thing a driver does to the world. A crash may come before any of them.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Makes a batch durable, all or nothing.
    Commit(Vec<Change>),
    /// Carries out an order of the core.
    Perform(Output),
}

/// One life of a broker.
pub(crate) struct Driver {
    pub(crate) core: Core,
    pub(crate) wake: Option<Wake>,
    /// The store fails: time brings nothing about until it works again.
    stalled: bool,
    config: Config,
    seed: u64,
    /// A driver may start what need not wait for the commit before it, or keep to the order given.
    eager: bool,
    waiting: VecDeque<Input>,
    /// Decided and not yet durable, with what waits for that.
    changes: Vec<Change>,
    after: Vec<Output>,
    turns: Vec<(Now, Input, Vec<Output>)>,
}

impl Driver {
    /// Starts a life the way a broker does: the manifests there are, then what the store held.
    pub(crate) fn start(config: &Config, seed: u64, apps: impl Iterator<Item = App>, snapshot: Snapshot) -> Self {
        let mut waiting: VecDeque<_> = apps.map(Input::AppInstalled).collect();
        waiting.push_back(Input::Restore(Box::new(snapshot)));
        let core = Core::new(config.clone(), seed);
        Self {
            core,
            wake: None,
            stalled: false,
            config: config.clone(),
            seed,
            eager: seed.is_multiple_of(2),
            waiting,
            changes: Vec::new(),
            after: Vec::new(),
            turns: Vec::new(),
        }
    }

    pub(crate) fn tell(&mut self, input: Input) {
        self.waiting.push_back(input);
    }

    pub(crate) fn is_due(&self, now: Now) -> bool {
        !self.stalled && self.wake.is_some_and(|wake| wake.at <= now.boot)
    }

    /// Something came in, a wake is due, or the store has to be tried again.
    pub(crate) fn has_work(&self, now: Now) -> bool {
        !self.waiting.is_empty() || self.is_due(now) || !self.changes.is_empty()
    }

    /// Hands everything that waits to the core; a panic of the core comes back as text.
    pub(crate) fn decide(&mut self, now: Now, chance: &mut Chance) -> Result<Vec<Output>, String> {
        if self.is_due(now) {
            let place = chance.index(self.waiting.len() + 1);
            self.waiting.insert(place, Input::Tick);
        }
        let mut decided = Vec::new();
        while let Some(input) = self.waiting.pop_front() {
            let core = &mut self.core;
            let outputs = catch_unwind(AssertUnwindSafe(|| answer(core, now, input.clone())));
            let outputs = outputs.map_err(|_| format!("the core panicked at {input:?}"))?;
            decided.extend(outputs.iter().filter(|output| !matches!(output, Output::Wake(_))).cloned());
            if let Some(Output::Wake(wake)) = outputs.last() {
                self.wake = *wake;
            }
            self.turns.push((now, input, outputs));
        }
        Ok(decided)
    }

    /// Puts outputs in the order a driver may carry them out. While the store fails, what waits for it goes on waiting.
    pub(crate) fn plan(&mut self, outputs: Vec<Output>, store_works: bool, bug: Option<Bug>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for output in outputs {
            match output {
                Output::Persist(change) => self.changes.push(change),
                output if hurries(&output, self.eager, bug) => effects.push(Effect::Perform(output)),
                output => self.after.push(output),
            }
        }
        if store_works || self.changes.is_empty() {
            if !self.changes.is_empty() {
                effects.push(Effect::Commit(std::mem::take(&mut self.changes)));
            }
            effects.extend(std::mem::take(&mut self.after).into_iter().map(Effect::Perform));
        } else {
            self.stalled = true;
        }
        effects
    }

    /// Whether the store has just begun to work again, so that the core has to hear of it before anything else.
    pub(crate) fn catches_up(&mut self, now: Now) -> bool {
        let caught_up = self.stalled && self.changes.is_empty();
        if caught_up {
            self.stalled = false;
            let outputs = answer(&mut self.core, now, Input::CaughtUp);
            if let Some(Output::Wake(wake)) = outputs.last() {
                self.wake = *wake;
            }
            self.turns.push((now, Input::CaughtUp, outputs));
        }
        caught_up
    }

    pub(crate) fn inputs(&self) -> usize {
        self.turns.len()
    }

    /// This life as `bgtask replay` reads it.
    pub(crate) fn recording(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut recorder = Recorder::begin(&mut bytes, &self.config, self.seed)?;
        for (now, input, outputs) in &self.turns {
            recorder.turn(*now, input, outputs)?;
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
