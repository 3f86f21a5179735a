//! Transfers that end together, and the task that hears of it (NEI-4, NEI-5).

use bgtask_transfer::{Folder, Phase};
use bgtask_wire::{ErrorKind, TransferOrder, TransferStatus};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::flawed::Flaw;
use super::harness::{App, Home, SAMPLE, eventually};
use super::{FILM, Server, Stage, refused};

const TASK: &str = "The films are there";
const FILES: [&str; 3] = ["a.mkv", "b.mkv", "c.mkv"];

/// The app has ordered three films while there is no network, and registered the task that is to hear of them.
async fn ordered() -> (Stage, App, Vec<Value>) {
    let (home, app) = Home::with_sample();
    let stage = Stage::on(home, Server::start(FILM)).await;
    stage.home.world.online(false);
    let files = FILES.map(|name| stage.home.data(SAMPLE).join(name).to_string_lossy().into_owned());
    let uri = stage.server.uri("/film.mkv");
    let verb = ["films", TASK, "Tasks.Films", &uri];
    let lines = app.lines(&verb.into_iter().chain(files.iter().map(String::as_str)).collect::<Vec<_>>());
    (stage, app, lines)
}

/// Waits for the word that the task leaves.
async fn told(app: &App) -> String {
    eventually("the task has run", async || app.status(TASK).split_once(" - ").map(|(_, word)| word.to_owned())).await
}

async fn tasks(stage: &Stage) -> usize {
    stage.user.broker.list_tasks(SAMPLE).await.unwrap().len()
}

/// NEI-4, ACC-27: whatever becomes of the broker and of each transfer, the task runs once, without access, when all have ended. SYS-9:
/// then its registration is gone. NEI-5: it sees every one of them, and once it has, they are forgotten.
#[tokio::test]
async fn nei_4_nei_5_acc_27_sys_9_a_group_tells_its_task_of_its_end() {
    let (stage, app, _) = ordered().await;
    assert_eq!(stage.user.broker.get_access_status(SAMPLE, "", false).await.unwrap(), 0, "nobody has asked for access");
    let stage = stage.after_a_crash().await;
    let all = stage.user.broker.list_transfers(SAMPLE).await.unwrap();
    assert_eq!(all.len(), FILES.len());
    stage.control(&all[2].id, "cancel").await;
    stage.server.flaws([Flaw::Status(404, None)]);
    stage.home.world.online(true);
    let told = told(&app).await;
    assert!(told.contains("mkv: Completed") && told.contains("mkv: Error") && told.contains("0 uploads"), "{told}");
    assert!(!told.contains("c.mkv"), "one that was cancelled is not there any more: {told}");
    eventually("it and its transfers are gone", async || {
        let transfers = stage.user.broker.list_transfers(SAMPLE).await.unwrap();
        (tasks(&stage).await == 0 && transfers.is_empty()).then_some(())
    })
    .await;
    let groups = stage.home.root("state/transfers/groups").join(SAMPLE);
    assert_eq!(std::fs::read_dir(groups).unwrap().count(), 0, "nothing of the group is left");
}

/// NEI-4: the broker is killed between the end of a group and its task's run, before it has seen that end, and again when the task waits to run.
#[tokio::test]
async fn nei_4_the_end_of_a_group_outlives_the_broker_that_did_not_tell_it() {
    let (stage, app, _) = ordered().await;
    stage.server.rate(FILM.len / 60);
    stage.home.world.online(true);
    let ids: Vec<_> = stage.user.broker.list_transfers(SAMPLE).await.unwrap().into_iter().map(|info| info.id).collect();
    for id in &ids {
        stage.becomes(id, TransferStatus::Running).await;
    }
    let task = stage.user.broker.list_tasks(SAMPLE).await.unwrap().remove(0).id;
    let broker = Pid::from_raw(stage.broker.pid().try_into().unwrap()).unwrap();
    kill_process(broker, Signal::STOP).unwrap();
    stage.server.rate(0);
    let folder = Folder::new(stage.home.root("state/transfers"));
    for id in &ids {
        let over = || folder.state(id.parse().unwrap()).unwrap().phase == Phase::Completed;
        eventually("a worker is done, and nobody hears it", async || over().then_some(())).await;
    }
    stage.home.world.memory_pressure(90);
    let stage = stage.after_a_crash().await;
    eventually("it waits for memory", async || {
        let why = stage.user.broker.why(&task).await.unwrap();
        why.gates.iter().any(|gate| gate.name == "MemoryPressure" && !gate.open).then_some(())
    })
    .await;
    assert!(stage.user.history(&task).await.iter().any(|line| line.event == "fired"), "it has been told of the end");
    let stage = stage.after_a_crash().await;
    stage.home.world.memory_pressure(0);
    let told = told(&app).await;
    assert_eq!(told.matches("mkv: Completed").count(), FILES.len(), "{told}");
    eventually("it is gone", async || (tasks(&stage).await == 0).then_some(())).await;
    let fired = stage.user.history(&task).await.iter().filter(|line| line.event == "fired").count();
    assert_eq!(fired, 1, "it was told once");
}

/// NEI-4: nothing is added to a group that is enabled, and it is enabled once. BLD-16: one task hears of it.
#[tokio::test]
async fn nei_4_bld_16_what_comes_too_late_is_refused() {
    let (stage, _app, lines) = ordered().await;
    let error = |what: &str| {
        let line = lines.iter().find_map(|line| line.get(what)).unwrap_or_else(|| panic!("{what}: {lines:?}"));
        line.as_str().unwrap_or_else(|| panic!("{what} was not refused: {lines:?}")).to_owned()
    };
    assert!(error("late").contains("nothing can be added"), "{lines:?}");
    assert!(error("again").contains("enabled once"), "{lines:?}");
    assert!(error("another task").contains("BLD-16") && error("another task").contains(TASK), "{lines:?}");
    assert_eq!(tasks(&stage).await, 1);
}

#[tokio::test]
async fn a_group_that_is_none_is_refused() {
    let stage = Stage::set().await;
    let broker = &stage.user.broker;
    let enable =
        async |group: &str| bgtask_wire::Error::from(broker.enable_transfer_group("", group).await.unwrap_err());
    let unknown = enable("7b2d9a54-9b2f-4b39-8a39-4f4f4c1c2d11").await;
    assert!(unknown.kind == ErrorKind::InvalidArgument && unknown.message.contains("register a task"), "{unknown}");
    assert_eq!(enable("films").await.kind, ErrorKind::InvalidArgument);
    let order = TransferOrder { completion_group: Some("films".into()), ..stage.order("film.mkv") };
    assert_eq!(refused(broker.create_transfer("", order).await).await.0, ErrorKind::InvalidArgument);
}

/// Without its task, what was in a group are transfers as all others.
#[tokio::test]
async fn a_task_that_is_gone_takes_its_group_with_it() {
    let (stage, app, _) = ordered().await;
    assert_eq!(app.call(&["unregister", TASK])["unregistered"], 1);
    stage.home.world.online(true);
    let lines = app.lines(&["attach"]);
    assert_eq!(lines.iter().filter(|line| line["status"] == "Completed").count(), FILES.len(), "{lines:?}");
    assert!(stage.user.broker.list_transfers(SAMPLE).await.unwrap().is_empty(), "its ends were heard");
}

/// An app that is not there any more has nothing carried, and what it had is gone; also where it went while no broker ran.
#[tokio::test]
async fn re_8_with_its_app_a_transfer_goes() {
    for while_no_broker_ran in [false, true] {
        let (home, app) = Home::with_sample();
        let mut stage = Stage::on(home, Server::start(FILM)).await;
        stage.server.flaws([Flaw::StallAfter(1_000_000)]);
        let file = stage.home.data(SAMPLE).join("film.mkv");
        let ordered = app.call(&["order", &stage.server.uri("/film.mkv"), file.to_str().unwrap()]);
        stage.until(ordered["guid"].as_str().unwrap(), "on its way", |info| info.done >= 900_000).await;
        if while_no_broker_ran {
            stage.home.uninstall(SAMPLE);
            stage = stage.after_a_crash().await;
        } else {
            stage.home.uninstall(SAMPLE);
        }
        eventually("everything of it is gone", async || {
            let transfers = stage.user.broker.list_transfers("").await.unwrap();
            let tasks = stage.user.broker.list_tasks("org.bgtask.Transfers").await.unwrap();
            let left = std::fs::read_dir(stage.home.data(SAMPLE)).unwrap().flatten();
            let left = left.filter(|entry| entry.file_name().to_string_lossy().contains("film.mkv")).count();
            (transfers.is_empty() && tasks.is_empty() && left == 0).then_some(())
        })
        .await;
    }
}

/// U-26: what the user does not let an app have in the background is carried while the app is there, and the reason is said.
#[tokio::test]
async fn u_26_an_app_that_is_denied_has_its_files_carried_while_it_is_there() {
    let (home, app) = Home::with_sample();
    let stage = Stage::on(home, Server::start(FILM)).await;
    stage.server.flaws([Flaw::StallAfter(1_000_000), Flaw::StallAfter(1_000_000)]);
    let file = stage.home.data(SAMPLE).join("film.mkv");
    let ordered = app.call(&["order", &stage.server.uri("/film.mkv"), file.to_str().unwrap()]);
    let id = ordered["guid"].as_str().unwrap().to_owned();
    stage.until(&id, "on its way", |info| info.done >= 900_000).await;
    let set = async |setting: &str| stage.user.broker.set_access(SAMPLE, setting).await.unwrap();
    set("never").await;
    let info = stage.becomes(&id, TransferStatus::PausedSystemPolicy).await;
    assert!(info.why.contains("may not run in the background"), "{}", info.why);
    set("default").await;
    stage.until(&id, "further", |info| info.done >= 1_900_000).await;
    set("never").await;
    stage.becomes(&id, TransferStatus::PausedSystemPolicy).await;
    let lines = app.lines(&["attach"]);
    assert_eq!(lines.last().unwrap()["status"], "Completed", "{lines:?}");
    assert!(std::fs::read(file).unwrap() == FILM.bytes());
}
