//! What a transfer waits for, and how it is told to rest, to go on and to end.

use bgtask_wire::{TransferOrder, TransferStatus};

use super::flawed::Flaw;
use super::harness::{Home, eventually};
use super::network::Network;
use super::{FILM, Server, Stage};

/// NW-7: what is lost is only the connection.
#[tokio::test]
async fn nw_7_without_a_network_it_waits_and_then_goes_on() {
    let stage = Stage::set().await;
    stage.server.flaws([Flaw::StallAfter(1_000_000)]);
    let id = stage.download("film.mkv").await;
    stage.until(&id, "on its way", |info| info.done >= 900_000).await;
    stage.home.world.online(false);
    let info = stage.becomes(&id, TransferStatus::PausedNoNetwork).await;
    assert!(info.why.contains("nternet"), "{}", info.why);
    stage.home.world.online(true);
    stage.arrives(&id, "film.mkv").await;
    assert!(stage.server.seen()[1].header("range").is_some(), "it went on where it was");
}

/// NW-7: what may cost something goes on, the rest waits for a network that is free, and stops where it becomes metered.
#[tokio::test]
async fn nw_7_on_a_metered_network_only_what_may_cost_something_goes_on() {
    let home = Home::new();
    std::fs::create_dir_all(home.root("films")).unwrap();
    let Some(network) = Network::start(&home.world, false).await else { return };
    let stage = Stage::on(home, Server::start(FILM)).await;
    stage.server.flaws([Flaw::StallAfter(1_000_000)]);
    let order = TransferOrder { cost: Some(1), ..stage.order("later.mkv") };
    let later = stage.user.broker.create_transfer("", order).await.unwrap();
    stage.until(&later, "on its way", |info| info.done >= 900_000).await;
    network.costs(true).await;
    stage.becomes(&later, TransferStatus::PausedCostedNetwork).await;
    let now = stage.download("now.mkv").await;
    stage.arrives(&now, "now.mkv").await;
    network.costs(false).await;
    stage.arrives(&later, "later.mkv").await;
}

#[tokio::test]
async fn paused_it_rests_over_a_crash_and_resumed_it_goes_on_where_it_was() {
    let stage = Stage::set().await;
    stage.server.flaws([Flaw::StallAfter(1_000_000)]);
    let id = stage.download("film.mkv").await;
    stage.until(&id, "on its way", |info| info.done >= 900_000).await;
    stage.control(&id, "pause").await;
    stage.becomes(&id, TransferStatus::PausedByApplication).await;
    let stage = stage.after_a_crash().await;
    stage.becomes(&id, TransferStatus::PausedByApplication).await;
    assert_eq!(stage.server.seen().len(), 1);
    stage.control(&id, "resume").await;
    stage.arrives(&id, "film.mkv").await;
    assert!(stage.server.seen()[1].header("range").is_some(), "it went on where it was");
}

#[tokio::test]
async fn cancelled_it_leaves_nothing() {
    let stage = Stage::set().await;
    stage.server.flaws([Flaw::StallAfter(1_000_000)]);
    let id = stage.download("film.mkv").await;
    stage.until(&id, "on its way", |info| info.done >= 900_000).await;
    stage.control(&id, "cancel").await;
    assert!(stage.user.broker.list_transfers("").await.unwrap().is_empty());
    eventually("its worker is gone, and what it had fetched", async || {
        let tasks = stage.user.broker.list_tasks("org.bgtask.Transfers").await.unwrap();
        let films = std::fs::read_dir(stage.home.root("films")).unwrap().count();
        (tasks.is_empty() && films == 0).then_some(())
    })
    .await;
}

/// Four are carried at a time: the others have their turn when one has ended.
#[tokio::test]
async fn more_than_may_be_carried_at_a_time_have_their_turn() {
    let stage = Stage::set().await;
    stage.server.flaws((0..4).map(|_| Flaw::StallAfter(1_000_000)));
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(stage.download(&format!("{number}.mkv")).await);
        if number < 4 {
            stage.until(&ids[number], "on its way", |info| info.done >= 900_000).await;
        }
    }
    let last = stage.info(&ids[4]).await;
    assert_eq!((last.status, last.done), (TransferStatus::Idle.number(), 0), "{}", last.why);
    stage.control(&ids[0], "cancel").await;
    stage.arrives(&ids[4], "4.mkv").await;
    for id in &ids[1..4] {
        stage.control(id, "cancel").await;
    }
    assert_eq!(stage.becomes(&ids[4], TransferStatus::Completed).await.done, FILM.len);
}
