use std::io;

use bgtask_core::{BootTime, Now, WallTime};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};

use crate::ready::{self, Ready};

/// A second no clock of a machine reaches, and that its kernel can still count in nanoseconds.
const NEVER: i64 = 9_000_000_000;

/// The two clocks, the one timer on the boot clock, which counts while the machine sleeps, and one on the wall clock that
/// never rings by itself: it tells when somebody set that clock, which timers by the wall must hear at once.
pub(crate) struct Clock {
    timer: Ready,
    steps: Ready,
    armed: Option<BootTime>,
}

impl Clock {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        let steps = timerfd_create(TimerfdClockId::Realtime, flags)?;
        let told = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(&steps, told, &once(Timespec { tv_sec: NEVER, tv_nsec: 0 }))?;
        Ok(Self { timer: ready::watch(timer)?, steps: ready::watch(steps)?, armed: None })
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
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &once(value))?;
        self.armed = at;
        Ok(())
    }

    /// Returns when the armed time has come, or the wall clock was set. Cancel safe.
    pub(crate) async fn rings(&self) -> io::Result<()> {
        tokio::select! {
            rang = expired(&self.timer) => rang,
            set = expired(&self.steps) => set,
        }
    }

    /// Forgets what was armed, after it rang.
    pub(crate) fn rang(&mut self) {
        self.armed = None;
    }
}

/// A timer reads as long as it has expired, and fails to be read once its clock was set.
async fn expired(timer: &Ready) -> io::Result<()> {
    loop {
        let mut ready = timer.readable().await?;
        let mut count = [0; 8];
        match ready.try_io(|timer| Ok(rustix::io::read(timer, &mut count)?)) {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if error.raw_os_error() == Some(Errno::CANCELED.raw_os_error()) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => {}
        }
    }
}

const fn once(at: Timespec) -> Itimerspec {
    Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at }
}

fn micros(time: &Timespec) -> i64 {
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}
