//! The six scenarios of the `BackgroundTask` sample of Windows, and its in-process twin (§16, §17), step by step: the sample app of
//! `examples/sample-app` as a person types into it, its task program, a broker, real changes in a private system root, and the
//! settings on the disk. Real seconds pass; where a step waits for minutes, what the broker has noted is moved.

#[path = "../harness/mod.rs"]
mod harness;

mod application;
mod condition;
mod group;
mod in_process;
mod stage;
mod system_event;
mod terminal;
mod timer;
mod update;
