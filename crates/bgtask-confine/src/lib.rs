//! Walls around a program, put up by the program itself before it executes. No broker, no policy.
//!
//! Who decides writes a [`Plan`]: what the program may see, write and reach. Whoever becomes the program calls [`Prepared::new`]
//! as early as it can, which does all that needs no plan, and then [`Prepared::confine`], which does the rest and is followed
//! by `execve`. Both want a process of one thread. Nothing here needs a privilege; as root the walls are the same.
//!
//! | [`Wall`] | kept by | where that lacks |
//! |---|---|---|
//! | [`Files`](Wall::Files) | Landlock: only the declared files, the system read-only; nobody else's memory | what is shown may be used as the user may |
//! | [`View`](Wall::View) | a mount namespace: a root of its own with the declared files in it, and a `/tmp` of its own | sockets in folders of others can be reached, `/tmp` not at all |
//! | [`Signals`](Wall::Signals) | Landlock: signals and abstract sockets stay among its own processes | signals reach every process of the user |
//! | [`Network`](Wall::Network) | an empty network namespace | a rule that gives no socket but local ones |
//! | [`Calls`](Wall::Calls) | seccomp: system calls that no task needs and every escape does; no capability, no new privileges | – |
//! | [`Processes`](Wall::Processes) | a limit of its own, in a user namespace | the cgroup's limit, where there is one |
//!
//! ```
//! let mut plan = bgtask_confine::Plan::new("/home/ada".into());
//! plan.write.push("/home/ada/.local/share/bgtask/data/org.example.Photos".into());
//! plan.read.push("/home/ada/Pictures".into());
//! let sent = plan.encode();
//! assert_eq!(bgtask_confine::Plan::decode(&sent), Some(plan));
//! ```

#![forbid(unsafe_code)]

mod calls;
mod files;
mod namespaces;
mod plan;
mod prepared;
mod privileges;
mod view;
mod walls;

pub use plan::{MAX_PLAN_BYTES, MAX_PLAN_PATHS, Plan};
pub use prepared::Prepared;
pub use view::PRIVATE_BYTES;
pub use walls::{Breach, Means, Report, Wall};
