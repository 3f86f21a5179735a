//! Text of unknown origin, made safe and measurable for a terminal.

pub(crate) use bgtask_text::{columns, counted, printable, printable_lines, push_printable, short};
