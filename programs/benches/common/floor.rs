//! A bare spawn of the benchmark itself, to its `main`: what nobody can be faster than who starts a program.

use std::io::{Read as _, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use super::{GAP, ROUNDS, WARM_UP, median, monotonic};

/// The median of [`ROUNDS`]. The program has to call [`begin`] first of all when its first argument is `floor`.
pub(crate) fn measure() -> Duration {
    let program = std::env::current_exe().expect("its own path");
    let mut times = Vec::new();
    for _ in 0..ROUNDS + WARM_UP {
        std::thread::sleep(GAP);
        let begin = monotonic();
        let mut command = Command::new(&program);
        let mut child = command.arg("floor").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("itself");
        let mut bytes = [0; 8];
        child.stdout.take().expect("piped").read_exact(&mut bytes).expect("its time");
        let _reaped = child.wait();
        times.push(Duration::from_nanos(u64::from_ne_bytes(bytes) - begin));
    }
    median(times.split_off(WARM_UP))
}

/// The spawned program says when it began.
pub(crate) fn begin() -> ExitCode {
    let _written = std::io::stdout().write_all(&monotonic().to_ne_bytes());
    ExitCode::SUCCESS
}
