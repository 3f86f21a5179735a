//! How often an activation was suspended, as its task reads it.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::windows_enum::windows_enum;

windows_enum! {
    /// Which suspensions [`throttle_count`](crate::host::TaskInstance::throttle_count) counts (POL-2).
    BackgroundTaskThrottleCounter {
        /// All of them.
        All = 0,
        /// Those because the app had used up its processor time.
        Cpu = 1,
        /// Those because it had sent and received as many bytes as it may.
        Network = 2,
    }
}

/// The counts of one activation. The broker's notice writes them, the task reads them on any thread.
#[derive(Debug, Default)]
pub(crate) struct Throttles {
    cpu: AtomicU32,
    network: AtomicU32,
}

impl Throttles {
    pub(crate) fn new(cpu: u32, network: u32) -> Self {
        Self { cpu: AtomicU32::new(cpu), network: AtomicU32::new(network) }
    }

    pub(crate) fn set(&self, cpu: u32, network: u32) {
        self.cpu.store(cpu, Ordering::Relaxed);
        self.network.store(network, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, counter: BackgroundTaskThrottleCounter) -> u32 {
        use BackgroundTaskThrottleCounter::{All, Cpu, Network};
        let (cpu, network) = (self.cpu.load(Ordering::Relaxed), self.network.load(Ordering::Relaxed));
        match counter {
            All => cpu.saturating_add(network),
            Cpu => cpu,
            Network => network,
        }
    }
}
