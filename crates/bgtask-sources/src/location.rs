//! Where the machine is, by GeoClue: what crosses a fence, and what stays somewhere.
//!
//! GeoClue finds the place only while somebody asks for it, so it is started for that. It tells as rarely as the question
//! allows: [`Traveller::ASKS`] says how exactly a place is needed, and after how many metres the next one.

pub(crate) mod geofence;
pub(crate) mod visit;

use std::convert::Infallible;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use zbus::wire::{OwnedObjectPath, Variant};

use crate::bus::{BusKind, CALL_RETRY, CallError, Object};
use crate::event::EventTeller;
use crate::report::Status;
use crate::service::{Follower, Service, Signals, Visit, nudge};

/// By what name GeoClue, its configuration and the user's settings know who asks.
pub const LOCATION_DESKTOP_ID: &str = "org.bgtask.Broker";

/// The shortest time between two readings.
pub const LOCATION_SETTLE: Duration = Duration::from_secs(1);

/// How long after it was refused the location is asked for again. (A service that restarts is asked at once.)
pub const LOCATION_DENIED_RETRY: Duration = Duration::from_secs(15 * 60);

/// How long the user may think about the question whether the location may be known.
const CONSENT_TIMEOUT: Duration = Duration::from_secs(120);

/// The mean radius of the earth, in metres. Taking it for a sphere is wrong by half a percent at most.
const EARTH: f64 = 6_371_008.8;

const NAME: &str = "org.freedesktop.GeoClue2";
const CLIENT: &str = "org.freedesktop.GeoClue2.Client";

/// Somewhere on earth, within so many metres.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Place {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    /// Zero where the source tells none.
    pub(crate) accuracy: f64,
}

impl Place {
    /// Metres along the great circle.
    pub(crate) fn distance(self, other: Self) -> f64 {
        let (north, east) = (other.latitude - self.latitude, other.longitude - self.longitude);
        let (sin_north, sin_east) = ((north.to_radians() / 2.0).sin(), (east.to_radians() / 2.0).sin());
        let cosines = self.latitude.to_radians().cos() * other.latitude.to_radians().cos();
        let chord = (sin_north * sin_north + cosines * sin_east * sin_east).clamp(0.0, 1.0);
        2.0 * EARTH * chord.sqrt().asin()
    }

    /// The fields of an event that happened here.
    pub(crate) fn fields(self, state: &'static str) -> [(&'static str, Value); 4] {
        [
            ("state", state.into()),
            ("latitude", self.latitude.into()),
            ("longitude", self.longitude.into()),
            ("accuracy", self.accuracy.into()),
        ]
    }

    fn checked(self) -> Result<Self, CallError> {
        let real = self.latitude.abs() <= 90.0 && self.longitude.abs() <= 180.0;
        // Some sources tell an accuracy of minus one where they know none.
        let accuracy = if self.accuracy.is_finite() { self.accuracy.max(0.0) } else { f64::MAX };
        let nonsense = || CallError::Nonsense(format!("{}, {} is no place", self.latitude, self.longitude));
        real.then_some(Self { accuracy, ..self }).ok_or_else(nonsense)
    }
}

/// How a place is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asking {
    /// In GeoClue's numbers.
    pub(crate) level: u32,
    /// How far the machine has to move before the next place is told, in metres.
    pub(crate) step: u32,
}

/// GeoClue's accuracy levels.
pub(crate) const CITY: u32 = 4;
pub(crate) const STREET: u32 = 6;
pub(crate) const EXACT: u32 = 8;

/// An event: what state began where.
pub(crate) type Passage = (&'static str, Place);

/// Who makes events of places.
pub(crate) trait Traveller: Send {
    fn asks(&self) -> Asking;

    /// The coarsest accuracy that says anything, in metres.
    fn needs(&self) -> f64;

    /// The machine is here.
    fn reached(&mut self, place: Place) -> Option<Passage>;

    /// When staying where it is would be news.
    fn deadline(&self) -> Option<Instant>;

    /// That moment came.
    fn stayed(&mut self) -> Option<Passage>;
}

/// Follows GeoClue on behalf of a traveller.
#[derive(Debug)]
pub(crate) struct Journey<T>(pub(crate) T);

impl<T: Traveller> Follower for Journey<T> {
    const SERVICE: Service = Service { bus: BusKind::System, name: NAME, start: true };

    async fn follow(&mut self, visit: &Visit<'_>, teller: &EventTeller) -> Result<Infallible, CallError> {
        let manager = visit.object("/org/freedesktop/GeoClue2/Manager", "org.freedesktop.GeoClue2.Manager");
        let path: OwnedObjectPath = manager.call(visit.connection, "GetClient", None).await?;
        let changed = format!("path='{path}',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'");
        let moved = format!("path='{path}',interface='{CLIENT}',member='LocationUpdated'");
        let signals = visit.signals(&[&changed, &moved], nudge).await?;
        let client = visit.object(path.as_str(), CLIENT);
        start(&client, visit, self.0.asks()).await?;
        loop {
            let read = Instant::now();
            let place = match place(&client, visit).await {
                Err(CallError::Nonsense(why)) => Err(why),
                known => Ok(known?),
            };
            teller.status(self.heard(&place));
            if let Ok(Located::At(place)) = place {
                tell(teller, self.0.reached(place));
            }
            self.wait(&signals, teller).await?;
            sleep_until(read + LOCATION_SETTLE).await;
            signals.forget();
        }
    }

    fn missing(&self, error: &CallError) -> Status {
        let why = format!("GeoClue does not tell where the machine is: {error}");
        let help = match error {
            CallError::NoService => "install geoclue-2.0".to_owned(),
            error if error.is_denial() => format!(
                "allow it in the user's location settings, or append `[{LOCATION_DESKTOP_ID}]`, `allowed=true`, \
                 `system=true` and `users=`, each on a line of its own, to /etc/geoclue/geoclue.conf and restart geoclue"
            ),
            _ => "restart geoclue".to_owned(),
        };
        Status::Missing { why, help }
    }

    fn retry(&self, error: &CallError) -> Duration {
        if error.is_denial() { LOCATION_DENIED_RETRY } else { CALL_RETRY }
    }
}

impl<T: Traveller> Journey<T> {
    /// Waits for the next place.
    async fn wait(&mut self, signals: &Signals<()>, teller: &EventTeller) -> Result<(), CallError> {
        loop {
            let deadline = self.0.deadline();
            tokio::select! {
                heard = signals.next() => return heard.map(drop),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    tell(teller, self.0.stayed());
                }
            }
        }
    }

    fn heard(&self, place: &Result<Located, String>) -> Status {
        let how = "GeoClue".to_owned();
        let degraded =
            |why: &str, help: &str| Status::Degraded { how: how.clone(), why: why.to_owned(), help: help.to_owned() };
        match place {
            Err(nonsense) => degraded(&format!("what it tells makes no sense: {nonsense}"), "restart geoclue"),
            Ok(Located::Off) => Status::Missing {
                why: "the user has switched locations off".to_owned(),
                help: "switch them on in the settings".to_owned(),
            },
            Ok(Located::Nowhere) => degraded(
                "it does not know yet where the machine is",
                "give it something to find that by: Wi-Fi, a receiver of satellites, or a phone (`[network-nmea]`)",
            ),
            Ok(Located::At(place)) if place.accuracy > self.0.needs() => degraded(
                "it knows the place less exactly than what was asked is large",
                "ask for a larger circle, or give it a receiver of satellites",
            ),
            Ok(Located::At(_)) => Status::Available { how },
        }
    }
}

fn tell(teller: &EventTeller, passage: Option<Passage>) {
    if let Some((state, place)) = passage {
        teller.event(place.fields(state));
    }
}

/// Says who asks for what, and waits until it is granted.
async fn start(client: &Object<'_>, visit: &Visit<'_>, asking: Asking) -> Result<(), CallError> {
    let properties = Object { interface: "org.freedesktop.DBus.Properties", ..*client };
    let wishes: [(&str, Variant<'_>); 3] = [
        ("DesktopId", LOCATION_DESKTOP_ID.into()),
        ("DistanceThreshold", asking.step.into()),
        ("RequestedAccuracyLevel", asking.level.into()),
    ];
    for (name, wish) in wishes {
        let () = properties.call_with(visit.connection, "Set", &(CLIENT, name, wish)).await?;
    }
    client.call_within(CONSENT_TIMEOUT, visit.connection, "Start", &()).await
}

/// What GeoClue knows.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Located {
    Off,
    Nowhere,
    At(Place),
}

async fn place(client: &Object<'_>, visit: &Visit<'_>) -> Result<Located, CallError> {
    let properties = client.properties(visit.connection).await?;
    if !properties.get("Active")?.unwrap_or(true) {
        return Ok(Located::Off);
    }
    let path: OwnedObjectPath = properties.require("Location")?;
    if path.as_str() == "/" {
        return Ok(Located::Nowhere);
    }
    let location = visit.object(path.as_str(), "org.freedesktop.GeoClue2.Location");
    let location = match location.properties(visit.connection).await {
        // It has moved on already, which is told.
        Err(CallError::NoObject) => return Ok(Located::Nowhere),
        location => location?,
    };
    let place = Place {
        latitude: location.require("Latitude")?,
        longitude: location.require("Longitude")?,
        accuracy: location.require("Accuracy")?,
    };
    place.checked().map(Located::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(latitude: f64, longitude: f64) -> Place {
        Place { latitude, longitude, accuracy: 0.0 }
    }

    #[test]
    fn distances_are_those_of_an_atlas() {
        let known = [
            (at(52.5200, 13.4050), at(48.8566, 2.3522), 877_500.0),
            (at(0.0, 179.5), at(0.0, -179.5), 111_195.0),
            (at(90.0, 0.0), at(-90.0, 77.0), 20_015_115.0),
            (at(52.5, 13.4), at(52.5, 13.4), 0.0),
        ];
        for (from, to, metres) in known {
            let distance = from.distance(to);
            assert!((distance - metres).abs() <= metres * 0.001, "{distance} is not {metres}");
        }
    }

    #[test]
    fn what_is_no_place_is_nonsense_and_an_unknown_accuracy_is_the_worst() {
        for (latitude, longitude) in [(91.0, 0.0), (0.0, 181.0), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert!(at(latitude, longitude).checked().is_err(), "{latitude}, {longitude}");
        }
        let accuracy = |accuracy| Place { accuracy, ..at(1.0, 1.0) }.checked().unwrap().accuracy;
        assert_eq!([accuracy(-1.0), accuracy(f64::NAN), accuracy(5.0)], [0.0, f64::MAX, 5.0]);
    }
}
