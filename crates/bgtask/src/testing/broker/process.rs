//! The processes that tasks run in, played by the very code of [`host`](crate::host), over a channel in memory.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use bgtask_core::{CancelNotice, HostExit, HostId, Input, InstanceId, RunOrder, ThrottleCounts, Usage};
use bgtask_wire::HostSignal;
use futures_util::stream::poll_fn;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use zbus::Message;
use zbus::message::Type;

use bgtask_convert::{cancel_call, run_call, task_failure, throttled_call};

use crate::host::{CANCEL_GRACE, Channel, Entries, Entry, serve};
use crate::network::{TAKER, Taker};

/// How a killed process ends.
const SIGKILL: i32 = 9;

/// The processes of one life of the broker, and what they say.
pub(super) struct Processes {
    alive: BTreeMap<HostId, Process>,
    words: mpsc::UnboundedReceiver<Word>,
    ear: mpsc::UnboundedSender<Word>,
}

struct Process {
    calls: mpsc::UnboundedSender<Message>,
    serving: AbortHandle,
    /// The orders to run that it has not answered, by their serials.
    unanswered: BTreeMap<u32, InstanceId>,
    /// What its tasks are held by while it is suspended, and how often they were woken.
    freezer: Arc<Freezer>,
    /// What the test says that it has used.
    used: Usage,
}

/// What a process says, or how it ended.
pub(super) enum Said {
    Message(Message),
    Ended { in_time: bool },
}

/// A word to the broker.
pub(super) enum Word {
    /// Of a process.
    Of(HostId, Said),
    /// The caller that this activation serves has let go.
    CallerGone(InstanceId),
}

/// A process's way to the broker.
struct Mouth(HostId, mpsc::UnboundedSender<Word>);

impl Channel for Mouth {
    async fn send(&mut self, message: &Message) -> zbus::Result<()> {
        let gone = |_| zbus::Error::Failure("the broker is gone".into());
        self.1.send(Word::Of(self.0, Said::Message(message.clone()))).map_err(gone)
    }
}

impl Processes {
    pub(super) fn new() -> Self {
        let (ear, words) = mpsc::unbounded_channel();
        Self { alive: BTreeMap::new(), words, ear }
    }

    /// The next word of any process; there is always more to wait for.
    pub(super) async fn word(&mut self) -> Option<Word> {
        self.words.recv().await
    }

    /// A word that is there already.
    pub(super) fn word_now(&mut self) -> Option<Word> {
        self.words.try_recv().ok()
    }

    pub(super) fn launch(&mut self, host: HostId, entries: &Entries, data_dir: PathBuf, taker: Taker) {
        let (calls, mut called) = mpsc::unbounded_channel();
        let freezer = Arc::default();
        let entries = frozen(&handing_over(entries, taker), &freezer);
        let (mouth, ear) = (Mouth(host, self.ear.clone()), self.ear.clone());
        let serving = tokio::spawn(async move {
            let messages = poll_fn(move |context| called.poll_recv(context));
            let in_time = serve(entries, Some(data_dir), messages, mouth, CANCEL_GRACE).await;
            let _ = ear.send(Word::Of(host, Said::Ended { in_time }));
        });
        let used = Usage { network: Some(0), ..Usage::default() };
        let process = Process { calls, serving: serving.abort_handle(), unanswered: BTreeMap::new(), freezer, used };
        self.alive.insert(host, process);
    }

    pub(super) fn run(&mut self, host: HostId, order: &RunOrder, socket: Option<OwnedFd>) {
        let call = run_call(order, socket).expect("what the core keeps was written by this broker");
        if let Some(process) = self.alive.get_mut(&host) {
            process.unanswered.insert(call.primary_header().serial_num().get(), order.instance);
            let _ = process.calls.send(call);
        }
    }

    /// Says when the other end of a caller's lifeline is closed; nothing is ever written to it.
    pub(super) fn tell_when_gone(&self, instance: InstanceId, lifeline: UnixStream) -> io::Result<AbortHandle> {
        lifeline.set_nonblocking(true)?;
        let (lifeline, ear) = (tokio::net::UnixStream::from_std(lifeline)?, self.ear.clone());
        let looking = tokio::spawn(async move {
            let _closed = lifeline.readable().await;
            let _ended = ear.send(Word::CallerGone(instance));
        });
        Ok(looking.abort_handle())
    }

    pub(super) fn cancel(&self, host: HostId, instance: InstanceId, notice: &CancelNotice) {
        if let Some(process) = self.alive.get(&host) {
            let _ = process.calls.send(cancel_call(instance, notice).expect("a notice can be written"));
        }
    }

    /// CA-9: a task that was woken has done something; what it did then cannot be measured here.
    pub(super) fn usage(&self, host: HostId) -> Input {
        let usage = self.alive.get(&host).map(|process| {
            let woken = process.freezer.woken.load(Ordering::Relaxed);
            Usage { io: process.used.io + woken, ..process.used }
        });
        Input::HostUsage { host, usage: usage.unwrap_or_default() }
    }

    /// It has used so much more.
    pub(super) fn charge(&mut self, host: HostId, more: Usage) {
        if let Some(Process { used, .. }) = self.alive.get_mut(&host) {
            used.cpu += more.cpu;
            used.io += more.io;
            used.network = used.network.zip(more.network).map_or(used.network, |(used, more)| Some(used + more));
        }
    }

    pub(super) fn freeze(&self, host: HostId) {
        if let Some(process) = self.alive.get(&host) {
            process.freezer.freeze();
        }
    }

    pub(super) fn thaw(&self, host: HostId) {
        if let Some(process) = self.alive.get(&host) {
            process.freezer.thaw();
        }
    }

    pub(super) fn throttled(&self, host: HostId, instance: InstanceId, counts: ThrottleCounts) {
        if let Some(process) = self.alive.get(&host) {
            let _ = process.calls.send(throttled_call(instance, counts).expect("a notice can be written"));
        }
    }

    /// Nothing more is asked of it: it ends by itself.
    pub(super) fn retire(&mut self, host: HostId) {
        if let Some(process) = self.alive.get_mut(&host) {
            process.calls = mpsc::unbounded_channel().0;
        }
    }

    pub(super) fn kill(&mut self, host: HostId) -> Option<Input> {
        self.alive.remove(&host)?.serving.abort();
        Some(exited(host, HostExit::Signal(SIGKILL)))
    }

    /// The broker is gone (D7): every process notices, and nobody hears what it still says. What ends each of them.
    pub(super) fn orphan(&mut self) -> Vec<AbortHandle> {
        std::mem::replace(self, Self::new()).alive.into_values().map(|process| process.serving).collect()
    }

    /// What a word means to the core.
    pub(super) fn hear(&mut self, word: Word) -> Option<Input> {
        let (host, said) = match word {
            Word::Of(host, said) => (host, said),
            Word::CallerGone(instance) => return Some(Input::CallerGone(instance)),
        };
        let message = match said {
            Said::Message(message) => message,
            Said::Ended { in_time } => {
                self.alive.remove(&host)?;
                return Some(exited(host, HostExit::Code(i32::from(!in_time))));
            }
        };
        if message.message_type() == Type::Signal {
            return Some(match HostSignal::read(&message)? {
                HostSignal::Started(instance) => Input::HostStarted(host, instance.parse().ok()?),
                HostSignal::Progress(instance, value) => Input::HostProgress(host, instance.parse().ok()?, value),
                HostSignal::Took(instance) => Input::SocketTaken(host, instance.parse().ok()?),
            });
        }
        let answered = message.header().reply_serial()?.get();
        let instance = self.alive.get_mut(&host)?.unanswered.remove(&answered)?;
        let result = task_failure(&message).map_or(Ok(()), Err);
        Some(Input::HostFinished { host, instance, result, usage: None })
    }
}

fn exited(host: HostId, exit: HostExit) -> Input {
    Input::HostExited { host, exit, output_tail: String::new(), usage: None }
}

/// Holds the tasks of a process while it is suspended: nobody turns them, and who is woken meanwhile turns when it goes on.
#[derive(Default)]
struct Freezer {
    woken: AtomicU64,
    /// Who was woken while it is suspended; `None` while it is not.
    held: Mutex<Option<Vec<Waker>>>,
}

impl Freezer {
    fn freeze(&self) {
        self.held().get_or_insert_default();
    }

    fn thaw(&self) {
        self.held().take().into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether a task may turn now; it is woken when it may.
    fn lets(&self, waker: &Waker) -> bool {
        match self.held().as_mut() {
            Some(held) => held.push(waker.clone()),
            None => return true,
        }
        false
    }

    fn held(&self) -> MutexGuard<'_, Option<Vec<Waker>>> {
        // No code of others runs while it is locked.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same entries, whose sockets go to the broker in the test.
fn handing_over(entries: &Entries, taker: Taker) -> Entries {
    entries.wrapped(move |entry| -> Entry {
        let (entry, taker) = (Arc::clone(entry), taker.clone());
        Arc::new(move |instance| Box::pin(TAKER.scope(taker.clone(), entry(instance))))
    })
}

/// The same entries, which the freezer can hold, and which tell it when they are woken.
fn frozen(entries: &Entries, freezer: &Arc<Freezer>) -> Entries {
    entries.wrapped(|entry| -> Entry {
        let (entry, freezer) = (Arc::clone(entry), Arc::clone(freezer));
        Arc::new(move |instance| {
            let (mut run, freezer) = (entry(instance), Arc::clone(&freezer));
            Box::pin(std::future::poll_fn(move |context| {
                if !freezer.lets(context.waker()) {
                    return Poll::Pending;
                }
                freezer.woken.fetch_add(1, Ordering::Relaxed);
                run.as_mut().poll(context)
            }))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bgtask_core::{Details, Entry, EventClass, Firing, TaskId, Trigger, WallTime, limits};
    use bgtask_wire::{MAX_MESSAGE_BYTES, MAX_ORDER_BYTES};

    use super::*;

    /// What takes most room on D-Bus as against JSON is a list of small numbers.
    #[test]
    fn a_host_takes_the_longest_order_that_there_can_be() {
        let numbers = "1,".repeat((limits::MAX_DETAILS_BYTES - 40) / 2);
        let event = format!("{{\"at\":1,\"member\":\"a\",\"arguments\":[{numbers}1]}}\n");
        assert!((limits::MAX_DETAILS_BYTES - 10..=limits::MAX_DETAILS_BYTES).contains(&event.len()), "{}", event.len());
        let trigger = Trigger::Event { class: EventClass::DBusSignal, properties: Default::default(), one_shot: false };
        let details = Some(Details(event.into_bytes().into()));
        let order = RunOrder {
            instance: InstanceId::from_random(1),
            task: TaskId::from_random(2),
            name: "x".repeat(limits::MAX_NAME_BYTES).into(),
            entry: Entry::Component("x".repeat(limits::MAX_ENTRY_POINT_BYTES).into()),
            group: Some("x".repeat(limits::MAX_GROUP_BYTES).into()),
            trigger,
            firing: Firing { at: WallTime::from_micros(7), count: 1, details, lost: 0, by_hand: false, socket: None },
            attempt: 1,
            budget: Duration::from_secs(25),
            throttled: bgtask_core::ThrottleCounts::default(),
            brokered: None,
        };
        let bytes = run_call(&order, None).expect("it can be written").data().len();
        assert!((MAX_MESSAGE_BYTES..=MAX_ORDER_BYTES).contains(&bytes), "{bytes}");
    }
}
