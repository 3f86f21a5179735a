//! `cargo run -p bgtask-sim --example sim -- SEED [STEPS]` prints what happens in the simulation of one seed;
//! `-- FIRST..END [STEPS]` runs many and prints every one that fails.

use std::error::Error;
use std::process::ExitCode;

use bgtask_sim::{Simulation, run_seeds};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seeds = arguments.next().ok_or("which seed?")?;
    let steps = arguments.next().map_or(Ok(300), |text| text.parse())?;
    match seeds.split_once("..") {
        Some((first, end)) => many(first.parse()?, end.parse()?, steps),
        None => one(seeds.parse()?, steps),
    }
}

fn one(seed: u64, steps: u32) -> Result<ExitCode, Box<dyn Error>> {
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

fn many(first: u64, end: u64, steps: u32) -> Result<ExitCode, Box<dyn Error>> {
    let (mut inputs, mut lives, mut completions, mut failures) = (0, 0, 0, 0);
    for seed in first..end {
        match run_seeds(seed..seed + 1, steps) {
            Ok(summary) => {
                inputs += summary.inputs;
                lives += summary.lives;
                completions += summary.completions;
            }
            Err(failure) => {
                failures += 1;
                eprintln!("{failure}");
            }
        }
    }
    println!("{} seeds, {failures} failed: {inputs} inputs, {completions} outcomes, {lives} lives", end - first);
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
