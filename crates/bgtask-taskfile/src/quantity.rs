//! Times, sizes and paths as people write them.

use std::time::Duration;

use bgtask_core::limits::MAX_PATH_BYTES;
use bgtask_core::words::{self, duration_word};

use crate::error::{WordError, quoted};

/// The time of that word: `90s`, `15min`, `6h`, `2d`, `1h30min`; a number alone is seconds.
///
/// # Errors
/// It is none.
pub fn duration(word: &str) -> Result<Duration, WordError> {
    words::duration(word).ok_or_else(|| {
        let wrong =
            if word.is_empty() { "the time is empty".to_owned() } else { format!("{} is no time", quoted(word)) };
        WordError::new(wrong, "write it as 90s, 15min, 6h, 2d or 1h30min")
    })
}

/// The bytes of that word: `500M`, `10G`, `64KiB`, by powers of 1024; a number alone is bytes.
///
/// # Errors
/// It is none, or more than can be counted.
pub fn size(word: &str) -> Result<u64, WordError> {
    words::size(word).ok_or_else(|| {
        let wrong =
            if word.is_empty() { "the size is empty".to_owned() } else { format!("{} is no size", quoted(word)) };
        WordError::new(wrong, "write a whole number with K, M, G or T, such as 500M or 10G")
    })
}

/// The absolute path of that word; `~` at its beginning is the folder `home`.
///
/// ```
/// assert_eq!(bgtask_taskfile::path("~/notes", "/home/me")?, "/home/me/notes");
/// assert!(bgtask_taskfile::path("notes", "/home/me").is_err(), "nobody knows from where");
/// # Ok::<(), bgtask_taskfile::WordError>(())
/// ```
///
/// # Errors
/// It does not begin with `/` or `~/`, has a NUL, or is longer than a path can be.
pub fn path(word: &str, home: &str) -> Result<String, WordError> {
    let full = match word.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => format!("{}{rest}", home.trim_end_matches('/')),
        Some(_) => {
            let wrong = format!("{} names the home folder of somebody else", quoted(word));
            return Err(WordError::new(wrong, "write the path in full; only ~ and ~/… stand for your own"));
        }
        None => word.to_owned(),
    };
    if word.is_empty() {
        return Err(WordError::new("the path is empty", "write one such as ~/notes"));
    }
    if !full.starts_with('/') {
        let wrong = format!("the path {} is not absolute", quoted(word));
        return Err(WordError::new(wrong, "begin it with / or ~/"));
    }
    if full.contains('\0') {
        return Err(WordError::new("the path has a NUL character", "take it out: no file has one in its name"));
    }
    if full.len() > MAX_PATH_BYTES {
        let wrong = format!("the path has {} bytes", full.len());
        return Err(WordError::new(wrong, format!("a path has at most {MAX_PATH_BYTES}")));
    }
    Ok(full)
}

/// The value, if it is in these bounds.
pub(crate) fn within(what: &str, value: Duration, least: Duration, most: Duration) -> Result<Duration, WordError> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let [value, least, most] = [value, least, most].map(duration_word);
    Err(WordError::new(format!("{what} of {value} is out of range"), format!("it takes {least} to {most}")))
}
