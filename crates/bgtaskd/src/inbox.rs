use bgtask_core::{ClientId, Consent, HostId, InstanceId, RequestId};
use bgtask_host::Running;
use zbus::Message;

use crate::clients::Visitor;
use crate::driver::Tried;

/// How much may wait for the driver. Whoever finds it full waits, and so does the peer behind him.
pub(crate) const MAX_WAITING: usize = 1_024;

/// How much the driver takes in one turn, and so how much one commit covers.
pub(crate) const MAX_BATCH: usize = 256;

/// Everything that can wake the driver, besides its timer and the reports of sources.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A client is connected.
    Client(ClientId, Visitor),
    /// It sent a message: a call, or, where it is a host, what a host says.
    Said(ClientId, Message),
    /// It is gone.
    ClientGone(ClientId),
    /// A command has started, or could not.
    Started(HostId, Box<Result<Running, String>>),
    /// A host sent a message.
    Host(HostId, Message),
    /// A host's program ended, or what it left behind did.
    HostEnded(HostId),
    /// A host's last words are read: nothing of it is left.
    HostSilent(HostId, String),
    /// It is time to count the processes of a host.
    Count(HostId),
    /// Something changed in a folder with manifests.
    Apps,
    /// Something changed in the folder with task files.
    TaskFiles,
    /// Something changed in the folder with policies.
    Policies,
    /// The user answered a question, or nobody could be asked.
    Consent(RequestId, Consent),
    /// What a task would listen to has been tried.
    Tried(Box<Tried>),
    /// The desktop showed a notification of an app under this number, took one away, or did not.
    Notified(ClientId, Message, Result<Option<u32>, String>),
    /// The caller that an instance serves has let go of its connection.
    CallerGone(InstanceId),
    /// It is time to stop.
    Stop(&'static str),
}
