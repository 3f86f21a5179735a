//! What the tasks of a user came to cost, out of the lines of the history: as text, as JSON and as a page; and the ledger of wake-ups.
//!
//! ```text
//! lines of history ─▶ event_of ─▶ account ─▶ Report ─▶ text, wakes, json, page
//! ```
//!
//! All of it is pure: nothing here asks a broker, reads a clock or opens a file.
//!
//! ```
//! use bgtask_report::{account, text};
//! use jiff::tz::TimeZone;
//! let report = account(&[], &TimeZone::UTC, 0, 86_400_000_000);
//! assert!(text(&report).contains("Nothing happened."));
//! ```
#![forbid(unsafe_code)]

mod account;
mod json;
mod line;
mod page;
mod plot;
mod text;
mod totals;
mod wakes;

pub use account::{AppReport, Day, Report, TaskReport, account};
pub use json::json;
pub use line::{event_of, event_of_change};
pub use page::page;
pub use text::{text, top};
pub use totals::{Spread, Totals};
pub use wakes::{days, wakes};
