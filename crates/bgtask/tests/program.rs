//! A real task program: this one, started again as a host, or by hand.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Output, Stdio};

use bgtask::host::{BackgroundTask, EXIT_NOT_A_HOST, Host, TaskError, TaskInstance};
use bgtask::{BackgroundTaskRegistrationGroup, CoreApplication};
use bgtask_wire::{CancelInfo, HostCall, HostSignal, InstanceInfo, PeerSocket, host_names};
use futures_util::StreamExt;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, Guid, MessageStream};

const BY_HAND: &str = "--by-hand";
/// Has the program be an app, as its `main` would be.
const APP: &str = "--app";

struct Example;

impl BackgroundTask for Example {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let settings = instance.local_settings()?;
        let same = bgtask::ApplicationData::local_settings().await?;
        assert_eq!(settings, same);
        settings.set(instance.task().name(), "Completed")?;
        // The channel is not for the programs a task starts: descriptor 0 is it here, and they get another.
        assert!(!Command::new("sh").args(["-c", "test -S /proc/self/fd/0"]).stdin(Stdio::null()).status()?.success());
        instance.progress(100);
        let deferral = instance.deferral();
        instance.cancelled().await;
        deferral.complete();
        Ok(())
    }
}

/// The `main` of an app whose tasks run in itself.
#[tokio::main(flavor = "current_thread")]
async fn app() -> ExitCode {
    CoreApplication::background_activated(async |args| {
        args.task_instance().local_settings()?.set("Activated", args.task_instance().task().name())?;
        Ok(())
    });
    let group = BackgroundTaskRegistrationGroup::new("org.example.group");
    group.background_activated(async |group, _args| Err(format!("in {}", group.id()).into()));
    if !CoreApplication::is_background_start() {
        let error = CoreApplication::run_background().await.unwrap_err();
        assert!(error.is_invalid_argument() && error.to_string().contains("is_background_start"), "{error}");
        return ExitCode::SUCCESS;
    }
    CoreApplication::run_background().await.unwrap();
    let again = CoreApplication::run_background().await.unwrap_err();
    assert!(again.to_string().contains("called before"), "{again}");
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == APP) {
        return app();
    }
    let host = Host::new().entry_point("Tasks.Example", Example);
    if Host::is_host() || std::env::args().any(|argument| argument == BY_HAND) {
        return host.run();
    }
    let checks: [(&str, fn()); 6] = [
        ("a_program_started_by_hand_explains_itself", a_program_started_by_hand_explains_itself),
        ("a_wrong_channel_is_explained", a_wrong_channel_is_explained),
        ("a_host_runs_its_task_and_ends_with_its_channel", a_host_runs_its_task_and_ends_with_its_channel),
        ("a_channel_that_ends_at_once_ends_the_host", a_channel_that_ends_at_once_ends_the_host),
        ("an_app_that_the_broker_started_runs_its_own_tasks", an_app_that_the_broker_started_runs_its_own_tasks),
        ("an_app_that_a_person_started_is_no_background_start", an_app_that_a_person_started_is_no_background_start),
    ];
    for (name, check) in checks {
        check();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn program() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts the program as a broker does, with the channel as descriptor 0.
fn host(channel: UnixStream) -> Command {
    let mut command = program();
    command.env(host_names::CHANNEL_VARIABLE, "0").stdin(OwnedFd::from(channel));
    command
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn a_program_started_by_hand_explains_itself() {
    let output = program().arg(BY_HAND).output().unwrap();
    assert_eq!(output.status.code(), Some(EXIT_NOT_A_HOST.into()));
    assert!(said(&output).contains("is a task host") && said(&output).contains("Tasks.Example"), "{}", said(&output));
}

fn a_wrong_channel_is_explained() {
    for (number, words) in [("x", "no descriptor number"), ("-1", "no descriptor number"), ("0", "no Unix socket")] {
        let output = program().env(host_names::CHANNEL_VARIABLE, number).output().unwrap();
        assert_eq!(output.status.code(), Some(EXIT_NOT_A_HOST.into()));
        assert!(said(&output).contains(words), "{number}: {}", said(&output));
    }
}

fn a_channel_that_ends_at_once_ends_the_host() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(ours);
    let output = host(theirs).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[tokio::main(flavor = "current_thread")]
async fn a_host_runs_its_task_and_ends_with_its_channel() {
    let data = tempfile::tempdir().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = host(theirs).env(host_names::DATA_VARIABLE, data.path()).spawn().unwrap();

    let builder = Builder::authenticated_socket(PeerSocket::new(ours).unwrap(), Guid::generate()).p2p();
    let mut messages = builder.build_message_stream().await.unwrap();
    let connection = Connection::from(&messages);
    let instance = "67e55044-10b1-426f-9247-bb680e5fe0c8".to_string();
    connection.send(&HostCall::Run(Box::new(info(&instance))).message().unwrap()).await.unwrap();
    assert_eq!(signal(&mut messages).await, HostSignal::Started(instance.clone()));
    assert_eq!(signal(&mut messages).await, HostSignal::Progress(instance.clone(), 100));
    connection
        .send(
            &HostCall::Cancel { instance, reason: 0, info: CancelInfo { budget: 25, used: 1, grace: 5 } }
                .message()
                .unwrap(),
        )
        .await
        .unwrap();
    let reply = messages.next().await.unwrap().unwrap();
    assert_eq!(reply.message_type(), Type::MethodReturn, "{reply:?}");

    connection.close().await.unwrap();
    drop(messages);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let settings = bgtask::ApplicationDataContainer::open(data.path()).unwrap();
    assert_eq!(settings.get::<String>("Example").unwrap().as_deref(), Some("Completed"));
}

/// BLD-9, GRP-5: the app is not running, so the broker starts it, with the channel of a host.
#[tokio::main(flavor = "current_thread")]
async fn an_app_that_the_broker_started_runs_its_own_tasks() {
    let data = tempfile::tempdir().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = host(theirs).arg(APP).env(host_names::DATA_VARIABLE, data.path()).spawn().unwrap();
    let builder = Builder::authenticated_socket(PeerSocket::new(ours).unwrap(), Guid::generate()).p2p();
    let mut messages = builder.build_message_stream().await.unwrap();
    let connection = Connection::from(&messages);

    let own = InstanceInfo { entry_point: String::new(), ..info("67e55044-10b1-426f-9247-bb680e5fe0c8") };
    connection.send(&HostCall::Run(Box::new(own)).message().unwrap()).await.unwrap();
    assert!(matches!(signal(&mut messages).await, HostSignal::Started(_)));
    assert_eq!(messages.next().await.unwrap().unwrap().message_type(), Type::MethodReturn);

    let grouped = InstanceInfo {
        entry_point: String::new(),
        group: Some("org.example.group".into()),
        ..info("67e55044-10b1-426f-9247-bb680e5fe0c9")
    };
    connection.send(&HostCall::Run(Box::new(grouped)).message().unwrap()).await.unwrap();
    assert!(matches!(signal(&mut messages).await, HostSignal::Started(_)));
    let reply = messages.next().await.unwrap().unwrap();
    assert_eq!(reply.message_type(), Type::Error);
    assert!(format!("{:?}", reply.body().deserialize::<String>()).contains("in org.example.group"), "{reply:?}");

    connection.close().await.unwrap();
    drop(messages);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let settings = bgtask::ApplicationDataContainer::open(data.path()).unwrap();
    assert_eq!(settings.get::<String>("Activated").unwrap().as_deref(), Some("Example"));
}

fn an_app_that_a_person_started_is_no_background_start() {
    let output = program().arg(APP).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

async fn signal(messages: &mut MessageStream) -> HostSignal {
    let message = messages.next().await.unwrap().unwrap();
    HostSignal::read(&message).unwrap_or_else(|| panic!("{message:?} {:?}", message.body()))
}

fn info(instance: &str) -> InstanceInfo {
    InstanceInfo {
        instance: instance.into(),
        task: "00000000-0000-0000-0000-000000000001".into(),
        name: "Example".into(),
        entry_point: "Tasks.Example".into(),
        class_id: None,
        group: None,
        trigger: "SystemTrigger".into(),
        trigger_type: "TimeZoneChange".into(),
        event_id: None,
        trigger_details: Default::default(),
        fired_at: 0,
        fired_count: 1,
        attempt: 1,
        budget: 25_000_000,
        throttled_cpu: None,
        throttled_network: None,
        socket: None,
    }
}
