//! Waiting for a moment of the wall clock.

use std::time::{Duration, SystemTime};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::time::sleep;

use crate::ready;

/// Waits until the clock shows `moment`, or was set; for ever without a moment. Time spent in suspend counts, which it
/// does not for the runtime's own timers. Cancel safe.
pub(crate) async fn until(moment: Option<SystemTime>) {
    let Some(moment) = moment else {
        return std::future::pending().await;
    };
    if wait(moment).await.is_err() {
        // Out of file descriptors: a timer that stands still in suspend is the next best.
        sleep(moment.duration_since(SystemTime::now()).unwrap_or_default()).await;
    }
}

async fn wait(moment: SystemTime) -> std::io::Result<()> {
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let since_epoch = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let at = Itimerspec { it_interval: timespec(Duration::ZERO), it_value: timespec(since_epoch) };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &at)?;
    ready::watch(timer)?.readable().await?.retain_ready();
    Ok(())
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_waits_until_the_moment_and_not_longer() {
        let moment = SystemTime::now() + Duration::from_millis(50);
        until(Some(moment)).await;
        assert!(SystemTime::now() >= moment);
        until(Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1))).await;
    }
}
