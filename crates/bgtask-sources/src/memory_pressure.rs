//! Whether the machine is short of memory: the kernel's pressure stall information (PSI).
//!
//! The kernel measures how much time is lost waiting for memory and wakes us when it is too much. It does not say when
//! that is over, so while the machine is short of memory, and only then, the average is read again from time to time:
//! such a machine is not idle, and one small file in ten seconds does not make it less so.

mod gauge;
mod trigger;

use std::time::Duration;

use tokio::time::sleep;

use crate::memory_pressure::gauge::{Edge, Gauge};
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

/// How long somebody must have waited for memory within [`MEMORY_WINDOW`] until the machine counts as short of it.
pub const MEMORY_STALL: Duration = Duration::from_millis(150);

/// The time over which [`MEMORY_STALL`] is measured. Without privileges only multiples of two seconds are allowed.
pub const MEMORY_WINDOW: Duration = Duration::from_secs(2);

/// The same as percent of time: what an average must reach where no trigger fired.
pub const MEMORY_SHORT: f64 = 7.5;

/// The percent of time below which the average over ten seconds must fall until the machine has memory again. Far below
/// [`MEMORY_SHORT`], so that work held back for a while does not start just to be held back again.
pub const MEMORY_RELIEF: f64 = 1.0;

/// How often the average is read while the machine is short of memory: the time it is an average over.
pub const MEMORY_REREAD: Duration = Duration::from_secs(10);

/// Watches until nobody listens.
pub(crate) async fn run(world: &World, mut teller: Teller) -> Unheard {
    let mut gauge = Gauge::open(world);
    let mut short = false;
    let mut fired = false;
    loop {
        let status;
        (status, short) = match gauge.average() {
            Ok(average) => (gauge.status(), is_short(short, fired, average)),
            Err(unread) => (unread.into(), false),
        };
        if let Err(unheard) = tell(&mut teller, status, short).await {
            return unheard;
        }
        // The kernel fires once in a window at most, so there is nothing to settle.
        tokio::select! {
            edge = gauge.edge() => fired = edge == Edge::Fired,
            () = sleep(MEMORY_REREAD), if short => fired = false,
        }
    }
}

async fn tell(teller: &mut Teller, status: Status, short: bool) -> Result<(), Unheard> {
    teller.status(status).await?;
    teller.level(short).await
}

/// The trigger is the kernel's own reading, and seconds ahead of the average; without it the average decides.
fn is_short(before: bool, fired: bool, average: f64) -> bool {
    fired || average >= if before { MEMORY_RELIEF } else { MEMORY_SHORT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_the_trigger_and_ends_well_below() {
        let (before, fired) = (true, true);
        let table = [
            (!before, !fired, 0.0, false),
            (!before, !fired, 7.49, false),
            (!before, !fired, 7.5, true),
            (!before, fired, 0.0, true),
            (before, !fired, 7.49, true),
            (before, !fired, 1.0, true),
            (before, !fired, 0.99, false),
            (before, fired, 0.0, true),
        ];
        for (before, fired, average, short) in table {
            assert_eq!(is_short(before, fired, average), short, "{before} {fired} {average}");
        }
    }

    #[test]
    fn the_two_measures_of_too_much_agree() {
        assert!((MEMORY_STALL.as_secs_f64() / MEMORY_WINDOW.as_secs_f64() * 100.0 - MEMORY_SHORT).abs() < 1e-9);
        assert_eq!(MEMORY_WINDOW.as_secs() % 2, 0, "or the kernel would want a privilege");
    }
}
