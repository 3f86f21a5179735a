//! What a host hears and says, whether the broker started it or it is an app that runs by itself.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bgtask_core::{CancelNotice, InstanceId, RunOrder, ThrottleCounts};
use bgtask_wire::{CancelInfo, HostCall, InstanceInfo};
use zbus::Message;
use zbus::message::Type as MessageType;

use crate::control_channel::channel_details;
use crate::details::{events, trigger_details};
use crate::info::{class_id, entry_point, trigger_parts};
use crate::socket::socket_details;

/// The order to run an instance, with a copy of the descriptor that goes with it.
///
/// # Errors
///
/// What its trigger carries cannot be read: the store was edited.
pub fn run_call(order: &RunOrder, socket: Option<OwnedFd>) -> zbus::Result<Message> {
    let of_channel = channel_details(&order.trigger, order.firing.details.as_ref())?;
    let details = match &order.firing.details {
        _ if of_channel.is_some() => of_channel,
        details if order.trigger.gathers() => Some(events(details.as_ref(), order.firing.lost)?),
        Some(details) => Some(trigger_details(details)?),
        None => order.brokered.as_ref().map(socket_details).transpose()?,
    };
    let parts = trigger_parts(&order.trigger);
    let info = InstanceInfo {
        instance: order.instance.to_string(),
        task: order.task.to_string(),
        name: order.name.to_string(),
        entry_point: entry_point(&order.entry),
        class_id: class_id(&order.entry),
        group: order.group.as_ref().map(ToString::to_string),
        trigger: order.trigger.class().to_owned(),
        trigger_type: parts.kind.to_owned(),
        event_id: parts.event,
        trigger_details: details.unwrap_or_else(HashMap::new),
        fired_at: order.firing.at.as_micros(),
        fired_count: order.firing.count,
        attempt: order.attempt,
        budget: micros(order.budget),
        throttled_cpu: Some(order.throttled.cpu).filter(|times| *times > 0),
        throttled_network: Some(order.throttled.network).filter(|times| *times > 0),
        socket: socket.map(Into::into),
    };
    HostCall::Run(Box::new(info)).message()
}

/// The notice that an instance has to stop.
///
/// # Errors
///
/// The message cannot be built: a bug.
pub fn cancel_call(instance: InstanceId, notice: &CancelNotice) -> zbus::Result<Message> {
    let info = CancelInfo { budget: micros(notice.budget), used: micros(notice.used), grace: micros(notice.grace) };
    HostCall::Cancel { instance: instance.to_string(), reason: notice.reason.number(), info }.message()
}

/// The notice that an instance was suspended, so often by now, and goes on.
///
/// # Errors
///
/// The message cannot be built: a bug.
pub fn throttled_call(instance: InstanceId, counts: ThrottleCounts) -> zbus::Result<Message> {
    HostCall::Throttled { instance: instance.to_string(), cpu: counts.cpu, network: counts.network }.message()
}

/// What a host's reply says of its task: nothing for success, the task's own words for failure.
pub fn task_failure(reply: &Message) -> Option<String> {
    (reply.message_type() == MessageType::Error).then(|| {
        let name = reply.header().error_name().map(ToString::to_string).unwrap_or_default();
        let words: String = reply.body().deserialize().unwrap_or_default();
        if words.is_empty() { name } else { words }
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bgtask_core::{CancellationReason, Details, Entry, Firing, TaskId, Trigger, WallTime};
    use zbus::Variant;

    use super::*;
    use crate::details;

    fn order(entry: Entry, trigger: Trigger, details: Option<Details>) -> RunOrder {
        RunOrder {
            instance: InstanceId::from_random(1),
            task: TaskId::from_random(2),
            name: "a".into(),
            entry,
            group: Some("sync".into()),
            trigger,
            firing: Firing { at: WallTime::from_micros(7), count: 1, details, lost: 0, by_hand: false, socket: None },
            attempt: 2,
            budget: Duration::from_secs(25),
            throttled: ThrottleCounts { cpu: 3, network: 0 },
            brokered: None,
        }
    }

    fn heard(order: &RunOrder) -> InstanceInfo {
        let message = run_call(order, None).expect("it can be written");
        match HostCall::read(&message) {
            Ok(HostCall::Run(info)) => *info,
            other => panic!("{other:?}"),
        }
    }

    /// RUN-3, REQ-4, GRP-5: a host hears which trigger fired, with what, and in which group.
    #[test]
    fn an_order_tells_everything_about_the_instance() {
        let given = [("album".to_owned(), Variant::from("Berlin").try_to_owned().expect("owned"))];
        let kept = details(given.into()).expect("they fit");
        let info = heard(&order(Entry::InProcess, Trigger::Application, kept));
        assert_eq!((info.entry_point.as_str(), info.class_id, info.group.as_deref()), ("", None, Some("sync")));
        assert_eq!((info.trigger.as_str(), info.trigger_type.as_str()), ("ApplicationTrigger", ""));
        assert_eq!(*info.trigger_details["album"], Variant::from("Berlin"));
        assert_eq!((info.attempt, info.budget), (2, 25_000_000));
        assert_eq!((info.throttled_cpu, info.throttled_network), (Some(3), None), "POL-2: of the try before");

        let class = "87654321-1234-1234-1234-1234567890ae";
        let event = Trigger::CustomSystemEvent {
            id: "org.example.event".into(),
            recurrence: bgtask_core::CustomSystemEventTriggerRecurrence::Always,
        };
        let info = heard(&order(Entry::Class(class.parse().expect("an id")), event, None));
        assert_eq!((info.class_id.as_deref(), info.event_id.as_deref()), (Some(class), Some("org.example.event")));
        assert!(info.trigger_details.is_empty());
    }

    #[test]
    fn details_that_nobody_wrote_are_no_order() {
        let damaged = Details([9, 9, 9].into());
        assert!(run_call(&order(Entry::InProcess, Trigger::Application, Some(damaged)), None).is_err());
    }

    /// U-9: the notice has the numbers.
    #[test]
    fn a_cancel_notice_has_the_numbers() {
        let notice = CancelNotice {
            reason: CancellationReason::ExecutionTimeExceeded,
            budget: Duration::from_secs(25),
            used: Duration::from_secs(26),
            grace: Duration::from_secs(5),
        };
        let message = cancel_call(InstanceId::from_random(1), &notice).expect("it can be written");
        let Ok(HostCall::Cancel { reason, info, .. }) = HostCall::read(&message) else { panic!("{message:?}") };
        assert_eq!(reason, 9);
        assert_eq!(info, CancelInfo { budget: 25_000_000, used: 26_000_000, grace: 5_000_000 });
    }

    /// POL-2: a host that goes on hears how often it was suspended, and does not answer.
    #[test]
    fn a_notice_of_suspension_has_the_counts() {
        let id = InstanceId::from_random(1);
        let message = throttled_call(id, ThrottleCounts { cpu: 2, network: 1 }).expect("it can be written");
        assert!(message.primary_header().flags().contains(zbus::message::Flags::NO_REPLY_EXPECTED));
        let Ok(HostCall::Throttled { instance, cpu, network }) = HostCall::read(&message) else {
            panic!("{message:?}")
        };
        assert_eq!((instance, cpu, network), (id.to_string(), 2, 1));
    }
}
