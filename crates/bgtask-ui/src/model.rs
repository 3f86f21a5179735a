//! What the screen shows, and nothing of how.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bgtask_core::Event;
use bgtask_log::Line;
use bgtask_text::Clock;
use bgtask_wire::{AppInfo, EventInfo, SourceInfo, TaskInfo, WhyInfo};

use crate::message::Deed;

/// Most events of the activity.
pub(crate) const MAX_ACTIVITY: usize = 1_000;
/// Most lines of the history of a task.
pub(crate) const MAX_HISTORY: usize = 1_000;
/// Most lines of a log.
pub(crate) const MAX_LOG: usize = 2_000;
/// Most events that the last hour is accounted for by, the latest ones.
pub(crate) const MAX_PAST: usize = 20_000;
/// Most characters of a filter.
pub(crate) const MAX_FILTER: usize = 64;
/// How long the past of [`View::Top`] is, in microseconds.
pub(crate) const PAST: i64 = 3_600_000_000;

/// What can be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Every task, and why the selected one is where it is.
    #[default]
    Tasks,
    /// What happens.
    Activity,
    /// What happened to the selected task, and what it wrote.
    History,
    /// What the sources read.
    Conditions,
    /// Who may run.
    Access,
    /// What runs, and what the last hour came to cost.
    Top,
}

impl View {
    pub(crate) const ALL: [Self; 6] =
        [Self::Tasks, Self::Activity, Self::History, Self::Conditions, Self::Access, Self::Top];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tasks => "Tasks",
            Self::Activity => "Activity",
            Self::History => "History",
            Self::Conditions => "Conditions",
            Self::Access => "Access",
            Self::Top => "Top",
        }
    }

    pub(crate) fn place(self) -> usize {
        self as usize
    }
}

/// What the user is asked for before anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Look,
    /// Types the filter.
    Filter,
    /// Is asked whether this is meant.
    Confirm(Deed),
    /// Sees the keys, from this line on.
    Help(usize),
}

/// Words about what was done or went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) text: String,
    pub(crate) is_bad: bool,
}

/// Everything the screen shows.
pub(crate) struct Model {
    /// The moment that is shown.
    pub(crate) clock: Clock,
    pub(crate) view: View,
    pub(crate) mode: Mode,
    pub(crate) filter: String,
    /// Why no broker answers.
    pub(crate) lost: Option<String>,
    /// Whether the tasks were ever read.
    pub(crate) is_known: bool,
    pub(crate) status: Option<Status>,
    /// By app, name and id.
    pub(crate) tasks: Vec<TaskInfo>,
    /// The id of the selected task.
    pub(crate) selected: Option<String>,
    pub(crate) whys: HashMap<String, WhyInfo>,
    pub(crate) activity: VecDeque<EventInfo>,
    pub(crate) history: History,
    /// What happened in the last hour.
    pub(crate) past: VecDeque<Event>,
    pub(crate) apps: Vec<AppInfo>,
    pub(crate) sources: Vec<SourceInfo>,
    /// When the sources were read, microseconds since the Unix epoch.
    pub(crate) sources_at: i64,
    /// Which line of each view is selected, or by how many it is scrolled.
    pub(crate) places: [usize; View::ALL.len()],
    /// By how many lines the log is scrolled back.
    pub(crate) log_back: usize,
    pub(crate) pending: Pending,
}

/// The history of one task.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) task: String,
    /// When and what.
    pub(crate) lines: VecDeque<(i64, String)>,
    pub(crate) log: VecDeque<Line>,
}

/// What was asked and not yet answered: nothing is asked twice at once.
#[derive(Default)]
pub(crate) struct Pending {
    /// Registrations that changed since they were read.
    pub(crate) stale: BTreeSet<String>,
    pub(crate) refresh: bool,
    /// Tasks whose reasons are wanted.
    pub(crate) whys: BTreeSet<String>,
    pub(crate) why: bool,
    pub(crate) sources: bool,
    pub(crate) sources_again: bool,
}

impl Model {
    /// Nothing is known yet.
    pub(crate) fn new(view: View, clock: Clock) -> Self {
        Self {
            clock,
            view,
            mode: Mode::Look,
            filter: String::new(),
            lost: None,
            is_known: false,
            status: None,
            tasks: Vec::new(),
            selected: None,
            whys: HashMap::new(),
            activity: VecDeque::new(),
            history: History::default(),
            past: VecDeque::new(),
            apps: Vec::new(),
            sources: Vec::new(),
            sources_at: 0,
            places: [0; View::ALL.len()],
            log_back: 0,
            pending: Pending::default(),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_microsecond()
    }

    pub(crate) fn task(&self, id: &str) -> Option<&TaskInfo> {
        self.tasks.iter().find(|task| task.id == id)
    }

    pub(crate) fn selected_task(&self) -> Option<&TaskInfo> {
        self.selected.as_deref().and_then(|id| self.task(id))
    }

    /// The tasks that pass the filter.
    pub(crate) fn shown_tasks(&self) -> impl Iterator<Item = &TaskInfo> {
        self.tasks.iter().filter(|task| self.passes(&[&task.name, &task.app, &task.word]))
    }

    /// The events that pass the filter, oldest first.
    pub(crate) fn shown_activity(&self) -> impl DoubleEndedIterator<Item = &EventInfo> {
        self.activity.iter().filter(|event| self.passes(&[&event.name, &event.app, &event.text]))
    }

    /// The apps that pass the filter.
    pub(crate) fn shown_apps(&self) -> impl Iterator<Item = &AppInfo> {
        self.apps.iter().filter(|app| self.passes(&[&app.id, &app.access]))
    }

    /// The sources that pass the filter.
    pub(crate) fn shown_sources(&self) -> impl Iterator<Item = &SourceInfo> {
        self.sources.iter().filter(|source| self.passes(&[&source.name, &source.status]))
    }

    /// The tasks of which something runs, and pass the filter.
    pub(crate) fn running(&self) -> impl Iterator<Item = &TaskInfo> {
        self.shown_tasks().filter(|task| is_active(task))
    }

    fn passes(&self, texts: &[&str]) -> bool {
        let wanted = self.filter.to_lowercase();
        wanted.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    }
}

/// Whether something of it runs now.
pub(crate) fn is_active(task: &TaskInfo) -> bool {
    matches!(task.phase.as_str(), "starting" | "running" | "suspended" | "cancelling")
}
