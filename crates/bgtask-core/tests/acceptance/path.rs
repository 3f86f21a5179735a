//! `--on path:…`: something changed at a path. The driver watches, the core keeps every change in order.

use bgtask_core::limits::MAX_DETAILS_BYTES;
use bgtask_core::{
    App, AppId, Details, Input, NewRegistration, Output, PathEvents, PathWatch, Request, SourceStatus, Subject, TaskId,
    Trigger,
};

use crate::harness::{Broker, HOUR, Run, but, command, every, seconds, when};

fn watch() -> PathWatch {
    PathWatch { path: "/home/anna/notes".into(), recursive: true, on: PathEvents::default(), settle: seconds(0) }
}

fn sync() -> NewRegistration {
    command("sync", Trigger::Path { watch: watch(), one_shot: false })
}

fn listen(task: TaskId, watch: PathWatch) -> Output {
    let app = AppId::new(App::COMMANDS).expect("legal");
    Output::Listen { task, app, subject: Subject::Path(watch) }
}

fn change(broker: &mut Broker, task: TaskId, lines: &str, lost: u32) {
    let count = u32::try_from(lines.lines().count()).expect("few");
    broker.tell(Input::Happened { task, events: Details(lines.as_bytes().into()), count, lost });
}

fn changes(run: &Run) -> String {
    let details = run.order.firing.details.as_ref().expect("it carries changes");
    String::from_utf8(details.0.to_vec()).expect("text")
}

#[test]
fn a_change_fires_at_once_and_is_told() {
    let mut broker = Broker::of_commands();
    let task = broker.add(sync());
    assert!(broker.orders().contains(&listen(task, watch())));
    change(&mut broker, task, "{\"path\":\"a\"}\n", 0);
    let run = broker.expect_run("sync");
    assert_eq!(changes(&run), "{\"path\":\"a\"}\n");
    assert_eq!((run.order.firing.count, run.order.firing.lost), (1, 0));
}

#[test]
fn every_change_of_a_burst_is_told_in_order_by_some_activation() {
    let mut broker = Broker::of_commands();
    let task = broker.add(sync());
    let mut told = vec![];
    change(&mut broker, task, "0\n", 0);
    let mut run = broker.expect_run("sync");
    // It takes as long as ten changes.
    for number in 1..50 {
        change(&mut broker, task, &format!("{number}\n"), 0);
        if number % 10 == 9 {
            told.push(changes(&run));
            run.exits(&mut broker, 0);
            run = broker.expect_run("sync");
        }
    }
    told.push(changes(&run));
    assert_eq!(told.concat(), (0..50).map(|number| format!("{number}\n")).collect::<String>());
    assert_eq!(told.iter().map(|told| told.lines().count()).collect::<Vec<_>>(), [1, 9, 10, 10, 10, 10]);
}

#[test]
fn what_changes_while_it_waits_is_gathered() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(sync(), &["internet"]));
    change(&mut broker, task, "one\ntwo\n", 0);
    change(&mut broker, task, "three\n", 0);
    broker.internet(true);
    let run = broker.expect_run("sync");
    assert_eq!(changes(&run), "one\ntwo\nthree\n");
    assert_eq!(run.order.firing.count, 3);
}

#[test]
fn lines_stay_lines_where_the_last_has_no_end() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(sync(), &["internet"]));
    change(&mut broker, task, "one", 0);
    change(&mut broker, task, "two", 0);
    broker.internet(true);
    assert_eq!(changes(&broker.expect_run("sync")), "one\ntwo");
}

#[test]
fn what_finds_no_room_is_counted_as_lost_and_no_line_is_cut() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(sync(), &["internet"]));
    let line = format!("{}\n", "x".repeat(99));
    let fits = MAX_DETAILS_BYTES / 100;
    change(&mut broker, task, &line.repeat(fits - 5), 0);
    change(&mut broker, task, &line.repeat(8), 0);
    change(&mut broker, task, &line, 0);
    broker.internet(true);
    let run = broker.expect_run("sync");
    let told = changes(&run);
    assert_eq!(told.lines().count(), fits);
    assert!(told.len() <= MAX_DETAILS_BYTES && told.ends_with(&line));
    let firing = &run.order.firing;
    assert_eq!((firing.count as usize, firing.lost), (fits + 4, 4), "all of them counted, four told no more");
}

#[test]
fn one_report_that_is_too_long_is_cut_at_a_line() {
    let mut broker = Broker::of_commands();
    let task = broker.add(sync());
    change(&mut broker, task, &"0123456\n".repeat(MAX_DETAILS_BYTES), 0);
    let run = broker.expect_run("sync");
    assert_eq!(changes(&run).len(), MAX_DETAILS_BYTES);
    assert_eq!(run.order.firing.lost as usize, MAX_DETAILS_BYTES - MAX_DETAILS_BYTES / 8);
}

#[test]
fn changes_that_the_kernel_lost_fire_too_and_are_counted() {
    let mut broker = Broker::of_commands();
    let task = broker.add(sync());
    change(&mut broker, task, "", 7);
    let run = broker.expect_run("sync");
    assert_eq!((run.order.firing.count, run.order.firing.lost), (7, 7));
    change(&mut broker, task, "", 0);
    run.exits(&mut broker, 0);
    broker.expect_no_run();
}

#[test]
fn a_try_that_is_repeated_is_told_what_has_changed_since_too() {
    let mut broker = Broker::of_commands();
    let task = broker.add(but(sync(), |command| command.retry.times = 1));
    change(&mut broker, task, "one\n", 0);
    broker.expect_run("sync").exits(&mut broker, 1);
    change(&mut broker, task, "two\n", 0);
    broker.passes(seconds(60));
    assert_eq!(changes(&broker.expect_run("sync")), "one\ntwo\n");
}

#[test]
fn a_path_is_watched_for_as_long_as_it_fires() {
    let mut broker = Broker::of_commands();
    let task = broker.add(sync());
    broker.restarts();
    assert!(broker.orders().contains(&listen(task, watch())), "again in every life of the broker");
    broker.request(Request::Unregister { scope: None, task, cancel: true }).expect("it is listed");
    assert!(broker.orders().contains(&Output::Unlisten(task)));
    change(&mut broker, task, "late\n", 0);
    broker.expect_no_run();
}

#[test]
fn an_edited_command_is_watched_once() {
    let mut broker = Broker::of_commands();
    let first = broker.add(sync());
    broker.orders();
    let (second, _) = broker.edit(but(sync(), |command| command.nice = true));
    let orders = broker.orders();
    let count = |wanted: Output| orders.iter().filter(|order| **order == wanted).count();
    assert_eq!((count(Output::Unlisten(first)), count(listen(second, watch()))), (1, 1));
}

#[test]
fn d6_one_shot_the_first_change_ends_the_watch() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("sync", Trigger::Path { watch: watch(), one_shot: true }));
    change(&mut broker, task, "one\n", 0);
    assert_eq!(broker.orders().iter().filter(|order| **order == Output::Unlisten(task)).count(), 1);
    broker.restarts();
    let run = broker.expect_run("sync");
    assert!(!broker.orders().iter().any(|order| matches!(order, Output::Listen { .. })));
    change(&mut broker, task, "two\n", 0);
    run.exits(&mut broker, 0);
    broker.expect_no_run();
    assert_eq!(broker.durable.registrations, []);
}

#[test]
fn changes_of_what_watches_no_path_are_nothing() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("beat", every(HOUR)));
    change(&mut broker, task, "one\n", 0);
    change(&mut broker, TaskId::from_random(5), "one\n", 0);
    broker.expect_no_run();
}

#[test]
fn d16_a_path_that_cannot_be_watched_says_so() {
    let mut broker = Broker::of_commands();
    let task = broker.add(sync());
    let tell = |broker: &mut Broker, status| {
        broker.tell(Input::Heard(task, status));
        broker.why(task).sentence
    };
    let (why, help) = ("its folder may not be read".to_owned(), "chmod +r it".to_owned());
    assert_eq!(
        tell(&mut broker, SourceStatus::Missing { why: why.clone(), help: help.clone() }),
        "The command cannot run: a change at /home/anna/notes cannot be seen: its folder may not be read; chmod +r it."
    );
    let (how, why) = ("inotify".into(), "only 8192 of its folders are watched".into());
    assert_eq!(
        tell(&mut broker, SourceStatus::Degraded { how, why, help: "raise fs.inotify.max_user_watches".into() }),
        "The command waits for its trigger: a change at /home/anna/notes has to fire; it was registered 0 s ago. \
         Not every one is heard: only 8192 of its folders are watched; raise fs.inotify.max_user_watches."
    );
}

#[test]
fn a_spent_one_that_is_paused_and_resumed_while_it_runs_is_watched_no_more() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("sync", Trigger::Path { watch: watch(), one_shot: true }));
    change(&mut broker, task, "one\n", 0);
    broker.orders();
    broker.pause(task, true);
    broker.pause(task, false);
    assert_eq!(broker.orders(), []);
}
