//! The simulator can fail: each planted mistake is noticed within a few seeds.

use bgtask_sim::{Bug, Simulation};

const SEEDS: u64 = 120;
const STEPS: u32 = 300;

#[test]
fn every_planted_mistake_is_noticed() {
    for bug in Bug::ALL {
        let noticed = (0..SEEDS).find_map(|seed| Simulation::new(seed).with_bug(*bug).run(STEPS).err());
        let failure = noticed.unwrap_or_else(|| panic!("{bug:?} went unnoticed in {SEEDS} seeds"));
        println!("{bug:?}: {failure}");
        let replayed = bgtask_record::replay(failure.recording.as_slice()).expect("the core itself is right");
        assert!(replayed.inputs > 0, "the failing life was recorded");
    }
}
