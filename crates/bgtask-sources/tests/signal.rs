//! The custom D-Bus trigger: signals of our own on private buses.

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bgtask_sources::{EventReport, MAX_FIELD_BYTES, Status, Subject};
use common::{Ear, Sysroot, TestBus, is_available, pass};
use serde::Serialize;
use serde_json::json;
use zbus::wire::DynamicType;

const PLAYER: &str = "org.example.Player";
const PATH: &str = "/org/example/Player/1";

fn subject(properties: &[(&str, &str)]) -> Subject {
    let owned = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Subject::read("DBusSignalTrigger", &owned.collect::<BTreeMap<_, _>>()).unwrap()
}

fn of_player() -> Subject {
    subject(&[("sender", PLAYER), ("path", PATH), ("interface", PLAYER), ("member", "Changed")])
}

async fn emit(service: &zbus::Connection, member: &str, body: &(impl Serialize + DynamicType)) {
    service.emit_signal(None::<&str>, PATH, PLAYER, member, body).await.unwrap();
}

async fn hearing(sysroot: &Sysroot, subject: Subject) -> Ear {
    let mut ear = sysroot.listen(subject);
    ear.status_that(is_available).await;
    ear
}

#[tokio::test]
async fn a_signal_that_matches_is_told_with_all_it_carries() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let mut ear = sysroot.listen(of_player());
    assert_eq!(ear.status().await, Status::Available { how: "the session bus".into() });
    let service = bus.service(PLAYER).await;
    emit(&service, "Changed", &("song", 3u32, vec![1u8, 171])).await;
    let event = ear.event().await;
    let expected = json!({
        "bus": "session", "sender": PLAYER, "path": PATH, "interface": PLAYER, "member": "Changed",
        "arguments": ["song", 3, "01ab"],
    });
    assert_eq!(event, expected);
    emit(&service, "Changed", &()).await;
    assert_eq!(ear.event().await["arguments"], json!([]));
}

#[tokio::test]
async fn what_does_not_match_is_not_told() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let mut ear = hearing(
        &sysroot,
        subject(&[
            ("bus", "system"),
            ("path_namespace", "/org/example/Player"),
            ("arg0", "it's me"),
            ("sender", PLAYER),
        ]),
    )
    .await;
    let service = bus.service(PLAYER).await;
    let other = bus.connect().await;
    emit(&other, "Changed", &"it's me").await;
    let neighbour = "/org/example/Player2";
    service.emit_signal(None::<&str>, neighbour, PLAYER, "Changed", &"it's me").await.unwrap();
    emit(&service, "Changed", &"somebody else").await;
    emit(&service, "Changed", &7u32).await;
    emit(&service, "Told", &("it's me", 1)).await;
    let event = ear.event().await;
    assert_eq!((&event["member"], &event["arguments"]), (&json!("Told"), &json!(["it's me", 1])));
    assert_eq!((&event["bus"], ear.lost), (&json!("system"), 0));
}

/// Whoever sends to us alone can say anything: the bus checks no match rule for that.
#[tokio::test]
async fn a_directed_signal_is_no_news() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let mut ear = hearing(&sysroot, of_player()).await;
    let service = bus.service(PLAYER).await;
    let liar = bus.connect().await;
    let names = zbus::fdo::DBusProxy::new(&liar).await.unwrap().list_names().await.unwrap();
    for name in names.iter().filter(|name| name.starts_with(':')) {
        liar.emit_signal(Some(name), PATH, PLAYER, "Changed", &"a lie").await.unwrap();
    }
    // The bus has passed on all of these before it answers.
    zbus::fdo::DBusProxy::new(&liar).await.unwrap().get_id().await.unwrap();
    emit(&service, "Changed", &"the truth").await;
    assert_eq!(ear.event().await["arguments"], json!(["the truth"]));
}

#[tokio::test]
async fn without_a_sender_the_unique_name_is_told() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let mut ear = hearing(&sysroot, subject(&[("interface", PLAYER)])).await;
    let somebody = bus.connect().await;
    emit(&somebody, "Changed", &"x").await;
    assert_eq!(ear.event().await["sender"], json!(somebody.unique_name().unwrap().as_str()));
}

/// The rule holds for whoever owns the name, however often that changes.
#[tokio::test]
async fn the_sender_restarts_and_is_replaced() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let mut ear = hearing(&sysroot, of_player()).await;
    for turn in 0..3u32 {
        let service = bus.service(PLAYER).await;
        emit(&service, "Changed", &turn).await;
        assert_eq!(ear.event().await["arguments"], json!([turn]));
        service.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_bus_that_appears_later_and_restarts_is_heard() {
    let sysroot = Sysroot::new();
    let mut ear = sysroot.listen(of_player());
    let Status::Missing { why, help } = ear.status().await else { panic!("must be missing") };
    assert_eq!(why, "there is no session bus");
    assert_eq!(help, "log in to a session with a bus; dbus-user-session brings one for every user");
    pass(Duration::from_secs(3600)).await;
    for turn in 0..2u32 {
        let Some(bus) = TestBus::start_session(&sysroot) else { return };
        assert!(is_available(&ear.status().await));
        let service = bus.service(PLAYER).await;
        emit(&service, "Changed", &turn).await;
        assert_eq!(ear.event().await["arguments"], json!([turn]));
        drop(bus);
        assert!(matches!(ear.status().await, Status::Missing { .. }));
    }
}

/// `most` are told singly, the rest is counted, and all of it costs little.
#[tokio::test]
async fn of_ten_thousand_the_first_are_told_and_the_rest_is_counted() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let mut ear = hearing(&sysroot, subject(&[("sender", PLAYER), ("most", "600")])).await;
    let service = bus.service(PLAYER).await;
    let start = Instant::now();
    for number in 0..10_000u32 {
        emit(&service, "Changed", &number).await;
    }
    for number in 0..600 {
        assert_eq!(ear.event().await["arguments"], json!([number]), "in their order");
    }
    assert_eq!(ear.lost, 0, "what is held back is told later");
    println!("a flood of 10 000 took {:?}", start.elapsed());
    // The last of the flood has been heard when another connection of the same listener has nothing more to hear.
    zbus::fdo::DBusProxy::new(&service).await.unwrap().get_id().await.unwrap();
    let mut reports = 0;
    while ear.lost < 9_400 {
        pass(Duration::from_secs(60)).await;
        let EventReport::Burst { events, lost } = ear.next().await else { panic!("a status") };
        reports += 1;
        // Those of the flood that were heard only after the minute are told singly again.
        ear.lost += lost + events.len() as u64;
    }
    assert_eq!(ear.lost, 9_400);
    assert!(reports < 1_300, "{reports} reports");
}

/// [`MAX_FIELD_BYTES`], and a signal too large to be looked at.
#[tokio::test]
async fn what_is_too_large_is_cut_or_counted() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let mut ear = hearing(&sysroot, of_player()).await;
    let service = bus.service(PLAYER).await;
    emit(&service, "Changed", &"x".repeat(1 << 20)).await;
    emit(&service, "Changed", &"x".repeat(60_000)).await;
    let event = ear.event().await;
    let told = event["arguments"][0].as_str().unwrap().len();
    assert!((MAX_FIELD_BYTES - 16..=MAX_FIELD_BYTES).contains(&told), "{told}");
    assert_eq!(ear.lost, 1);
}
