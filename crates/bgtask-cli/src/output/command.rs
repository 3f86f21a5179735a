//! A command's registration in words.

pub(crate) use bgtask_text::command::{conditions, from_home, last, next, state, when};
