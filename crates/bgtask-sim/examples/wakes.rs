//! `cargo run --release -p bgtask-sim --example wakes`: wake-ups a day of 50 mixed periodic tasks, by how their times are put
//! together.

use std::time::Duration;

use bgtask_sim::WakeStudy;

const DAYS: u32 = 28;
const SEEDS: u64 = 10;

fn main() -> Result<(), String> {
    println!(
        "{:>8} {:>6} {:>6} {:>8} {:>6} {:>6}   a day, mean of {SEEDS} sets of 50 tasks",
        "accuracy", "runs", "apart", "systemd", "slots", "ours"
    );
    for seconds in [0, 1, 10, 60, 120] {
        let mut sums = [0; 5];
        for seed in 1..=SEEDS {
            let accuracy = Duration::from_secs(seconds);
            let its = WakeStudy { tasks: 50, days: DAYS, accuracy, seed }.run()?;
            for (sum, count) in sums.iter_mut().zip([its.runs, its.apart, its.systemd, its.slots, its.ours]) {
                *sum += count;
            }
        }
        let [runs, apart, systemd, slots, ours] =
            sums.map(|sum| (sum as f64 / (SEEDS as f64 * f64::from(DAYS))).round());
        println!("{seconds:>6} s {runs:>6} {apart:>6} {systemd:>8} {slots:>6} {ours:>6}");
    }
    Ok(())
}
