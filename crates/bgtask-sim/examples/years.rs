//! `cargo run --release -p bgtask-sim --example years -- [YEARS [TASKS [SHORTEST_SECONDS [SEED]]]]`: years of periodic tasks,
//! each compared with its rules.

use std::error::Error;
use std::time::{Duration, Instant};

use bgtask_sim::Years;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (years, tasks) = (u32::try_from(number(10)?)?, usize::try_from(number(1_000)?)?);
    let (shortest, seed) = (Duration::from_secs(number(3_600)?), number(1)?);
    let began = Instant::now();
    let report = Years { years, tasks, shortest, seed }.run()?;
    println!("{report:#?}");
    println!("{years} years of {tasks} tasks in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}
