//! Sockets that outlive their app: handed over to a real broker, given to real tasks, and what hostile ones among them can do. And those
//! that an app keeps, of its control channels.

#[path = "../harness/mod.rs"]
mod harness;

mod control_channels;
mod hand_over;
mod hostile;
mod lives;
mod stage;
mod tls;
