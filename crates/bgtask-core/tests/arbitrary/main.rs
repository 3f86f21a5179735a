//! Whatever is put in, sense or nonsense: the core never panics, its tables agree with each other and with what it made
//! durable, and what it promises of commands holds at every moment.

mod commands;
mod heard;
mod moves;
mod snapshots;
mod store;
mod world;

use std::time::Duration;

use bgtask_core::{Config, HostState, Input};
use moves::{Move, moves};
use proptest::prelude::*;
use snapshots::snapshots;
use world::World;

fn configs() -> impl Strategy<Value = Config> {
    (0..8usize, 0..4usize, 0..3u64, 0..4u64, 0..4u32).prop_map(|(running, warm, grace, linger, attempts)| Config {
        max_running: running,
        max_warm_hosts: warm,
        cancel_grace: Duration::from_secs(grace),
        warm_linger: Duration::from_secs(linger * 10),
        max_attempts: attempts,
        ..Config::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_the_tables(
        config in configs(),
        snapshot in snapshots(),
        steps in prop::collection::vec(moves(), 0..200),
    ) {
        let mut world = World::new(config, snapshot);
        for step in steps {
            world.make(step);
        }
        world.tell(Input::Stop);
        for _ in 0..20 {
            world.make(Move::Wake);
        }
        prop_assert!(
            world.core.hosts().all(|host| host.state == HostState::Killing),
            "after the log-off every host that is left is being killed"
        );
    }
}
