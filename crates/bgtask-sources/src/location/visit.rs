//! Staying somewhere.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;

use crate::event::EventTeller;
use crate::given::Given;
use crate::location::{Asking, CITY, EXACT, Journey, Passage, Place, Traveller};
use crate::service::follow;
use crate::world::World;

/// How far from where it began a visit of a venue reaches, in metres.
pub const VENUE_RADIUS: f64 = 100.0;
/// How long a stay within that is a visit of a venue.
pub const VENUE_DWELL: Duration = Duration::from_secs(5 * 60);
/// How far from where it began a visit of a city reaches, in metres. A place that is known by no more than the network's
/// address is as inexact as that.
pub const CITY_RADIUS: f64 = 15_000.0;
/// How long a stay within that is a visit of a city.
pub const CITY_DWELL: Duration = Duration::from_secs(30 * 60);

/// How large a place has to be to be visited. Serves the `GeovisitTrigger`.
///
/// The fields of an event are `state`, which is `Arrival` or `Departure`, and where the visit is or was: `latitude` and
/// `longitude` in degrees, `accuracy` in metres.
///
/// A visit begins when the machine has stayed within a radius for some time, and ends when it is farther away, the
/// accuracy of the place taken off; what is less exact than the radius says nothing. Nobody is known to have arrived
/// where the machine was already when listening began: the first visit is told only when it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VisitSpec {
    /// A shop, a home: [`VENUE_DWELL`] within [`VENUE_RADIUS`].
    Venue,
    /// [`CITY_DWELL`] within [`CITY_RADIUS`].
    City,
}

impl VisitSpec {
    /// Reads `scope`: `venue` or `city`. It has no default, as on Windows.
    ///
    /// # Errors
    ///
    /// One sentence: what is wrong, and what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["scope"], properties)?;
        given.need("scope", "venue")?;
        Ok(given.word("scope", &[("venue", Self::Venue), ("city", Self::City)])?.unwrap_or(Self::Venue))
    }

    const fn radius(self) -> f64 {
        match self {
            Self::Venue => VENUE_RADIUS,
            Self::City => CITY_RADIUS,
        }
    }

    const fn dwell(self) -> Duration {
        match self {
            Self::Venue => VENUE_DWELL,
            Self::City => CITY_DWELL,
        }
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: VisitSpec, world: &World, teller: EventTeller) -> Infallible {
    follow(Journey(Visitor { spec, stay: None }), world, teller).await
}

#[derive(Debug)]
struct Visitor {
    spec: VisitSpec,
    /// None before the first place.
    stay: Option<Stay>,
}

#[derive(Debug)]
struct Stay {
    /// Where it began.
    place: Place,
    since: Instant,
    /// Whether it is a visit by now.
    visit: bool,
    /// Whether the machine was seen to come from elsewhere.
    came: bool,
}

impl Traveller for Visitor {
    fn asks(&self) -> Asking {
        match self.spec {
            VisitSpec::Venue => Asking { level: EXACT, step: (VENUE_RADIUS / 4.0) as u32 },
            VisitSpec::City => Asking { level: CITY, step: (CITY_RADIUS / 4.0) as u32 },
        }
    }

    fn needs(&self) -> f64 {
        self.spec.radius()
    }

    fn reached(&mut self, place: Place) -> Option<Passage> {
        let radius = self.spec.radius();
        if place.accuracy > radius {
            return None;
        }
        let came = match &self.stay {
            Some(stay) if stay.place.distance(place) <= radius + place.accuracy => return None,
            stay => stay.is_some(),
        };
        let left = self.stay.replace(Stay { place, since: Instant::now(), visit: false, came });
        left.filter(|stay| stay.visit).map(|stay| ("Departure", stay.place))
    }

    fn deadline(&self) -> Option<Instant> {
        let stay = self.stay.as_ref().filter(|stay| !stay.visit)?;
        Some(stay.since + self.spec.dwell())
    }

    fn stayed(&mut self) -> Option<Passage> {
        let stay = self.stay.as_mut()?;
        stay.visit = true;
        stay.came.then_some(("Arrival", stay.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn north(metres: f64) -> Place {
        Place { latitude: 52.5 + metres / 111_195.0, longitude: 13.4, accuracy: 10.0 }
    }

    fn visitor() -> Visitor {
        Visitor { spec: VisitSpec::Venue, stay: None }
    }

    #[test]
    fn who_comes_stays_and_goes_has_arrived_and_departed() {
        let mut visitor = visitor();
        for metres in [0.0, 500.0, 1000.0] {
            assert_eq!(visitor.reached(north(metres)), None, "passing by is no visit");
        }
        assert_eq!(visitor.reached(north(1080.0)), None);
        assert!(visitor.deadline().is_some());
        assert_eq!(visitor.stayed(), Some(("Arrival", north(1000.0))));
        assert_eq!(visitor.deadline(), None);
        assert_eq!(visitor.reached(north(910.0)), None);
        assert_eq!(visitor.reached(north(1200.0)), Some(("Departure", north(1000.0))));
        assert_eq!(visitor.stayed(), Some(("Arrival", north(1200.0))));
    }

    #[test]
    fn nobody_arrived_where_the_machine_was_already() {
        let mut visitor = visitor();
        visitor.reached(north(0.0));
        assert_eq!(visitor.stayed(), None);
        assert_eq!(visitor.reached(north(500.0)), Some(("Departure", north(0.0))));
    }

    #[test]
    fn what_is_less_exact_than_the_place_is_large_says_nothing() {
        let mut visitor = visitor();
        visitor.reached(north(0.0));
        visitor.stayed();
        assert_eq!(visitor.reached(Place { accuracy: 101.0, ..north(900.0) }), None);
        assert_eq!(visitor.reached(Place { accuracy: 90.0, ..north(180.0) }), None, "it may be there still");
        assert!(visitor.reached(Place { accuracy: 90.0, ..north(200.0) }).is_some());
    }

    #[test]
    fn the_scope_must_be_said() {
        let read = |scope: &str| VisitSpec::read(&BTreeMap::from([("scope".to_owned(), scope.to_owned())]));
        assert_eq!([read("venue"), read("city")], [Ok(VisitSpec::Venue), Ok(VisitSpec::City)]);
        assert_eq!(read("town"), Err("`scope` is `town`; write one of `venue`, `city`".into()));
        let missing = VisitSpec::read(&BTreeMap::new()).unwrap_err();
        assert_eq!(missing, "`scope` is missing; write it as in `scope=venue`");
    }
}
