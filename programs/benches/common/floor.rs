//! What nobody can be faster than: who starts a program, a bare spawn of the benchmark itself, to its `main`; who asks another process,
//! a byte to it and back.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

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

/// A byte to `cat` over a Unix socket and back, each time after a pause: the median of [`ROUNDS`].
pub(crate) fn round_trip(pause: Duration) -> Duration {
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    let (input, output) = (theirs.try_clone().expect("a copy"), theirs);
    let mut cat = Command::new("cat").stdin(OwnedFd::from(input)).stdout(OwnedFd::from(output)).spawn().expect("cat");
    let mut times = Vec::new();
    for _ in 0..ROUNDS + WARM_UP {
        std::thread::sleep(pause);
        let begin = Instant::now();
        ours.write_all(b"?").and_then(|()| ours.read_exact(&mut [0])).expect("the byte");
        times.push(begin.elapsed());
    }
    drop(ours);
    let _reaped = cat.wait();
    median(times.split_off(WARM_UP))
}
