//! Whether a Bluetooth device is connected.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::bluetooth::{self, DEVICE, changes, device, objects, path_part, unknown};
use crate::bus::CallError;
use crate::event::EventTeller;
use crate::given::Given;
use crate::report::Status;
use crate::service::{Follower, Service, Visit, follow};
use crate::world::World;

/// The shortest time between two looks at a connection. One that is lost and made again within it is not told.
pub const CONNECTION_SETTLE: Duration = Duration::from_millis(100);

/// A Bluetooth device whose connection is watched. Serves the `DeviceConnectionChangeTrigger` for such devices.
///
/// The fields of an event are `device_id`, the address, and `connected`. How it is first is no event. A service that
/// restarts is none either, but what is different when it is back is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BluetoothConnectionSpec {
    /// In capitals, as in `A4:C1:38:00:11:22`.
    pub address: String,
}

impl BluetoothConnectionSpec {
    /// Reads `device_id`, which must be the address of a Bluetooth device.
    ///
    /// # Errors
    ///
    /// One sentence: what is wrong, and what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["device_id"], properties)?;
        Ok(Self { address: bluetooth::needed_address(&given, "device_id")? })
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: BluetoothConnectionSpec, world: &World, teller: EventTeller) -> Infallible {
    follow(Peer { address: spec.address, connected: None }, world, teller).await
}

#[derive(Debug)]
struct Peer {
    address: String,
    connected: Option<bool>,
}

impl Follower for Peer {
    const SERVICE: Service = bluetooth::SERVICE;

    async fn follow(&mut self, visit: &Visit<'_>, teller: &EventTeller) -> Result<Infallible, CallError> {
        let end = path_part(&self.address);
        let signals = changes(visit, &[DEVICE], move |change| change.path().ends_with(&end).then_some(())).await?;
        loop {
            let read = Instant::now();
            let tree = objects(visit).await?;
            let known = device(&tree, &self.address)?;
            teller.status(match known {
                Some(_) => Status::Available { how: "BlueZ".to_owned() },
                None => unknown(&tree, &self.address),
            });
            let connected = known.is_some_and(|(_, connected)| connected);
            if self.connected.replace(connected).is_some_and(|before| before != connected) {
                teller.event([("device_id", self.address.clone().into()), ("connected", connected.into())]);
            }
            signals.next().await?;
            sleep_until(read + CONNECTION_SETTLE).await;
            signals.forget();
        }
    }

    fn missing(&self, error: &CallError) -> Status {
        bluetooth::missing(error)
    }
}
