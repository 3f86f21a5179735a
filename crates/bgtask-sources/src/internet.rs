//! What the network is good for: NetworkManager where it runs, else systemd-networkd and the kernel's default routes, else
//! those alone.
//!
//! One reading answers three questions: whether the internet answers, whether it does so for free, and whether anything of
//! that, or the way out, is another than before.
//!
//! A network is *free* unless NetworkManager says or guesses that it is metered. One of which it knows nothing is free, as
//! GLib takes it and so every desktop: almost all of those are wired.

mod network_manager;
mod networkd;
mod routes;

use std::fmt;
use std::time::Duration;

use crate::bus::{Bus, CallError, Link};
use crate::grace::{Grace, ask_again};
use crate::inotify::{BLIND_REREAD, WATCH_HELP};
use crate::internet::networkd::Operation;
use crate::internet::routes::RouteWatch;
use crate::pace::Flap;
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

/// How long the network must be quiet before it is read again. Going away and coming back within this time is not
/// reported.
pub const NETWORK_SETTLE: Duration = Duration::from_millis(250);

/// How long a network that is never quiet is waited for: the most by which a change of it is told late.
pub const NETWORK_FLAP: Duration = Duration::from_secs(1);

/// What is asked of the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// Whether the internet answers.
    Internet,
    /// Whether it also costs nothing by volume.
    Free,
    /// All that is known, in one word.
    State,
}

/// Watches until nobody listens.
pub(crate) async fn run(asked: Asked, world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open(world, &[network_manager::RULES, networkd::RULES].concat());
    let mut grace = Grace::default();
    let mut second = Second::default();
    loop {
        let link = bus.link().await;
        let (answer, again) = match network_manager::read(asked, &link).await {
            Ok(early) if early.starting => grace.judge_early(early),
            answer => grace.judge(answer),
        };
        let (reading, again) = match answer {
            Ok(reading) => {
                second = Second::default();
                (reading, again)
            }
            Err(error) => {
                let (reading, sooner) = second.read(asked, world, &link, &error).await;
                (reading, sooner.or(again))
            }
        };
        if let Err(unheard) = reading.tell(asked, &mut teller).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => {}
            () = second.edge() => {}
            () = ask_again(again) => {}
        }
        let mut flap = Flap::new(NETWORK_SETTLE, NETWORK_FLAP);
        loop {
            tokio::select! {
                () = bus.edge() => flap.again(),
                () = second.edge() => flap.again(),
                () = flap.over() => break,
            }
        }
    }
}

/// What was read, and how well.
#[derive(Clone, Debug)]
struct Reading {
    status: Status,
    connectivity: Connectivity,
    /// `None` if nobody knows.
    metered: Option<bool>,
    /// The way out: a connection of NetworkManager, or an interface. Empty if there is none or nobody asked.
    way: String,
    /// Whether the service says itself that this may be wrong, since it is only starting.
    starting: bool,
}

/// How far the network reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Connectivity {
    /// There is none.
    None,
    /// To a page that wants something before it lets anybody through.
    Portal,
    /// Not to the internet.
    Limited,
    /// Somewhere, and nobody tried whether to the internet.
    Unknown,
    /// To the internet.
    Full,
}

impl Reading {
    async fn tell(self, asked: Asked, teller: &mut Teller) -> Result<(), Unheard> {
        let word = self.to_string();
        teller.status(self.status).await?;
        let online = matches!(self.connectivity, Connectivity::Unknown | Connectivity::Full);
        match asked {
            Asked::Internet => teller.level(online).await,
            Asked::Free => teller.level(online && self.metered != Some(true)).await,
            Asked::State => teller.state(word).await,
        }
    }
}

/// The word that [`SourceKind::NetworkState`](crate::SourceKind::NetworkState) documents.
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reach = match self.connectivity {
            Connectivity::None => "none",
            Connectivity::Portal => "portal",
            Connectivity::Limited => "limited",
            Connectivity::Unknown => "unknown",
            Connectivity::Full => "full",
        };
        let cost = match self.metered {
            Some(true) => "metered",
            Some(false) => "unmetered",
            None => "unknown",
        };
        write!(f, "{reach} {cost}")?;
        if !self.way.is_empty() {
            write!(f, " {}", self.way)?;
        }
        Ok(())
    }
}

/// What decides where NetworkManager does not.
#[derive(Default, Debug)]
struct Second {
    networkd: Grace<Operation>,
    /// Routes are watched only while they are needed: on a router they change all the time.
    routes: Option<RouteWatch>,
}

impl Second {
    /// The network without NetworkManager, which answered `error`.
    async fn read(
        &mut self,
        asked: Asked,
        world: &World,
        link: &Link,
        error: &CallError,
    ) -> (Reading, Option<Duration>) {
        let watch = self.routes.get_or_insert_with(|| RouteWatch::new(world));
        let (networkd, again) = self.networkd.judge(networkd::read(link).await);
        let routes = routes::default_route(world, watch);
        let status = status(asked, error, networkd.is_ok(), routes.is_some(), watch);
        let way = routes.flatten();
        let connectivity = match networkd {
            Ok(Operation::Nowhere) => Connectivity::None,
            Ok(Operation::Local) => Connectivity::Limited,
            Ok(Operation::Routable) if way.is_none() => Connectivity::Limited,
            Ok(Operation::Routable) => Connectivity::Unknown,
            Err(_) if way.is_none() => Connectivity::None,
            Err(_) => Connectivity::Unknown,
        };
        // A route through a dead link leads nowhere.
        let way = way.filter(|_| connectivity != Connectivity::None).unwrap_or_default();
        (Reading { status, connectivity, metered: None, way, starting: false }, again)
    }

    /// Waits until a route may have changed, if they decide. Cancel safe.
    async fn edge(&self) {
        match &self.routes {
            Some(routes) => routes.changed().await,
            None => std::future::pending().await,
        }
    }
}

fn status(asked: Asked, error: &CallError, networkd: bool, routes: bool, watch: &RouteWatch) -> Status {
    let mut how = if networkd { "systemd-networkd and default route" } else { "default route" }.to_owned();
    let mut why =
        format!("NetworkManager cannot be asked: {error}; a default route does not prove that the internet answers");
    let mut help = "install and start NetworkManager".to_owned();
    if asked == Asked::Free {
        why.push_str(", and nobody knows whether it is metered: it is assumed to be free");
    }
    if !routes {
        why = format!("NetworkManager cannot be asked: {error}; and /proc/net/route cannot be read");
        help.push_str(", or mount /proc");
        return Status::Missing { why, help };
    }
    if let Some(problem) = watch.problem() {
        how = format!("{how}, read every {} s", BLIND_REREAD.as_secs());
        why = format!("{why}; the kernel refused to watch the routes: {problem}");
        help = format!("{help}, or {WATCH_HELP}");
    }
    Status::Degraded { how, why, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(connectivity: Connectivity, metered: Option<bool>, way: &str) -> String {
        let status = Status::Available { how: String::new() };
        Reading { status, connectivity, metered, way: way.to_owned(), starting: false }.to_string()
    }

    /// SYS: `NetworkStateChange` fires on each change of this word.
    #[test]
    fn a_word_says_how_far_at_what_cost_and_which_way() {
        assert_eq!(word(Connectivity::Full, Some(false), "9a5b"), "full unmetered 9a5b");
        assert_eq!(word(Connectivity::Portal, Some(true), "9a5b"), "portal metered 9a5b");
        assert_eq!(word(Connectivity::Unknown, None, "eth0"), "unknown unknown eth0");
        assert_eq!(word(Connectivity::Limited, None, ""), "limited unknown");
        assert_eq!(word(Connectivity::None, None, ""), "none unknown");
    }
}
