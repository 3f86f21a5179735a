//! The session against a broker's end of the socket.

use std::path::PathBuf;

use bgtask_wire::{Call, Error as WireError, ErrorKind, PeerSocket, TaskInfo};
use futures_util::StreamExt;
use tokio::net::UnixListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zbus::connection::Builder;
use zbus::export::serde::Serialize;
use zbus::message::{Flags, Type};
use zbus::{Connection, DynamicType, Guid, Message, MessageStream};

use super::events::tests::{completed_signal, progress_signal};
use super::link::{FIRST_PAUSE, LAST_PAUSE};
use super::*;
use crate::{
    BackgroundAccessStatus, BackgroundTaskBuilder, BackgroundTaskRegistration, InstanceId, SystemCondition,
    SystemConditionType, SystemTrigger, SystemTriggerType, TaskFailureKind, TaskId, Trigger,
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
}

impl Client {
    async fn accept(listener: &UnixListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let socket = PeerSocket::new(stream.into_std().unwrap()).unwrap();
        let builder = Builder::socket(socket).server(Guid::generate()).p2p();
        let messages = builder.build_message_stream().await.unwrap();
        Self { connection: Connection::from(&messages), messages }
    }

    /// Accepts a client and lets it attach.
    async fn attached(listener: &UnixListener) -> Self {
        let mut client = Self::accept(listener).await;
        client.attach().await;
        client
    }

    async fn attach(&mut self) {
        let (call, message) = self.call().await;
        assert!(matches!(call, Call::Attach(app) if app.is_empty()));
        self.answer(
            &message,
            &AttachInfo { app: "org.example.App".into(), data_dir: "/data".into(), version: "1".into() },
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
async fn tasks_are_listed_oldest_first_and_readable() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        let (call, message) = client.call().await;
        assert!(matches!(call, Call::ListTasks(app) if app.is_empty()));
        let mut unknown = task_info("new", 2);
        unknown.trigger = "TriggerOfALaterVersion".into();
        client.answer(&message, &vec![unknown, task_info("old", 1)]).await;
    };
    let (tasks, ()) = tokio::join!(session.all_tasks(), broker);
    let tasks = tasks.unwrap();
    assert_eq!(tasks.iter().map(|task| task.name()).collect::<Vec<_>>(), ["old", "new"]);
    assert_eq!(tasks[0].trigger(), Some(&Trigger::System(SystemTrigger::new(SystemTriggerType::TimeZoneChange, true))));
    assert_eq!(tasks[0].conditions(), [SystemCondition::new(SystemConditionType::UserPresent)]);
    assert_eq!(tasks[0].task_entry_point(), "Tasks.Example");
    assert!(tasks[0].cancel_on_condition_loss() && !tasks[0].is_network_requested());
    assert_eq!(tasks[1].trigger(), None, "REG-2");
}

#[tokio::test]
async fn a_task_is_registered_and_taken_away() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let id = TaskId::new();
    let broker = async {
        let mut client = Client::attached(&listener).await;
        let (call, message) = client.call().await;
        let Call::Register { app, name, entry_point, trigger, conditions, options } = call else { panic!("{call:?}") };
        assert_eq!((app.as_str(), name.as_str(), entry_point.as_str()), ("", "Name", "Tasks.Example"));
        assert_eq!(trigger.class, "SystemTrigger");
        assert_eq!(String::try_from(trigger.properties["type"].try_clone().unwrap()).unwrap(), "TimeZoneChange");
        assert!(bool::try_from(trigger.properties["one_shot"].try_clone().unwrap()).unwrap());
        assert_eq!(conditions, ["UserPresent", "InternetAvailable"]);
        assert_eq!((options.cancel_on_condition_loss, options.is_network_requested), (Some(true), Some(false)));
        client.answer(&message, &id.to_string()).await;

        let (call, message) = client.call().await;
        assert!(matches!(call, Call::Unregister(task, true) if task == id.to_string()));
        client.answer(&message, &()).await;
        let (_, message) = client.call().await;
        client.refuse(&message, ErrorKind::UnknownTask).await;
    };
    let app = async {
        let builder = BackgroundTaskBuilder::new()
            .name("Name")
            .task_entry_point("Tasks.Example")
            .trigger(SystemTrigger::new(SystemTriggerType::TimeZoneChange, true))
            .condition(SystemCondition::new(SystemConditionType::UserPresent))
            .condition(SystemCondition::new(SystemConditionType::InternetAvailable))
            .cancel_on_condition_loss(true);
        let task = session.register(&builder).await.unwrap();
        assert_eq!((task.task_id(), task.name()), (id, "Name"));
        task.unregister(true).await.unwrap();
        assert!(task.unregister(false).await.unwrap_err().is_unknown_task());
    };
    tokio::join!(app, broker);
    let error = session.register(&BackgroundTaskBuilder::new().name("Name")).await.unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("no trigger"), "BLD-1: {error}");
}

#[tokio::test]
async fn access_is_asked_for_and_given_back() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        for status in [5_u32, 7, 42] {
            let (_, message) = client.call().await;
            client.answer(&message, &status).await;
        }
        let (call, message) = client.call().await;
        assert!(matches!(call, Call::RemoveAccess(_)));
        client.answer(&message, &()).await;
    };
    let app = async {
        assert_eq!(session.info().await.unwrap().data_dir, "/data");
        let status = session.request_access().await.unwrap();
        assert_eq!(status, BackgroundAccessStatus::AllowedSubjectToSystemPolicy);
        assert_eq!(session.access_status().await.unwrap(), BackgroundAccessStatus::DeniedByUser);
        assert!(session.access_status().await.unwrap_err().to_string().contains("42"));
        session.remove_access().await.unwrap();
    };
    tokio::join!(app, broker);
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
        assert!(matches!(call, Call::Register { .. }));
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

/// Whatever an app awaits it can await in a spawned task.
#[test]
fn futures_can_be_sent_to_other_threads() {
    fn send<T: Send>(_: impl FnOnce(&'static BackgroundTaskRegistration, &'static BackgroundTaskBuilder) -> T) {}
    send(|_, _| BackgroundTaskRegistration::all_tasks());
    send(|_, builder| builder.register());
    send(|task, _| task.unregister(true));
    send(|_, _| crate::BackgroundExecutionManager::request_access());
    send(|_, _| crate::ApplicationData::local_settings());
}
