//! The user's online accounts, as GNOME Online Accounts keeps them.
//!
//! Its service is started by the first program that asks for accounts, which the desktop does, and never by this source.
//! While it does not run nothing is known and nothing is told, so that its coming and going is no change.

use std::time::Duration;

use tokio::time::sleep;

use crate::bus::{Bus, BusKind, CALL_RETRY, CallError, Link, Object, Objects, Rules};
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

/// How long accounts may flap before they are read again: at the start of the service they come one by one.
pub const ACCOUNTS_SETTLE: Duration = Duration::from_millis(250);

/// Online accounts that are looked at; people have a handful.
pub const MAX_ACCOUNTS: usize = 64;

/// What the service is heard for: coming, going, accounts that come and go and change.
const RULES: Rules = &[
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.gnome.OnlineAccounts'",
    "type='signal',sender='org.gnome.OnlineAccounts',path='/org/gnome/OnlineAccounts',\
     interface='org.freedesktop.DBus.ObjectManager'",
    "type='signal',sender='org.gnome.OnlineAccounts',path_namespace='/org/gnome/OnlineAccounts/Accounts',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.gnome.OnlineAccounts.Account'",
];

const SERVICE: &str = "org.gnome.OnlineAccounts";
const ACCOUNT: &str = "org.gnome.OnlineAccounts.Account";
const ROOT: Object<'static> = Object { service: SERVICE, path: "/org/gnome/OnlineAccounts", interface: SERVICE };
const BUS: Object<'static> =
    Object { service: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" };

/// What is asked of the accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// Which of them are connected.
    Connected,
    /// Which was there first.
    Default,
}

/// Watches until nobody listens.
pub(crate) async fn run(asked: Asked, world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open_on(BusKind::Session, world, RULES.iter().map(|rule| (*rule).to_owned()).collect());
    loop {
        let link = bus.link().await;
        let accounts = read(&link).await;
        let retry = matches!(accounts, Err(CallError::Failed(_)));
        if let Err(unheard) = tell(asked, &link, accounts, &mut teller).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => {}
            () = sleep(CALL_RETRY), if retry => {}
        }
        sleep(ACCOUNTS_SETTLE).await;
    }
}

async fn tell(
    asked: Asked,
    link: &Link,
    accounts: Result<Vec<Account>, CallError>,
    teller: &mut Teller,
) -> Result<(), Unheard> {
    match accounts {
        Ok(accounts) => {
            teller.status(Status::Available { how: "GNOME Online Accounts".to_owned() }).await?;
            teller.state(asked.of(&accounts)).await
        }
        Err(error) => teller.status(without(&error, is_installed(link).await)).await,
    }
}

impl Asked {
    fn of(self, accounts: &[Account]) -> String {
        let none = "none".to_owned();
        match self {
            Self::Default => accounts.first().map_or(none, |account| account.id.clone()),
            Self::Connected => {
                let ids: Vec<&str> = accounts.iter().filter(|it| it.connected).map(|it| it.id.as_str()).collect();
                if ids.is_empty() { none } else { ids.join("+") }
            }
        }
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Account {
    id: String,
    connected: bool,
}

/// The accounts, the oldest first: the moment when one was made is in its id.
async fn read(link: &Link) -> Result<Vec<Account>, CallError> {
    let objects: Objects = ROOT.objects(link.connection()?).await?;
    let mut accounts = Vec::new();
    for account in objects.values().filter_map(|interfaces| interfaces.get(ACCOUNT)) {
        let connected = !account.require::<bool>("AttentionNeeded")?;
        accounts.push(Account { id: account.require("Id")?, connected });
    }
    accounts.sort();
    accounts.truncate(MAX_ACCOUNTS);
    Ok(accounts)
}

/// Whether something on this machine would bring the service if somebody used it.
async fn is_installed(link: &Link) -> bool {
    let Ok(connection) = link.connection() else { return false };
    let names: Result<Vec<String>, _> = BUS.call(connection, "ListActivatableNames", None).await;
    names.is_ok_and(|names| names.iter().any(|name| name == SERVICE))
}

fn without(error: &CallError, installed: bool) -> Status {
    let (why, help) = match error {
        CallError::NoService if installed => (
            "GNOME Online Accounts has not been started in this session".to_owned(),
            "open the online accounts in the settings, or whatever uses them",
        ),
        CallError::NoService => (
            "GNOME Online Accounts is not installed, or there is no session bus".to_owned(),
            "install gnome-online-accounts",
        ),
        error => (format!("GNOME Online Accounts cannot be asked: {error}"), "restart goa-daemon"),
    };
    Status::Missing { why, help: help.to_owned() }
}
