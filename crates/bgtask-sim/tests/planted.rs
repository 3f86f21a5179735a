//! The simulator can fail: each planted mistake is noticed within a few seeds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bgtask_sim::{Bug, Simulation};

const SEEDS: u64 = 120;
const STEPS: u32 = 300;

#[test]
fn every_planted_mistake_is_noticed() {
    let next = AtomicUsize::new(0);
    let take = || Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| std::iter::from_fn(take).for_each(|bug| is_noticed(*bug)));
        }
    });
}

fn is_noticed(bug: Bug) {
    let noticed = (0..SEEDS).find_map(|seed| Simulation::new(seed).with_bug(bug).run(STEPS).err());
    let failure = noticed.unwrap_or_else(|| panic!("{bug:?} went unnoticed in {SEEDS} seeds"));
    println!("{bug:?}: {failure}");
    let replayed = bgtask_record::replay(failure.recording.as_slice()).expect("the core itself is right");
    assert!(replayed.inputs > 0, "the failing life was recorded");
}
