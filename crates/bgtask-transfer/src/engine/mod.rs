//! One transfer to its end, or to the moment when it is better tried later.

mod answer;
mod ask;
mod download;
mod onward;
mod outgoing;
mod pace;
mod proxy;
mod upload;

use std::path::PathBuf;
use std::time::Duration;

use crate::fault::Fault;
use crate::{Folder, Kind, Order, Phase, State};
use ask::Network;
use pace::pause_after;
pub use proxy::Proxies;

/// How many bytes are under way at a time, between the network and the disk: 64 KiB.
pub const CHUNK: usize = 64 * 1024;
/// How many redirects of one request are followed.
pub const MAX_REDIRECTS: usize = 10;
/// How often in a row, without a byte of progress, a server may be at fault.
pub const MAX_SERVER_FAULTS: u32 = 20;
/// How often a transfer begins anew: the file was another one by then, or the server has forgotten what it had.
pub const MAX_RESTARTS: u32 = 10;

/// The patience of the engine. The defaults are what the broker's transfers have.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a connection may take to be there: 30 s.
    pub connect: Duration,
    /// A server has to answer, and then to send [`least`](Self::least) bytes, within this: 60 s.
    pub stall: Duration,
    /// Fewer bytes than these within [`stall`](Self::stall) are no transfer but a drip: 1 KiB.
    pub least: u64,
    /// The pause after a first fault: 1 s. It doubles with each further one.
    pub pause: Duration,
    /// The longest pause: 60 s.
    pub longest_pause: Duration,
    /// After so many faults in a row without a byte of progress it is better tried later: 6.
    pub patience: u32,
    /// How much may be written before it is made durable: 64 MiB.
    pub durable_every: u64,
    /// A file of certificates to trust instead of the system's, or those of `SSL_CERT_FILE`.
    pub trust: Option<PathBuf>,
    /// Through what servers are asked: none.
    pub proxies: Proxies,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            least: 1_024,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            patience: 6,
            durable_every: 64 << 20,
            trust: None,
            proxies: Proxies::default(),
        }
    }
}

/// What it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is done: [`Phase::Completed`].
    Completed,
    /// It will never be done: [`Phase::Failed`], with the reason.
    Failed(String),
    /// It is better tried later, for this reason.
    Later(String),
    /// It was told to stop, and goes on from where it is.
    Stopped,
}

/// Carries one transfer as far as it comes. What it has done is durable when this returns.
///
/// `tell` hears how far it is, whenever that changes; `stop` ends it as soon as it is ready.
pub async fn carry(
    order: &Order,
    folder: &Folder,
    settings: &Settings,
    tell: &mut dyn FnMut(&State),
    stop: impl Future<Output = ()>,
) -> End {
    let state = match folder.state(order.id) {
        Ok(state) if state.phase == Phase::Completed => return End::Completed,
        Ok(state) if state.phase == Phase::Failed => return End::Failed(state.error.unwrap_or_default()),
        Ok(state) => state,
        Err(error) => return End::Later(chain(&error)),
    };
    let network = match Network::new(settings) {
        Ok(network) => network,
        Err(fault) => return End::Later(fault.to_string()),
    };
    let mut carrier = Carrier { order, folder, settings, network, state, boot: boot(), tell };
    let came = tokio::select! {
        biased;
        () = stop => End::Stopped,
        came = carrier.carry() => came,
    };
    carrier.finish(came)
}

/// One transfer under way.
struct Carrier<'a> {
    order: &'a Order,
    folder: &'a Folder,
    settings: &'a Settings,
    network: Network,
    state: State,
    boot: String,
    tell: &'a mut dyn FnMut(&State),
}

impl Carrier<'_> {
    /// Attempts, with pauses between them.
    async fn carry(&mut self) -> End {
        let mut faults = 0;
        loop {
            let before = self.state.done;
            let attempt = match self.order.kind {
                Kind::Download => self.download().await,
                Kind::Upload if self.order.resumable => self.upload_onward().await,
                Kind::Upload => self.upload().await,
            };
            let Err(fault) = attempt else { return End::Completed };
            self.state.error = Some(fault.to_string());
            if self.state.done > before {
                (faults, self.state.faults) = (0, 0);
            }
            faults += 1;
            let wanted = match fault {
                Fault::Final(why) => return End::Failed(why),
                Fault::NoRoom(why) => return End::Later(why),
                Fault::Network(_) => None,
                Fault::Server { text, retry_after } => {
                    self.state.faults += 1;
                    if self.state.faults >= MAX_SERVER_FAULTS {
                        return End::Failed(format!("{text} (for the {MAX_SERVER_FAULTS}th time in a row)"));
                    }
                    retry_after
                }
            };
            let pause = pause_after(faults, self.settings).max(wanted.unwrap_or_default());
            if faults >= self.settings.patience || pause > self.settings.longest_pause {
                return End::Later(self.state.error.clone().unwrap_or_default());
            }
            self.keep_quietly();
            (self.tell)(&self.state);
            tokio::time::sleep(pause).await;
        }
    }

    /// Makes its last word durable.
    fn finish(mut self, came: End) -> End {
        match &came {
            End::Completed => (self.state.phase, self.state.error) = (Phase::Completed, None),
            End::Failed(why) => {
                self.give_up();
                (self.state.phase, self.state.error) = (Phase::Failed, Some(why.clone()));
            }
            End::Later(_) | End::Stopped => {}
        }
        match self.keep() {
            Ok(()) => came,
            // It stays what it was on the disk, so the same happens once more.
            Err(fault) => End::Later(fault.to_string()),
        }
    }

    /// Makes durable how far it is.
    fn keep(&mut self) -> Result<(), Fault> {
        self.state.boot.clone_from(&self.boot);
        self.folder.keep(self.order.id, &self.state).map_err(|error| Fault::NoRoom(chain(&error)))
    }

    /// As [`keep`](Self::keep), where not keeping it costs nothing but the work that has to be done again.
    fn keep_quietly(&mut self) {
        if let Err(fault) = self.keep() {
            eprintln!("{fault}");
        }
    }

    /// Nothing of it is done any more. Answers whether it begins anew once more.
    fn may_begin_anew(&mut self) -> bool {
        self.state.restarts += 1;
        self.progressed(0);
        self.state.restarts <= MAX_RESTARTS
    }

    fn progressed(&mut self, done: u64) {
        self.state.done = done;
        (self.tell)(&self.state);
    }
}

/// The boot of the machine; where that is not told, every time counts as another one.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if id.is_empty() { uuid::Uuid::new_v4().to_string() } else { id.trim_end().to_owned() }
}

/// An error with everything that led to it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    text
}
