//! What a characteristic of a Bluetooth device notifies of.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout_at};
use zbus::wire::OwnedObjectPath;

use crate::bluetooth::{self, Change, DEVICE, Tree, changes, device, hex, objects, path_part, properties, unknown};
use crate::bus::{CALL_RETRY, CallError};
use crate::event::{EventTeller, MAX_FIELD_BYTES};
use crate::given::Given;
use crate::outbox::Happening;
use crate::report::Status;
use crate::service::{Follower, Heard, Service, Signals, Visit, follow};
use crate::world::World;

/// For how long values are gathered, in the modes that do, from the first of them on.
pub const GATT_GATHER: Duration = Duration::from_secs(1);

/// How long a device may take to be connected.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

const GATT_SERVICE: &str = "org.bluez.GattService1";
const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";

/// How several values in a short time are told.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum GattMode {
    /// Each by itself, at once.
    #[default]
    Serial,
    /// Those of [`GATT_GATHER`] together: `values` lists them all, `value` is the last.
    Batch,
    /// Of those of [`GATT_GATHER`] only the last.
    KeepLatest,
}

/// A characteristic that notifies or indicates. Serves the `GattCharacteristicNotificationTrigger`.
///
/// The fields of an event are `device`, `service` and `characteristic` as in this specification, and `value`: the bytes
/// in hexadecimal.
///
/// While somebody listens the device is kept connected as far as it can be: where it is not, it is asked to once a
/// minute, as Windows does. BlueZ does not say whether a value came by a notification or because another program read
/// it: both are told. What a device has to say while it is not connected is lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GattSpec {
    /// The address, in capitals.
    pub device: String,
    /// The UUID of the service, of 128 bits, in small letters.
    pub service: String,
    /// The UUID of the characteristic, in the same way.
    pub characteristic: String,
    /// How values are told.
    pub mode: GattMode,
}

impl GattSpec {
    /// Reads `device` (an address), `service` and `characteristic` (UUIDs, long or short), and `mode` (`Serial`, which is
    /// the default, `Batch` or `KeepLatest`).
    ///
    /// # Errors
    ///
    /// One sentence: what is wrong, and what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["device", "service", "characteristic", "mode"], properties)?;
        let uuid = |name, example| {
            let text = given.need(name, example)?;
            let refused = || format!("`{name}` is `{text}`; write a UUID, or its four digits as in `{example}`");
            bluetooth::uuid(text).ok_or_else(refused)
        };
        let modes = [("Serial", GattMode::Serial), ("Batch", GattMode::Batch), ("KeepLatest", GattMode::KeepLatest)];
        Ok(Self {
            device: bluetooth::needed_address(&given, "device")?,
            service: uuid("service", "180d")?,
            characteristic: uuid("characteristic", "2a37")?,
            mode: given.word("mode", &modes)?.unwrap_or_default(),
        })
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: GattSpec, world: &World, teller: EventTeller) -> Infallible {
    follow(Subscriber { spec }, world, teller).await
}

struct Subscriber {
    spec: GattSpec,
}

/// How far the way to the characteristic goes.
enum Way {
    Nowhere(Status),
    /// The path of a device that is not connected.
    Device(String),
    /// It is connected, and its services are not known yet.
    Unresolved,
    Characteristic {
        path: String,
        notifying: bool,
    },
}

/// What is heard of the device.
enum News {
    /// A characteristic, by its path, has this value.
    Value(String, String),
    /// Something came, went, was connected or is not any more.
    Structure,
}

impl News {
    /// What a change says, if it is one of the device in whose objects' paths `part` is.
    fn of(change: Change, part: &str) -> Option<Self> {
        if !change.path().contains(part) {
            return None;
        }
        match change {
            Change::Changed(path, _, properties) if !properties.is_without("Value") => {
                // What is no value says nothing.
                let value: Vec<u8> = properties.get("Value").ok()??;
                Some(Self::Value(path, hex(&value)))
            }
            Change::Changed(_, _, properties) => {
                let structure = ["Connected", "ServicesResolved", "Notifying"];
                let changed = structure.iter().any(|name| !properties.is_without(name));
                changed.then_some(Self::Structure)
            }
            Change::Added(..) | Change::Removed(_) => Some(Self::Structure),
        }
    }
}

impl Happening for News {
    fn repeats(&self, before: &Self) -> bool {
        matches!((self, before), (Self::Structure, Self::Structure))
    }
}

impl Follower for Subscriber {
    const SERVICE: Service = bluetooth::SERVICE;

    async fn follow(&mut self, visit: &Visit<'_>, teller: &EventTeller) -> Result<Infallible, CallError> {
        let part = path_part(&self.spec.device);
        let read = move |change: Change| News::of(change, &part);
        let signals = changes(visit, &[DEVICE, CHARACTERISTIC], read).await?;
        // Whether BlueZ was told that this connection listens.
        let mut subscribed = false;
        loop {
            let way = self.way(&objects(visit).await?)?;
            subscribed &= matches!(way, Way::Characteristic { notifying: true, .. });
            let status = self.heard(&way);
            if !matches!(way, Way::Characteristic { .. }) {
                teller.status(status.clone());
            }
            match way {
                Way::Characteristic { path, .. } => {
                    if !subscribed && let Err(error) = subscribe(&path, visit).await {
                        teller.status(self.refused(&error));
                        pause(Instant::now() + CALL_RETRY, &signals).await?;
                        continue;
                    }
                    subscribed = true;
                    teller.status(status);
                    self.listen(&path, &signals, teller).await?;
                }
                Way::Device(path) => {
                    let object = visit.object(&path, DEVICE);
                    let asked = Instant::now();
                    // That it is out of reach is no error; when it is not any more, it may say so itself.
                    let answer = object.call_within::<_, ()>(CONNECT_TIMEOUT, visit.connection, "Connect", &()).await;
                    if let Err(error) = answer {
                        tracing::debug!(device = self.spec.device, %error, "not connected");
                    }
                    // Success is told like every other connection.
                    pause(asked + CALL_RETRY, &signals).await?;
                }
                Way::Nowhere(_) | Way::Unresolved => drop(signals.next().await?),
            }
        }
    }

    fn missing(&self, error: &CallError) -> Status {
        bluetooth::missing(error)
    }
}

impl Subscriber {
    fn way(&self, tree: &Tree) -> Result<Way, CallError> {
        let Some((device, connected)) = device(tree, &self.spec.device)? else {
            return Ok(Way::Nowhere(unknown(tree, &self.spec.device)));
        };
        if !connected {
            return Ok(Way::Device(device.to_owned()));
        }
        let Some(service) = child(tree, GATT_SERVICE, "Device", device, &self.spec.service)? else {
            return self.unresolved(tree, device);
        };
        let Some(path) = child(tree, CHARACTERISTIC, "Service", service, &self.spec.characteristic)? else {
            return self.unresolved(tree, device);
        };
        let found = tree.iter().find(|(known, _)| known.as_str() == path);
        let Some(characteristic) = found.and_then(|(_, interfaces)| properties(interfaces, CHARACTERISTIC)) else {
            return Ok(Way::Unresolved);
        };
        let flags: Vec<String> = characteristic.require("Flags")?;
        if !flags.iter().any(|flag| flag.ends_with("notify") || flag.ends_with("indicate")) {
            let why = format!("the characteristic {} does not notify", self.spec.characteristic);
            return Ok(Way::Nowhere(Status::Missing { why, help: "choose one that does".to_owned() }));
        }
        let notifying = characteristic.get("Notifying")?.unwrap_or(false);
        Ok(Way::Characteristic { path: path.to_owned(), notifying })
    }

    fn unresolved(&self, tree: &Tree, device: &str) -> Result<Way, CallError> {
        let found = tree.iter().find(|(known, _)| known.as_str() == device);
        let resolved = match found.and_then(|(_, interfaces)| properties(interfaces, DEVICE)) {
            Some(device) => device.get("ServicesResolved")?.unwrap_or(false),
            None => false,
        };
        if !resolved {
            return Ok(Way::Unresolved);
        }
        let why = format!(
            "the device {} has no characteristic {} in a service {}",
            self.spec.device, self.spec.characteristic, self.spec.service
        );
        let help = "look what it has: `bluetoothctl gatt.list-attributes`".to_owned();
        Ok(Way::Nowhere(Status::Missing { why, help }))
    }

    fn heard(&self, way: &Way) -> Status {
        let how = "BlueZ".to_owned();
        match way {
            Way::Nowhere(status) => status.clone(),
            Way::Device(_) => Status::Degraded {
                how,
                why: format!("the device {} is not connected", self.spec.device),
                help: "switch it on and bring it near".to_owned(),
            },
            Way::Unresolved => Status::Degraded {
                how,
                why: format!("the services of the device {} are not known yet", self.spec.device),
                help: "wait a moment".to_owned(),
            },
            Way::Characteristic { .. } => Status::Available { how },
        }
    }

    fn refused(&self, error: &CallError) -> Status {
        let why = format!("the device {} does not notify: {error}", self.spec.device);
        let help = "pair it anew, and look whether another program holds it".to_owned();
        Status::Degraded { how: "BlueZ".to_owned(), why, help }
    }

    /// Tells the values of the characteristic until something else changes.
    async fn listen(&self, path: &str, signals: &Signals<News>, teller: &EventTeller) -> Result<(), CallError> {
        let mut gathered: Vec<String> = Vec::new();
        let mut due = Instant::now();
        loop {
            let heard = tokio::select! {
                heard = signals.next() => heard,
                () = sleep_until(due), if !gathered.is_empty() => {
                    self.tell(std::mem::take(&mut gathered), teller);
                    continue;
                }
            };
            let value = match heard {
                Ok(Heard::Signal(News::Value(at, value))) if at == path => value,
                Ok(Heard::Signal(News::Value(..))) => continue,
                Ok(Heard::Lost(lost)) => {
                    teller.lost(lost);
                    continue;
                }
                changed => {
                    self.tell(gathered, teller);
                    return changed.map(drop);
                }
            };
            if gathered.is_empty() {
                due = Instant::now() + GATT_GATHER;
            }
            match self.spec.mode {
                GattMode::Serial => self.tell(vec![value], teller),
                GattMode::KeepLatest => gathered = vec![value],
                GattMode::Batch => {
                    let bytes: usize = gathered.iter().map(String::len).sum();
                    if bytes + value.len() > MAX_FIELD_BYTES {
                        self.tell(std::mem::take(&mut gathered), teller);
                    }
                    gathered.push(value);
                }
            }
        }
    }

    fn tell(&self, values: Vec<String>, teller: &EventTeller) {
        let Some(last) = values.last().cloned() else { return };
        let mut fields = vec![
            ("device", Value::from(self.spec.device.clone())),
            ("service", self.spec.service.clone().into()),
            ("characteristic", self.spec.characteristic.clone().into()),
            ("value", last.into()),
        ];
        if self.spec.mode == GattMode::Batch {
            fields.push(("values", values.into()));
        }
        teller.event(fields);
    }
}

/// Lets BlueZ pass on to this connection what the characteristic notifies of.
async fn subscribe(path: &str, visit: &Visit<'_>) -> Result<(), CallError> {
    match visit.object(path, CHARACTERISTIC).call(visit.connection, "StartNotify", None).await {
        Err(error) if says_so_already(&error) => Ok(()),
        answer => answer,
    }
}

/// Waits until something changes, or until it is time to try again.
async fn pause(until: Instant, signals: &Signals<News>) -> Result<(), CallError> {
    match timeout_at(until, signals.next()).await {
        Ok(heard) => heard.map(drop),
        Err(_) => Ok(()),
    }
}

/// The object with this interface and UUID whose property `parent` is `of`.
fn child<'t>(
    tree: &'t Tree,
    interface: &str,
    parent: &str,
    of: &str,
    uuid: &str,
) -> Result<Option<&'t str>, CallError> {
    for (path, interfaces) in tree {
        let Some(object) = properties(interfaces, interface) else { continue };
        if object.require::<OwnedObjectPath>(parent)?.as_str() == of
            && object.require::<String>("UUID")?.eq_ignore_ascii_case(uuid)
        {
            return Ok(Some(path.as_str()));
        }
    }
    Ok(None)
}

/// A device that comes back may find its old subscription in place.
fn says_so_already(error: &CallError) -> bool {
    matches!(error, CallError::Failed(why) if why.contains("org.bluez.Error.InProgress"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_or_refused_in_a_sentence() {
        let read = |pairs: &[(&str, &str)]| {
            GattSpec::read(&pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
        };
        let good = [("device", "a4:c1:38:00:11:22"), ("service", "180D"), ("characteristic", "2a37")];
        let spec = read(&good).unwrap();
        assert_eq!((spec.device.as_str(), spec.mode), ("A4:C1:38:00:11:22", GattMode::Serial));
        assert_eq!(spec.characteristic, "00002a37-0000-1000-8000-00805f9b34fb");
        assert_eq!(read(&[good[0], good[1], good[2], ("mode", "Batch")]).unwrap().mode, GattMode::Batch);
        let refused = read(&[("device", "hci0"), good[1], good[2]]).unwrap_err();
        assert_eq!(refused, "`device` is `hci0`; write an address like `A4:C1:38:00:11:22`");
        let refused = read(&[good[0], ("service", "heart"), good[2]]).unwrap_err();
        assert_eq!(refused, "`service` is `heart`; write a UUID, or its four digits as in `180d`");
    }
}
