//! Sockets that outlive their app: handed over to a real broker, given to real tasks, and what hostile ones among them can do.

#[path = "../harness/mod.rs"]
mod harness;

mod hand_over;
mod hostile;
mod lives;
mod stage;
mod tls;
