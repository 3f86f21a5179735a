//! Commands: what the user does with them, what becomes of their failed tries, what they use.

use std::sync::Arc;
use std::time::Duration;

use bgtask_core::{
    CancellationReason as Reason, HostExit, HostId, InstanceId, LastRun, Outcome, Refusal, Reply, Retry, Standing,
    TaskId, Usage, Used, WallTime, limits,
};

use super::super::{Verdict, check};
use super::held::{By, Held, Occasion};
use super::requests::Answer;
use super::starts::BEFORE_ANY_LOOK;
use super::{Model, Owed, Place, Run};

/// What the instances of one host have to pay for, and how long each ran.
#[derive(Debug, Default)]
pub(super) struct Bill {
    walls: std::collections::BTreeMap<InstanceId, Duration>,
    /// What is not charged yet; `None` where nobody could see it.
    usage: Option<Usage>,
}

impl Model {
    /// A command that is listed.
    fn command(&self, task: TaskId) -> Option<&bgtask_core::Command> {
        self.registrations.get(&task).filter(|it| it.standing != Standing::Unregistered)?.entry.command()
    }

    /// By hand it starts whatever its conditions are, and at once.
    pub(super) fn run_now(&mut self, task: TaskId, respect_conditions: bool, owed: &mut Owed) -> Answer {
        if self.command(task).is_none() || self.stopping {
            return Answer::Refused;
        }
        // What waits already has been counted.
        let count = u32::from(self.first_of(task).is_none());
        owed.fires(task, Occasion { count, ..Occasion::once(By::Hand) });
        Answer::Running { task, by_hand: !respect_conditions }
    }

    /// The answer to that names what waits, which waits for nothing but its turn from now on.
    pub(super) fn runs_by_hand(&mut self, task: TaskId, by_hand: bool, reply: &Result<Reply, Refusal>) -> Verdict {
        let first = self.first_of(task).map(|(instance, _)| instance);
        check(matches!(reply, Ok(Reply::Running(instance)) if Some(*instance) == first), || {
            format!("what runs now is {reply:?}, right is {first:?}")
        })?;
        let held = first.and_then(|instance| self.waiting.get_mut(&instance)).expect("just seen");
        held.firing.by_hand |= by_hand;
        held.not_before = None;
        Ok(())
    }

    pub(super) fn pause(&mut self, task: TaskId, paused: bool, owed: &mut Owed) -> Answer {
        if self.command(task).is_none() {
            return Answer::Refused;
        }
        if self.registrations[&task].paused == paused {
            return Answer::Exactly(Reply::Set);
        }
        let now = self.now.wall;
        if paused {
            self.is_reached_first(task, owed);
        } else {
            self.is_spared(task);
        }
        let its = self.registrations.get_mut(&task).expect("it is listed");
        its.paused = paused;
        owed.paused = Some((task, paused));
        // What came meanwhile is past.
        if !paused && let Some(due) = its.due.filter(|due| *due <= now) {
            self.is_due_again(task, due, owed);
        }
        Answer::Exactly(Reply::Set)
    }

    pub(super) fn cancel_command(&mut self, task: TaskId, owed: &mut Owed) -> Answer {
        if self.command(task).is_none() {
            return Answer::Refused;
        }
        let waiting = self.waiting.iter().filter(|(_, held)| held.task == task).map(|(instance, _)| *instance);
        owed.drops.extend(waiting);
        self.cancel_where(owed, Reason::Abort, |_, run| run.task == task);
        let ended = owed.drops.len() + owed.cancels.len();
        Answer::Exactly(Reply::Terminated(ended.try_into().unwrap_or(u32::MAX)))
    }

    pub(super) fn progress_said(&mut self, instance: InstanceId, value: u32, words: &str, owed: &mut Owed) -> Answer {
        let is_command = |run: &&mut Run| self.registrations[&run.task].entry.command().is_some();
        let Some(run) = self.running.get_mut(&instance).filter(is_command) else { return Answer::Refused };
        let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut end = words.len().min(limits::MAX_PROGRESS_MESSAGE_BYTES);
        while !words.is_char_boundary(end) {
            end -= 1;
        }
        run.message = (end > 0).then(|| words[..end].into());
        let host = run.host;
        // Who speaks has begun.
        self.started(host, instance);
        self.progressed(host, instance, value, owed);
        Answer::Exactly(Reply::Noted)
    }

    /// An instance has ended: its command is tried again, or this is its outcome.
    pub(super) fn ends(&mut self, instance: InstanceId, held: Held, outcome: Outcome, owed: &mut Owed) {
        let at = self.now.wall;
        let ok = outcome == Outcome::Succeeded;
        if let Some(its) = self.registrations.get_mut(&held.task).filter(|it| it.entry.command().is_some()) {
            its.last = Some(LastRun { at, ok });
            if ok {
                (its.fresh_since, its.overdue) = (Some(at), false);
            }
        }
        match self.next_try(&held, &outcome) {
            Some(at) => {
                let (attempt, failures) = (held.attempt + 1, held.failures + 1);
                owed.retries.insert(instance, (outcome, attempt, at));
                let again = Held { given: true, attempt, failures, not_before: Some(at), ..held };
                self.waiting.insert(instance, again);
            }
            None => {
                self.socket_ended(held.firing.socket);
                owed.orders.ended(instance, Some(&outcome));
                owed.outcomes.insert(instance, outcome);
            }
        }
    }

    /// When a failed try is repeated, if it is: not what the user has ended, and not more often than wanted.
    fn next_try(&self, held: &Held, outcome: &Outcome) -> Option<WallTime> {
        let retry = self.command(held.task)?.retry;
        let failed = match outcome {
            Outcome::Succeeded | Outcome::Abandoned { .. } => false,
            Outcome::Cancelled { reason, .. } | Outcome::Killed { reason, .. } => !matches!(
                reason,
                Reason::Abort | Reason::Terminating | Reason::LoggingOff | Reason::ServicingUpdate | Reason::Uninstall
            ),
            _ => true,
        };
        let again = failed && held.failures < retry.times;
        again.then(|| self.now.wall + pause(retry, held.failures + 1))
    }

    /// How a command ended.
    pub(super) fn outcome_of(&self, run: &Run, exit: &HostExit, output_tail: &str) -> Outcome {
        let failed = Outcome::CommandFailed { exit: exit.clone(), output_tail: output_tail.to_owned() };
        match (run.cancelled, exit) {
            (Some(reason), _) if run.killing => Outcome::Killed { reason, output_tail: output_tail.to_owned() },
            // It did what it was told to, or it was ended by what told it.
            (Some(reason), HostExit::Code(0) | HostExit::Signal(15)) => Outcome::Cancelled { reason, message: None },
            (Some(reason), _) => Outcome::Cancelled { reason, message: Some(failed.to_string()) },
            (None, HostExit::Code(0)) => Outcome::Succeeded,
            (None, _) => failed,
        }
    }

    /// A command is its own host: there is none before it runs.
    pub(super) fn command_starts(&mut self, host: HostId, task: TaskId) -> Verdict {
        let its = &self.registrations[&task];
        if its.entry.command().is_none() {
            return Ok(());
        }
        let place = Place { fresh: true, is_command: true, ..Place::new(its.app.clone(), self.now.boot) };
        check(self.hosts.insert(host, place).is_none(), || format!("{host:?} is there before its command runs"))
    }

    /// Processor time is bounded: over that it is told to stop.
    pub(super) fn bound_processor_time(&mut self, host: HostId, used: Duration, owed: &mut Owed) {
        let Some(run) = self.running.values().find(|run| run.host == host) else { return };
        let Some(most) = self.registrations[&run.task].entry.command().and_then(|command| command.cpu) else { return };
        if used >= most {
            self.cancel_where(owed, Reason::ExecutionTimeExceeded, |_, run| run.host == host);
        }
    }

    /// What those on a host have to pay for together: what it has used since it last was charged for.
    pub(super) fn bill(&mut self, host: HostId, usage: Option<Usage>, who: &[InstanceId], owed: &mut Owed) {
        let walls = who.iter().map(|it| (*it, self.now.boot.since(self.running[it].since)));
        owed.bill.walls = walls.collect();
        let place = self.hosts.get_mut(&host).expect("they run there");
        owed.bill.usage = usage.map(|total| {
            let before = std::mem::replace(&mut place.charged, total);
            Usage {
                cpu: total.cpu - before.cpu,
                io: total.io - before.io,
                memory_peak: total.memory_peak,
                network: None,
                processes: None,
            }
        });
    }

    /// what is critical goes first, then what promised to succeed and has little time left, what has least of it first of all.
    pub(super) fn nothing_is_more_urgent(&self, than: TaskId) -> Verdict {
        let critical = |task: TaskId| self.registrations[&task].trigger.is_critical();
        let mine = if critical(than) { f64::INFINITY } else { self.urgency(than).unwrap_or(0.0) };
        for held in self.waiting.values().filter(|held| held.task != than) {
            let its = &self.registrations[&held.task];
            let urgency = if critical(held.task) { Some(f64::INFINITY) } else { self.urgency(held.task) };
            let more = urgency.is_some_and(|urgency| urgency > mine + 0.002);
            let held = self.gate_at(its, BEFORE_ANY_LOOK).is_some() || self.load_may_hold(its, BEFORE_ANY_LOOK);
            check(!more || held, || format!("{} is more urgent than {}", its.name, self.registrations[&than].name))?;
        }
        Ok(())
    }

    /// Which part of its time is used up, from three quarters on.
    fn urgency(&self, task: TaskId) -> Option<f64> {
        let its = &self.registrations[&task];
        let within = its.entry.command()?.fresh_within?;
        let part = (self.now.wall - its.fresh_since?).as_secs_f64() / within.as_secs_f64();
        (part >= 0.75).then_some(part)
    }
}

impl Bill {
    /// Somebody pays a part of it.
    pub(super) fn pays(&mut self, instance: InstanceId, used: Option<Used>) -> Verdict {
        let wall = self.walls.remove(&instance);
        check(wall == used.map(|used| used.wall), || format!("{instance} ran for {wall:?} and pays for {used:?}"))?;
        let Some(used) = used else { return Ok(()) };
        match (&mut self.usage, used.usage) {
            (None, None) => Ok(()),
            (Some(left), Some(paid)) => {
                let enough = left.cpu >= paid.cpu && left.io >= paid.io && left.memory_peak == paid.memory_peak;
                check(enough, || format!("{instance} is charged with {paid:?}, left to charge is {left:?}"))?;
                (left.cpu, left.io) = (left.cpu - paid.cpu, left.io - paid.io);
                Ok(())
            }
            (left, paid) => Err(format!("{instance} is charged with {paid:?}, to be charged is {left:?}")),
        }
    }

    /// Whatever could be seen is charged to somebody.
    pub(super) fn is_settled(&self, somebody_paid: bool) -> bool {
        let nothing = |usage: &Usage| usage.cpu.is_zero() && usage.io == 0;
        !somebody_paid || self.usage.as_ref().is_none_or(nothing)
    }
}

/// Twice as long after each further failure, up to some hours.
pub(super) fn pause(retry: Retry, failures: u32) -> Duration {
    let times = 2_f64.powi(i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX).min(60));
    let doubled = retry.backoff.as_secs_f64() * times;
    let most = limits::MAX_BACKOFF.max(retry.backoff);
    if doubled >= most.as_secs_f64() { most } else { Duration::from_secs_f64(doubled) }
}

/// What a command says beside its progress.
pub(super) type Words = Option<Arc<str>>;
