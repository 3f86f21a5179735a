//! The session against a broker's end of the socket.

mod activating;
mod registering;
mod showing;

use std::path::PathBuf;

use bgtask_wire::{Call, Error as WireError, ErrorKind, PeerSocket, Registering, TaskInfo};
use futures_util::StreamExt;
use tokio::net::UnixListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zbus::connection::Builder;
use zbus::export::serde::Serialize;
use zbus::message::{Flags, Type};
use zbus::{Connection, DynamicType, Guid, Message, MessageStream, OwnedVariant};

use super::events::tests::{completed_signal, progress_signal};
use super::link::{FIRST_PAUSE, LAST_PAUSE};
use super::*;
use crate::{
    ApplicationTrigger, BackgroundAccessRequestKind, BackgroundAccessStatus, BackgroundTaskBuilder,
    BackgroundTaskRegistration, BackgroundTaskRegistrationGroup, CustomSystemEventTrigger,
    CustomSystemEventTriggerRecurrence, InstanceId, MaintenanceTrigger, MediaProcessingTrigger, PropertyValue,
    RegistrationUpdate, SystemCondition, SystemConditionType, SystemTrigger, SystemTriggerType, TaskFailureKind,
    TaskId, TimeTrigger, Trigger, Uuid, ValueSet,
};

/// A place where brokers come and go.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("broker")
    }

    fn session(&self) -> Arc<Session> {
        Session::new(String::new(), Some(Address::of_path(self.socket())))
    }

    fn listen(&self) -> UnixListener {
        let _ = std::fs::remove_file(self.socket());
        UnixListener::bind(self.socket()).unwrap()
    }
}

/// One accepted client, as a broker sees it.
struct Client {
    messages: MessageStream,
    connection: Connection,
    /// Whether it is to offer to run the app's own tasks.
    activates: bool,
    /// The data folder it is told.
    data_dir: PathBuf,
}

impl Client {
    async fn accept(listener: &UnixListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let socket = PeerSocket::new(stream.into_std().unwrap()).unwrap();
        let builder = Builder::socket(socket).server(Guid::generate()).p2p();
        let messages = builder.build_message_stream().await.unwrap();
        Self { connection: Connection::from(&messages), messages, activates: false, data_dir: "/data".into() }
    }

    /// Accepts a client and lets it attach.
    async fn attached(listener: &UnixListener) -> Self {
        let mut client = Self::accept(listener).await;
        client.attach().await;
        client
    }

    async fn attach(&mut self) {
        let (call, message) = self.call().await;
        assert!(
            matches!(call, Call::Attach(app, options) if app.is_empty() && options.activates == Some(self.activates))
        );
        self.answer(
            &message,
            &AttachInfo {
                app: "org.example.App".into(),
                data_dir: self.data_dir.display().to_string(),
                version: "1".into(),
            },
        )
        .await;
    }

    async fn call(&mut self) -> (Call, Message) {
        let message = self.messages.next().await.unwrap().unwrap();
        assert_eq!(message.message_type(), Type::MethodCall);
        (Call::read(&message).unwrap(), message)
    }

    async fn answer<B: Serialize + DynamicType>(&self, call: &Message, body: &B) {
        let answer = Message::method_return(&call.header()).build(body).unwrap();
        self.connection.send(&answer).await.unwrap();
    }

    async fn refuse(&self, call: &Message, kind: ErrorKind) {
        let answer = WireError::new(kind, "no, because").reply(&call.header()).unwrap();
        self.connection.send(&answer).await.unwrap();
    }

    async fn completed(&self, sequence: u64, task: TaskId, instance: InstanceId, ok: bool) {
        self.connection.send(&completed_signal(sequence, task, instance, ok)).await.unwrap();
    }

    async fn progress(&self, task: TaskId, instance: InstanceId, value: u32) {
        self.connection.send(&progress_signal(task, instance, value)).await.unwrap();
    }

    async fn hears_acknowledgement(&mut self) -> u64 {
        let (call, message) = self.call().await;
        let Call::Acknowledge(_, sequence) = call else { panic!("{call:?}") };
        assert!(message.primary_header().flags().contains(Flags::NO_REPLY_EXPECTED), "handlers wait for no answer");
        sequence
    }
}

fn task_info(name: &str, registered_at: i64) -> TaskInfo {
    TaskInfo {
        id: TaskId::new().to_string(),
        app: "org.example.App".into(),
        name: name.into(),
        entry_point: "Tasks.Example".into(),
        class_id: None,
        group: None,
        group_name: None,
        freshness: None,
        due: None,
        event_id: None,
        recurrence: None,
        trigger: "SystemTrigger".into(),
        trigger_type: "TimeZoneChange".into(),
        one_shot: true,
        conditions: vec!["UserPresent".into(), "ConditionOfALaterVersion".into()],
        cancel_on_condition_loss: true,
        is_network_requested: false,
        registered_at,
        phase: "idle".into(),
        instance: None,
        attempt: None,
        progress: None,
        ..TaskInfo::default()
    }
}

fn registration(session: &Arc<Session>, task: TaskId) -> BackgroundTaskRegistration {
    BackgroundTaskRegistration::registered(session, task, BackgroundTaskBuilder::new().name("Name"))
}

/// Attaches a handler that tells what it hears.
fn listen(registration: &BackgroundTaskRegistration) -> UnboundedReceiver<InstanceId> {
    let (tell, told) = unbounded_channel();
    registration.on_completed(move |task, args| {
        assert_eq!(task.task_id(), args.task_id());
        tell.send(args.instance_id()).unwrap();
    });
    told
}

#[tokio::test]
async fn handlers_are_called_in_order_and_then_the_completion_is_acknowledged() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let task = registration(&session, TaskId::new());
    let (tell, mut told) = unbounded_channel();
    let progress = tell.clone();
    task.on_progress(move |_, args| progress.send(format!("at {}", args.progress())).unwrap());
    task.on_completed(|_, _| std::panic::resume_unwind(Box::new("a bad handler")));
    task.on_completed(move |task, args| {
        assert_eq!(args.progress(), Some(100));
        let failure = args.check_result().unwrap_err();
        assert_eq!((failure.kind(), failure.output_tail()), (TaskFailureKind::Failed, None));
        tell.send(format!("{} {}: {failure}", task.name(), args.task_name())).unwrap();
    });
    let mut client = Client::attached(&listener).await;
    let instance = InstanceId::new();
    client.progress(task.task_id(), instance, 10).await;
    client.progress(task.task_id(), instance, 20).await;
    client.completed(7, task.task_id(), instance, false).await;
    assert_eq!(client.hears_acknowledgement().await, 7);
    let mut heard = Vec::new();
    while let Ok(text) = told.try_recv() {
        heard.push(text);
    }
    assert_eq!(heard, ["at 10", "at 20", "Name Name: the task failed: words"]);
}

#[tokio::test]
async fn completions_wait_for_their_handlers() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let (one, gone) = (registration(&session, TaskId::new()), TaskId::new());
    let instances = [InstanceId::new(), InstanceId::new(), InstanceId::new()];
    let broker = async {
        let mut client = Client::accept(&listener).await;
        // What was missed comes before the answer to Attach.
        client.completed(1, one.task_id(), instances[0], true).await;
        client.completed(2, gone, instances[1], true).await;
        client.completed(3, one.task_id(), instances[2], true).await;
        client.attach().await;
        client
    };
    let (info, mut client) = tokio::join!(session.info(), broker);
    info.unwrap();

    let mut told = listen(&one);
    assert_eq!((told.recv().await, told.recv().await), (Some(instances[0]), Some(instances[2])));
    assert_eq!((client.hears_acknowledgement().await, client.hears_acknowledgement().await), (1, 3));

    let (tell, mut told) = unbounded_channel();
    session.events().on_any_completed(move |args| tell.send((args.task_id(), args.instance_id())).unwrap());
    assert_eq!(told.recv().await, Some((gone, instances[1])));
    assert_eq!(client.hears_acknowledgement().await, 2);
}

#[tokio::test]
async fn a_completion_that_comes_again_is_not_handled_again() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let task = registration(&session, TaskId::new());
    let mut told = listen(&task);
    let (first, second) = (InstanceId::new(), InstanceId::new());

    let mut client = Client::attached(&listener).await;
    client.completed(1, task.task_id(), first, true).await;
    assert_eq!(told.recv().await, Some(first));
    assert_eq!(client.hears_acknowledgement().await, 1);
    // The broker dies before that is durable.
    drop((client, listener));

    let listener = place.listen();
    let mut client = Client::attached(&listener).await;
    client.completed(1, task.task_id(), first, true).await;
    client.completed(2, task.task_id(), second, true).await;
    assert_eq!((client.hears_acknowledgement().await, client.hears_acknowledgement().await), (1, 2));
    // A broker that lost its store counts from 1 again.
    let third = InstanceId::new();
    client.completed(1, task.task_id(), third, true).await;
    assert_eq!(client.hears_acknowledgement().await, 1);
    assert_eq!((told.recv().await, told.recv().await), (Some(second), Some(third)));
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn a_handler_hears_the_latest_progress_first_and_nothing_once_removed() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let task = registration(&session, TaskId::new());
    let mut completed = listen(&task);
    let mut client = Client::attached(&listener).await;
    let instance = InstanceId::new();
    client.progress(task.task_id(), instance, 10).await;
    client.progress(task.task_id(), instance, 20).await;
    client.completed(1, TaskId::new(), InstanceId::new(), true).await;
    client.completed(2, task.task_id(), InstanceId::new(), true).await;
    client.progress(task.task_id(), instance, 30).await;
    client.completed(3, registration(&session, task.task_id()).task_id(), instance, true).await;
    client.progress(task.task_id(), instance, 40).await;
    completed.recv().await;
    completed.recv().await;
    assert_eq!((client.hears_acknowledgement().await, client.hears_acknowledgement().await), (2, 3));

    let (tell, mut told) = unbounded_channel();
    let token = task.on_progress(move |_, args| tell.send(args.progress()).unwrap());
    assert_eq!(told.recv().await, Some(40));
    token.remove();
    assert_eq!(told.recv().await, None, "the handler is dropped");
}

#[tokio::test]
async fn a_call_survives_a_restart_of_the_broker() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        let (call, _) = client.call().await;
        assert!(matches!(call, Call::ListTasks(_)));
        drop(client);
        let mut client = Client::attached(&listener).await;
        let (call, message) = client.call().await;
        assert!(matches!(call, Call::ListTasks(_)), "what may be repeated is");
        client.answer(&message, &vec![task_info("Name", 1)]).await;

        let (call, _) = client.call().await;
        assert!(matches!(call, Call::Register(_)));
        drop(client);
        let mut client = Client::attached(&listener).await;
        let (call, message) = client.call().await;
        assert!(matches!(call, Call::ListTasks(_)), "and Register is not");
        client.answer(&message, &Vec::<TaskInfo>::new()).await;
    };
    let app = async {
        assert_eq!(session.all_tasks().await.unwrap().len(), 1);
        let trigger = SystemTrigger::new(SystemTriggerType::TimeZoneChange, false);
        let error = session.register(&BackgroundTaskBuilder::new().trigger(trigger)).await.unwrap_err();
        assert!(error.is_connection_lost(), "{error}");
        assert_eq!(session.all_tasks().await.unwrap(), []);
    };
    tokio::join!(app, broker);
}

#[tokio::test(start_paused = true)]
async fn without_a_broker_a_call_fails_in_bounded_time_and_says_what_to_do() {
    let place = Place::new();
    let session = place.session();
    for _ in 0..2 {
        let begun = Instant::now();
        let error = session.all_tasks().await.unwrap_err();
        assert!(error.is_no_broker());
        let text = error.to_string();
        for part in [place.socket().to_str().unwrap(), "No such file", "systemctl --user start bgtask", "bgtaskd"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(begun.elapsed() >= BROKER_WAIT && begun.elapsed() < BROKER_WAIT * 2, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_refused_app_is_told_why_and_may_try_again() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let broker = async {
        let mut client = Client::accept(&listener).await;
        let (_, message) = client.call().await;
        client.refuse(&message, ErrorKind::InvalidArgument).await;
        assert!(client.messages.next().await.unwrap().is_err(), "it hangs up");
        let mut client = Client::accept(&listener).await;
        let (_, message) = client.call().await;
        client.refuse(&message, ErrorKind::UnknownApp).await;
        let mut client = Client::attached(&listener).await;
        let (_, message) = client.call().await;
        client.answer(&message, &Vec::<TaskInfo>::new()).await;
    };
    let app = async {
        let error = session.all_tasks().await.unwrap_err();
        assert!(!error.is_unknown_app() && error.to_string() == "no, because", "{error}");
        while let Err(error) = session.all_tasks().await {
            let unrecognized = error.is_unknown_app() && error.to_string().contains("act_for");
            assert!(unrecognized || error.to_string() == "no, because", "{error}");
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(app, broker);
}

#[test]
fn the_session_outlives_the_runtime_it_was_made_in() {
    let place = Place::new();
    let session = place.session();
    assert!(session.link().unwrap_err().to_string().contains("tokio"), "outside of any runtime");
    let task = registration(&session, TaskId::new());
    let mut told = listen(&task);
    for sequence in 1..=2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = place.listen();
            let broker = async {
                let mut client = Client::attached(&listener).await;
                let (_, message) = client.call().await;
                client.answer(&message, &Vec::<TaskInfo>::new()).await;
                client
            };
            let (tasks, mut client) = tokio::join!(session.all_tasks(), broker);
            assert_eq!(tasks.unwrap(), []);
            // The handler that was attached outside of every runtime is called in each.
            let instance = InstanceId::new();
            client.completed(sequence, task.task_id(), instance, true).await;
            assert_eq!(told.recv().await, Some(instance));
            assert_eq!(client.hears_acknowledgement().await, sequence);
        });
    }
}

#[tokio::test]
async fn a_broker_that_does_not_answer_is_given_up() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let (tasks, _client) = tokio::join!(session.all_tasks(), async {
        let mut client = Client::attached(&listener).await;
        client.call().await;
        tokio::time::pause();
        client
    });
    let error = tasks.unwrap_err();
    assert!(error.is_no_broker() && error.to_string().contains("ListTasks within 30 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_hangs_up_is_tried_ever_more_rarely() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    session.link().unwrap();
    let begun = Instant::now();
    let mut attempts = 0;
    while begun.elapsed() < LAST_PAUSE * 10 {
        drop(listener.accept().await.unwrap());
        attempts += 1;
    }
    assert!((15..=25).contains(&attempts), "{attempts} attempts in {:?}", begun.elapsed());
    assert!(FIRST_PAUSE < BROKER_WAIT, "a call sees several attempts");
}

/// POL-6, POL-8, POL-4: what the broker knows of energy and cost.
#[tokio::test]
async fn energy_and_cost_are_asked_and_told() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let (tell, mut told) = unbounded_channel();
    session.events().on_energy(move |usage| tell.send((usage.percent(), usage.level().name())).unwrap());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        let changed = Message::signal(bgtask_wire::BROKER_PATH, bgtask_wire::BROKER_INTERFACE, "EnergyUsageChanged");
        client.connection.send(&changed.build(&(160_u32, 150_u32, 7_i64)).unwrap()).await.unwrap();
        for answer in [(160_u32, 150_u32, 2_000_000_i64), (7, 6, 0)] {
            let (call, message) = client.call().await;
            assert!(matches!(call, Call::GetEnergyUsage(app) if app.is_empty()));
            client.answer(&message, &answer).await;
        }
        for answer in [(false, 0_u32), (true, 2), (true, 9)] {
            let (call, message) = client.call().await;
            assert!(matches!(call, Call::GetWorkCost));
            client.answer(&message, &answer).await;
        }
    };
    let app = async {
        let usage = session.energy_usage().await.unwrap();
        assert_eq!((usage.percent(), usage.level()), (160, crate::EnergyUsageLevel::Excessive));
        assert_eq!(usage.until(), std::time::UNIX_EPOCH + Duration::from_secs(2));
        assert!(session.energy_usage().await.unwrap_err().to_string().contains("6 as a level of energy"));
        assert_eq!(session.work_cost().await, Ok(None), "nobody watches");
        assert_eq!(session.work_cost().await, Ok(Some(crate::BackgroundWorkCostValue::High)));
        assert!(session.work_cost().await.unwrap_err().to_string().contains("9 as a cost"));
    };
    tokio::join!(app, broker);
    assert_eq!(told.recv().await, Some((160, "Excessive")));
}

/// Whatever an app awaits it can await in a spawned task.
#[test]
fn futures_can_be_sent_to_other_threads() {
    fn send<T: Send>(_: impl FnOnce(&'static BackgroundTaskRegistration, &'static BackgroundTaskBuilder) -> T) {}
    send(|_, _| BackgroundTaskRegistration::all_tasks());
    send(|_, builder| builder.register());
    send(|task, _| task.unregister(true));
    send(|_, builder| builder.register_or_update());
    send(|task, _| task.next_due());
    send(|_, _| BackgroundTaskRegistration::get_task_group("id"));
    send(|task, _| task.task_group().expect("a group").all_tasks());
    send(|_, _| async { ApplicationTrigger::new().request_async_with(ValueSet::new()).await });
    send(|_, _| crate::CustomSystemEvent::raise("id"));
    send(|_, _| crate::CoreApplication::run_background());
    send(|_, _| crate::BackgroundExecutionManager::request_access());
    send(|_, _| {
        let kind = BackgroundAccessRequestKind::AlwaysAllowed;
        crate::BackgroundExecutionManager::request_access_kind(kind, "words")
    });
    send(|_, _| crate::ApplicationData::local_settings());
    send(|_, _| crate::BackgroundEnergyManager::recent_energy_usage());
    send(|_, _| crate::BackgroundWorkCost::current());
}
