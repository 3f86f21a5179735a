//! The actors: the broker and the app as processes, and what can be heard of them.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bgtask_wire::{ADDRESS_VARIABLE, Address, BROKER_INTERFACE, BrokerProxy, EventInfo};
use futures_util::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::sleep;
use zbus::MessageStream;

use super::APP_PROGRAM;
use super::stage::Stage;
use crate::connection::Target;
use crate::failure::Failure;

/// How long anything may take that is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at something that does not tell when it changes.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Lines that may wait to be heard.
const MAX_UNHEARD: usize = 1024;

/// What somebody said.
pub(super) enum Line {
    /// The broker: a change of the task.
    Change(EventInfo),
    /// The app printed this.
    App(String),
}

/// The app's process.
struct App {
    child: Child,
    /// While this is held, the app is open. (The child itself would close it when it is waited for.)
    open: Option<ChildStdin>,
}

/// Everybody, and one ear for all of them.
pub(super) struct Cast {
    broker: Child,
    pub(super) proxy: BrokerProxy<'static>,
    app: Option<App>,
    ear: mpsc::Receiver<Line>,
    mouth: mpsc::Sender<Line>,
}

impl Cast {
    /// Starts the broker and listens to it.
    pub(super) async fn assemble(stage: &Stage) -> Result<Self, Failure> {
        let mut broker = start_broker(stage)?;
        let proxy = connect(stage, &mut broker).await?;
        let (mouth, ear) = mpsc::channel(MAX_UNHEARD);
        let changes = MessageStream::from(proxy.inner().connection());
        tokio::spawn(tell_changes(changes, mouth.clone()));
        proxy.watch("").await?;
        Ok(Self { broker, proxy, app: None, ear, mouth })
    }

    pub(super) fn broker_id(&self) -> u32 {
        self.broker.id().unwrap_or_default()
    }

    /// Opens the app.
    pub(super) fn open_app(&mut self, stage: &Stage) -> Result<u32, Failure> {
        let address = Address::of_path(stage.root().join("run/broker"));
        let mut command = command(stage, APP_PROGRAM);
        command.env(ADDRESS_VARIABLE, address.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(&mut command, APP_PROGRAM)?;
        let outputs: [Option<Box<dyn AsyncRead + Send + Unpin>>; 2] =
            [child.stdout.take().map(|it| Box::new(it) as _), child.stderr.take().map(|it| Box::new(it) as _)];
        for output in outputs.into_iter().flatten() {
            tokio::spawn(tell_lines(output, self.mouth.clone()));
        }
        let id = child.id().unwrap_or_default();
        let open = child.stdin.take();
        self.app = Some(App { child, open });
        Ok(id)
    }

    /// Closes the app and waits until it is gone.
    pub(super) async fn close_app(&mut self) -> Result<(), Failure> {
        let Some(mut app) = self.app.take() else { return Ok(()) };
        drop(app.open.take());
        match tokio::time::timeout(PATIENCE, app.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::failed(format!("the app ended with {status}"))),
            Ok(Err(error)) => Err(Failure::failed(format!("the app cannot be waited for: {error}"))),
            Err(_) => Err(Failure::failed("the app was closed and did not end")),
        }
    }

    /// The next thing anybody says, or what is wrong if it takes too long.
    pub(super) async fn hear(&mut self, waited_for: &str) -> Result<Line, Failure> {
        let gone = |who: &str| Failure::failed(format!("{who} ended while this was waited for: {waited_for}"));
        let app = async {
            match &mut self.app {
                Some(app) => drop(app.child.wait().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(line) = self.ear.recv() => Ok(line),
            _ = self.broker.wait() => Err(gone("the broker")),
            () = app => Err(gone("the app")),
            () = sleep(PATIENCE) => {
                Err(Failure::failed(format!("nothing happened for {} s while this was waited for: {waited_for}", PATIENCE.as_secs())))
            }
        }
    }

    /// Waits until the sources of the task have read the machine once: a change before that would be none.
    pub(super) async fn settle(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let sources = self.proxy.list_sources().await?;
            if !sources.is_empty() && sources.iter().all(|source| source.value.is_some()) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(Failure::failed(
                    "the broker's sources did not read the machine; `bgtask sources` says more",
                ));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Ends the app, then the broker, which ends the task programs.
    pub(super) async fn dismiss(mut self) {
        if let Some(app) = &mut self.app {
            // A failure means that it has ended already, here and below.
            let _ended = app.child.kill().await;
        }
        if let Some(id) = self.broker.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ended = kill_process(id, Signal::TERM);
        }
        if tokio::time::timeout(PATIENCE, self.broker.wait()).await.is_err() {
            let _ended = self.broker.kill().await;
        }
    }
}

/// Waits until no program of the stage runs any more; kills what does not end. Answers whether that was necessary.
pub(super) async fn sweep(stage: &Stage) -> bool {
    let begun = Instant::now();
    loop {
        let left = stage.processes();
        if left.is_empty() {
            return begun.elapsed() > PATIENCE;
        }
        if begun.elapsed() > PATIENCE {
            for id in left {
                let _ended = kill_process(id, Signal::KILL);
            }
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn start_broker(stage: &Stage) -> Result<Child, Failure> {
    let cannot = |error| Failure::failed(format!("the broker's log cannot be made: {error}"));
    let log = File::create(stage.log()).map_err(cannot)?;
    let mut command = command(stage, "bgtaskd");
    command.arg("--root").arg(stage.root()).arg("--sysroot").arg(stage.sysroot());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    spawn(&mut command, "bgtaskd")
}

/// A program of the stage: it knows nothing of the user's own broker, and Ctrl-C does not reach it.
fn command(stage: &Stage, name: &str) -> Command {
    let mut command = Command::new(stage.program(name));
    command.env_clear().env("HOME", stage.path()).current_dir(stage.path());
    command.process_group(0).kill_on_drop(true);
    command
}

fn spawn(command: &mut Command, name: &str) -> Result<Child, Failure> {
    command.spawn().map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "; set TMPDIR to a folder where programs may be executed",
            _ => "",
        };
        Failure::failed(format!("{name} cannot be started: {error}{hint}"))
    })
}

async fn connect(stage: &Stage, broker: &mut Child) -> Result<BrokerProxy<'static>, Failure> {
    let target = Target::of_root(stage.root());
    let begun = Instant::now();
    loop {
        match target.connect().await {
            Ok(proxy) => return Ok(proxy),
            Err(failure) if begun.elapsed() > PATIENCE => return Err(failure),
            Err(_) => {}
        }
        if let Ok(Some(status)) = broker.try_wait() {
            return Err(Failure::failed(format!("the broker ended at once, with {status}")));
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn tell_changes(mut messages: MessageStream, mouth: mpsc::Sender<Line>) {
    while let Some(Ok(message)) = messages.next().await {
        let header = message.header();
        let is_event = header.interface().is_some_and(|interface| interface.as_str() == BROKER_INTERFACE)
            && header.member().is_some_and(|member| member.as_str() == "Event");
        if is_event
            && let Ok(event) = message.body().deserialize()
            && mouth.send(Line::Change(event)).await.is_err()
        {
            return;
        }
    }
}

async fn tell_lines(output: impl AsyncRead + Unpin, mouth: mpsc::Sender<Line>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if mouth.send(Line::App(line)).await.is_err() {
            return;
        }
    }
}
