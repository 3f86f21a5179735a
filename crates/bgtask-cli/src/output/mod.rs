//! How commands show what they found: text for people, JSON for programs.

pub(crate) mod command;
pub(crate) mod diagnostics;
mod excerpt;
pub(crate) mod json;
pub(crate) mod live;
pub(crate) mod progress;
pub(crate) mod quantity;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod task;
pub(crate) mod text;
pub(crate) mod time;

use std::io::{self, Write};

use serde_json::Value;

use time::Clock;

/// Where a command shows its results.
pub(crate) struct Screen<'a> {
    /// Results.
    pub(crate) out: &'a mut dyn Write,
    /// What is said beside them.
    pub(crate) err: &'a mut dyn Write,
    pub(crate) clock: Clock,
    /// How many columns there are, where people read it on a terminal.
    pub(crate) width: Option<usize>,
}

/// The columns of the terminal that standard output is, if it is one.
pub(crate) fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

impl Screen<'_> {
    /// One JSON value, laid out for people too.
    pub(crate) fn json(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{value:#}")
    }

    /// One JSON value on one line, at once.
    pub(crate) fn json_line(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{value}")?;
        self.out.flush()
    }
}
