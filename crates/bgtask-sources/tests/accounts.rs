//! Online accounts: a GNOME Online Accounts of our own on a private session bus.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bgtask_sources::{MAX_ACCOUNTS, Report, SourceKind, Status};
use common::{Inbox, Sysroot, TestBus, is_available, pass};
use zbus::interface;
use zbus::object_server::SignalEmitter;
use zbus::wire::{OwnedObjectPath, Variant};

const NAME: &str = "org.gnome.OnlineAccounts";
const ROOT: &str = "/org/gnome/OnlineAccounts";
const ACCOUNT: &str = "org.gnome.OnlineAccounts.Account";

/// Id of each account, and whether it needs attention.
#[derive(Clone, Default)]
struct Accounts {
    accounts: BTreeMap<String, bool>,
    hangs: Arc<AtomicBool>,
}

type Interfaces = HashMap<&'static str, HashMap<&'static str, Variant<'static>>>;

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Accounts {
    async fn get_managed_objects(&self) -> HashMap<OwnedObjectPath, Interfaces> {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let account = |(id, attention): (&String, &bool)| {
            let properties = HashMap::from([("Id", id.clone().into()), ("AttentionNeeded", (*attention).into())]);
            (path(id), HashMap::from([(ACCOUNT, properties)]))
        };
        self.accounts.iter().map(account).collect()
    }

    #[zbus(signal)]
    async fn interfaces_added(emitter: &SignalEmitter<'_>, object: OwnedObjectPath) -> zbus::Result<()>;
}

fn path(id: &str) -> OwnedObjectPath {
    format!("{ROOT}/Accounts/{id}").try_into().unwrap()
}

struct Goa(zbus::Connection);

impl Goa {
    async fn start(bus: &TestBus, accounts: &[(&str, bool)]) -> Self {
        let accounts = accounts.iter().map(|(id, attention)| ((*id).to_owned(), *attention)).collect();
        Self::start_with(bus, Accounts { accounts, ..Accounts::default() }).await
    }

    async fn start_with(bus: &TestBus, accounts: Accounts) -> Self {
        let connection = bus.connect().await;
        connection.object_server().at(ROOT, accounts).await.unwrap();
        connection.request_name(NAME).await.unwrap();
        Self(connection)
    }

    /// Changes the accounts and says so.
    async fn change(&self, change: impl FnOnce(&mut BTreeMap<String, bool>)) {
        let accounts = self.0.object_server().interface::<_, Accounts>(ROOT).await.unwrap();
        change(&mut accounts.get_mut().await.accounts);
        self.nudge().await;
    }

    async fn insert(&self, id: &str, attention: bool) {
        self.change(|accounts| accounts.extend([(id.to_owned(), attention)])).await;
    }

    async fn nudge(&self) {
        let body = (ACCOUNT, HashMap::<&str, Variant<'_>>::new(), Vec::<&str>::new());
        let properties = "org.freedesktop.DBus.Properties";
        self.0.emit_signal(None::<&str>, path("any"), properties, "PropertiesChanged", &body).await.unwrap();
    }
}

async fn state(inbox: &mut Inbox) -> String {
    match inbox.level().await {
        Report::State(kind, state) if kind == inbox.source.kind() => state,
        other => panic!("expected a state, got {other:?}"),
    }
}

#[tokio::test]
async fn accounts_that_are_connected_are_the_state() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let goa = Goa::start(&bus, &[("account_2_0", false), ("account_1_0", false), ("account_3_0", true)]).await;
    let mut inbox = sysroot.watch(SourceKind::OnlineAccounts);
    assert_eq!(inbox.status().await, Status::Available { how: "GNOME Online Accounts".into() });
    assert_eq!(state(&mut inbox).await, "account_1_0+account_2_0");
    goa.insert("account_1_0", true).await;
    assert_eq!(state(&mut inbox).await, "account_2_0");
    goa.change(BTreeMap::clear).await;
    assert_eq!(state(&mut inbox).await, "none");
}

#[tokio::test]
async fn the_oldest_account_is_the_default_one() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let goa = Goa::start(&bus, &[("account_1700000000_0", false)]).await;
    let mut inbox = sysroot.watch(SourceKind::DefaultAccount);
    assert_eq!(state(&mut inbox).await, "account_1700000000_0");
    goa.insert("account_1800000000_0", false).await;
    goa.insert("account_1700000000_0", true).await;
    goa.change(|accounts| accounts.retain(|id, _| id != "account_1700000000_0")).await;
    assert_eq!(state(&mut inbox).await, "account_1800000000_0", "neither a newer one nor its trouble changed it");
    goa.change(BTreeMap::clear).await;
    assert_eq!(state(&mut inbox).await, "none");
}

#[tokio::test]
async fn without_the_service_the_package_is_named_and_nothing_is_told() {
    let sysroot = Sysroot::new();
    let mut inbox = sysroot.watch(SourceKind::OnlineAccounts);
    let Status::Missing { why, help } = inbox.status().await else { panic!("must be missing") };
    assert_eq!(why, "GNOME Online Accounts is not installed, or there is no session bus");
    assert_eq!(help, "install gnome-online-accounts");
    pass(Duration::from_secs(3600)).await;
    assert!(inbox.is_empty());
}

/// The desktop starts it sooner or later; a source never does.
#[tokio::test]
async fn a_service_that_is_installed_and_does_not_run_is_said_so() {
    let sysroot = Sysroot::new();
    let services = sysroot.path("services");
    sysroot.write("services/goa.service", format!("[D-BUS Service]\nName={NAME}\nExec=/bin/false\n"));
    let Some(_bus) = TestBus::start_session_with(&sysroot, &services) else { return };
    let mut inbox = sysroot.watch(SourceKind::DefaultAccount);
    let Status::Missing { why, help } = inbox.status().await else { panic!("must be missing") };
    assert_eq!(why, "GNOME Online Accounts has not been started in this session");
    assert_eq!(help, "open the online accounts in the settings, or whatever uses them");
}

/// While it is away nothing is known, so its coming and going is no change.
#[tokio::test]
async fn the_service_and_the_bus_restart_without_a_change() {
    let sysroot = Sysroot::new();
    let mut inbox = sysroot.watch(SourceKind::OnlineAccounts);
    let mut first = true;
    for _ in 0..2 {
        let Some(bus) = TestBus::start_session(&sysroot) else { return };
        for _ in 0..2 {
            let goa = Goa::start(&bus, &[("account_1_0", false)]).await;
            inbox.status_that(is_available).await;
            if std::mem::take(&mut first) {
                assert_eq!(state(&mut inbox).await, "account_1_0");
            }
            goa.0.close().await.unwrap();
            inbox.status_that(|status| !is_available(status)).await;
        }
    }
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let _goa = Goa::start(&bus, &[("account_2_0", false)]).await;
    assert_eq!(state(&mut inbox).await, "account_2_0", "what changed meanwhile is told");
}

#[tokio::test]
async fn a_service_that_hangs_is_asked_again_a_minute_later() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let hangs = Arc::new(AtomicBool::new(true));
    let _goa = Goa::start_with(&bus, Accounts { hangs: hangs.clone(), ..Accounts::default() }).await;
    let mut inbox = sysroot.watch(SourceKind::OnlineAccounts);
    let Status::Missing { why, help } = inbox.status().await else { panic!("must be missing") };
    assert!(why.contains("it does not answer: GetManagedObjects took more than 3 s"), "{why}");
    assert_eq!(help, "restart goa-daemon");
    hangs.store(false, Ordering::Relaxed);
    pass(Duration::from_secs(60)).await;
    assert!(is_available(&inbox.status().await));
    assert_eq!(state(&mut inbox).await, "none");
}

struct Nonsense;

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Nonsense {
    fn get_managed_objects(&self) -> u32 {
        7
    }
}

#[tokio::test]
async fn nonsense_is_named_and_healed_by_a_restart() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let mad = bus.connect().await;
    mad.object_server().at(ROOT, Nonsense).await.unwrap();
    mad.request_name(NAME).await.unwrap();
    let mut inbox = sysroot.watch(SourceKind::DefaultAccount);
    let Status::Missing { why, .. } = inbox.status().await else { panic!("must be missing") };
    assert!(why.contains("GetManagedObjects answered what cannot be read"), "{why}");
    mad.close().await.unwrap();
    let _goa = Goa::start(&bus, &[("account_1_0", false)]).await;
    inbox.status_that(is_available).await;
    assert_eq!(state(&mut inbox).await, "account_1_0");
}

/// [`MAX_ACCOUNTS`]
#[tokio::test]
async fn so_many_accounts_are_looked_at() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let accounts: Vec<String> = (0..=MAX_ACCOUNTS).map(|number| format!("account_{number:03}")).collect();
    let accounts: Vec<(&str, bool)> = accounts.iter().map(|id| (id.as_str(), false)).collect();
    let _goa = Goa::start(&bus, &accounts).await;
    let mut inbox = sysroot.watch(SourceKind::OnlineAccounts);
    assert_eq!(state(&mut inbox).await.split('+').count(), MAX_ACCOUNTS);
}

#[tokio::test]
async fn a_change_is_heard_through_ten_thousand_signals() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let goa = Goa::start(&bus, &[("account_1_0", false)]).await;
    let mut inbox = sysroot.watch(SourceKind::OnlineAccounts);
    assert_eq!(state(&mut inbox).await, "account_1_0");
    for _ in 0..10_000 {
        goa.nudge().await;
    }
    goa.change(BTreeMap::clear).await;
    assert_eq!(state(&mut inbox).await, "none");
    assert!(inbox.is_empty());
}
