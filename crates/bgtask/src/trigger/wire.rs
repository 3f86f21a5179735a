//! Triggers as the broker hears of them and tells of them.

use std::collections::HashMap;

use bgtask_wire::TaskInfo;
use zbus::{OwnedVariant, Variant};

use super::event::EventProperties;
use super::{
    ApplicationTrigger, CustomSystemEventTrigger, CustomSystemEventTriggerRecurrence, DeviceUseTrigger,
    MaintenanceTrigger, MediaProcessingTrigger, SystemTrigger, SystemTriggerType, TimeTrigger, Trigger,
};
use crate::Error;

const SYSTEM: &str = "SystemTrigger";
const TIME: &str = "TimeTrigger";
const MAINTENANCE: &str = "MaintenanceTrigger";
pub(super) const APPLICATION: &str = "ApplicationTrigger";
pub(super) const MEDIA_PROCESSING: &str = "MediaProcessingTrigger";
pub(super) const DEVICE_USE: &str = "DeviceUseTrigger";
const CUSTOM: &str = "CustomSystemEventTrigger";

/// The class of a trigger and its properties.
pub(crate) type WireTrigger<'a> = (&'static str, HashMap<&'a str, OwnedVariant>);

impl Trigger {
    pub(crate) fn to_wire(&self) -> Result<WireTrigger<'_>, Error> {
        let (class, properties) = match self.listens_to() {
            Some((class, listened)) => (class, listened.to_wire()),
            None => self.plain_to_wire(),
        };
        let own = |(name, value): (_, Variant<'_>)| Ok((name, OwnedVariant::try_from(value).map_err(Error::protocol)?));
        Ok((class, properties.into_iter().map(own).collect::<Result<_, Error>>()?))
    }

    fn plain_to_wire(&self) -> (&'static str, Vec<(&str, Variant<'_>)>) {
        let timer =
            |freshness: u32, one_shot: bool| vec![("freshness", freshness.into()), ("one_shot", one_shot.into())];
        match self {
            Self::System(it) => {
                (SYSTEM, vec![("type", it.trigger_type().name().into()), ("one_shot", it.one_shot().into())])
            }
            Self::Time(it) => (TIME, timer(it.freshness_time(), it.one_shot())),
            Self::Maintenance(it) => (MAINTENANCE, timer(it.freshness_time(), it.one_shot())),
            Self::Application(_) => (APPLICATION, vec![]),
            Self::MediaProcessing(_) => (MEDIA_PROCESSING, vec![]),
            Self::DeviceUse(_) => (DEVICE_USE, vec![]),
            Self::CustomSystemEvent(it) => {
                (CUSTOM, vec![("id", it.trigger_id().into()), ("recurrence", it.recurrence().name().into())])
            }
            _ => unreachable!("all others listen"),
        }
    }

    /// `None` for one that this version does not know (REG-2).
    pub(crate) fn read(info: &TaskInfo) -> Option<Self> {
        Some(match info.trigger.as_str() {
            SYSTEM => SystemTrigger::new(SystemTriggerType::from_name(&info.trigger_type)?, info.one_shot).into(),
            TIME => TimeTrigger::new(info.freshness?, info.one_shot).into(),
            MAINTENANCE => MaintenanceTrigger::new(info.freshness?, info.one_shot).into(),
            APPLICATION => ApplicationTrigger::new().into(),
            MEDIA_PROCESSING => MediaProcessingTrigger::new().into(),
            DEVICE_USE => DeviceUseTrigger::new().into(),
            CUSTOM => {
                let recurrence = CustomSystemEventTriggerRecurrence::from_name(info.recurrence.as_deref()?)?;
                CustomSystemEventTrigger::new(info.event_id.as_deref()?, recurrence).into()
            }
            class => return Self::listening(class, EventProperties::read(info)),
        })
    }
}

impl EventProperties {
    fn to_wire(&self) -> Vec<(&str, Variant<'_>)> {
        let texts = self.texts.iter().map(|(name, value)| (name.as_str(), value.as_str().into()));
        texts.chain([("one_shot", self.one_shot.into())]).collect()
    }

    fn read(info: &TaskInfo) -> Self {
        let texts = info.trigger_properties.iter().flatten();
        let texts = texts.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { texts, one_shot: info.one_shot }
    }
}
