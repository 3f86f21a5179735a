//! Host processes: how the core's orders reach them, and how their words and their end come back.

mod adopted;
mod calls;
mod command;
mod share;

use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bgtask_core::{AppId, ClientId, HostExit, HostId, InstanceId, Limits};
use bgtask_host::{Exit, Host, HostSpec, Launch, NetworkMeter, Spawner, Start, Tail};
use bgtask_wire::PeerSocket;
use futures_util::StreamExt as _;
use futures_util::future::{Either, join_all, select};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zbus::{Connection, Guid, Message, MessageStream};

use crate::inbox::Incoming;
use crate::ready::{self, Ready};
use adopted::Adopted;
pub(crate) use adopted::AppProcess;
use calls::Calls;
pub(crate) use command::{Given, environment_of_commands, log_name};

/// How many messages may wait for a host that does not read; one more and it is killed.
const MAX_OUTBOX: usize = 64;

/// How long the last words of a dead host are waited for; its pipe and its channel end with its last process.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The hosts there are.
pub(crate) struct Hosts {
    // Before the spawner, so that its hosts are gone when it clears their place away.
    running: HashMap<HostId, Entry>,
    adopted: Adopted,
    starting: command::Starting,
    meter: NetworkMeter,
    spawner: Spawner,
    inbox: mpsc::Sender<Incoming>,
    guid: Guid<'static>,
}

struct Entry {
    host: Host,
    /// The most memory it was seen to have.
    peak: u64,
    exit: Option<HostExit>,
    tail: Arc<Mutex<Tail>>,
    listener: Option<JoinHandle<()>>,
    kind: Kind,
}

/// What a process is to the broker.
enum Kind {
    /// A program that speaks with it.
    Program(Box<Program>),
    /// A command, which only runs.
    Command(command::Files),
}

struct Program {
    app: AppId,
    start: Start,
    outbox: Option<mpsc::Sender<Message>>,
    conversation: Option<JoinHandle<()>>,
    path: PathBuf,
    /// What the program was when it started.
    stamp: Option<Stamp>,
    calls: Calls,
    /// Whether it was ever told to run something: one that was not has never lingered.
    used: bool,
    /// Whether it is going to be looked at for how many processes it is.
    watched: bool,
}

/// What tells one build of a program from the next.
type Stamp = (u64, u64, i64, i64);

impl Hosts {
    pub(crate) fn new(spawner: Spawner, inbox: mpsc::Sender<Incoming>) -> Self {
        Self {
            spawner,
            inbox,
            guid: Guid::generate(),
            running: HashMap::new(),
            adopted: Adopted::default(),
            starting: command::Starting::default(),
            meter: NetworkMeter::default(),
        }
    }

    /// Starts a host. What went wrong comes back like any other end of a host.
    pub(crate) fn launch(&mut self, id: HostId, app: &AppId, spec: &HostSpec, limits: Limits) -> Result<(), String> {
        let launch = self.spawner.launch(spec, &[], share::bounds(limits)).map_err(|error| chain(&error))?;
        let entry =
            self.attend(id, app, launch, spec).map_err(|error| format!("its channel cannot be watched: {error}"))?;
        self.running.insert(id, entry);
        Ok(())
    }

    /// Replaces the waiting launcher that was used; to be called when nobody waits.
    pub(crate) fn refill(&mut self) {
        if let Err(error) = self.spawner.refill() {
            tracing::warn!("no launcher could be kept waiting, the next task starts slower: {}", chain(&error));
        }
    }

    /// Sends a message; a host that does not read its messages is killed.
    pub(crate) fn send(&mut self, id: HostId, message: Message) {
        // Who has ended hears nothing more, but what he said before is still being heard.
        let Some(entry) = self.running.get(&id).filter(|entry| entry.exit.is_none()) else { return };
        let outbox = entry.program().and_then(|program| program.outbox.as_ref());
        let full = outbox.is_some_and(|outbox| outbox.try_send(message).is_err());
        if full {
            self.kill(id);
        }
    }

    /// Notes the order to run an instance, whose reply is its completion. Answers whether it may go out: a lingering host
    /// whose program was replaced since it started is killed instead, and the core starts a new one.
    pub(crate) fn begin(&mut self, id: HostId, instance: InstanceId, call: &Message) -> bool {
        if let Some(app) = self.adopted.get_mut(id) {
            app.calls.sent(call, instance);
            return true;
        }
        let Some(program) = self.running.get_mut(&id).and_then(Entry::program_mut) else { return false };
        let lingers = std::mem::replace(&mut program.used, true) && program.calls.is_empty();
        if lingers && program.stamp.is_some() && program.stamp != stamp(&program.path) {
            self.kill(id);
            return false;
        }
        program.calls.sent(call, instance);
        self.watch(id);
        true
    }

    /// The instance a reply is the completion of.
    pub(crate) fn completes(&mut self, id: HostId, reply: &Message) -> Option<InstanceId> {
        match self.adopted.get_mut(id) {
            Some(app) => app.calls.answered(reply),
            None => self.running.get_mut(&id)?.program_mut()?.calls.answered(reply),
        }
    }

    /// A client is a host from now on.
    pub(crate) fn adopt(&mut self, id: HostId, client: ClientId, process: AppProcess) {
        self.adopted.insert(id, client, process);
    }

    /// A client is gone, and with it the host it was.
    pub(crate) fn disown(&mut self, client: ClientId) {
        self.adopted.remove_client(client);
    }

    /// The host of an app in which a process runs that is in this cgroup and session, if it is in one.
    pub(crate) fn holding(&self, cgroup: &str, session: Option<i32>) -> Option<(HostId, AppId)> {
        let programs = self.running.iter().filter_map(|(id, entry)| Some((id, entry, entry.program()?)));
        let mut holding = programs.filter(|(_, entry, _)| entry.exit.is_none() && entry.host.holds(cgroup, session));
        holding.next().map(|(id, _, program)| (*id, program.app.clone()))
    }

    /// The client that a host is, unless the broker started it.
    pub(crate) fn client_of(&self, id: HostId) -> Option<ClientId> {
        self.adopted.get(id).map(|app| app.client)
    }

    /// The host that a client is, if it is one.
    pub(crate) fn of_client(&self, client: ClientId) -> Option<HostId> {
        self.adopted.of_client(client)
    }

    /// Closes the channel: a host ends itself when its broker is gone.
    pub(crate) fn retire(&mut self, id: HostId) {
        if let Some(program) = self.running.get_mut(&id).and_then(Entry::program_mut) {
            program.outbox = None;
        }
    }

    /// Kills a host and everything it started; of an app that runs by itself only its own process.
    pub(crate) fn kill(&mut self, id: HostId) {
        self.starting.kill(id);
        if let Some(app) = self.adopted.get(id) {
            app.kill();
        }
        if let Some(Err(error)) = self.running.get(&id).map(|entry| entry.host.kill()) {
            tracing::error!("a host cannot be killed: {}", chain(&error));
        }
    }

    /// Something of a host ended: once all of it has, its last words are read. Answers them where they are read already.
    pub(crate) fn ended(&mut self, id: HostId) -> Option<String> {
        let entry = self.running.get_mut(&id)?;
        if entry.exit.is_none() {
            entry.exit = entry.how_it_ended();
        }
        self.kill(id);
        let entry = self.running.get_mut(&id)?;
        match entry.host.try_close() {
            Ok(false) => match entry.host.closing().map_err(std::io::Error::other).and_then(|it| own(it.as_fd())) {
                Ok(fd) => {
                    tokio::spawn(tell_when_readable(fd, self.inbox.clone(), id));
                    return None;
                }
                Err(error) => tracing::error!("the end of a host cannot be watched: {error}"),
            },
            Ok(true) => {}
            Err(error) => tracing::error!("a host cannot be reaped: {}", chain(&error)),
        }
        self.last_words(id)
    }

    /// Forgets a host of which nothing is left.
    pub(crate) fn bury(&mut self, id: HostId) -> Option<(HostExit, Option<bgtask_core::Usage>)> {
        let mut entry = self.running.remove(&id)?;
        let exit = entry.exit.take().unwrap_or(HostExit::NotStarted("how it ended is not known".into()));
        let usage = self.used_in_all(id, &entry);
        if let Kind::Command(files) = entry.kind {
            files.put_away(&exit);
        }
        Some((exit, usage))
    }

    pub(crate) fn containment(&self) -> &bgtask_host::Containment {
        self.spawner.containment()
    }

    /// What it wrote, if that is read to its end; else it is told once it is.
    fn last_words(&mut self, id: HostId) -> Option<String> {
        let entry = self.running.get_mut(&id)?;
        // Its end may be noticed before its last messages are taken from the inbox, and among them may be a completion.
        let conversation = entry.program_mut().and_then(|program| program.conversation.take());
        if conversation.is_none() && entry.listener.as_ref().is_none_or(JoinHandle::is_finished) {
            return Some(text_of(&entry.tail));
        }
        let heard = join_all(conversation.into_iter().chain(entry.listener.take()));
        let (tail, inbox) = (Arc::clone(&entry.tail), self.inbox.clone());
        tokio::spawn(async move {
            let _in_time = tokio::time::timeout(LAST_WORDS, heard).await;
            let _stopping = inbox.send(Incoming::HostSilent(id, text_of(&tail))).await;
        });
        None
    }

    fn attend(&self, id: HostId, app: &AppId, launch: Launch, spec: &HostSpec) -> std::io::Result<Entry> {
        let (outbox, orders) = mpsc::channel(MAX_OUTBOX);
        let tail = Arc::new(Mutex::new(Tail::new()));
        let ended = own(launch.host.as_fd())?;
        let output = ready::watch(OwnedFd::from(launch.output))?;
        tokio::spawn(tell_when_readable(ended, self.inbox.clone(), id));
        let conversation = converse(launch.channel, self.guid.clone(), orders, self.inbox.clone(), id);
        let program = Program {
            app: app.clone(),
            start: launch.start,
            outbox: Some(outbox),
            conversation: Some(tokio::spawn(conversation)),
            path: spec.program.clone(),
            stamp: stamp(&spec.program),
            calls: Calls::default(),
            used: false,
            watched: false,
        };
        Ok(Entry {
            host: launch.host,
            peak: 0,
            exit: None,
            listener: Some(tokio::spawn(listen(output, Arc::clone(&tail), None))),
            tail,
            kind: Kind::Program(Box::new(program)),
        })
    }
}

impl Entry {
    fn program(&self) -> Option<&Program> {
        if let Kind::Program(program) = &self.kind { Some(program) } else { None }
    }

    fn program_mut(&mut self) -> Option<&mut Program> {
        if let Kind::Program(program) = &mut self.kind { Some(program) } else { None }
    }

    fn how_it_ended(&self) -> Option<HostExit> {
        if let Some(program) = self.program()
            && let Poll::Ready(Err(error)) = program.start.outcome()
        {
            return Some(HostExit::NotStarted(chain(&error)));
        }
        match self.host.try_exit() {
            Ok(Some(Exit::Code(code))) => Some(HostExit::Code(code)),
            Ok(Some(Exit::Signal(signal))) => Some(HostExit::Signal(signal)),
            Ok(None) => None,
            Err(error) => Some(HostExit::NotStarted(chain(&error))),
        }
    }
}

/// Carries messages both ways until the broker lets go or the host hangs up.
async fn converse(
    channel: UnixStream,
    guid: Guid<'static>,
    mut orders: mpsc::Receiver<Message>,
    inbox: mpsc::Sender<Incoming>,
    id: HostId,
) {
    let Ok(mut messages) = connect(channel, guid).await else { return };
    let connection = Connection::from(&messages);
    loop {
        let heard = {
            let (order, message) = (pin!(orders.recv()), pin!(messages.next()));
            match select(order, message).await {
                Either::Left((Some(order), _)) => {
                    if connection.send(&order).await.is_err() {
                        break;
                    }
                    continue;
                }
                Either::Right((Some(Ok(message)), _)) => message,
                _ => break,
            }
        };
        if inbox.send(Incoming::Host(id, heard)).await.is_err() {
            break;
        }
    }
    let _hung_up = connection.close().await;
}

async fn connect(channel: UnixStream, guid: Guid<'static>) -> zbus::Result<MessageStream> {
    let socket = PeerSocket::new(channel).map_err(|error| zbus::Error::InputOutput(Arc::new(error)))?;
    zbus::connection::Builder::authenticated_socket(socket, guid).p2p().build_message_stream().await
}

/// Keeps the last of what a host writes, and all of it, within bounds, where there is a log.
async fn listen(output: Ready, tail: Arc<Mutex<Tail>>, log: Option<command::Log>) {
    let mut buffer = [0; 16_384];
    loop {
        let Ok(mut ready) = output.readable().await else { return };
        match ready.try_io(|output| Ok(rustix::io::read(output, &mut buffer[..])?)) {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(read)) => {
                if let Ok(mut tail) = tail.lock() {
                    tail.push(&buffer[..read]);
                }
                if let Some(log) = &log {
                    log.append(&buffer[..read]);
                }
            }
            Err(_would_block) => {}
        }
    }
}

/// Where the end cannot be watched it is said at once: whoever hears of it looks for himself.
async fn tell_when_readable(fd: OwnedFd, inbox: mpsc::Sender<Incoming>, id: HostId) {
    match ready::watch(fd) {
        Ok(fd) => drop(fd.readable().await),
        Err(error) => tracing::error!("the end of a host cannot be watched: {error}"),
    }
    let _stopping = inbox.send(Incoming::HostEnded(id)).await;
}

fn text_of(tail: &Mutex<Tail>) -> String {
    tail.lock().map(|tail| tail.text()).unwrap_or_default()
}

fn own(fd: std::os::fd::BorrowedFd<'_>) -> std::io::Result<OwnedFd> {
    fd.try_clone_to_owned()
}

fn stamp(program: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(program).ok()?;
    Some((data.dev(), data.ino(), data.mtime(), data.mtime_nsec()))
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
