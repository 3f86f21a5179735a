//! Bluetooth devices, by BlueZ: what they advertise, what they notify of, whether they are connected.

pub(crate) mod advertisement;
pub(crate) mod connection;
pub(crate) mod gatt;

use std::collections::HashMap;

use zbus::Message;
use zbus::wire::{OwnedObjectPath, OwnedVariant};

use crate::bus::{BusKind, CallError, Properties};
use crate::given::Given;
use crate::outbox::Happening;
use crate::report::Status;
use crate::service::{Service, Signals, Visit};

pub(crate) const SERVICE: Service = Service { bus: BusKind::System, name: "org.bluez", start: false };

pub(crate) const ADAPTER: &str = "org.bluez.Adapter1";
pub(crate) const DEVICE: &str = "org.bluez.Device1";

/// The objects of BlueZ, each with its interfaces and their properties.
pub(crate) type Tree = HashMap<OwnedObjectPath, Interfaces>;
pub(crate) type Interfaces = HashMap<String, HashMap<String, OwnedVariant>>;

/// What BlueZ says of one of its objects.
#[derive(Debug)]
pub(crate) enum Change {
    Added(String, Interfaces),
    Removed(String),
    Changed(String, String, Properties),
}

impl Change {
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Added(path, _) | Self::Removed(path) | Self::Changed(path, ..) => path,
        }
    }

    fn read(message: &Message) -> Option<Self> {
        let header = message.header();
        let body = message.body();
        match header.member()?.as_str() {
            "InterfacesAdded" => {
                let (path, interfaces): (OwnedObjectPath, Interfaces) = body.deserialize().ok()?;
                Some(Self::Added(path.to_string(), interfaces))
            }
            "InterfacesRemoved" => {
                let (path, _): (OwnedObjectPath, Vec<String>) = body.deserialize().ok()?;
                Some(Self::Removed(path.to_string()))
            }
            "PropertiesChanged" => {
                let (interface, changed, _): (String, HashMap<String, OwnedVariant>, Vec<String>) =
                    body.deserialize().ok()?;
                Some(Self::Changed(header.path()?.to_string(), interface, Properties::of(changed)))
            }
            _ => None,
        }
    }
}

/// Everything BlueZ knows.
pub(crate) async fn objects(visit: &Visit<'_>) -> Result<Tree, CallError> {
    visit.object("/", "org.freedesktop.DBus.ObjectManager").call(visit.connection, "GetManagedObjects", None).await
}

/// Hears of objects that come and go, and of changes of these interfaces; of all that, what `read` makes something of.
pub(crate) async fn changes<T: Happening + Send + 'static>(
    visit: &Visit<'_>,
    interfaces: &[&str],
    read: impl Fn(Change) -> Option<T> + Send + 'static,
) -> Result<Signals<T>, CallError> {
    let mut rules = vec!["path='/',interface='org.freedesktop.DBus.ObjectManager'".to_owned()];
    for interface in interfaces {
        rules.push(format!(
            "path_namespace='/org/bluez',interface='org.freedesktop.DBus.Properties',\
             member='PropertiesChanged',arg0='{interface}'"
        ));
    }
    let rules: Vec<_> = rules.iter().map(String::as_str).collect();
    visit.signals(&rules, move |message| Change::read(message).and_then(&read)).await
}

/// The properties of an interface, if the object has it.
pub(crate) fn properties(interfaces: &Interfaces, interface: &str) -> Option<Properties> {
    let properties = interfaces.get(interface)?;
    Some(Properties::of(properties.clone()))
}

/// The device of this address on any adapter, the connected one first.
pub(crate) fn device<'t>(tree: &'t Tree, address: &str) -> Result<Option<(&'t str, bool)>, CallError> {
    let mut found: Option<(&str, bool)> = None;
    for (path, interfaces) in tree {
        let Some(device) = properties(interfaces, DEVICE) else { continue };
        if device.require::<String>("Address")?.eq_ignore_ascii_case(address) {
            let connected = device.require("Connected")?;
            if found.is_none_or(|(_, known)| !known) {
                found = Some((path.as_str(), connected));
            }
        }
    }
    Ok(found)
}

/// What ends the path of every object of this device, on whichever adapter.
pub(crate) fn path_part(address: &str) -> String {
    format!("/dev_{}", address.replace(':', "_"))
}

/// Why nothing is heard of a device that BlueZ does not know.
pub(crate) fn unknown(tree: &Tree, address: &str) -> Status {
    no_adapter(tree).unwrap_or_else(|| Status::Missing {
        why: format!("BlueZ knows no device {address}"),
        help: format!("pair it: `bluetoothctl pair {address}`"),
    })
}

/// What to say if no adapter is there and switched on.
pub(crate) fn no_adapter(tree: &Tree) -> Option<Status> {
    let adapters: Vec<_> = tree.values().filter_map(|interfaces| properties(interfaces, ADAPTER)).collect();
    let (why, help) = match adapters.is_empty() {
        true => ("BlueZ knows no Bluetooth adapter", "plug one in, or load its kernel driver"),
        false if adapters.iter().any(|adapter| adapter.get("Powered") == Ok(Some(true))) => return None,
        false => ("Bluetooth is switched off", "switch it on: `bluetoothctl power on`"),
    };
    Some(Status::Missing { why: why.to_owned(), help: help.to_owned() })
}

/// What to say while BlueZ cannot be asked.
pub(crate) fn missing(error: &CallError) -> Status {
    let help = match error {
        CallError::NoService => "install and start bluez",
        error if error.is_denial() => "let this user talk to org.bluez: add it to the group `bluetooth`",
        _ => "restart bluetoothd",
    };
    Status::Missing { why: format!("BlueZ cannot be asked: {error}"), help: help.to_owned() }
}

/// The address of a device as BlueZ writes it, if `text` is one: six bytes, as in `A4:C1:38:00:11:22`.
pub(crate) fn address(text: &str) -> Option<String> {
    let bytes: Vec<_> = text.split(':').collect();
    let hex = |byte: &&str| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
    (bytes.len() == 6 && bytes.iter().all(hex)).then(|| text.to_ascii_uppercase())
}

/// The address that a property must give.
pub(crate) fn needed_address(given: &Given<'_>, name: &str) -> Result<String, String> {
    let example = "A4:C1:38:00:11:22";
    let text = given.need(name, example)?;
    let refused = || format!("`{name}` is `{text}`; write an address like `{example}`");
    address(text).ok_or_else(refused)
}

/// A UUID as BlueZ writes it, if `text` is one; of the short ones, four or eight digits are enough.
pub(crate) fn uuid(text: &str) -> Option<String> {
    let text = text.trim_start_matches("0x").to_ascii_lowercase();
    let hex = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_hexdigit());
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    match lengths[..] {
        [4 | 8] if hex(&text) => Some(format!("{text:0>8}-0000-1000-8000-00805f9b34fb")),
        [8, 4, 4, 4, 12] if text.split('-').all(hex) => Some(text),
        _ => None,
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_uuids_are_read_in_every_usual_spelling() {
        assert_eq!(address("a4:c1:38:00:11:ff").as_deref(), Some("A4:C1:38:00:11:FF"));
        for bad in ["", "a4:c1:38:00:11", "a4:c1:38:00:11:fg", "a4c1380011ff", "a4:c1:38:00:11:ff:00", "/sys/devices"] {
            assert_eq!(address(bad), None, "{bad}");
        }
        let heart = Some("0000180d-0000-1000-8000-00805f9b34fb".to_owned());
        for text in ["180D", "0x180d", "0000180d", "0000180D-0000-1000-8000-00805F9B34FB"] {
            assert_eq!(uuid(text), heart, "{text}");
        }
        for bad in ["", "180", "180g", "0000180d-0000", "0000180d-0000-1000-8000-00805f9b34f", "----"] {
            assert_eq!(uuid(bad), None, "{bad}");
        }
        assert_eq!(hex(&[0, 0x48, 0xff]), "0048ff");
    }
}
