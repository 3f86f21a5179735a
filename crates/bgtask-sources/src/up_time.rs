//! How long the machine has been up.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the machine was started, suspend included. Nobody can set this clock.
pub(crate) fn up_time() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows() {
        let before = up_time();
        assert!(!before.is_zero() && up_time() >= before);
    }
}
