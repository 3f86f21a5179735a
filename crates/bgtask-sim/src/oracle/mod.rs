//! The invariants, as assertions that are on in every step.
//!
//! The oracle believes only what was told, what was decided, what was made durable and what was carried out; it never asks
//! the core what it meant. The [`Model`] decides everything a second time, in another way; the others look at what came of it.

mod ledger;
mod mail;
mod model;
mod work;

use bgtask_core::{Change, Config, Core, Details, Input, Now, OrderId, Output, Policy, PushTicket, Snapshot};

use crate::driver::Turn;
use crate::hosts::Hosts;
use ledger::Ledger;
use mail::Mail;
use model::Model;
use work::Work;

/// What is wrong, in one sentence.
pub(crate) type Verdict = Result<(), String>;

pub(crate) struct Oracle {
    model: Model,
    ledger: Ledger,
    mail: Mail,
    work: Work,
}

impl Oracle {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            model: Model::new(config.clone()),
            ledger: Ledger::new(config.max_attempts),
            mail: Mail::default(),
            work: Work::new(config),
        }
    }

    pub(crate) fn life_begins(&mut self, policy: &Policy, snapshot: &Snapshot) {
        self.model.life_begins(policy, snapshot);
    }

    pub(crate) fn told(&mut self, input: &Input) {
        self.ledger.told(input);
        self.mail.told(input);
        self.work.told(input);
    }

    /// The core has decided one thing.
    pub(crate) fn decided(&mut self, turn: &Turn) -> Verdict {
        self.model.decided(turn).map_err(|problem| format!("{problem}\n  at {:?}", turn.input))
    }

    pub(crate) fn batch_begins(&mut self) {
        self.mail.batch_begins();
    }

    pub(crate) fn committed(&mut self, changes: &[Change]) -> Verdict {
        for change in changes {
            self.ledger.committed(change)?;
            self.mail.committed(change)?;
        }
        self.ledger.batch_is_whole()
    }

    pub(crate) fn performs(&mut self, output: &Output, hosts: &Hosts, now: Now) -> Verdict {
        match output {
            Output::Reply(id, reply) => self.ledger.answers(*id, reply),
            Output::Deliver(client, notice) => self.mail.delivers(*client, notice),
            Output::Run(host, order) => {
                self.ledger.runs(order)?;
                self.work.runs(*host, order, self.ledger.owner(order.task), hosts)
            }
            _ => self.work.performs(output, hosts, now),
        }
    }

    /// Nobody was there to be told of it.
    pub(crate) fn was_given_up(&self, message: PushTicket) -> bool {
        self.model.was_given_up(message)
    }

    /// Their server is told that it may forget them.
    pub(crate) fn pushes_are_safe(&self, lines: &[Details]) -> Verdict {
        self.ledger.pushes_are_safe(lines)
    }

    /// Their server is told that it may forget them.
    pub(crate) fn orders_are_safe(&self, orders: &[OrderId]) -> Verdict {
        self.ledger.orders_are_safe(orders)
    }

    /// A client that was there heard it.
    pub(crate) fn heard(&mut self, sequence: u64) {
        self.mail.heard(sequence);
    }

    /// Everything that waited was handled, and nothing crashed.
    pub(crate) fn turn_is_over(&self, core: &Core, hosts: &Hosts) -> Verdict {
        self.model.turn_is_over()?;
        self.model.suspends(hosts)?;
        self.ledger.agrees_with(core)?;
        self.work.turn_is_over(core, hosts)
    }

    /// No wake is due any more: nothing may run past its time, no timer may wait.
    pub(crate) fn nothing_is_due(&self, hosts: &Hosts, now: Now) -> Verdict {
        self.model.no_timer_is_late(now)?;
        self.model.nothing_overruns(hosts)?;
        self.work.nothing_is_late(hosts, now)
    }

    pub(crate) fn broker_died(&mut self, snapshot: &Snapshot) -> Verdict {
        self.mail.broker_died();
        self.work.broker_died();
        self.ledger.broker_died(snapshot)?;
        self.mail.loaded(snapshot)
    }

    pub(crate) fn quiet_begins(&mut self) {
        self.ledger.quiet_begins();
    }

    /// Nobody asked for it to end, and it comes true again.
    pub(crate) fn calendars_are_planned(&self) -> Verdict {
        self.model.calendars_are_planned()
    }

    /// The quiet phase is over: everything owed must have happened.
    pub(crate) fn rests(&self) -> Verdict {
        self.ledger.rests()?;
        self.model.orders_are_over()?;
        self.mail.rests()
    }

    pub(crate) fn completions(&self) -> usize {
        self.ledger.outcomes()
    }
}

/// An invariant: `holds`, or the sentence that says what does not.
pub(crate) fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}
