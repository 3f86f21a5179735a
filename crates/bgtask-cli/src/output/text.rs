//! Text of unknown origin, made safe and measurable for a terminal.

pub(crate) use bgtask_text::{columns, counted, plain, printable, printable_lines, push_printable, short};
