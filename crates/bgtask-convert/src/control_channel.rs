//! Control channels, between wire and core.

use std::collections::HashMap;

use bgtask_core::{
    ControlChannel, ControlChannelTriggerResetReason, ControlChannelTriggerResourceType, Details, SystemTriggerType,
    Trigger,
};
use bgtask_wire::{ControlChannelInfo, Error, ErrorKind};
use zbus::{OwnedVariant, Variant};

/// What a channel asks for, by its number.
///
/// # Errors
///
/// There is no such number.
pub fn channel_resource(number: u32) -> Result<ControlChannelTriggerResourceType, Error> {
    ControlChannelTriggerResourceType::from_number(number).ok_or_else(|| {
        let text = format!("there is no ControlChannelTriggerResourceType {number}: 0 is a software slot");
        Error::new(ErrorKind::InvalidArgument, text)
    })
}

/// A channel as the contract describes it.
pub fn channel_info(channel: &ControlChannel) -> ControlChannelInfo {
    ControlChannelInfo {
        app: channel.app.to_string(),
        id: channel.id.to_string(),
        state: channel.state.word().to_owned(),
        keep_alive: u32::try_from(channel.keep_alive.as_secs() / 60).unwrap_or(u32::MAX),
        due: channel.due.as_micros(),
    }
}

/// What the task of a channel hears (`IControlChannelTriggerEventDetails`): `channel` and `on` (s); and that of a reset
/// (`IControlChannelTriggerResetEventDetails`): `reset_reason` (u), `software_slot_reset` and `hardware_slot_reset` (b). `None` for every
/// other trigger.
pub(crate) fn channel_details(
    trigger: &Trigger,
    carried: Option<&Details>,
) -> zbus::Result<Option<HashMap<String, OwnedVariant>>> {
    let fields: Vec<(&str, Variant<'static>)> = match (trigger, trigger.control_channel()) {
        (_, Some((id, side))) => vec![("channel", id.to_string().into()), ("on", side.word().into())],
        (Trigger::System { kind: SystemTriggerType::ControlChannelReset, .. }, _) => {
            // There are no hardware slots to be reset.
            let name = carried.and_then(|details| std::str::from_utf8(&details.0).ok());
            let reason = name.and_then(ControlChannelTriggerResetReason::from_name);
            let reason = reason.unwrap_or(ControlChannelTriggerResetReason::ApplicationRestart).number();
            let slots = [("software_slot_reset", true.into()), ("hardware_slot_reset", false.into())];
            [("reset_reason", reason.into())].into_iter().chain(slots).collect()
        }
        _ => return Ok(None),
    };
    let owned = fields.into_iter().map(|(name, value)| Ok((name.to_owned(), OwnedVariant::try_from(value)?)));
    owned.collect::<zbus::Result<_>>().map(Some)
}
