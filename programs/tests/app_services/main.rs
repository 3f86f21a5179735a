//! App services (HO-6, NEI-1 to NEI-3): one app asks, a task of another answers, over a connection that the broker makes and that ends
//! with either end. Real programs on both sides: `examples/app_services.rs`.

#[path = "../harness/mod.rs"]
mod harness;
mod stage;

use std::os::fd::OwnedFd;

use bgtask::AppServiceConnectionStatus as Status;
use bgtask_wire::{AppServiceCall, PeerSocket};
use harness::{eventually, kind};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use stage::{INSIDE, MAIL, OTHER, PHOTOS, RESIZE, Stage, number, text};
use zbus::connection::socket::{ReadHalf as _, Socket as _, WriteHalf as _};

#[tokio::test]
async fn ho_6_nei_1_an_app_asks_and_a_task_of_another_answers_who_is_known_to_it() {
    let stage = Stage::set().await;
    let mut mail = stage.asks(MAIL, PHOTOS, RESIZE);
    mail.is_open();
    let answer = mail.ask("who");
    assert_eq!((text(&answer, "caller"), text(&answer, "service")), (MAIL, RESIZE));
    assert_eq!(text(&mail.ask("again"), "heard"), "again", "as often as it likes");
    mail.hangs_up();
    let task = stage.service().await;
    stage.user.phase(&task, "idle").await;
    let line = stage.user.line(&task, "completed", 1).await;
    assert_eq!(line.text, "succeeded", "that its caller has left is how it ends");
    assert!(stage.user.words(&task).await.starts_with("registered fired started"), "{}", stage.user.words(&task).await);
}

#[tokio::test]
async fn ho_6_each_connection_has_an_instance_of_its_own_and_a_process_lingers_for_the_next() {
    let stage = Stage::set().await;
    let (mut first, mut second) = (stage.asks(MAIL, PHOTOS, RESIZE), stage.asks(MAIL, PHOTOS, RESIZE));
    let (one, other) = (first.who(), second.who());
    assert_ne!(text(&one, "instance"), text(&other, "instance"));
    assert_ne!(number(&one, "process"), number(&other, "process"), "they run at the same time");
    first.hangs_up();
    second.hangs_up();
    stage.user.phase(&stage.service().await, "idle").await;
    let third = stage.asks(MAIL, PHOTOS, RESIZE).who();
    assert!([&one, &other].iter().any(|it| number(it, "process") == number(&third, "process")), "warm");
}

/// BLD-9: without an entry point the app itself serves, where it is if it is open.
#[tokio::test]
async fn bld_9_the_app_itself_serves_what_has_no_entry_point() {
    let stage = Stage::set().await;
    let mut photos = stage.opens_photos();
    let open = number(&photos.next(), "serving");
    let mut mail = stage.asks(MAIL, PHOTOS, INSIDE);
    assert_eq!(number(&mail.who(), "process"), open, "over the connection that the app has with the broker");
    mail.hangs_up();
    stage.user.phase(&stage.service_named(INSIDE).await, "idle").await;
    photos.hangs_up();
    let started = stage.asks(MAIL, PHOTOS, INSIDE).who();
    assert_ne!(number(&started, "process"), open, "the broker starts it");
    assert_eq!(text(&started, "caller"), MAIL);
}

/// Who may connect is the word of the app that is asked; an app cannot say that it is another.
#[tokio::test]
async fn the_manifest_says_who_may_ask() {
    let stage = Stage::set().await;
    let refused = |caller, provider, service| stage.asks(caller, provider, service).refused();
    assert!(
        refused(OTHER, PHOTOS, RESIZE).starts_with("NotAuthorized: the manifest of org.example.Photos does not allow")
    );
    assert!(refused(MAIL, "org.example.Gone", RESIZE).starts_with("AppNotInstalled"));
    assert!(refused(MAIL, PHOTOS, "org.example.photos.none").starts_with("AppServiceUnavailable"));
    let liar = stage.asks_as(OTHER, MAIL, PHOTOS, RESIZE).refused();
    assert!(liar.contains("cannot act for org.example.Mail"), "{liar}");
    assert_eq!(text(&stage.asks(OTHER, PHOTOS, "org.example.photos.open").who(), "caller"), OTHER, "allowed to all");
}

#[tokio::test]
async fn a_denied_app_serves_nobody() {
    let stage = Stage::set().await;
    stage.user.broker.set_access(PHOTOS, "never").await.unwrap();
    let why = stage.asks(MAIL, PHOTOS, RESIZE).refused();
    assert!(why.starts_with("DisabledByPolicy") && why.contains("DeniedByUser"), "{why}");
}

/// The connection ends with the process of the caller, whatever ended that, and its instance is told.
#[tokio::test]
async fn the_death_of_the_caller_ends_its_instance() {
    let stage = Stage::set().await;
    let mut mail = stage.asks(MAIL, PHOTOS, RESIZE);
    mail.who();
    mail.sends("wait");
    let task = stage.service().await;
    kill_process(Pid::from_raw(mail.process()).unwrap(), Signal::KILL).unwrap();
    let line = stage.user.line(&task, "cancelled", 1).await;
    assert!(line.text.contains("Abort"), "{}", line.text);
    stage.user.phase(&task, "idle").await;
}

/// NEI-3: a process that dies says no word, and who waits for an answer is told.
#[tokio::test]
async fn the_death_of_the_task_closes_the_connection() {
    let stage = Stage::set().await;
    let mut mail = stage.asks(MAIL, PHOTOS, RESIZE);
    mail.who();
    let failure = mail.ask("crash");
    assert!(text(&failure, "failure").starts_with("Unknown: the connection is closed"), "{failure}");
    assert_eq!(mail.next(), json!({ "closed": "Unknown" }));
    let line = stage.user.line(&stage.service().await, "completed", 1).await;
    assert!(line.text.contains("code 3"), "{}", line.text);
    assert_eq!(text(&stage.asks(MAIL, PHOTOS, RESIZE).who(), "caller"), MAIL, "the next is served");
}

/// NEI-2: an answer is optional.
#[tokio::test]
async fn a_message_that_is_not_answered_is_told_so() {
    let stage = Stage::set().await;
    let mut mail = stage.asks(MAIL, PHOTOS, RESIZE);
    mail.is_open();
    let failure = mail.ask("ignore");
    assert_eq!(text(&failure, "failure"), "Failure: the message was taken and not answered");
}

/// D10, NEI-3: a connection lasts no longer than a task may run, and its caller hears why it ended.
#[tokio::test]
async fn d10_a_connection_ends_with_the_time_of_its_task() {
    let stage = Stage::with("long_wall_budget_seconds = 1\ncancel_grace_seconds = 60\n").await;
    let mut mail = stage.asks(MAIL, PHOTOS, RESIZE);
    mail.is_open();
    let failure = mail.ask("wait");
    assert_eq!(text(&failure, "failure"), "Failure: the message was taken and not answered");
    assert_eq!(mail.next(), json!({ "closed": "ResourceLimitsExceeded" }));
    let line = stage.user.line(&stage.service().await, "cancelled", 1).await;
    assert!(line.text.contains("ExecutionTimeExceeded"), "{}", line.text);
}

/// D7: the hosts go with the broker, and so do the connections; nothing of them is run again.
#[tokio::test]
async fn d7_a_connection_does_not_outlive_the_broker() {
    let mut stage = Stage::set().await;
    let mut mail = stage.asks(MAIL, PHOTOS, RESIZE);
    mail.who();
    let task = stage.service().await;
    stage.broker_dies().await;
    let closed = mail.next();
    assert!(closed.get("closed").is_some(), "{closed}");
    assert_eq!(stage.service().await, task, "the service is the same");
    let line = stage.user.line(&task, "completed", 1).await;
    assert!(line.text.contains("broker"), "{}", line.text);
    assert_eq!(text(&stage.asks(MAIL, PHOTOS, RESIZE).who(), "service"), RESIZE);
}

/// The manifest is the registration: an app sees none of it among what it registered, and cannot take it away.
#[tokio::test]
async fn a_service_is_not_among_the_registrations_of_its_app() {
    let stage = Stage::set().await;
    assert!(stage.user.broker.list_tasks(PHOTOS).await.unwrap().is_empty());
    let task = stage.service().await;
    let refused = stage.user.broker.unregister(&task, true).await;
    assert_eq!(kind(refused), bgtask_wire::ErrorKind::InvalidArgument);
    let why = stage.user.broker.why(&task).await.unwrap();
    assert!(why.sentence.starts_with("It waits for a caller"), "{}", why.sentence);
    stage.installs_photos("2.0.0", "");
    eventually("the service goes with the manifest", async || stage.services().await.is_empty().then_some(())).await;
}

/// The contract for other languages: D-Bus messages on the bare descriptor, and a lifeline.
#[tokio::test]
async fn a_program_of_the_user_speaks_the_contract_by_hand() {
    let stage = Stage::set().await;
    let open = async |service| {
        let (status, why, ends) = stage.user.broker.open_app_service("", PHOTOS, service).await.unwrap();
        let ends: Vec<_> = ends.into_iter().map(OwnedFd::from).collect();
        (Status::from_number(status).unwrap(), why, ends)
    };
    let (status, _, ends) = open(RESIZE).await;
    assert_eq!((status, ends.len()), (Status::NotAuthorized, 0), "it is no app that the manifest names");

    let (status, why, mut ends) = open("org.example.photos.open").await;
    assert_eq!((status, why.as_str(), ends.len()), (Status::Success, "the connection is open", 2));
    let (lifeline, connection) = (ends.pop().unwrap(), ends.pop().unwrap());
    let (mut read, mut write) = PeerSocket::new(connection.into()).unwrap().split().take();
    let what = zbus::OwnedVariant::try_from(zbus::Variant::from("who")).unwrap();
    let request = AppServiceCall::Request([("what".to_owned(), what)].into()).message().unwrap();
    write.send_message(&request).await.unwrap();
    let answer = read.receive_message(0, &mut Vec::new(), &mut Vec::new()).await.unwrap();
    let answer: std::collections::HashMap<String, zbus::OwnedVariant> = answer.body().deserialize().unwrap();
    assert_eq!(*answer["caller"], zbus::Variant::from("nobody"));

    // Letting go of the lifeline alone ends the instance, whose last word says so.
    let task = stage.service_named("org.example.photos.open").await;
    drop(lifeline);
    let line = stage.user.line(&task, "cancelled", 1).await;
    assert!(line.text.contains("Abort"), "{}", line.text);
    drop((read, write));
    stage.user.phase(&task, "idle").await;
}
