//! Every bound of the core by name. Each has a test that hits it.

use std::time::Duration;

/// Longest app id, in bytes: it is also a file name.
pub const MAX_APP_ID_BYTES: usize = 255;
/// Longest task name, in bytes. Windows states none (BLD-21).
pub const MAX_NAME_BYTES: usize = 255;
/// Longest entry point, in bytes.
pub const MAX_ENTRY_POINT_BYTES: usize = 255;
/// Longest group id and longest group name, in bytes.
pub const MAX_GROUP_BYTES: usize = 255;

/// Most arguments of a command, its program included.
pub const MAX_ARGUMENTS: usize = 1_024;
/// Longest argument list and environment of a command together, in bytes.
pub const MAX_COMMAND_BYTES: usize = 65_536;
/// Longest path that is watched, or a command starts in, in bytes: the kernel's own bound.
pub const MAX_PATH_BYTES: usize = 4_095;
/// Longest calendar expression, and longest name of a time zone, in bytes.
pub const MAX_CALENDAR_BYTES: usize = 255;
/// The shortest interval of a command.
pub const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// The longest time a command may be given: for an interval, a timeout, a promise of freshness.
pub const MAX_INTERVAL: Duration = Duration::from_secs(366 * 86_400);
/// The longest time something may have to settle, or may fire later than due.
pub const MAX_SETTLE: Duration = Duration::from_secs(86_400);
/// Most repetitions of a failed command.
pub const MAX_RETRIES: u32 = 1_000;
/// The longest pause between two tries that doubling leads to.
pub const MAX_BACKOFF: Duration = Duration::from_secs(6 * 3_600);
/// Longest words a task says beside its progress, in bytes; longer ones are cut.
pub const MAX_PROGRESS_MESSAGE_BYTES: usize = 255;

/// Longest id of a custom event, in bytes.
pub const MAX_EVENT_ID_BYTES: usize = 255;

/// Most properties of an event trigger. A name of one is at most as long as the id of an event, a value as a path.
pub const MAX_PROPERTIES: usize = 16;

/// Most bytes a trigger carries for its task, as they are written on the wire.
pub const MAX_DETAILS_BYTES: usize = 65_536;

/// The longest interval of a timer, in minutes: a little less than 30 days (TM-2).
pub const MAX_FRESHNESS: u32 = 43_199;

/// No interval becomes longer by being stretched (TM-4).
pub const MAX_STRETCHED: Duration = Duration::from_secs(86_400);
/// The most times as long as it was asked for that an interval may be made: the shortest one is a day long then.
pub const MAX_STRETCH: u32 = 96;

/// Most questions for consent that wait for the user at the same time.
pub const MAX_CONSENTS: usize = 64;

/// Most connections that one app serves at the same time, those that wait included.
pub const MAX_APP_SERVICE_CONNECTIONS: usize = 64;

/// Most conditions of one registration.
pub const MAX_CONDITIONS: usize = 16;
/// Most sources that are watched at the same time: each value of a condition with a parameter has its own.
pub const MAX_SOURCES: usize = 256;
/// Most registrations of one app, spent and running ones included.
pub const MAX_REGISTRATIONS_PER_APP: usize = 1_024;
/// Most registrations of one broker: a hundred apps with all that they may have, and some. What they take is measured in
/// `BENCHMARKS.md`: some 90 MB of memory.
pub const MAX_REGISTRATIONS: usize = 131_072;
/// Most registrations that one turn fires, or tells what they wait for, where more are concerned and the others can have
/// theirs in the next: so that whoever calls meanwhile has not long to wait.
pub const MAX_PER_TURN: usize = 32;
/// Most registrations that an edge fires in one turn. More than of others: what it has fired runs meanwhile, and what comes again
/// is merged only with what still waits (D1).
pub const MAX_FIRED_PER_TURN: usize = 256;
/// Most edges of which some registrations are still to be fired. With one more the oldest is not divided any longer.
pub const MAX_EDGES: usize = 64;
/// Most registrations that are kept apart from an edge because they came after it. With one more it is not divided any longer.
pub const MAX_SPARED: usize = 64;
/// Most apps of one broker.
pub const MAX_APPS: usize = 4_096;
/// Most completions kept for one app that does not fetch them; beyond it the oldest is given up, which the history records.
pub const MAX_COMPLETIONS_PER_APP: usize = 1_024;
/// Most activations with a socket that wait for one registration: what happens to others waits where it is.
pub const MAX_SOCKET_FIRINGS: usize = 64;
/// Longest id of a socket, in bytes.
pub const MAX_SOCKET_ID_BYTES: usize = 255;
/// Longest context of a socket, in bytes. Windows states none.
pub const MAX_SOCKET_CONTEXT_BYTES: usize = 4_096;
/// Most sockets that one app has handed over.
pub const MAX_SOCKETS_PER_APP: usize = 12_288;
/// Most sockets that the broker keeps.
pub const MAX_SOCKETS: usize = 16_384;
/// The shortest keep-alive time of a socket; the longest is [`MAX_INTERVAL`].
pub const MIN_KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Longest id of a control channel, in characters (CCT-1).
pub const MAX_CHANNEL_ID_CHARS: usize = 64;
/// Most control channels of one app. Windows has a bound, and does not say which (CCT-11).
pub const MAX_CONTROL_CHANNELS_PER_APP: usize = 16;
/// Most control channels that the broker watches.
pub const MAX_CONTROL_CHANNELS: usize = 1_024;
/// The shortest interval in which the server of a control channel wants to hear something, in minutes (CCT-2).
pub const MIN_KEEP_ALIVE_MINUTES: u32 = 15;
/// The longest, in minutes: a little less than a day.
pub const MAX_KEEP_ALIVE_MINUTES: u32 = 1_439;
/// How long it is waited before a task of a control channel runs again that has read nothing. Each further time it is twice as long.
pub const FIRST_UNREAD_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
pub const LAST_UNREAD_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Longest error text of a task, in bytes; a longer one is cut.
pub const MAX_ERROR_BYTES: usize = 4_096;
/// Longest kept tail of what a host wrote before it died, in bytes.
pub const MAX_OUTPUT_TAIL_BYTES: usize = 4_096;

/// Most channels for push messages: each is a connection.
pub const MAX_PUSH_CHANNELS: usize = 64;
/// Most requests for one channel that wait for its address.
pub const MAX_CHANNEL_REQUESTS: usize = 64;
/// Most messages of one channel that are held while there is no room, of those that nobody keeps a second time. Of the others the
/// transport bounds how many are not acknowledged.
pub const MAX_HELD_PUSHES: usize = 256;

/// Longest id of an order of the fleet, in bytes.
pub const MAX_ORDER_ID_BYTES: usize = 64;
/// Most orders of the fleet that are known, those included that are only remembered so that they are not done twice.
pub const MAX_FLEET_ORDERS: usize = 256;
/// The longest time over which the machines of a fleet begin with an order.
pub const MAX_SPREAD: Duration = Duration::from_secs(30 * 86_400);

/// How long a period of energy is (POL-6).
pub const ENERGY_PERIOD: Duration = Duration::from_secs(30 * 60);
/// What one second of a processor weighs as energy.
pub const ENERGY_OF_A_SECOND: u64 = 1_000;
/// What one wake-up weighs that a timer of the app makes; those that one wake-up serves share it.
pub const ENERGY_OF_A_WAKE: u64 = 50;
/// So many bytes read and written weigh as much as one second of a processor.
pub const IO_OF_A_SECOND: u64 = 64 << 20;
/// So many bytes sent and received weigh as much as one second of a processor.
pub const NETWORK_OF_A_SECOND: u64 = 8 << 20;
/// The energy of a period that is normal for an app: one minute of a processor.
pub const ENERGY_NORMAL: u64 = 60 * ENERGY_OF_A_SECOND;

/// `text` cut to `max` bytes at a character boundary.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// The last `max` bytes of `text`, from a character boundary.
pub(crate) fn cut_front(text: &str, max: usize) -> String {
    let mut start = text.len().saturating_sub(max);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}
