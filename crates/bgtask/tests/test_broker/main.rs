//! The test broker: the scenarios of the Windows sample, its clock, its processes, and what it refuses.

mod control_channels;
mod costs;
mod deadlines;
mod events;
mod hosting;
mod refusals;
mod restart;
mod sample;
mod scenarios;
mod services;
mod sockets;
