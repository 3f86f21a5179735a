//! `cargo run -p bgtask-sim --example sim -- SEED [STEPS]` prints what happens in the simulation of one seed.

use std::error::Error;
use std::process::ExitCode;

use bgtask_sim::Simulation;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().ok_or("which seed?")?.parse()?;
    let steps = arguments.next().map_or(Ok(300), |text| text.parse())?;
    match Simulation::new(seed).traced().run(steps) {
        Ok(report) => {
            print!("{}", report.trace.unwrap_or_default());
            println!("all held: {} inputs, {} outcomes, {} lives", report.inputs, report.completions, report.lives);
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            print!("{}", failure.trace.as_deref().unwrap_or_default());
            eprintln!("{failure}");
            Ok(ExitCode::FAILURE)
        }
    }
}
