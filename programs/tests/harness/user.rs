use std::collections::HashMap;
use std::path::Path;

use bgtask_wire::{
    AppInfo, AttachOptions, BROKER_INTERFACE, BROKER_PATH, BrokerProxy, Error, ErrorKind, EventInfo, HistoryInfo,
    HistoryQuery, OutcomeInfo, RegisterOptions,
};
use futures_util::StreamExt as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use zbus::proxy::CacheProperties;
use zbus::{Message, MessageStream, OwnedVariant, Variant};

use super::{PATIENCE, eventually};

/// A client that speaks for the user, as the command-line tool does.
pub(crate) struct User {
    pub(crate) broker: BrokerProxy<'static>,
    heard: mpsc::UnboundedReceiver<Heard>,
    listening: JoinHandle<()>,
}

/// A signal of the broker.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    Progress {
        task: String,
        value: u32,
    },
    Completed {
        sequence: u64,
        task: String,
        name: String,
        instance: String,
        outcome: OutcomeInfo,
    },
    Event(EventInfo),
    /// Not a signal but the answer to the call with this serial number.
    Answer(u32),
}

/// What to register. The default is a zone change that runs `Tasks.Quick`.
#[derive(Clone, Copy)]
pub(crate) struct New<'a> {
    pub(crate) app: &'a str,
    pub(crate) name: &'a str,
    pub(crate) entry: &'a str,
    pub(crate) trigger: &'a str,
    pub(crate) one_shot: bool,
    pub(crate) conditions: &'a [&'a str],
    pub(crate) cancel_on_condition_loss: bool,
}

impl Default for New<'_> {
    fn default() -> Self {
        Self {
            app: super::SAMPLE,
            name: "task",
            entry: "Tasks.Quick",
            trigger: "TimeZoneChange",
            one_shot: false,
            conditions: &[],
            cancel_on_condition_loss: false,
        }
    }
}

impl User {
    pub(crate) async fn connect(socket: &Path) -> zbus::Result<Self> {
        let stream =
            UnixStream::connect(socket).await.map_err(zbus::Error::from)?.into_std().map_err(zbus::Error::from)?;
        let builder = zbus::connection::Builder::unix_stream(stream).p2p().method_timeout(PATIENCE);
        Self::open(builder).await
    }

    /// The same on a message bus, where the broker has a name.
    pub(crate) async fn on_bus(address: &str) -> Self {
        let builder = zbus::connection::Builder::address(address).method_timeout(PATIENCE);
        Self::open(builder).await.unwrap()
    }

    async fn open(builder: zbus::connection::Builder<'_>) -> zbus::Result<Self> {
        let connecting = timeout(PATIENCE, builder.build_message_stream());
        let messages = connecting.await.map_err(|_| zbus::Error::Handshake("too slow".into()))??;
        let connection = zbus::Connection::from(&messages);
        let broker = BrokerProxy::builder(&connection).cache_properties(CacheProperties::No).build().await?;
        let (sender, heard) = mpsc::unbounded_channel();
        let listening = tokio::spawn(listen(messages, sender));
        Ok(Self { broker, heard, listening })
    }

    pub(crate) async fn register(&self, new: New<'_>) -> Result<String, Error> {
        self.register_for(new, "SystemTrigger", &[("type", new.trigger)]).await
    }

    /// The same for a trigger of any class.
    pub(crate) async fn register_for(
        &self,
        new: New<'_>,
        class: &str,
        properties: &[(&str, &str)],
    ) -> Result<String, Error> {
        let text = |text: &str| OwnedVariant::try_from(Variant::from(text.to_owned())).unwrap();
        let mut trigger: HashMap<_, _> = properties.iter().map(|(name, value)| (*name, text(value))).collect();
        if new.one_shot || class == "SystemTrigger" {
            trigger.insert("one_shot", Variant::from(new.one_shot).try_into().unwrap());
        }
        let trigger = (class, trigger);
        let options = RegisterOptions {
            cancel_on_condition_loss: Some(new.cancel_on_condition_loss),
            ..RegisterOptions::default()
        };
        let registered = self.broker.register(new.app, new.name, new.entry, trigger, new.conditions, options);
        registered.await.map_err(Error::from)
    }

    /// The apps that are installed: the user's own commands, which every broker has, are none.
    pub(crate) async fn apps(&self) -> Vec<AppInfo> {
        let mut apps = self.broker.list_apps().await.unwrap();
        apps.retain(|app| !bgtask_core::App::BUILT_IN.contains(&app.id.as_str()));
        apps
    }

    /// Registers it with access, and waits until its sources have told where the world stands: from then on a change fires.
    pub(crate) async fn ready(&self, new: New<'_>) -> String {
        self.broker.request_access(new.app, "").await.unwrap();
        let task = self.register(new).await.unwrap();
        self.sources_know().await;
        task
    }

    /// Waits until every source that is watched has told its level.
    pub(crate) async fn sources_know(&self) {
        eventually("the sources report", async || {
            let sources = self.broker.list_sources().await.unwrap();
            sources.iter().all(|source| source.value.is_some()).then_some(())
        })
        .await;
    }

    /// Waits until a source reads a value that begins so: the zone's name, `true` or `false`.
    pub(crate) async fn reads(&self, source: &str, value: &str) {
        eventually(&format!("{source} reads {value}"), async || {
            let sources = self.broker.list_sources().await.unwrap();
            let found = sources.into_iter().find(|info| info.name == source)?;
            found.value.filter(|found| found.starts_with(value)).map(drop)
        })
        .await;
    }

    /// The lines of a task's history, oldest first.
    pub(crate) async fn history(&self, task: &str) -> Vec<HistoryInfo> {
        let query = HistoryQuery { task: Some(task.to_owned()), limit: Some(1_000), ..HistoryQuery::default() };
        self.broker.history(query).await.unwrap()
    }

    /// The words of a task's history: `registered fired started completed`.
    pub(crate) async fn words(&self, task: &str) -> String {
        self.history(task).await.into_iter().map(|line| line.event).collect::<Vec<_>>().join(" ")
    }

    /// Waits for the `count`th line with this word.
    pub(crate) async fn line(&self, task: &str, event: &str, count: usize) -> HistoryInfo {
        eventually(&format!("{event} number {count}"), async || {
            self.history(task).await.into_iter().filter(|line| line.event == event).nth(count - 1)
        })
        .await
    }

    /// Waits until a task is in a phase.
    pub(crate) async fn phase(&self, task: &str, phase: &str) {
        eventually(&format!("the phase {phase}"), async || {
            let info = self.broker.get_task(task).await.ok()?;
            (info.phase == phase).then_some(())
        })
        .await;
    }

    /// Waits until a running task has reported this progress.
    pub(crate) async fn progress(&self, task: &str, value: u32) {
        eventually(&format!("progress {value}"), async || {
            let info = self.broker.get_task(task).await.ok()?;
            info.progress.filter(|progress| *progress >= value).map(drop)
        })
        .await;
    }

    /// The next signal; `None` is the end of the connection. Cancel safe.
    pub(crate) async fn signal(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }

    /// The next signal, if one comes in time.
    pub(crate) async fn hear(&mut self) -> Option<Heard> {
        timeout(PATIENCE, self.heard.recv()).await.ok().flatten()
    }

    /// The next completion that is delivered.
    pub(crate) async fn completion(&mut self) -> (u64, String, OutcomeInfo) {
        let end = Instant::now() + PATIENCE;
        loop {
            match timeout_at(end, self.heard.recv()).await {
                Ok(Some(Heard::Completed { sequence, name, outcome, .. })) => return (sequence, name, outcome),
                Ok(Some(_)) => {}
                other => panic!("no completion comes: {other:?}"),
            }
        }
    }

    /// Everything heard so far: all that was sent before the answer to a call.
    pub(crate) async fn so_far(&mut self) -> Vec<Heard> {
        let connection = self.broker.inner().connection();
        let peer = Some("org.freedesktop.DBus.Peer");
        let reply = connection.call_method(None::<&str>, BROKER_PATH, peer, "Ping", &()).await.unwrap();
        let serial = reply.header().reply_serial().unwrap().get();
        let mut heard = Vec::new();
        loop {
            match self.hear().await {
                Some(Heard::Answer(answered)) if answered == serial => return heard,
                Some(Heard::Answer(_)) => {}
                Some(signal) => heard.push(signal),
                None => panic!("the connection ended"),
            }
        }
    }

    /// The completions that an app which attaches now is told of at once: those it has not acknowledged.
    pub(crate) async fn unread(&mut self, app: &str) -> Vec<String> {
        self.broker.attach(app, AttachOptions::default()).await.unwrap();
        let told = self.so_far().await.into_iter();
        told.filter_map(|heard| if let Heard::Completed { instance, .. } = heard { Some(instance) } else { None })
            .collect()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // It holds the connection.
        self.listening.abort();
    }
}

async fn listen(mut messages: MessageStream, heard: mpsc::UnboundedSender<Heard>) {
    while let Some(Ok(message)) = messages.next().await {
        if let Some(signal) = read(&message)
            && heard.send(signal).is_err()
        {
            return;
        }
    }
}

fn read(message: &Message) -> Option<Heard> {
    let header = message.header();
    if let Some(serial) = header.reply_serial() {
        return Some(Heard::Answer(serial.get()));
    }
    if header.message_type() != zbus::message::Type::Signal || header.interface()?.as_str() != BROKER_INTERFACE {
        return None;
    }
    let body = message.body();
    Some(match header.member()?.as_str() {
        "Progress" => {
            let (task, _instance, value): (String, String, u32) = body.deserialize().unwrap();
            Heard::Progress { task, value }
        }
        "Completed" => {
            let (sequence, task, name, instance, outcome) = body.deserialize().unwrap();
            Heard::Completed { sequence, task, name, instance, outcome }
        }
        "Event" => Heard::Event(body.deserialize().unwrap()),
        _ => return None,
    })
}

/// What kind of error the broker answered.
pub(crate) fn kind<T: std::fmt::Debug>(answer: Result<T, impl Into<Error>>) -> ErrorKind {
    answer.expect_err("the broker refuses").into().kind
}
