//! What a source says.

use std::fmt;

use tokio::sync::mpsc;

use crate::SourceKind;

/// How well a source can see what it watches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// Everything it needs is here.
    Available {
        /// By what means it sees, as in "inotify on /etc/localtime".
        how: String,
    },
    /// It sees something, but less well than it should.
    Degraded {
        /// By what means it sees.
        how: String,
        /// What is lacking, and what that costs.
        why: String,
        /// What to do about it.
        help: String,
    },
    /// It cannot see at all. The level it reports is the cautious one.
    Missing {
        /// What is missing.
        why: String,
        /// How to get it.
        help: String,
    },
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Available { how } => write!(f, "available: {how}"),
            Self::Degraded { how, why, help } => write!(f, "degraded: {how}; {why}; {help}"),
            Self::Missing { why, help } => write!(f, "missing: {why}; {help}"),
        }
    }
}

/// One thing a source says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// How well that source can see; the first report of every source, and again whenever it changes.
    Status(SourceKind, Status),
    /// The system's time zone: first as it is, then each time its name or its rules change.
    TimeZone(ZoneReading),
    /// Whether what the kind asks holds: first as it is, then each time it changes. Every kind but the time zone and the
    /// states is such a level; [`SourceKind`] says what each one takes for true.
    Level(SourceKind, bool),
    /// What a state is that is more than yes or no, in one word: first as it is, then each time it changes.
    State(SourceKind, String),
}

/// The system's time zone at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneReading {
    /// The IANA name, such as `Europe/Berlin`, where `/etc/localtime` is a link that tells it; `UTC` where there is no
    /// such file; `None` for a copied file.
    pub name: Option<String>,
    /// Names the rules: two readings with the same identity follow the same rules under the same name. It is stable
    /// across runs and machines.
    pub identity: String,
    /// Seconds east of UTC at this moment.
    pub offset_seconds: i32,
    /// Set when the change moved the wall clock, which is the edge of the `TimeZoneChange` trigger (SYS-3): the new
    /// zone gives another offset *now* than the one before would give now. `None` for a first reading.
    pub changed: Option<ZoneChange>,
}

/// How a new zone moved the wall clock. The two offsets differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZoneChange {
    /// Seconds east of UTC that the zone before would give now.
    pub from_offset_seconds: i32,
    /// Seconds east of UTC that the new zone gives now.
    pub to_offset_seconds: i32,
}

/// Sends reports, each status and each level only when it is news.
#[derive(Debug)]
pub(crate) struct Teller {
    kind: SourceKind,
    reports: mpsc::Sender<Report>,
    status: Option<Status>,
    level: Option<Report>,
}

/// Nobody receives the reports any more, so the source may end.
#[derive(Debug)]
pub(crate) struct Unheard;

impl Teller {
    pub(crate) fn new(kind: SourceKind, reports: mpsc::Sender<Report>) -> Self {
        Self { kind, reports, status: None, level: None }
    }

    pub(crate) async fn status(&mut self, status: Status) -> Result<(), Unheard> {
        if self.status.as_ref() == Some(&status) {
            return Ok(());
        }
        tracing::debug!(source = ?self.kind, %status, "source status");
        self.status = Some(status.clone());
        self.send(Report::Status(self.kind, status)).await
    }

    /// Tells whether it holds.
    pub(crate) async fn level(&mut self, holds: bool) -> Result<(), Unheard> {
        self.news(Report::Level(self.kind, holds)).await
    }

    /// Tells what the state is.
    pub(crate) async fn state(&mut self, state: impl Into<String>) -> Result<(), Unheard> {
        self.news(Report::State(self.kind, state.into())).await
    }

    pub(crate) async fn zone(&mut self, reading: ZoneReading) -> Result<(), Unheard> {
        self.news(Report::TimeZone(reading)).await
    }

    async fn news(&mut self, level: Report) -> Result<(), Unheard> {
        if self.level.as_ref() == Some(&level) {
            return Ok(());
        }
        self.level = Some(level.clone());
        self.send(level).await
    }

    async fn send(&self, report: Report) -> Result<(), Unheard> {
        self.reports.send(report).await.map_err(|_| Unheard)
    }
}
