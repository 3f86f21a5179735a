use std::fmt;
use std::num::NonZeroU64;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Microseconds since the machine booted, suspend included (`CLOCK_BOOTTIME`).
///
/// Deadlines and intervals are counted on this clock: it never steps and does not stop while the machine sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(u64);

impl BootTime {
    /// A point `micros` microseconds after boot.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since boot.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for BootTime {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(micros(rhs)))
    }
}

/// Microseconds since 1970-01-01 00:00 UTC (`CLOCK_REALTIME`).
///
/// For people and for records only: this clock steps, so no deadline is counted on it.
///
/// The very first of all, 292 thousand years ago, is none, so that an optional one takes no more room: there are many of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(NonZeroU64);

impl WallTime {
    /// How far the epoch is from the first of all: what counts from there is in the same order, and never zero.
    const EPOCH: u64 = 1 << 63;

    /// A point `micros` microseconds after the Unix epoch; [`i64::MIN`] is taken for the one after it.
    pub const fn from_micros(micros: i64) -> Self {
        match NonZeroU64::new(micros.cast_unsigned() ^ Self::EPOCH) {
            Some(since_first) => Self(since_first),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        (self.0.get() ^ Self::EPOCH).cast_signed()
    }
}

impl Default for WallTime {
    /// The Unix epoch.
    fn default() -> Self {
        Self::from_micros(0)
    }
}

impl fmt::Debug for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WallTime").field(&self.as_micros()).finish()
    }
}

impl Add<Duration> for WallTime {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self::from_micros(self.as_micros().saturating_add(i64::try_from(micros(rhs)).unwrap_or(i64::MAX)))
    }
}

impl Sub for WallTime {
    type Output = Duration;

    /// Zero where the clock was set back in between.
    fn sub(self, rhs: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.as_micros().saturating_sub(rhs.as_micros())).unwrap_or(0))
    }
}

/// The two clocks, read together by the driver once per turn of its loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For deadlines.
    pub boot: BootTime,
    /// For records.
    pub wall: WallTime,
}

impl Now {
    /// Both clocks at zero, for tests and examples.
    pub const ZERO: Self = Self { boot: BootTime(0), wall: WallTime::from_micros(0) };
}

impl Add<Duration> for Now {
    type Output = Self;

    /// Both clocks advance alike: the usual step of a test on virtual time.
    fn add(self, rhs: Duration) -> Self {
        Self { boot: self.boot + rhs, wall: self.wall + rhs }
    }
}

/// A duration the way a sentence says it, to the nearest: `3 s`, `12 min`, `5 h`, `2 days`.
pub(crate) struct Spoken(pub(crate) Duration);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.saturating_add(Duration::from_millis(500)).as_secs();
        let nearest = |unit: u64| seconds.saturating_add(unit / 2) / unit;
        match seconds {
            0..=119 => write!(f, "{seconds} s"),
            120..=7_199 => write!(f, "{} min", nearest(60)),
            7_200..=172_799 => write!(f, "{} h", nearest(3_600)),
            _ => write!(f, "{} days", nearest(86_400)),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
