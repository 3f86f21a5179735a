//! Who runs a task, and what it is given.

use std::sync::{Arc, Mutex};

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::testing::TestBroker;
use bgtask::{
    ApplicationTrigger, BackgroundActivatedEventArgs, BackgroundTaskBuilder, BackgroundTaskRegistrationGroup,
    CustomSystemEventTrigger, CustomSystemEventTriggerRecurrence, SystemTrigger, SystemTriggerType, Uuid, ValueSet,
};

use crate::sample::{APP, broker, builder, minutes, seconds};

/// What tasks were given.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Notes something about its instance.
struct Noting<F>(Notes, F);

impl<F: Fn(&TaskInstance) -> String + Send + Sync + 'static> BackgroundTask for Noting<F> {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        self.0.add(self.1(&instance));
        Ok(())
    }
}

fn zone_change() -> SystemTrigger {
    SystemTrigger::new(SystemTriggerType::TimeZoneChange, false)
}

/// §16.5, step 8, REQ-4: what the app gives is what its task gets.
#[tokio::test(start_paused = true)]
async fn arguments_of_a_trigger_reach_its_task() {
    let (mut broker, notes) = (broker(), Notes::default());
    let given = ValueSet::from([("album", "Berlin"), ("size", "large")]);
    let task = Noting(notes.clone(), |instance: &TaskInstance| format!("{:?}", instance.trigger_details()));
    broker.implement(Host::new().entry_point("Tasks.SampleBackgroundTask", task));
    let trigger = ApplicationTrigger::new();
    broker.register(APP, &builder("Task", &trigger, None)).unwrap();
    broker.request(APP, &trigger, &given).unwrap();
    broker.settle().await;
    assert_eq!(notes.take(), [format!("{given:?}")]);
}

/// SYS-6: a custom event of `Once` counts once in a session of the user, one of `Always` every time.
#[tokio::test(start_paused = true)]
async fn custom_events_are_raised() {
    use CustomSystemEventTriggerRecurrence::{Always, Once};
    let (mut broker, notes) = (broker(), Notes::default());
    let task = Noting(notes.clone(), |it: &TaskInstance| format!("{} {:?}", it.task().name(), it.event_id()));
    broker.implement(Host::new().entry_point("Tasks.SampleBackgroundTask", task));
    for (name, recurrence) in [("once", Once), ("always", Always)] {
        let trigger = CustomSystemEventTrigger::new("org.example.saved", recurrence);
        broker.register(APP, &builder(name, trigger, None)).unwrap();
    }
    assert_eq!(broker.raise("org.example.saved").unwrap(), 2);
    broker.settle().await;
    assert_eq!(broker.raise("org.example.saved").unwrap(), 1);
    broker.settle().await;
    assert_eq!(broker.raise("org.example.other").unwrap(), 0);
    let event = "Some(\"org.example.saved\")";
    let mut noted = notes.take();
    noted.sort();
    assert_eq!(noted, [format!("always {event}"), format!("always {event}"), format!("once {event}")]);
}

/// BLD-11: a class of the manifest, served by the program that has it.
#[tokio::test(start_paused = true)]
async fn a_class_runs_a_task() {
    const CLASS: Uuid = Uuid::from_u128(0x8765_4321_1234_1234_1234_1234_5678_90ae);
    let notes = Notes::default();
    let mut broker = TestBroker::new();
    let app = broker
        .install(
            r#"
            [app]
            id = "org.example.Classes"
            version = "1.0.0"
            executable = "app"
            [[class]]
            id = "87654321-1234-1234-1234-1234567890ae"
            executable = "server"
            "#,
        )
        .unwrap();
    broker.implement(Host::new().class(CLASS, Noting(notes.clone(), |it: &TaskInstance| it.task().name().to_owned())));
    let sample = BackgroundTaskBuilder::new().name("Class").set_task_entry_point_clsid(CLASS).trigger(zone_change());
    broker.register(&app, &sample).unwrap();
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.settle().await;
    assert_eq!(notes.take(), ["Class"]);
}

/// BLD-9, GRP-5: without an entry point the app itself runs the task; in a group, the group's handler.
#[tokio::test(start_paused = true)]
async fn the_app_itself_runs_tasks_without_an_entry_point() {
    let (mut broker, notes) = (broker(), Notes::default());
    let handler = |who: &'static str| {
        let notes = notes.clone();
        move |args: BackgroundActivatedEventArgs| {
            notes.add(format!("{who} runs {}", args.task_instance().task().name()));
            async { Ok(()) }
        }
    };
    broker.background_activated(handler("the app"));
    broker.group_background_activated("sync", handler("the group"));
    let sample = |name| BackgroundTaskBuilder::new().name(name).trigger(zone_change());
    broker.register(APP, &sample("one")).unwrap();
    broker.register(APP, &sample("two").task_group(&BackgroundTaskRegistrationGroup::new("sync"))).unwrap();
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.settle().await;
    let mut noted = notes.take();
    noted.sort();
    assert_eq!(noted, ["the app runs one", "the group runs two"]);
}

/// What nothing was given for fails, and says what there is.
#[tokio::test(start_paused = true)]
async fn a_task_without_an_implementation_fails_and_says_so() {
    let mut broker = broker();
    let other = crate::sample::manifest("1.1.0").replace("Tasks.ServicingComplete", "Tasks.Other");
    broker.install(&other).unwrap();
    let sample = BackgroundTaskBuilder::new().name("Other").task_entry_point("Tasks.Other").trigger(zone_change());
    let task = broker.register(APP, &sample).unwrap();
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.settle().await;
    let failure = broker.last_outcome(task).unwrap().check_result().unwrap_err().to_string();
    assert!(failure.contains("\"Tasks.Other\"") && failure.contains("Tasks.SampleBackgroundTask"), "{failure}");
}

/// DEF-3: work that goes on elsewhere keeps the activation open; a panic fails it.
#[tokio::test(start_paused = true)]
async fn deferrals_and_panics_are_as_in_a_real_process() {
    struct Defers;
    impl BackgroundTask for Defers {
        async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
            assert_ne!(instance.task().name(), "Panics", "it has the wrong name");
            let deferral = instance.deferral();
            tokio::spawn(async move {
                tokio::time::sleep(seconds(3)).await;
                deferral.complete();
            });
            Ok(())
        }
    }
    let mut broker = broker();
    broker.implement(Host::new().entry_point("Tasks.SampleBackgroundTask", Defers));
    let [defers, panics] =
        ["Defers", "Panics"].map(|name| broker.register(APP, &builder(name, zone_change(), None)).unwrap());
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(2)).await;
    assert_eq!(broker.outcomes(defers), []);
    let failure = broker.last_outcome(panics).unwrap().check_result().unwrap_err().to_string();
    assert!(failure.contains("it has the wrong name"), "{failure}");
    broker.advance(seconds(1)).await;
    assert_eq!(broker.last_outcome(defers).unwrap().check_result(), Ok(()));
}

/// U-28: a process that lingers runs the next activation, and ends some time after the last.
#[tokio::test(start_paused = true)]
async fn a_process_lingers_for_the_next_activation() {
    let mut broker = broker();
    let task = broker.register(APP, &builder("Task", zone_change(), None)).unwrap();
    for _ in 0..2 {
        broker.fire(SystemTriggerType::TimeZoneChange);
        broker.advance(seconds(15)).await;
    }
    broker.advance(minutes(5)).await;
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(15)).await;
    let history = broker.history(task);
    let starts: Vec<_> = history.iter().filter(|event| event.event() == "started").map(|it| it.text()).collect();
    assert_eq!(starts, ["started", "started in a warm host", "started"]);
}
