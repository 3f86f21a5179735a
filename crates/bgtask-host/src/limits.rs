//! What bounds a host, and who sees to it.

/// What bounds a host from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory of all its processes together.
    pub memory: Option<u64>,
    /// How many processes and threads it may be.
    pub processes: Option<u32>,
}

/// Who keeps a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// The kernel: it is never exceeded.
    Kernel,
    /// The broker, which looks now and then: until it does, the limit may be exceeded.
    Broker,
}

/// Who keeps what on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepers {
    /// The bound on memory: the kernel's, where the broker's cgroup has the `memory` controller.
    pub memory: Keeper,
    /// The bound on processes: the kernel's with the `pids` controller.
    pub processes: Keeper,
    /// Whether hosts weigh less than others at the processors, with the `cpu` controller. Without it their nice value counts.
    pub weight: bool,
}

impl Keepers {
    /// Where there are no controllers.
    pub const NONE: Self = Self { memory: Keeper::Broker, processes: Keeper::Broker, weight: false };
}
