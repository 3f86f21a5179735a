//! What reaches the model, and what it asks for.

use bgtask_log::Line;
use bgtask_wire::{AppInfo, EventInfo, HistoryInfo, ProgressInfo, SourceInfo, TaskInfo, WhyInfo};
use crossterm::event::{KeyEvent, MouseEvent};

/// Something happened: the only way in which a [`Model`](crate::model::Model) changes.
#[derive(Debug)]
pub(crate) enum Message {
    Key(KeyEvent),
    Mouse(MouseEvent),
    News(News),
    /// A second went by.
    Tick,
}

/// What the broker said.
#[derive(Debug)]
pub(crate) enum News {
    /// A broker answers: what was known may be old.
    Connected,
    /// It does not any more, or not yet: why.
    Lost(String),
    /// All registrations.
    Tasks(Vec<TaskInfo>),
    /// How these registrations stand; those without anything are gone.
    Refreshed(Vec<(String, Option<TaskInfo>)>),
    /// Why this task is where it is; nothing where the task is gone.
    Why(String, Option<WhyInfo>),
    Event(EventInfo),
    Progressed(ProgressInfo),
    /// The last lines about one registration, oldest first.
    History(String, Vec<HistoryInfo>),
    /// What a command wrote.
    Log(String, Vec<Line>),
    /// What happened in the last hour, oldest first.
    Past(Vec<HistoryInfo>),
    Apps(Vec<AppInfo>),
    Sources(Vec<SourceInfo>),
    /// What the user asked for was done.
    Done(String),
    /// A question has no answer: why.
    Refused(Ask, String),
}

/// What the model wants of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Ask(Ask),
    Quit,
}

/// A question to the broker. Each is answered by [`News`] of the same name, or by [`News::Refused`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Tasks,
    /// Answered by [`News::Refreshed`].
    Refresh(Vec<String>),
    Why(String),
    History(String),
    /// Tell what this task writes to this file, and nothing more of what was followed before.
    Log(String, Option<String>),
    /// What happened since then, microseconds since the Unix epoch.
    Past(i64),
    Apps,
    Sources,
    /// Answered by [`News::Done`].
    Do(Deed),
}

/// What a person does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Run { task: String, name: String },
    Pause { task: String, name: String, paused: bool },
    Cancel { task: String, name: String },
    Access { app: String, setting: &'static str },
}
