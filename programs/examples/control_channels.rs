//! An app with a control channel: it keeps one connection, and its tasks run in it when something arrives.
//!
//! ```text
//! control_channels tcp|http|websocket ADDRESS
//! ```
//!
//! It connects, opens the channel `feed`, and waits until its input ends; `close` closes the channel, `again` connects anew. Of each run
//! of a task, and of what became of the channel, it leaves a line of JSON in the file `told` of the app's data folder. Started by the
//! broker, without arguments, it has lost its channel: it opens it anew, for what the file `where` in the same folder names.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bgtask::host::TaskError;
use bgtask::network::{
    ControlChannelTrigger, ControlChannelTriggerEventDetails, ControlChannelTriggerResetEventDetails,
    ControlChannelTriggerStatus,
};
use bgtask::{
    BackgroundActivatedEventArgs, BackgroundExecutionManager, BackgroundTaskBuilder, CoreApplication, SystemTrigger,
    SystemTriggerType,
};
use futures_util::FutureExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tungstenite::{Message, WebSocket};

/// How long is waited for what was said to have arrived.
const PATIENCE: Duration = Duration::from_secs(10);

type Held = Arc<Mutex<Option<(ControlChannelTrigger, Connection)>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), TaskError> {
    let held = Held::default();
    // First of all: the tasks of the channel run here.
    let tasks = Arc::clone(&held);
    CoreApplication::background_activated(move |args| run(args, Arc::clone(&tasks)));
    if CoreApplication::is_background_start() {
        return Ok(CoreApplication::run_background().await?);
    }
    let mut arguments = std::env::args().skip(1);
    let (kind, address) = arguments.next().zip(arguments.next()).ok_or("usage: control_channels KIND ADDRESS")?;
    register().await?;
    open(&held, &kind, &address).await?;
    loop {
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|read| (read > 0).then_some(line))
        });
        match line.await??.as_deref().map(str::trim) {
            None => return Ok(()),
            Some("close") => {
                if let Some((channel, _)) = held.lock().await.take() {
                    channel.close().await?;
                }
                tell(&json!({ "closed": true }))?;
            }
            Some("again") => open(&held, &kind, &address).await?,
            Some(other) => return Err(format!("what is {other:?}?").into()),
        }
    }
}

/// CCT-7: one task for what arrives, one for what the server wants to hear, one for when all of it is lost.
async fn register() -> Result<(), bgtask::Error> {
    BackgroundExecutionManager::request_access().await?;
    let channel = ControlChannelTrigger::new("feed", 25)?;
    let register = async |name: &str, trigger: bgtask::Trigger| {
        BackgroundTaskBuilder::new().name(name).trigger(trigger).register_or_update().await.map(drop)
    };
    register("Push", channel.push_notification_trigger().into()).await?;
    register("KeepAlive", channel.keep_alive_trigger().into()).await?;
    register("Reset", SystemTrigger::new(SystemTriggerType::ControlChannelReset, false).into()).await
}

/// CCT-5, CCT-6: the transport is told first, and the channel opened when it is connected.
async fn open(held: &Held, kind: &str, address: &str) -> Result<(), TaskError> {
    let mut held = held.lock().await;
    let mut channel = match held.take() {
        Some((channel, _)) => channel,
        None => ControlChannelTrigger::new("feed", 25)?,
    };
    let connection = Connection::open(kind, address, &mut channel).await?;
    let status = channel.wait_for_push_enabled().await?;
    let keep_alive = channel.current_keep_alive_interval_in_minutes();
    tell(&json!({ "status": status.name(), "network_keep_alive": keep_alive }))?;
    if status == ControlChannelTriggerStatus::SoftwareSlotAllocated {
        *held = Some((channel, connection));
    }
    Ok(())
}

/// The app's tasks.
async fn run(args: BackgroundActivatedEventArgs, held: Held) -> Result<(), TaskError> {
    let instance = args.task_instance();
    if let Some(reset) = ControlChannelTriggerResetEventDetails::of(instance) {
        let (software, hardware) = (reset.software_slot_reset(), reset.hardware_slot_reset());
        tell(&json!({ "reset": reset.reset_reason().name(), "software": software, "hardware": hardware }))?;
        let place = fs::read_to_string(format!("{}/where", std::env::var("BGTASK_APP_DATA")?))?;
        let (kind, address) = place.split_once(' ').ok_or("where to connect is not known")?;
        return open(&held, kind, address).await;
    }
    let details = ControlChannelTriggerEventDetails::of(instance).ok_or("another trigger fired")?;
    let mut held = held.lock().await;
    let (channel, connection) = held.as_mut().ok_or("the channel was closed")?;
    if details.is_keep_alive() {
        connection.say("ping").await?;
    } else {
        let (said, ended) = connection.read().await?;
        tell(&json!({ "channel": details.control_channel_trigger_id(), "read": said, "ended": ended }))?;
        if !ended {
            connection.say("thanks").await?;
        }
    }
    // CCT-12
    Ok(channel.flush_transport().await?)
}

fn tell(line: &serde_json::Value) -> Result<(), TaskError> {
    let path = format!("{}/told", std::env::var("BGTASK_APP_DATA")?);
    Ok(fs::File::options().create(true).append(true).open(path)?.write_all(format!("{line}\n").as_bytes())?)
}

/// A connection with everything that belongs to it.
enum Connection {
    Tcp(TcpStream),
    /// An answer that goes on and on, as server-sent events do.
    Http {
        driver: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
        events: Incoming,
    },
    WebSocket(Box<WebSocket<std::net::TcpStream>>),
}

impl Connection {
    async fn open(kind: &str, address: &str, channel: &mut ControlChannelTrigger) -> Result<Self, TaskError> {
        Ok(match kind {
            "tcp" => {
                // A socket that is not connected yet.
                let socket = tokio::net::TcpSocket::new_v4()?;
                channel.using_transport(&socket)?;
                Self::Tcp(socket.connect(address.parse()?).await?)
            }
            "http" => {
                let stream = TcpStream::connect(address).await?;
                channel.using_transport(&stream)?;
                let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                let mut driver: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(connection);
                let request = hyper::Request::get("/events").header("host", address).body(String::new())?;
                let mut answer = pin!(sender.send_request(request));
                let events = tokio::select! {
                    answer = &mut answer => answer?.into_body(),
                    _ = &mut driver => return Err("the server has hung up".into()),
                };
                Self::Http { driver, events }
            }
            "websocket" => {
                // Whoever gives its connection away only when it is connected has it told then.
                let stream = std::net::TcpStream::connect(address)?;
                let (socket, _) =
                    tungstenite::client(format!("ws://{address}/"), stream).map_err(|error| error.to_string())?;
                socket.get_ref().set_nonblocking(true)?;
                channel.using_transport(socket.get_ref())?;
                Self::WebSocket(Box::new(socket))
            }
            other => return Err(format!("there is no connection of the kind {other}").into()),
        })
    }

    /// Reads everything that has arrived; and whether the connection has ended with that.
    async fn read(&mut self) -> Result<(Vec<String>, bool), TaskError> {
        match self {
            Self::Tcp(stream) => read_stream(stream).await,
            Self::Http { driver, events } => Ok(read_events(driver, events).await),
            Self::WebSocket(socket) => read_messages(socket),
        }
    }

    async fn say(&mut self, word: &str) -> Result<(), TaskError> {
        match self {
            Self::Tcp(stream) => {
                stream.writable().await?;
                stream.try_write(format!("{word}\n").as_bytes())?;
            }
            // Nothing goes up while the answer comes down.
            Self::Http { .. } => {}
            Self::WebSocket(socket) => socket.send(Message::text(word))?,
        }
        Ok(())
    }
}

async fn read_stream(stream: &TcpStream) -> Result<(Vec<String>, bool), TaskError> {
    // The runtime may not have seen yet what the broker has.
    timeout(PATIENCE, stream.readable()).await??;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
    let ended = loop {
        match stream.try_read(&mut buffer) {
            Ok(0) => break true,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break false,
            Err(_broken) => break true,
        }
    };
    Ok((String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect(), ended))
}

/// The connection of hyper is a future of its own, and is driven here: nobody else reads from it.
async fn read_events(
    driver: &mut Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
    events: &mut Incoming,
) -> (Vec<String>, bool) {
    let mut said = Vec::new();
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *events).poll_frame(cx));
        let next = async {
            tokio::select! {
                biased;
                frame = frame => frame.and_then(Result::ok),
                _ = &mut *driver => None,
            }
        };
        // The first is on its way; what came with it is there when it is.
        let next = if said.is_empty() { timeout(PATIENCE, next).await.ok() } else { next.now_or_never() };
        match next {
            None => return (said, false),
            Some(None) => return (said, true),
            Some(Some(frame)) => {
                let bytes = frame.into_data().unwrap_or_default();
                said.extend(String::from_utf8_lossy(&bytes).lines().map(str::to_owned));
            }
        }
    }
}

/// Until nothing whole is left: what is read of a message that is not whole stays in the socket's own buffer.
fn read_messages(socket: &mut WebSocket<std::net::TcpStream>) -> Result<(Vec<String>, bool), TaskError> {
    let mut said = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => said.push(text.to_string()),
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return Ok((said, false)),
            Err(_closed) => return Ok((said, true)),
        }
    }
}
