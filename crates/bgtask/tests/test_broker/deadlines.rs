//! Time: budgets, graces, silence, and that the same test is always the same.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bgtask::BackgroundTaskCancellationReason as Reason;
use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::testing::{ActivationPhase, TestBroker, TestEvent};
use bgtask::{
    ApplicationTrigger, MaintenanceTrigger, SystemConditionType, SystemTrigger, SystemTriggerType, TaskFailureKind,
    TaskId, Trigger, ValueSet,
};

use crate::sample::{APP, broker, builder, minutes, register, seconds, status};

/// Takes as long as it says, or never ends, and hears no cancel notice.
struct Deaf {
    takes: Option<u64>,
}

impl BackgroundTask for Deaf {
    async fn run(&self, _instance: TaskInstance) -> Result<(), TaskError> {
        match self.takes {
            Some(takes) => tokio::time::sleep(seconds(takes)).await,
            None => pending().await,
        }
        Ok(())
    }
}

fn with(task: impl BackgroundTask, trigger: impl Into<Trigger>) -> (TestBroker, TaskId) {
    let mut broker = broker();
    broker.implement(Host::new().entry_point("Tasks.SampleBackgroundTask", task));
    let task = broker.register(APP, &builder("Task", trigger, None)).unwrap();
    (broker, task)
}

fn zone_change() -> SystemTrigger {
    SystemTrigger::new(SystemTriggerType::TimeZoneChange, false)
}

/// D10, CA-3, CA-4: 25 s, then a notice, then 5 s, then its process is killed.
#[tokio::test(start_paused = true)]
async fn a_task_that_ignores_the_notice_is_killed_after_the_grace() {
    let (mut broker, task) = with(Deaf { takes: None }, zone_change());
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(24)).await;
    assert_eq!(broker.activations(task)[0].phase(), ActivationPhase::Running);
    broker.advance(seconds(1)).await;
    assert_eq!(broker.activations(task)[0].phase(), ActivationPhase::Cancelling, "exactly at its deadline");
    broker.advance(seconds(4)).await;
    assert_eq!(broker.last_outcome(task), None);
    broker.advance(seconds(1)).await;
    let failure = broker.last_outcome(task).unwrap().check_result().unwrap_err();
    assert_eq!(failure.kind(), TaskFailureKind::Killed);
    assert_eq!(failure.cancellation_reason(), Some(Reason::ExecutionTimeExceeded));
}

/// CA-4: what is killed does nothing any more.
#[tokio::test(start_paused = true)]
async fn a_killed_task_does_not_go_on() {
    struct Turns(Arc<AtomicU32>);
    impl BackgroundTask for Turns {
        async fn run(&self, _instance: TaskInstance) -> Result<(), TaskError> {
            loop {
                self.0.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(seconds(1)).await;
            }
        }
    }
    let turns = Arc::default();
    let (mut broker, _) = with(Turns(Arc::clone(&turns)), zone_change());
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(30)).await;
    let at_its_end = turns.load(Ordering::Relaxed);
    broker.advance(minutes(1)).await;
    assert_eq!((at_its_end, turns.load(Ordering::Relaxed)), (31, 31), "at once and then each second");
}

/// Whatever a task does without time passing has happened when `settle` returns, however often it yields.
#[tokio::test(start_paused = true)]
async fn settling_waits_for_everything_that_can_run() {
    struct Yields;
    impl BackgroundTask for Yields {
        async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
            for value in 1..=3 {
                let (done, end) = tokio::sync::oneshot::channel();
                tokio::spawn(async move {
                    for _ in 0..50 {
                        tokio::task::yield_now().await;
                    }
                    done.send(value)
                });
                instance.progress(end.await?);
            }
            Ok(())
        }
    }
    let (mut broker, task) = with(Yields, zone_change());
    broker.fire(SystemTriggerType::TimeZoneChange);
    let before = broker.now();
    broker.settle().await;
    assert_eq!((broker.progress(task), broker.outcomes(task).len()), (vec![1, 2, 3], 1));
    assert_eq!(broker.now(), before);
}

/// Time does not pass while a task reads and writes files with tokio.
#[tokio::test(start_paused = true)]
async fn work_on_other_threads_holds_the_time() {
    struct Works;
    impl BackgroundTask for Works {
        async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
            for value in 1..=10 {
                tokio::task::spawn_blocking(std::thread::yield_now).await?;
                instance.progress(value);
            }
            Ok(())
        }
    }
    let (mut broker, task) = with(Works, zone_change());
    broker.fire(SystemTriggerType::TimeZoneChange);
    let fired = broker.now();
    broker.advance(seconds(1)).await;
    assert_eq!(broker.last_outcome(task).unwrap().completed_at(), fired);
}

/// A task that ends at the very moment its time is over has ended in time.
#[tokio::test(start_paused = true)]
async fn at_one_instant_tasks_go_before_deadlines() {
    let (mut broker, task) = with(Deaf { takes: Some(25) }, zone_change());
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(25)).await;
    let outcome = broker.last_outcome(task).expect("it has ended");
    assert_eq!((outcome.check_result(), outcome.cancellation_reason()), (Ok(()), None));
}

/// However far time advances at once, nothing is skipped and nothing comes out of order.
#[tokio::test(start_paused = true)]
async fn one_long_advance_is_as_many_short_ones() {
    async fn story(steps: u32) -> Vec<TestEvent> {
        let (mut broker, task) = with(Deaf { takes: Some(26) }, bgtask::TimeTrigger::new(15, false));
        for _ in 0..steps {
            broker.advance(minutes(120) / steps).await;
        }
        broker.history(task)
    }
    let whole = story(1).await;
    assert_eq!(whole.iter().filter(|event| event.event() == "completed").count(), 7, "the eighth has just begun");
    assert_eq!(whole, story(480).await);
}

/// D10: tasks that may take longer have ten minutes. CA-9: if they do anything at all.
#[tokio::test(start_paused = true)]
async fn a_long_running_task_may_take_ten_minutes_but_not_idle_for_two() {
    struct Ticks;
    impl BackgroundTask for Ticks {
        async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(seconds(60)) => {}
                    _ = instance.cancelled() => return Ok(()),
                }
            }
        }
    }
    let trigger = ApplicationTrigger::new();
    let (mut broker, task) = with(Ticks, &trigger);
    broker.request(APP, &trigger, &ValueSet::new()).unwrap();
    broker.advance(minutes(10)).await;
    let outcome = broker.last_outcome(task).expect("its time is over");
    assert_eq!(outcome.cancellation_reason(), Some(Reason::ExecutionTimeExceeded));

    let (mut broker, task) = with(Deaf { takes: None }, &trigger);
    broker.request(APP, &trigger, &ValueSet::new()).unwrap();
    broker.advance(minutes(5)).await;
    let outcome = broker.last_outcome(task).expect("it did nothing");
    assert_eq!(outcome.cancellation_reason(), Some(Reason::IdleTask));
}

/// TM-7, TM-8, D12: maintenance runs on external power only, ends with it, and is due again.
#[tokio::test(start_paused = true)]
async fn maintenance_waits_for_external_power() {
    let name = "Maintenance";
    let mut broker = broker();
    broker.set_external_power(false);
    let task = register(&mut broker, &builder(name, MaintenanceTrigger::new(15, false), None), name);
    broker.advance(minutes(20)).await;
    assert!(broker.why(task).contains("external power"), "{}", broker.why(task));
    broker.set_external_power(true);
    broker.advance(seconds(5)).await;
    broker.set_external_power(false);
    broker.advance(seconds(1)).await;
    assert_eq!(status(&broker, name), "Registered - Canceled with reason: Abort");
    broker.set_external_power(true);
    broker.advance(seconds(11)).await;
    assert_eq!(status(&broker, name), "Registered - Completed");
}

/// CAN-6: the machine takes its memory back.
#[tokio::test(start_paused = true)]
async fn memory_pressure_stops_what_runs() {
    let name = "SampleBackgroundTask";
    let mut broker = broker();
    let task = register(&mut broker, &builder(name, zone_change(), None), name);
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(2)).await;
    broker.set_memory_pressure(true);
    broker.advance(seconds(1)).await;
    assert_eq!(broker.last_outcome(task).unwrap().cancellation_reason(), Some(Reason::ResourceRevocation));
}

/// The triggers of a level fire when it changes, and the default levels are the documented ones.
#[tokio::test(start_paused = true)]
async fn levels_fire_when_they_change() {
    use SystemTriggerType::{InternetAvailable, UserAway, UserPresent};
    for event in [InternetAvailable, UserPresent, UserAway] {
        let (mut broker, task) = with(Deaf { takes: Some(1) }, SystemTrigger::new(event, false));
        for count in 1..=2 {
            broker.fire(event);
            broker.advance(seconds(1)).await;
            assert_eq!(broker.outcomes(task).len(), count, "{event}");
        }
    }
    let (mut broker, task) = with(Deaf { takes: Some(1) }, SystemTrigger::new(UserAway, false));
    broker.set(SystemConditionType::UserNotPresent, false);
    broker.settle().await;
    assert_eq!(broker.activations(task), [], "the user is present at first");
    broker.set(SystemConditionType::UserPresent, false);
    broker.settle().await;
    assert_eq!(broker.activations(task).len(), 1);
}

/// Nothing but the test's own words decides what happens: not chance, not the time of the day, not the machine.
#[tokio::test(start_paused = true)]
async fn the_same_test_makes_the_same_history() {
    async fn story() -> String {
        let mut broker = broker();
        let mut tasks = Vec::new();
        for number in 0..5 {
            let name = format!("Task{number}");
            tasks.push(broker.register(APP, &builder(&name, zone_change(), None)).unwrap());
        }
        for _ in 0..3 {
            broker.fire(SystemTriggerType::TimeZoneChange);
            broker.advance(seconds(7)).await;
        }
        broker.restart();
        broker.advance(minutes(1)).await;
        format!("{:?}", tasks.iter().map(|task| (task, broker.history(*task))).collect::<Vec<_>>())
    }
    let (first, second) = (story().await, story().await);
    assert!(first.contains("completed"), "{first}");
    assert_eq!(first, second);
}

#[tokio::test]
#[should_panic(expected = "time is not frozen")]
async fn a_clock_that_is_not_paused_is_noticed() {
    broker().settle().await;
}
