//! A task program that speaks TLS on sockets that outlive its activations: it keeps each session in its process, by the id of the socket.
//!
//! The app hands a listener over, with the context `CERTIFICATE KEY`: two files of PEM. Each connection is accepted here and has its
//! handshake here; then it is the broker's until something arrives. Whoever sends a line gets it back.
//!
//! A process does not live for ever. A connection whose session went with an earlier process is closed: its peer connects anew.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::network::{
    SocketActivityConnectedStandbyAction, SocketActivityContext, SocketActivityInformation,
    SocketActivityTriggerDetails, SocketActivityTriggerReason, StreamSocket, StreamSocketListener,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

/// How long a peer may take for its part of a handshake or a record.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    Host::new().entry_point("Tasks.Tls", Tls::default()).run()
}

/// The sessions of this process, by the ids of their sockets.
#[derive(Default)]
struct Tls(Mutex<HashMap<String, ServerConnection>>);

impl BackgroundTask for Tls {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let details = SocketActivityTriggerDetails::of(&instance).ok_or("another trigger fired")?;
        let information = details.socket_information();
        match details.reason() {
            SocketActivityTriggerReason::ConnectionAccepted => self.accept(&instance, information).await,
            SocketActivityTriggerReason::SocketActivity => self.answer(information).await,
            _ => {
                drop(self.session(information.id()));
                Ok(())
            }
        }
    }
}

impl Tls {
    async fn accept(&self, instance: &TaskInstance, information: &SocketActivityInformation) -> Result<(), TaskError> {
        let config = config(information.context())?;
        let listener = TcpListener::from(information.stream_socket_listener().await?.into_fd()?);
        listener.set_nonblocking(true)?;
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept() {
            number += 1;
            let id = format!("{} {number}", instance.instance_id());
            // One peer that does not keep to the protocol is no reason to keep others out.
            match welcome(&config, &stream) {
                Ok(Some(session)) => self.hand_over(&id, stream, session, information).await?,
                Ok(None) => {}
                Err(error) => eprintln!("a peer was sent away: {error}"),
            }
        }
        let mut listener = StreamSocketListener::from(listener);
        listener.enable_transfer_ownership(information.task_id(), SocketActivityConnectedStandbyAction::DoNotWake)?;
        Ok(listener.transfer_ownership(information.id(), information.context().clone()).await?)
    }

    /// Goes on with the session that this process has; without one the connection is of no use.
    async fn answer(&self, information: &SocketActivityInformation) -> Result<(), TaskError> {
        let stream = TcpStream::from(information.stream_socket().await?.into_fd()?);
        let Some(mut session) = self.session(information.id()) else { return Ok(()) };
        match echo(&mut session, &stream)? {
            true => self.hand_over(information.id(), stream, session, information).await,
            false => Ok(()),
        }
    }

    async fn hand_over(
        &self,
        id: &str,
        stream: TcpStream,
        session: ServerConnection,
        information: &SocketActivityInformation,
    ) -> Result<(), TaskError> {
        // First the session: the next activation may come before this one has ended.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), session);
        let mut socket = StreamSocket::from(stream);
        socket.enable_transfer_ownership(information.task_id(), SocketActivityConnectedStandbyAction::DoNotWake)?;
        Ok(socket.transfer_ownership(id, SocketActivityContext::new(*b"session"), None).await?)
    }

    fn session(&self, id: &str) -> Option<ServerConnection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}

/// Sends back what has arrived; answers whether the peer goes on. When this returns, nothing is left that the session has read and
/// not given out: nobody would wake a task for that.
fn echo(session: &mut ServerConnection, mut stream: &TcpStream) -> Result<bool, TaskError> {
    stream.set_nonblocking(true)?;
    loop {
        let mut text = Vec::new();
        match session.reader().read_to_end(&mut text) {
            // The peer has said that it is done.
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::WouldBlock => session.writer().write_all(&text)?,
            Err(error) => return Err(error.into()),
        }
        match session.read_tls(&mut stream) {
            Ok(0) => return Ok(false),
            Ok(_) => {
                session.process_new_packets()?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    while session.wants_write() {
        session.write_tls(&mut stream)?;
    }
    Ok(true)
}

/// The handshake, and what the peer sent with the end of it.
fn welcome(config: &Arc<ServerConfig>, mut stream: &TcpStream) -> Result<Option<ServerConnection>, TaskError> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut session = ServerConnection::new(Arc::clone(config))?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(echo(&mut session, stream)?.then_some(session))
}

fn config(context: &SocketActivityContext) -> Result<Arc<ServerConfig>, TaskError> {
    let files = std::str::from_utf8(context.data())?;
    let (certificate, key) = files.split_once(' ').ok_or("the context names a certificate and a key")?;
    let certificates = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(Arc::new(config))
}
