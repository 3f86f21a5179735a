//! The story the guide to background tasks tells, and the first two samples of Windows (§16.1, §16.2), by a real app, a real
//! broker and a real change of the time zone.

mod harness;

use harness::{App, Broker, Home, Listener, SAMPLE, User, eventually, progress};
use serde_json::{Value, json};

/// Ticks of the sample are a second long; here they need not be.
const TICK: u64 = 40;

/// A run that is to be stopped half-way takes twenty seconds, so that it is, on a busy machine too.
const SLOW_TICK: u64 = 2_000;

const TENS: [u64; 10] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];

/// A home, a broker, the sample app with a quick tick, and somebody who looks on.
async fn begin() -> (Home, App, Broker, User) {
    let (home, app) = Home::with_sample();
    set_tick(&home, TICK);
    // No task of a story is stopped, and no host leaves, because the machine is busy.
    home.configure("wall_budget_seconds = 600\ncancel_grace_seconds = 60\nwarm_linger_seconds = 600\n");
    let broker = home.start().await;
    let user = broker.user().await;
    (home, app, broker, user)
}

fn set_tick(home: &Home, milliseconds: u64) {
    std::fs::create_dir_all(home.data(SAMPLE)).unwrap();
    let settings = bgtask::ApplicationDataContainer::open(home.data(SAMPLE)).unwrap();
    settings.set("TickMilliseconds", milliseconds).unwrap();
}

/// Registers as the app does, and waits until the world is known, so that the next change is one.
async fn register(app: &App, user: &User, arguments: &[&str]) -> String {
    let answer = app.call(&[&["register"], arguments].concat());
    assert_eq!(answer["new"], true, "{answer}");
    user.sources_know().await;
    answer["task"].as_str().unwrap().to_owned()
}

fn completion(heard: &[Value]) -> &Value {
    heard.last().unwrap()
}

/// Waits for the first tenth. Whoever looked for it could be too late and find a run that has ended.
fn hears_that_it_runs(open: &Listener) {
    open.until("the first tenth", |line| line["progress"] == 10 && line.get("completed").is_none());
}

/// Waits until the app's task has left this word under its name.
async fn becomes(app: &App, name: &str, status: &str) {
    eventually(status, async || (app.status(name) == status).then_some(())).await;
}

/// The guide: look through all tasks, ask for access, register, hear progress and completion (PR-4, PR-5, RE-5, BLD-12, ACC-1).
#[tokio::test]
async fn the_guide() {
    let (home, app, broker, user) = begin().await;
    let name = "ExampleBackgroundTask";
    let first = app.call(&["register", name]);
    assert_eq!((&first["new"], &first["access"]), (&json!(true), &json!("AllowedSubjectToSystemPolicy")));
    let again = app.call(&["register", name]);
    assert_eq!(again, json!({ "task": first["task"], "new": false }), "found among all tasks, not registered twice");
    assert_eq!(app.lines(&["list"]).len(), 1);
    user.sources_know().await;

    let open = app.listen();
    home.world.zone("Asia/Tokyo");
    let heard = open.run();
    assert_eq!(progress(&heard), TENS);
    let completed = completion(&heard);
    assert_eq!((&completed["completed"], &completed["error"]), (&json!(name), &Value::Null));
    assert_eq!((&completed["setting"], &completed["progress"]), (&json!("Completed"), &json!(100)));
    let words = user.words(first["task"].as_str().unwrap()).await;
    assert_eq!(words, "registered fired started completed", "LC-9");
    broker.all_acknowledged(SAMPLE).await;
    open.close();
}

/// D4, EVT-8: a completion is kept while the app is closed, and told once when it comes back.
#[tokio::test]
async fn a_completion_waits_for_its_app() {
    let (home, app, broker, user) = begin().await;
    let task = register(&app, &user, &["Away", "entry=Tasks.ServicingComplete"]).await;
    home.world.zone("Asia/Tokyo");
    user.line(&task, "completed", 1).await;
    home.world.zone("America/Lima");
    user.line(&task, "completed", 2).await;

    let open = app.listen();
    let (first, second) = (open.run(), open.run());
    assert_ne!(completion(&first)["instance"], completion(&second)["instance"]);
    assert_eq!(completion(&first)["progress"], 100, "the last progress stands in the completion");
    assert_eq!(progress(&first), [0; 0], "progress itself is kept for nobody (EVT-1)");
    broker.all_acknowledged(SAMPLE).await;
    open.close();

    let open = app.listen();
    home.world.zone("Asia/Tokyo");
    let third = open.run();
    assert_ne!(
        completion(&third)["instance"],
        completion(&second)["instance"],
        "what was acknowledged is not repeated"
    );
    open.close();
}

/// D4, RE-5: registrations and completions outlive the broker too.
#[tokio::test]
async fn a_completion_outlives_its_broker() {
    let (home, app, mut broker, user) = begin().await;
    let task = register(&app, &user, &["Kept", "entry=Tasks.Fails"]).await;
    home.world.zone("Asia/Tokyo");
    user.line(&task, "completed", 1).await;
    drop(user);
    assert_eq!(broker.stop(), Some(0));

    let _broker = home.start().await;
    assert_eq!(app.call(&["list"])["task"], *task);
    let open = app.listen();
    let heard = open.run();
    assert_eq!(completion(&heard)["error"], "the server said no");
}

/// SYS-3, D7: a zone that changed while no broker ran is an edge when one starts.
#[tokio::test]
async fn a_zone_change_while_the_broker_is_away_still_fires() {
    let (home, app, mut broker, user) = begin().await;
    let task = register(&app, &user, &["Away", "entry=Tasks.Quick"]).await;
    drop(user);
    assert_eq!(broker.stop(), Some(0));
    home.world.zone("Asia/Tokyo");
    let broker = home.start().await;
    let user = broker.user().await;
    user.line(&task, "completed", 1).await;
}

/// An open app survives a restart of its broker and hears what comes after it.
#[tokio::test]
async fn an_open_app_hears_the_next_broker() {
    let (home, app, broker, user) = begin().await;
    register(&app, &user, &["Lasting", "entry=Tasks.ServicingComplete"]).await;
    let open = app.listen();
    broker.kill();
    let broker = home.start().await;
    broker.user().await.sources_know().await;
    home.world.zone("Asia/Tokyo");
    assert_eq!(completion(&open.run())["setting"], "Completed");
    broker.all_acknowledged(SAMPLE).await;
}

/// §16.1, steps 1 to 6: register, change the zone, run, again, restart the app.
#[tokio::test]
async fn scenario_1_sample_background_task() {
    let (home, app, broker, user) = begin().await;
    let name = "SampleBackgroundTask";
    assert_eq!(app.status(name), "Unregistered", "step 1");
    register(&app, &user, &[name]).await;
    assert_eq!(app.status(name), "Registered", "step 2");

    let open = app.listen();
    home.world.zone("Asia/Tokyo");
    assert_eq!(progress(&open.run()), TENS, "step 3");
    assert_eq!(app.status(name), "Registered - Completed", "step 4");
    home.world.zone("Europe/Berlin");
    assert_eq!(progress(&open.run()), TENS, "step 5: not one-shot, and progress begins anew");
    broker.all_acknowledged(SAMPLE).await;
    open.close();

    assert_eq!(app.status(name), "Registered - Completed", "step 6");
    let open = app.listen();
    home.world.zone("Asia/Tokyo");
    assert_eq!(progress(&open.run()), TENS, "step 6: handlers work in the next process");
}

/// §16.1, steps 7 to 9: unregister while idle and while it runs; a zone with the same offset (RE-4, CA-7, CAN-3, SYS-3).
#[tokio::test]
async fn scenario_1_unregister_and_equal_offset() {
    let (home, app, _broker, user) = begin().await;
    let name = "SampleBackgroundTask";
    let other = register(&app, &user, &["Witness", "entry=Tasks.Quick"]).await;
    let task = register(&app, &user, &[name]).await;
    home.world.zone("Europe/Paris");
    user.reads("time-zone", "Europe/Paris").await;
    assert_eq!(user.words(&task).await, "registered", "step 9: an equal offset is no change");

    home.world.zone("Asia/Tokyo");
    becomes(&app, name, "Registered - Completed").await;
    user.phase(&task, "idle").await;
    app.call(&["unregister", name]);
    assert_eq!(app.status(name), "Unregistered - Completed", "step 7");
    home.world.zone("Europe/Berlin");
    user.line(&other, "completed", 2).await;
    assert!(!user.words(&task).await.ends_with("fired"), "step 7: a zone change does nothing");

    register(&app, &user, &[name]).await;
    assert_eq!(app.status(name), "Registered", "step 8: the setting is removed");
    set_tick(&home, SLOW_TICK);
    let open = app.listen();
    home.world.zone("Asia/Tokyo");
    hears_that_it_runs(&open);
    app.call(&["unregister", name, "cancel"]);
    open.until("the cancelled run", |line| line["completed"] == name && line["reason"] == "Abort");
    assert_eq!(app.status(name), "Unregistered - Canceled with reason: Abort", "step 8");
}

/// CAN-3: without cancel a running instance may finish, and its app still hears of it.
#[tokio::test]
async fn unregister_without_cancel_lets_it_finish() {
    let (home, app, _broker, user) = begin().await;
    register(&app, &user, &["Finishing"]).await;
    let open = app.listen();
    home.world.zone("Asia/Tokyo");
    hears_that_it_runs(&open);
    app.call(&["unregister", "Finishing"]);
    assert_eq!(app.lines(&["list"]).len(), 0, "it is no longer listed (CA-7)");
    let heard = open.run();
    assert_eq!((progress(&heard).last(), &completion(&heard)["reason"]), (Some(&100), &Value::Null));
    assert_eq!(app.status("Finishing"), "Unregistered - Completed");
}

/// D6, SYS-1: a one-shot registration is spent by its first firing and leaves the list when that ends.
#[tokio::test]
async fn one_shot() {
    let (home, app, _broker, user) = begin().await;
    let task = register(&app, &user, &["Once", "one-shot", "entry=Tasks.ServicingComplete"]).await;
    let open = app.listen();
    home.world.zone("Asia/Tokyo");
    assert_eq!(completion(&open.run())["setting"], "Completed");
    home.world.zone("Europe/Berlin");
    eventually("it leaves the list", async || app.lines(&["list"]).is_empty().then_some(())).await;
    assert_eq!(user.words(&task).await, "registered fired started completed", "it stays in the history");
}

/// §16.2: a condition holds it back, lets it go, and its loss cancels it (CO-2, CO-3, CO-7, CND-6).
#[tokio::test]
async fn scenario_2_with_condition() {
    let (home, app, _broker, user) = begin().await;
    let name = "SampleBackgroundTaskWithCondition";
    let task = register(&app, &user, &[name, "condition=InternetAvailable", "cancel-on-condition-loss"]).await;
    let open = app.listen();
    home.world.zone("Asia/Tokyo");
    assert_eq!(progress(&open.run()), TENS, "step 1: online, it runs at once");

    go_offline(&home, &user).await;
    home.world.zone("Europe/Berlin");
    user.line(&task, "latched", 1).await;
    for zone in ["Asia/Tokyo", "America/Lima"] {
        home.world.zone(zone);
        user.reads("time-zone", zone).await;
    }
    user.phase(&task, "latched").await;
    let why = user.broker.why(&task).await.unwrap().sentence;
    assert!(why.contains("fired 3 times") && why.contains("InternetAvailable"), "step 2: {why}");
    home.world.online(true);
    assert_eq!(progress(&open.run()), TENS, "step 2: back online, the held activation runs");
    assert_eq!(app.status(name), "Registered - Completed");
    user.phase(&task, "idle").await;
    assert_eq!(user.line(&task, "started", 2).await.text, "started in a warm host");

    lose_the_condition(&home, &open);
    assert_eq!(app.status(name), "Registered - Canceled with reason: ConditionLoss", "step 3");
    let starts = user.words(&task).await.matches("started").count();
    assert_eq!(starts, 3, "step 4: three zone changes while offline make one run (CO-7, D1)");
}

/// §16.2, step 3: the task is told at the moment the condition is lost, and stops where it is.
fn lose_the_condition(home: &Home, open: &Listener) {
    set_tick(home, SLOW_TICK);
    home.world.zone("Asia/Tokyo");
    hears_that_it_runs(open);
    home.world.online(false);
    let heard = open.run();
    let last = completion(&heard);
    assert_eq!(last["reason"], "ConditionLoss");
    assert_eq!(last["error"], Value::Null, "an orderly cancel is no failure (CA-11)");
    assert!(last["progress"].as_u64().is_some_and(|value| (10..100).contains(&value)), "{last}");
}

async fn go_offline(home: &Home, user: &User) {
    home.world.online(false);
    user.reads("internet", "false").await;
}
