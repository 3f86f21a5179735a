//! What happens to what tasks listen to, and to the devices they use.

use bgtask_core::{Demand, Details, Input, Reply, Request};
use serde_json::{Map, Value, json};

use super::convert::{self, core_id, same};
use super::{TestBroker, app_id};
use crate::{DeviceTriggerResult, DeviceUseDetails, Error, PropertyValue, TaskId, TriggerResponse, ValueSet};

impl TestBroker {
    /// Fires the app's own [`DeviceUseTrigger`](crate::DeviceUseTrigger), as its
    /// [`request_async_with`](crate::DeviceUseTrigger::request_async_with) does.
    ///
    /// # Errors
    ///
    /// [`is_unknown_app`](Error::is_unknown_app), [`is_limit_reached`](Error::is_limit_reached): the arguments are too long.
    pub fn use_device(
        &mut self,
        app: &str,
        device_id: &str,
        arguments: &str,
    ) -> Result<TriggerResponse<DeviceTriggerResult>, Error> {
        let details = DeviceUseDetails { device_id: device_id.to_owned(), arguments: arguments.to_owned() };
        let details = convert::details(&details.into())?;
        match self.ask(Request::Activate { app: app_id(app)?, demand: Demand::DeviceUse, details })? {
            Reply::DeviceUse(result, why) => {
                Ok(TriggerResponse { result: same(DeviceTriggerResult::from_number(result.number())), why })
            }
            other => unreachable!("asked for a device, answered {other:?}"),
        }
    }

    /// Something happens that a task listens to: an event with these fields, as its trigger's module lists them. Events that
    /// happen while the task waits or runs are gathered, and given to it in their order (D1).
    ///
    /// ```
    /// # use bgtask::testing::TestBroker;
    /// # use bgtask::ValueSet;
    /// # fn example(broker: &mut TestBroker, task: bgtask::TaskId) {
    /// broker.happens(task, ValueSet::from([("number", "+4915112345678"), ("text", "123456 is your code")]));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// The task does not listen: its trigger is none that carries events, it was unregistered, or is spent. Or a field is of a type
    /// that no event has: there are texts, numbers, booleans, lists and sets.
    #[track_caller]
    pub fn happens(&mut self, task: TaskId, event: impl Into<ValueSet>) {
        let mut fields = json_of(&event.into());
        fields.insert("at".to_owned(), json!(self.clock.now().wall.as_micros()));
        let line = format!("{}\n", Value::Object(fields));
        self.tell_of(task, line, 1, 0);
    }

    /// So much happens that a task listens to that some events are lost: it hears only how many.
    ///
    /// # Panics
    ///
    /// The task does not listen, as for [`happens`](Self::happens).
    #[track_caller]
    pub fn loses(&mut self, task: TaskId, events: u32) {
        self.tell_of(task, String::new(), 0, events);
    }

    /// A device goes away. A task that [uses](Self::use_device) it is told to stop with
    /// [`ResourceRevocation`](crate::BackgroundTaskCancellationReason::ResourceRevocation) (CA-8). How many did.
    pub fn unplug(&mut self, device_id: &str) -> usize {
        let users = self.ears.users(device_id);
        users.iter().for_each(|task| self.tell(Input::DeviceGone(*task)));
        users.len()
    }

    #[track_caller]
    fn tell_of(&mut self, task: TaskId, lines: String, count: u32, lost: u32) {
        // A broker that has crashed hears nothing, which is no mistake of the test.
        let listens = self.core.is_none() || self.ears.is_listening(core_id(task));
        assert!(listens, "{task} does not listen to anything: {}", self.why(task));
        let events = Details(lines.into_bytes().into());
        self.tell(Input::Happened { task: core_id(task), events, count, lost });
    }
}

#[track_caller]
fn json_of(fields: &ValueSet) -> Map<String, Value> {
    fields.iter().map(|(name, value)| (name.to_owned(), field(value))).collect()
}

#[track_caller]
fn field(value: &PropertyValue) -> Value {
    match value {
        PropertyValue::Bool(value) => json!(value),
        PropertyValue::I32(value) => json!(value),
        PropertyValue::U32(value) => json!(value),
        PropertyValue::I64(value) => json!(value),
        PropertyValue::U64(value) => json!(value),
        PropertyValue::F64(value) => json!(value),
        PropertyValue::Str(text) => json!(text),
        PropertyValue::StrList(list) => json!(list),
        PropertyValue::List(list) => list.iter().map(field).collect(),
        PropertyValue::Set(set) => Value::Object(json_of(set)),
        other => panic!("{other:?} is of a type that no event has: there are texts, numbers, booleans, lists and sets"),
    }
}
