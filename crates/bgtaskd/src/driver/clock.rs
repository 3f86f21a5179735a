use std::io;

use bgtask_core::{BootTime, Now, WallTime};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};

use crate::ready::{self, Ready};

/// The two clocks, and the one timer on the boot clock: it counts while the machine sleeps.
pub(crate) struct Clock {
    timer: Ready,
    armed: Option<BootTime>,
}

impl Clock {
    pub(crate) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { timer: ready::watch(timer)?, armed: None })
    }

    /// Both clocks, now.
    pub(crate) fn now() -> Now {
        let (boot, wall) = (clock_gettime(ClockId::Boottime), clock_gettime(ClockId::Realtime));
        Now {
            boot: BootTime::from_micros(u64::try_from(micros(&boot)).unwrap_or(0)),
            wall: WallTime::from_micros(micros(&wall)),
        }
    }

    /// Arms the timer, or disarms it; asks the system only when the time changed.
    pub(crate) fn arm(&mut self, at: Option<BootTime>) -> io::Result<()> {
        if self.armed == at {
            return Ok(());
        }
        // A value of zero would disarm it: a time in the past is the first microsecond instead.
        let value = at.map_or(0, |at| i64::try_from(at.as_micros().max(1)).unwrap_or(i64::MAX));
        let value = Timespec { tv_sec: value / 1_000_000, tv_nsec: value % 1_000_000 * 1_000 };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timer = Itimerspec { it_interval: zero, it_value: value };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &timer)?;
        self.armed = at;
        Ok(())
    }

    /// Returns when the armed time has come. Cancel safe.
    pub(crate) async fn rings(&self) -> io::Result<()> {
        loop {
            let mut ready = self.timer.readable().await?;
            let mut count = [0; 8];
            match ready.try_io(|timer| Ok(rustix::io::read(timer, &mut count)?)) {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }

    /// Forgets what was armed, after it rang.
    pub(crate) fn rang(&mut self) {
        self.armed = None;
    }
}

fn micros(time: &Timespec) -> i64 {
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}
