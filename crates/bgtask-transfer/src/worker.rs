//! The program that carries one transfer: the broker runs it as a task of its built-in app.
//!
//! ```text
//! bgtask-transfer FOLDER ID
//! ```
//!
//! What it has to do and how far it is stand in the folder; it says nothing durable in any other way.
//!
//! | it ends with | which means |
//! |---|---|
//! | 0 | the transfer is done, or it was told to stop (SIGTERM) and goes on from there another time |
//! | [`FAILED`] | it will never be done; the reason is in its state, and the last line it wrote |
//! | [`LATER`] | it is better tried later |
//! | [`WRONGLY_CALLED`] | it was given no transfer |

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bgtask_wire::{ADDRESS_VARIABLE, Address, BrokerProxy, PeerSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::{End, Folder, Proxies, Said, Settings, TransferId, carry};

/// It will never be done.
pub const FAILED: u8 = 1;
/// It is better tried later: `EX_TEMPFAIL`.
pub const LATER: u8 = 75;
/// It was given no transfer: `EX_USAGE`.
pub const WRONGLY_CALLED: u8 = 64;

/// How often the broker is told how far it is, at most.
const PACE: Duration = Duration::from_millis(500);

/// Carries the transfer that the arguments name.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (folder, id) = (arguments.next(), arguments.next().and_then(|id| id.to_str()?.parse::<TransferId>().ok()));
    let (Some(folder), Some(id), None) = (folder, id, arguments.next()) else {
        eprintln!("usage: bgtask-transfer FOLDER ID\nThe broker runs it; `bgtask transfers` is for people.");
        return ExitCode::from(WRONGLY_CALLED);
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return say(&End::Later(format!("it has no way to wait: {error}"))),
    };
    let end = runtime.block_on(work(&Folder::new(PathBuf::from(folder)), id));
    // What is left waits for nobody.
    runtime.shutdown_background();
    say(&end)
}

async fn work(folder: &Folder, id: TransferId) -> End {
    let order = match folder.get(id) {
        Ok(kept) => kept.order,
        Err(error) => return End::Failed(crate::engine::chain(&error)),
    };
    let proxies = match Proxies::of(|name| std::env::var(name).ok()) {
        Ok(proxies) => proxies,
        Err(why) => return End::Later(why),
    };
    let mut told = match signal(SignalKind::terminate()) {
        Ok(told) => told,
        Err(error) => return End::Later(format!("it could not be told to stop: {error}")),
    };
    let (says, heard) = watch::channel(Said::default());
    let reporter = tokio::spawn(report(heard));
    let mut tell = |state: &crate::State| {
        says.send_if_modified(|said| std::mem::replace(said, state.into()) != state.into());
    };
    let stop = async {
        told.recv().await;
    };
    let end = carry(&order, folder, &Settings { proxies, ..Settings::default() }, &mut tell, stop).await;
    reporter.abort();
    end
}

/// Tells the broker how far it is. Without one to tell, it is told to nobody.
async fn report(mut heard: watch::Receiver<Said>) {
    let Some(instance) = std::env::var("BGTASK_INSTANCE").ok() else { return };
    let Some(broker) = connect().await else { return };
    while heard.changed().await.is_ok() {
        let said = *heard.borrow_and_update();
        if broker.report_progress(&instance, said.percent(), &said.to_string()).await.is_err() {
            return;
        }
        tokio::time::sleep(PACE).await;
    }
}

async fn connect() -> Option<BrokerProxy<'static>> {
    let address: Address = std::env::var(ADDRESS_VARIABLE).ok()?.parse().ok()?;
    let socket = PeerSocket::connect(address.path()).await.ok()?;
    let connection = zbus::connection::Builder::socket(socket).p2p().build().await.ok()?;
    BrokerProxy::builder(&connection).cache_properties(zbus::proxy::CacheProperties::No).build().await.ok()
}

/// The last line of its log is what became of it.
fn say(end: &End) -> ExitCode {
    match end {
        End::Completed | End::Stopped => ExitCode::SUCCESS,
        End::Failed(why) => {
            eprintln!("{why}");
            ExitCode::from(FAILED)
        }
        End::Later(why) => {
            eprintln!("{why}");
            ExitCode::from(LATER)
        }
    }
}
