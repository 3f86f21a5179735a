//! What sensors measure.

use super::event::event_trigger;
use crate::PropertyValue;
use crate::events::{EventDetails, TriggerEvent};

event_trigger! {
    /// A trigger that fires when what a sensor measures crosses a threshold, by iio-sensor-proxy. Its task gets
    /// [`SensorDataThresholdTriggerDetails`].
    ///
    /// The first reading is how things are, and no event. A threshold of light is crossed again only after the light has gone back
    /// across it by a tenth of it. While such a task is registered the sensor measures, which wakes the machine up to about once a
    /// second.
    ///
    /// ```
    /// use bgtask::SensorDataThresholdTrigger;
    /// let dusk = SensorDataThresholdTrigger::light(None, Some(20.0));
    /// assert!(dusk.properties().eq([("below", "20"), ("sensor", "light")]));
    /// ```
    SensorDataThresholdTrigger
}

impl SensorDataThresholdTrigger {
    /// A trigger for light that becomes as bright as `above` or brighter, or darker than `below`: 0 to 200 000 lux, where at least one
    /// is given. A room has some 300 lux, the sun at noon 120 000.
    pub fn light(above: Option<f64>, below: Option<f64>) -> Self {
        let given = |name, lux: Option<f64>| lux.map(|lux| (name, lux.to_string()));
        let sensor = ("sensor", "light".to_owned());
        Self::of([sensor].into_iter().chain(given("above", above)).chain(given("below", below)))
    }

    /// A trigger for something that comes near the machine or goes away.
    pub fn proximity() -> Self {
        Self::of([("sensor", "proximity".to_owned())])
    }

    /// A trigger for every turn of the machine.
    pub fn orientation() -> Self {
        Self::of([("sensor", "orientation".to_owned())])
    }
}

/// What a sensor measured.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SensorDataThresholdTriggerDetails {
    /// So many lux.
    Light(f64),
    /// Whether something is near.
    Proximity(bool),
    /// Which edge is up: `normal`, `bottom-up`, `left-up` or `right-up`.
    Orientation(String),
}

impl EventDetails for SensorDataThresholdTriggerDetails {
    fn read(event: &TriggerEvent) -> Option<Self> {
        match (event.text("sensor").as_str(), event.fields().get::<PropertyValue>("value").ok()??) {
            ("light", _) => event.real("value").map(Self::Light),
            ("proximity", PropertyValue::Bool(near)) => Some(Self::Proximity(near)),
            ("orientation", PropertyValue::Str(up)) => Some(Self::Orientation(up)),
            _ => None,
        }
    }
}
