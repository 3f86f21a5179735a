use std::time::Duration;

use bgtask::testing::TestBroker;
use bgtask::{BackgroundTaskCancellationReason, SystemCondition, SystemConditionType, SystemTriggerType};

#[tokio::test(start_paused = true)]
async fn it_runs_whenever_the_time_zone_changes() {
    let mut broker = TestBroker::new();
    let app = broker.install(include_str!("../bgtask.toml")).unwrap();
    broker.implement(hello::host());
    let task = broker.register(&app, &hello::hello()).unwrap();

    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(Duration::from_secs(3)).await;

    broker.last_outcome(task).unwrap().check_result().unwrap();
    assert_eq!(broker.progress(task), [20, 40, 60, 80, 100]);
    let settings = broker.local_settings(&app).unwrap();
    assert_eq!(settings.get::<String>("Hello").unwrap().unwrap(), "Hello from another process");
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_the_internet_and_stops_without_it() {
    let mut broker = TestBroker::new();
    let app = broker.install(include_str!("../bgtask.toml")).unwrap();
    broker.implement(hello::host());
    let internet = SystemCondition::new(SystemConditionType::InternetAvailable);
    let task = broker.register(&app, &hello::hello().condition(internet).cancel_on_condition_loss(true)).unwrap();

    broker.set(SystemConditionType::InternetAvailable, false);
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(Duration::from_secs(3600)).await;
    assert!(broker.why(task).contains("until InternetAvailable holds"), "{}", broker.why(task));

    broker.set(SystemConditionType::InternetAvailable, true);
    broker.advance(Duration::from_secs(1)).await;
    broker.set(SystemConditionType::InternetAvailable, false);
    broker.settle().await;
    let reason = broker.last_outcome(task).unwrap().cancellation_reason();
    assert_eq!(reason, Some(BackgroundTaskCancellationReason::ConditionLoss));
}
