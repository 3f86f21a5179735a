//! What tasks use: suspension, refill, and energy.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::testing::{ActivationPhase, TestBroker};
use bgtask::{
    BackgroundAccessStatus, BackgroundTaskCancellationReason as Reason, BackgroundTaskThrottleCounter,
    EnergyUsageLevel, SystemTrigger, SystemTriggerType, TaskId,
};

use crate::sample::{APP, broker, builder, minutes, seconds};

/// Turns once a second, ten times, and tells how often it was suspended.
#[derive(Default)]
struct Turns(Arc<AtomicU32>);

impl BackgroundTask for Turns {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        for _ in 0..10 {
            tokio::select! {
                () = tokio::time::sleep(seconds(1)) => {}
                reason = instance.cancelled() => return Err(reason.name().into()),
            }
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        instance.progress(10 * instance.suspended_count());
        instance.progress(instance.throttle_count(BackgroundTaskThrottleCounter::Network));
        Ok(())
    }
}

fn running(task: impl BackgroundTask) -> (TestBroker, TaskId) {
    let mut broker = broker();
    broker.implement(Host::new().entry_point("Tasks.SampleBackgroundTask", task));
    let trigger = SystemTrigger::new(SystemTriggerType::TimeZoneChange, false);
    let task = broker.register(APP, &builder("Task", trigger, None)).unwrap();
    broker.fire(SystemTriggerType::TimeZoneChange);
    (broker, task)
}

fn phases(broker: &TestBroker, task: TaskId) -> Vec<ActivationPhase> {
    broker.activations(task).iter().map(|one| one.phase()).collect()
}

/// POL-1, POL-2, Q-1: out of its budget a task stands still, its time with it, and at the refill it goes on where it was.
#[tokio::test(start_paused = true)]
async fn a_task_that_uses_too_much_is_suspended_until_the_refill() {
    let turns = Turns::default();
    let turned = Arc::clone(&turns.0);
    let (mut broker, task) = running(turns);
    broker.advance(seconds(3)).await;
    broker.use_processor_time(task, seconds(119));
    assert_eq!(phases(&broker, task), [ActivationPhase::Running], "it has one left");
    let refill = broker.suspend(task);
    assert_eq!(refill, broker.now() + minutes(120));
    assert_eq!(phases(&broker, task), [ActivationPhase::Suspended]);
    assert!(
        broker.why(task).starts_with("It is suspended since 0 s ago because its app has used"),
        "{}",
        broker.why(task)
    );
    let before = turned.load(Ordering::Relaxed);
    broker.advance(minutes(119)).await;
    assert_eq!((phases(&broker, task), turned.load(Ordering::Relaxed)), (vec![ActivationPhase::Suspended], before));

    broker.advance(minutes(1)).await;
    broker.advance(seconds(10)).await;
    assert_eq!(turned.load(Ordering::Relaxed), 10);
    broker.last_outcome(task).expect("it has ended").check_result().expect("in time: its 25 s stood still");
    assert_eq!(broker.progress(task), [10, 0], "it was suspended once, and not for the network");
    let told: Vec<_> = broker.history(task).iter().map(|event| event.event()).collect();
    assert!(told.ends_with(&["started", "suspended", "released", "completed"]), "{told:?}");
}

/// Who has to stop goes on to do so.
#[tokio::test(start_paused = true)]
async fn a_suspended_task_that_is_cancelled_stops_in_its_grace() {
    let (mut broker, task) = running(Turns::default());
    broker.advance(seconds(1)).await;
    broker.suspend(task);
    broker.set_access(APP, BackgroundAccessStatus::DeniedByUser);
    broker.settle().await;
    let failure = broker.last_outcome(task).expect("it has ended").check_result().unwrap_err();
    assert_eq!(
        (failure.cancellation_reason(), failure.to_string().contains("SystemPolicy")),
        (Some(Reason::SystemPolicy), true)
    );
}

/// POL-6 to POL-8: each rise is told, the last ends the task, and the next period begins at nothing.
#[tokio::test(start_paused = true)]
async fn energy_rises_to_termination_and_returns_to_low() {
    struct Waits;
    impl BackgroundTask for Waits {
        async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
            tokio::select! {
                _ = instance.cancelled() => Ok(()),
                () = pending() => Ok(()),
            }
        }
    }
    let (mut broker, task) = running(Waits);
    broker.settle().await;
    assert_eq!(broker.energy_usage(APP).unwrap().level(), EnergyUsageLevel::Low);
    broker.use_energy(task, 50);
    broker.use_energy(task, 60);
    broker.use_network(task, 100 * (8 << 20));
    let usage = broker.energy_usage(APP).unwrap();
    assert_eq!(
        (usage.percent(), usage.level()),
        (276, EnergyUsageLevel::NearTermination),
        "60 s of a processor are 100 %"
    );
    assert_eq!(usage.until(), broker.now() + minutes(30));

    broker.use_energy(task, 30);
    broker.settle().await;
    let outcome = broker.last_outcome(task).expect("it was told to stop");
    assert_eq!(outcome.cancellation_reason(), Some(Reason::ResourceRevocation));
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(minutes(29)).await;
    assert_eq!(phases(&broker, task), [ActivationPhase::Waiting]);
    assert!(broker.why(task).contains("306 % of the energy that is normal"), "{}", broker.why(task));
    broker.advance(minutes(1)).await;
    assert_eq!(phases(&broker, task), [ActivationPhase::Running]);
    let told: Vec<_> = broker.energy_events(APP).iter().map(|usage| usage.level().name()).collect();
    assert_eq!(told, ["MaxAcceptable", "NearTermination", "Termination", "Low"]);
    assert_eq!(broker.energy_usage(APP).unwrap().percent(), 0);
    assert!(broker.energy_usage("org.example.Nobody").unwrap_err().is_unknown_app());
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "does not run, so it uses nothing: It waits for its trigger")]
async fn what_does_not_run_uses_nothing() {
    let mut broker = broker();
    let trigger = SystemTrigger::new(SystemTriggerType::TimeZoneChange, false);
    let task = broker.register(APP, &builder("Task", trigger, None)).unwrap();
    broker.use_processor_time(task, seconds(1));
}
