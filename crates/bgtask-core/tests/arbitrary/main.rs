//! Whatever is put in, sense or nonsense: the core never panics, its tables agree with each other and with what it made
//! durable, and what it promises of commands holds at every moment.

mod callers;
mod commands;
mod heard;
mod moves;
mod rations;
mod snapshots;
mod store;
mod world;

use std::time::Duration;

use bgtask_core::{Budgets, Config, HostState, Input};
use moves::{Move, moves};
use proptest::prelude::*;
use snapshots::snapshots;
use world::World;

fn configs() -> impl Strategy<Value = Config> {
    let hosts = (0..8usize, 0..4usize, 0..3u64, 0..4u64, 0..4u32);
    (hosts, budgets(), 0..4u32).prop_map(|((running, warm, grace, linger, attempts), budgets, processors)| Config {
        max_running: running,
        max_warm_hosts: warm,
        cancel_grace: Duration::from_secs(grace),
        warm_linger: Duration::from_secs(linger * 10),
        max_attempts: attempts,
        budgets,
        processors,
        ..Config::default()
    })
}

/// Mostly so small that they are used up.
fn budgets() -> impl Strategy<Value = Budgets> {
    let amounts = (0..4u64, any::<Option<u16>>(), any::<Option<u16>>(), any::<u16>(), any::<bool>());
    amounts.prop_map(|(window, cpu, network, pool, memory)| Budgets {
        window: Duration::from_secs(1 + window * 600),
        cpu: cpu.map(|cpu| Duration::from_millis(u64::from(cpu))),
        network: network.map(u64::from),
        pool_cpu: Duration::from_millis(u64::from(pool)),
        pool_network: u64::from(pool % 1_000),
        memory: memory.then_some(u64::from(pool)),
        processes: None,
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
