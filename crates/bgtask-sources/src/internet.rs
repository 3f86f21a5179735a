//! Whether the internet answers, and whether it does so for free: NetworkManager where it runs, else the kernel's
//! default routes.
//!
//! A network is *free* unless NetworkManager says or guesses that it is metered. One of which it knows nothing is free, as
//! GLib takes it and so every desktop: almost all of those are wired.

mod network_manager;
mod routes;

use std::time::Duration;

use tokio::time::sleep;

use crate::bus::{Bus, CALL_RETRY, CallError};
use crate::inotify::{BLIND_REREAD, WATCH_HELP};
use crate::internet::routes::RouteWatch;
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

/// How long the network may flap before the level is read again. Going away and coming back within this time is not
/// reported.
pub const NETWORK_SETTLE: Duration = Duration::from_millis(250);

/// What is asked of the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// Whether the internet answers.
    Internet,
    /// Whether it also costs nothing by volume.
    Free,
}

/// Watches until nobody listens.
pub(crate) async fn run(asked: Asked, world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open(world, network_manager::RULES);
    // Routes are watched only while they are what decides: on a router they change all the time.
    let mut routes = None;
    loop {
        let link = bus.link().await;
        let (reading, retry) = match network_manager::read(&link).await {
            Ok(reading) => {
                routes = None;
                (reading, None)
            }
            Err(error) => {
                let watch = routes.get_or_insert_with(|| RouteWatch::new(world));
                let retry = matches!(error, CallError::Failed(_)).then_some(CALL_RETRY);
                (by_routes(asked, world, watch, &error), retry)
            }
        };
        if let Err(unheard) = reading.tell(asked, &mut teller).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => {}
            () = edge_of(routes.as_ref()) => {}
            () = sleep(retry.unwrap_or_default()), if retry.is_some() => {}
        }
        sleep(NETWORK_SETTLE).await;
    }
}

/// What was read, and how well.
#[derive(Debug)]
struct Reading {
    status: Status,
    online: bool,
    metered: bool,
}

impl Reading {
    async fn tell(self, asked: Asked, teller: &mut Teller) -> Result<(), Unheard> {
        teller.status(self.status).await?;
        teller.level(self.online && (asked == Asked::Internet || !self.metered)).await
    }
}

fn by_routes(asked: Asked, world: &World, watch: &mut RouteWatch, error: &CallError) -> Reading {
    let online = routes::default_route(world, watch);
    let mut how = "default route".to_owned();
    let mut why =
        format!("NetworkManager cannot be asked: {error}; a default route does not prove that the internet answers");
    let mut help = "install and start NetworkManager".to_owned();
    if asked == Asked::Free {
        why.push_str(", and nobody knows whether it is metered: it is assumed to be free");
    }
    let Some(online) = online else {
        why = format!("NetworkManager cannot be asked: {error}; and /proc/net/route cannot be read");
        help.push_str(", or mount /proc");
        return Reading { status: Status::Missing { why, help }, online: false, metered: false };
    };
    if let Some(problem) = watch.problem() {
        how = format!("default route, read every {} s", BLIND_REREAD.as_secs());
        why = format!("{why}; the kernel refused to watch the routes: {problem}");
        help = format!("{help}, or {WATCH_HELP}");
    }
    Reading { status: Status::Degraded { how, why, help }, online, metered: false }
}

async fn edge_of(routes: Option<&RouteWatch>) {
    match routes {
        Some(routes) => routes.changed().await,
        None => std::future::pending().await,
    }
}
