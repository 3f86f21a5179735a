//! A real task program: this one, started again as a host, or by hand.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Output, Stdio};

use bgtask::host::{BackgroundTask, EXIT_NOT_A_HOST, Host, TaskError, TaskInstance};
use bgtask_wire::{CancelInfo, HostCall, HostSignal, InstanceInfo, PeerSocket, host_names};
use futures_util::StreamExt;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, Guid, MessageStream};

const BY_HAND: &str = "--by-hand";

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

fn main() -> ExitCode {
    let host = Host::new().entry_point("Tasks.Example", Example);
    if Host::is_host() || std::env::args().any(|argument| argument == BY_HAND) {
        return host.run();
    }
    let checks: [(&str, fn()); 4] = [
        ("a_program_started_by_hand_explains_itself", a_program_started_by_hand_explains_itself),
        ("a_wrong_channel_is_explained", a_wrong_channel_is_explained),
        ("a_host_runs_its_task_and_ends_with_its_channel", a_host_runs_its_task_and_ends_with_its_channel),
        ("a_channel_that_ends_at_once_ends_the_host", a_channel_that_ends_at_once_ends_the_host),
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
    }
}
