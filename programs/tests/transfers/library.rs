//! The library's side: an app that orders, ends, and attaches again (NW-7).

use bgtask_wire::TransferStatus;
use serde_json::{Value, json};

use super::flawed::Flaw;
use super::harness::{App, Home, SAMPLE};
use super::{FILM, Server, Stage};

async fn stage() -> (Stage, App) {
    let (home, app) = Home::with_sample();
    std::fs::create_dir_all(home.root("films")).unwrap();
    (Stage::on(home, Server::start(FILM)).await, app)
}

fn last(lines: &[Value]) -> &Value {
    lines.last().expect("it said something")
}

#[tokio::test]
async fn an_app_hears_how_far_its_download_is_and_that_it_is_done() {
    let (stage, app) = stage().await;
    let file = stage.home.data(SAMPLE).join("film.mkv");
    let lines = app.lines(&["download", &stage.server.uri("/film.mkv"), file.to_str().unwrap()]);
    assert_eq!(*last(&lines), json!({ "status": "Completed", "bytes": FILM.len, "of": FILM.len }), "{lines:?}");
    assert!(std::fs::read(file).unwrap() == FILM.bytes());
    assert!(stage.user.broker.list_transfers("").await.unwrap().is_empty(), "its end was heard, so it is forgotten");
}

#[tokio::test]
async fn nw_7_an_app_attaches_in_another_life_to_what_outlived_it_and_its_broker() {
    let (stage, app) = stage().await;
    stage.server.flaws([Flaw::StallAfter(1_000_000)]);
    let file = stage.home.data(SAMPLE).join("film.mkv");
    let ordered = app.call(&["order", &stage.server.uri("/film.mkv"), file.to_str().unwrap()]);
    let id = ordered["guid"].as_str().unwrap().to_owned();
    stage.until(&id, "on its way", |info| info.done >= 900_000).await;
    let stage = stage.after_a_crash().await;
    let lines = app.lines(&["attach"]);
    assert_eq!(lines[0], json!({ "guid": id, "group": "films" }));
    assert_eq!(last(&lines)["status"], "Completed", "{lines:?}");
    assert!(std::fs::read(file).unwrap() == FILM.bytes());
    assert!(app.lines(&["attach"]).is_empty(), "there is nothing left to attach to");
    assert!(stage.user.broker.list_transfers("").await.unwrap().is_empty());
}

#[tokio::test]
async fn an_app_hears_why_its_download_failed_and_what_was_wrong_with_its_order() {
    let (stage, app) = stage().await;
    stage.server.flaws([Flaw::Status(404, None)]);
    let data = stage.home.data(SAMPLE);
    let order = |uri: &str, file: &std::path::Path| app.lines(&["download", uri, file.to_str().unwrap()]);
    let uri = stage.server.uri("/film.mkv");
    let lines = order(&uri, &data.join("film.mkv"));
    let error = last(&lines)["error"].as_str().unwrap();
    assert!(error.contains("404") && error.contains("/film.mkv"), "{error}");
    let lines = order(&uri, &stage.file("film.mkv"));
    assert!(last(&lines)["error"].as_str().unwrap().contains("data folder"), "{lines:?}");
    let lines = order("ftp://example.org/", &data.join("film.mkv"));
    assert!(last(&lines)["error"].as_str().unwrap().contains("http://"), "{lines:?}");
}

/// What another ends, an app that waits hears of.
#[tokio::test]
async fn a_download_that_is_cancelled_from_outside_ends_its_wait() {
    let (stage, app) = stage().await;
    stage.server.flaws([Flaw::StallAfter(1_000_000)]);
    let (uri, file) = (stage.server.uri("/film.mkv"), stage.home.data(SAMPLE).join("film.mkv"));
    let waits = std::thread::spawn(move || app.lines(&["download", &uri, file.to_str().unwrap()]));
    let all = async || stage.user.broker.list_transfers(SAMPLE).await.unwrap();
    let info = super::eventually("it is ordered", async || all().await.pop()).await;
    stage.becomes(&info.id, TransferStatus::Running).await;
    stage.control(&info.id, "cancel").await;
    let lines = waits.join().unwrap();
    assert!(last(&lines)["error"].as_str().unwrap().contains("cancelled"), "{lines:?}");
}
