//! Sockets that are handed over, between a task and a peer in the same test.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::network::{
    SocketActivityConnectedStandbyAction, SocketActivityContext, SocketActivityTriggerDetails,
    SocketActivityTriggerReason, StreamSocket,
};
use bgtask::testing::TestBroker;
use bgtask::{BackgroundTaskBuilder, SocketActivityTrigger, SystemTrigger, SystemTriggerType, TaskId};

use crate::sample::seconds;

const APP: &str = "org.example.Chat";

/// What the task was told, one line for each run.
type Told = Arc<Mutex<Vec<String>>>;

/// Sends back what came, and hands the connection over again.
struct Echoes(Told);

impl BackgroundTask for Echoes {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let details = SocketActivityTriggerDetails::of(&instance).ok_or("another trigger")?;
        let information = details.socket_information();
        let context = information.context().clone();
        let line = format!("{} {} {}", details.reason(), information.id(), String::from_utf8_lossy(context.data()));
        self.0.lock().unwrap().push(line);
        if details.reason() == SocketActivityTriggerReason::SocketClosed {
            return Ok(());
        }
        let mut stream = UnixStream::from(information.stream_socket().await?.into_fd()?);
        stream.set_nonblocking(true)?;
        let mut bytes = [0; 64];
        match stream.read(&mut bytes) {
            Ok(read) => stream.write_all(&bytes[..read])?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.write_all(b"still here?")?,
            Err(error) => return Err(error.into()),
        }
        let mut socket = StreamSocket::from(stream);
        socket.enable_transfer_ownership(instance.task().task_id(), SocketActivityConnectedStandbyAction::DoNotWake)?;
        Ok(socket.transfer_ownership(information.id(), context, Some(seconds(900))).await?)
    }
}

fn broker() -> (TestBroker, Told) {
    let manifest = format!(
        "[app]\nid = {APP:?}\nversion = \"1\"\nexecutable = \"chat\"\ncapabilities = [\"pushNotifications\"]\n\
         [[task]]\nentry_point = \"Tasks.Chat\"\nexecutable = \"chat-tasks\"\ntypes = [\"systemEvent\"]\n"
    );
    let (mut broker, told) = (TestBroker::new(), Told::default());
    broker.install(&manifest).unwrap();
    broker.implement(Host::new().entry_point("Tasks.Chat", Echoes(Arc::clone(&told))));
    (broker, told)
}

fn register(broker: &mut TestBroker) -> TaskId {
    let builder = BackgroundTaskBuilder::new().name("Chat").task_entry_point("Tasks.Chat");
    broker.register(APP, &builder.trigger(SocketActivityTrigger::new())).unwrap()
}

/// Hands one end over; the other is the peer's.
fn connect(broker: &mut TestBroker, task: TaskId) -> UnixStream {
    let (ours, peer) = UnixStream::pair().unwrap();
    peer.set_nonblocking(true).unwrap();
    broker.transfer_ownership(task, "chat", ours, SocketActivityContext::new(*b"room 7"), Some(seconds(900))).unwrap();
    peer
}

fn hears(peer: &mut UnixStream) -> String {
    let mut bytes = [0; 64];
    let read = peer.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

/// SOC-10, SOC-11: each message is one run, with the very connection, which the task hands over again.
#[tokio::test(start_paused = true)]
async fn soc_1_nw_2_each_message_starts_the_task_with_its_connection() {
    let (mut broker, told) = broker();
    let task = register(&mut broker);
    let mut peer = connect(&mut broker, task);
    for word in ["first", "again"] {
        peer.write_all(word.as_bytes()).unwrap();
        broker.settle().await;
        assert_eq!(hears(&mut peer), word);
    }
    assert_eq!(*told.lock().unwrap(), ["SocketActivity chat room 7", "SocketActivity chat room 7"]);
    assert_eq!(broker.sockets(APP).unwrap(), ["chat"]);
    drop(peer);
    broker.settle().await;
    assert_eq!(told.lock().unwrap().last().unwrap(), "SocketClosed chat room 7");
    assert!(broker.last_outcome(task).unwrap().check_result().is_ok());
}

/// It is told a tenth of its time later at the latest, and a minute, so that one wake-up serves several.
#[tokio::test(start_paused = true)]
async fn soc_12_a_keep_alive_ends_in_virtual_time() {
    let (mut broker, told) = broker();
    let task = register(&mut broker);
    let mut peer = connect(&mut broker, task);
    broker.advance(seconds(899)).await;
    assert!(told.lock().unwrap().is_empty());
    broker.advance(seconds(62)).await;
    assert_eq!(*told.lock().unwrap(), ["KeepAliveTimerExpired chat room 7"]);
    assert_eq!(hears(&mut peer), "still here?");
    broker.advance(seconds(961)).await;
    assert_eq!(told.lock().unwrap().len(), 2, "the task has handed it over again, with its keep-alive");
}

/// Without a service manager sockets end with their broker; their tasks hear that from the next one, once (D7).
#[tokio::test(start_paused = true)]
async fn d7_a_crash_closes_sockets_and_their_task_hears_of_it() {
    let (mut broker, told) = broker();
    let task = register(&mut broker);
    let mut peer = connect(&mut broker, task);
    broker.crash();
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0, "the connection is closed");
    broker.restart();
    broker.settle().await;
    assert_eq!(*told.lock().unwrap(), ["SocketClosed chat room 7"]);
    assert!(broker.sockets(APP).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn soc_3_soc_10_what_the_broker_would_refuse_is_refused() {
    let (mut broker, _told) = broker();
    let task = register(&mut broker);
    let _peer = connect(&mut broker, task);
    let mut again = |task, id: &str| {
        let socket = UnixStream::pair().unwrap().0;
        broker.transfer_ownership(task, id, socket, SocketActivityContext::default(), None).unwrap_err()
    };
    assert!(again(task, "chat").is_socket_id_taken());
    assert!(again(task, "").is_invalid_argument());
    let unknown = "3f2504e0-4f89-41d3-9a0c-0305e82c3301".parse().unwrap();
    assert!(again(unknown, "other").is_unknown_task());
    let file = std::fs::File::open("/dev/null").unwrap();
    let refused = broker.transfer_ownership(task, "file", file, SocketActivityContext::default(), None);
    assert!(refused.unwrap_err().is_wrong_kind());
    let builder = BackgroundTaskBuilder::new().name("Zone").task_entry_point("Tasks.Chat");
    let zone = SystemTrigger::new(SystemTriggerType::TimeZoneChange, false);
    let other = broker.register(APP, &builder.trigger(zone)).unwrap();
    let socket = UnixStream::pair().unwrap().0;
    let refused = broker.transfer_ownership(other, "zone", socket, SocketActivityContext::default(), None);
    assert!(refused.unwrap_err().is_invalid_argument(), "SOC-3");
}
