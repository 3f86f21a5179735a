//! When calendars come true next, in their own time zone or the machine's.

use bgtask_calendar::Calendar;
use bgtask_core::{NewRegistration, Trigger, WallTime};
use bgtask_sources::{World, zone_rules};
use bgtask_wire::{Error, ErrorKind};
use jiff::tz::TimeZone;

/// What knows the machine's zone.
pub(crate) struct Calendars {
    world: World,
}

impl Calendars {
    pub(crate) fn new(world: World) -> Self {
        Self { world }
    }

    /// The first time after `after`; `None` where there is none any more.
    pub(crate) fn next(&self, calendar: &str, zone: Option<&str>, after: WallTime) -> Option<WallTime> {
        // What is registered has been read before; what an older version took and this one does not never comes true.
        let calendar = Calendar::parse(calendar).ok()?;
        let zone = self.zone(calendar.zone().or(zone)).ok()?;
        calendar.next(after.as_micros(), &zone).map(WallTime::from_micros)
    }

    /// Whether a registration's calendar can be served here.
    pub(crate) fn check(&self, new: &NewRegistration, now: WallTime) -> Result<(), Error> {
        let Trigger::Calendar { calendar: text, zone, .. } = &new.trigger else { return Ok(()) };
        let invalid = |text: String| Error::new(ErrorKind::InvalidArgument, text);
        let calendar = Calendar::parse(text).map_err(|error| invalid(error.to_string()))?;
        let zone = self.zone(calendar.zone().or(zone.as_deref())).map_err(invalid)?;
        match calendar.next(now.as_micros(), &zone) {
            Some(_) => Ok(()),
            None => Err(invalid(format!("the calendar {text:?} never comes true again: give it a time to come"))),
        }
    }

    fn zone(&self, name: Option<&str>) -> Result<TimeZone, String> {
        match name {
            Some(name) => TimeZone::get(name).map_err(|_| {
                format!("there is no time zone {name:?} on this machine: write one as Europe/Berlin or UTC")
            }),
            None => Ok(zone_rules(&self.world)),
        }
    }
}
