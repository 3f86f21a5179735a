//! Times: as people say them, as programs read them, and as `--since` takes them.

pub(crate) use bgtask_text::{Clock, rfc3339};
