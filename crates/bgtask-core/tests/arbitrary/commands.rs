//! Commands to put in: most of them in order, so that something runs.

use std::time::Duration;

use bgtask_core::{
    Command, Condition, CustomSystemEventTriggerRecurrence, Entry, EventClass, NewRegistration, Pace, PathEvents,
    PathWatch, Retry, SystemTriggerType, Trigger,
};

pub(crate) const WORDS: [&str; 6] =
    ["internet", "user-away", "ac-power", "not:energy-saver", "battery-above:50", "cost-not-high"];

pub(crate) fn command(name: u8, a: u8, b: u8) -> NewRegistration {
    let seconds = |number: u8| Duration::from_secs(u64::from(number));
    let command = Command {
        retry: Retry { times: u32::from(b % 4), backoff: seconds(b % 64) },
        fresh_within: a.is_multiple_of(3).then(|| seconds(b)),
        cpu: b.is_multiple_of(5).then(|| seconds(1 + a % 4)),
        timeout: seconds(1 + a % 100),
        ..Command::new(["true"])
    };
    let words = WORDS.iter().enumerate().filter(|(place, _)| b > 100 && (a >> place) & 1 == 1);
    NewRegistration {
        name: format!("command {}", name % 5),
        entry: Entry::Command(command.into()),
        trigger: trigger(a, b),
        conditions: words.map(|(_, word)| Condition::from_name(word).expect("a condition")).collect(),
        cancel_on_condition_loss: a.is_multiple_of(2),
        is_network_requested: false,
        group: None,
    }
}

fn trigger(a: u8, b: u8) -> Trigger {
    let one_shot = a.is_multiple_of(6);
    let every = Duration::from_secs(1 + u64::from(b) * u64::from(a));
    let pace = Pace { accuracy: every / 2, jitter: every / (1 + u32::from(b)), wake: false };
    match b % 9 {
        0 | 1 => Trigger::Interval { every, pace, one_shot },
        2 | 3 => Trigger::Calendar {
            calendar: "daily".into(),
            zone: a.is_multiple_of(4).then(|| "UTC".into()),
            catch_up: a < 128,
            pace,
            one_shot,
        },
        4 | 5 => {
            let watch = PathWatch { path: "/".into(), recursive: true, on: PathEvents::default(), settle: every };
            Trigger::Path { watch, one_shot }
        }
        6 => {
            let condition = Condition::from_name(WORDS[usize::from(a) % WORDS.len()]).expect("a condition");
            Trigger::Condition { condition, one_shot }
        }
        7 => Trigger::SessionStart { one_shot },
        _ if a < 100 => Trigger::System { kind: SystemTriggerType::UserAway, one_shot },
        _ if a < 200 => {
            let properties = [("unit".into(), "a.service".into())].into();
            Trigger::Event { class: EventClass::UnitState, properties, one_shot }
        }
        _ => Trigger::CustomSystemEvent { id: "event".into(), recurrence: CustomSystemEventTriggerRecurrence::Once },
    }
}
