//! Apps that run by themselves and run their own tasks (BLD-9): a client is the host, its connection the channel.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use bgtask_core::{ClientId, HostId};
use bgtask_host::Usage;
use rustix::process::{Signal, pidfd_send_signal};

use super::calls::Calls;

/// The apps that are hosts.
#[derive(Default)]
pub(super) struct Adopted(HashMap<HostId, App>);

pub(super) struct App {
    pub(super) client: ClientId,
    process: AppProcess,
    pub(super) calls: Calls,
}

/// The process of an app. Where the kernel does not let the broker hold on to it, it can only lose its connection.
pub(crate) struct AppProcess {
    pid: i32,
    held: Option<OwnedFd>,
}

impl Adopted {
    pub(super) fn insert(&mut self, id: HostId, client: ClientId, process: AppProcess) {
        self.0.insert(id, App { client, process, calls: Calls::default() });
    }

    pub(super) fn get(&self, id: HostId) -> Option<&App> {
        self.0.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: HostId) -> Option<&mut App> {
        self.0.get_mut(&id)
    }

    pub(super) fn of_client(&self, client: ClientId) -> Option<HostId> {
        self.0.iter().find(|(_, app)| app.client == client).map(|(id, _)| *id)
    }

    pub(super) fn remove_client(&mut self, client: ClientId) {
        self.0.retain(|_, app| app.client != client);
    }
}

impl App {
    /// Ends the app's process, and nothing else of it: what else it started is its user's, not the broker's.
    pub(super) fn kill(&self) {
        let Some(held) = &self.process.held else { return };
        match pidfd_send_signal(held, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(errno) => tracing::error!(pid = self.process.pid, "an app that runs a task cannot be killed: {errno}"),
        }
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        self.process.held.as_ref().and_then(|_| Usage::of_process(self.process.pid))
    }
}

impl AppProcess {
    pub(crate) const fn new(pid: i32, held: Option<OwnedFd>) -> Self {
        Self { pid, held }
    }
}
