//! A task program that speaks to its broker by hand, and breaks every rule of the host channel there is.
//!
//! The end-to-end tests run it; no program is to be written like it. See `docs/dbus.md` for what a host does.

use std::fs;
use std::io::Write as _;
use std::os::fd::FromRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, exit};
use std::time::Duration;

use bgtask_wire::{CancelInfo, Error, ErrorKind, HostCall, HostSignal, InstanceInfo, PeerSocket, host_names};
use futures_util::StreamExt as _;
use rustix::net::{Shutdown, shutdown};
use tokio::time::sleep;
use zbus::{Guid, Message, MessageStream};

/// How often a flood of progress is reported.
const FLOOD: u32 = 20_000;

/// How much progress comes before the completion of a program that ends with it: a while of reading, and what a socket holds.
const LAST: u32 = 300;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let mut host = Host::begin().await?;
    while let Some(HostCall::Run(info)) = host.next().await? {
        host.misbehave(*info).await?;
    }
    Ok(())
}

/// One end of the channel.
struct Host {
    messages: MessageStream,
    /// The same socket, for what is no message.
    raw: UnixStream,
    /// The order to run.
    call: Option<Message>,
}

impl Host {
    async fn begin() -> Result<Self, Box<dyn std::error::Error>> {
        let number = std::env::var(host_names::CHANNEL_VARIABLE)?.parse()?;
        // SAFETY: the broker left this descriptor open for this program alone, and it is taken once.
        let channel = unsafe { UnixStream::from_raw_fd(number) };
        let raw = channel.try_clone()?;
        let socket = PeerSocket::new(channel)?;
        let builder = zbus::connection::Builder::authenticated_socket(socket, Guid::generate()).p2p();
        Ok(Self { messages: builder.build_message_stream().await?, raw, call: None })
    }

    async fn next(&mut self) -> Result<Option<HostCall>, Box<dyn std::error::Error>> {
        let Some(message) = self.messages.next().await else { return Ok(None) };
        let message = message?;
        let call = HostCall::read(&message)?;
        if matches!(call, HostCall::Run(_)) {
            self.call = Some(message);
        }
        Ok(Some(call))
    }

    async fn misbehave(&mut self, info: InstanceInfo) -> Outcome {
        let id = info.instance;
        self.say(HostSignal::Started(id.clone())).await?;
        match &*info.entry_point {
            "Rogue.Floods" => self.floods(&id).await,
            "Rogue.CompletesTwice" => self.completes_twice().await,
            "Rogue.CompletesAfterCancel" => self.completes_after_cancel(&id).await,
            "Rogue.CompletesAndIsGone" => self.completes_and_is_gone(&id),
            "Rogue.CompletesAtTheKill" => self.completes_at_the_kill(&info.name).await,
            "Rogue.Victim" => self.is_a_victim(&id).await,
            "Rogue.Impostor" => self.speaks_for_another(&id).await,
            "Rogue.LeavesDaemon" => self.leaves_a_daemon().await,
            "Rogue.DiesBesideDaemon" => dies_beside_a_daemon().await,
            "Rogue.HangsUp" => self.hangs_up(&id).await,
            "Rogue.Babbles" => self.babbles(&id).await,
            other => self.fail(&format!("no such mischief: {other}")).await,
        }
    }

    /// Far more progress than anybody reads.
    async fn floods(&self, id: &str) -> Outcome {
        for value in 1..=FLOOD {
            self.say(HostSignal::Progress(id.to_owned(), value)).await?;
        }
        self.succeed().await
    }

    async fn completes_twice(&self) -> Outcome {
        self.succeed().await?;
        self.fail("not so").await
    }

    async fn completes_after_cancel(&mut self, id: &str) -> Outcome {
        self.cancelled().await?;
        self.say(HostSignal::Progress(id.to_owned(), 50)).await?;
        self.fail("half of it is done").await?;
        self.succeed().await
    }

    /// Says everything in one breath, its completion last, and ends before anybody can have read that.
    fn completes_and_is_gone(&mut self, id: &str) -> Outcome {
        let mut bytes = Vec::new();
        for value in 1..=LAST {
            bytes.extend_from_slice(HostSignal::Progress(id.to_owned(), value).message()?.data());
        }
        bytes.extend_from_slice(Message::method_return(&self.order().header()).build(&())?.data());
        self.raw.write_all(&bytes)?;
        exit(0)
    }

    /// At the very moment the grace ends: a little before or after, as its name says in milliseconds.
    async fn completes_at_the_kill(&mut self, after: &str) -> Outcome {
        let grace = Duration::from_micros(self.cancelled().await?.grace);
        let (before, after) = (Duration::from_millis(100), Duration::from_millis(after.parse()?));
        sleep(grace - before + after).await;
        self.succeed().await
    }

    /// Leaves word of its instance and of the number of its order, which no other host is to know.
    async fn is_a_victim(&mut self, id: &str) -> Outcome {
        let word = format!("{id} {}", self.serial());
        let file = data("victim")?;
        fs::write(file.with_extension("new"), word)?;
        fs::rename(file.with_extension("new"), file)?;
        self.say(HostSignal::Progress(id.to_owned(), 5)).await?;
        self.cancelled().await?;
        self.succeed().await
    }

    async fn speaks_for_another(&mut self, id: &str) -> Outcome {
        let word = fs::read_to_string(data("victim")?)?;
        let (instance, serial) = word.split_once(' ').ok_or("no victim")?;
        self.say(HostSignal::Started(instance.to_owned())).await?;
        self.say(HostSignal::Progress(instance.to_owned(), 77)).await?;
        self.reply_to(serial.parse()?)?;
        self.say(HostSignal::Progress(id.to_owned(), 1)).await?;
        self.cancelled().await?;
        self.succeed().await
    }

    /// Completes in good order and ends, but what it started does not, and holds all it inherited.
    async fn leaves_a_daemon(&self) -> Outcome {
        daemon().await?;
        self.succeed().await?;
        exit(0)
    }

    /// Closes its channel and runs on: nothing it does can be heard of any more.
    async fn hangs_up(&self, id: &str) -> Outcome {
        self.say(HostSignal::Progress(id.to_owned(), 9)).await?;
        shutdown(&self.raw, Shutdown::Both)?;
        std::future::pending().await
    }

    /// Says what is no message, and runs on.
    async fn babbles(&mut self, id: &str) -> Outcome {
        self.say(HostSignal::Progress(id.to_owned(), 9)).await?;
        self.raw.write_all(&[b'x'; 4_096])?;
        std::future::pending().await
    }

    async fn say(&self, signal: HostSignal) -> Outcome {
        self.send(&signal.message()?).await
    }

    async fn succeed(&self) -> Outcome {
        self.send(&Message::method_return(&self.order().header()).build(&())?).await
    }

    async fn fail(&self, why: &str) -> Outcome {
        self.send(&Error::new(ErrorKind::TaskFailed, why).reply(&self.order().header())?).await
    }

    async fn send(&self, message: &Message) -> Outcome {
        Ok(zbus::Connection::from(&self.messages).send(message).await?)
    }

    /// Completes an order by its number alone, whoever got it.
    fn reply_to(&mut self, serial: u32) -> Outcome {
        let reply = Message::method_return(&self.order().header()).build(&())?;
        let (own, mut bytes) = (self.serial().to_ne_bytes(), reply.data().to_vec());
        // The header field of the number: 5, with a value of the type `u`.
        let field = [&[5, 1, b'u', 0], &own[..]].concat();
        let at = bytes.windows(field.len()).position(|window| window == field).ok_or("a reply to nothing")?;
        bytes[at + 4..at + 8].copy_from_slice(&serial.to_ne_bytes());
        Ok(self.raw.write_all(&bytes)?)
    }

    async fn cancelled(&mut self) -> Result<CancelInfo, Box<dyn std::error::Error>> {
        loop {
            if let HostCall::Cancel { info, .. } = self.next().await?.ok_or("the broker is gone")? {
                return Ok(info);
            }
        }
    }

    fn serial(&self) -> u32 {
        self.order().primary_header().serial_num().get()
    }

    fn order(&self) -> &Message {
        self.call.as_ref().expect("it was told to run")
    }
}

async fn dies_beside_a_daemon() -> Outcome {
    daemon().await?;
    eprintln!("last words");
    exit(4)
}

/// Starts a process in a session of its own that keeps the channel and the output open: its number is in the file `daemon`.
async fn daemon() -> Outcome {
    let script = r#"setsid sh -c 'echo $$ >"$0.new"; mv "$0.new" "$0"; exec sleep 1000' "$0" &"#;
    let file = data("daemon")?;
    Command::new("sh").arg("-c").arg(script).arg(&file).status()?;
    while !file.exists() {
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn data(name: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    Ok(PathBuf::from(std::env::var_os(host_names::DATA_VARIABLE).ok_or("no data folder")?).join(name))
}
