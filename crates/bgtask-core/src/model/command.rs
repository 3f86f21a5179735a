use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A program a person runs as a task: any argument list, no manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments: at least one. A name without a slash is looked for in the `PATH` of the task.
    pub argv: Vec<Arc<str>>,
    /// What its environment has besides the broker's.
    pub env: BTreeMap<Arc<str>, Arc<str>>,
    /// The folder it starts in, an absolute path; empty is the home folder.
    pub dir: Arc<str>,
    /// How long one try may take before it is told to stop.
    pub timeout: Duration,
    /// How much processor time one try may use before it is told to stop.
    pub cpu: Option<Duration>,
    /// How many bytes of memory it may use.
    pub memory: Option<u64>,
    /// Whether it may use the network at all.
    pub network: bool,
    /// Whether it gives way to everything else.
    pub nice: bool,
    /// How a failed try is repeated.
    pub retry: Retry,
    /// How long ago its last success may be, before that is reported as a breach.
    pub fresh_within: Option<Duration>,
    /// Whether it may leave a small file for its next try.
    pub checkpoint: bool,
    /// The profile of what it may touch; `None` is as much as the user may.
    pub sandbox: Option<Arc<str>>,
    /// The task file that it stands in; `None` where it was added by a call.
    pub file: Option<Arc<str>>,
}

impl Command {
    /// A command with nothing but its arguments.
    pub fn new(argv: impl IntoIterator<Item = impl Into<Arc<str>>>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            dir: "".into(),
            timeout: Self::TIMEOUT,
            cpu: None,
            memory: None,
            network: true,
            nice: false,
            retry: Retry::default(),
            fresh_within: None,
            checkpoint: false,
            sandbox: None,
            file: None,
        }
    }

    /// How long one try may take where nothing else is said: a day.
    pub const TIMEOUT: Duration = Duration::from_secs(86_400);
}

/// How a failed try is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often at most.
    pub times: u32,
    /// How long after the first failure; twice as long after each further one, up to [`MAX_BACKOFF`](crate::limits::MAX_BACKOFF).
    pub backoff: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { times: 0, backoff: Duration::from_secs(60) }
    }
}

impl Retry {
    /// How long to wait after that many failures, where there is another try.
    pub(crate) fn pause_after(self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.backoff.saturating_mul(doubled).min(crate::limits::MAX_BACKOFF.max(self.backoff))
    }
}

/// How the last run of a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// When.
    pub at: crate::time::WallTime,
    /// Whether it succeeded.
    pub ok: bool,
}

/// What was used by one try, or by a host so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all its processes.
    pub cpu: Duration,
    /// Bytes read and written by all its processes.
    pub io: u64,
    /// The most bytes of memory it had at once, where that is known.
    pub memory_peak: Option<u64>,
    /// Bytes sent and received over the network by all its processes, where they can be counted.
    pub network: Option<u64>,
    /// How many processes and threads it is now, where that is known.
    pub processes: Option<u32>,
}

/// What one try came to cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// From its start to its end.
    pub wall: Duration,
    /// What its processes used; `None` where that could not be seen. In a process that several instances share, each is
    /// charged with what was used since the last of them ended: nothing twice.
    pub usage: Option<Usage>,
    /// Thousandths of wake-ups of the broker that served the task since its last try, beside those of its timer: pauses that
    /// ended, looks at what it uses, budgets that were over, hosts that lingered. One that serves several is shared.
    pub wakes: u32,
}
