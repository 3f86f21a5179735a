//! The simulator over many seeds. `BGTASK_SIM_SEEDS=N` runs N instead of the few that every build runs.

use std::ops::Range;
use std::path::Path;

use bgtask_sim::{Failure, REGRESSION_SEEDS, Simulation, Summary, run_seeds};

const SEEDS: u64 = 120;
const STEPS: u32 = 300;

#[test]
fn everything_owed_happens_in_spite_of_every_fault() {
    let seeds = std::env::var("BGTASK_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let run = |seeds: Range<u64>| run_seeds(seeds, STEPS).unwrap_or_else(|failure| panic!("{}", kept(&failure)));
    let halves = std::thread::scope(|scope| {
        let second = scope.spawn(|| run(seeds / 2..seeds));
        [run(0..seeds / 2), second.join().expect("a simulation failed")]
    });
    let total = |count: fn(&Summary) -> u64| halves.iter().map(count).sum::<u64>();
    assert!(total(|summary| summary.lives) > seeds * 2, "too few crashes to mean anything: {halves:?}");
    assert!(total(|summary| summary.completions as u64) > seeds * 10, "too few runs to mean anything: {halves:?}");
    println!("{halves:?}");
}

#[test]
fn what_once_failed_does_not_fail_again() {
    for (seed, steps) in REGRESSION_SEEDS {
        let run = Simulation::new(*seed).run(*steps);
        run.unwrap_or_else(|failure| panic!("{}", kept(&failure)));
    }
}

#[test]
fn a_seed_is_the_whole_run() {
    let [first, second] = [(), ()].map(|()| Simulation::new(7).traced().run(100).expect("seed 7 is fine"));
    assert_eq!(first.trace, second.trace);
    assert_eq!(first.recording, second.recording);
}

#[test]
fn a_trace_can_be_read() {
    let report = Simulation::new(7).traced().run(50).expect("seed 7 is fine");
    let trace = report.trace.expect("it was asked for");
    assert!(trace.starts_with("what a simulation did"), "{trace}");
    for mark in [" > ", " + ", " ! ", " ~ "] {
        assert!(trace.contains(mark), "nothing is marked {mark:?}");
    }
}

fn kept(failure: &Failure) -> String {
    match failure.keep(Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(path) => format!("{failure}\nrecording: {}", path.display()),
        Err(error) => format!("{failure}\nthe recording could not be kept: {error}"),
    }
}
