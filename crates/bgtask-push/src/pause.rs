//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// How long the first wait for another try is; each next one twice as long, up to [`MAX_PAUSE`].
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(500);
pub(crate) const MAX_PAUSE: Duration = Duration::from_secs(300);
/// After trouble that time alone does not mend.
pub(crate) const LASTING_PAUSE: Duration = Duration::from_secs(60);

/// Half to the whole of it, by chance: after a server has come back not everybody knocks at the same moment.
pub(crate) fn spread(pause: Duration) -> Duration {
    let mut byte = [0];
    let _none = rustix::rand::getrandom(&mut byte, rustix::rand::GetRandomFlags::empty());
    pause / 2 + pause / 2 * u32::from(byte[0]) / 255
}
