//! The broker's side of a task host: spawn, confine, watch, kill, reap. No policy.
//!
//! A [`Spawner`] keeps a few *spares*: launchers that are already spawned, each in a cgroup of its
//! own, confined as far as that needs no knowledge of the task, and blocked on a socket.
//! [`Spawner::launch`] sends one of them what to run, and the spare becomes the [`Host`] by
//! `execve`, so the way from a trigger to the first line of a task holds no `fork`.
//! [`Spawner::refill`] replaces it afterwards, when nobody waits.
//!
//! A *command* is any program that is run for a person. It has no channel and needs no launcher: [`Spawner::prepare`] takes
//! what the broker has to give, and [`Prepared::start`] spawns it as what it is, on a thread that may wait for the file
//! system the program is on.
//!
//! ```no_run
//! # use bgtask_host::{CommandSpec, HostError, Spawner, sealed};
//! # fn run(spawner: &mut Spawner) -> Result<(), Box<dyn std::error::Error>> {
//! let argv = ["restic", "backup", "/home/ada"].map(Into::into).to_vec();
//! let mut spec = CommandSpec::new(argv, std::env::vars_os().collect(), "/home/ada".into());
//! spec.descriptors = vec![("BGTASK_DETAILS_FD".into(), sealed(b"{}")?)];
//! spec.nice = true;
//! let running = spawner.prepare(spec)?.start()?;
//! # Ok(()) }
//! ```
//!
//! Nothing else here blocks for long, and nothing starts a thread. Every wait is a file descriptor that the
//! driver polls: the [`Host`] (its program exited), [`Launch::start`] (it did or did not start),
//! [`Launch::output`], [`Launch::channel`] and [`Host::closing`].
//!
//! # What a host finds
//!
//! | what | value |
//! |---|---|
//! | descriptors | 0 `/dev/null`; 1 and 2 one pipe to the broker; 3 the channel to the broker; 4… the payload; no others |
//! | environment | exactly [`HostSpec::env`] |
//! | session | its own, without a terminal |
//! | signals | every disposition default, none blocked |
//! | open files | as many as the broker might open when its [`Spawner`] was made |
//! | priority | that of its [`Priority`]; last in line for the disk |
//! | privileges | `no_new_privs`; no core dumps; first in line for the OOM killer; the user's umask |
//!
//! # What a command finds
//!
//! | what | value |
//! |---|---|
//! | descriptors | 0 `/dev/null`; 1 and 2 one pipe to the broker; 3… those of [`CommandSpec::descriptors`]; no others |
//! | environment | exactly [`CommandSpec::env`] and the numbers of the descriptors |
//! | session | a process group of its own, and no terminal |
//! | signals, open files | as a host |
//! | privileges | those of the user; first in line for the OOM killer; the user's umask and limits |
//!
//! # What containment promises
//!
//! | | [`Containment::Cgroup`] | [`Containment::Session`] |
//! |---|---|---|
//! | [`Host::kill`] reaches | every process the host ever started | its session and its living descendants; a daemon that forked twice and called `setsid` escapes |
//! | [`Host::terminate`] reaches | every process the host ever started | what `kill` reaches |
//! | [`Host::freeze`] stops | every process the host ever started, and nobody notices | what `kill` reaches, by a signal of which parents hear |
//! | [`Limits`] are kept by | the kernel, where there are the controllers `memory` and `pids`, else whoever watches | whoever watches |
//! | [`Host::usage`] | of every process the host ever started | of its living processes, to a clock tick |
//! | a new [`Spawner`] after a crash of the broker | kills every left-over process first | kills left-over hosts and what they contain then; if a host itself is gone, its orphans stay |
//!
//! Neither stands against a malicious program of the same user, which may write to the cgroup
//! tree as the broker does. The broker is no child subreaper: adopted orphans could not be told
//! apart by the host they come from, and would have to be reaped in competition with every
//! other part of the process that has children.
//!
//! Linux 5.9 or later is needed; cgroups are used where this process may make some below its own.
//!
//! # Unsafe code
//!
//! All of it is in one module, `raw`: `clone3`, what a child does before it executes, the account of what ended, and
//! the priority at the disk.
#![deny(unsafe_code)]

mod cgroup;
mod command;
mod delegation;
mod error;
mod host;
pub mod launcher;
mod ledger;
mod limits;
mod memfd;
mod message;
mod network;
mod priority;
mod raw;
mod search;
mod session;
mod spare;
mod spawner;
mod spec;
mod tail;
mod usage;

pub use cgroup::tree_of;
pub use command::{CommandSpec, FIRST_DESCRIPTOR, MemoryBound, NOT_EXECUTED, Prepared, Running};
pub use delegation::{may_make_cgroups, step_aside};
pub use error::{Blame, HostError};
pub use host::{Closing, Exit, Host, KILL_WAIT};
pub use ledger::LEFTOVER_WAIT;
pub use limits::{Keeper, Keepers, Limits};
pub use memfd::sealed;
pub use network::{MAX_CONNECTIONS, NetworkMeter};
pub use priority::{NICE, Priority, Scheduling};
pub use rustix::process::Signal;
pub use session::session_of;
pub use spare::{Launch, Start};
pub use spawner::{Containment, MAX_SPARES, Spawner, SpawnerConfig};
pub use spec::{HostSpec, MAX_PAYLOAD, MAX_SPEC_BYTES};
pub use tail::{TAIL_BYTES, Tail};
pub use usage::{FinalUsage, Usage};
