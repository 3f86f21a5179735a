//! Text for people: what is unknown made safe for a terminal, and times, amounts and tasks as one says them.
//!
//! ```
//! use std::time::Duration;
//! use bgtask_text::{amount, printable, short_span, span};
//! assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
//! assert_eq!(span(Duration::from_secs(125)), "2 min 5 s");
//! assert_eq!(short_span(Duration::from_secs(125)), "2m05s");
//! assert_eq!(amount(3 << 20), "3.0 MiB");
//! ```
#![forbid(unsafe_code)]

mod clock;
pub mod command;
mod quantity;
mod text;

pub use clock::{Clock, rfc3339};
pub use quantity::{amount, exact, short_amount, short_span, span};
pub use text::{columns, counted, plain, printable, printable_lines, push_printable, short};
