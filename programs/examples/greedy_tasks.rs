//! A task program whose tasks take more than their app may: processor time, memory, processes, the network.
//!
//! The broker starts it; the end-to-end tests run it. Every task has a bound of its own, should nobody stop it.

use std::hint::black_box;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bgtask::BackgroundTaskThrottleCounter;
use bgtask::host::{BlockingTask, Host, TaskError, TaskInstance};

/// No task goes on for longer.
const MOST: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    Host::new()
        .blocking_entry_point("Greedy.Spins", Spins)
        .blocking_entry_point("Greedy.Hogs", Hogs)
        .blocking_entry_point("Greedy.Breeds", Breeds)
        .blocking_entry_point("Greedy.Sends", Sends)
        .run()
}

/// Uses a processor until it was suspended once, and says by its progress which process it is.
struct Spins;

impl BlockingTask for Spins {
    fn run(&self, instance: &TaskInstance) -> Result<(), TaskError> {
        instance.progress(std::process::id());
        while goes_on(instance) && instance.suspended_count() == 0 {
            black_box((0..100_000_u64).fold(0, |sum: u64, number| sum.wrapping_add(black_box(number))));
        }
        was_suspended_for(instance, BackgroundTaskThrottleCounter::Cpu)
    }
}

/// Takes memory, 256 MiB at most.
struct Hogs;

impl BlockingTask for Hogs {
    fn run(&self, instance: &TaskInstance) -> Result<(), TaskError> {
        let taken: Vec<_> = (0..256).map(|_| vec![1_u8; 1 << 20]).collect();
        while goes_on(instance) {
            instance.wait_cancelled(Duration::from_secs(1));
        }
        drop(black_box(taken));
        Ok(())
    }
}

/// Starts processes that do nothing, 100 at most.
struct Breeds;

impl BlockingTask for Breeds {
    fn run(&self, instance: &TaskInstance) -> Result<(), TaskError> {
        let child = |_| Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().ok();
        let children: Vec<Child> = (0..100).map_while(child).collect();
        instance.progress(u32::try_from(children.len())?);
        while goes_on(instance) {
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

/// Sends as much as it can to the address in its setting `To`.
struct Sends;

impl BlockingTask for Sends {
    fn run(&self, instance: &TaskInstance) -> Result<(), TaskError> {
        let to: String = instance.local_settings()?.get("To")?.unwrap_or_default();
        let mut stream = TcpStream::connect(to)?;
        let bytes = vec![1; 1 << 16];
        while goes_on(instance) && instance.suspended_count() == 0 {
            stream.write_all(&bytes)?;
            // Slow enough for the test that reads it.
            sleep(Duration::from_millis(2));
        }
        was_suspended_for(instance, BackgroundTaskThrottleCounter::Network)
    }
}

/// Succeeds if it was suspended, and for want of this alone.
fn was_suspended_for(instance: &TaskInstance, counter: BackgroundTaskThrottleCounter) -> Result<(), TaskError> {
    match (instance.throttle_count(counter), instance.suspended_count()) {
        (1.., all) if all == instance.throttle_count(counter) => Ok(()),
        (one, all) => Err(format!("suspended {all} times, {one} of them for this").into()),
    }
}

fn goes_on(instance: &TaskInstance) -> bool {
    thread_local!(static BEGAN: Instant = Instant::now());
    instance.cancellation_reason().is_none() && BEGAN.with(Instant::elapsed) < MOST
}
