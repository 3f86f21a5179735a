//! The bgtask broker: one loop that joins core, store, sources, hosts and clients.
//!
//! [`main`] is the whole program `bgtaskd`; it is a library so that the package of programs can hold all of them.
//!
//! ```text
//!  clients ─┐                        ┌─▶ store      one durable commit per turn
//!  hosts   ─┼─▶ inbox ─▶ driver ─▶ core ─▶ outputs ─┼─▶ hosts
//!  sources ─┤            (the loop)  └─▶ clients, sources
//!  apps    ─┘
//! ```
//!
//! The driver owns everything; the folders around it only turn bytes, descriptors and files into `inbox::Incoming` and
//! outputs into effects. None of them decides anything: policy is in `bgtask-core`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod app_services;
mod apps;
mod calendars;
mod clients;
mod config;
mod confinement;
mod consent;
mod containment;
mod devices;
mod driver;
mod failure;
mod fleet;
mod hosts;
mod inbox;
mod inhibitor;
mod listeners;
mod logging;
mod options;
mod places;
mod policy;
mod push;
mod ready;
mod service_manager;
mod session;
mod sockets;
mod sources;
mod task_files;
mod transfers;

use std::process::ExitCode;

use clap::Parser as _;

/// Runs the broker until it is told to stop.
///
/// Exit codes: 0 it was asked to stop, 1 it could not go on (the message says why and what to do), 2 wrong arguments.
pub fn main() -> ExitCode {
    let options = options::Options::parse();
    logging::start(&options.log);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(driver::run(&options)),
        Err(error) => Err(failure::Failure::new("the asynchronous runtime cannot be started", error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!("{failure}");
            ExitCode::FAILURE
        }
    }
}
