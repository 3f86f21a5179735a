//! The broker dies and another one starts (D4, D7).

use std::sync::{Arc, Mutex};

use bgtask::BackgroundTaskCancellationReason as Reason;
use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::testing::ActivationPhase;
use bgtask::{SystemTrigger, SystemTriggerType, TaskFailureKind, TimeTrigger};

use crate::sample::{APP, all_progress, broker, builder, minutes, register, seconds, status};

fn zone_change() -> SystemTrigger {
    SystemTrigger::new(SystemTriggerType::TimeZoneChange, false)
}

/// D7: what ran runs again, as the same activation in the next attempt.
#[tokio::test(start_paused = true)]
async fn an_interrupted_task_is_attempted_again() {
    let name = "SampleBackgroundTask";
    let mut broker = broker();
    let task = register(&mut broker, &builder(name, zone_change(), None), name);
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(3)).await;
    let first = broker.activations(task)[0].clone();
    assert_eq!((first.attempt(), first.progress()), (1, Some(30)));

    broker.crash();
    broker.advance(seconds(1)).await;
    let settings = broker.local_settings(APP).unwrap();
    let told = settings.get::<String>(name).unwrap();
    assert_eq!(told.as_deref(), Some("Canceled with reason: SystemPolicy"), "its process noticed");
    assert_eq!(broker.outcomes(task), [], "and nobody heard of it");

    broker.restart();
    broker.settle().await;
    let second = broker.activations(task)[0].clone();
    assert_eq!((second.instance_id(), second.attempt()), (first.instance_id(), 2));
    broker.advance(seconds(11)).await;
    assert_eq!(status(&broker, name), "Registered - Completed");
    assert_eq!(broker.progress(task)[3..], all_progress());
    let told: Vec<_> = broker.history(task).iter().map(|event| event.event()).collect();
    assert_eq!(told, ["registered", "fired", "started", "interrupted", "started", "completed"]);
}

/// D7: three attempts at most. A process that does not end is killed by the next broker.
#[tokio::test(start_paused = true)]
async fn after_three_attempts_it_is_given_up() {
    type Turns = Arc<Mutex<Vec<(u32, Option<Reason>)>>>;
    struct Stuck(Turns);
    impl BackgroundTask for Stuck {
        async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
            loop {
                tokio::time::sleep(seconds(1)).await;
                self.0.lock().unwrap().push((instance.attempt(), instance.cancellation_reason()));
            }
        }
    }
    let seen = Turns::default();
    let mut broker = broker();
    broker.implement(Host::new().entry_point("Tasks.SampleBackgroundTask", Stuck(Arc::clone(&seen))));
    let task = broker.register(APP, &builder("Stuck", zone_change(), None)).unwrap();
    broker.fire(SystemTriggerType::TimeZoneChange);
    for _ in 0..3 {
        broker.advance(seconds(2)).await;
        broker.crash();
        broker.advance(seconds(1)).await;
        broker.restart();
    }
    broker.advance(seconds(10)).await;
    let failure = broker.last_outcome(task).unwrap().check_result().unwrap_err();
    assert_eq!(failure.kind(), TaskFailureKind::Abandoned);
    let policy = Some(Reason::SystemPolicy);
    let each = |attempt| [(attempt, None), (attempt, None), (attempt, policy)];
    assert_eq!(*seen.lock().unwrap(), [each(1), each(2), each(3)].concat());
}

/// D7: without another broker a process that does not end has its grace, then is gone.
#[tokio::test(start_paused = true)]
async fn an_orphan_ends_after_its_grace() {
    struct Stuck(Arc<Mutex<u32>>);
    impl BackgroundTask for Stuck {
        async fn run(&self, _instance: TaskInstance) -> Result<(), TaskError> {
            loop {
                *self.0.lock().unwrap() += 1;
                tokio::time::sleep(seconds(1)).await;
            }
        }
    }
    let turns = Arc::new(Mutex::new(0));
    let mut broker = broker();
    broker.implement(Host::new().entry_point("Tasks.SampleBackgroundTask", Stuck(Arc::clone(&turns))));
    broker.register(APP, &builder("Stuck", zone_change(), None)).unwrap();
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.settle().await;
    broker.crash();
    broker.advance(minutes(10)).await;
    let turns = *turns.lock().unwrap();
    assert!((5..=6).contains(&turns), "{turns} turns in five seconds");
}

/// D4: a completion that the app has not handled is told again, one that it has is not.
#[tokio::test(start_paused = true)]
async fn completions_survive_until_they_are_handled() {
    let mut broker = broker();
    let task = broker.register(APP, &builder("Task", zone_change(), None)).unwrap();
    let run = async |broker: &mut bgtask::testing::TestBroker| {
        broker.fire(SystemTriggerType::TimeZoneChange);
        broker.advance(seconds(11)).await;
    };
    run(&mut broker).await;
    assert_eq!(broker.completions(APP).len(), 1);
    run(&mut broker).await;
    broker.restart();
    let heard = broker.completions(APP);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].task_id(), task);
    assert_eq!((heard[0].task_name(), heard[0].check_result()), ("Task", Ok(())));
    broker.restart();
    assert_eq!(broker.completions(APP), []);
}

/// D11: ticks missed while nobody was there make one run. RE-6: an update meanwhile is noticed.
#[tokio::test(start_paused = true)]
async fn what_happened_meanwhile_is_made_up_for() {
    let mut broker = broker();
    let timer = broker.register(APP, &builder("Timer", TimeTrigger::new(15, false), None)).unwrap();
    let trigger = SystemTrigger::new(SystemTriggerType::ServicingComplete, false);
    let updated = broker.register(APP, &builder("Updated", trigger, None)).unwrap();
    let zone = broker.register(APP, &builder("Zone", zone_change(), None)).unwrap();
    broker.crash();
    let error = broker.register(APP, &builder("Task", zone_change(), None)).unwrap_err();
    assert!(error.is_no_broker(), "{error}");
    broker.advance(minutes(120)).await;
    broker.install(&crate::sample::manifest("1.1.0")).unwrap();
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.restart();
    broker.settle().await;
    for task in [timer, updated, zone] {
        assert_eq!(broker.activations(task)[0].phase(), ActivationPhase::Running, "{}", broker.why(task));
    }
    broker.advance(minutes(1)).await;
    assert_eq!(broker.outcomes(timer).len(), 1);
}
