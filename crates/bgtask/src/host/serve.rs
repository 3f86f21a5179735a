//! The host's side of the channel.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bgtask_wire::{CancelInfo, Error, ErrorKind, HostCall, HostSignal, InstanceInfo, PeerSocket, host_names};
use futures_util::{Stream, StreamExt, stream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use zbus::Message;
use zbus::connection::socket::{ReadHalf, Socket as _};
use zbus::message::{Flags, Type};

use super::outbox::{Channel, Outbox, Socket};
use super::{CANCEL_GRACE, CancelNotice, Cancellation, Entries, InstanceParts, TaskInstance, run_to_end};
use crate::throttle::Throttles;
use crate::{BackgroundTaskCancellationReason as Reason, InstanceId};

/// Most activations one process runs at a time.
pub const MAX_INSTANCES: usize = 64;

/// Serves a channel on a runtime made for it; `Ok(false)` if a task had not ended by the end of the grace.
pub(super) fn run(entries: Entries, stream: UnixStream) -> io::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(serve_socket(entries, stream, CANCEL_GRACE));
    // A task's blocking threads may never end, and the process is about to.
    runtime.shutdown_background();
    ended
}

/// Serves the channel that the broker left open for the program it started.
///
/// It speaks D-Bus messages on the bare socket: a connection object would cost as much time as all the rest of the start.
pub(crate) async fn serve_socket(entries: Entries, stream: UnixStream, grace: Duration) -> io::Result<bool> {
    let (read, write) = PeerSocket::of_host(stream)?.split().take();
    let data_dir = std::env::var_os(host_names::DATA_VARIABLE).map(PathBuf::from);
    Ok(serve(entries, data_dir, messages(read), Socket(write), grace).await)
}

/// Serves calls until they end, then cancels what runs and waits for it, for `grace` at most. What has not ended then is dropped,
/// and the answer is `false`.
pub(crate) async fn serve(
    entries: Entries,
    data_dir: Option<PathBuf>,
    messages: impl Stream<Item = Message>,
    channel: impl Channel,
    grace: Duration,
) -> bool {
    let outbox = Arc::new(Outbox::default());
    let mut server =
        Server { entries, data_dir, outbox: Arc::clone(&outbox), running: HashMap::new(), tasks: JoinSet::new() };
    let writer = tokio::spawn(async move { outbox.write_to(channel).await });
    let mut messages = std::pin::pin!(messages);
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => server.hear(&message),
                None => break,
            },
            Some(ended) = server.tasks.join_next() => {
                let Ok(instance) = ended else { unreachable!("every panic of a task is caught before it gets here") };
                server.running.remove(&instance);
            }
        }
    }
    writer.abort();
    server.stop(grace).await
}

/// The messages of the channel until it ends. A stream, because reading one must not be dropped half-way.
fn messages(read: impl ReadHalf) -> impl Stream<Item = Message> {
    stream::unfold((read, 0), |(mut read, sequence)| async move {
        let message = read.receive_message(sequence, &mut Vec::new(), &mut Vec::new()).await.ok()?;
        Some((message, (read, sequence + 1)))
    })
}

struct Server {
    entries: Entries,
    data_dir: Option<PathBuf>,
    outbox: Arc<Outbox>,
    running: HashMap<InstanceId, Running>,
    tasks: JoinSet<InstanceId>,
}

struct Running {
    cancellation: Arc<Cancellation>,
    throttles: Arc<Throttles>,
    began: Instant,
    budget: Duration,
}

impl Server {
    fn hear(&mut self, message: &Message) {
        if message.message_type() != Type::MethodCall {
            return;
        }
        let done = HostCall::read(message).and_then(|call| match call {
            HostCall::Run(info) => self.start(*info, message),
            HostCall::Cancel { instance, reason, info } => {
                self.cancel(&instance, reason, &info);
                Ok(())
            }
            HostCall::Throttled { instance, cpu, network } => {
                self.throttled(&instance, cpu, network);
                Ok(())
            }
        });
        if let Err(error) = done {
            reply(&self.outbox, message, Err(error));
        }
    }

    fn start(&mut self, info: InstanceInfo, call: &Message) -> Result<(), Error> {
        let entry = self.entries.find(&info)?;
        let mut parts = self.check(info)?;
        let (id, budget, throttles) = (parts.instance_id, parts.budget, Arc::clone(&parts.throttles));
        let cancellation = Arc::new(Cancellation::default());
        parts.socket.tell({
            let outbox = Arc::clone(&self.outbox);
            move || outbox.took(id)
        });
        let instance = TaskInstance::new(parts, Arc::clone(&cancellation), self.data_dir.clone(), {
            let outbox = Arc::clone(&self.outbox);
            move |value| outbox.progress(id, value)
        });
        // The writer is woken before the task is spawned, so this is on its way before the first line of the task runs.
        self.outbox.send(HostSignal::Started(id.to_string()).message().map_err(Error::from)?);
        self.running.insert(id, Running { cancellation, throttles, began: Instant::now(), budget });
        let (outbox, call) = (Arc::clone(&self.outbox), call.clone());
        self.tasks.spawn(async move {
            let result = run_to_end(&entry, instance).await;
            reply(&outbox, &call, result.map_err(|text| Error::new(ErrorKind::TaskFailed, text)));
            id
        });
        Ok(())
    }

    fn check(&self, info: InstanceInfo) -> Result<InstanceParts, Error> {
        let invalid = |problem: String| Error::new(ErrorKind::InvalidArgument, problem);
        let parts = InstanceParts::read(info).map_err(|error| invalid(error.to_string()))?;
        if self.running.contains_key(&parts.instance_id) {
            return Err(invalid(format!("instance {} is running already", parts.instance_id)));
        }
        if self.running.len() >= MAX_INSTANCES {
            let problem = format!("the host runs {MAX_INSTANCES} instances already; start another one");
            return Err(Error::new(ErrorKind::LimitReached, problem));
        }
        Ok(parts)
    }

    /// An instance that is not there has just ended: its reply is on the way.
    fn cancel(&self, instance: &str, reason: u32, info: &CancelInfo) {
        if let Some(running) = self.running(instance) {
            // A reason of a later version is a policy this version does not know.
            let reason = Reason::from_number(reason).unwrap_or(Reason::SystemPolicy);
            let [budget, used, grace] = [info.budget, info.used, info.grace].map(Duration::from_micros);
            running.cancellation.cancel(CancelNotice { reason, budget, used, grace });
        }
    }

    fn throttled(&self, instance: &str, cpu: u32, network: u32) {
        if let Some(running) = self.running(instance) {
            running.throttles.set(cpu, network);
        }
    }

    fn running(&self, instance: &str) -> Option<&Running> {
        instance.parse().ok().and_then(|id: InstanceId| self.running.get(&id))
    }

    /// The broker is gone (D7). Whether everything ended in time.
    async fn stop(mut self, grace: Duration) -> bool {
        for Running { cancellation, began, budget, .. } in self.running.values() {
            let (reason, used) = (Reason::SystemPolicy, began.elapsed());
            cancellation.cancel(CancelNotice { reason, budget: *budget, used, grace });
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(grace, all).await.is_ok()
    }
}

fn reply(outbox: &Outbox, call: &Message, result: Result<(), Error>) {
    let header = call.header();
    if header.primary().flags().contains(Flags::NO_REPLY_EXPECTED) {
        return;
    }
    let message = match result {
        Ok(()) => Message::method_return(&header).build(&()),
        Err(error) => error.reply(&header),
    };
    if let Ok(message) = message {
        outbox.send(message);
    }
}
