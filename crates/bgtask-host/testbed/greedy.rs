//! Programs that take more than their share, each within a bound of its own.

use std::hint::black_box;
use std::io::{Read as _, Write as _, stdout};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Uses a processor for so long, tells how much by the account of this process, and waits to be ended.
pub(crate) fn spin(milliseconds: u64) {
    let wanted = Duration::from_millis(milliseconds);
    while own_cpu() < wanted {
        black_box((0..10_000_u64).fold(0, |sum: u64, number| sum.wrapping_add(black_box(number))));
    }
    println!("{}", own_cpu().as_micros());
    wait_for_ever();
}

/// Takes memory, a mebibyte at a time, and tells of each.
pub(crate) fn hog(mebibytes: usize) {
    let mut taken = Vec::new();
    for number in 1..=mebibytes {
        taken.push(vec![1_u8; 1 << 20]);
        println!("{number}");
    }
    black_box(&taken);
    wait_for_ever();
}

/// Starts processes that do nothing, and tells how many there could be.
pub(crate) fn breed(most: usize) {
    let child = |_| Command::new("sleep").arg("1000").stdout(Stdio::null()).spawn().ok();
    let children: Vec<Child> = (0..most).map_while(child).collect();
    println!("{}", children.len());
    wait_for_ever();
}

/// Sends so many bytes, waits for a byte that says it arrived, sends a tenth of it more, and ends.
pub(crate) fn send(to: SocketAddr, bytes: usize) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(&vec![1; bytes]).unwrap();
    stream.read_exact(&mut [0]).unwrap();
    stream.write_all(&vec![2; bytes / 10]).unwrap();
}

/// The time of every thread, to the nanosecond.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

fn wait_for_ever() -> ! {
    stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}
