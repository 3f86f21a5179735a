//! What the user does with a command: run it now, pause it, cancel it; and what becomes of its failed tries.

use super::fire::Occurrence;
use super::{Core, Task};
use crate::activation::{Activation, ActivationEvent, ActivationState};
use crate::event::{Cause, EventKind};
use crate::host::HostKind;
use crate::ids::{HostId, InstanceId, TaskId};
use crate::limits::{MAX_PROGRESS_MESSAGE_BYTES, cut};
use crate::model::cancel::CancellationReason;
use crate::model::command::{LastRun, Usage, Used};
use crate::model::outcome::Outcome;
use crate::model::registration::Standing;
use crate::output::Reply;
use crate::refusal::Refusal;
use crate::time::WallTime;

impl Core {
    /// Runs it now: what waits for something else goes first, and what runs already is waited for.
    pub(super) fn run_now(&mut self, id: TaskId, respect_conditions: bool) -> Result<Reply, Refusal> {
        self.commanded(id)?;
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        let waits = self.tasks.get(id).is_some_and(|task| !task.waiting.is_empty());
        if !waits {
            self.accept(id, Occurrence { cause: Cause::Hand, by_hand: !respect_conditions, ..Occurrence::default() });
        }
        let first = self.tasks.first_waiting_mut(id).expect("it waits now");
        first.firing.by_hand |= !respect_conditions;
        first.not_before = None;
        let (instance, count) = (first.instance, first.firing.count);
        if waits {
            let trigger = self.tasks.get(id).expect("it waits").registration.trigger.clone();
            self.record(id, Some(instance), EventKind::Fired { trigger, count, cause: Cause::Hand });
        }
        self.arm(id);
        self.fresh_gate(id);
        Ok(Reply::Running(instance))
    }

    /// What is paused wakes nobody and watches no path; resumed, it goes on with what comes from then on.
    pub(super) fn set_paused(&mut self, id: TaskId, paused: bool) -> Result<Reply, Refusal> {
        self.commanded(id)?;
        if self.tasks.get(id).is_some_and(|task| task.registration.paused == paused) {
            return Ok(Reply::Set);
        }
        // What happens while it is off does not concern it, however late it comes to it.
        if paused {
            self.fire_owed(id);
        }
        let registration = &mut self.tasks.get_mut(id).expect("it is a command").registration;
        let fired = registration.fires();
        registration.paused = paused;
        if fired {
            self.unlisten(id);
        }
        if !paused {
            self.spare(id);
            self.skip_missed(id);
            self.listen(id);
        }
        self.arm(id);
        self.persist_registration(id);
        self.record(id, None, EventKind::Paused(paused));
        self.fresh_gate(id);
        Ok(Reply::Set)
    }

    /// Ends what runs of a command, and gives up what waits.
    pub(super) fn cancel_task(&mut self, id: TaskId) -> Result<Reply, Refusal> {
        self.commanded(id)?;
        let waiting = self.tasks.get(id).map_or(0, |task| task.waiting.len());
        self.drop_waiting(id);
        let told = self.running_of(id).into_iter().filter(|it| self.cancel(*it, CancellationReason::Abort)).count();
        self.tidy(id);
        Ok(Reply::Terminated(u32::try_from(waiting + told).unwrap_or(u32::MAX)))
    }

    pub(super) fn report_progress(
        &mut self,
        instance: InstanceId,
        value: u32,
        message: &str,
    ) -> Result<Reply, Refusal> {
        let is_command = |(task, _): &(&Task, &Activation)| task.registration.entry.command().is_some();
        let running = self.tasks.of_running(instance).filter(is_command);
        let host = running.and_then(|(_, activation)| activation.state.host());
        let host = host.ok_or(Refusal::NotRunning(instance))?;
        // It is shown to people on a line of their terminal.
        let shown: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // A command that speaks has begun, whatever its host says when.
        self.host_started(host, instance);
        if let Some(activation) = self.tasks.running_mut(instance) {
            activation.message = (!shown.is_empty()).then(|| cut(&shown, MAX_PROGRESS_MESSAGE_BYTES).into());
        }
        self.host_progress(host, instance, value);
        Ok(Reply::Noted)
    }

    fn commanded(&self, id: TaskId) -> Result<(), Refusal> {
        let listed = |task: &&Task| task.registration.standing != Standing::Unregistered;
        let task = self.tasks.get(id).filter(listed).ok_or(Refusal::UnknownTask(id))?;
        task.registration.entry.command().map(|_| ()).ok_or(Refusal::NotACommand(id))
    }

    /// When there is another try after this outcome, if there is one.
    pub(super) fn next_try(&self, id: TaskId, activation: &Activation, outcome: &Outcome) -> Option<WallTime> {
        let registration = &self.tasks.get(id)?.registration;
        let retry = registration.entry.command()?.retry;
        let failures = activation.failures.saturating_add(1);
        let wanted = registration.standing != Standing::Unregistered && is_worth_a_try(outcome);
        (wanted && failures <= retry.times).then(|| self.now.wall + retry.pause_after(failures))
    }

    /// An activation whose try has failed waits for the next, before all others of its task.
    pub(super) fn try_again(
        &mut self,
        id: TaskId,
        mut activation: Activation,
        outcome: Outcome,
        at: WallTime,
        used: Option<Used>,
    ) {
        activation.apply(ActivationEvent::Failed { since: self.now.wall });
        activation.failures = activation.failures.saturating_add(1);
        activation.attempt = activation.attempt.saturating_add(1);
        (activation.not_before, activation.message, activation.started) = (Some(at), None, None);
        let (instance, attempt) = (activation.instance, activation.attempt);
        self.tasks.wait_first(id, activation);
        self.arm(id);
        self.record(id, Some(instance), EventKind::Retrying { outcome, attempt, at, used });
        self.fresh_gate(id);
    }

    /// Keeps how the last run of a command ended, and how fresh its result is.
    pub(super) fn note_run(&mut self, id: TaskId, ok: bool) {
        let at = self.now.wall;
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.registration.entry.command().is_some()) else {
            return;
        };
        task.registration.last = Some(LastRun { at, ok });
        if ok {
            task.registration.fresh_since = Some(at);
            task.registration.overdue = false;
        }
        self.arm(id);
        self.persist_registration(id);
    }

    /// As [`charge`](Self::charge), for an instance whose host ended: one that was never heard of has used nothing.
    pub(super) fn charge_ended(&mut self, host: HostId, instance: InstanceId, usage: Option<Usage>) -> Option<Used> {
        let (_, activation) = self.tasks.of_running(instance)?;
        let begun = !matches!(activation.state, ActivationState::Starting { warm: true, .. });
        if begun { self.charge(host, instance, usage) } else { None }
    }

    /// What an instance came to cost, and charges its host with that: nothing is charged twice.
    pub(super) fn charge(&mut self, host: HostId, instance: InstanceId, usage: Option<Usage>) -> Option<Used> {
        let (task, activation) = self.tasks.of_running(instance)?;
        let id = task.registration.id;
        let wall = self.now.boot.since(activation.started?);
        let usage = usage.zip(self.hosts.get_mut(host)).map(|(total, host)| {
            let before = std::mem::replace(&mut host.charged, total);
            Usage {
                cpu: total.cpu.saturating_sub(before.cpu),
                io: total.io.saturating_sub(before.io),
                memory_peak: total.memory_peak,
                network: total.network.map(|network| network.saturating_sub(before.network.unwrap_or(0))),
                processes: None,
            }
        });
        let wakes = self.tasks.get_mut(id).map_or(0, |task| std::mem::take(&mut task.wakes));
        Some(Used { wall, usage, wakes })
    }

    /// Whether a host is a command's: their app has no other programs.
    pub(super) fn runs_command(&self, host: &crate::Host) -> bool {
        let launched = matches!(host.kind, HostKind::Launched(_));
        launched && self.apps.get(&host.app).is_some_and(|app| app.commands.is_some())
    }
}

/// Whether another try may come to something else. What the user ended stays ended.
const fn is_worth_a_try(outcome: &Outcome) -> bool {
    use CancellationReason as R;
    match outcome {
        Outcome::Succeeded | Outcome::Abandoned { .. } => false,
        Outcome::TaskFailed { .. } | Outcome::HostFailed { .. } | Outcome::CommandFailed { .. } => true,
        Outcome::Cancelled { reason, .. } | Outcome::Killed { reason, .. } => {
            !matches!(reason, R::Abort | R::Terminating | R::LoggingOff | R::ServicingUpdate | R::Uninstall)
        }
    }
}
