use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::MAX_APP_ID_BYTES;
use crate::time::WallTime;

/// A text that is not the identifier it was given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidId {
    /// What was expected, as a sentence for the person who typed it.
    pub expected: String,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expected)
    }
}

impl std::error::Error for InvalidId {}

/// The name of an app, such as `org.example.Photos`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId(Arc<str>);

impl AppId {
    /// # Errors
    ///
    /// Empty, longer than [`MAX_APP_ID_BYTES`], or with characters other than letters, digits, `.`, `_` and `-`,
    /// or with a `.` at either end: an app id is also the name of a folder.
    ///
    /// ```
    /// use bgtask_core::AppId;
    /// assert!(AppId::new("org.example.Photos").is_ok());
    /// assert!(AppId::new("../etc").is_err());
    /// ```
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let shaped = !text.starts_with('.') && !text.ends_with('.') && text.chars().all(legal);
        if text.is_empty() || text.len() > MAX_APP_ID_BYTES || !shaped {
            let shown: String = text.chars().take(64).collect();
            return Err(InvalidId {
                expected: format!(
                    "{shown:?} is no app id: 1 to {MAX_APP_ID_BYTES} letters, digits, '.', '_' and '-', no '.' at either end, \
                     such as org.example.Photos"
                ),
            });
        }
        Ok(Self(text.into()))
    }

    pub(crate) fn text_mut(&mut self) -> &mut Arc<str> {
        &mut self.0
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The halves of 128 bits, the upper one first: as one number they would ask for twice the alignment, and so for more room in
/// every table of many.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Uuid(u64, u64);

impl Uuid {
    #[expect(clippy::cast_possible_truncation, reason = "each half is meant")]
    const fn of(bits: u128) -> Self {
        Self((bits >> 64) as u64, bits as u64)
    }

    /// With the bits of its version and variant.
    const fn marked(bits: u128, version: u128) -> Self {
        Self::of(bits & !(0xf << 76) & !(0x3 << 62) | (version << 76) | (2 << 62))
    }

    const fn bits(self) -> u128 {
        (self.0 as u128) << 64 | self.1 as u128
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uuid(self.bits(), f)
    }
}

macro_rules! uuid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// An id from 128 random bits; the version and variant bits are set here.
            pub const fn from_random(bits: u128) -> Self {
                Self(Uuid::marked(bits, 4))
            }
        }

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
                hasher.write_u128(self.0.bits());
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_uuid(self.0.bits(), f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_uuid(text).map(|bits| Self(Uuid::of(bits)))
            }
        }
    };
}

uuid! {
    /// Names one registration: a UUID given at registration, kept over restarts and reboots (RUN-2).
    TaskId
}

uuid! {
    /// Names one activation: a UUID given when the firing is accepted, the same in every attempt (RUN-2).
    InstanceId
}

impl InstanceId {
    /// An id that begins with when it was made, in milliseconds, and is random beyond that: what is made together stands together
    /// in the store, so that a turn with many of them writes few of its pages.
    fn made(at: WallTime, random: u128) -> Self {
        const RANDOM: u32 = 80;
        let millis = u128::try_from(at.as_micros() / 1_000).unwrap_or(0);
        Self(Uuid::marked(millis << RANDOM | random & ((1 << RANDOM) - 1), 7))
    }
}

uuid! {
    /// Names a class that a program declared in the manifest serves (BLD-11).
    ClassId
}

uuid! {
    /// Names a group of background transfers that one task hears the end of (NEI-4). The app gives it.
    TransferGroupId
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    };
}

number! {
    /// Names one host process within one life of the broker.
    HostId
}

number! {
    /// Names one attached client within one life of the broker.
    ClientId
}

number! {
    /// Names one request that waits for its [`Reply`](crate::Reply).
    RequestId
}

number! {
    /// Names a descriptor that the driver holds, which an activation hands to its task. The driver gives the number.
    SocketKey
}

number! {
    /// Names a push message that its server waits to have acknowledged.
    PushTicket
}

/// The core's only source of identifiers: a stream of 64-bit numbers fixed by its seed.
///
/// The algorithm is SplitMix64. Ids need to be distinct, not secret: who may use one is decided by the caller's app.
#[derive(Clone, Debug)]
pub(crate) struct IdSource(u64);

impl IdSource {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn task(&mut self) -> TaskId {
        TaskId::from_random(self.bits())
    }

    pub(crate) fn instance(&mut self, now: WallTime) -> InstanceId {
        InstanceId::made(now, self.bits())
    }

    fn bits(&mut self) -> u128 {
        (u128::from(self.next()) << 64) | u128::from(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn write_uuid(bits: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 64) & 0xffff,
        (bits >> 48) & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}

fn parse_uuid(text: &str) -> Result<u128, InvalidId> {
    let groups: Vec<&str> = text.split('-').collect();
    let shaped = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]);
    let hex = text.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    if !(shaped && hex) {
        let shown: String = text.chars().take(64).collect();
        return Err(InvalidId {
            expected: format!("{shown:?} is no id: it looks like 3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
        });
    }
    Ok(u128::from_str_radix(&groups.concat(), 16).expect("32 hex digits were just counted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_and_read_as_version_4_uuids() {
        let mut ids = IdSource::new(7);
        for _ in 0..1_000 {
            let id = ids.task();
            let text = id.to_string();
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(text.as_bytes()[14], b'4');
            assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
        }
    }

    #[test]
    fn the_ids_of_activations_are_version_7_uuids_in_the_order_of_time() {
        let mut ids = IdSource::new(7);
        let mut before = None;
        for millis in [i64::MIN / 1_000, 0, 1, 1_700_000_000_000, 1_700_000_000_001] {
            let at = WallTime::from_micros(millis * 1_000);
            let id = ids.instance(at);
            let text = id.to_string();
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(text.as_bytes()[14], b'7');
            assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
            assert_ne!(id, ids.instance(at), "at the same time");
            assert!(millis <= 0 || before < Some(id));
            before = Some(id);
        }
        assert!(ids.instance(WallTime::from_micros(1_645_557_742_000_000)).to_string().starts_with("017f22e2-79b0-7"));
    }

    #[test]
    fn a_text_that_is_no_id_is_refused_with_an_example() {
        for text in ["", "x", "3f2504e0-4f89-41d3-9a0c-0305e82c330", "3f2504e0-4f89-41d3-9a0c-0305e82c33g1", "é-é"] {
            let error = text.parse::<TaskId>().expect_err(text);
            assert!(error.to_string().contains("it looks like"), "{error}");
        }
    }

    #[test]
    fn an_app_id_is_bounded_and_safe_as_a_folder_name() {
        assert!(AppId::new(&"a".repeat(MAX_APP_ID_BYTES)).is_ok());
        for text in ["", ".", "..", ".hidden", "a/b", "a b", "ä", &"a".repeat(MAX_APP_ID_BYTES + 1)] {
            assert!(AppId::new(text).is_err(), "{text:?}");
        }
    }
}
