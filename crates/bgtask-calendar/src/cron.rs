//! What importers of crontabs ask about an expression.

use crate::error::Problem;
use crate::parse::cron::{is_cron, split};
use crate::{Calendar, CalendarError};

/// Whether [`Calendar::parse`] reads this text as cron: a nickname, or five fields and perhaps a zone.
///
/// ```
/// assert!(bgtask_calendar::cron::is("0 9 * * mon-fri"));
/// assert!(!bgtask_calendar::cron::is("Mon..Fri 09:00"));
/// ```
pub fn is(text: &str) -> bool {
    is_cron(&text.split_ascii_whitespace().collect::<Vec<_>>())
}

/// The five fields of a cron expression as written, or those its nickname stands for; the zone is left out.
///
/// ```
/// assert_eq!(bgtask_calendar::cron::fields("@weekly")?, ["0", "0", "*", "*", "0"]);
/// # Ok::<(), bgtask_calendar::CalendarError>(())
/// ```
///
/// # Errors
/// When the text is not cron, or [`Calendar::parse`] refuses it.
pub fn fields(text: &str) -> Result<[String; 5], CalendarError> {
    Calendar::parse(text)?;
    let tokens: Vec<&str> = text.split_ascii_whitespace().collect();
    let refused = |problem| CalendarError::new(text, problem);
    if !is_cron(&tokens) {
        return Err(refused(Problem::new(
            "this is not cron but the systemd form",
            "write five fields, as in 0 9 * * 1-5",
        )));
    }
    split(&tokens).map(|(fields, _)| fields.map(str::to_owned)).map_err(refused)
}
