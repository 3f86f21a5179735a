//! The six scenarios of the Windows sample, step by step (§16.1 to §16.6).

use bgtask::BackgroundAccessStatus as Access;
use bgtask::BackgroundTaskCancellationReason as Reason;
use bgtask::testing::ActivationPhase;
use bgtask::{
    ApplicationTrigger, ApplicationTriggerResult, BackgroundTaskBuilder, BackgroundTaskRegistrationGroup,
    SystemCondition, SystemConditionType, SystemTrigger, SystemTriggerType, TimeTrigger, ValueSet,
};

use crate::sample::{APP, all_progress, broker, builder, manifest, minutes, register, seconds, status};

fn zone_change() -> SystemTrigger {
    SystemTrigger::new(SystemTriggerType::TimeZoneChange, false)
}

/// §16.1, steps 1 to 8.
#[tokio::test(start_paused = true)]
async fn scenario_1_a_task_runs_at_each_change_of_the_time_zone() {
    let name = "SampleBackgroundTask";
    let (mut broker, sample) = (broker(), builder(name, zone_change(), None));
    assert_eq!(status(&broker, name), "Unregistered", "step 1");

    let task = register(&mut broker, &sample, name);
    assert_eq!(status(&broker, name), "Registered", "step 2");

    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(5)).await;
    assert_eq!(broker.activations(task)[0].phase(), ActivationPhase::Running, "step 3");
    assert_eq!(broker.progress(task), [10, 20, 30, 40, 50]);
    broker.advance(seconds(6)).await;
    assert_eq!(broker.progress(task), all_progress());
    assert_eq!(status(&broker, name), "Registered - Completed", "step 4");

    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(11)).await;
    assert_eq!(broker.progress(task)[10..], all_progress(), "step 5: it runs again, from the beginning");

    assert_eq!(broker.completions(APP).len(), 2, "step 6: what the app hears when it starts again");
    assert_eq!(broker.completions(APP), [], "once");

    broker.unregister(task, true).unwrap();
    assert_eq!(status(&broker, name), "Unregistered - Completed", "step 7");
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(minutes(1)).await;
    assert_eq!(broker.outcomes(task).len(), 2);

    let task = register(&mut broker, &sample, name);
    assert_eq!(status(&broker, name), "Registered", "step 8");
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(3)).await;
    broker.unregister(task, true).unwrap();
    broker.advance(seconds(1)).await;
    assert_eq!(broker.last_outcome(task).unwrap().cancellation_reason(), Some(Reason::Abort));
    assert_eq!(status(&broker, name), "Unregistered - Canceled with reason: Abort");
}

/// §16.1, step 9, SYS-3.
#[tokio::test(start_paused = true)]
async fn scenario_1_a_zone_with_the_same_offset_fires_nothing() {
    let mut broker = broker();
    let task = broker.register(APP, &builder("SampleBackgroundTask", zone_change(), None)).unwrap();
    broker.set_time_zone("Europe/London", 0);
    broker.settle().await;
    assert_eq!(broker.activations(task), []);
    broker.set_time_zone("Europe/Berlin", 3_600);
    broker.settle().await;
    assert_eq!(broker.activations(task).len(), 1);
}

/// §16.2: CO-2, CO-3, CO-7.
#[tokio::test(start_paused = true)]
async fn scenario_2_a_task_waits_for_the_internet_and_stops_without_it() {
    let name = "SampleBackgroundTaskWithCondition";
    let internet = SystemConditionType::InternetAvailable;
    let mut broker = broker();
    let task = register(&mut broker, &builder(name, zone_change(), Some(SystemCondition::new(internet))), name);

    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(11)).await;
    assert_eq!(status(&broker, name), "Registered - Completed", "step 1: online");

    broker.set(internet, false);
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(minutes(60)).await;
    assert_eq!(broker.activations(task)[0].phase(), ActivationPhase::Waiting, "step 2: offline");
    assert!(broker.why(task).ends_with("it is held since 60 min ago until InternetAvailable holds."));
    broker.set(internet, true);
    broker.advance(seconds(11)).await;
    assert_eq!(broker.outcomes(task).len(), 2, "step 2: online again");

    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(4)).await;
    broker.set(internet, false);
    broker.advance(seconds(1)).await;
    assert_eq!(status(&broker, name), "Registered - Canceled with reason: ConditionLoss", "step 3");
    let outcome = broker.last_outcome(task).unwrap();
    assert_eq!((outcome.cancellation_reason(), outcome.progress()), (Some(Reason::ConditionLoss), Some(40)));

    (0..3).for_each(|_| broker.fire(SystemTriggerType::TimeZoneChange));
    assert_eq!(broker.activations(task)[0].fired_count(), 3);
    broker.set(internet, true);
    broker.advance(minutes(5)).await;
    assert_eq!(broker.outcomes(task).len(), 4, "step 4: three changes while offline are one run");
}

/// §16.3: RE-6, LC-11.
#[tokio::test(start_paused = true)]
async fn scenario_3_a_task_runs_once_after_each_update() {
    let name = "ServicingCompleteTask";
    let trigger = SystemTrigger::new(SystemTriggerType::ServicingComplete, false);
    let servicing =
        BackgroundTaskBuilder::new().name(name).task_entry_point("Tasks.ServicingComplete").trigger(trigger);
    let mut broker = broker();
    let task = register(&mut broker, &servicing, name);
    broker.advance(minutes(1)).await;
    assert_eq!(broker.outcomes(task), [], "step 1");

    broker.install(&manifest("1.1.0")).unwrap();
    broker.settle().await;
    assert_eq!(status(&broker, name), "Registered - Completed", "step 2");
    let eleven: Vec<u32> = (0..=100).step_by(10).collect();
    assert_eq!(broker.progress(task), eleven);
    assert_eq!(broker.outcomes(task).len(), 1);

    broker.install(&manifest("1.1.0")).unwrap();
    broker.settle().await;
    assert_eq!(broker.outcomes(task).len(), 1, "step 3: the same version is no update");

    let without = manifest("1.2.0").replace("Tasks.ServicingComplete", "Tasks.Other");
    broker.install(&without).unwrap();
    broker.settle().await;
    assert_eq!(status(&broker, name), "Unregistered - Completed", "step 4: its entry point is gone");
    assert_eq!(broker.outcomes(task).len(), 1);
}

/// RE-6: what runs during an update is told to stop, and the update waits for it.
#[tokio::test(start_paused = true)]
async fn an_update_waits_for_what_runs() {
    let mut broker = broker();
    let running = broker.register(APP, &builder("SampleBackgroundTask", zone_change(), None)).unwrap();
    let trigger = SystemTrigger::new(SystemTriggerType::ServicingComplete, false);
    let updated = builder("Updated", trigger, None);
    let updated = broker.register(APP, &updated).unwrap();
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(2)).await;
    broker.install(&manifest("2.0.0")).unwrap();
    broker.settle().await;
    assert_eq!(broker.activations(running)[0].cancellation_reason(), Some(Reason::ServicingUpdate));
    assert_eq!(broker.activations(updated), []);
    broker.advance(seconds(1)).await;
    assert_eq!(broker.last_outcome(running).unwrap().cancellation_reason(), Some(Reason::ServicingUpdate));
    assert_eq!(broker.activations(updated).len(), 1);
}

/// §16.4, steps 1 and 2: TM-1.
#[tokio::test(start_paused = true)]
async fn scenario_4_a_timer_runs_on_the_tick_and_every_quarter_of_an_hour() {
    let name = "TimeTriggeredTask";
    let mut broker = broker();
    broker.advance(minutes(7)).await;
    let task = register(&mut broker, &builder(name, TimeTrigger::new(15, false), None), name);

    broker.advance(minutes(15)).await;
    assert_eq!(broker.activations(task), [], "22 minutes past: due, and the tick is at 30");
    broker.advance(minutes(8)).await;
    assert_eq!(broker.activations(task).len(), 1, "step 1: exactly on the tick");
    broker.advance(seconds(11)).await;
    assert_eq!(broker.progress(task), all_progress(), "step 2");
    assert_eq!(status(&broker, name), "Registered - Completed");

    broker.advance(minutes(60)).await;
    assert_eq!(broker.outcomes(task).len(), 5, "four more in an hour");
    let starts = broker.history(task).into_iter().filter(|event| event.event() == "started");
    let begin = broker.now() - minutes(90) - seconds(11);
    let after: Vec<_> = starts.map(|event| event.at().duration_since(begin).unwrap()).collect();
    assert_eq!(after, [30, 45, 60, 75, 90].map(minutes));
}

/// §16.4, step 3: TM-2.
#[tokio::test(start_paused = true)]
async fn scenario_4_fourteen_minutes_are_refused() {
    let refused = broker().register(APP, &builder("TimeTriggeredTask", TimeTrigger::new(14, false), None));
    let error = refused.unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("15 to 43199 minutes"), "{error}");
}

/// §16.4, step 4: D13, AC-5.
#[tokio::test(start_paused = true)]
async fn scenario_4_without_access_it_is_registered_and_waits() {
    let name = "TimeTriggeredTask";
    for denied in [Access::DeniedByUser, Access::DeniedBySystemPolicy, Access::Unspecified] {
        let mut broker = broker();
        broker.set_access(APP, denied);
        let task = register(&mut broker, &builder(name, TimeTrigger::new(15, false), None), name);
        broker.advance(minutes(40)).await;
        assert_eq!(broker.activations(task)[0].phase(), ActivationPhase::Waiting, "{denied}");
        broker.set_access(APP, Access::AllowedSubjectToSystemPolicy);
        broker.advance(minutes(5)).await;
        assert_eq!(status(&broker, name), "Registered - Completed", "{denied}");
    }
}

/// §16.4, step 5: AC-6.
#[tokio::test(start_paused = true)]
async fn scenario_4_while_energy_is_saved_only_who_is_always_allowed_runs() {
    let name = "TimeTriggeredTask";
    let mut broker = broker();
    broker.set_energy_saver(true);
    let task = register(&mut broker, &builder(name, TimeTrigger::new(15, false), None), name);
    broker.advance(minutes(40)).await;
    assert!(broker.why(task).contains("the machine saves energy"), "{}", broker.why(task));
    broker.set_access(APP, Access::AlwaysAllowed);
    broker.advance(minutes(1)).await;
    assert_eq!(status(&broker, name), "Registered - Completed");
}

/// §16.5, steps 1 to 5: REQ-1 to REQ-3, D3.
#[tokio::test(start_paused = true)]
async fn scenario_5_the_app_fires_its_own_trigger() {
    let name = "ApplicationTriggerTask";
    let (trigger, nothing) = (ApplicationTrigger::new(), ValueSet::new());
    let mut broker = broker();
    let task = register(&mut broker, &builder(name, &trigger, None), name);
    let signal = |broker: &mut bgtask::testing::TestBroker| broker.request(APP, &trigger, &nothing).unwrap().result();

    assert_eq!(signal(&mut broker), ApplicationTriggerResult::Allowed, "step 2");
    broker.advance(seconds(5)).await;
    assert_eq!(signal(&mut broker), ApplicationTriggerResult::CurrentlyRunning, "step 3");
    broker.advance(minutes(5)).await;
    assert_eq!(status(&broker, name), "Registered - Completed");
    assert_eq!(broker.outcomes(task).len(), 1, "the second signal is not queued");

    broker.set_access(APP, Access::DeniedBySystemPolicy);
    assert_eq!(signal(&mut broker), ApplicationTriggerResult::DisabledByPolicy, "step 4");
    broker.unregister(task, true).unwrap();
    assert_eq!(status(&broker, name), "Unregistered - Completed", "step 5");
}

/// §16.5, steps 6 and 7: TR-1, TR-2.
#[tokio::test(start_paused = true)]
async fn scenario_5_one_application_trigger_at_a_time_again_and_again() {
    let mut broker = broker();
    let sample = builder("ApplicationTriggerTask", ApplicationTrigger::new(), None);
    for _ in 0..2 {
        let task = broker.register(APP, &sample).unwrap();
        let error = broker.register(APP, &sample).unwrap_err();
        assert!(error.is_limit_reached(), "{error}");
        broker.unregister(task, false).unwrap();
    }
}

/// §16.6: GRP-1, GRP-2.
#[tokio::test(start_paused = true)]
async fn scenario_6_a_group_is_a_list_of_its_own() {
    let name = "GroupedBackgroundTask";
    let group = |id: &str| BackgroundTaskRegistrationGroup::with_name(id, "Background Task Group");
    let mut broker = broker();
    let ours = group("3F2504E0-5F89-41D3-9A0C-0405E82C3333");
    let grouped = register(&mut broker, &builder(name, zone_change(), None).task_group(&ours), name);
    let ungrouped = broker.register(APP, &builder("SampleBackgroundTask", zone_change(), None)).unwrap();
    let others = broker.register(APP, &builder(name, zone_change(), None).task_group(&group("another"))).unwrap();

    let in_group = |broker: &bgtask::testing::TestBroker, group: Option<&str>| -> Vec<_> {
        let tasks = broker.registrations(APP).into_iter().filter(|task| task.group() == group);
        tasks.map(|task| task.task_id()).collect()
    };
    assert_eq!(in_group(&broker, Some(ours.id())), [grouped], "step 1");
    assert_eq!(in_group(&broker, None), [ungrouped], "step 1: AllTasks has those without a group");

    broker.unregister(ungrouped, true).unwrap();
    assert_eq!(status(&broker, name), "Registered", "step 2");

    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(11)).await;
    assert_eq!(status(&broker, name), "Registered - Completed", "step 3");

    broker.unregister(grouped, true).unwrap();
    assert_eq!(in_group(&broker, Some(ours.id())), [], "step 5");
    assert_eq!(in_group(&broker, Some("another")), [others], "step 6");
}
