//! Whether the machine is short of memory, or of processors: the kernel's pressure stall information (PSI).
//!
//! The kernel measures how much time is lost waiting and wakes us when it is too much. It does not say when that is over, so
//! while there is pressure, and only then, the average is read again from time to time: such a machine is not idle, and one
//! small file in ten seconds does not make it less so.

mod gauge;
mod trigger;

use std::time::Duration;

use tokio::time::sleep;

use crate::pressure::gauge::{Edge, Gauge};
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

/// How long somebody must have waited for memory within [`PRESSURE_WINDOW`] until the machine counts as short of it.
pub const MEMORY_STALL: Duration = Duration::from_millis(150);

/// The same as percent of time: what an average must reach where no trigger fired.
pub const MEMORY_SHORT: f64 = 7.5;

/// The percent of time below which the average over ten seconds must fall until the machine has memory again. Far below
/// [`MEMORY_SHORT`], so that work held back for a while does not start just to be held back again.
pub const MEMORY_RELIEF: f64 = 1.0;

/// How long somebody must have waited for a processor within [`PRESSURE_WINDOW`] until the processors count as busy: half
/// of the time. To wait a little is usual on any machine that works.
pub const CPU_STALL: Duration = Duration::from_secs(1);

/// The same as percent of time: what an average must reach where no trigger fired.
pub const CPU_BUSY: f64 = 50.0;

/// The percent of time below which the average over ten seconds must fall until the processors count as free again.
pub const CPU_RELIEF: f64 = 25.0;

/// The time over which a stall is measured. Without privileges only multiples of two seconds are allowed.
pub const PRESSURE_WINDOW: Duration = Duration::from_secs(2);

/// How often the average is read while there is pressure: the time it is an average over.
pub const PRESSURE_REREAD: Duration = Duration::from_secs(10);

/// Of what the machine can be short, and how much time may be lost for want of it.
#[derive(Debug)]
pub(crate) struct Pressure {
    /// The measure of the whole machine, below the root.
    of_machine: &'static str,
    /// The measure of a cgroup, in its folder.
    of_cgroup: &'static str,
    /// What makes the kernel wake us.
    stall: Duration,
    /// The percent at which it begins, and below which it ends.
    high: f64,
    relief: f64,
}

pub(crate) static MEMORY: Pressure = Pressure {
    of_machine: "proc/pressure/memory",
    of_cgroup: "memory.pressure",
    stall: MEMORY_STALL,
    high: MEMORY_SHORT,
    relief: MEMORY_RELIEF,
};

pub(crate) static PROCESSORS: Pressure = Pressure {
    of_machine: "proc/pressure/cpu",
    of_cgroup: "cpu.pressure",
    stall: CPU_STALL,
    high: CPU_BUSY,
    relief: CPU_RELIEF,
};

/// Watches until nobody listens.
pub(crate) async fn run(pressure: &'static Pressure, world: &World, mut teller: Teller) -> Unheard {
    let mut gauge = Gauge::open(pressure, world);
    let mut short = false;
    let mut fired = false;
    loop {
        let status;
        (status, short) = match gauge.average() {
            Ok(average) => (gauge.status(), pressure.is_short(short, fired, average)),
            Err(unread) => (unread.into(), false),
        };
        if let Err(unheard) = tell(&mut teller, status, short).await {
            return unheard;
        }
        // The kernel fires once in a window at most, so there is nothing to settle.
        tokio::select! {
            edge = gauge.edge() => fired = edge == Edge::Fired,
            () = sleep(PRESSURE_REREAD), if short => fired = false,
        }
    }
}

async fn tell(teller: &mut Teller, status: Status, short: bool) -> Result<(), Unheard> {
    teller.status(status).await?;
    teller.level(short).await
}

impl Pressure {
    /// The trigger is the kernel's own reading, and seconds ahead of the average; without it the average decides.
    fn is_short(&self, before: bool, fired: bool, average: f64) -> bool {
        fired || average >= if before { self.relief } else { self.high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_the_trigger_and_ends_well_below() {
        let (before, fired) = (true, true);
        let table = [
            (!before, !fired, [0.0, 0.0], false),
            (!before, !fired, [7.49, 49.9], false),
            (!before, !fired, [7.5, 50.0], true),
            (!before, fired, [0.0, 0.0], true),
            (before, !fired, [7.49, 49.9], true),
            (before, !fired, [1.0, 25.0], true),
            (before, !fired, [0.99, 24.9], false),
            (before, fired, [0.0, 0.0], true),
        ];
        for (before, fired, averages, short) in table {
            for (pressure, average) in [&MEMORY, &PROCESSORS].into_iter().zip(averages) {
                assert_eq!(pressure.is_short(before, fired, average), short, "{before} {fired} {average}");
            }
        }
    }

    #[test]
    fn the_two_measures_of_too_much_agree() {
        for Pressure { stall, high, .. } in [&MEMORY, &PROCESSORS] {
            assert!((stall.as_secs_f64() / PRESSURE_WINDOW.as_secs_f64() * 100.0 - high).abs() < 1e-9);
        }
        assert_eq!(PRESSURE_WINDOW.as_secs() % 2, 0, "or the kernel would want a privilege");
    }
}
