//! What an event says, and as what it is told.

use rustix::fs::inotify::ReadFlags;

use crate::watch_path::ChangeKind;

/// What happened to something, before it is known what was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Created,
    Changed,
    Written,
    Deleted,
    MovedIn,
    MovedOut,
    /// It came with a folder that appeared.
    CameAlong,
    /// Another file was put in its place.
    Replaced,
}

impl Change {
    pub(super) fn of(what: ReadFlags) -> Option<Self> {
        let table = [
            (ReadFlags::CREATE, Self::Created),
            (ReadFlags::MODIFY, Self::Changed),
            (ReadFlags::CLOSE_WRITE, Self::Written),
            (ReadFlags::DELETE, Self::Deleted),
            (ReadFlags::MOVED_TO, Self::MovedIn),
            (ReadFlags::MOVED_FROM, Self::MovedOut),
        ];
        table.into_iter().find(|(flag, _)| what.contains(*flag)).map(|(_, change)| change)
    }

    /// Whether something is there after it that may not have been before.
    pub(super) const fn appears(self) -> bool {
        matches!(self, Self::Created | Self::MovedIn | Self::Replaced)
    }

    /// As what it may be told, the best first. A file that arrives whole is told to who waits for files that are written,
    /// since that is how careful programs write them.
    pub(super) const fn told_as(self, is_folder: bool) -> &'static [ChangeKind] {
        use ChangeKind::{Changed, Created, Deleted, MovedIn, MovedOut, Written};
        match (self, is_folder) {
            (Self::Created, _) | (Self::CameAlong, true) => &[Created],
            (Self::Changed, _) => &[Changed],
            (Self::Written, _) => &[Written],
            (Self::Deleted, _) => &[Deleted],
            (Self::MovedOut, _) => &[MovedOut, Deleted],
            (Self::MovedIn | Self::Replaced, true) => &[MovedIn, Created],
            (Self::MovedIn, false) => &[MovedIn, Created, Written, Changed],
            (Self::CameAlong, false) => &[Created, Written, Changed],
            (Self::Replaced, false) => &[Written, Changed, MovedIn],
        }
    }
}
