//! pcscd's own protocol, as libpcsclite speaks it: requests of eight bytes and a body, answers of a known length.
//!
//! Versions 4.4 and 4.5 are the same in all that is asked here. pcscd speaks 4.4 alone from 1.8.24 on, 4.5 alone from 2.3.0
//! on, and from 2.4.1 on both.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::smart_card::readers::{Reader, TABLE, read_table};

/// How long pcscd may take to answer. It waits until every reader is ready, which takes seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

const MAJOR: u32 = 4;
const MINORS: [u32; 2] = [4, 5];

/// What can be asked.
const ASK_VERSION: u32 = 0x11;
/// Answers the table of readers, and sends a word as soon as it has changed, once.
const TELL_CHANGE: u32 = 0x13;

/// Bytes of the answer to [`ASK_VERSION`], and of the word that something has changed.
const VERSION_ANSWER: usize = 12;
const CHANGE_WORD: usize = 8;

/// A connection.
#[derive(Debug)]
pub(super) struct Pcscd {
    stream: UnixStream,
    /// What was received of an answer that is not complete.
    received: Vec<u8>,
}

/// Why it cannot be listened to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("pcscd cannot be reached: {0}")]
    Unreachable(io::Error),
    #[error("pcscd hung up at once")]
    Refused,
    #[error("pcscd has ended")]
    Ended,
    #[error("pcscd did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Hung,
    #[error("pcscd speaks version {0}.{1} of its protocol, and neither 4.4 nor 4.5")]
    Version(u32, u32),
    #[error("pcscd answered nonsense")]
    Nonsense,
}

impl Failure {
    /// What to do about it.
    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::Refused => "let polkit allow this user org.debian.pcsc-lite.access_pcsc, or restart pcscd",
            Self::Version(..) => "update pcscd",
            Self::Unreachable(_) | Self::Ended | Self::Hung | Self::Nonsense => "restart pcscd",
        }
    }
}

impl Pcscd {
    /// Connects, and agrees on the version.
    pub(super) async fn connect(place: &Path) -> Result<Self, Failure> {
        let connect = timeout(ANSWER_TIMEOUT, UnixStream::connect(place)).await;
        let stream = connect.map_err(|_| Failure::Hung)?.map_err(Failure::Unreachable)?;
        let mut pcscd = Self { stream, received: Vec::new() };
        let mut offered = (0, 0);
        for minor in MINORS {
            match pcscd.agree(minor).await? {
                None => return Ok(pcscd),
                Some(other) => offered = other,
            }
        }
        Err(Failure::Version(offered.0, offered.1))
    }

    /// Asks for a version; answers the one that pcscd speaks, if it is another.
    async fn agree(&mut self, minor: u32) -> Result<Option<(u32, u32)>, Failure> {
        let answer = match self.ask(ASK_VERSION, &[MAJOR, minor, 0], VERSION_ANSWER).await {
            // Who may not ask is told so by this alone.
            Err(Failure::Ended) => return Err(Failure::Refused),
            answer => answer?,
        };
        let word = |place: usize| Some(u32::from_ne_bytes(answer.get(place..place + 4)?.try_into().ok()?));
        let (major, minor) = word(0).zip(word(4)).ok_or(Failure::Nonsense)?;
        Ok((word(8) != Some(0)).then_some((major, minor)))
    }

    /// The readers as they are. The next change of them ends [`Self::changed`].
    pub(super) async fn readers(&mut self) -> Result<Vec<Reader>, Failure> {
        let table = self.ask(TELL_CHANGE, &[], TABLE).await?;
        read_table(&table).ok_or(Failure::Nonsense)
    }

    /// Waits until something has changed. To be called once after each [`Self::readers`]. Cancel safe.
    pub(super) async fn changed(&mut self) -> Result<(), Failure> {
        self.receive(CHANGE_WORD).await.map(drop)
    }

    async fn ask(&mut self, what: u32, body: &[u32], answer: usize) -> Result<Vec<u8>, Failure> {
        let head = [size_of_val(body) as u32, what];
        let request: Vec<u8> = head.iter().chain(body).flat_map(|word| word.to_ne_bytes()).collect();
        let ask = async {
            self.send(&request).await?;
            self.receive(answer).await
        };
        timeout(ANSWER_TIMEOUT, ask).await.unwrap_or(Err(Failure::Hung))
    }

    async fn send(&mut self, mut request: &[u8]) -> Result<(), Failure> {
        while !request.is_empty() {
            let ready = self.stream.writable().await.and_then(|()| self.stream.try_write(request));
            match ready {
                Ok(sent) => request = &request[sent..],
                Err(error) if is_passing(&error) => {}
                Err(_) => return Err(Failure::Ended),
            }
        }
        Ok(())
    }

    /// Cancel safe: what came so far is kept.
    async fn receive(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        let mut buffer = [0; TABLE];
        while self.received.len() < length {
            let room = &mut buffer[..length - self.received.len()];
            let ready = self.stream.readable().await.and_then(|()| self.stream.try_read(room));
            match ready {
                Ok(0) => return Err(Failure::Ended),
                Ok(got) => self.received.extend(&room[..got]),
                Err(error) if is_passing(&error) => {}
                Err(_) => return Err(Failure::Ended),
            }
        }
        Ok(std::mem::take(&mut self.received))
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
