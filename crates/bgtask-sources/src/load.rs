//! Whether the machine has little to do: the load average over one minute.
//!
//! The kernel counts it every five seconds and tells nobody. Its pressure stall information would tell, but of something
//! else: that work waits for a processor, which a machine with a high load and enough processors never does, and one with
//! a low load may. So the average is read when it is watched first, and again every [`LOAD_REREAD`] for as long as it is.

use std::time::Duration;

use crate::attribute;
use crate::band::Band;
use crate::report::{Status, Teller, Unheard};
use crate::reread::tick;
use crate::world::World;

/// How often the load is read while it is watched: half the time it is an average over.
pub const LOAD_REREAD: Duration = Duration::from_secs(30);

/// The level ends when the load is above what was asked by this part of it: with 10, at 1.1 for 1.
pub const LOAD_BAND: u32 = 10;

const LOAD: &str = "proc/loadavg";

/// Watches until nobody listens.
pub(crate) async fn run(hundredths: u32, world: &World, mut teller: Teller) -> Unheard {
    let begin = f64::from(hundredths) / 100.0;
    let mut band = Band::below(begin, begin + begin / f64::from(LOAD_BAND));
    loop {
        let told = match average(world) {
            Ok(load) => {
                let how = format!("/{LOAD}, read every {} s", LOAD_REREAD.as_secs());
                tell(&mut teller, Status::Available { how }, band.judge(load)).await
            }
            Err(why) => tell(&mut teller, Status::Missing { why, help: "mount /proc".to_owned() }, false).await,
        };
        if let Err(unheard) = told {
            return unheard;
        }
        tick(LOAD_REREAD).await;
    }
}

async fn tell(teller: &mut Teller, status: Status, holds: bool) -> Result<(), Unheard> {
    teller.status(status).await?;
    teller.level(holds).await
}

/// `0.32 1.12 1.12 1/88 16534`: over one, five and fifteen minutes.
fn average(world: &World) -> Result<f64, String> {
    let text = attribute::read(&world.path(LOAD)).map_err(|error| format!("/{LOAD} cannot be read: {error}"))?;
    let load = text.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    load.filter(|load| load.is_finite() && *load >= 0.0).ok_or_else(|| format!("/{LOAD} does not begin with a load"))
}
