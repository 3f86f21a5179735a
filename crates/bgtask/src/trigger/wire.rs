//! Triggers as the broker hears of them and tells of them.

use std::collections::HashMap;

use bgtask_wire::TaskInfo;
use zbus::{OwnedVariant, Variant};

use super::{
    ApplicationTrigger, CustomSystemEventTrigger, CustomSystemEventTriggerRecurrence, MaintenanceTrigger,
    MediaProcessingTrigger, SystemTrigger, SystemTriggerType, TimeTrigger, Trigger,
};
use crate::Error;

const SYSTEM: &str = "SystemTrigger";
const TIME: &str = "TimeTrigger";
const MAINTENANCE: &str = "MaintenanceTrigger";
pub(super) const APPLICATION: &str = "ApplicationTrigger";
pub(super) const MEDIA_PROCESSING: &str = "MediaProcessingTrigger";
const CUSTOM: &str = "CustomSystemEventTrigger";

/// The class of a trigger and its properties.
pub(crate) type WireTrigger = (&'static str, HashMap<&'static str, OwnedVariant>);

impl Trigger {
    pub(crate) fn to_wire(&self) -> Result<WireTrigger, Error> {
        let timer =
            |freshness: u32, one_shot: bool| vec![("freshness", freshness.into()), ("one_shot", one_shot.into())];
        let (class, properties) = match self {
            Self::System(it) => {
                (SYSTEM, vec![("type", it.trigger_type().name().into()), ("one_shot", it.one_shot().into())])
            }
            Self::Time(it) => (TIME, timer(it.freshness_time(), it.one_shot())),
            Self::Maintenance(it) => (MAINTENANCE, timer(it.freshness_time(), it.one_shot())),
            Self::Application(_) => (APPLICATION, vec![]),
            Self::MediaProcessing(_) => (MEDIA_PROCESSING, vec![]),
            Self::CustomSystemEvent(it) => {
                let id = it.trigger_id().to_owned();
                (CUSTOM, vec![("id", id.into()), ("recurrence", it.recurrence().name().into())])
            }
        };
        let own = |(name, value): (&'static str, Variant<'static>)| {
            Ok((name, OwnedVariant::try_from(value).map_err(Error::protocol)?))
        };
        Ok((class, properties.into_iter().map(own).collect::<Result<_, Error>>()?))
    }

    /// `None` for one that this version does not know (REG-2).
    pub(crate) fn read(info: &TaskInfo) -> Option<Self> {
        Some(match info.trigger.as_str() {
            SYSTEM => SystemTrigger::new(SystemTriggerType::from_name(&info.trigger_type)?, info.one_shot).into(),
            TIME => TimeTrigger::new(info.freshness?, info.one_shot).into(),
            MAINTENANCE => MaintenanceTrigger::new(info.freshness?, info.one_shot).into(),
            APPLICATION => ApplicationTrigger::new().into(),
            MEDIA_PROCESSING => MediaProcessingTrigger::new().into(),
            CUSTOM => {
                let recurrence = CustomSystemEventTriggerRecurrence::from_name(info.recurrence.as_deref()?)?;
                CustomSystemEventTrigger::new(info.event_id.as_deref()?, recurrence).into()
            }
            _ => return None,
        })
    }
}
