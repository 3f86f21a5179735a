//! One connection: from an address to a server that has said yes, and packets both ways.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::packet::{self, Connect, Packet, Properties, reason_word};
use super::server::{Server, Trust};
use crate::MAX_UNACKNOWLEDGED;

/// How long a server may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How long a server may take to hang up.
const GOODBYE: Duration = Duration::from_secs(2);

/// How much is read at a time.
const READ_BYTES: usize = 16 * 1_024;

/// Why a server cannot be used now, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong, a sentence without its end.
    pub why: String,
    /// What to do, likewise.
    pub help: String,
    /// Whether time alone will not mend it: it is tried again, but seldom.
    pub lasting: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why, self.help)
    }
}

impl std::error::Error for Trouble {}

impl Trouble {
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), help: "it is tried again by itself".into(), lasting: false }
    }

    fn lasting(why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { why: why.into(), help: help.into(), lasting: true }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to a server.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    server: String,
    read: Vec<u8>,
    /// So much of `read` has been taken.
    taken: usize,
    write: Vec<u8>,
}

/// What the server said to begin with.
pub(super) struct Welcome {
    /// It remembers this client, and what it has not acknowledged.
    pub(super) session_present: bool,
    /// After how long it wants to hear something.
    pub(super) keep_alive: Duration,
    /// How many messages it takes before it acknowledges one.
    pub(super) receive_maximum: u16,
}

/// How a session begins.
pub(super) struct Begin<'a> {
    pub(super) client_id: &'a str,
    /// Without the session of that name that there may be.
    pub(super) clean_start: bool,
    /// For how long the server keeps it.
    pub(super) session_expiry: Duration,
}

impl Connection {
    /// Connects, and introduces itself.
    pub(super) async fn open(server: &Server, begin: &Begin<'_>) -> Result<(Self, Welcome), Trouble> {
        let silent = || Trouble::passing(format!("{server} does not answer"));
        timeout(PATIENCE, Self::open_patiently(server, begin)).await.map_err(|_| silent())?
    }

    async fn open_patiently(server: &Server, begin: &Begin<'_>) -> Result<(Self, Welcome), Trouble> {
        let password = match &server.credentials.password_file {
            Some(path) => Some(std::fs::read(path).map_err(|error| {
                let why = format!("the password file {} cannot be read: {error}", path.display());
                Trouble::lasting(why, "write it, or let the broker read it")
            })?),
            None => None,
        };
        let unreachable = |error: io::Error| Trouble::passing(format!("{server} cannot be reached: {error}"));
        let tcp = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let stream: Box<dyn Stream> = match &server.trust {
            Some(trust) => Box::new(encrypt(server, trust, tcp).await?),
            None => Box::new(tcp),
        };
        let mut connection = Self { stream, server: server.to_string(), read: Vec::new(), taken: 0, write: Vec::new() };
        let keep_alive = u16::try_from(server.keep_alive.as_secs()).unwrap_or(u16::MAX);
        let connect = Connect {
            client_id: begin.client_id,
            clean_start: begin.clean_start,
            keep_alive,
            session_expiry: u32::try_from(begin.session_expiry.as_secs()).unwrap_or(u32::MAX),
            receive_maximum: MAX_UNACKNOWLEDGED,
            username: server.credentials.username.as_deref(),
            password: password.as_deref().map(without_line_end),
        };
        packet::connect(&mut connection.write, &connect);
        connection.flush().await?;
        let Packet::ConnAck { session_present, reason, properties } = connection.receive().await? else {
            return Err(connection.broke_the_rules("it answers something else than who it is"));
        };
        if reason != 0 {
            return Err(refused(server, reason, &properties));
        }
        let keep_alive = Duration::from_secs(properties.server_keep_alive.unwrap_or(keep_alive).into());
        let receive_maximum = properties.receive_maximum.unwrap_or(u16::MAX);
        Ok((connection, Welcome { session_present, keep_alive, receive_maximum }))
    }

    /// The next packet. Nothing is lost when this is not waited for to its end.
    pub(super) async fn receive(&mut self) -> Result<Packet, Trouble> {
        loop {
            if let Some(packet) = self.take()? {
                return Ok(packet);
            }
            self.read.drain(..std::mem::take(&mut self.taken));
            self.read.reserve(READ_BYTES);
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) => return Err(Trouble::passing(format!("{} has closed the connection", self.server))),
                Ok(_) => {}
                Err(error) => return Err(self.broken(&error)),
            }
        }
    }

    /// The next packet, where it is here already.
    pub(super) fn take(&mut self) -> Result<Option<Packet>, Trouble> {
        match packet::read(&self.read[self.taken..]) {
            Ok(None) => Ok(None),
            Ok(Some((packet, length))) => {
                self.taken += length;
                Ok(Some(packet))
            }
            Err(malformed) => Err(self.broke_the_rules(&malformed.to_string())),
        }
    }

    /// What is to be written, with the next [`flush`](Self::flush).
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.write
    }

    pub(super) async fn flush(&mut self) -> Result<(), Trouble> {
        let written = timeout(PATIENCE, async {
            self.stream.write_all(&self.write).await?;
            self.stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => self.write.clear(),
            Ok(Err(error)) => return Err(self.broken(&error)),
            Err(_) => return Err(Trouble::passing(format!("{} takes nothing any more", self.server))),
        }
        Ok(())
    }

    fn broken(&self, error: &io::Error) -> Trouble {
        Trouble::passing(format!("the connection to {} broke: {error}", self.server))
    }

    /// Says goodbye, with how many seconds the session is kept from now on if that changes, and waits until the server has heard it:
    /// one that sees the other end gone leaves unread what it has not read yet, and hangs up itself when it has read all.
    pub(super) async fn close(mut self, session_expiry: Option<u32>) -> Result<(), Trouble> {
        packet::disconnect(self.out(), 0, session_expiry);
        self.flush().await?;
        let hangs_up = async { while self.receive().await.is_ok() {} };
        let _late = timeout(GOODBYE, hangs_up).await;
        Ok(())
    }

    pub(super) fn broke_the_rules(&self, how: &str) -> Trouble {
        let why = format!("{} does not keep to MQTT 5: {how}", self.server);
        Trouble::lasting(why, "use another server, or a newer version of it")
    }
}

async fn encrypt(server: &Server, trust: &Trust, tcp: TcpStream) -> Result<impl Stream + use<>, Trouble> {
    let config = tls_config(trust)?;
    let name = ServerName::try_from(server.host.clone())
        .map_err(|_| Trouble::lasting(format!("{:?} is no name of a server", server.host), "correct it"))?;
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|error| {
        let why = format!("no encrypted connection to {server}: {error}");
        let is_about_trust = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        if is_about_trust {
            Trouble::lasting(why, "name the certificates of its authority as ca_file, or correct the clock")
        } else {
            Trouble::passing(why)
        }
    })
}

fn tls_config(trust: &Trust) -> Result<ClientConfig, Trouble> {
    let mut roots = RootCertStore::empty();
    match &trust.ca_file {
        Some(path) => {
            let cannot = |error: &dyn fmt::Display| {
                let why = format!("the certificates in {} cannot be used: {error}", path.display());
                Trouble::lasting(why, "give a file with certificates in the PEM form")
            };
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| cannot(&error))? {
                roots.add(certificate.map_err(|error| cannot(&error))?).map_err(|error| cannot(&error))?;
            }
            if roots.is_empty() {
                return Err(cannot(&"there is none in it"));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let cannot =
        |error: &dyn fmt::Display| Trouble::lasting(format!("TLS cannot be set up: {error}"), "correct the files");
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| cannot(&error))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &trust.certificate else { return Ok(config.with_no_client_auth()) };
    let chain =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect).map_err(|error| cannot(&error))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| cannot(&error))?;
    config.with_client_auth_cert(chain, key).map_err(|error| cannot(&error))
}

fn refused(server: &Server, reason: u8, properties: &Properties) -> Trouble {
    let said = properties.reason();
    let why = format!("{server} refuses the connection: {}{said}", reason_word(reason));
    match reason {
        0x86 | 0x87 | 0x8a | 0x8c => Trouble::lasting(why, "correct username and password_file in [push.mqtt]"),
        0x81 | 0x82 | 0x84 | 0x85 => Trouble::lasting(why, "use a server of MQTT 5"),
        _ => Trouble::passing(why),
    }
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}
