//! A host against a broker's end of the channel.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bgtask_wire::{Error, ErrorKind, HostCall, HostSignal, InstanceInfo, PeerSocket, host_names};
use futures_util::StreamExt;
use tokio::task::JoinHandle;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, Guid, Message, MessageStream};

use super::*;
use crate::{BackgroundTaskCancellationReason as Reason, InstanceId, TaskId};

/// The broker's end, and the host that serves the other.
struct Broker {
    messages: MessageStream,
    connection: Connection,
    host: JoinHandle<std::io::Result<bool>>,
}

/// What a broker hears.
#[derive(Debug, PartialEq)]
enum Heard {
    Signal(HostSignal),
    Completed(Result<(), (ErrorKind, String)>),
}

impl Broker {
    async fn with(host: Host) -> Self {
        Self::with_grace(host, CANCEL_GRACE).await
    }

    async fn with_grace(host: Host, grace: Duration) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let host = tokio::spawn(serve::serve(host.entries, theirs, grace));
        let socket = PeerSocket::new(ours).unwrap();
        let builder = Builder::authenticated_socket(socket, Guid::generate()).p2p();
        let messages = builder.build_message_stream().await.unwrap();
        Self { connection: Connection::from(&messages), messages, host }
    }

    async fn run(&self, entry_point: &str) -> String {
        let info = info(entry_point);
        let instance = info.instance.clone();
        self.send(&HostCall::Run(Box::new(info)).message().unwrap()).await;
        instance
    }

    async fn cancel(&self, instance: &str, reason: u32) {
        self.send(&HostCall::Cancel { instance: instance.into(), reason }.message().unwrap()).await;
    }

    async fn send(&self, message: &Message) {
        self.connection.send(message).await.unwrap();
    }

    async fn hear(&mut self) -> Heard {
        let message = self.messages.next().await.unwrap().unwrap();
        match message.message_type() {
            Type::Signal => Heard::Signal(HostSignal::read(&message).unwrap()),
            Type::MethodReturn => Heard::Completed(Ok(())),
            Type::Error => {
                let error = Error::from(zbus::Error::from(message));
                Heard::Completed(Err((error.kind, error.message)))
            }
            Type::MethodCall => panic!("a host calls nothing"),
        }
    }

    async fn hears_started(&mut self, instance: &str) {
        assert_eq!(self.hear().await, Heard::Signal(HostSignal::Started(instance.into())));
    }

    async fn hears_failure(&mut self) -> (ErrorKind, String) {
        match self.hear().await {
            Heard::Completed(Err(failure)) => failure,
            other => panic!("{other:?}"),
        }
    }

    /// Ends the channel; whether the host then ended in time.
    async fn vanish(self) -> bool {
        self.connection.close().await.unwrap();
        drop(self.messages);
        self.host.await.unwrap().unwrap()
    }
}

fn info(entry_point: &str) -> InstanceInfo {
    InstanceInfo {
        instance: InstanceId::new().to_string(),
        task: TaskId::new().to_string(),
        name: "Example".into(),
        entry_point: entry_point.into(),
        trigger: "SystemTrigger".into(),
        trigger_type: "TimeZoneChange".into(),
        trigger_details: Default::default(),
        fired_at: 1_000_000,
        fired_count: 2,
        attempt: 3,
    }
}

/// A task from a closure.
struct Body<F>(F);

impl<F, R> BackgroundTask for Body<F>
where
    F: Fn(TaskInstance) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), TaskError>> + Send,
{
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        self.0(instance).await
    }
}

#[tokio::test]
async fn a_task_is_started_reports_and_is_answered_in_order() {
    let body = Body(async |instance: TaskInstance| {
        assert_eq!(instance.task().name(), "Example");
        assert_eq!(instance.task().task_entry_point(), "Tasks.Example");
        assert_eq!(instance.trigger_details(), TriggerDetails::None);
        assert_eq!((instance.fired_count(), instance.attempt()), (2, 3));
        assert_eq!(instance.fired_at().duration_since(std::time::UNIX_EPOCH)?, Duration::from_secs(1));
        for value in [10, 20, 100] {
            instance.progress(value);
        }
        Ok(())
    });
    let mut broker = Broker::with(Host::new().entry_point("Tasks.Example", body)).await;
    // A warm host runs the next activation as the first.
    for _ in 0..2 {
        let instance = broker.run("Tasks.Example").await;
        broker.hears_started(&instance).await;
        for value in [10, 20, 100] {
            assert_eq!(broker.hear().await, Heard::Signal(HostSignal::Progress(instance.clone(), value)));
        }
        assert_eq!(broker.hear().await, Heard::Completed(Ok(())));
    }
    assert!(broker.vanish().await);
}

#[tokio::test]
async fn failures_and_panics_are_told_and_the_host_goes_on() {
    let host = Host::new()
        .entry_point("Fails", Body(async |_| Err(TaskError::from(std::io::Error::other("no route")))))
        .entry_point("Panics", Body(async |_| panic!("at the {}", "disco")));
    let mut broker = Broker::with(host).await;

    let instance = broker.run("Fails").await;
    broker.hears_started(&instance).await;
    assert_eq!(broker.hears_failure().await, (ErrorKind::TaskFailed, "no route".into()));

    let instance = broker.run("Panics").await;
    broker.hears_started(&instance).await;
    assert_eq!(broker.hears_failure().await, (ErrorKind::TaskFailed, "the task panicked: at the disco".into()));

    broker.run("Tasks.Missing").await;
    let (kind, text) = broker.hears_failure().await;
    assert_eq!(kind, ErrorKind::UnknownEntryPoint);
    assert!(text.contains("\"Tasks.Missing\"") && text.ends_with("Fails, Panics"), "{text}");
}

struct Blocks;

impl BlockingTask for Blocks {
    fn run(&self, instance: &TaskInstance) -> Result<(), TaskError> {
        let heard = Arc::new(Mutex::new(None));
        let handler = Arc::clone(&heard);
        instance.on_canceled(move |reason| *handler.lock().unwrap() = Some(reason));
        instance.progress(1);
        let reason = instance.wait_cancelled(Duration::from_secs(60)).expect("it is cancelled");
        Err(format!("stopped: {reason}").into())
    }
}

#[tokio::test]
async fn blocking_code_hears_of_a_cancel() {
    let mut broker = Broker::with(Host::new().blocking_entry_point("Blocks", Blocks)).await;
    let instance = broker.run("Blocks").await;
    broker.hears_started(&instance).await;
    assert_eq!(broker.hear().await, Heard::Signal(HostSignal::Progress(instance.clone(), 1)));
    broker.cancel(&InstanceId::new().to_string(), 0).await;
    broker.cancel("no id", 0).await;
    broker.cancel(&instance, 6).await;
    assert_eq!(broker.hears_failure().await, (ErrorKind::TaskFailed, "stopped: ConditionLoss".into()));

    let instance = broker.run("Blocks").await;
    broker.hears_started(&instance).await;
    assert_eq!(broker.hear().await, Heard::Signal(HostSignal::Progress(instance.clone(), 1)));
    broker.cancel(&instance, 4711).await;
    assert_eq!(broker.hears_failure().await.1, "stopped: SystemPolicy", "a reason of a later version");
}

#[tokio::test]
async fn an_activation_lasts_until_run_returned_and_every_deferral_is_complete() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let body = Body(move |instance: TaskInstance| {
        let mut wait = wait.clone();
        async move {
            let explicit = instance.deferral();
            let dropped = instance.deferral();
            tokio::spawn(async move {
                wait.wait_for(|go| *go).await.unwrap();
                explicit.complete();
                // One taken while another is open counts as well.
                let last = instance.deferral();
                drop(dropped);
                tokio::task::yield_now().await;
                instance.progress(42);
                last.complete();
            });
            Ok(())
        }
    });
    let host = Host::new().entry_point("Deferred", body).entry_point("Other", Body(async |_| Ok(())));
    let mut broker = Broker::with(host).await;
    let deferred = broker.run("Deferred").await;
    broker.hears_started(&deferred).await;
    let other = broker.run("Other").await;
    broker.hears_started(&other).await;
    assert_eq!(broker.hear().await, Heard::Completed(Ok(())), "of the other one");
    go.send_replace(true);
    assert_eq!(broker.hear().await, Heard::Signal(HostSignal::Progress(deferred, 42)));
    assert_eq!(broker.hear().await, Heard::Completed(Ok(())));
}

#[tokio::test]
async fn a_vanished_broker_cancels_what_runs() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let body = Body(move |instance: TaskInstance| {
        let tell = tell.clone();
        async move {
            tell.send(instance.cancelled().await)?;
            Ok(())
        }
    });
    let mut broker = Broker::with(Host::new().entry_point("Waits", body)).await;
    let instance = broker.run("Waits").await;
    broker.hears_started(&instance).await;
    assert!(broker.vanish().await, "it ended in time");
    assert_eq!(told.recv().await, Some(Reason::SystemPolicy));
}

#[tokio::test]
async fn a_task_that_outlasts_the_grace_is_not_waited_for() {
    let body = Body(async |_| std::future::pending().await);
    let mut broker = Broker::with_grace(Host::new().entry_point("Stuck", body), Duration::from_millis(1)).await;
    let instance = broker.run("Stuck").await;
    broker.hears_started(&instance).await;
    assert!(!broker.vanish().await);
}

#[tokio::test]
async fn what_is_not_of_the_contract_is_answered_with_what_is_wrong() {
    let body = Body(async |_| std::future::pending().await);
    let mut broker = Broker::with_grace(Host::new().entry_point("Stuck", body), Duration::ZERO).await;

    let call = |member| Message::method_call(host_names::PATH, member).interface(host_names::INTERFACE);
    broker.send(&call("Fly").build(&()).unwrap()).await;
    assert_eq!(broker.hears_failure().await.0, ErrorKind::UnknownMethod);
    broker.send(&call("Run").build(&"not an instance").unwrap()).await;
    assert_eq!(broker.hears_failure().await.0, ErrorKind::InvalidSignature);

    let mut unreadable = info("Stuck");
    unreadable.instance = "not a uuid".into();
    broker.send(&HostCall::Run(Box::new(unreadable)).message().unwrap()).await;
    let (kind, text) = broker.hears_failure().await;
    assert_eq!(kind, ErrorKind::InvalidArgument);
    assert!(text.contains("not a uuid"), "{text}");

    let twice = info("Stuck");
    let instance = twice.instance.clone();
    let run = HostCall::Run(Box::new(twice)).message().unwrap();
    broker.send(&run).await;
    broker.hears_started(&instance).await;
    broker.send(&run).await;
    assert!(broker.hears_failure().await.1.contains("running already"));
}

#[tokio::test]
async fn a_host_runs_no_more_instances_than_its_bound() {
    let body = Body(async |_| std::future::pending().await);
    let mut broker = Broker::with_grace(Host::new().entry_point("Stuck", body), Duration::ZERO).await;
    for _ in 0..MAX_INSTANCES {
        let instance = broker.run("Stuck").await;
        broker.hears_started(&instance).await;
    }
    broker.run("Stuck").await;
    assert_eq!(broker.hears_failure().await.0, ErrorKind::LimitReached);
}

#[tokio::test]
async fn garbage_ends_the_host_in_order() {
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[b'l', 1, 0, 1, 0xff, 0xff, 0xff, 0x07, 1, 0, 0, 0, 0, 0, 0, 0], b"l"]
    {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let host = tokio::spawn(serve::serve(BTreeMap::new(), theirs, CANCEL_GRACE));
        ours.write_all(garbage).unwrap();
        drop(ours);
        assert!(host.await.unwrap().unwrap());
    }
}

#[test]
fn a_host_started_by_hand_explains_itself() {
    let text = Host::new().entry_point("Tasks.A", Body(async |_| Ok(()))).explanation();
    assert!(text.contains("is a task host") && text.contains("    Tasks.A\n"), "{text}");
    assert!(Host::new().explanation().contains("no entry points yet"));
}
