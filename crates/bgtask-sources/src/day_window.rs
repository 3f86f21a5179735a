//! Windows of the day.

/// A part of every day, in minutes after local midnight: from `from` on, until `to` is reached. It may span midnight:
/// from 22:00 to 06:00 is `from: 1320, to: 360`. A window that ends where it begins is the whole day. Minutes count modulo
/// a day, so that an end of 24:00 (1440) is midnight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DayWindow {
    /// The first minute that belongs to it.
    pub from: u16,
    /// The first minute after it.
    pub to: u16,
}
