//! The process's one session with the broker, as the statics of Windows imply it: made at first use, kept across restarts
//! of the broker, made anew if the runtime it lived in is gone.

mod activate;
mod channels;
mod dispatch;
mod events;
mod link;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bgtask_wire::{Address, AttachInfo, BrokerProxy, host_names};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Error;
use crate::host::{Activated, Entry, Host};
use channels::Channels;
pub(crate) use channels::Enabled;
pub(crate) use events::Events;
pub use events::{EventRegistrationToken, MAX_HELD_COMPLETIONS, MAX_QUEUED_PROGRESS_EVENTS};
use link::{App, Link, Target, Up};

/// How long a call waits for a broker that is not there, because it restarts for example, before it fails.
pub const BROKER_WAIT: Duration = Duration::from_secs(3);

/// How long a call waits for the answer of a broker that is there.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Chooses the app that this process acts for, in place of the one the broker recognizes it as.
///
/// A program whose executable an installed manifest names needs no such call: the broker knows it. Others, such as
/// interpreters, tests and tools, call this before anything else, or are started with the app id in the environment variable
/// `BGTASK_APP_ID`. The broker does not let one app act for another.
///
/// What was made before the call goes on to act for the app it was made for.
///
/// ```
/// bgtask::act_for("org.example.Photos");
/// ```
pub fn act_for(app_id: impl Into<String>) {
    *current() = Some(Session::new(app_id.into(), None));
}

pub(crate) type Broker = BrokerProxy<'static>;

pub(crate) struct Session {
    target: Target,
    events: Arc<Events>,
    activated: Arc<Activated>,
    /// Whether the broker may activate the app in this process.
    activates: watch::Sender<bool>,
    /// Held by whoever serves such activations.
    activating: Arc<tokio::sync::Mutex<()>>,
    channels: Arc<Channels>,
    running: Mutex<Option<Running>>,
}

/// The link at work.
struct Running {
    task: JoinHandle<()>,
    state: watch::Receiver<Link>,
    wanted: Arc<Notify>,
}

impl Session {
    /// The session of this process.
    pub(crate) fn current() -> Arc<Self> {
        let from_environment = || std::env::var(host_names::APP_VARIABLE).unwrap_or_default();
        Arc::clone(current().get_or_insert_with(|| Self::new(from_environment(), None)))
    }

    /// A session for an app; without an address, with the broker the environment names at each connect.
    pub(crate) fn new(app: String, address: Option<Address>) -> Arc<Self> {
        let target = Target { app: app.into(), address };
        Arc::new(Self {
            target,
            events: Arc::default(),
            activated: Arc::default(),
            activates: watch::Sender::new(false),
            activating: Arc::default(),
            channels: Arc::default(),
            running: Mutex::new(None),
        })
    }

    /// The app id for calls; empty where the broker is to recognize the process.
    fn app(&self) -> Arc<str> {
        Arc::clone(&self.target.app)
    }

    /// Where handlers are attached. Makes the link if there is none, so that they are called.
    pub(crate) fn events(&self) -> &Arc<Events> {
        // Without a runtime there is no link either, until the next call makes one.
        let _ = self.link();
        &self.events
    }

    /// What the app itself runs.
    pub(crate) fn activated(&self) -> &Arc<Activated> {
        &self.activated
    }

    /// Sets what the app itself runs, for the tasks of a group or for those without, and has the broker know it.
    pub(crate) fn on_activated(&self, group: Option<&str>, handler: Entry) {
        self.activated.set(group, handler);
        // A program that the broker started is activated over the channel it left, not over this connection.
        if !Host::is_host() {
            self.activates.send_replace(true);
            // Without a runtime there is no link either, until the next call makes one.
            let _ = self.link();
        }
    }

    /// Whether the broker may activate the app in this process.
    pub(crate) fn activates(&self) -> bool {
        *self.activates.borrow()
    }

    /// What the broker said when the session was attached.
    pub(crate) async fn info(&self) -> Result<AttachInfo, Error> {
        Ok(self.up(Instant::now() + BROKER_WAIT).await?.1.info)
    }

    /// Calls something, with the app id for it, that may be repeated if the connection ends before the answer.
    pub(crate) async fn ask<T, F>(&self, name: &str, call: impl Fn(Broker, Arc<str>) -> F) -> Result<T, Error>
    where
        F: Future<Output = zbus::Result<T>>,
    {
        let deadline = Instant::now() + BROKER_WAIT;
        loop {
            let (mut link, up) = self.up(deadline).await?;
            match answer(name, &mut link, Some(CALL_TIMEOUT), call(up.broker, self.app())).await {
                Err(error) if error.is_connection_lost() && Instant::now() < deadline => {}
                Err(error) if error.is_connection_lost() => return Err(self.target.absent("it hangs up")),
                answer => return answer,
            }
        }
    }

    /// Calls something that must not be done twice.
    pub(crate) async fn order<T, F>(&self, name: &str, call: impl FnOnce(Broker, Arc<str>) -> F) -> Result<T, Error>
    where
        F: Future<Output = zbus::Result<T>>,
    {
        let (mut link, up) = self.up(Instant::now() + BROKER_WAIT).await?;
        answer(name, &mut link, Some(CALL_TIMEOUT), call(up.broker, self.app())).await
    }

    /// Calls something that must not be done twice, and whose answer may need a person: it is waited for as long as it takes.
    pub(crate) async fn consult<T, F>(&self, name: &str, call: impl FnOnce(Broker, Arc<str>) -> F) -> Result<T, Error>
    where
        F: Future<Output = zbus::Result<T>>,
    {
        let (mut link, up) = self.up(Instant::now() + BROKER_WAIT).await?;
        answer(name, &mut link, None, call(up.broker, self.app())).await
    }

    /// Waits for an attached link.
    async fn up(&self, deadline: Instant) -> Result<(watch::Receiver<Link>, Up), Error> {
        let mut link = self.link()?;
        loop {
            let state = link.borrow_and_update().clone();
            let problem = match state {
                Link::Up(up) => return Ok((link, up)),
                Link::Refused(error) => return Err(error),
                Link::Away(problem) => problem,
            };
            match timeout_at(deadline, link.changed()).await {
                Ok(Ok(())) => {}
                // The runtime it lived in went away meanwhile.
                Ok(Err(_)) => link = self.link()?,
                Err(_) => return Err(problem.unwrap_or_else(|| self.target.absent("it does not answer"))),
            }
        }
    }

    /// The link, made anew if its runtime is gone or it was refused before; told that it is wanted now.
    fn link(&self) -> Result<watch::Receiver<Link>, Error> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_ref().filter(|running| !running.task.is_finished()) {
            running.wanted.notify_one();
            return Ok(running.state.clone());
        }
        let Ok(runtime) = Handle::try_current() else {
            return Err(Error::invalid(
                "bgtask is used outside a tokio runtime; call it within one, with I/O and time enabled",
            ));
        };
        let (state, receiver) = watch::channel(Link::Away(None));
        let wanted = Arc::new(Notify::new());
        let app = App {
            target: self.target.clone(),
            events: Arc::clone(&self.events),
            activated: Arc::clone(&self.activated),
            activates: self.activates.subscribe(),
            activating: Arc::clone(&self.activating),
            channels: Arc::clone(&self.channels),
        };
        let task = link::run(app, state, Arc::clone(&wanted));
        *running = Some(Running { task: runtime.spawn(task), state: receiver.clone(), wanted });
        Ok(receiver)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.target.app).finish()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running {
            running.task.abort();
        }
    }
}

fn current() -> MutexGuard<'static, Option<Arc<Session>>> {
    static CURRENT: Mutex<Option<Arc<Session>>> = Mutex::new(None);
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn within<T>(at_most: Option<Duration>, answer: impl Future<Output = T>) -> Result<T, Elapsed> {
    match at_most {
        Some(at_most) => timeout(at_most, answer).await,
        None => Ok(answer.await),
    }
}

/// Waits for the answer to a call, or for the end of the link it was sent on.
async fn answer<T>(
    name: &str,
    link: &mut watch::Receiver<Link>,
    at_most: Option<Duration>,
    call: impl Future<Output = zbus::Result<T>>,
) -> Result<T, Error> {
    let answer = tokio::select! {
        // First, for an answer that came just before the end.
        biased;
        answer = within(at_most, call) => answer,
        _ = link.wait_for(|link| !matches!(link, Link::Up(_))) => return Err(Error::connection_lost(name)),
    };
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(zbus::Error::InputOutput(_))) => {
            // The link notices it too; waiting for that keeps a repeated call from spinning on the dead connection.
            let _ = timeout(BROKER_WAIT, link.wait_for(|link| !matches!(link, Link::Up(_)))).await;
            Err(Error::connection_lost(name))
        }
        Ok(Err(error)) => Err(bgtask_wire::Error::from(error).into()),
        Err(_) => Err(Error::no_answer(name, CALL_TIMEOUT)),
    }
}
