//! Replay: what a broker recorded is decided again in the same way (§6 of the design).

mod harness;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use bgtask_record::{Replay, replay};
use harness::{Broker, Home, New, User};

fn replayed(file: &Path) -> Replay {
    replay(BufReader::new(File::open(file).unwrap())).unwrap_or_else(|error| panic!("{error}"))
}

async fn start(home: &Home, file: &Path) -> (Broker, User) {
    let mut broker = Broker::spawn(home, home.command().arg("--record").arg(file));
    let user = broker.answers().await;
    (broker, user)
}

/// A little of everything: a refusal, firings, a condition, a failure, a cancel, an acknowledgement.
async fn live(home: &Home, user: &User) {
    let quick = user.ready(New::default()).await;
    let online =
        New { name: "online", conditions: &["InternetAvailable"], cancel_on_condition_loss: true, ..New::default() };
    let online = user.ready(New { entry: "Tasks.Blocking", ..online }).await;
    let fails = user.ready(New { name: "fails", entry: "Tasks.Crashes", ..New::default() }).await;
    user.register(New { name: "", ..New::default() }).await.expect_err("no name");
    home.world.zone("Asia/Tokyo");
    user.line(&quick, "completed", 1).await;
    user.line(&fails, "completed", 1).await;
    user.progress(&online, 1).await;
    home.world.online(false);
    user.line(&online, "completed", 1).await;
    user.broker.unregister(&fails, true).await.unwrap();
    user.broker.acknowledge(harness::SAMPLE, 1).await.unwrap();
}

#[tokio::test]
async fn a_recording_gives_the_same_decisions() {
    let (home, _app) = Home::with_sample();
    let file = home.root("recording");
    let (mut broker, user) = start(&home, &file).await;
    live(&home, &user).await;
    drop(user);
    assert_eq!(broker.stop(), Some(0));
    let done = replayed(&file);
    assert!(done.inputs > 20 && done.outputs > done.inputs && !done.cut_short, "{done:?}");

    // The next life begins with what the store kept.
    let (mut broker, user) = start(&home, &file).await;
    user.sources_know().await;
    home.world.zone("America/Lima");
    let task = user.broker.list_tasks("").await.unwrap().remove(0).id;
    user.line(&task, "completed", 2).await;
    drop(user);
    assert_eq!(broker.stop(), Some(0));
    assert!(!replayed(&file).cut_short);
}

/// A broker that is killed leaves a recording that ends early, in the middle of a line at worst.
#[tokio::test]
async fn a_recording_of_a_killed_broker() {
    let (home, _app) = Home::with_sample();
    let file = home.root("recording");
    for life in 0..5 {
        let (broker, user) = start(&home, &file).await;
        user.ready(New::default()).await;
        let zones = ["Asia/Tokyo", "America/Lima", "Europe/Berlin"];
        home.world.zone(zones[life % zones.len()]);
        for _ in 0..=life * 20 {
            user.register(New::default()).await.unwrap();
        }
        broker.kill();
        let done = replayed(&file);
        assert!(done.inputs as usize > life * 20, "{done:?}");
    }
    let whole = std::fs::read(&file).unwrap();
    let torn = home.root("torn");
    std::fs::write(&torn, &whole[..whole.len() - 10]).unwrap();
    assert!(replayed(&torn).cut_short, "half a line is left out, and said to be");
    drop(home.start().await);
}

/// What cannot be recorded is said before the broker starts.
#[tokio::test]
async fn a_recording_that_cannot_be_written() {
    let home = Home::new();
    let mut broker = Broker::spawn(&home, home.command().arg("--record").arg(home.root("no/such/folder")));
    assert_eq!(broker.ends(), Some(1));
    assert!(home.log().contains("the recording") && home.log().contains("No such file"), "{}", home.log());
}
