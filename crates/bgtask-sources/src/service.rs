//! A service that a listener lives with: through its coming, its going and its failures.
//!
//! Events need more than a nudge: some signals are the news themselves. So here signals are read, but only those of the
//! process that owns the service's name, and by a task of their own, so that a flood of them never holds up the answer
//! to a call on the same connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::select_all;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use zbus::{Connection, Message, MessageStream};

use crate::bus::{Bus, BusKind, CALL_RETRY, CallError, Link, Object};
use crate::event::EventTeller;
use crate::outbox::Happening;
use crate::report::Status;
use crate::world::World;

/// What was heard and is not dealt with yet. More is counted as lost.
pub(crate) const MAX_HEARD: usize = 1024;

/// How long after a service came or went it is looked for: one that restarts is met once.
const SERVICE_SETTLE: Duration = Duration::from_millis(100);

/// How long a service may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(25);

/// Signals that wait in the connection for one match rule.
const SIGNAL_QUEUE: NonZeroUsize = NonZeroUsize::new(64).unwrap();

const BUS: Object<'static> =
    Object { service: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" };

/// Who is followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) bus: BusKind,
    /// Its well-known name.
    pub(crate) name: &'static str,
    /// Whether it may be started, since it is of use to nobody else while nobody uses it.
    pub(crate) start: bool,
}

/// Follows a service. What it remembers outlives the service.
pub(crate) trait Follower: Send {
    const SERVICE: Service;

    /// Listens until the service fails. Says how well it hears as soon as it knows.
    fn follow(
        &mut self,
        visit: &Visit<'_>,
        teller: &EventTeller,
    ) -> impl Future<Output = Result<Infallible, CallError>> + Send;

    /// What to say while it cannot.
    fn missing(&self, error: &CallError) -> Status;

    /// How long after a failure it is tried again without the service having come or gone.
    fn retry(&self, _error: &CallError) -> Duration {
        CALL_RETRY
    }
}

/// Lets `follower` follow its service for ever.
pub(crate) async fn follow<F: Follower>(mut follower: F, world: &World, teller: EventTeller) -> Infallible {
    let coming_and_going = format!(
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
         interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{}'",
        F::SERVICE.name
    );
    // On the same connection the follower hears what the service says, which is no coming and going.
    let mut bus = Bus::open_where(F::SERVICE.bus, world, vec![coming_and_going], is_coming_or_going);
    loop {
        let link = bus.link().await;
        let failed = tokio::select! {
            Err(error) = visit(&mut follower, &link, &teller) => Some(error),
            () = bus.edge() => None,
        };
        if let Some(error) = failed {
            teller.status(follower.missing(&error));
            tokio::select! {
                () = bus.edge() => {}
                () = sleep(follower.retry(&error)), if error != CallError::NoService => {}
            }
        }
        sleep(SERVICE_SETTLE).await;
    }
}

fn is_coming_or_going(signal: &Message) -> bool {
    signal.header().member().is_some_and(|member| member == "NameOwnerChanged")
}

async fn visit<F: Follower>(follower: &mut F, link: &Link, teller: &EventTeller) -> Result<Infallible, CallError> {
    let connection = link.connection()?;
    let owner = match F::SERVICE.start {
        true => started(connection, F::SERVICE.name).await?,
        false => owner(connection, F::SERVICE.name).await?,
    };
    follower.follow(&Visit { connection, owner }, teller).await
}

/// The unique name of a service that is started if it does not run.
pub(crate) async fn started(connection: &Connection, name: &str) -> Result<String, CallError> {
    match owner(connection, name).await {
        Err(CallError::NoService) => {
            let _: u32 = BUS.call_within(START_TIMEOUT, connection, "StartServiceByName", &(name, 0_u32)).await?;
            owner(connection, name).await
        }
        owner => owner,
    }
}

async fn owner(connection: &Connection, name: &str) -> Result<String, CallError> {
    BUS.call(connection, "GetNameOwner", Some(name)).await
}

/// A service that is there.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) connection: &'a Connection,
    /// The unique name of the process that is the service now.
    pub(crate) owner: String,
}

impl Visit<'_> {
    /// One object of the service, as long as it is this process.
    pub(crate) fn object<'o>(&'o self, path: &'o str, interface: &'o str) -> Object<'o> {
        Object { service: &self.owner, path, interface }
    }

    /// Hears the signals of the service that match any of `rules` (without type and sender), each read by `read`, which
    /// passes over what is not of interest or makes no sense. No two rules may match the same signal.
    pub(crate) async fn signals<T: Happening + Send + 'static>(
        &self,
        rules: &[&str],
        read: impl Fn(&Message) -> Option<T> + Send + 'static,
    ) -> Result<Signals<T>, CallError> {
        let rules = rules.iter().map(|rule| format!("type='signal',sender='{}',{rule}", self.owner));
        Signals::subscribe(self.connection, rules, read).await
    }
}

/// A signal that says no more than that something may have changed.
impl Happening for () {
    fn repeats(&self, _before: &Self) -> bool {
        true
    }
}

/// Reads of a signal that it came, and nothing else.
pub(crate) fn nudge(_: &Message) -> Option<()> {
    Some(())
}

/// Signals, in their order where one rule matches them all. Dropping them stops hearing.
#[derive(Debug)]
pub(crate) struct Signals<T> {
    ear: Arc<Ear<T>>,
    listening: JoinHandle<()>,
}

/// What was heard.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Heard<T> {
    Signal(T),
    /// So many signals came faster than they were dealt with. They come after those that were kept.
    Lost(u64),
}

impl<T: Happening + Send + 'static> Signals<T> {
    /// Hears what matches any of whole match rules.
    pub(crate) async fn subscribe(
        connection: &Connection,
        rules: impl Iterator<Item = String>,
        read: impl Fn(&Message) -> Option<T> + Send + 'static,
    ) -> Result<Self, CallError> {
        let mut streams = Vec::new();
        for rule in rules {
            let stream = MessageStream::for_match_rule(rule.as_str(), connection, Some(SIGNAL_QUEUE)).await;
            streams.push(stream.map_err(|error| CallError::Failed(format!("the bus refused a match rule: {error}")))?);
        }
        let ear = Arc::new(Ear::default());
        let mut streams = select_all(streams);
        let listener = ear.clone();
        let listening = tokio::spawn(async move {
            while let Some(Ok(message)) = streams.next().await {
                if let Some(signal) = read(&message) {
                    listener.put(signal);
                }
                // A flood must not keep the rest of a single-threaded runtime waiting.
                tokio::task::yield_now().await;
            }
            listener.end();
        });
        Ok(Self { ear, listening })
    }

    /// The next one. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`CallError::NoService`] when the bus is gone.
    pub(crate) async fn next(&self) -> Result<Heard<T>, CallError> {
        loop {
            if let Some(heard) = self.ear.take()? {
                return Ok(heard);
            }
            self.ear.news.notified().await;
        }
    }

    /// What else was heard until now.
    pub(crate) fn waiting(&self) -> Vec<Heard<T>> {
        std::iter::from_fn(|| self.ear.take().ok().flatten()).collect()
    }

    /// Forgets what was heard until now.
    pub(crate) fn forget(&self) {
        let held = &mut *self.ear.lock();
        held.signals.clear();
        held.lost = 0;
    }
}

impl<T> Drop for Signals<T> {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[derive(Debug)]
struct Ear<T> {
    held: Mutex<Held<T>>,
    news: Notify,
}

#[derive(Debug)]
struct Held<T> {
    signals: VecDeque<T>,
    lost: u64,
    ended: bool,
}

impl<T> Default for Ear<T> {
    fn default() -> Self {
        Self { held: Mutex::new(Held { signals: VecDeque::new(), lost: 0, ended: false }), news: Notify::new() }
    }
}

impl<T: Happening> Ear<T> {
    fn put(&self, signal: T) {
        let held = &mut *self.lock();
        if held.signals.back().is_some_and(|last| signal.repeats(last)) {
            return;
        }
        match held.signals.len() < MAX_HEARD {
            true => held.signals.push_back(signal),
            false => held.lost += 1,
        }
        self.news.notify_one();
    }

    fn take(&self) -> Result<Option<Heard<T>>, CallError> {
        let held = &mut *self.lock();
        if let Some(signal) = held.signals.pop_front() {
            return Ok(Some(Heard::Signal(signal)));
        }
        match std::mem::take(&mut held.lost) {
            0 if held.ended => Err(CallError::NoService),
            0 => Ok(None),
            lost => Ok(Some(Heard::Lost(lost))),
        }
    }

    fn end(&self) {
        self.lock().ended = true;
        self.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Happening for usize {
        fn repeats(&self, before: &Self) -> bool {
            self == before
        }
    }

    #[test]
    fn what_says_nothing_new_is_kept_once() {
        let ear = Ear::default();
        for signal in [1, 1, 1, 2, 2, 1] {
            ear.put(signal);
        }
        let mut kept = Vec::new();
        while let Ok(Some(Heard::Signal(signal))) = ear.take() {
            kept.push(signal);
        }
        assert_eq!(kept, [1, 2, 1]);
    }

    #[test]
    fn what_is_too_much_is_counted_and_told_last() {
        let ear = Ear::default();
        for number in 0..MAX_HEARD + 7 {
            ear.put(number);
        }
        ear.end();
        for number in 0..MAX_HEARD {
            assert_eq!(ear.take(), Ok(Some(Heard::Signal(number))));
        }
        assert_eq!(ear.take(), Ok(Some(Heard::Lost(7))));
        assert_eq!(ear.take(), Err(CallError::NoService));
    }
}
