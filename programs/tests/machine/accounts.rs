//! Online accounts, as GNOME Online Accounts keeps them on the session bus.

use std::collections::{BTreeMap, HashMap};

use zbus::object_server::SignalEmitter;
use zbus::wire::OwnedObjectPath;
use zbus::{Connection, Variant, interface};

use crate::Stage;
use crate::harness::{Home, New, UserBus};

const NAME: &str = "org.gnome.OnlineAccounts";
const ROOT: &str = "/org/gnome/OnlineAccounts";

type Interfaces = HashMap<String, HashMap<String, Variant<'static>>>;

/// Whether each account needs attention, by its id.
struct Accounts(BTreeMap<String, bool>);

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Accounts {
    fn get_managed_objects(&self) -> HashMap<OwnedObjectPath, Interfaces> {
        self.0.iter().map(|(id, attention)| (path(id), interfaces(id, *attention))).collect()
    }

    #[zbus(signal)]
    async fn interfaces_added(
        emitter: &SignalEmitter<'_>,
        object: OwnedObjectPath,
        interfaces: Interfaces,
    ) -> zbus::Result<()>;
}

fn path(id: &str) -> OwnedObjectPath {
    format!("{ROOT}/Accounts/{id}").try_into().unwrap()
}

fn interfaces(id: &str, attention: bool) -> Interfaces {
    let properties = [("Id", Variant::from(id.to_owned())), ("AttentionNeeded", attention.into())];
    let properties = properties.map(|(name, value)| (name.to_owned(), value)).into();
    HashMap::from([("org.gnome.OnlineAccounts.Account".to_owned(), properties)])
}

/// The user's accounts while they are logged in.
struct Goa(Connection);

impl Goa {
    async fn start(bus: &UserBus, ids: &[&str]) -> Self {
        let connection = bus.connect().await;
        let accounts = Accounts(ids.iter().map(|id| ((*id).to_owned(), false)).collect());
        connection.object_server().at(ROOT, accounts).await.unwrap();
        connection.request_name(NAME).await.unwrap();
        Self(connection)
    }

    async fn add(&self, id: &str) {
        let accounts = self.0.object_server().interface::<_, Accounts>(ROOT).await.unwrap();
        accounts.get_mut().await.0.insert(id.to_owned(), false);
        Accounts::interfaces_added(accounts.signal_emitter(), path(id), interfaces(id, false)).await.unwrap();
    }
}

fn connected() -> New<'static> {
    New { trigger: "OnlineIdConnectedStateChange", ..New::default() }
}

#[tokio::test]
async fn another_account_fires_and_another_default_account_fires_that() {
    let (home, _app) = Home::with_sample();
    let Some(bus) = UserBus::start(&home.world).await else { return };
    let goa = Goa::start(&bus, &["account_2_0"]).await;
    let stage = Stage::in_home(home).await;
    let online = stage.user.ready(connected()).await;
    let default = stage.user.ready(New { trigger: "DefaultSignInAccountChange", ..New::default() }).await;
    goa.add("account_3_0").await;
    stage.ran(&online, 1).await;
    goa.add("account_1_0").await;
    stage.ran(&online, 2).await;
    stage.ran(&default, 1).await;
}

/// What accounts there are is kept, so a change while no broker runs is known to the next one, and fires once.
#[tokio::test]
async fn a_change_while_no_broker_ran_fires_when_the_next_one_reads() {
    let (home, _app) = Home::with_sample();
    let Some(bus) = UserBus::start(&home.world).await else { return };
    let goa = Goa::start(&bus, &["account_1_0"]).await;
    let stage = Stage::in_home(home).await;
    let task = stage.user.ready(connected()).await;
    let stage = stage.after_a_crash(async |_| goa.add("account_2_0").await).await;
    stage.ran(&task, 1).await;
    let stage = stage.after_a_crash(async |_| {}).await;
    stage.user.reads("online-accounts", "account_1_0+account_2_0").await;
    stage.ran(&task, 1).await;
}

/// While the service is away nothing is known: neither that nor its coming back is a change.
#[tokio::test]
async fn the_service_restarts_without_a_change() {
    let (home, _app) = Home::with_sample();
    let Some(bus) = UserBus::start(&home.world).await else { return };
    let goa = Goa::start(&bus, &["account_1_0"]).await;
    let stage = Stage::in_home(home).await;
    let task = stage.user.ready(connected()).await;
    goa.0.close().await.unwrap();
    crate::harness::eventually("it is missing", async || {
        let sources = stage.user.broker.list_sources().await.unwrap();
        sources.iter().any(|source| source.name == "online-accounts" && source.status == "missing").then_some(())
    })
    .await;
    let goa = Goa::start(&bus, &["account_1_0"]).await;
    goa.add("account_2_0").await;
    stage.ran(&task, 1).await;
}
