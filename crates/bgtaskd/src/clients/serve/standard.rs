//! What every D-Bus object answers, and what generic tools ask of a bus.

use std::collections::HashMap;

use bgtask_core::Core;
use bgtask_wire::{BROKER_INTERFACE, BROKER_PATH, Error, ErrorKind, PEER_NAME, Standard, xml};
use zbus::{Message, Variant};

use super::answered;

pub(super) fn answer(call: &Standard, core: &Core, message: &Message) -> Result<Message, Error> {
    match call {
        Standard::Introspect(path) => answered(message, &introspection(path)?),
        Standard::Ping | Standard::Listen | Standard::RemoveMatch => answered(message, &()),
        Standard::GetMachineId => answered(message, &machine_id()),
        Standard::GetProperty(name) => {
            let mut properties = properties(core);
            let value = properties.remove(name.as_str()).ok_or_else(|| no_property(name, &properties))?;
            answered(message, &value)
        }
        Standard::GetAllProperties => answered(message, &properties(core)),
        Standard::Hello | Standard::NameOwner => answered(message, &PEER_NAME),
    }
}

fn properties(core: &Core) -> HashMap<&'static str, Variant<'static>> {
    let version = Variant::from(env!("CARGO_PKG_VERSION"));
    HashMap::from([("Version", version), ("BackgroundEnabled", core.background_enabled().into())])
}

fn no_property(name: &str, properties: &HashMap<&'static str, Variant<'static>>) -> Error {
    let mut names: Vec<_> = properties.keys().map(|name| format!("{name:?}")).collect();
    names.sort();
    Error::new(ErrorKind::InvalidSignature, format!("there is no property {name:?}: there are {}", names.join(" and ")))
}

/// The broker's own XML at its path, and the way there at every path above.
fn introspection(path: &str) -> Result<String, Error> {
    if path == BROKER_PATH {
        return Ok(xml::BROKER.to_owned());
    }
    let above = if path == "/" { "/" } else { &format!("{path}/") };
    match BROKER_PATH.strip_prefix(above).and_then(|rest| rest.split('/').next()) {
        Some(child) => Ok(format!("<node>\n  <node name=\"{child}\"/>\n</node>\n")),
        None => {
            let text = format!("there is nothing at {path:?}; {BROKER_INTERFACE} is at {BROKER_PATH:?}");
            Err(Error::new(ErrorKind::UnknownMethod, text))
        }
    }
}

fn machine_id() -> String {
    std::fs::read_to_string("/etc/machine-id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
