//! What is ordered arrives, or the reason is told.

use bgtask_wire::{ErrorKind, TransferOrder, TransferStatus};

use super::flawed::Flaw;
use super::harness::eventually;
use super::{FILM, Stage, refused};
use std::path::PathBuf;

/// NW-7.
#[tokio::test]
async fn nw_7_a_file_arrives_and_nothing_is_left_of_its_task() {
    let stage = Stage::set().await;
    let id = stage.download("film.mkv").await;
    stage.arrives(&id, "film.mkv").await;
    let info = stage.info(&id).await;
    assert_eq!((info.app.as_str(), info.kind.as_str(), info.answer), ("org.bgtask.Commands", "download", Some(200)));
    eventually("its task is gone", async || {
        stage.user.broker.list_tasks("org.bgtask.Transfers").await.unwrap().is_empty().then_some(())
    })
    .await;
    let films: Vec<_> = std::fs::read_dir(stage.home.root("films")).unwrap().collect();
    assert_eq!(films.len(), 1, "no part is left: {films:?}");
    stage.control(&id, "forget").await;
    assert!(stage.user.broker.list_transfers("").await.unwrap().is_empty());
    assert_eq!(std::fs::read_dir(stage.home.root("state/transfers")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_upload_goes_to_its_server() {
    let stage = Stage::set().await;
    std::fs::write(stage.file("film.mkv"), FILM.bytes()).unwrap();
    let order = TransferOrder { kind: "upload".into(), ..stage.order("film.mkv") };
    let id = stage.user.broker.create_transfer("", order).await.unwrap();
    let info = stage.becomes(&id, TransferStatus::Completed).await;
    assert_eq!((info.done, info.answer), (FILM.len, Some(201)));
    let seen = &stage.server.seen()[0];
    assert!(seen.line.starts_with("PUT /film.mkv") && seen.body == FILM.len && seen.body_is_right, "{seen:?}");
}

/// NW-7: where the server can go on with an upload, it is asked to, through the death of everything here.
#[tokio::test]
async fn nw_7_a_resumable_upload_goes_on_where_it_was_when_the_broker_died() {
    let stage = Stage::set().await;
    std::fs::write(stage.file("film.mkv"), FILM.bytes()).unwrap();
    stage.server.flaws([Flaw::None, Flaw::CutAfter(1_000_000), Flaw::Status(503, Some(3_600))]);
    let order = TransferOrder { kind: "upload".into(), resumable: Some(true), ..stage.order("film.mkv") };
    let id = stage.user.broker.create_transfer("", order).await.unwrap();
    stage.until(&id, "told to wait", |info| info.why.contains("503")).await;
    assert_eq!(stage.server.kept(), Some(1_000_000));
    let stage = stage.after_a_crash().await;
    stage.control(&id, "pause").await;
    stage.control(&id, "resume").await;
    let info = stage.becomes(&id, TransferStatus::Completed).await;
    assert_eq!((info.done, info.total, stage.server.kept()), (FILM.len, Some(FILM.len), Some(FILM.len)));
    let seen = stage.server.seen();
    let given = seen.iter().rfind(|seen| seen.line.starts_with("PATCH")).expect("the rest was given");
    assert_eq!((given.header("upload-offset"), given.body_is_right), (Some("1000000"), true), "{given:?}");
}

#[tokio::test]
async fn what_will_never_arrive_is_told_with_its_reason() {
    let stage = Stage::set().await;
    stage.server.flaws([Flaw::Status(404, None)]);
    let id = stage.download("film.mkv").await;
    let info = stage.becomes(&id, TransferStatus::Error).await;
    assert!(info.why.contains("404"), "{}", info.why);
    assert_eq!((info.answer, info.task), (Some(404), None));
    assert!(!stage.file("film.mkv").exists());
}

#[tokio::test]
async fn what_the_server_asks_to_wait_for_waits_and_says_so() {
    let stage = Stage::set().await;
    stage.server.flaws([Flaw::Status(503, Some(3_600))]);
    let id = stage.download("film.mkv").await;
    let info = stage.until(&id, "told why", |info| info.why.contains("503")).await;
    assert_eq!(info.status, TransferStatus::PausedRecoverableWebErrorStatus.number());
    assert!(info.why.contains("tried again in"), "{}", info.why);
    // Whoever does not want to wait says so.
    stage.control(&id, "pause").await;
    stage.becomes(&id, TransferStatus::PausedByApplication).await;
    stage.control(&id, "resume").await;
    stage.arrives(&id, "film.mkv").await;
}

#[tokio::test]
async fn what_is_wrong_is_said_when_it_is_ordered() {
    type Change = fn(&mut TransferOrder);
    let stage = Stage::set().await;
    let order = |change: Change| {
        let mut order = stage.order("film.mkv");
        change(&mut order);
        stage.user.broker.create_transfer("", order)
    };
    let wrong: [(Change, &str); 6] = [
        (|it| it.uri = "ftp://example.org/".into(), "http"),
        (|it| it.kind = "sideload".into(), "sideload"),
        (|it| it.file = "film.mkv".into(), "absolute"),
        (|it| it.file = "/no such folder/film.mkv".into(), "no such folder"),
        (|it| it.file = "/tmp".into(), "folder"),
        (|it| it.cost = Some(7), "CostPolicy"),
    ];
    for (change, word) in wrong {
        let (kind, text) = refused(order(change).await).await;
        assert!(kind == ErrorKind::InvalidArgument && text.contains(word), "{word}: {kind:?} {text}");
    }
    assert!(stage.user.broker.list_transfers("").await.unwrap().is_empty());
}

/// The same order twice, because the answer to the first got lost, is one transfer.
#[tokio::test]
async fn an_order_with_an_id_is_one_transfer_however_often_it_is_given() {
    let stage = Stage::set().await;
    let id = "7b2d9a54-9b2f-4b39-8a39-4f4f4c1c2d11".to_owned();
    for _ in 0..2 {
        let order = TransferOrder { id: Some(id.clone()), ..stage.order("film.mkv") };
        assert_eq!(stage.user.broker.create_transfer("", order).await.unwrap(), id);
    }
    stage.arrives(&id, "film.mkv").await;
    assert_eq!(stage.server.seen().len(), 1);
}

///
#[tokio::test]
async fn q_21_two_hundred_and_one_is_too_many() {
    let stage = Stage::set().await;
    stage.home.world.online(false);
    for number in 0..200 {
        stage.download(&format!("{number}")).await;
    }
    let (kind, text) = refused(stage.user.broker.create_transfer("", stage.order("one-more")).await).await;
    assert!(kind == ErrorKind::LimitReached && text.contains("200"), "{text}");
    let first = stage.user.broker.list_transfers("").await.unwrap().remove(0);
    stage.control(&first.id, "cancel").await;
    stage.download("one-more").await;
}

/// An app has its own folder, no link in it leads out, and it sees its own transfers only. Here the app is this test.
#[tokio::test]
async fn an_app_transfers_into_its_data_folder_and_sees_its_own() {
    const APP: &str = "org.example.Films";
    let stage = Stage::set().await;
    let others = stage.download("other.mkv").await;
    stage.arrives(&others, "other.mkv").await;
    let own = std::env::current_exe().unwrap();
    std::fs::write(stage.home.manifest(APP), format!("[app]\nid = {APP:?}\nversion = \"1\"\nexecutable = {own:?}\n"))
        .unwrap();
    eventually("it is installed", async || {
        let apps = stage.user.broker.list_apps().await.unwrap();
        apps.iter().any(|app| app.id == APP).then_some(())
    })
    .await;
    let caller = stage.broker.user().await;
    let app = &caller.broker;
    let order = |file: PathBuf| TransferOrder { file: file.to_string_lossy().into_owned(), ..stage.order("film.mkv") };
    let data = stage.home.data(APP);
    let (kind, text) = refused(app.create_transfer("", order(stage.file("film.mkv"))).await).await;
    assert!(kind == ErrorKind::AccessDenied && text.contains(&*data.to_string_lossy()), "{text}");
    let id = app.create_transfer("", order(data.join("film.mkv"))).await.unwrap();
    stage.becomes(&id, TransferStatus::Completed).await;
    assert!(std::fs::read(data.join("film.mkv")).unwrap() == FILM.bytes());
    std::os::unix::fs::symlink(stage.home.root("films"), data.join("films")).unwrap();
    let (kind, _) = refused(app.create_transfer("", order(data.join("films/film.mkv"))).await).await;
    assert_eq!(kind, ErrorKind::AccessDenied);
    let seen: Vec<_> = app.list_transfers("").await.unwrap().into_iter().map(|info| info.id).collect();
    assert_eq!(seen, [id]);
    let error = bgtask_wire::Error::from(app.control_transfer(&others, "cancel").await.unwrap_err());
    assert_eq!(error.kind, ErrorKind::UnknownTask);
}
