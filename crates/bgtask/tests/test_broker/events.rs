//! Triggers that listen, devices that are used, and states that change.

use std::sync::{Arc, Mutex};

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::testing::TestBroker;
use bgtask::{
    BackgroundAccessStatus, BackgroundTaskBuilder, BackgroundTaskCancellationReason, DeviceTriggerResult,
    DeviceUseDetails, DeviceUseTrigger, DeviceWatcherEvent, DeviceWatcherEventKind, DeviceWatcherTrigger,
    SmsMessageReceivedTriggerDetails, SystemCondition, SystemConditionType, SystemTrigger, SystemTriggerType, TaskId,
    Trigger, ValueSet,
};

use crate::sample::seconds;

const APP: &str = "org.example.Devices";
const WATCH: &str = "/sys/class/tty/ttyACM0";

/// What the task was told, one line for each run.
type Told = Arc<Mutex<Vec<String>>>;

struct Tells(Told);

impl BackgroundTask for Tells {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let happened = instance.trigger_events();
        let devices = happened.details::<DeviceWatcherEvent>();
        let messages = happened.details::<SmsMessageReceivedTriggerDetails>();
        let mut words: Vec<_> = devices.into_iter().map(|device| format!("{} {}", device.kind, device.id)).collect();
        words.extend(messages.into_iter().map(|message| format!("{}: {}", message.number, message.text)));
        words.push(format!("{} lost", happened.lost()));
        self.0.lock().unwrap().push(words.join(", "));
        Ok(())
    }
}

/// Uses its device until it has to stop.
struct Uses(Told);

impl BackgroundTask for Uses {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let uses = DeviceUseDetails::of(instance.trigger_details()).ok_or("no device")?;
        self.0.lock().unwrap().push(format!("{} for {}", uses.device_id, uses.arguments));
        instance.cancelled().await;
        Ok(())
    }
}

fn broker() -> (TestBroker, Told) {
    let manifest = format!(
        "[app]\nid = \"{APP}\"\nversion = \"1\"\n\
         [[task]]\nentry_point = \"Tells\"\nexecutable = \"tasks\"\ntypes = [\"systemEvent\"]\n\
         [[task]]\nentry_point = \"Uses\"\nexecutable = \"tasks\"\ntypes = [\"deviceUse\"]\n"
    );
    let told = Told::default();
    let mut broker = TestBroker::new();
    broker.install(&manifest).unwrap();
    broker.implement(Host::new().entry_point("Tells", Tells(told.clone())).entry_point("Uses", Uses(told.clone())));
    (broker, told)
}

fn register(broker: &mut TestBroker, entry_point: &str, trigger: impl Into<Trigger>) -> TaskId {
    let builder = BackgroundTaskBuilder::new().name("Task").task_entry_point(entry_point).trigger(trigger);
    broker.register(APP, &builder).unwrap()
}

fn device(kind: DeviceWatcherEventKind, id: &str) -> ValueSet {
    ValueSet::from([("kind", kind.name()), ("id", id)])
}

/// D1: what happens while the activation waits is one run, which is told all of it in its order.
#[tokio::test(start_paused = true)]
async fn events_are_gathered_until_the_task_may_run() {
    let (mut broker, told) = broker();
    let online = SystemCondition::new(SystemConditionType::InternetAvailable);
    let builder = BackgroundTaskBuilder::new().name("Task").task_entry_point("Tells").condition(online);
    let task = broker.register(APP, &builder.trigger(DeviceWatcherTrigger::new().subsystem("block"))).unwrap();
    broker.set(SystemConditionType::InternetAvailable, false);
    broker.happens(task, device(DeviceWatcherEventKind::Add, "/sys/a"));
    broker.happens(task, device(DeviceWatcherEventKind::Remove, "/sys/a"));
    broker.loses(task, 3);
    broker.advance(seconds(60)).await;
    assert_eq!(broker.activations(task)[0].fired_count(), 5);
    broker.crash();
    broker.restart();
    broker.set(SystemConditionType::InternetAvailable, true);
    broker.advance(seconds(1)).await;
    assert_eq!(*told.lock().unwrap(), ["Add /sys/a, Remove /sys/a, 3 lost"], "over a crash of the broker too");
    broker.happens(task, device(DeviceWatcherEventKind::Add, "/sys/b"));
    broker.advance(seconds(1)).await;
    assert_eq!(told.lock().unwrap().last().unwrap(), "Add /sys/b, 0 lost", "it listens again after a restart");
}

/// SYS-1
#[tokio::test(start_paused = true)]
async fn a_one_shot_trigger_is_spent_by_its_first_event() {
    let (mut broker, told) = broker();
    let task = register(&mut broker, "Tells", DeviceWatcherTrigger::new().subsystem("net").one_shot(true));
    broker.happens(task, device(DeviceWatcherEventKind::Add, "/sys/a"));
    broker.advance(seconds(1)).await;
    assert_eq!(told.lock().unwrap().len(), 1);
    assert!(broker.registrations(APP).is_empty());
}

/// The system trigger carries the message too.
#[tokio::test(start_paused = true)]
async fn a_message_is_told_to_the_task_of_the_system_trigger() {
    let (mut broker, told) = broker();
    let task = register(&mut broker, "Tells", SystemTrigger::new(SystemTriggerType::SmsReceived, false));
    broker.happens(task, ValueSet::from([("number", "+4915112345678"), ("text", "your code is 1234")]));
    broker.advance(seconds(1)).await;
    assert_eq!(*told.lock().unwrap(), ["+4915112345678: your code is 1234, 0 lost"]);
}

/// REQ-1, REQ-4, CA-8: a device is used until it is gone.
#[tokio::test(start_paused = true)]
async fn a_device_is_used_until_it_goes_away() {
    let (mut broker, told) = broker();
    let result = |broker: &mut TestBroker| broker.use_device(APP, WATCH, "sync").unwrap().result();
    assert_eq!(result(&mut broker), DeviceTriggerResult::DeniedBySystem, "no task is registered with it");
    let task = register(&mut broker, "Uses", DeviceUseTrigger::new());
    assert_eq!(result(&mut broker), DeviceTriggerResult::Allowed);
    broker.advance(seconds(1)).await;
    assert_eq!(*told.lock().unwrap(), ["/sys/class/tty/ttyACM0 for sync"]);
    assert_eq!(result(&mut broker), DeviceTriggerResult::DeniedBySystem, "it runs already");
    assert_eq!(broker.unplug("/sys/class/tty/ttyACM1"), 0, "another device");
    assert_eq!(broker.unplug(WATCH), 1);
    broker.advance(seconds(1)).await;
    let outcome = broker.last_outcome(task).unwrap();
    assert_eq!(outcome.cancellation_reason(), Some(BackgroundTaskCancellationReason::ResourceRevocation));
}

/// AC-10
#[tokio::test(start_paused = true)]
async fn a_device_is_not_used_on_a_low_battery_or_against_the_users_will() {
    let (mut broker, _told) = broker();
    register(&mut broker, "Uses", DeviceUseTrigger::new());
    broker.set_battery(10);
    assert_eq!(broker.use_device(APP, WATCH, "").unwrap().result(), DeviceTriggerResult::Allowed, "on external power");
    broker.unplug(WATCH);
    broker.advance(seconds(6)).await;
    broker.set_external_power(false);
    let low = broker.use_device(APP, WATCH, "").unwrap();
    assert_eq!(low.result(), DeviceTriggerResult::LowBattery);
    assert!(low.why().contains("33 %"), "{}", low.why());
    broker.set_access(APP, BackgroundAccessStatus::DeniedByUser);
    assert_eq!(broker.use_device(APP, WATCH, "").unwrap().result(), DeviceTriggerResult::DeniedByUser);
}

#[tokio::test(start_paused = true)]
async fn every_change_of_a_state_fires() {
    use SystemTriggerType::{
        BackgroundWorkCostChange, DefaultSignInAccountChange, NetworkStateChange, OnlineIdConnectedStateChange,
        PowerStateChange, SessionConnected,
    };
    let accounts = [OnlineIdConnectedStateChange, DefaultSignInAccountChange];
    for kind in
        [NetworkStateChange, PowerStateChange, BackgroundWorkCostChange, SessionConnected].iter().chain(&accounts)
    {
        let (mut broker, told) = broker();
        register(&mut broker, "Tells", SystemTrigger::new(*kind, false));
        for times in 1..=3 {
            broker.fire(*kind);
            broker.advance(seconds(1)).await;
            assert_eq!(told.lock().unwrap().len(), times, "{kind}");
        }
    }
    let (mut broker, told) = broker();
    register(&mut broker, "Tells", SystemTrigger::new(PowerStateChange, false));
    broker.set_state(PowerStateChange, "charging");
    broker.set_state(PowerStateChange, "charging");
    broker.advance(seconds(1)).await;
    assert_eq!(told.lock().unwrap().len(), 1, "the same is no change");
}

/// D14: on battery with the screen off, background work costs much.
#[tokio::test(start_paused = true)]
async fn the_cost_of_background_work_is_a_condition() {
    let (mut broker, told) = broker();
    let cheap = SystemCondition::new(SystemConditionType::BackgroundWorkCostNotHigh);
    let zone = SystemTrigger::new(SystemTriggerType::TimeZoneChange, false);
    let builder = BackgroundTaskBuilder::new().name("Task").task_entry_point("Tells").trigger(zone).condition(cheap);
    broker.register(APP, &builder).unwrap();
    broker.set(SystemConditionType::BackgroundWorkCostNotHigh, false);
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(seconds(60)).await;
    assert!(told.lock().unwrap().is_empty());
    broker.set_screen(true);
    broker.advance(seconds(1)).await;
    assert_eq!(told.lock().unwrap().len(), 1, "a medium amount is not much");
}
