//! What stretching an interval means for a task, in words (TM-4).

use std::time::Duration;

use super::GateReading;
use super::reading::reading;
use crate::broker::Core;
use crate::broker::stretch::Stretched;
use crate::model::registration::Registration;
use crate::time::{Now, Spoken};

impl Core {
    /// ` Its interval is 2 h instead of 60 min because energy is saved.`
    pub(super) fn say_stretched(&self, registration: &Registration, now: Now) -> Option<String> {
        let (why, interval, longer) = self.stretched(registration, now)?;
        registration.fires().then(|| format!(" Its interval is {longer} instead of {interval} because {why}."))
    }

    pub(super) fn stretch_reading(&self, registration: &Registration, now: Now) -> Option<GateReading> {
        let (why, interval, longer) = self.stretched(registration, now)?;
        Some(reading("Interval", true, format!("{longer} instead of {interval}: {why}"), "the broker"))
    }

    fn stretched(&self, registration: &Registration, now: Now) -> Option<(String, Spoken, Spoken)> {
        let (why, more) = self.stretch(registration)?;
        let interval = registration.trigger.interval().unwrap_or(Duration::ZERO);
        let why = match why {
            Stretched::Saving => "energy is saved".to_owned(),
            Stretched::Rare(since) => format!("its app was not used for {}", Spoken(now.wall - since)),
        };
        Some((why, Spoken(interval), Spoken(interval + more)))
    }
}
