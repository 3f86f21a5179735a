use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use bgtask_core::{BootTime, NewRegistration, Now, Refusal, WallTime};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};

use crate::ready::{self, Ready};

/// A second no clock of a machine reaches, and that its kernel can still count in nanoseconds.
const NEVER: i64 = 9_000_000_000;

/// Where the kernel shows the clocks of the machine, below the root; one that can wake it has this file.
const CLOCKS: &str = "sys/class/rtc";
const CAN_WAKE: &str = "wakealarm";

const NO_CLOCK_HELP: &str = "leave wake out; the task then runs when the machine is awake again";
const NOT_PERMITTED_HELP: &str = "log in at the machine with systemd 254 or later, which permits it, or run \
                                  `sudo setcap cap_wake_alarm+ep /usr/bin/bgtaskd` and start the broker again";

/// The two clocks, the one timer on the boot clock, which counts while the machine sleeps, and one on the wall clock that
/// never rings by itself: it tells when somebody set that clock, which timers by the wall must hear at once.
pub(crate) struct Clock {
    timer: Ready,
    steps: Ready,
    armed: Option<BootTime>,
    alarm: Result<OwnedFd, CannotWake>,
}

/// Why nothing can wake the machine, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CannotWake {
    why: String,
    help: &'static str,
}

impl Clock {
    /// `sysroot` is where the clocks of the machine are looked for.
    pub(crate) fn new(sysroot: &Path) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        let steps = timerfd_create(TimerfdClockId::Realtime, flags)?;
        let told = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(&steps, told, &once(Timespec { tv_sec: NEVER, tv_nsec: 0 }))?;
        Ok(Self { timer: ready::watch(timer)?, steps: ready::watch(steps)?, armed: None, alarm: alarm(sysroot) })
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
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &once(moment(at)))?;
        self.armed = at;
        Ok(())
    }

    /// Has the machine woken then, if it sleeps, where that is permitted. Nobody waits for this alarm: what is due then is
    /// due by the other timer, too.
    pub(crate) fn rouse(&self, at: Option<BootTime>) -> io::Result<()> {
        let Ok(alarm) = &self.alarm else { return Ok(()) };
        Ok(timerfd_settime(alarm, TimerfdTimerFlags::ABSTIME, &once(moment(at))).map(drop)?)
    }

    /// Why a task cannot be registered that wants to wake the machine, if it does and nothing can (D16).
    pub(crate) fn refuses(&self, new: &NewRegistration) -> Option<Refusal> {
        let CannotWake { why, help } = self.alarm.as_ref().err()?;
        let wakes = new.trigger.pace().is_some_and(|pace| pace.wake);
        let what = || "waking the machine from its sleep".to_owned();
        wakes.then(|| Refusal::NotSupported { what: what(), why: why.clone(), help: (*help).to_owned() })
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

/// The timer that wakes the machine, which is tried once: a machine gets no other clock, and a process no more rights.
fn alarm(sysroot: &Path) -> Result<OwnedFd, CannotWake> {
    let clocks = std::fs::read_dir(sysroot.join(CLOCKS)).into_iter().flatten().flatten();
    if !clocks.into_iter().any(|clock| clock.path().join(CAN_WAKE).exists()) {
        let why = format!("this machine has no clock that can wake it: there is none in /{CLOCKS}");
        return Err(CannotWake { why, help: NO_CLOCK_HELP });
    }
    timerfd_create(TimerfdClockId::BoottimeAlarm, TimerfdFlags::CLOEXEC).map_err(|errno| CannotWake {
        why: format!("the kernel does not let the broker wake the machine: {errno}"),
        help: NOT_PERMITTED_HELP,
    })
}

/// What a timer is armed with; nothing disarms it, and so would zero: a time in the past is the first microsecond instead.
fn moment(at: Option<BootTime>) -> Timespec {
    let micros = at.map_or(0, |at| i64::try_from(at.as_micros().max(1)).unwrap_or(i64::MAX));
    Timespec { tv_sec: micros / 1_000_000, tv_nsec: micros % 1_000_000 * 1_000 }
}

const fn once(at: Timespec) -> Itimerspec {
    Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at }
}

fn micros(time: &Timespec) -> i64 {
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bgtask_taskfile::parse_at_home;
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn task(wake: bool) -> NewRegistration {
        let text = format!("command = \"true\"\nevery = \"1h\"\nwake = {wake}\n");
        parse_at_home("backup.toml", &text, "/home/me").expect("a task").registration
    }

    fn machine(with_clock: bool) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        let clock = root.path().join(CLOCKS).join("rtc0");
        std::fs::create_dir_all(&clock).expect("a clock");
        if with_clock {
            std::fs::write(clock.join(CAN_WAKE), "").expect("that can wake");
        }
        root
    }

    /// D16: on a machine without such a clock, and for a broker without the right, the refusal says which.
    #[tokio::test]
    async fn a_task_that_wants_to_wake_the_machine_is_refused_where_nothing_can() {
        let clock = Clock::new(machine(false).path()).expect("a clock");
        let Some(Refusal::NotSupported { what, why, .. }) = clock.refuses(&task(true)) else { panic!("it is refused") };
        assert_eq!(what, "waking the machine from its sleep");
        assert_eq!(why, "this machine has no clock that can wake it: there is none in /sys/class/rtc");
        assert_eq!(clock.refuses(&task(false)), None);
        clock.rouse(Some(BootTime::from_micros(1))).expect("nothing is to be done");
    }

    /// Root may; who may not is told by the kernel, and says so.
    #[tokio::test]
    async fn the_alarm_is_armed_and_disarmed_where_it_is_permitted() {
        let clock = Clock::new(machine(true).path()).expect("a clock");
        let Ok(alarm) = &clock.alarm else {
            let Some(Refusal::NotSupported { why, .. }) = clock.refuses(&task(true)) else { panic!("it is refused") };
            assert!(why.starts_with("the kernel does not let the broker wake the machine: "), "{why}");
            return println!("SKIPPED: {why}");
        };
        assert_eq!(clock.refuses(&task(true)), None);
        let rings_within = |seconds| {
            let patience = Timespec { tv_sec: seconds, tv_nsec: 0 };
            poll(&mut [PollFd::new(alarm, PollFlags::IN)], Some(&patience)) == Ok(1)
        };
        clock.rouse(Some(BootTime::from_micros(1))).expect("it is armed with the past");
        assert!(rings_within(60));
        let soon = Clock::now().boot + Duration::from_millis(100);
        clock.rouse(Some(soon)).expect("it is armed");
        clock.rouse(None).expect("it is disarmed");
        assert!(!rings_within(1));
        clock.rouse(Some(soon)).expect("it is armed again, with what is past by now");
        assert!(rings_within(60));
    }
}
