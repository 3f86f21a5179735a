//! Where the machine is.

use std::fmt;

use super::event::{event_trigger, property};
use crate::events::{EventDetails, TriggerEvent};
use crate::windows_enum::windows_enum;

event_trigger! {
    /// A trigger that fires when the machine enters or leaves a circle on the earth, as GeoClue locates it. Its task gets
    /// [`GeofenceStateChangeReport`]s, and is declared in the manifest with the type `location`, or `general`.
    ///
    /// On Windows an app has one such trigger for all its geofences; here every trigger is a geofence, and an app may have many.
    ///
    /// ```
    /// use bgtask::{LocationTrigger, MonitoredGeofenceStates};
    /// let office = LocationTrigger::new(52.5186, 13.3763, 200).on(MonitoredGeofenceStates::Entered);
    /// assert!(office.properties().any(|property| property == ("radius", "200")));
    /// ```
    LocationTrigger
}

impl LocationTrigger {
    /// A trigger for the circle around this point, in degrees north and east, of this radius in metres, 10 to 100 000.
    pub fn new(latitude: f64, longitude: f64, radius: u32) -> Self {
        let texts = [("latitude", latitude.to_string()), ("longitude", longitude.to_string())];
        Self::of(texts.into_iter().chain([("radius", radius.to_string())]))
    }

    property! {
        /// Which way the circle has to be crossed; by default both count.
        on: MonitoredGeofenceStates;
    }
}

/// Which way the border of a geofence has to be crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MonitoredGeofenceStates {
    /// Into it.
    Entered,
    /// Out of it.
    Exited,
    /// Either way.
    Both,
}

/// The word it has in a task file.
impl fmt::Display for MonitoredGeofenceStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Entered => "enter",
            Self::Exited => "leave",
            Self::Both => "both",
        })
    }
}

windows_enum! {
    /// On which side of the border of a geofence the machine is now.
    GeofenceState {
        /// It came in.
        Entered = 1,
        /// It went out.
        Exited = 2,
    }
}

/// The machine crossed the border of a geofence.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GeofenceStateChangeReport {
    /// On which side it is now.
    pub state: GeofenceState,
    /// Where it is now, in degrees north.
    pub latitude: f64,
    /// Where it is now, in degrees east.
    pub longitude: f64,
    /// How well that is known, in metres.
    pub accuracy: f64,
}

impl EventDetails for GeofenceStateChangeReport {
    fn read(event: &TriggerEvent) -> Option<Self> {
        Some(Self {
            state: GeofenceState::from_name(&event.text("state"))?,
            latitude: event.real("latitude").unwrap_or_default(),
            longitude: event.real("longitude").unwrap_or_default(),
            accuracy: event.real("accuracy").unwrap_or_default(),
        })
    }
}

event_trigger! {
    /// A trigger that fires when the machine arrives somewhere and stays for a while, and when it departs, as GeoClue locates it. Its
    /// task gets [`GeovisitStateChange`]s, and is declared in the manifest with the type `location`, or `general`.
    ///
    /// ```
    /// use bgtask::{GeovisitTrigger, VisitMonitoringScope};
    /// let travels = GeovisitTrigger::new(VisitMonitoringScope::City);
    /// assert!(travels.properties().eq([("scope", "city")]));
    /// ```
    GeovisitTrigger
}

impl GeovisitTrigger {
    /// A trigger for stays on this scale, which Windows wants to be given too.
    pub fn new(scope: VisitMonitoringScope) -> Self {
        Self::of([("scope", scope.name().to_lowercase())])
    }
}

windows_enum! {
    /// On which scale somebody stays somewhere.
    VisitMonitoringScope {
        /// In a building.
        Venue = 0,
        /// In a town.
        City = 1,
    }
}

windows_enum! {
    /// What became of a stay.
    VisitStateChange {
        /// It began.
        Arrived = 1,
        /// It ended.
        Departed = 2,
    }
}

/// The machine arrived somewhere or departed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GeovisitStateChange {
    /// Whether it arrived or departed.
    pub state: VisitStateChange,
    /// Where, in degrees north.
    pub latitude: f64,
    /// Where, in degrees east.
    pub longitude: f64,
    /// How well that is known, in metres.
    pub accuracy: f64,
}

impl EventDetails for GeovisitStateChange {
    fn read(event: &TriggerEvent) -> Option<Self> {
        let state = match event.text("state").as_str() {
            "Arrival" => VisitStateChange::Arrived,
            "Departure" => VisitStateChange::Departed,
            _ => return None,
        };
        Some(Self {
            state,
            latitude: event.real("latitude").unwrap_or_default(),
            longitude: event.real("longitude").unwrap_or_default(),
            accuracy: event.real("accuracy").unwrap_or_default(),
        })
    }
}
