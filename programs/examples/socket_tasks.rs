//! A task program for sockets that were handed over. What it does with one stands in the socket's context, a word and perhaps a
//! number; of each run it leaves a line of JSON in the file `told` of the app's data folder.
//!
//! | context | what it does |
//! |---|---|
//! | `echo N` | sends back what has arrived, N bytes at most, and hands the socket over again |
//! | `accept` | accepts what waits, hands each connection over for `echo`, and the listener again |
//! | `answer` | accepts what waits, sends back on each connection what comes first, closes it, and hands the listener over again |
//! | `ignore` | ends without taking it |
//! | `drop` | takes it and closes it |
//! | `reply` | sends one datagram back to each sender |

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::network::{
    DatagramSocket, SocketActivityConnectedStandbyAction, SocketActivityContext, SocketActivityInformation,
    SocketActivityTriggerDetails, SocketActivityTriggerReason, StreamSocket, StreamSocketListener,
};

fn main() -> ExitCode {
    Host::new().entry_point("Tasks.Sockets", Sockets).run()
}

struct Sockets;

impl BackgroundTask for Sockets {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let details = SocketActivityTriggerDetails::of(&instance).ok_or("another trigger fired")?;
        let information = details.socket_information();
        let context = String::from_utf8(information.context().data().to_vec())?;
        tell(&instance, &details, &context)?;
        if details.reason() == SocketActivityTriggerReason::SocketClosed {
            return Ok(());
        }
        match context.split_once(' ').unwrap_or((&context, "")) {
            ("echo", most) => echo(information, most.parse().unwrap_or(usize::MAX)).await,
            ("accept", _) => accept(&instance, information).await,
            ("answer", _) => answer(information).await,
            ("reply", _) => reply(information).await,
            ("drop", _) => {
                drop(information.stream_socket().await?);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Leaves word of what it runs for.
fn tell(instance: &TaskInstance, details: &SocketActivityTriggerDetails, context: &str) -> Result<(), TaskError> {
    let information = details.socket_information();
    let line = serde_json::json!({
        "id": information.id(),
        "reason": details.reason().name(),
        "kind": information.socket_kind().name(),
        "context": context,
        "attempt": instance.attempt(),
    });
    let folder = std::env::var("BGTASK_APP_DATA")?;
    let mut told = std::fs::File::options().create(true).append(true).open(format!("{folder}/told"))?;
    // One write is one line, whoever else writes.
    Ok(told.write_all(format!("{line}\n").as_bytes())?)
}

async fn echo(information: &SocketActivityInformation, most: usize) -> Result<(), TaskError> {
    let mut stream = TcpStream::from(information.stream_socket().await?.into_fd()?);
    let mut left = most;
    let mut bytes = vec![0; 64 * 1024];
    while left > 0 {
        stream.set_nonblocking(true)?;
        let room = left.min(bytes.len());
        match stream.read(&mut bytes[..room]) {
            Ok(0) => break,
            Ok(read) => {
                stream.set_nonblocking(false)?;
                stream.set_write_timeout(Some(Duration::from_secs(60)))?;
                stream.write_all(&bytes[..read])?;
                left -= read;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    hand_over(StreamSocket::from(stream), information).await
}

async fn hand_over(mut socket: StreamSocket, information: &SocketActivityInformation) -> Result<(), TaskError> {
    socket.enable_transfer_ownership(information.task_id(), SocketActivityConnectedStandbyAction::DoNotWake)?;
    Ok(socket.transfer_ownership(information.id(), information.context().clone(), None).await?)
}

async fn accept(instance: &TaskInstance, information: &SocketActivityInformation) -> Result<(), TaskError> {
    let listener = TcpListener::from(information.stream_socket_listener().await?.into_fd()?);
    listener.set_nonblocking(true)?;
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept() {
        let mut socket = StreamSocket::from(stream);
        let id = format!("{} {number}", instance.instance_id());
        socket.enable_transfer_ownership(information.task_id(), SocketActivityConnectedStandbyAction::DoNotWake)?;
        socket.transfer_ownership(&id, SocketActivityContext::new(*b"echo"), None).await?;
        number += 1;
    }
    listen_again(listener, information).await
}

async fn listen_again(listener: TcpListener, information: &SocketActivityInformation) -> Result<(), TaskError> {
    let mut listener = StreamSocketListener::from(listener);
    listener.enable_transfer_ownership(information.task_id(), SocketActivityConnectedStandbyAction::DoNotWake)?;
    Ok(listener.transfer_ownership(information.id(), information.context().clone()).await?)
}

async fn answer(information: &SocketActivityInformation) -> Result<(), TaskError> {
    let listener = TcpListener::from(information.stream_socket_listener().await?.into_fd()?);
    listener.set_nonblocking(true)?;
    while let Ok((mut stream, _)) = listener.accept() {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut bytes = [0; 2_048];
        let read = stream.read(&mut bytes)?;
        stream.write_all(&bytes[..read])?;
    }
    listen_again(listener, information).await
}

async fn reply(information: &SocketActivityInformation) -> Result<(), TaskError> {
    let socket = UdpSocket::from(information.datagram_socket().await?.into_fd()?);
    socket.set_nonblocking(true)?;
    let mut bytes = [0; 2_048];
    while let Ok((length, sender)) = socket.recv_from(&mut bytes) {
        socket.send_to(&bytes[..length], sender)?;
    }
    let mut socket = DatagramSocket::from(socket);
    socket.enable_transfer_ownership(information.task_id(), SocketActivityConnectedStandbyAction::DoNotWake)?;
    Ok(socket.transfer_ownership(information.id(), information.context().clone(), None).await?)
}
