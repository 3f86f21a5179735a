//! Connections to app services: both ends are made here, and when the caller lets go of its own it is noticed.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;

use bgtask_core::{InstanceId, Reply, RequestId};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::inbox::Incoming;
use crate::ready::{self, Ready};

/// The connections there are. The core bounds them.
pub(crate) struct AppServices {
    /// Asked for, and not decided.
    opening: HashMap<RequestId, Opening>,
    /// The callers of those that are open, while they are looked for.
    callers: HashMap<InstanceId, AbortHandle>,
    inbox: mpsc::Sender<Incoming>,
}

/// A connection with its lifeline: a second socket, whose one end the caller keeps open for as long as it wants to be served. The
/// connection itself is between the caller and the task alone, and the broker would not see its end.
pub(crate) struct Opening {
    caller: [OwnedFd; 2],
    lifeline: Ready,
}

impl Opening {
    /// A connection, and the task's end of it.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let pair = || socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let (connection, task) = pair()?;
        let (theirs, ours) = pair()?;
        Ok((Self { caller: [connection, theirs], lifeline: ready::watch(ours)? }, task))
    }
}

impl AppServices {
    pub(crate) fn new(inbox: mpsc::Sender<Incoming>) -> Self {
        Self { opening: HashMap::new(), callers: HashMap::new(), inbox }
    }

    /// Keeps a connection until it is decided upon.
    pub(crate) fn opening(&mut self, request: RequestId, opening: Opening) {
        self.opening.insert(request, opening);
    }

    /// What the caller gets: its ends of the connection and of the lifeline, where it is open.
    pub(crate) fn decided(&mut self, request: RequestId, reply: Option<&Reply>) -> Vec<OwnedFd> {
        let Some(Opening { caller, lifeline }) = self.opening.remove(&request) else { return Vec::new() };
        let Some(Reply::AppService { instance: Some(instance), .. }) = reply else { return Vec::new() };
        let watch = tell_when_let_go(lifeline, self.inbox.clone(), *instance);
        self.callers.insert(*instance, tokio::spawn(watch).abort_handle());
        caller.into()
    }

    /// Looks no longer whether the caller is there.
    pub(crate) fn forget(&mut self, instance: InstanceId) {
        if let Some(watch) = self.callers.remove(&instance) {
            watch.abort();
        }
    }
}

/// Nothing is to be said by it: who writes to it has let go as well.
async fn tell_when_let_go(lifeline: Ready, inbox: mpsc::Sender<Incoming>, instance: InstanceId) {
    drop(lifeline.readable().await);
    let _stopping = inbox.send(Incoming::CallerGone(instance)).await;
}
