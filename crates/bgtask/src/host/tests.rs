//! A host against a broker's end of the channel.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bgtask_wire::{CancelInfo, Error, ErrorKind, HostCall, HostSignal, InstanceInfo, PeerSocket, host_names};
use futures_util::StreamExt;
use tokio::task::JoinHandle;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, Guid, Message, MessageStream};

use super::*;
use crate::{BackgroundTaskCancellationReason as Reason, InstanceId, PropertyValue, TaskId, ValueSet};

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
        let host = tokio::spawn(serve_socket(host.entries, theirs, grace));
        let socket = PeerSocket::new(ours).unwrap();
        let builder = Builder::authenticated_socket(socket, Guid::generate()).p2p();
        let messages = builder.build_message_stream().await.unwrap();
        Self { connection: Connection::from(&messages), messages, host }
    }

    async fn run(&self, entry_point: &str) -> String {
        self.run_instance(info(entry_point)).await
    }

    async fn run_instance(&self, info: InstanceInfo) -> String {
        let instance = info.instance.clone();
        self.send(&HostCall::Run(Box::new(info)).message().unwrap()).await;
        instance
    }

    async fn cancel(&self, instance: &str, reason: u32) {
        self.send(&HostCall::Cancel { instance: instance.into(), reason, info: CANCEL }.message().unwrap()).await;
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

/// Numbers of a cancel notice, in microseconds.
const CANCEL: CancelInfo = CancelInfo { budget: 25_000_000, used: 25_000_001, grace: 5_000_000 };

fn info(entry_point: &str) -> InstanceInfo {
    InstanceInfo {
        instance: InstanceId::new().to_string(),
        task: TaskId::new().to_string(),
        name: "Example".into(),
        entry_point: entry_point.into(),
        class_id: None,
        group: None,
        trigger: "SystemTrigger".into(),
        trigger_type: "TimeZoneChange".into(),
        event_id: None,
        trigger_details: Default::default(),
        fired_at: 1_000_000,
        fired_count: 2,
        attempt: 3,
        budget: 25_000_000,
        throttled_cpu: None,
        throttled_network: None,
        socket: None,
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
        assert!(instance.trigger_details().is_empty(), "SYS-5");
        assert_eq!((instance.event_id(), instance.task().group()), (None, None));
        assert_eq!(instance.budget(), Duration::from_secs(25));
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
        let notice = instance.cancel_notice().ok_or("no notice")?;
        Err(format!("stopped: {reason}, {notice}").into())
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
    assert_eq!(
        broker.hears_failure().await,
        (ErrorKind::TaskFailed, "stopped: ConditionLoss, ConditionLoss (25.0s used of 25.0s, 5.0s to stop)".into()),
        "U-9"
    );

    let instance = broker.run("Blocks").await;
    broker.hears_started(&instance).await;
    assert_eq!(broker.hear().await, Heard::Signal(HostSignal::Progress(instance.clone(), 1)));
    broker.cancel(&instance, 4711).await;
    let text = broker.hears_failure().await.1;
    assert!(text.starts_with("stopped: SystemPolicy"), "a reason of a later version: {text}");
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
            tell.send((instance.cancelled().await, instance.cancel_notice().ok_or("no notice")?))?;
            Ok(())
        }
    });
    let mut broker = Broker::with(Host::new().entry_point("Waits", body)).await;
    let instance = broker.run("Waits").await;
    broker.hears_started(&instance).await;
    assert!(broker.vanish().await, "it ended in time");
    let (reason, notice) = told.recv().await.unwrap();
    assert_eq!((reason, notice.reason()), (Reason::SystemPolicy, Reason::SystemPolicy), "D7");
    assert_eq!((notice.budget(), notice.grace()), (Duration::from_secs(25), CANCEL_GRACE));
    assert!(notice.used() < Duration::from_secs(25));
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
        let host = tokio::spawn(serve_socket(Host::new().entries, theirs, CANCEL_GRACE));
        ours.write_all(garbage).unwrap();
        drop(ours);
        assert!(host.await.unwrap().unwrap());
    }
}

const CLASS: Uuid = Uuid::from_u128(0x3f2504e0_4f89_41d3_9a0c_0305e82c3301);

/// BLD-11: a program may serve classes beside entry points, and the id may be written in either case.
#[tokio::test]
async fn a_class_is_served_by_its_id() {
    let body = Body(async |instance: TaskInstance| {
        assert_eq!((instance.task().task_entry_point_clsid(), instance.task().task_entry_point()), (Some(CLASS), ""));
        Ok(())
    });
    let host = Host::new().class(CLASS, body).blocking_class(Uuid::from_u128(2), Blocks);
    let mut broker = Broker::with(host.entry_point("Other", Body(async |_| Ok(())))).await;
    for id in [CLASS.to_string(), CLASS.to_string().to_uppercase()] {
        let instance = broker.run_instance(InstanceInfo { class_id: Some(id), ..info("") }).await;
        broker.hears_started(&instance).await;
        assert_eq!(broker.hear().await, Heard::Completed(Ok(())));
    }
    for wrong in ["x".to_owned(), Uuid::from_u128(1).to_string()] {
        broker.run_instance(InstanceInfo { class_id: Some(wrong.clone()), ..info("") }).await;
        let (kind, text) = broker.hears_failure().await;
        assert_eq!(kind, ErrorKind::UnknownEntryPoint);
        assert!(text.contains(&wrong) && text.contains(&format!("Other, {}", Uuid::from_u128(2))), "{text}");
    }
}

/// REQ-4, GRP-2, SYS-6: what the trigger and the registration say, as the task reads it.
#[tokio::test]
async fn a_task_is_told_what_fired_and_gets_what_the_trigger_carries() {
    let details = ValueSet::from([("folder", PropertyValue::from("/pictures")), ("sizes", vec![320, 640].into())]);
    let wanted = details.clone();
    let body = Body(move |instance: TaskInstance| {
        let same = instance.trigger_details() == &wanted;
        async move {
            assert!(same, "{instance:?}");
            assert_eq!(instance.event_id(), Some("org.example.Event"));
            assert_eq!(instance.task().group(), Some("group"));
            Ok(())
        }
    });
    let mut broker = Broker::with(Host::new().entry_point("Details", body)).await;
    let mut carrying = info("Details");
    carrying.trigger_details =
        details.to_wire().unwrap().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    carrying.event_id = Some("org.example.Event".into());
    carrying.group = Some("group".into());
    let instance = broker.run_instance(carrying).await;
    broker.hears_started(&instance).await;
    assert_eq!(broker.hear().await, Heard::Completed(Ok(())));

    let mut unreadable = info("Details");
    unreadable.trigger_details.insert("pair".into(), zbus::Variant::from((1, 2)).try_into().unwrap());
    broker.run_instance(unreadable).await;
    let (kind, text) = broker.hears_failure().await;
    assert!(kind == ErrorKind::InvalidArgument && text.contains("\"pair\" is a value of the D-Bus type"), "{text}");
}

/// POL-1, POL-2: what an earlier try was suspended is known from the start, the rest as soon as the broker tells it.
#[tokio::test]
async fn a_task_reads_how_often_it_was_suspended() {
    use crate::BackgroundTaskThrottleCounter::{All, Cpu, Network};
    let body = Body(async |instance: TaskInstance| {
        assert_eq!((instance.suspended_count(), instance.throttle_count(Cpu)), (2, 2));
        instance.progress(1);
        instance.cancelled().await;
        let counts = [All, Cpu, Network].map(|counter| instance.throttle_count(counter));
        Err(format!("{} {counts:?}", instance.suspended_count()).into())
    });
    let mut broker = Broker::with(Host::new().entry_point("Busy", body)).await;
    let before = InstanceInfo { throttled_cpu: Some(2), ..info("Busy") };
    let instance = broker.run_instance(before).await;
    broker.hears_started(&instance).await;
    assert_eq!(broker.hear().await, Heard::Signal(HostSignal::Progress(instance.clone(), 1)));
    for of in [InstanceId::new().to_string(), "nonsense".to_owned()] {
        broker.send(&HostCall::Throttled { instance: of, cpu: 9, network: 9 }.message().unwrap()).await;
    }
    let notice = HostCall::Throttled { instance: instance.clone(), cpu: 3, network: 1 };
    broker.send(&notice.message().unwrap()).await;
    broker.cancel(&instance, 0).await;
    assert_eq!(broker.hears_failure().await.1, "4 [4, 3, 1]", "nothing of another instance");
}

/// HO-5: one process, several activations of one entry point, each with its own end.
#[tokio::test]
async fn activations_run_side_by_side() {
    let body = Body(async |instance: TaskInstance| {
        let reason = instance.cancelled().await;
        Err(format!("{} {reason}", instance.instance_id()).into())
    });
    let mut broker = Broker::with(Host::new().entry_point("Waits", body)).await;
    let mut instances = Vec::new();
    for _ in 0..3 {
        let instance = broker.run("Waits").await;
        broker.hears_started(&instance).await;
        instances.push(instance);
    }
    for instance in instances.iter().rev() {
        broker.cancel(instance, 0).await;
        assert_eq!(broker.hears_failure().await.1, format!("{instance} Abort"));
    }
}

/// BLD-9, GRP-5, GR-4: what the app itself runs goes to its handler, and what is grouped to the group's instead.
#[tokio::test]
async fn the_app_itself_is_activated() {
    let session = crate::session::Session::new(String::new(), None);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let heard = tell.clone();
    let app = crate::core_application::entry(move |args| {
        let heard = heard.clone();
        async move {
            heard.send(("app".to_owned(), args.task_instance().task().name().to_owned()))?;
            let deferral = args.task_instance().deferral();
            args.task_instance().progress(1);
            deferral.complete();
            Err("the app's words".into())
        }
    });
    session.activated().set(None, app);
    let group = crate::BackgroundTaskRegistrationGroup::of(&session, "org.example.group", "Example");
    group.background_activated(move |group, args| {
        let heard = tell.clone();
        async move {
            heard.send((group.name().to_owned(), args.task_instance().task().group().unwrap_or("none").to_owned()))?;
            panic!("in the group");
        }
    });
    let mut broker = Broker::with(Host { entries: Entries::of(session.activated()) }).await;

    let instance = broker.run("").await;
    broker.hears_started(&instance).await;
    assert_eq!(broker.hear().await, Heard::Signal(HostSignal::Progress(instance, 1)));
    assert_eq!(broker.hears_failure().await, (ErrorKind::TaskFailed, "the app's words".into()));
    assert_eq!(told.recv().await.unwrap(), ("app".into(), "Example".into()));

    let grouped = |group: &str| InstanceInfo { group: Some(group.into()), ..info("") };
    let instance = broker.run_instance(grouped("org.example.group")).await;
    broker.hears_started(&instance).await;
    assert_eq!(broker.hears_failure().await.1, "the task panicked: in the group");
    assert_eq!(told.recv().await.unwrap(), ("Example".into(), "org.example.group".into()));

    broker.run_instance(grouped("another")).await;
    let (kind, text) = broker.hears_failure().await;
    assert_eq!(kind, ErrorKind::UnknownEntryPoint);
    assert!(text.contains("\"another\"") && text.contains("BackgroundTaskRegistrationGroup::"), "{text}");
    assert!(told.try_recv().is_err(), "the app's handler is not for it");
}

#[tokio::test]
async fn an_app_without_a_handler_says_so() {
    let session = crate::session::Session::new(String::new(), None);
    let mut broker = Broker::with(Host { entries: Entries::of(session.activated()) }).await;
    broker.run("").await;
    let (kind, text) = broker.hears_failure().await;
    assert_eq!(kind, ErrorKind::UnknownEntryPoint);
    assert!(text.contains("CoreApplication::background_activated"), "{text}");
}

#[test]
fn a_host_started_by_hand_explains_itself() {
    let text = Host::new().entry_point("Tasks.A", Body(async |_| Ok(()))).explanation();
    assert!(text.contains("is a task host") && text.contains("    Tasks.A\n"), "{text}");
    assert!(Host::new().explanation().contains("no entry points yet"));
}
