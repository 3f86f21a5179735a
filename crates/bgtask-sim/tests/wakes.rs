//! How often 50 mixed periodic tasks wake a machine: no more than by the best other way, at the same freshness.
//!
//! `cargo run --release -p bgtask-sim --example wakes` prints the table of BENCHMARKS.md.

use std::time::Duration;

use bgtask_sim::WakeStudy;

#[test]
fn tm_1_tm_9_the_core_wakes_a_machine_no_more_often_than_any_other_way_of_putting_times_together() {
    for (seed, accuracy) in [(1, 60), (2, 60), (3, 10), (4, 120)] {
        let accuracy = Duration::from_secs(accuracy);
        let study = WakeStudy { tasks: 50, days: 1, accuracy, seed };
        let wakes = study.run().unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        println!("{accuracy:?}: {wakes:?}");
        assert!(wakes.runs > 1_000, "{wakes:?}");
        for other in [wakes.apart, wakes.systemd, wakes.slots] {
            assert!(wakes.ours <= other, "{wakes:?}");
        }
    }
}
