//! Times and amounts, short enough for a column.

pub(crate) use bgtask_text::{amount, exact, span};
