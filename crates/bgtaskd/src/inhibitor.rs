//! Keeps the machine from falling asleep for as long as logind lets itself be kept, while tasks run that use the network
//! in standby (D15).

use std::collections::HashSet;

use bgtask_core::InstanceId;
use bgtask_sources::{NoSleepDelay, SleepDelay, World};
use tokio::sync::watch;

/// What a person reads who asks what delays the machine.
const WHY: &str = "Background tasks use the network";

/// One delay for all that need it. It is given back with the last of them, and by the kernel with the broker.
pub(crate) struct Inhibitor {
    needed_by: HashSet<InstanceId>,
    needed: watch::Sender<bool>,
}

impl Inhibitor {
    pub(crate) fn new(world: World) -> Self {
        let (needed, told) = watch::channel(false);
        tokio::spawn(keep(world, told));
        Self { needed_by: HashSet::new(), needed }
    }

    /// From now on this instance needs the machine awake. How long, is bounded by its budget.
    pub(crate) fn hold(&mut self, instance: InstanceId) {
        self.needed_by.insert(instance);
        self.tell();
    }

    /// This one does no longer.
    pub(crate) fn give_back(&mut self, instance: InstanceId) {
        self.needed_by.remove(&instance);
        self.tell();
    }

    fn tell(&self) {
        let needed = !self.needed_by.is_empty();
        self.needed.send_if_modified(|told| std::mem::replace(told, needed) != needed);
    }
}

/// Holds the delay whenever it is needed, until the broker ends.
async fn keep(world: World, mut needed: watch::Receiver<bool>) {
    let mut complained = false;
    while needed.wait_for(|needed| *needed).await.is_ok() {
        let taken = tokio::select! {
            taken = SleepDelay::take(&world, WHY) => taken,
            // It is over before logind has answered.
            _ = needed.wait_for(|needed| !*needed) => continue,
        };
        complain(&taken, &mut complained);
        let _over_or_the_broker_ends = needed.wait_for(|needed| !*needed).await;
        drop(taken);
    }
}

/// Once, until it works again: tasks run all the same.
fn complain(taken: &Result<SleepDelay, NoSleepDelay>, complained: &mut bool) {
    match taken {
        Ok(_) => *complained = false,
        Err(error) if !std::mem::replace(complained, true) => tracing::warn!("{error}: {}", SleepDelay::HELP),
        Err(_) => {}
    }
}
