//! What hosts use, and how they are held to what they may.

use std::time::Duration;

use bgtask_core::{HostId, Limits, Usage};
use bgtask_host::{HostError, Keepers};
use tokio::sync::mpsc;

use super::{Entry, Hosts, chain};
use crate::inbox::Incoming;

/// How often a host that runs something is counted, where the kernel does not keep it from being too many processes.
const WATCH: Duration = Duration::from_secs(1);

impl Hosts {
    /// What a host has used so far, where that can be seen.
    pub(crate) fn usage(&mut self, id: HostId) -> Option<Usage> {
        if let Some(app) = self.adopted.get(id) {
            let used = app.usage()?;
            return Some(Usage {
                cpu: used.cpu,
                io: used.io,
                memory_peak: Some(used.memory),
                network: None,
                processes: None,
            });
        }
        let entry = self.running.get_mut(&id)?;
        let used = entry.host.usage()?;
        entry.peak = entry.peak.max(used.memory);
        let network = self.meter.bytes_of(id.0, &entry.host);
        let processes = Some(used.processes);
        Some(Usage { cpu: used.cpu, io: used.io, memory_peak: Some(entry.peak), network, processes })
    }

    /// What a host of which nothing is left has used.
    pub(super) fn used_in_all(&mut self, id: HostId, entry: &Entry) -> Option<Usage> {
        let network = self.meter.bytes_of(id.0, &entry.host);
        self.meter.forget(id.0);
        let all = entry.host.final_usage()?;
        let seen = Some(entry.peak).filter(|peak| *peak > 0);
        Some(Usage {
            cpu: all.used.cpu,
            io: all.used.io,
            memory_peak: all.memory_peak.max(seen),
            network,
            processes: None,
        })
    }

    /// Suspends a host, with everything it started (POL-1).
    pub(crate) fn freeze(&self, id: HostId) {
        self.told(id, "suspended", bgtask_host::Host::freeze);
    }

    /// Lets a suspended host go on.
    pub(crate) fn thaw(&self, id: HostId) {
        self.told(id, "released", bgtask_host::Host::thaw);
    }

    /// Who keeps the limits of hosts.
    pub(crate) fn keepers(&self) -> Keepers {
        self.spawner.keepers()
    }

    /// Looks now and then how many processes a host is, from when it begins to run something until it runs nothing.
    pub(super) fn watch(&mut self, id: HostId) {
        let Some(entry) = self.running.get_mut(&id) else { return };
        let is_watched = entry.host.watched().processes.is_some();
        let Some(program) = entry.program_mut().filter(|program| is_watched && !program.watched) else { return };
        program.watched = true;
        tokio::spawn(remind(self.inbox.clone(), id));
    }

    /// What a host has used that has become more processes than it may be; of any other nothing, and it is looked at again.
    pub(crate) fn crowd(&mut self, id: HostId) -> Option<Usage> {
        let entry = self.running.get_mut(&id).filter(|entry| entry.exit.is_none())?;
        let program = entry.program_mut()?;
        program.watched = false;
        if program.calls.is_empty() {
            return None;
        }
        let most = entry.host.watched().processes.unwrap_or_default();
        let Some(count) = entry.host.crowd() else {
            self.watch(id);
            return None;
        };
        let why = format!("it was {count} processes and threads, the most is {most}: it was ended\n");
        tracing::warn!(host = id.0, "a host: {}", why.trim_end());
        if let Ok(mut tail) = entry.tail.lock() {
            tail.push(why.as_bytes());
        }
        self.usage(id).map(|usage| Usage { processes: Some(count), ..usage })
    }

    fn told(&self, id: HostId, what: &str, tell: impl FnOnce(&bgtask_host::Host) -> Result<(), HostError>) {
        if let Some(Err(error)) = self.running.get(&id).map(|entry| tell(&entry.host)) {
            tracing::error!("a host cannot be {what}: {}", chain(&error));
        }
    }
}

pub(super) const fn bounds(limits: Limits) -> bgtask_host::Limits {
    bgtask_host::Limits { memory: limits.memory, processes: limits.processes }
}

async fn remind(inbox: mpsc::Sender<Incoming>, id: HostId) {
    tokio::time::sleep(WATCH).await;
    let _stopping = inbox.send(Incoming::Count(id)).await;
}
