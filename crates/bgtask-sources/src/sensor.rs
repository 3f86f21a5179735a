//! Sensors of light, proximity and orientation, by iio-sensor-proxy.
//!
//! It measures only while somebody has claimed a sensor, and most sensors have to be asked again and again for that: while
//! such a task is registered the machine is woken as often as the sensor's reading changes, at most about once a second.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout};

use crate::band::Band;
use crate::bus::{BusKind, CallError, Properties};
use crate::event::EventTeller;
use crate::given::Given;
use crate::report::Status;
use crate::service::{Follower, Service, Visit, follow, nudge};
use crate::world::World;

/// What part of a threshold of light a reading has to come back across before the same threshold can be crossed again:
/// an event above 500 lux is followed by another only after there were less than 450.
pub const LIGHT_BAND: f64 = 0.1;

/// The most light that a threshold may name, in lux. The sun at noon gives 120 000.
pub const MAX_LUX: f64 = 200_000.0;

/// The shortest time between two readings.
pub const SENSOR_SETTLE: Duration = Duration::from_millis(100);

/// How long after it was claimed a sensor may take to measure for the first time. Until then the service answers
/// something that was never measured.
const FIRST_READING: Duration = Duration::from_secs(2);

const NAME: &str = "net.hadess.SensorProxy";
const PATH: &str = "/net/hadess/SensorProxy";

/// Which readings of a sensor are events. Serves the `SensorDataThresholdTrigger`.
///
/// The fields of an event are `sensor`, a word as in [`Self::read`], and `value`: for light a number in lux, for proximity
/// whether something is near, for the orientation `normal`, `bottom-up`, `left-up` or `right-up`.
///
/// An event is a change that was seen: the first reading is how things are, and no event. That holds over a restart of
/// the service, which makes none by itself.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum SensorSpec {
    /// It became as bright as `above` or brighter, or darker than `below`, in lux. At least one is set.
    Light {
        /// The least light that counts as bright.
        above: Option<f64>,
        /// The least light that does not count as dark.
        below: Option<f64>,
    },
    /// Something came near or went away.
    Proximity,
    /// The machine was turned.
    Orientation,
}

impl SensorSpec {
    /// Reads `sensor` (`light`, `proximity` or `orientation`), and for light `above` and `below` in lux.
    ///
    /// # Errors
    ///
    /// One sentence: what is wrong, and what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["sensor", "above", "below"], properties)?;
        given.need("sensor", "light")?;
        let above = given.number("above", 0.0..=MAX_LUX, "lux")?;
        let below = given.number("below", 0.0..=MAX_LUX, "lux")?;
        let light = Self::Light { above, below };
        let words = [("light", light), ("proximity", Self::Proximity), ("orientation", Self::Orientation)];
        match given.word("sensor", &words)? {
            Some(Self::Light { above: None, below: None }) => {
                Err("a sensor of light needs `above`, `below` or both, in lux".to_owned())
            }
            Some(spec) if spec != light && (above.is_some() || below.is_some()) => {
                Err("`above` and `below` are for `sensor = light` only; the others tell every change".to_owned())
            }
            spec => Ok(spec.unwrap_or(light)),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Light { .. } => "light",
            Self::Proximity => "proximity",
            Self::Orientation => "orientation",
        }
    }

    const fn claim(self) -> &'static str {
        match self {
            Self::Light { .. } => "ClaimLight",
            Self::Proximity => "ClaimProximity",
            Self::Orientation => "ClaimAccelerometer",
        }
    }

    /// The property that says whether there is such a sensor.
    const fn presence(self) -> &'static str {
        match self {
            Self::Light { .. } => "HasAmbientLight",
            Self::Proximity => "HasProximity",
            Self::Orientation => "HasAccelerometer",
        }
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: SensorSpec, world: &World, teller: EventTeller) -> Infallible {
    follow(Thresholds { spec, edges: Edges::of(spec), known: None }, world, teller).await
}

struct Thresholds {
    spec: SensorSpec,
    edges: Edges,
    /// What a sensor without thresholds told last.
    known: Option<Value>,
}

impl Follower for Thresholds {
    const SERVICE: Service = Service { bus: BusKind::System, name: NAME, start: false };

    async fn follow(&mut self, visit: &Visit<'_>, teller: &EventTeller) -> Result<Infallible, CallError> {
        let rule = "path='/net/hadess/SensorProxy',interface='org.freedesktop.DBus.Properties',\
                    member='PropertiesChanged',arg0='net.hadess.SensorProxy'";
        let signals = visit.signals(&[rule], nudge).await?;
        let proxy = visit.object(PATH, NAME);
        let mut claimed = false;
        loop {
            let read = Instant::now();
            let properties = proxy.properties(visit.connection).await?;
            let present: bool = properties.get(self.spec.presence())?.unwrap_or(false);
            if present && !claimed {
                // Who claims twice is told so by some versions, and is none the worse for it.
                let answer = proxy.call::<()>(visit.connection, self.spec.claim(), None).await;
                answer.or_else(|error| if says_claimed(&error) { Ok(()) } else { Err(error) })?;
                claimed = true;
                teller.status(self.heard(&properties)?);
                if let Ok(ended) = timeout(FIRST_READING, signals.next()).await {
                    ended?;
                }
                continue;
            }
            // A sensor that was taken away has to be claimed again when it is back.
            claimed &= present;
            teller.status(self.heard(&properties)?);
            if present && let Some(value) = self.news(&properties)? {
                teller.event([("sensor", self.spec.word().into()), ("value", value)]);
            }
            signals.next().await?;
            sleep_until(read + SENSOR_SETTLE).await;
            signals.forget();
        }
    }

    fn missing(&self, error: &CallError) -> Status {
        let why = format!("iio-sensor-proxy cannot be asked for the sensor of {}: {error}", self.spec.word());
        let help = match error {
            CallError::NoService => "install and start iio-sensor-proxy",
            error if error.is_denial() => "let polkit allow net.hadess.SensorProxy.claim-sensor to this user",
            _ => "restart iio-sensor-proxy",
        };
        Status::Missing { why, help: help.to_owned() }
    }
}

impl Thresholds {
    fn heard(&self, properties: &Properties) -> Result<Status, CallError> {
        let how = "iio-sensor-proxy".to_owned();
        if !properties.get(self.spec.presence())?.unwrap_or(false) {
            let why = format!("iio-sensor-proxy knows no sensor of {} on this machine", self.spec.word());
            return Ok(Status::Missing { why, help: "connect one, or load its kernel driver".to_owned() });
        }
        let unit: Option<String> = properties.get("LightLevelUnit")?;
        match (self.spec, unit.as_deref()) {
            (SensorSpec::Light { .. }, Some("vendor")) => {
                let why = "the sensor measures in a unit of its maker's, often percent, and not in lux".to_owned();
                let help = "choose the thresholds by what `monitor-sensor` shows".to_owned();
                Ok(Status::Degraded { how, why, help })
            }
            _ => Ok(Status::Available { how }),
        }
    }

    /// What to tell of a reading, if it is an event.
    fn news(&mut self, properties: &Properties) -> Result<Option<Value>, CallError> {
        let value: Value = match self.spec {
            SensorSpec::Light { .. } => {
                let level: f64 = properties.require("LightLevel")?;
                return Ok(self.edges.crossed(level).then(|| level.into()));
            }
            SensorSpec::Proximity => properties.require::<bool>("ProximityNear")?.into(),
            SensorSpec::Orientation => match properties.require::<String>("AccelerometerOrientation")? {
                // Lying flat is no orientation, and what it is turned to next may be the one before.
                flat if flat == "undefined" && self.known.is_some() => return Ok(None),
                orientation => orientation.into(),
            },
        };
        let before = self.known.replace(value.clone());
        Ok(before.filter(|before| *before != value).map(|_| value))
    }
}

fn says_claimed(error: &CallError) -> bool {
    matches!(error, CallError::Failed(why) if why.contains("already"))
}

/// The thresholds of light.
#[derive(Debug)]
struct Edges(Vec<Edge>);

#[derive(Debug)]
struct Edge {
    band: Band,
    held: Option<bool>,
}

impl Edges {
    fn of(spec: SensorSpec) -> Self {
        let SensorSpec::Light { above, below } = spec else { return Self(Vec::new()) };
        let above = above.map(|lux| Band::at_least(lux, lux * (1.0 - LIGHT_BAND)));
        let below = below.map(|lux| Band::below(lux, lux * (1.0 + LIGHT_BAND)));
        Self(above.into_iter().chain(below).map(|band| Edge { band, held: None }).collect())
    }

    /// Whether any threshold was crossed on the way from the reading before to this one.
    fn crossed(&mut self, lux: f64) -> bool {
        let mut crossed = false;
        for Edge { band, held } in &mut self.0 {
            let holds = band.judge(lux);
            crossed |= held.replace(holds) == Some(false) && holds;
        }
        crossed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<SensorSpec, String> {
        SensorSpec::read(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_written_is_read_or_refused_in_a_sentence() {
        let light = SensorSpec::Light { above: Some(500.0), below: None };
        assert_eq!(read(&[("sensor", "light"), ("above", "500")]), Ok(light));
        assert_eq!(read(&[("sensor", "proximity")]), Ok(SensorSpec::Proximity));
        assert_eq!(read(&[("sensor", "orientation")]), Ok(SensorSpec::Orientation));
        assert_eq!(read(&[]), Err("`sensor` is missing; write it as in `sensor=light`".into()));
        let refused = read(&[("sensor", "light")]).unwrap_err();
        assert_eq!(refused, "a sensor of light needs `above`, `below` or both, in lux");
        let refused = read(&[("sensor", "proximity"), ("above", "1")]).unwrap_err();
        assert_eq!(refused, "`above` and `below` are for `sensor = light` only; the others tell every change");
        assert!(read(&[("sensor", "light"), ("above", "-1")]).unwrap_err().contains("from 0 to 200000 (lux)"));
    }

    #[test]
    fn light_that_wavers_at_a_threshold_crosses_it_once() {
        let mut edges = Edges::of(SensorSpec::Light { above: Some(500.0), below: Some(10.0) });
        let readings = [100.0, 500.0, 499.0, 501.0, 450.0, 449.0, 500.0, 9.0, 10.5, 9.0, 11.0, 9.9];
        let crossed = readings.map(|lux| edges.crossed(lux));
        let expected = [false, true, false, false, false, false, true, true, false, false, false, true];
        assert_eq!(crossed, expected);
    }

    #[test]
    fn the_first_reading_is_no_event_however_bright() {
        let mut edges = Edges::of(SensorSpec::Light { above: Some(500.0), below: None });
        assert!(!edges.crossed(10_000.0));
        assert!(!edges.crossed(20_000.0));
    }
}
