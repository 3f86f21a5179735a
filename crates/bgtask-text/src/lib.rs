//! Text for people: what is unknown made safe for a terminal, and times, spans and sizes as one says them.
//!
//! ```
//! use std::time::Duration;
//! use bgtask_text::{bytes, printable, span};
//! assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
//! assert_eq!(span(Duration::from_millis(1_240)), "1.2s");
//! assert_eq!(bytes(3 << 20), "3.0M");
//! ```
#![forbid(unsafe_code)]

mod clock;
mod quantity;
mod text;

pub use clock::{Clock, rfc3339};
pub use quantity::{bytes, span};
pub use text::{columns, counted, printable, printable_lines, push_printable, short};
