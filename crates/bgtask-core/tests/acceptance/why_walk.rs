//! A walk through every gate and every state of an activation: none is without its sentence, its numbers and, where time alone
//! changes it, the next moment something happens (LC-10; item 9 of issue 6).

use std::collections::BTreeSet;

use bgtask_core::{
    AccessSetting, ActivationState, BackgroundAccessStatus, Budgets, Config, EventKind, Fact, Gate, Input, Policy,
    PolicyEntry, PolicyRule, Report, Request, Resource, SourceStatus, SystemConditionType, TaskId, Trigger, Usage,
};

use crate::harness::{
    Broker, HOUR, PHOTOS, Run, app, app_id, but, command, every, seconds, triggered, zone_task, zone_task_when,
};

/// A task in one of its situations.
struct Scene {
    broker: Broker,
    task: TaskId,
    /// What the sentence has to have: words, and numbers that are those of the scene.
    says: &'static [&'static str],
    /// Whether time alone changes something about it.
    time_alone: bool,
}

fn scene(broker: Broker, task: TaskId, says: &'static [&'static str]) -> Scene {
    Scene { broker, task, says, time_alone: false }
}

/// The same, where time alone changes something.
fn timed(broker: Broker, task: TaskId, says: &'static [&'static str]) -> Scene {
    Scene { time_alone: true, ..scene(broker, task, says) }
}

/// The gate to walk to after this one. A new gate has no arm here: give it one, and a scene below.
fn after(gate: Option<Gate>) -> Option<Gate> {
    Some(match gate {
        None => Gate::NotInstalled,
        Some(Gate::NotInstalled) => Gate::Servicing,
        Some(Gate::Servicing) => Gate::EntryPointGone,
        Some(Gate::EntryPointGone) => Gate::Access(BackgroundAccessStatus::Unspecified),
        Some(Gate::Access(BackgroundAccessStatus::Unspecified)) => Gate::Access(BackgroundAccessStatus::DeniedByUser),
        Some(Gate::Access(BackgroundAccessStatus::DeniedByUser)) => {
            Gate::Access(BackgroundAccessStatus::DeniedBySystemPolicy)
        }
        Some(Gate::Access(_)) => Gate::Paused,
        Some(Gate::Paused) => Gate::Unknown(Fact::EnergySaver),
        Some(Gate::Unknown(_)) => Gate::EnergySaver,
        Some(Gate::EnergySaver) => Gate::Condition(SystemConditionType::InternetAvailable.into()),
        Some(Gate::Condition(_)) => Gate::Battery,
        Some(Gate::Battery) => Gate::MemoryPressure,
        Some(Gate::MemoryPressure) => Gate::Throttled(Resource::Cpu),
        Some(Gate::Throttled(Resource::Cpu)) => Gate::Throttled(Resource::Network),
        Some(Gate::Throttled(Resource::Network)) => Gate::Energy,
        Some(Gate::Energy) => Gate::Standby,
        Some(Gate::Standby) => Gate::Load,
        Some(Gate::Load) => Gate::Backoff,
        Some(Gate::Backoff) => Gate::Running,
        Some(Gate::Running) => Gate::Holder,
        Some(Gate::Holder) => Gate::Slot,
        Some(Gate::Slot) => return None,
    })
}

fn fires(broker: &mut Broker) {
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
}

/// A broker in which a task has fired, and the level that holds it is what it is for three seconds.
fn held_by(fact: Fact, level: bool) -> (Broker, TaskId) {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    broker.reads(Report::Level(fact, level));
    fires(&mut broker);
    broker.passes(seconds(3));
    (broker, task)
}

fn denied(by: impl FnOnce(&mut Broker)) -> (Broker, TaskId) {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    by(&mut broker);
    fires(&mut broker);
    (broker, task)
}

/// Two tasks of an app of which one has run and used so much.
fn used(usage: Usage, budgets: Budgets) -> (Broker, TaskId, Run) {
    let mut broker = Broker::with(Config { budgets, ..Config::default() });
    broker.register(zone_task("Busy"));
    fires(&mut broker);
    let run = broker.expect_run("Busy");
    run.started(&mut broker);
    broker.tell(Input::HostUsage { host: run.host, usage });
    let task = broker.register(zone_task("Clock"));
    broker.zone_changes("Asia/Tokyo", 32_400);
    broker.passes(seconds(600));
    (broker, task, run)
}

fn bounded() -> Budgets {
    Budgets { cpu: Some(seconds(2)), network: Some(5 << 20), pool_cpu: seconds(0), ..Budgets::default() }
}

const USED: Usage = Usage { cpu: seconds(0), io: 0, memory_peak: None, network: Some(0), processes: None };

/// A task that waits at this gate.
fn at(gate: Gate) -> Scene {
    match gate {
        Gate::NotInstalled => {
            let (mut broker, task) = denied(|broker| {
                let given_back = Request::RemoveAccess { app: app_id(PHOTOS), application: String::new() };
                broker.request(given_back).expect("it was granted");
            });
            let snapshot = broker.durable.clone();
            broker.core = bgtask_core::Core::new(Config::default(), 2);
            broker.tell(Input::Restore(Box::new(snapshot)));
            scene(broker, task, &["the app's manifest is not installed"])
        }
        Gate::Servicing => {
            let mut broker = Broker::new();
            let task = broker.register(zone_task("Clock"));
            fires(&mut broker);
            broker.expect_run("Clock").started(&mut broker);
            let waits = broker.register(zone_task("Later"));
            broker.install(app(PHOTOS, "2"));
            broker.zone_changes("Asia/Tokyo", 32_400);
            assert_eq!(broker.why(task).phase, "cancelling");
            scene(broker, waits, &["updated to version 2", "1 older task has not ended"])
        }
        Gate::EntryPointGone => {
            let (mut broker, task) = denied(|broker| {
                broker.request(Request::SetBackground { enabled: false }).expect("the user may");
            });
            let mut edited = app(PHOTOS, "1");
            edited.entry_points.clear();
            broker.install(edited);
            scene(broker, task, &["no longer declares the entry point"])
        }
        Gate::Access(BackgroundAccessStatus::Unspecified) => {
            let mut broker = Broker::empty(Config::default());
            broker.install(app(PHOTOS, "1"));
            let task = broker.register(zone_task("Clock"));
            fires(&mut broker);
            scene(broker, task, &["has not asked for background access"])
        }
        Gate::Access(BackgroundAccessStatus::DeniedBySystemPolicy) => {
            let (broker, task) = denied(|broker| {
                let deny = PolicyEntry { rule: PolicyRule::ForceDeny, file: "50-site.toml".into(), budget: 100 };
                broker.tell(Input::Policy(Policy { default: Some(deny), ..Policy::default() }));
            });
            scene(broker, task, &["DeniedBySystemPolicy", "50-site.toml"])
        }
        Gate::Access(_) => {
            let (broker, task) = denied(|broker| {
                broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Never))).expect("the user may");
            });
            scene(broker, task, &["DeniedByUser", "the user"])
        }
        Gate::Paused => {
            let mut broker = Broker::of_commands();
            let task = broker.add(command("backup", every(HOUR)));
            broker.reads(Report::Level(Fact::EnergySaver, true));
            broker.passes(HOUR);
            broker.pause(task, true);
            scene(broker, task, &["it is paused"])
        }
        Gate::Unknown(_) => {
            let mut broker = Broker::new();
            broker.first_levels = None;
            let task = broker.register(zone_task("Clock"));
            fires(&mut broker);
            scene(broker, task, &["the source of energy-saver has not reported yet"])
        }
        Gate::EnergySaver => {
            let (broker, task) = held_by(Fact::EnergySaver, true);
            scene(broker, task, &["the machine saves energy", "(since 3 s ago)"])
        }
        Gate::Condition(_) => {
            let mut broker = Broker::new();
            let task = broker.register(zone_task_when("Clock", &[SystemConditionType::InternetAvailable]));
            broker.internet(false);
            fires(&mut broker);
            scene(broker, task, &["until InternetAvailable holds"])
        }
        Gate::Battery => {
            let mut broker = Broker::new();
            let task = broker.register(triggered("Clean", Trigger::Maintenance { freshness: 15, one_shot: false }));
            broker.reads(Report::Level(Fact::ExternalPower, false));
            broker.passes(seconds(2_000));
            scene(broker, task, &["external power only", "(since 33 min ago)"])
        }
        Gate::MemoryPressure => {
            let (broker, task) = held_by(Fact::MemoryPressure, true);
            scene(broker, task, &["short of memory", "(since 3 s ago)"])
        }
        Gate::Throttled(Resource::Cpu) => {
            let (broker, task, _) = used(Usage { cpu: seconds(2), ..USED }, bounded());
            timed(broker, task, &["2 s of the 2 s of processor time", "in 2 h", "more in 110 min"])
        }
        Gate::Throttled(Resource::Network) => {
            let (broker, task, _) = used(Usage { network: Some(6 << 20), ..USED }, bounded());
            timed(broker, task, &["6 MiB of the 5 MiB of network", "in 2 h", "more in 110 min"])
        }
        Gate::Energy => {
            let (broker, task, _) = used(Usage { io: 200 << 30, ..USED }, bounded());
            timed(broker, task, &["% of the energy that is normal in 30 min", "begin in 20 min"])
        }
        Gate::Standby => {
            let (broker, task) = held_by(Fact::Standby, true);
            scene(broker, task, &["going to sleep", "(since 3 s ago)"])
        }
        Gate::Load => {
            let (broker, task) = held_by(Fact::CpuPressure, true);
            timed(broker, task, &["the processors are busy", "it starts in", "at the latest"])
        }
        Gate::Backoff => {
            let mut broker = Broker::of_commands();
            let retry = |command: &mut bgtask_core::Command| command.retry.times = 3;
            let task = broker.add(but(command("backup", every(HOUR)), retry));
            broker.passes(HOUR);
            broker.expect_run("backup").exits(&mut broker, 1);
            timed(broker, task, &["failed once", "its next try is in"])
        }
        Gate::Running => {
            let mut broker = Broker::new();
            let task = broker.register(zone_task("Clock"));
            fires(&mut broker);
            broker.expect_run("Clock").started(&mut broker);
            broker.zone_changes("Asia/Tokyo", 32_400);
            broker.zone_changes("Europe/London", 0);
            scene(broker, task, &["is running since", "budget ends in 25 s", "fired 2 times more"])
        }
        Gate::Holder => {
            let (broker, task) = crate::control_channel::held_by_another_program();
            scene(broker, task, &["the process that holds the connection", "register it for that one"])
        }
        Gate::Slot => {
            let mut broker = Broker::with(Config { max_running: 2, ..Config::default() });
            for name in ["First", "Second", "Third"] {
                broker.register(zone_task(name));
            }
            fires(&mut broker);
            let task = broker.core.registrations(None)[2].id;
            timed(broker, task, &["2 tasks run", "2 of org.example.Photos", "to end within 30 s"])
        }
    }
}

/// What is true of every explanation, and of this one.
fn check(name: &str, scene: &mut Scene) {
    let Scene { broker, task, says, time_alone } = scene;
    let why = broker.why(*task);
    let sentence = &why.sentence;
    assert!(sentence.ends_with('.') && sentence.starts_with(char::is_uppercase), "{name}: {sentence}");
    assert!(sentence.contains(|c: char| c.is_ascii_digit()), "{name} has no numbers: {sentence}");
    for words in *says {
        assert!(sentence.contains(words), "{name} has to say {words:?}: {sentence}");
    }
    match (why.next, *time_alone) {
        (Some(next), true) => {
            assert!(next > broker.now.wall, "{name}: {next:?} is over");
            let before = broker.history.len();
            broker.passes(next - broker.now.wall);
            assert!(broker.history.len() > before, "{name}: nothing has happened at the moment it named");
        }
        (None, false) => {}
        (next, _) => panic!("{name}: {next:?} is the next moment: {sentence}"),
    }
}

#[test]
fn lc_10_every_gate_has_its_sentence_with_numbers_a_remedy_and_the_next_moment() {
    let mut gate = None;
    let mut walked = 0;
    while let Some(next) = after(gate) {
        let name = format!("{next:?}");
        let mut scene = at(next);
        let waits = !matches!(next, Gate::Running);
        if waits {
            let why = scene.broker.why(scene.task);
            let phase = if matches!(next, Gate::Condition(_)) { "latched" } else { "buffered" };
            assert_eq!(why.phase, phase, "{name}: {}", why.sentence);
            assert!(why.remedy.is_some_and(|remedy| !remedy.is_empty()), "{name} has no remedy");
            assert!(why.gates.iter().any(|gate| !gate.open), "{name}: no gate reads closed");
            assert!(holds(&scene, next), "{name} is not what holds it: {}", why.sentence);
        }
        check(&name, &mut scene);
        gate = Some(next);
        walked += 1;
    }
    assert_eq!(walked, 21, "every gate, and those with a value once for each kind of it");
}

/// Whether it is this gate that the history has last; two of them it does not tell of.
fn holds(scene: &Scene, gate: Gate) -> bool {
    let mut its = scene.broker.history.iter().filter(|event| event.task == scene.task).rev();
    match gate {
        Gate::Unknown(_) | Gate::Backoff => true,
        Gate::Condition(condition) => its.any(|event| event.kind == EventKind::Latched(vec![condition])),
        // A broker that was just started has told nobody yet.
        Gate::NotInstalled => true,
        gate => its.any(|event| event.kind == EventKind::Buffered(gate)),
    }
}

/// The word of a state. A new one has no arm here: give it one, and a scene in the test below.
fn word(state: Option<&ActivationState>) -> &'static str {
    match state {
        None | Some(ActivationState::Ended) => "none",
        Some(ActivationState::Waiting { .. }) => "waiting",
        Some(ActivationState::Starting { .. }) => "starting",
        Some(ActivationState::Running { .. }) => "running",
        Some(ActivationState::Cancelling { .. }) => "cancelling",
        Some(ActivationState::Killing { .. }) => "killing",
    }
}

fn running() -> (Broker, TaskId, Run) {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    fires(&mut broker);
    let run = broker.expect_run("Clock");
    (broker, task, run)
}

fn states() -> Vec<(&'static str, Scene)> {
    let mut scenes = Vec::new();
    let (broker, task, _) = running();
    scenes.push(("starting", scene(broker, task, &["is starting; its budget ends in 25 s"])));

    let (mut broker, task, run) = running();
    run.started(&mut broker);
    scenes.push(("running", scene(broker, task, &["is running since 0 s ago; its budget ends in 25 s"])));

    let (mut broker, task, run) = running();
    run.started(&mut broker);
    broker.passes(seconds(26));
    scenes.push(("cancelling", scene(broker, task, &["told to stop (ExecutionTimeExceeded)", "has 4 s left"])));

    let (mut broker, task, run) = running();
    run.started(&mut broker);
    broker.passes(seconds(31));
    let killing = scene(broker, task, &["told to stop (ExecutionTimeExceeded)", "is being killed"]);
    scenes.push(("killing", killing));

    let usage = Usage { cpu: seconds(2), ..USED };
    let (broker, _, run) = used(usage, bounded());
    let says = &["is suspended since 10 min ago", "2 s of the 2 s", "more in 110 min", "may run for 25 s yet"];
    scenes.push(("running", timed(broker, run.order.task, says)));

    scenes.push(("waiting", at(Gate::MemoryPressure)));
    scenes.extend(idle().into_iter().map(|scene| ("none", scene)));
    scenes
}

/// What waits for its trigger, in all the ways there are.
fn idle() -> Vec<Scene> {
    let mut scenes = Vec::new();
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    scenes.push(scene(broker, task, &["TimeZoneChange has to fire", "registered 0 s ago"]));

    let mut broker = Broker::new();
    let task = broker.register(triggered("Timer", Trigger::Time { freshness: 20, one_shot: true }));
    scenes.push(timed(broker, task, &["waits for its trigger", "fires in"]));

    let mut broker = Broker::new();
    let task = broker.register(triggered("Timer", Trigger::Time { freshness: 20, one_shot: true }));
    broker.passes(seconds(20 * 60 + 60));
    scenes.push(timed(broker, task, &["waits for the tick", "was due 60 s ago", "fires with all others in"]));

    let mut broker = Broker::of_commands();
    let window = bgtask_core::Pace { accuracy: seconds(600), jitter: seconds(0), wake: false };
    let trigger = Trigger::Interval { every: HOUR, pace: window, one_shot: false };
    let task = broker.add(command("backup", trigger));
    broker.passes(HOUR + seconds(60));
    scenes.push(timed(
        broker,
        task,
        &["wake-up that it can share", "was due 60 s ago", "fires in 9 min at the latest"],
    ));

    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", every(HOUR)));
    broker.pause(task, true);
    scenes.push(scene(broker, task, &["is paused and fires nothing until it is resumed"]));

    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    broker.source(Fact::TimeZone, SourceStatus::Missing { why: "no inotify (28)".into(), help: "raise it".into() });
    scenes.push(scene(broker, task, &["It cannot run", "no inotify (28); raise it"]));

    let mut broker = Broker::empty(Config::default());
    broker.install(app(PHOTOS, "1"));
    let task = broker.register(zone_task("Clock"));
    scenes.push(scene(broker, task, &["It may not run now", "has not asked"]));
    scenes
}

#[test]
fn every_state_of_an_activation_has_its_sentence_with_numbers() {
    let mut seen = BTreeSet::new();
    for (state, mut scene) in states() {
        let (_, activation) = scene.broker.core.task(scene.task).expect("it is there");
        assert_eq!(word(activation.map(|activation| &activation.state)), state);
        seen.insert(state);
        if state == "killing" {
            let sentence = scene.broker.why(scene.task).sentence;
            assert!(scene.says.iter().all(|words| sentence.contains(words)), "{sentence}");
            continue;
        }
        check(state, &mut scene);
    }
    assert_eq!(seen, BTreeSet::from(["cancelling", "killing", "none", "running", "starting", "waiting"]));
}
