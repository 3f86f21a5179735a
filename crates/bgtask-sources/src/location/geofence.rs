//! Crossing a circle on the map.

use std::collections::BTreeMap;
use std::convert::Infallible;

use tokio::time::Instant;

use crate::event::EventTeller;
use crate::given::Given;
use crate::location::{Asking, CITY, EXACT, Journey, Passage, Place, STREET, Traveller};
use crate::service::follow;
use crate::world::World;

/// How wide, as a part of its radius, the border of a fence is at least: it has to be crossed whole.
pub const FENCE_BAND: f64 = 0.1;

/// The smallest and the largest radius of a fence, in metres.
pub const FENCE_RADIUS: std::ops::RangeInclusive<f64> = 10.0..=100_000.0;

/// A circle whose border is watched. Serves the `LocationTrigger`.
///
/// The fields of an event are `state`, which is `Entered` or `Exited`, and where the machine was then: `latitude` and
/// `longitude` in degrees, `accuracy` in metres.
///
/// What GeoClue tells is a circle, too: somewhere within its accuracy. The fence was left when that circle lies outside
/// ([`FENCE_BAND`] more than that at least), and entered when it lies inside; where the circle is large, half the radius
/// of the fence inside is enough. A place less exact than the fence is large is never an entry. So noise at the border
/// does not make it flap. The first place says on which side the machine is, and is no event.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GeofenceSpec {
    /// Of the centre, in degrees north.
    pub latitude: f64,
    /// Of the centre, in degrees east.
    pub longitude: f64,
    /// In metres, within [`FENCE_RADIUS`].
    pub radius: f64,
    /// Whether entering is an event.
    pub on_enter: bool,
    /// Whether leaving is one.
    pub on_leave: bool,
}

impl GeofenceSpec {
    /// Reads `latitude`, `longitude`, `radius` in metres, and `on` (`enter`, `leave` or `both`, which is the default).
    ///
    /// # Errors
    ///
    /// One sentence: what is wrong, and what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["latitude", "longitude", "radius", "on"], properties)?;
        let needed = |name, example, range, unit| {
            given.need(name, example)?;
            Ok::<_, String>(given.number(name, range, unit)?.unwrap_or_default())
        };
        let words = [("enter", (true, false)), ("leave", (false, true)), ("both", (true, true))];
        let (on_enter, on_leave) = given.word("on", &words)?.unwrap_or((true, true));
        Ok(Self {
            latitude: needed("latitude", "52.5163", -90.0..=90.0, "degrees north")?,
            longitude: needed("longitude", "13.3777", -180.0..=180.0, "degrees east")?,
            radius: needed("radius", "100", FENCE_RADIUS, "metres")?,
            on_enter,
            on_leave,
        })
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: GeofenceSpec, world: &World, teller: EventTeller) -> Infallible {
    follow(Journey(Fence { spec, inside: None }), world, teller).await
}

#[derive(Debug)]
struct Fence {
    spec: GeofenceSpec,
    inside: Option<bool>,
}

impl Traveller for Fence {
    fn asks(&self) -> Asking {
        let level = match self.spec.radius {
            ..1_000.0 => EXACT,
            ..20_000.0 => STREET,
            _ => CITY,
        };
        Asking { level, step: (self.spec.radius * FENCE_BAND) as u32 }
    }

    fn needs(&self) -> f64 {
        self.spec.radius
    }

    fn reached(&mut self, place: Place) -> Option<Passage> {
        let before = self.inside;
        self.inside = self.side(place);
        match (before?, self.inside?) {
            (false, true) if self.spec.on_enter => Some(("Entered", place)),
            (true, false) if self.spec.on_leave => Some(("Exited", place)),
            _ => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn stayed(&mut self) -> Option<Passage> {
        None
    }
}

impl Fence {
    /// Whether the machine is inside; as before where the place does not say.
    fn side(&self, place: Place) -> Option<bool> {
        let GeofenceSpec { latitude, longitude, radius, .. } = self.spec;
        let distance = Place { latitude, longitude, accuracy: 0.0 }.distance(place);
        let doubt = place.accuracy.max(radius * FENCE_BAND);
        let exact = place.accuracy <= radius;
        match self.inside {
            _ if distance > radius + doubt => Some(false),
            Some(false) if exact && distance <= radius - doubt.min(radius / 2.0) => Some(true),
            None if exact => Some(distance <= radius),
            known => known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence() -> Fence {
        let spec = GeofenceSpec { latitude: 52.5, longitude: 13.4, radius: 100.0, on_enter: true, on_leave: true };
        Fence { spec, inside: None }
    }

    /// So many metres north of the centre of the fence.
    fn north(metres: f64, accuracy: f64) -> Place {
        Place { latitude: 52.5 + metres / 111_195.0, longitude: 13.4, accuracy }
    }

    fn told(fence: &mut Fence, places: &[(f64, f64)]) -> Vec<&'static str> {
        places.iter().filter_map(|&(metres, accuracy)| fence.reached(north(metres, accuracy))).map(|(s, _)| s).collect()
    }

    #[test]
    fn the_first_place_is_no_event_and_each_crossing_is_one() {
        assert_eq!(told(&mut fence(), &[(0.0, 5.0), (300.0, 5.0), (0.0, 5.0)]), ["Exited", "Entered"]);
        assert_eq!(told(&mut fence(), &[(300.0, 5.0), (0.0, 5.0), (300.0, 5.0)]), ["Entered", "Exited"]);
    }

    #[test]
    fn noise_at_the_border_is_no_crossing() {
        for accuracy in [0.0, 5.0, 20.0, 40.0] {
            let noise = f64::max(accuracy, 9.9);
            let places: Vec<_> =
                (0..100).map(|n| (100.0 + noise * if n % 2 == 0 { 0.99 } else { -0.99 }, accuracy)).collect();
            assert!(told(&mut fence(), &places).is_empty(), "accuracy {accuracy}");
        }
    }

    #[test]
    fn a_place_less_exact_than_the_fence_is_large_never_enters_and_leaves_only_for_certain() {
        assert!(told(&mut fence(), &[(500.0, 5.0), (0.0, 101.0), (0.0, 5_000.0)]).is_empty());
        assert!(told(&mut fence(), &[(0.0, 5.0), (4_000.0, 5_000.0)]).is_empty());
        assert_eq!(told(&mut fence(), &[(0.0, 5.0), (6_000.0, 5_000.0)]), ["Exited"]);
    }

    #[test]
    fn a_circle_as_large_as_the_fence_enters_in_its_inner_half() {
        assert_eq!(told(&mut fence(), &[(500.0, 5.0), (60.0, 90.0), (45.0, 90.0)]), ["Entered"]);
    }

    #[test]
    fn only_what_was_asked_for_is_told() {
        let mut fence = fence();
        fence.spec.on_enter = false;
        assert_eq!(told(&mut fence, &[(300.0, 5.0), (0.0, 5.0), (300.0, 5.0)]), ["Exited"]);
    }

    #[test]
    fn what_is_written_is_read_or_refused_in_a_sentence() {
        let read = |pairs: &[(&str, &str)]| {
            GeofenceSpec::read(&pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
        };
        let place = [("latitude", "52.5"), ("longitude", "13.4"), ("radius", "100")];
        let on = |word| read(&[place[0], place[1], place[2], ("on", word)]).map(|spec| (spec.on_enter, spec.on_leave));
        assert_eq!(read(&place), Ok(fence().spec));
        assert_eq!([on("enter"), on("leave"), on("both")], [Ok((true, false)), Ok((false, true)), Ok((true, true))]);
        assert_eq!(on("exit"), Err("`on` is `exit`; write one of `enter`, `leave`, `both`".into()));
        let missing = read(&place[..2]).unwrap_err();
        assert_eq!(missing, "`radius` is missing; write it as in `radius=100`");
        let small = read(&[place[0], place[1], ("radius", "9")]).unwrap_err();
        assert_eq!(small, "`radius` is `9`; write a number from 10 to 100000 (metres)");
    }
}
