//! What the broker tells and who listens.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bgtask_wire::{BROKER_INTERFACE, OutcomeInfo};
use tokio::sync::Notify;
use zbus::Message;
use zbus::message::Type;

use crate::{
    BackgroundTaskCompletedEventArgs as Completed, BackgroundTaskProgressEventArgs as Progress, EnergyUsage, Error,
    InstanceId, TaskId,
};

/// Most completions a process holds that no handler has handled yet. The broker keeps the rest and delivers them at the next
/// attach.
pub const MAX_HELD_COMPLETIONS: usize = 1024;
/// Most progress events that wait for their handlers; of more, the oldest are dropped.
pub const MAX_QUEUED_PROGRESS_EVENTS: usize = 256;
/// How many handled completions are remembered, to tell one that is delivered again because its acknowledgement was lost.
const MAX_REMEMBERED: usize = 1024;
/// Of how many tasks without a listener the latest progress is remembered.
const MAX_UNHEARD_TASKS: usize = 1024;

type Handler<T> = Arc<dyn Fn(T) + Send + Sync>;

/// One event on its way to its handlers.
pub(super) enum Event {
    /// For all handlers of the task, or for one that has just been attached.
    Progress(TaskId, Progress, Option<u64>),
    Completed(u64, Completed),
    /// A completion that came again.
    HandledBefore(u64),
    Energy(EnergyUsage),
}

#[derive(Default)]
pub(crate) struct Events {
    state: Mutex<State>,
    filled: Notify,
    /// Held by the one dispatcher at work.
    pub(super) dispatching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Event>,
    tasks: HashMap<TaskId, Task>,
    any_completed: Vec<(u64, Handler<Completed>)>,
    energy: Vec<(u64, Handler<EnergyUsage>)>,
    /// Completions nobody listens for yet, in their order.
    kept: BTreeMap<(u64, InstanceId), Completed>,
    /// Completions that came, and whether they were handled. A sequence alone is none: a broker that lost its store begins anew.
    known: HashMap<(u64, InstanceId), bool>,
    /// The handled ones among them, oldest first.
    handled: VecDeque<(u64, InstanceId)>,
    next_handler: u64,
}

#[derive(Default)]
struct Task {
    progress: Vec<(u64, Handler<Progress>)>,
    completed: Vec<(u64, Handler<Completed>)>,
    latest: Option<Progress>,
}

/// An attached handler. Dropping this changes nothing; [`remove`](Self::remove) detaches the handler.
#[derive(Debug)]
pub struct EventRegistrationToken {
    events: Weak<Events>,
    handler: u64,
}

impl EventRegistrationToken {
    /// Detaches the handler. A call of it that has begun ends.
    pub fn remove(self) {
        if let Some(events) = self.events.upgrade() {
            events.lock().remove(self.handler);
        }
    }
}

impl Events {
    pub(crate) fn on_progress(
        self: &Arc<Self>,
        task: TaskId,
        handler: impl Fn(Progress) + Send + Sync + 'static,
    ) -> EventRegistrationToken {
        let mut state = self.lock();
        let id = state.new_handler();
        let listeners = state.tasks.entry(task).or_default();
        listeners.progress.push((id, Arc::new(handler)));
        if let Some(latest) = listeners.latest.clone() {
            state.queue_progress(Event::Progress(task, latest, Some(id)));
        }
        self.token(id)
    }

    pub(crate) fn on_completed(
        self: &Arc<Self>,
        task: TaskId,
        handler: impl Fn(Completed) + Send + Sync + 'static,
    ) -> EventRegistrationToken {
        let mut state = self.lock();
        let id = state.new_handler();
        state.tasks.entry(task).or_default().completed.push((id, Arc::new(handler)));
        state.hand_over_kept();
        self.token(id)
    }

    pub(crate) fn on_any_completed(
        self: &Arc<Self>,
        handler: impl Fn(Completed) + Send + Sync + 'static,
    ) -> EventRegistrationToken {
        let mut state = self.lock();
        let id = state.new_handler();
        state.any_completed.push((id, Arc::new(handler)));
        state.hand_over_kept();
        self.token(id)
    }

    pub(crate) fn on_energy(
        self: &Arc<Self>,
        handler: impl Fn(EnergyUsage) + Send + Sync + 'static,
    ) -> EventRegistrationToken {
        let mut state = self.lock();
        let id = state.new_handler();
        state.energy.push((id, Arc::new(handler)));
        self.token(id)
    }

    /// Takes in a message of the broker. What is not of the contract is logged and left out.
    pub(super) fn hear(&self, message: &Message) {
        let header = message.header();
        let ours = header.interface().is_some_and(|interface| interface.as_str() == BROKER_INTERFACE);
        if message.message_type() != Type::Signal || !ours {
            return;
        }
        let heard = match header.member().map(|member| member.as_str()) {
            Some("Progress") => {
                read_progress(message).map(|(task, progress)| self.lock().hear_progress(task, progress))
            }
            Some("Completed") => read_completed(message).map(|(sequence, it)| self.lock().hear_completed(sequence, it)),
            Some("EnergyUsageChanged") => read_energy(message).map(|usage| self.lock().hear_energy(usage)),
            _ => Ok(()),
        };
        match heard {
            Ok(()) => self.filled.notify_one(),
            Err(error) => tracing::warn!(%error, "a signal of the broker cannot be read"),
        }
    }

    /// The broker is away: what was the latest progress is no longer.
    pub(super) fn disconnected(&self) {
        let mut state = self.lock();
        state.tasks.values_mut().for_each(|task| task.latest = None);
        state.forget_unheard();
    }

    pub(super) async fn next(&self) -> Event {
        loop {
            if let Some(event) = self.lock().queue.pop_front() {
                return event;
            }
            self.filled.notified().await;
        }
    }

    pub(super) fn progress_handlers(&self, task: TaskId, only: Option<u64>) -> Vec<Handler<Progress>> {
        let state = self.lock();
        let handlers = state.tasks.get(&task).into_iter().flat_map(|task| &task.progress);
        handlers.filter(|(id, _)| only.is_none_or(|only| only == *id)).map(|(_, handler)| Arc::clone(handler)).collect()
    }

    pub(super) fn energy_handlers(&self) -> Vec<Handler<EnergyUsage>> {
        self.lock().energy.iter().map(|(_, handler)| Arc::clone(handler)).collect()
    }

    /// The handlers of the task, or else those for any.
    pub(super) fn completed_handlers(&self, task: TaskId) -> Vec<Handler<Completed>> {
        let state = self.lock();
        let own = state.tasks.get(&task).map(|task| &task.completed).filter(|own| !own.is_empty());
        own.unwrap_or(&state.any_completed).iter().map(|(_, handler)| Arc::clone(handler)).collect()
    }

    pub(super) fn keep(&self, sequence: u64, completed: Completed) {
        let key = (sequence, completed.instance_id());
        self.lock().kept.insert(key, completed);
    }

    pub(super) fn handled(&self, sequence: u64, instance: InstanceId) {
        let mut state = self.lock();
        state.known.insert((sequence, instance), true);
        state.handled.push_back((sequence, instance));
        if state.handled.len() > MAX_REMEMBERED
            && let Some(oldest) = state.handled.pop_front()
        {
            state.known.remove(&oldest);
        }
    }

    fn token(self: &Arc<Self>, handler: u64) -> EventRegistrationToken {
        self.filled.notify_one();
        EventRegistrationToken { events: Arc::downgrade(self), handler }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs while it is locked, and every state is valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hear_progress(&mut self, task: TaskId, progress: Progress) {
        if !self.tasks.contains_key(&task) && self.tasks.len() >= MAX_UNHEARD_TASKS {
            return;
        }
        let listeners = self.tasks.entry(task).or_default();
        listeners.latest = Some(progress.clone());
        if !listeners.progress.is_empty() {
            self.queue_progress(Event::Progress(task, progress, None));
        }
    }

    fn hear_completed(&mut self, sequence: u64, completed: Completed) {
        let task = completed.task_id();
        if let Some(task) = self.tasks.get_mut(&task) {
            task.latest = None;
        }
        self.forget_unheard();
        let key = (sequence, completed.instance_id());
        match self.known.get(&key) {
            Some(true) => self.queue.push_back(Event::HandledBefore(sequence)),
            Some(false) => {}
            None if self.known.len() - self.handled.len() >= MAX_HELD_COMPLETIONS => {
                tracing::warn!(
                    sequence,
                    "more than {MAX_HELD_COMPLETIONS} completions wait for a handler; one is left to the broker"
                );
            }
            None => {
                self.known.insert(key, false);
                match self.listens(task) {
                    true => self.queue.push_back(Event::Completed(sequence, completed)),
                    false => drop(self.kept.insert(key, completed)),
                }
            }
        }
    }

    /// One that still waits says what was before.
    fn hear_energy(&mut self, usage: EnergyUsage) {
        self.queue.retain(|event| !matches!(event, Event::Energy(_)));
        if !self.energy.is_empty() {
            self.queue.push_back(Event::Energy(usage));
        }
    }

    fn listens(&self, task: TaskId) -> bool {
        !self.any_completed.is_empty() || self.tasks.get(&task).is_some_and(|task| !task.completed.is_empty())
    }

    /// Queues what was kept and is listened for now.
    fn hand_over_kept(&mut self) {
        for (key, completed) in std::mem::take(&mut self.kept) {
            match self.listens(completed.task_id()) {
                true => self.queue.push_back(Event::Completed(key.0, completed)),
                false => drop(self.kept.insert(key, completed)),
            }
        }
    }

    fn queue_progress(&mut self, event: Event) {
        let is_progress = |event: &Event| matches!(event, Event::Progress(..));
        if self.queue.iter().filter(|event| is_progress(event)).count() >= MAX_QUEUED_PROGRESS_EVENTS
            && let Some(oldest) = self.queue.iter().position(is_progress)
        {
            self.queue.remove(oldest);
        }
        self.queue.push_back(event);
    }

    fn remove(&mut self, handler: u64) {
        for task in self.tasks.values_mut() {
            task.progress.retain(|(id, _)| *id != handler);
            task.completed.retain(|(id, _)| *id != handler);
        }
        self.any_completed.retain(|(id, _)| *id != handler);
        self.energy.retain(|(id, _)| *id != handler);
        self.forget_unheard();
    }

    fn forget_unheard(&mut self) {
        self.tasks.retain(|_, task| task.latest.is_some() || !task.progress.is_empty() || !task.completed.is_empty());
    }

    fn new_handler(&mut self) -> u64 {
        self.next_handler += 1;
        self.next_handler
    }
}

fn read_progress(message: &Message) -> Result<(TaskId, Progress), Error> {
    let body = message.body();
    let (task, instance, value): (&str, &str, u32) = body.deserialize().map_err(Error::protocol)?;
    Ok((TaskId::read(task)?, Progress::new(InstanceId::read(instance)?, value)))
}

fn read_energy(message: &Message) -> Result<EnergyUsage, Error> {
    EnergyUsage::read(message.body().deserialize().map_err(Error::protocol)?)
}

fn read_completed(message: &Message) -> Result<(u64, Completed), Error> {
    let body = message.body();
    let (sequence, task, name, instance, outcome): (u64, String, String, String, OutcomeInfo) =
        body.deserialize().map_err(Error::protocol)?;
    Ok((sequence, Completed::new(TaskId::read(&task)?, name, InstanceId::read(&instance)?, outcome)))
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use bgtask_wire::BROKER_PATH;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn more_completions_than_a_process_holds_are_left_to_the_broker() {
        let events = Arc::new(Events::default());
        let task = TaskId::new();
        for sequence in 0..MAX_HELD_COMPLETIONS as u64 + 5 {
            events.hear(&completed_signal(sequence, task, InstanceId::new(), true));
        }
        events.on_any_completed(|_| {});
        let mut handed_over = 0;
        while let Ok(event) = timeout(Duration::ZERO, events.next()).await {
            let Event::Completed(sequence, completed) = event else { panic!("a completion") };
            assert_eq!(sequence, handed_over, "in order");
            events.handled(sequence, completed.instance_id());
            handed_over += 1;
        }
        assert_eq!(handed_over, MAX_HELD_COMPLETIONS as u64);
        events.hear(&completed_signal(handed_over, task, InstanceId::new(), true));
        assert!(timeout(Duration::ZERO, events.next()).await.is_ok(), "there is room again");
    }

    #[tokio::test]
    async fn progress_that_nobody_takes_is_bounded_and_the_latest_stays() {
        let events = Arc::new(Events::default());
        let (task, instance) = (TaskId::new(), InstanceId::new());
        events.on_progress(task, |_| {});
        for value in 0..2 * MAX_QUEUED_PROGRESS_EVENTS as u32 {
            events.hear(&progress_signal(task, instance, value));
        }
        let mut values = Vec::new();
        while let Ok(Event::Progress(_, progress, _)) = timeout(Duration::ZERO, events.next()).await {
            values.push(progress.progress());
        }
        assert_eq!(values.len(), MAX_QUEUED_PROGRESS_EVENTS);
        assert!(values.is_sorted());
        assert_eq!(values.last(), Some(&(2 * MAX_QUEUED_PROGRESS_EVENTS as u32 - 1)));
    }

    /// POL-8: who is slow hears the latest, and who has not listened yet hears nothing.
    #[tokio::test]
    async fn of_energy_only_the_latest_waits() {
        let events = Arc::new(Events::default());
        let signal = |percent: u32, level: u32| {
            let body = (percent, level, 1_i64);
            Message::signal(BROKER_PATH, BROKER_INTERFACE, "EnergyUsageChanged").build(&body).unwrap()
        };
        events.hear(&signal(80, 80));
        let token = events.on_energy(|_| {});
        assert!(timeout(Duration::ZERO, events.next()).await.is_err());
        for (percent, level) in [(101, 100), (160, 150), (0, 0), (7, 6)] {
            events.hear(&signal(percent, level));
        }
        let Ok(Event::Energy(usage)) = timeout(Duration::ZERO, events.next()).await else { panic!("one waits") };
        assert_eq!((usage.percent(), usage.level()), (0, crate::EnergyUsageLevel::Low), "6 is no level");
        assert!(timeout(Duration::ZERO, events.next()).await.is_err());
        assert_eq!(events.energy_handlers().len(), 1);
        token.remove();
        assert_eq!(events.energy_handlers().len(), 0);
    }

    #[tokio::test]
    async fn signals_that_cannot_be_read_are_left_out() {
        let events = Arc::new(Events::default());
        events.on_any_completed(|_| {});
        for (member, body) in [("Completed", "x"), ("Progress", ""), ("Later", "y")] {
            events.hear(&Message::signal(BROKER_PATH, BROKER_INTERFACE, member).build(&body).unwrap());
        }
        let body = ("no uuid", "no uuid", 1_u32);
        events.hear(&Message::signal(BROKER_PATH, BROKER_INTERFACE, "Progress").build(&body).unwrap());
        assert!(timeout(Duration::ZERO, events.next()).await.is_err());
    }

    #[tokio::test]
    async fn only_the_latest_completions_are_remembered() {
        let events = Arc::new(Events::default());
        events.on_any_completed(|_| {});
        let (task, instance) = (TaskId::new(), InstanceId::new());
        for sequence in 0..=MAX_REMEMBERED as u64 {
            events.hear(&completed_signal(sequence, task, instance, true));
            assert!(matches!(events.next().await, Event::Completed(..)));
            events.handled(sequence, instance);
        }
        events.hear(&completed_signal(1, task, instance, true));
        assert!(matches!(events.next().await, Event::HandledBefore(1)));
        events.hear(&completed_signal(0, task, instance, true));
        assert!(matches!(events.next().await, Event::Completed(0, _)), "at least once");
    }

    #[tokio::test]
    async fn progress_of_tasks_without_a_listener_is_remembered_up_to_a_bound() {
        let events = Arc::new(Events::default());
        let tasks: Vec<_> = (0..=MAX_UNHEARD_TASKS).map(|_| TaskId::new()).collect();
        for task in &tasks {
            events.hear(&progress_signal(*task, InstanceId::new(), 7));
        }
        events.on_progress(tasks[0], |_| {});
        assert!(matches!(events.next().await, Event::Progress(task, ..) if task == tasks[0]));
        events.on_progress(tasks[MAX_UNHEARD_TASKS], |_| {});
        assert!(timeout(Duration::ZERO, events.next()).await.is_err());
    }

    pub(in crate::session) fn progress_signal(task: TaskId, instance: InstanceId, value: u32) -> Message {
        let body = (task.to_string(), instance.to_string(), value);
        Message::signal(BROKER_PATH, BROKER_INTERFACE, "Progress").build(&body).unwrap()
    }

    pub(in crate::session) fn completed_signal(sequence: u64, task: TaskId, instance: InstanceId, ok: bool) -> Message {
        let outcome = OutcomeInfo {
            outcome: if ok { "succeeded" } else { "failed" }.into(),
            ok,
            message: "the task failed: words".into(),
            reason: None,
            progress: Some(100),
            output_tail: None,
            at: 1,
        };
        let body = (sequence, task.to_string(), "Name", instance.to_string(), outcome);
        Message::signal(BROKER_PATH, BROKER_INTERFACE, "Completed").build(&body).unwrap()
    }
}
