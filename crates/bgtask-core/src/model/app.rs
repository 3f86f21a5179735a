use std::sync::Arc;

use crate::ids::AppId;

/// An installed app as its manifest declares it, reduced to what decisions need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Who it is.
    pub id: AppId,
    /// Its version, as written.
    pub version: Arc<str>,
    /// What may be registered.
    pub entry_points: Vec<EntryPoint>,
}

impl App {
    /// The declared entry point of that name; names are case-sensitive.
    pub fn entry_point(&self, name: &str) -> Option<&EntryPoint> {
        self.entry_points.iter().find(|entry| entry.name == name)
    }
}

/// One declared entry point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// The name given at registration, such as `Tasks.ExampleBackgroundTask`.
    pub name: String,
    /// The program that hosts it: hosts are shared by program. Opaque here.
    pub program: Arc<str>,
    /// The task types it may be registered with (MA-1).
    pub types: Vec<TaskType>,
}

/// A manifest's task type, as far as triggers exist for it (§13.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskType {
    /// `general`
    General,
    /// `systemEvent`
    SystemEvent,
    /// `timer`
    Timer,
    /// Any other declared type: no trigger of this build needs it.
    Other,
}

impl TaskType {
    /// The word of the manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::SystemEvent => "systemEvent",
            Self::Timer => "timer",
            Self::Other => "other",
        }
    }

    /// The type of that word; unknown words are [`TaskType::Other`].
    pub fn from_name(name: &str) -> Self {
        match name {
            "general" => Self::General,
            "systemEvent" => Self::SystemEvent,
            "timer" => Self::Timer,
            _ => Self::Other,
        }
    }
}
